/*
 * plain_table.c
 *	  Whether a table is as pg_chat made it.
 *
 * A statement heeds whatever is defined on a table: triggers, rules, policies,
 * checks, defaults, index expressions, children, rows that are kept elsewhere.
 * A table is plain for an operation if nothing of that has anything to do
 * there, so that the access methods' own functions do all that a statement
 * would do; in particular no code runs but PostgreSQL's and pg_chat's. What
 * stands in the way is called an obstacle, and is named in words for the
 * table's owner.
 *
 * The test is strict: what it does not know is an obstacle, and costs speed.
 * All that it looks at is in the table's relcache entry, its indexes' and
 * those of functions, so that a change of any is announced to whoever keeps
 * the result.
 */
#include "postgres.h"

#include "access/amapi.h"
#include "access/genam.h"
#include "access/transam.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_language.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "rewrite/rewriteHandler.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "common/compat.h"
#include "rows/plain_table.h"

/* A table under examination. */
typedef struct Examination
{
	PlainTable *table;
	const TableShape *shape;
	Relation	relation;
	TupleDesc	descriptor;
	Oid			extension;		/* pg_chat */
} Examination;

/* Note why operations from one on to another are not done, unless something else is in the way already. */
static void
obstruct(Examination *e, RowOperation first, RowOperation last, const char *obstacle)
{
	for (int operation = first; operation <= (int) last; operation++)
		if (e->table->obstacles[operation] == NULL)
			e->table->obstacles[operation] = obstacle;
}

static void
obstruct_all(Examination *e, const char *obstacle)
{
	obstruct(e, ROW_READ, ROW_INSERT, obstacle);
}

/* Whether a function is in C and belongs to the extension. */
static bool
function_is_own(const Examination *e, Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	bool		own;

	if (!HeapTupleIsValid(tuple))
		return false;
	own = ((Form_pg_proc) GETSTRUCT(tuple))->prolang == ClanguageId;
	ReleaseSysCache(tuple);
	return own && getExtensionOfObject(ProcedureRelationId, function) == e->extension;
}

/* Look at the table as a whole. */
static void
examine_table(Examination *e)
{
	Form_pg_class class = e->relation->rd_rel;
	TupleConstr *constraints = e->descriptor->constr;

	if (class->relkind != RELKIND_RELATION || class->relam != HEAP_TABLE_AM_OID)
		obstruct_all(e, "it is no heap");
	if (class->relispartition)
		obstruct_all(e, "it is a partition");
	if (class->relhassubclass)
		obstruct_all(e, "it has, or had, children");
	if (class->relhasrules)
		obstruct_all(e, "it has rules");
	if (class->relrowsecurity)
		obstruct_all(e, "it has row-level security");
	if (constraints != NULL && constraints->num_check > 0)
		obstruct(e, ROW_UPDATE, ROW_INSERT, psprintf("it has the check constraint \"%s\"", constraints->check[0].ccname));
}

/* Look at what its owner may do, as whom statements are executed. */
static void
examine_rights(Examination *e)
{
	static const AclMode needed[ROW_OPERATIONS] = {
		ACL_SELECT, ACL_SELECT | ACL_UPDATE, ACL_SELECT | ACL_UPDATE, ACL_SELECT | ACL_INSERT
	};
	Oid			owner = e->relation->rd_rel->relowner;

	for (int operation = 0; operation < ROW_OPERATIONS; operation++)
		if (pg_class_aclmask(RelationGetRelid(e->relation), owner, needed[operation], ACLMASK_ALL) != needed[operation])
			obstruct(e, operation, operation, "its owner lacks a privilege on it");
}

/* Whether new rows have in a column what its shape says. */
static bool
default_fits(const Examination *e, AttrNumber column, ColumnDefault wanted)
{
	Node	   *value;

	if (wanted == DEFAULT_GIVEN)
		return true;
	value = build_column_default(e->relation, column);
	if (value == NULL || wanted == DEFAULT_NULL)
		return value == NULL && wanted == DEFAULT_NULL;
	if (wanted == DEFAULT_CLOCK)
		return IsA(value, FuncExpr) && ((FuncExpr *) value)->funcid == F_CLOCK_TIMESTAMP;
	return IsA(value, Const) && ((Const *) value)->consttype == INT4OID &&
		!((Const *) value)->constisnull && DatumGetInt32(((Const *) value)->constvalue) == 0;
}

