/*
 * search.c
 *	  Search for messages whose bodies contain a text.
 *
 * A search goes through the messages of a chat or of an application in the
 * order of their keys, up or down, until it has found as many as the caller
 * wants. PostgreSQL alone reads them all, or uses the trigram index of
 * trigram_index.c. If there is an index in Elasticsearch, that names
 * candidates first, see search_candidates.c. The answer is the same, and
 * remains the same if Elasticsearch fails on the way: PostgreSQL alone then
 * finds the rest.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"

#include "common/case_fold.h"
#include "common/compat.h"
#include "core/arg_error.h"
#include "core/entity_lookup.h"
#include "core/json_pages.h"
#include "core/message.h"
#include "core/pagination.h"
#include "core/sql_function.h"
#include "core/status.h"
#include "elasticsearch/es_index_rows.h"
#include "search/search_candidates.h"
#include "search/trigram_index.h"

PG_FUNCTION_INFO_V1(chat_search_messages_by_id);
PG_FUNCTION_INFO_V1(chat_search_messages_by_token);
PG_FUNCTION_INFO_V1(chat_search_messages_json);
PG_FUNCTION_INFO_V1(chat_search_application_by_id);
PG_FUNCTION_INFO_V1(chat_search_application_by_token);
PG_FUNCTION_INFO_V1(chat_search_application_json);

/* The least characters of a folded query that is looked up in an index. */
#define INDEXED_CHARACTERS 3

/* The least messages of a chat that is looked up in the trigram index. */
#define SMALL_CHAT 50000

/*
 * Whether an answer of Elasticsearch, which knows only the present, could
 * differ from the transaction's snapshot, or the query's folding from that in
 * the index.
 */
static bool
index_may_differ(void)
{
	return IsolationUsesXactSnapshot() || GetDatabaseEncoding() == PG_SQL_ASCII;
}

/* Whether the search is of a chat that is read faster than the trigram index is searched. */
static bool
is_small(const Search *search)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT messages_count FROM chat.chats WHERE application_id = $1 AND number = $2", INT4OID, INT4OID);
	Datum		values[2] = {Int32GetDatum(search->range.application), Int32GetDatum(search->range.above.chat)};

	return search->range.within_chat && spi_plan_read(&plan, values) == 1 &&
		spi_result_int32(0, spi_column("messages_count")) < SMALL_CHAT;
}

/* Find the missing rows, by the best way that is available. */
static void
find_missing(Search *search)
{
	text	   *folded = text_fold(search->query);
	bool		indexed = pg_mbstrlen_with_len(VARDATA_ANY(folded), VARSIZE_ANY_EXHDR(folded)) >= INDEXED_CHARACTERS;
	int32		index;
	char	   *index_name;
	UnindexedRanges unindexed;

	if (indexed && !index_may_differ() && es_index_current(&index, &index_name) &&
		unindexed_ranges_read(&search->range, index, &unindexed))
	{
		if (message_level_is_interesting(DEBUG1))
			ereport(DEBUG1,
					(errmsg_internal("pg_chat: search with Elasticsearch, which is behind by %s",
									 status_of_index(index))));
		if (search_candidates_find(search, index_name, &unindexed))
			return;
	}
	if (indexed && trigram_state() == TRIGRAM_VALID && !is_small(search))
		search->pattern = trigram_pattern(folded);
	ereport(DEBUG1, (errmsg_internal("pg_chat: search by PostgreSQL alone%s",
									 search->pattern != NULL ? ", with the trigram index" : "")));
	search_table_rest(search);
}

/* Add a hint to the error if the search runs into a timeout. */
static void
add_hint(void *argument)
{
	if (geterrcode() == ERRCODE_QUERY_CANCELED)
		errhint("Narrow the search with after or before, search within one chat, or have an index: see chat.add_trigram_index() and pg_chat.elasticsearch_url.");
}

/* Append the rows of a tuplestore, which allows random access, to another in reverse order. */
static void
store_backward(Tuplestorestate *from, RowStore to)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(to.descriptor, &TTSOpsMinimalTuple);

	while (tuplestore_advance(from, true))
		;
	while (tuplestore_gettupleslot(from, false, false, slot))
		tuplestore_puttupleslot(to.rows, slot);
	ExecDropSingleTupleTableSlot(slot);
	tuplestore_end(from);
}

/* Find the missing rows; a timeout gets a hint. */
static void
find(Search *search)
{
	ErrorContextCallback hint = {.callback = add_hint, .previous = error_context_stack};

	error_context_stack = &hint;
	find_missing(search);
	error_context_stack = hint.previous;
}

/*
 * Run a search and return the rows that it finds, in ascending order. Returns
 * their number.
 */
static int64
return_rows(FunctionCallInfo fcinfo, const SqlFunction *function, Search *search)
{
	RowStore	result = sql_function_result_store(fcinfo, &function->signature);
	RowStore	found = result;
	int64		wanted = search->missing;

	if (search->range.from_end)
		found.rows = tuplestore_begin_heap(true, false, work_mem);
	search->found = row_store_receiver(found);
	find(search);
	if (search->range.from_end)
		store_backward(found.rows, result);
	return wanted - search->missing;
}

/*
 * Run a search and return the messages that it finds as a page of JSON.
 * max_size_argument is the place of the argument max_size. Returns the number
 * of messages.
 */
