/*
 * spi_plan.c
 *	  Statements that are prepared once for the session.
 *
 * All access to the tables goes through here, except that of rows/. It is
 * plain SQL by SPI, so that it also works if the tables are distributed, with
 * a saved generic plan, so that it costs little more than the access itself.
 * Plans are generic from the start: every statement is a lookup by key, for
 * which a plan made for its parameters would be the same plan, made again and
 * again.
 *
 * The tables' owner may change their columns. A statement that names a missing
 * column fails by itself; a column of another type is detected here, before
 * its value is misread. In a subquery every column is qualified with its
 * table, since the name of a dropped column would otherwise mean a column of
 * the outer query.
 *
 * The caller is connected to SPI.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tstoreReceiver.h"
#include "nodes/params.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/plancache.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "common/spi_plan.h"

/*
 * Settings that are off while statements are planned. A table may be small, or
 * its statistics missing, when a session makes its plan, and large long before
 * the plan is made anew. Reaching each row by its key is never far from the
 * best plan. For the same reason statements that look up many keys do it in a
 * LATERAL subquery that the planner cannot turn around: over a tiny table it
 * would read the whole index once for all of them.
 */
static const char *const plan_settings[] = {
	"enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin", "jit",
	"enable_indexscan"			/* only for those that go by ctid: the last */
};

/*
 * Make the statement's plan, unless the session has one that is still valid.
 */
static void
prepare(SavedPlan *plan)
{
	int			nest_level;
	CachedPlan *generic;

	if (plan->plan != NULL && SPI_plan_is_valid(plan->plan))
		return;

	nest_level = NewGUCNestLevel();
	for (int i = 0; i < lengthof(plan_settings) - (plan->by_tid ? 0 : 1); i++)
		set_config_option(plan_settings[i], "off", PGC_USERSET, PGC_S_SESSION,
						  GUC_ACTION_SAVE, true, 0, false);

	if (plan->plan == NULL)
	{
		SPIPlanPtr	prepared;

		prepared = SPI_prepare_cursor(plan->sql, plan->nargs, plan->argtypes,
									  CURSOR_OPT_GENERIC_PLAN);
		if (prepared == NULL)
			elog(ERROR, "could not prepare a statement: %s",
				 SPI_result_code_string(SPI_result));
		if (SPI_keepplan(prepared) != 0)
			elog(ERROR, "could not keep a prepared statement");
		plan->plan = prepared;
	}

	/* Plan now: at the first execution the settings are gone. */
	generic = SPI_plan_get_cached_plan(plan->plan);
	if (generic != NULL)
		ReleaseCachedPlan(generic, CurrentResourceOwner);

	AtEOXact_GUC(true, nest_level);
}

static uint64
execute(SavedPlan *plan, const Datum *values, const char *nulls, bool read_only)
{
	int			result;

	prepare(plan);
	result = SPI_execute_plan(plan->plan, (Datum *) values, nulls, read_only, 0);
	if (result < 0)
		elog(ERROR, "could not execute a statement: %s",
			 SPI_result_code_string(result));
	return SPI_processed;
}

/*
 * Execute a statement that only reads, with the snapshot of the calling query.
 * values are the parameters. Returns the number of rows; they are in
 * SPI_tuptable.
 */
uint64
spi_plan_read(SavedPlan *plan, const Datum *values)
{
	return execute(plan, values, NULL, true);
}

/*
 * Execute a statement that only reads, with a snapshot taken now: it sees what
 * has been committed since the calling query began, and what this command did.
 * Returns as spi_plan_read() does.
 */
uint64
spi_plan_read_fresh(SavedPlan *plan, const Datum *values)
{
	return execute(plan, values, NULL, false);
}

/*
 * Execute a statement that changes or locks rows, with a snapshot taken now.
 * nulls is as for SPI_execute_plan(), or NULL. Returns the number of rows;
 * those that it returned are in SPI_tuptable.
 */
uint64
spi_plan_write(SavedPlan *plan, const Datum *values, const char *nulls)
{
	return execute(plan, values, nulls, false);
}

/*
 * The same with a snapshot taken now even in a transaction that has one
 * snapshot from its beginning. In such a transaction it raises 40001 if another
 * transaction changes a row of it at the same time.
 */
uint64
spi_plan_write_latest(SavedPlan *plan, const Datum *values)
{
	int			result;

	prepare(plan);
	result = SPI_execute_snapshot(plan->plan, (Datum *) values, NULL, GetLatestSnapshot(),
								  InvalidSnapshot, false, true, 0);
	if (result < 0)
		elog(ERROR, "could not execute a statement: %s",
			 SPI_result_code_string(result));
	return SPI_processed;
}

/*
 * Execute a statement that is not saved, with a snapshot taken now. It may name
 * a trigger's transition tables, which exist only in this call. Returns the
 * number of rows; those that it returned are in SPI_tuptable.
 */
uint64
spi_execute(const char *sql)
{
	return spi_execute_with(sql, 0, NULL, NULL);
}

/* The same, with parameters. */
uint64
spi_execute_with(const char *sql, int nargs, const Oid *types, const Datum *values)
{
	int			result = SPI_execute_with_args(sql, nargs, (Oid *) types, (Datum *) values, NULL, false, 0);

	if (result < 0)
		elog(ERROR, "could not execute a statement: %s", SPI_result_code_string(result));
	return SPI_processed;
}