/* Look at the columns that pg_chat made. */
static void
examine_columns(Examination *e)
{
	for (int i = 0; i < e->shape->columns_count; i++)
	{
		const char *name = e->shape->columns[i].name;
		AttrNumber	column = get_attnum(RelationGetRelid(e->relation), name);
		Form_pg_attribute attribute;

		e->table->columns[i] = column;
		if (column <= 0)
		{
			obstruct_all(e, psprintf("it has no column \"%s\"", name));
			continue;
		}
		attribute = TupleDescAttr(e->descriptor, column - 1);
		if (attribute->atttypid != e->shape->columns[i].type || attribute->atttypmod != -1)
			obstruct_all(e, psprintf("its column \"%s\" has another type", name));
		if (!e->shape->columns[i].nullable && !compat_is_not_null(e->descriptor, column - 1))
			obstruct_all(e, psprintf("its column \"%s\" may be null", name));
		if (e->shape->columns[i].nullable && attribute->attnotnull)
			obstruct(e, ROW_UPDATE, ROW_INSERT, psprintf("its column \"%s\" must not be null", name));
		if (!default_fits(e, column, e->shape->columns[i].inserted))
			obstruct(e, ROW_INSERT, ROW_INSERT, psprintf("its column \"%s\" has another default", name));
	}
}

static bool
column_is_own(const Examination *e, AttrNumber column)
{
	for (int i = 0; i < e->shape->columns_count; i++)
		if (e->table->columns[i] == column)
			return true;
	return false;
}

/* Whether ROW_UPDATE changes a column. */
static bool
column_is_updated(const Examination *e, AttrNumber column)
{
	for (int i = 0; i < e->shape->columns_count; i++)
		if (e->shape->columns[i].updated && e->table->columns[i] == column)
			return true;
	return false;
}

/* Look at all columns: those of others are null in new rows, and stay as they are in others. */
static void
examine_other_columns(Examination *e)
{
	for (int i = 0; i < e->descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(e->descriptor, i);
		const char *name = NameStr(attribute->attname);

		if (attribute->attisdropped)
			continue;
		if (attribute->attgenerated != '\0')
			obstruct_all(e, psprintf("its column \"%s\" is generated", name));
		if (attribute->attnotnull && !compat_is_not_null(e->descriptor, i))
			obstruct(e, ROW_UPDATE, ROW_INSERT, psprintf("its column \"%s\" is not verified to have no null", name));
		if (column_is_own(e, attribute->attnum))
			continue;
		if (attribute->attnotnull)
			obstruct(e, ROW_INSERT, ROW_INSERT, psprintf("its column \"%s\" must not be null", name));
		if (attribute->atthasdef || attribute->attidentity != '\0')
			obstruct(e, ROW_INSERT, ROW_INSERT, psprintf("its column \"%s\" has a default", name));
		if (get_typtype(attribute->atttypid) == TYPTYPE_DOMAIN)
			obstruct(e, ROW_INSERT, ROW_INSERT, psprintf("its column \"%s\" is of a domain", name));
	}
}

/*
 * Whether a trigger is the check of the reference to the parent, which an
 * insertion does itself (see ROW_REFERENCE).
 */
static bool
trigger_checks_parent(const Examination *e, const Trigger *trigger)
{
	List	   *keys;
	ListCell   *cell;

	if (e->shape->parent == NULL || trigger->tgfoid != F_RI_FKEY_CHECK_INS || trigger->tgdeferrable)
		return false;
	/* A copy: the relation cache may be rebuilt by any look into the catalog. */
	keys = copyObject(RelationGetFKeyList(e->relation));
	foreach(cell, keys)
	{
		ForeignKeyCacheInfo *key = lfirst_node(ForeignKeyCacheInfo, cell);

		if (key->conoid == trigger->tgconstraint)
			return key->nkeys == 1 && key->conkey[0] == e->table->columns[0] &&
				key->confrelid == get_relname_relid(e->shape->parent, RelationGetNamespace(e->relation)) &&
				key->confkey[0] == get_attnum(key->confrelid, "id");
	}
	return false;
}

