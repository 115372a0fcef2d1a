/*
 * search.c
 *	  Search for messages by what their bodies contain.
 *
 * A search goes through the messages of a chat or of an application in the
 * order of their keys, up or down, until it has found as many as are wanted.
 * PostgreSQL alone reads them all, or uses the search index of trigram_index.c.
 *
 * Where there is an index in Elasticsearch, that gives candidates, and
 * PostgreSQL verifies them: it finds those that match in the calling query's
 * snapshot. What the index may lack is pending, and PostgreSQL reads it between
 * the candidates. So the answer is the same, and it is the same when
 * Elasticsearch fails on the way: then PostgreSQL alone finds the rest.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/timestamp.h"

#include "changes/database_registry.h"
#include "common/case_fold.h"
#include "common/circuit_breaker.h"
#include "common/compat.h"
#include "common/http_client.h"
#include "common/int_array.h"
#include "common/spi_plan.h"
#include "core/arg_error.h"
#include "core/entity_lookup.h"
#include "core/message.h"
#include "core/pagination.h"
#include "core/sql_function.h"
#include "core/status.h"
#include "elasticsearch/es_index_lifecycle.h"
#include "elasticsearch/es_query.h"
#include "search/search.h"
#include "search/trigram_index.h"
#include "search/unindexed_ranges.h"

PG_FUNCTION_INFO_V1(chat_search_messages_by_id);
PG_FUNCTION_INFO_V1(chat_search_messages_by_token);
PG_FUNCTION_INFO_V1(chat_search_application_by_id);
PG_FUNCTION_INFO_V1(chat_search_application_by_token);

/* A query is looked up in an index if it has so many characters, folded. */
#define INDEXED_CHARACTERS 3

/* With so many messages or more, a chat is looked up in the search index of PostgreSQL. */
#define SMALL_CHAT 50000

#define MATCHES " AND chat.contains(body, $2)"

/*
 * The messages of a range that match. Parameters: application, query, above
 * and upto, each a chat and a number, how many, and the pattern, if any. The
 * order is that of the key: ascending, or descending with DESC.
 */
#define SCAN_CHAT(matches, order) \
	MESSAGE_SELECT_OF("$1", "$3") matches \
	" AND number OPERATOR(pg_catalog.>) $4 AND number OPERATOR(pg_catalog.<=) $6" \
	" ORDER BY number" order " LIMIT $7"
#define SCAN_APPLICATION(matches, order) \
	"SELECT chat_number, " MESSAGE_COLUMNS("messages") " FROM chat.messages" \
	" WHERE application_id OPERATOR(pg_catalog.=) $1" matches \
	" AND ROW(chat_number, number) OPERATOR(pg_catalog.>) ROW($3, $4)" \
	" AND ROW(chat_number, number) OPERATOR(pg_catalog.<=) ROW($5, $6)" \
	" ORDER BY chat_number" order ", number" order " LIMIT $7"
#define SCAN_PLAN(sql) \
	SAVED_PLAN(sql, INT4OID, TEXTOID, INT4OID, INT4OID, INT4OID, INT4OID, INT8OID)
#define PATTERN_PLAN(sql) \
	SAVED_PLAN(sql, INT4OID, TEXTOID, INT4OID, INT4OID, INT4OID, INT4OID, INT8OID, TEXTOID)
#define PATTERN_MATCHES MATCHES " AND chat.fold(body) OPERATOR(pg_catalog.~~) $8"

/*
 * The messages that match, of many ranges, in the order of these. Parameters:
 * application, query, the ranges' chats, above and upto, and how many.
 */
#define RANGES_SELECT(columns, order) \
	"SELECT " columns MESSAGE_COLUMNS("m") \
	" FROM ROWS FROM (pg_catalog.unnest($3), pg_catalog.unnest($4), pg_catalog.unnest($5))" \
	" WITH ORDINALITY AS r (chat, above, upto, place)" \
	" CROSS JOIN LATERAL (" MESSAGE_SELECT_OF("$1", "r.chat") MATCHES \
	" AND number OPERATOR(pg_catalog.>) r.above AND number OPERATOR(pg_catalog.<=) r.upto" \
	" ORDER BY number" order " LIMIT $6) AS m" \
	" ORDER BY r.place LIMIT $6"