static int64
return_json(FunctionCallInfo fcinfo, const SqlFunction *function, Search search, int max_size_argument)
{
	JsonPageColumns within_chat = {.message = 1};
	JsonPageColumns across_chats = {.chat = 1, .message = 2};
	JsonPages	pages;

	json_pages_begin(&pages, sql_function_result_store(fcinfo, &function->signature),
					 search.range.within_chat ? within_chat : across_chats,
					 page_max_size(fcinfo->args[max_size_argument]), &search.range.from_end);
	search.found = &pages.receiver;
	search.found_enough = &pages.cut;
	find(&search);
	json_pages_end(&pages);
	return pages.count;
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
 * A search of the chat that argument 1 names; arguments 2 to 5 are query,
 * after, before and limit.
 */
static Search
search_of_chat(FunctionCallInfo fcinfo, int32 application)
{
	int32		chat = chat_argument(fcinfo);
	text	   *query = query_argument(fcinfo, 2);
	ListPage	page = page_from_arguments(fcinfo, 3);

	return (Search) {
		.range = {
			.application = application,
			.within_chat = true,
			.from_end = page.from_end,
			.above = {chat, page.above},
			.through = {chat, page.through}
		},
		.query = query,
		.missing = page.limit
	};
}

static Datum
search_messages(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	Search		search = search_of_chat(fcinfo, application);

	if (return_rows(fcinfo, function, &search) == 0)
		chat_require(application, search.range.through.chat);
	return (Datum) 0;
}

static SqlFunction search_messages_function = {
	search_messages, FUNCTION_READS,
	{SQL_ARGS(APPLICATION_ARG, INT4OID, TEXTOID, INT4OID, INT4OID, INT4OID), SQL_RETURNS_ROWS(MESSAGE_COLUMN_TYPES)}
};

/*
 * chat.search_messages(application integer, chat integer, query text, after
 * integer, before integer, "limit" integer) returns setof chat.message
 */
Datum
chat_search_messages_by_id(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_id(fcinfo, &search_messages_function);
}

/*
 * chat.search_messages(token text, chat integer, query text, after integer,
 * before integer, "limit" integer) returns setof chat.message
 */
Datum
chat_search_messages_by_token(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_token(fcinfo, &search_messages_function);
}

/* Search a chat; argument 6 is max_size. */
static Datum
search_messages_json(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	Search		search = search_of_chat(fcinfo, application);

	if (return_json(fcinfo, function, search, 6) == 0)
		chat_require(application, search.range.through.chat);
	return (Datum) 0;
}

/*
 * chat.search_messages_json(token text, chat integer, query text, after integer,
 * before integer, "limit" integer, max_size integer) returns (messages json,
 * messages_count integer, cut boolean, first integer, last integer)
 */
Datum
chat_search_messages_json(PG_FUNCTION_ARGS)
{
	static SqlFunction function = {
		search_messages_json, FUNCTION_READS,
		{SQL_ARGS(APPLICATION_ARG, INT4OID, TEXTOID, INT4OID, INT4OID, INT4OID, INT4OID),
		SQL_RETURNS_ROWS(JSON_PAGE_TYPES(INT4OID))}
	};

	return sql_function_call_by_token(fcinfo, &function);
}

/*
 * The position of a message, argument n. Raises 22023 with the argument's name
 * unless it is an array of two numbers.
 */
static Position
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
	return (Position) {.chat = values[0], .number = values[1]};
}

/* A search of all chats of an application; arguments 1 to 4 are query, after, before and limit. */
static Search
search_of_application(FunctionCallInfo fcinfo, int32 application)
{
	Search		search = {
		.range = {
			.application = application,
			.from_end = PG_ARGISNULL(2) && !PG_ARGISNULL(3),
			.through = {PG_INT32_MAX, PG_INT32_MAX}
		},
		.query = query_argument(fcinfo, 1)
	};

	if (!PG_ARGISNULL(2))
		search.range.above = key_argument(fcinfo, 2, "after");
	if (!PG_ARGISNULL(3))
	{
		search.range.through = key_argument(fcinfo, 3, "before");
		search.range.through.number--;
	}
	search.missing = page_limit(fcinfo->args[4]);
	return search;
}

static Datum
search_application(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	Search		search = search_of_application(fcinfo, application);

	if (return_rows(fcinfo, function, &search) == 0)
		application_require(application);
	return (Datum) 0;
}

static SqlFunction search_application_function = {
	search_application, FUNCTION_READS,
	{SQL_ARGS(APPLICATION_ARG, TEXTOID, INT4ARRAYOID, INT4ARRAYOID, INT4OID),
	SQL_RETURNS_ROWS(INT4OID, MESSAGE_COLUMN_TYPES)}
};

/*
 * chat.search_application(application integer, query text, after integer[],
 * before integer[], "limit" integer) returns setof chat.application_message
 */
Datum
chat_search_application_by_id(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_id(fcinfo, &search_application_function);
}

/*
 * chat.search_application(token text, query text, after integer[], before
 * integer[], "limit" integer) returns setof chat.application_message
 */
Datum
chat_search_application_by_token(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_token(fcinfo, &search_application_function);
}

/* Search an application; argument 5 is max_size. */
static Datum
search_application_json(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	Search		search = search_of_application(fcinfo, application);

	if (return_json(fcinfo, function, search, 5) == 0)
		application_require(application);
	return (Datum) 0;
}

/*
 * chat.search_application_json(token text, query text, after integer[], before
 * integer[], "limit" integer, max_size integer) returns (messages json,
 * messages_count integer, cut boolean, first integer[], last integer[])
 */
Datum
chat_search_application_json(PG_FUNCTION_ARGS)
{
	static SqlFunction function = {
		search_application_json, FUNCTION_READS,
		{SQL_ARGS(APPLICATION_ARG, TEXTOID, INT4ARRAYOID, INT4ARRAYOID, INT4OID, INT4OID),
		SQL_RETURNS_ROWS(JSON_PAGE_TYPES(INT4ARRAYOID))}
	};

	return sql_function_call_by_token(fcinfo, &function);
}