/* Whether a trigger is of a reference, to or from a key that updates leave as it is. */
static bool
trigger_is_of_fixed_key(const Examination *e, const Trigger *trigger)
{
	int			type = RI_FKey_trigger_type(trigger->tgfoid);
	HeapTuple	tuple;
	Datum		columns;
	bool		isnull;
	bool		fixed;

	if (type == RI_TRIGGER_NONE)
		return false;
	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(trigger->tgconstraint));
	if (!HeapTupleIsValid(tuple))
		return false;
	columns = SysCacheGetAttr(CONSTROID, tuple, type == RI_TRIGGER_FK ? Anum_pg_constraint_conkey : Anum_pg_constraint_confkey, &isnull);
	fixed = !isnull;
	if (!isnull)
	{
		ArrayType  *key = DatumGetArrayTypeP(columns);
		const AttrNumber *numbers = (AttrNumber *) ARR_DATA_PTR(key);

		for (int i = 0; i < ArrayGetNItems(ARR_NDIM(key), ARR_DIMS(key)); i++)
			fixed = fixed && !column_is_updated(e, numbers[i]);
	}
	ReleaseSysCache(tuple);
	return fixed;
}

/*
 * Whether a trigger has nothing to do when a row is inserted or updated. The
 * extension's own have nothing to do for its functions; of references see also
 * counter_row.c.
 */
static bool
trigger_is_idle(const Examination *e, const Trigger *trigger, bool insert)
{
	if (trigger->tgenabled == TRIGGER_DISABLED ||
		!(insert ? TRIGGER_FOR_INSERT(trigger->tgtype) : TRIGGER_FOR_UPDATE(trigger->tgtype)))
		return true;
	if (!trigger->tgisinternal)
		return trigger->tgqual == NULL && function_is_own(e, trigger->tgfoid);
	if (insert)
		return trigger_checks_parent(e, trigger);
	return trigger_is_of_fixed_key(e, trigger);
}

/* Describes a trigger by its own name, or by that of its constraint. */
static const char *
describe_trigger(const Trigger *trigger)
{
	if (trigger->tgisinternal && OidIsValid(trigger->tgconstraint))
		return psprintf("its constraint \"%s\" has to be checked", get_constraint_name(trigger->tgconstraint));
	return psprintf("it has the trigger \"%s\"", trigger->tgname);
}

static void
examine_triggers(Examination *e)
{
	/* A copy: the relation cache may be rebuilt by any look into the catalog. */
	TriggerDesc *triggers = CopyTriggerDesc(e->relation->trigdesc);

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		for (RowOperation operation = ROW_UPDATE; operation <= ROW_INSERT; operation++)
			if (!trigger_is_idle(e, trigger, operation == ROW_INSERT))
				obstruct(e, operation, operation, describe_trigger(trigger));
	}
}

/*
 * Whether a node is a column of a built-in type, alone or compared with a constant by a
 * built-in operator that is not true of a null. Returns the column, or 0.
 */
static AttrNumber
compared_column(Node *node)
{
	OpExpr	   *operation = (OpExpr *) node;
	Node	   *argument = node;

	if (IsA(node, OpExpr))
	{
		if (list_length(operation->args) != 2 || !IsA(lsecond(operation->args), Const) ||
			operation->opfuncid >= FirstNormalObjectId || !func_strict(operation->opfuncid))
			return 0;
		argument = linitial(operation->args);
	}
	return IsA(argument, Var) && ((Var *) argument)->vartype < FirstNormalObjectId ? Max(((Var *) argument)->varattno, 0) : 0;
}

/*
 * The column that decides on whether a row is in a partial index: with a null there,
 * it is not. Returns 0 if there is none that is known to.
 */