#define RANGES_PLAN(columns, order) \
	SAVED_PLAN(RANGES_SELECT(columns, order), INT4OID, TEXTOID, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT8OID)

int			guc_search_timeout;

/* Find what is missing in the search's range by PostgreSQL alone. */
static void
search_alone(Search *search)
{
	static SavedPlan scans[2][2] = {
		{SCAN_PLAN(SCAN_APPLICATION(MATCHES, "")), SCAN_PLAN(SCAN_APPLICATION(MATCHES, " DESC"))},
		{SCAN_PLAN(SCAN_CHAT(MATCHES, "")), SCAN_PLAN(SCAN_CHAT(MATCHES, " DESC"))}
	};
	static const SavedPlan with_pattern[2][2] = {
		{PATTERN_PLAN(SCAN_APPLICATION(PATTERN_MATCHES, "")), PATTERN_PLAN(SCAN_APPLICATION(PATTERN_MATCHES, " DESC"))},
		{PATTERN_PLAN(SCAN_CHAT(PATTERN_MATCHES, "")), PATTERN_PLAN(SCAN_CHAT(PATTERN_MATCHES, " DESC"))}
	};
	Datum		values[8] = {
		Int32GetDatum(search->application), PointerGetDatum(search->query),
		Int32GetDatum(search->above.chat), Int32GetDatum(search->above.number),
		Int32GetDatum(search->upto.chat), Int32GetDatum(search->upto.number),
		Int64GetDatum(search->missing), PointerGetDatum(search->pattern)
	};

	if (search->pattern != NULL)
		search->missing -= spi_plan_read_into_replanned(&with_pattern[search->within_chat][search->from_end],
											values, search->found);
	else
		search->missing -= spi_plan_read_into(&scans[search->within_chat][search->from_end],
									  values, search->found);
}

/* Find what is missing in ranges, which are in the order of the search. */
static void
search_ranges(Search *search, const Range *ranges, int count)
{
	static SavedPlan plans[2][2] = {
		{RANGES_PLAN("r.chat, ", ""), RANGES_PLAN("r.chat, ", " DESC")},
		{RANGES_PLAN("", ""), RANGES_PLAN("", " DESC")}
	};
	Int32Array	chats;
	Int32Array	above;
	Int32Array	upto;
	Datum		values[6] = {Int32GetDatum(search->application), PointerGetDatum(search->query)};

	int32_array_init(&chats, count);
	int32_array_init(&above, count);
	int32_array_init(&upto, count);
	for (int i = 0; i < count; i++)
	{
		int32_array_append(&chats, ranges[i].chat);
		int32_array_append(&above, ranges[i].above);
		int32_array_append(&upto, ranges[i].upto);
	}
	values[2] = int32_array_datum(&chats);
	values[3] = int32_array_datum(&above);
	values[4] = int32_array_datum(&upto);
	values[5] = Int64GetDatum(search->missing);
	search->missing -= spi_plan_read_into(&plans[search->within_chat][search->from_end], values, search->found);
}

/* The first and the last position of a range, in the order of a search. */
static Position
range_first(const Search *search, Range range)
{
	return (Position) {range.chat, search->from_end ? range.upto : range.above + 1};
}

static Position
range_last(const Search *search, Range range)
{
	return (Position) {range.chat, search->from_end ? range.above + 1 : range.upto};
}

/* Take everything up to a position off the search's range. */
static void
search_pass(Search *search, Position last)
{
	if (search->from_end)
		search->upto = (Position) {last.chat, last.number - 1};
	else
		search->above = last;
}

static bool
search_is_over(const Search *search)
{
	return search->missing <= 0 || position_compare(search->above, search->upto) >= 0;
}