/* The options by which a statement only reads, and gives its rows to a receiver. */
static SPIExecuteOptions
read_options(const SavedPlan *plan, const Datum *values, DestReceiver *receiver)
{
	SPIExecuteOptions options = {0};
	ParamListInfo params = makeParamList(plan->nargs);

	for (int i = 0; i < plan->nargs; i++)
	{
		params->params[i].value = values[i];
		params->params[i].isnull = false;
		params->params[i].pflags = PARAM_FLAG_CONST;
		params->params[i].ptype = plan->argtypes[i];
	}

	options.params = params;
	options.read_only = true;
	options.dest = receiver;
	return options;
}

/*
 * A receiver that appends rows to store. It raises 42804 if their columns are
 * not those of the store.
 */
DestReceiver *
row_store_receiver(RowStore store)
{
	DestReceiver *receiver = CreateDestReceiver(DestTuplestore);

	SetTuplestoreDestReceiverParams(receiver, store.rows, CurrentMemoryContext, false, store.descriptor,
									"a column of pg_chat's tables does not have the type that pg_chat gave it");
	return receiver;
}

/*
 * Execute a statement that only reads, and append its rows to store. Returns
 * the number of rows. Raises 42804 if their columns are not those of the store.
 */
uint64
spi_plan_read_into(SavedPlan *plan, const Datum *values, RowStore store)
{
	DestReceiver *receiver = row_store_receiver(store);
	uint64		rows = spi_plan_read_to(plan, values, receiver);

	receiver->rDestroy(receiver);
	return rows;
}

/*
 * Execute a statement that only reads, and give its rows to a receiver as they
 * are found. Returns the number of rows that the receiver took.
 */
uint64
spi_plan_read_to(SavedPlan *plan, const Datum *values, DestReceiver *receiver)
{
	SPIExecuteOptions options = read_options(plan, values, receiver);
	int			result;

	prepare(plan);
	result = SPI_execute_plan_extended(plan->plan, &options);
	if (result < 0)
		elog(ERROR, "could not execute a statement: %s",
			 SPI_result_code_string(result));
	return SPI_processed;
}

/*
 * The same with a plan made for these values, which may use any index: for a
 * statement whose best plan depends on the text that is searched for.
 */
uint64
spi_plan_read_to_replanned(const SavedPlan *plan, const Datum *values, DestReceiver *receiver)
{
	SPIExecuteOptions options = read_options(plan, values, receiver);
	int			nest_level = NewGUCNestLevel();
	int			result;

	set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	/* With a limit, a GIN index would return only a part of the matches. */
	set_config_option("gin_fuzzy_search_limit", "0", PGC_USERSET, PGC_S_SESSION,
					  GUC_ACTION_SAVE, true, 0, false);
	result = SPI_execute_extended(plan->sql, &options);
	if (result < 0)
		elog(ERROR, "could not execute a statement: %s",
			 SPI_result_code_string(result));
	AtEOXact_GUC(true, nest_level);
	return SPI_processed;
}

/* The same, appending the rows to store. */
uint64
spi_plan_read_into_replanned(const SavedPlan *plan, const Datum *values, RowStore store)
{
	DestReceiver *receiver = row_store_receiver(store);
	uint64		rows = spi_plan_read_to_replanned(plan, values, receiver);

	receiver->rDestroy(receiver);
	return rows;
}

/* Raise 42804 unless the type of a column is the one wanted. */
void
spi_require_type(const char *column, Oid found, Oid wanted)
{
	if (found != wanted)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" has type %s, and pg_chat gave it type %s",
						column, format_type_be(found), format_type_be(wanted)),
				 errhint("Give the column its type again with ALTER TABLE ... ALTER COLUMN ... TYPE.")));
}

/*
 * The place of a column of SPI_tuptable, counted from 1. Raises 42703 if there
 * is none with this name.
 */
int
spi_column(const char *name)
{
	int			column = SPI_fnumber(SPI_tuptable->tupdesc, name);

	if (column <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" does not exist", name)));
	return column;
}

/*
 * The value in a column (counted from 1) of a row (counted from 0) of
 * SPI_tuptable. Raises 42804 unless it has this type, and 22004 if the value is
 * null and isnull is NULL.
 */
Datum
spi_result(uint64 row, int column, Oid type, bool *isnull)
{
	TupleDesc	descriptor = SPI_tuptable->tupdesc;
	Form_pg_attribute attribute = TupleDescAttr(descriptor, column - 1);
	bool		found_null;
	Datum		value;

	spi_require_type(NameStr(attribute->attname), attribute->atttypid, type);
	value = SPI_getbinval(SPI_tuptable->vals[row], descriptor, column, &found_null);
	if (isnull != NULL)
		*isnull = found_null;
	else if (found_null)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("column \"%s\" is null, which pg_chat does not allow", NameStr(attribute->attname))));
	return value;
}

/* An integer that is not null: see spi_result(). */
int32
spi_result_int32(uint64 row, int column)
{
	return DatumGetInt32(spi_result(row, column, INT4OID, NULL));
}

/* A bigint that is not null: see spi_result(). */
int64
spi_result_int64(uint64 row, int column)
{
	return DatumGetInt64(spi_result(row, column, INT8OID, NULL));
}

/* A boolean that is not null: see spi_result(). */
bool
spi_result_bool(uint64 row, int column)
{
	return DatumGetBool(spi_result(row, column, BOOLOID, NULL));
}

/* A text: see spi_result(). NULL if the value is null and isnull is not NULL. */
text *
spi_result_text(uint64 row, int column, bool *isnull)
{
	Datum		value = spi_result(row, column, TEXTOID, isnull);

	return isnull != NULL && *isnull ? NULL : DatumGetTextPP(value);
}

/* The same as a C string, in the current memory context. */
char *
spi_result_string(uint64 row, int column, bool *isnull)
{
	text	   *value = spi_result_text(row, column, isnull);

	return value == NULL ? NULL : text_to_cstring(value);
}