static AttrNumber
index_condition(const IndexInfo *info)
{
	Node	   *node = list_length(info->ii_Predicate) == 1 ? linitial(info->ii_Predicate) : NULL;

	if (node == NULL)
		return 0;
	if (IsA(node, NullTest))
		return ((NullTest *) node)->nulltesttype == IS_NOT_NULL && !((NullTest *) node)->argisrow ?
			compared_column((Node *) ((NullTest *) node)->arg) : 0;
	return IsA(node, OpExpr) ? compared_column(node) : 0;
}

/* Whether an index takes its entries from columns of built-in types, with built-in operators. */
static bool
index_is_builtin(const Examination *e, Relation index, const IndexInfo *info)
{
	if (index->rd_rel->relam != BTREE_AM_OID || !index->rd_index->indimmediate ||
		info->ii_Expressions != NIL || info->ii_ExclusionOps != NULL ||
		(info->ii_Predicate != NIL && index_condition(info) == 0))
		return false;
	for (int i = 0; i < info->ii_NumIndexKeyAttrs; i++)
	{
		AttrNumber	column = info->ii_IndexAttrNumbers[i];
		int			procedures = index->rd_indam->amsupport;

		if (column <= 0 || TupleDescAttr(e->descriptor, column - 1)->atttypid >= FirstNormalObjectId)
			return false;
		for (int p = 0; p < procedures; p++)
			if (index->rd_support[i * procedures + p] >= FirstNormalObjectId)
				return false;
	}
	return true;
}

/* Whether it is the index of chat.add_trigram_index: pg_trgm's, on the folded value of a column. */
static bool
index_is_trigram(const Examination *e, Relation index, const IndexInfo *info)
{
	FuncExpr   *expression = info->ii_Expressions == NIL ? NULL : linitial(info->ii_Expressions);
	Oid			pg_trgm = get_extension_oid("pg_trgm", true);

	return index->rd_rel->relam == GIN_AM_OID && info->ii_NumIndexAttrs == 1 && info->ii_Predicate == NIL &&
		expression != NULL && IsA(expression, FuncExpr) && list_length(expression->args) == 1 &&
		IsA(linitial(expression->args), Var) && function_is_own(e, expression->funcid) &&
		OidIsValid(pg_trgm) && getExtensionOfObject(OperatorFamilyRelationId, index->rd_opfamily[0]) == pg_trgm;
}

/* Whether a partial index leaves out nothing but rows that have a null in a key. */
static bool
leaves_out_nulls(const Examination *e, const IndexInfo *info, const int *key)
{
	NullTest   *test = linitial(info->ii_Predicate);

	if (list_length(info->ii_Predicate) != 1 || !IsA(test, NullTest) || test->nulltesttype != IS_NOT_NULL ||
		test->argisrow || !IsA(test->arg, Var))
		return false;
	for (int i = 0; key[i] >= 0; i++)
		if (e->table->columns[key[i]] == ((Var *) test->arg)->varattno)
			return true;
	return false;
}

/* Whether rows can be looked up in an index by a key of the shape. It may leave out rows without a value there. */
static bool
index_has_key(const Examination *e, Relation index, const IndexInfo *info, const int *key)
{
	int			columns = 0;

	if (!info->ii_Unique || !index->rd_index->indisvalid || index->rd_index->indcheckxmin ||
		(info->ii_Predicate != NIL && !leaves_out_nulls(e, info, key)))
		return false;
	for (; key[columns] >= 0; columns++)
	{
		bool		is_text = e->shape->columns[key[columns]].type == TEXTOID;

		if (columns >= info->ii_NumIndexKeyAttrs ||
			info->ii_IndexAttrNumbers[columns] != e->table->columns[key[columns]] ||
			index->rd_opfamily[columns] != (is_text ? TEXT_BTREE_FAM_OID : INTEGER_BTREE_FAM_OID) ||
			(is_text && index->rd_indcollation[columns] != C_COLLATION_OID))
			return false;
	}
	return columns == info->ii_NumIndexKeyAttrs;
}

