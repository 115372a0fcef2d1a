/*
 * es_verify_functions.c
 *	  SQL functions that compare the search index with the table, and repair
 *	  it.
 *
 * Rows that row-level security hid from these functions would count as
 * deleted: so a policy that would hide rows is an error.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "changes/change_tracking.h"
#include "common/database_identity.h"
#include "common/spi_plan.h"
#include "core/arg_error.h"
#include "core/entity_lookup.h"
#include "core/sql_function.h"
#include "elasticsearch/es_difference.h"
#include "elasticsearch/es_index_rows.h"

PG_FUNCTION_INFO_V1(chat_verify_search);
PG_FUNCTION_INFO_V1(chat_repair_search);
PG_FUNCTION_INFO_V1(chat_retry_failed_documents);

/* The time that Elasticsearch has for an answer while the caller waits. */
#define CALLER_TIMEOUT_MS 30000

/*
 * The comparison that the arguments application and chat ask for. Raises 25001
 * in a transaction that has one snapshot, 55000 if there is no search index,
 * and P0002 if there is no such application or chat.
 */
static EsCompare
comparison_from_arguments(FunctionCallInfo fcinfo)
{
	EsCompare	comparison = {
		.access = {.timeout_ms = CALLER_TIMEOUT_MS},
		.position = ES_COMPARE_START,
		.last = ES_COMPARE_END,
		.slice_size = ES_COMPARE_SLICE
	};
	char	   *name;

	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("a search index cannot be verified in a transaction that has one snapshot"),
				 errhint("Use the isolation level READ COMMITTED.")));
	if (!es_index_current(&comparison.table.index, &name))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no search index"),
				 errhint("Set pg_chat.elasticsearch_url, and see chat.search_status and chat.worker_status.")));
	comparison.access.name = name;

	if (PG_ARGISNULL(0) && !PG_ARGISNULL(1))
		arg_error_raise(application_not_found());
	if (PG_ARGISNULL(0))
		return comparison;
	comparison.last.application = PG_GETARG_INT32(0);
	comparison.position.application = comparison.last.application;
	if (PG_ARGISNULL(1))
		application_require(comparison.last.application);
	else
	{
		comparison.last.chat = PG_GETARG_INT32(1);
		comparison.position.chat = comparison.last.chat;
		chat_require(comparison.last.application, comparison.last.chat);
	}
	return comparison;
}

/* Compare everything that the caller asks for. */
static void
compare(EsCompare *comparison)
{
	while (es_compare_slice(comparison))
		CHECK_FOR_INTERRUPTS();
}

/*
 * Append differences to the result of chat.verify_search(); context is the
 * function's ReturnSetInfo.
 */
static void
store_differences(const Difference *differences, int count, void *context)
{
	ReturnSetInfo *rsinfo = context;

	for (int i = 0; i < count; i++)
	{
		Datum		values[4] = {
			Int32GetDatum(differences[i].key.application), Int32GetDatum(differences[i].key.chat),
			Int32GetDatum(differences[i].key.number), CStringGetTextDatum(es_difference_name(differences[i].kind))
		};
		bool		nulls[4] = {false, false, false, false};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
}

/*
 * chat.verify_search(application integer, chat integer)
 * returns setof chat.search_difference
 */
Datum
chat_verify_search(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {
		SQL_ARGS(INT4OID, INT4OID), SQL_RETURNS_ROWS(INT4OID, INT4OID, INT4OID, TEXTOID)
	};
	EsCompare	comparison;
	TableOwnerSwitch caller;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	(void) sql_function_result_store(fcinfo, &signature);
	caller = table_owner_become(OWNER_SEES_ALL);
	comparison = comparison_from_arguments(fcinfo);
	comparison.report = store_differences;
	comparison.context = fcinfo->resultinfo;
	compare(&comparison);
	table_owner_leave(caller);
	return (Datum) 0;
}

/* A repair for a caller. */
typedef struct Repair
{
	int32		index;
	int64		queued;
} Repair;

/* Queue differences; context is the Repair. */
static void
repair_differences(const Difference *differences, int count, void *context)
{
	Repair	   *repair = context;

	es_difference_queue(repair->index, differences, count);
	repair->queued += count;
}

/*
 * chat.repair_search(application integer, chat integer) returns bigint
 */
Datum
chat_repair_search(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_ARGS(INT4OID, INT4OID), SQL_RETURNS(INT8OID)};
	EsCompare	comparison;
	Repair		repair = {0};
	TableOwnerSwitch caller;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	caller = table_owner_become(OWNER_SEES_ALL);
	comparison = comparison_from_arguments(fcinfo);
	repair.index = comparison.table.index;
	comparison.report = repair_differences;
	comparison.context = &repair;
	compare(&comparison);
	table_owner_leave(caller);
	PG_RETURN_INT64(repair.queued);
}

/*
 * chat.retry_failed_documents(application integer, chat integer) returns bigint
 */
Datum
chat_retry_failed_documents(PG_FUNCTION_ARGS)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat_internal.search_queue SET reason = NULL WHERE reason IS NOT NULL"
		" AND index_id = ANY (ARRAY(SELECT id FROM chat_internal.search_indexes WHERE owner_database = $3))"
		" AND ($1 IS NULL OR application_id = $1)"
		" AND ($2 IS NULL OR chat_number = $2)"
		" RETURNING application_id, chat_number",
		INT4OID, INT4OID, TEXTOID);
	static SqlSignature signature = {SQL_ARGS(INT4OID, INT4OID), SQL_RETURNS(INT8OID)};
	TableOwnerSwitch caller;
	Datum		values[3];
	char		nulls[4] = "   ";
	uint64		count;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	for (int i = 0; i < 2; i++)
	{
		values[i] = PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	values[2] = CStringGetTextDatum(database_identity_current());
	caller = table_owner_become(OWNER_SEES_ALL);
	count = spi_plan_write(&plan, values, nulls);
	if (count > 0)
		change_tracking_note(spi_result_int32(0, spi_column("application_id")),
							 spi_result_int32(0, spi_column("chat_number")));
	table_owner_leave(caller);
	PG_RETURN_INT64(count);
}