/* Whether a range stands at the very beginning of what is left of the search. */
static bool
is_next(const Search *search, Range range)
{
	Position	first = range_first(search, range);

	return first.chat == (search->from_end ? search->upto.chat : search->above.chat) &&
		first.number == (search->from_end ? search->upto.number : search->above.number + 1);
}

/*
 * Put candidates and what is pending between them into one order. pending loses
 * what was taken from it. Returns the number of ranges, and in *last how far
 * they lead.
 */
static int
merge(const Search *search, const EsCandidates *candidates, UnindexedRanges *pending, Range *ranges, Position *last)
{
	int			count = 0;
	int			next = 0;

	*last = candidates->count > 0 ? candidates->positions[candidates->count - 1] : (Position) {0};
	for (;;)
	{
		const Position *candidate = next < candidates->count ? &candidates->positions[next] : NULL;
		const Range *range = pending->count > 0 ? pending->ranges : NULL;
		Range		taken;

		if (range != NULL && candidate == NULL && candidates->more)
			range = NULL;
		if (range != NULL && candidate != NULL && search_compare(search, *candidate, range_first(search, *range)) < 0)
			range = NULL;
		if (range == NULL && candidate == NULL)
			return count;

		if (range != NULL)
		{
			taken = *range;
			pending->ranges++;
			pending->count--;
		}
		else
			taken = (Range) {candidate->chat, candidate->number - 1, candidate->number};
		ranges[count++] = taken;
		*last = range_last(search, taken);
		while (next < candidates->count && search_compare(search, candidates->positions[next], *last) <= 0)
			next++;
	}
}

/* How many candidates to ask for, after a round that asked for previous. */
static int
batch_size(const Search *search, int previous)
{
	int64		size = search->missing + search->missing / 8 + 10;

	return Min(Max(size, (int64) previous * 2), ES_CANDIDATES_MAX);
}

/*
 * Have Elasticsearch name candidates, unless it has failed of late, or there is
 * too little time left for a fair answer. If it fails with all of its time, it
 * has failed for others, too. Returns whether there are candidates.
 */
static bool
ask_if_sensible(const Search *search, const char *index, int size, long timeout_ms, bool whole_time,
				EsCandidates *candidates)
{
	const char *problem;

	if (timeout_ms < guc_search_timeout / 10 || !circuit_breaker_lets_pass(registry_circuit_breaker()))
		return false;
	problem = es_query_candidates(search, index, size, timeout_ms, candidates);
	if (problem == NULL)
		circuit_breaker_succeeded(registry_circuit_breaker());
	else
		ereport(whole_time && circuit_breaker_failed(registry_circuit_breaker()) ? LOG : DEBUG1,
				(errmsg("pg_chat searches without Elasticsearch"),
		/* It may name the server, as does the setting that superusers alone can read. */
				 superuser_arg(GetOuterUserId()) ? errdetail_internal("%s", problem) : errdetail_log("%s", problem),
				 errhidestmt(true)));
	return problem == NULL;
}

/* Search the first range that is pending, which is next. */
static void
search_first_pending(Search *search, UnindexedRanges *pending)
{
	Position	last = range_last(search, pending->ranges[0]);

	search_ranges(search, pending->ranges, 1);
	search_pass(search, last);
	pending->ranges++;
	pending->count--;
}

/*
 * Find what is missing with an index, as far as Elasticsearch answers. Returns
 * whether it did to the end; if not, the search's range is what is left.
 */
static bool
search_with_index(Search *search, const char *index, UnindexedRanges *pending)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), guc_search_timeout);
	int			size = 0;
	bool		first = true;

	while (!search_is_over(search))
	{
		EsCandidates	candidates;
		Range	   *ranges;
		Position	last;
		int			count;

		if (pending->count > 0 && is_next(search, pending->ranges[0]))
		{
			search_first_pending(search, pending);
			continue;
		}

		size = batch_size(search, size);
		if (!ask_if_sensible(search, index, size,
							 TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline), first, &candidates))
			return false;
		first = false;
		ranges = palloc((candidates.count + pending->count + 1) * sizeof(Range));
		count = merge(search, &candidates, pending, ranges, &last);
		search_ranges(search, ranges, count);
		if (!candidates.more)
			break;
		search_pass(search, last);
	}
	return true;
}

