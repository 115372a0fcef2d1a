/*
 * search.c
 *	  Search for messages by what their bodies contain.
 *
 * A search goes through the messages of a chat or of an application in the
 * order of their keys, up or down, until it has found as many as are wanted.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"

#include "api.h"
#include "application.h"
#include "chat.h"
#include "compat.h"
#include "message.h"
#include "page.h"
#include "plan.h"
#include "search.h"

/*
 * The messages of a range that match. Parameters: application, query, above
 * and upto, each a chat and a number, and how many. The order is that of the
 * key: ascending, or descending with DESC.
 */
#define SCAN_MATCHES " AND chat.contains(body, $2)"
#define SCAN_CHAT(order) \
	MESSAGE_SELECT_OF("$1", "$3") SCAN_MATCHES \
	" AND number OPERATOR(pg_catalog.>) $4 AND number OPERATOR(pg_catalog.<=) $6" \
	" ORDER BY number" order " LIMIT $7"
#define SCAN_APPLICATION(order) \
	"SELECT chat_number, number, body, created_at FROM chat.messages" \
	" WHERE application_id OPERATOR(pg_catalog.=) $1" SCAN_MATCHES \
	" AND ROW(chat_number, number) OPERATOR(pg_catalog.>) ROW($3, $4)" \
	" AND ROW(chat_number, number) OPERATOR(pg_catalog.<=) ROW($5, $6)" \
	" ORDER BY chat_number" order ", number" order " LIMIT $7"
#define SCAN_PLAN(sql) \
	SAVED_PLAN(sql, INT4OID, TEXTOID, INT4OID, INT4OID, INT4OID, INT4OID, INT8OID)

/* Find what is missing from above to upto, by reading all of it. */
static void
search_scan(Search *search)
{
	static SavedPlan plans[2][2] = {
		{SCAN_PLAN(SCAN_APPLICATION("")), SCAN_PLAN(SCAN_APPLICATION(" DESC"))},
		{SCAN_PLAN(SCAN_CHAT("")), SCAN_PLAN(SCAN_CHAT(" DESC"))}
	};
	Datum		values[7] = {
		Int32GetDatum(search->application), PointerGetDatum(search->query),
		Int32GetDatum(search->above.chat), Int32GetDatum(search->above.number),
		Int32GetDatum(search->upto.chat), Int32GetDatum(search->upto.number),
		Int64GetDatum(search->missing)
	};

	search->missing -= plan_store(&plans[search->within_chat][search->from_end], values, search->found);
}

/* Append the rows of a tuplestore, which allows random access, to another, the last first. */
static void
store_backward(Tuplestorestate *from, Tuplestorestate *to, TupleDesc descriptor)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(descriptor, &TTSOpsMinimalTuple);

	while (tuplestore_advance(from, true))
		;
	while (tuplestore_gettupleslot(from, false, false, slot))
		tuplestore_puttupleslot(to, slot);
	ExecDropSingleTupleTableSlot(slot);
	tuplestore_end(from);
}

/*
 * Run a search and return what it finds, in ascending order. found is not set
 * yet. Returns the number of rows.
 */
static int64
search_run(FunctionCallInfo fcinfo, Search *search)
{
	Tuplestorestate *result = api_result_store(fcinfo);
	int64		wanted = search->missing;

	search->found = search->from_end ? tuplestore_begin_heap(true, false, work_mem) : result;
	search_scan(search);
	if (search->from_end)
		store_backward(search->found, result, ((ReturnSetInfo *) fcinfo->resultinfo)->setDesc);
	return wanted - search->missing;
}

/* The query, argument n. Raises 22023 if it is null or empty. */
static text *
query_argument(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n) || VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(n)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("query can't be blank"),
				 err_generic_string(PG_DIAG_COLUMN_NAME, "query")));
	return PG_GETARG_TEXT_PP(n);
}

/*
 * chat.search_messages(application, chat integer, query text, after integer,
 * before integer, "limit" integer) returns setof chat.message
 */
API_FUNCTION(search_messages, API_READS)
{
	int32		chat = chat_argument(fcinfo);
	text	   *query = query_argument(fcinfo, 2);
	ListPage	page = page_from_arguments(fcinfo, 3);
	Search		search = {
		.application = application,
		.within_chat = true,
		.query = query,
		.above = {chat, page.above},
		.upto = {chat, page.upto},
		.from_end = page.from_end,
		.missing = page.limit
	};

	if (search_run(fcinfo, &search) == 0)
		chat_require(application, chat);
	return (Datum) 0;
}

/* The key of a message, argument n. Raises 22023 with its name if it is none. */
static MessageKey
key_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(n);
	const int32 *values = (const int32 *) ARR_DATA_PTR(array);

	if (ARR_NDIM(array) != 1 || ARR_DIMS(array)[0] != 2 || array_contains_nulls(array) ||
		values[0] < 0 || values[1] < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be an array of a chat's number and a message's number", name),
				 err_generic_string(PG_DIAG_COLUMN_NAME, name)));
	return (MessageKey) {.chat = values[0], .number = values[1]};
}

/*
 * chat.search_application(application, query text, after integer[], before
 * integer[], "limit" integer) returns setof chat.application_message
 */
API_FUNCTION(search_application, API_READS)
{
	Search		search = {
		.application = application,
		.query = query_argument(fcinfo, 1),
		.upto = {PG_INT32_MAX, PG_INT32_MAX},
		.from_end = PG_ARGISNULL(2) && !PG_ARGISNULL(3)
	};

	if (!PG_ARGISNULL(2))
		search.above = key_argument(fcinfo, 2, "after");
	if (!PG_ARGISNULL(3))
	{
		search.upto = key_argument(fcinfo, 3, "before");
		search.upto.number--;
	}
	search.missing = page_limit(fcinfo->args[4]);
	if (search_run(fcinfo, &search) == 0)
		application_require(application);
	return (Datum) 0;
}
