/*
 * trigger_call.c
 *	  How trigger functions are called.
 *
 * A trigger function may be called without a trigger, or by a trigger on
 * another table, event or level than those that the installation script
 * declares: it checks that first. The columns of the table may have been
 * changed, too: a value is looked up by its column's name, and its type
 * checked.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/regproc.h"
#include "utils/rel.h"

#include "common/schema_version.h"
#include "common/spi_plan.h"
#include "core/trigger_call.h"

/* Whether the trigger is on this table. */
bool
trigger_is_on(const TriggerData *trigger, ChatTable table)
{
	return RelationGetRelid(trigger->tg_relation) == chat_table_oid(table);
}

static bool
is_on_any(const TriggerData *trigger, int tables)
{
	for (int table = 0; table < CHAT_TABLES; table++)
		if ((tables & TABLE_BIT(table)) != 0 && trigger_is_on(trigger, table))
			return true;
	return false;
}

static bool
has_table(const char *name, const char *wanted)
{
	return name != NULL && strcmp(name, wanted) == 0;
}

static bool
is_used_so(const TriggerData *trigger, TriggerUse use)
{
	return (trigger->tg_event & (TRIGGER_EVENT_TIMINGMASK | TRIGGER_EVENT_ROW)) == use.when &&
		(use.events & (1 << (trigger->tg_event & TRIGGER_EVENT_OPMASK))) != 0 &&
		(!use.old_rows || has_table(trigger->tg_trigger->tgoldtable, "old_rows")) &&
		(!use.new_rows || has_table(trigger->tg_trigger->tgnewtable, "new_rows")) &&
		is_on_any(trigger, use.tables);
}

/*
 * The trigger that calls the function. Raises 55000 unless the schema has the
 * library's version, and 39P01 unless the trigger is declared as in use.
 */
TriggerData *
trigger_check(FunctionCallInfo fcinfo, TriggerUse use)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	schema_version_require();
	if (!CALLED_AS_TRIGGER(fcinfo) || !is_used_so(trigger, use))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 fcinfo->flinfo != NULL && OidIsValid(fcinfo->flinfo->fn_oid) ?
				 errmsg("function %s is not called by a trigger that pg_chat made",
						format_procedure(fcinfo->flinfo->fn_oid)) :
				 errmsg("a trigger function of pg_chat is not called by a trigger that pg_chat made"),
				 errhint("It is for the triggers of pg_chat's own tables, under the tables' own names.")));
	return trigger;
}

/*
 * The number of the column with this name. Raises 42703 if the trigger's table has no
 * such column, and 42804 if it does not have this type.
 */
int
trigger_column(const TriggerData *trigger, const char *column, Oid type)
{
	TupleDesc	descriptor = RelationGetDescr(trigger->tg_relation);
	int			number = SPI_fnumber(descriptor, column);

	if (number <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("table \"%s\" has no column \"%s\", which pg_chat gave it",
						RelationGetRelationName(trigger->tg_relation), column),
				 errhint("Give the column its name again with ALTER TABLE ... RENAME COLUMN.")));
	spi_require_type(column, SPI_gettypeid(descriptor, number), type);
	return number;
}

/* The value in a row of the column with this name; errors as of trigger_column. */
Datum
trigger_value(const TriggerData *trigger, HeapTuple tuple, const char *column, Oid type, bool *isnull)
{
	return heap_getattr(tuple, trigger_column(trigger, column, type), RelationGetDescr(trigger->tg_relation), isnull);
}

/* The integer in a row of the column with this name; 0 if it is null. */
int32
trigger_int32(const TriggerData *trigger, HeapTuple tuple, const char *column)
{
	bool		isnull;
	Datum		value = trigger_value(trigger, tuple, column, INT4OID, &isnull);

	return isnull ? 0 : DatumGetInt32(value);
}

/* Whether an update changes any of these columns, which are integers. */
bool
trigger_changes(const TriggerData *trigger, const char *const *columns, int count)
{
	for (int i = 0; i < count; i++)
	{
		bool		old_isnull;
		bool		new_isnull;

		if (trigger_value(trigger, trigger->tg_trigtuple, columns[i], INT4OID, &old_isnull) !=
			trigger_value(trigger, trigger->tg_newtuple, columns[i], INT4OID, &new_isnull) ||
			old_isnull != new_isnull)
			return true;
	}
	return false;
}