/*
 * Whether an answer of Elasticsearch, which knows the present alone, could
 * differ from what the transaction's snapshot shows, or the query from what the
 * index has.
 */
static bool
index_may_differ(void)
{
	return IsolationUsesXactSnapshot() || GetDatabaseEncoding() == PG_SQL_ASCII;
}

/* Whether a chat is searched that is read faster than the whole search index is consulted. */
static bool
is_small(const Search *search)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT messages_count FROM chat.chats WHERE application_id OPERATOR(pg_catalog.=) $1"
		" AND number OPERATOR(pg_catalog.=) $2", INT4OID, INT4OID);
	Datum		values[2] = {Int32GetDatum(search->application), Int32GetDatum(search->above.chat)};

	return search->within_chat && spi_plan_read(&plan, values) == 1 && spi_result_int32(0, 1) < SMALL_CHAT;
}

/* Find what is missing, with whatever there is to find it by. */
static void
search_find(Search *search)
{
	text	   *folded = text_fold(search->query);
	bool		indexed = pg_mbstrlen_with_len(VARDATA_ANY(folded), VARSIZE_ANY_EXHDR(folded)) >= INDEXED_CHARACTERS;
	int32		index;
	char	   *index_name;
	UnindexedRanges		pending;

	if (indexed && !index_may_differ() && es_index_current(&index, &index_name) &&
		unindexed_ranges_read(search, index, &pending))
	{
		if (message_level_is_interesting(DEBUG1))
			ereport(DEBUG1,
					(errmsg_internal("pg_chat: search with Elasticsearch, which is behind by %s",
									 status_of_index(index))));
		if (search_with_index(search, index_name, &pending))
			return;
	}
	if (indexed && trigram_state() == TRIGRAM_VALID && !is_small(search))
		search->pattern = trigram_pattern(folded);
	ereport(DEBUG1, (errmsg_internal("pg_chat: search by PostgreSQL alone%s",
									 search->pattern != NULL ? ", with the search index" : "")));
	search_alone(search);
}

/* Tell who runs into a timeout what to do. */
static void
add_hint(void *argument)
{
	if (geterrcode() == ERRCODE_QUERY_CANCELED)
		errhint("Narrow the search with after or before, search within one chat, or have an index: see chat.add_trigram_index() and pg_chat.elasticsearch_url.");
}

/* Append the rows of a tuplestore, which allows random access, to another, the last first. */
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

/*
 * Run a search and return what it finds, in ascending order. found is not set
 * yet. Returns the number of rows.
 */
static int64
search_run(FunctionCallInfo fcinfo, const SqlFunction *function, Search *search)
{
	RowStore	result = sql_function_result_store(fcinfo, &function->signature);
	int64		wanted = search->missing;
	ErrorContextCallback hint = {.callback = add_hint, .previous = error_context_stack};

	search->found = result;
	if (search->from_end)
		search->found.rows = tuplestore_begin_heap(true, false, work_mem);
	error_context_stack = &hint;
	search_find(search);
	error_context_stack = hint.previous;
	if (search->from_end)
		store_backward(search->found.rows, result);
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

/* Search the chat of argument 1; arguments 2 to 5 are query, after, before and limit. */
static Datum
search_messages(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	int32		chat = chat_argument(fcinfo);
	text	   *query = query_argument(fcinfo, 2);
	ListPage	page = page_from_arguments(fcinfo, 3);
	Search		search = {
		.application = application,
		.within_chat = true,
		.query = query,
		.above = {chat, page.above},
		.upto = {chat, page.through},
		.from_end = page.from_end,
		.missing = page.limit
	};

	if (search_run(fcinfo, function, &search) == 0)
		chat_require(application, chat);
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

/* The key of a message, argument n. Raises 22023 with its name if it is none. */
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

/* Search all chats; arguments 1 to 4 are query, after, before and limit. */
static Datum
search_application(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
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
	if (search_run(fcinfo, function, &search) == 0)
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