static bool
index_is_updated(const Examination *e, const IndexInfo *info)
{
	for (int i = 0; i < info->ii_NumIndexAttrs; i++)
		if (column_is_updated(e, info->ii_IndexAttrNumbers[i]))
			return true;
	return false;
}

static void
examine_index(Examination *e, Relation index)
{
	PlainTable *table = e->table;
	const char *name = RelationGetRelationName(index);
	IndexInfo  *info = BuildIndexInfo(index);
	bool		trigram = index_is_trigram(e, index, info);

	if (table->indexes_count == PLAIN_INDEXES_MAX)
	{
		obstruct(e, ROW_UPDATE, ROW_INSERT, psprintf("it has more than %d indexes", PLAIN_INDEXES_MAX));
		return;
	}
	if (!trigram && !index_is_builtin(e, index, info))
		obstruct(e, ROW_UPDATE, ROW_INSERT, psprintf("its index \"%s\" is more than an immediate btree of columns", name));
	for (int k = 0; !trigram && k < e->shape->keys_count; k++)
		if (index->rd_rel->relam == BTREE_AM_OID && index->rd_index->indimmediate &&
			info->ii_Expressions == NIL && index_has_key(e, index, info, e->shape->keys[k]))
			table->keys[k] = table->indexes_count;
	table->indexes[table->indexes_count++] = (PlainIndex) {
		RelationGetRelid(index), info, index_is_updated(e, info), index_condition(info)
	};
}

static void
examine_indexes(Examination *e)
{
	List	   *indexes = RelationGetIndexList(e->relation);
	ListCell   *cell;

	for (int k = 0; k < PLAIN_KEYS_MAX; k++)
		e->table->keys[k] = -1;
	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		examine_index(e, index);
		index_close(index, AccessShareLock);
	}
	list_free(indexes);
	for (int k = 0; k < e->shape->keys_count; k++)
		if (e->table->keys[k] < 0)
			obstruct(e, ROW_READ, ROW_UPDATE, "its key has no valid unique index");
}

/*
 * The columns of rows that have no values in the later ones. These are not stored
 * then, like columns that are added to a table that has rows. Returns NULL if all are.
 */
static TupleDesc
short_row(const Examination *e)
{
	TupleDesc	row;
	int			length = 0;

	for (int c = 0; c < e->shape->columns_count; c++)
		if (!e->shape->columns[c].nullable)
			length = Max(length, e->table->columns[c]);
	for (int i = length; i < e->descriptor->natts; i++)
		if (TupleDescAttr(e->descriptor, i)->atthasmissing)
			return NULL;
	for (const PlainIndex *index = e->table->indexes; index < e->table->indexes + e->table->indexes_count; index++)
		for (int i = 0; index->condition <= length && i < index->info->ii_NumIndexAttrs; i++)
			if (index->info->ii_IndexAttrNumbers[i] > length)
				return NULL;
	row = CreateTemplateTupleDesc(length);
	for (AttrNumber i = 1; i <= length; i++)
		TupleDescCopyEntry(row, i, e->descriptor, i);
	return row;
}

/* Set what is known of a table to nothing but an obstacle for all operations, or none. */
void
plain_table_clear(PlainTable *table, const char *obstacle)
{
	memset(table, 0, sizeof(PlainTable));
	for (int operation = 0; operation < ROW_OPERATIONS; operation++)
		table->obstacles[operation] = obstacle;
}

/*
 * Look at a table, and fill in what is to be known of it, in the current memory
 * context. The caller has it locked, and has cleared what is filled in.
 */
void
plain_table_examine(PlainTable *table, const TableShape *shape, Relation relation)
{
	Examination e = {
		.table = table,
		.shape = shape,
		.relation = relation,
		.descriptor = RelationGetDescr(relation),
		.extension = get_extension_oid("pg_chat", true)
	};

	examine_table(&e);
	examine_rights(&e);
	examine_columns(&e);
	examine_other_columns(&e);
	examine_triggers(&e);
	examine_indexes(&e);
	if (table->obstacles[ROW_INSERT] == NULL)
		table->short_row = short_row(&e);
}
