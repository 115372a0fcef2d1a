/*
 * es_query.c
 *	  Candidates that Elasticsearch names for a search.
 *
 * It is asked for the documents that have all trigrams of the query. The
 * messages that match are among these.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "common/compat.h"
#include "common/json_read.h"
#include "common/json_write.h"
#include "elasticsearch/es_client.h"
#include "elasticsearch/es_document.h"
#include "elasticsearch/es_query.h"

/* The most trigrams that are asked for; with more of them, fewer candidates fail to match. */
#define GRAMS_MAX 64

#define GRAM_CHARACTERS 3

/* A trigram of the query. */
typedef struct Gram
{
	const char *bytes;
	int			length;
} Gram;

static bool
is_among(const Gram *grams, int count, Gram gram)
{
	for (int i = 0; i < count; i++)
		if (grams[i].length == gram.length && memcmp(grams[i].bytes, gram.bytes, gram.length) == 0)
			return true;
	return false;
}

/* Append conditions for the distinct trigrams of a folded text in UTF-8. */
static void
append_grams(StringInfo body, const char *folded, int length)
{
	Gram		grams[GRAMS_MAX];
	int			count = 0;
	const char *characters[GRAM_CHARACTERS];	/* the beginnings of the last characters */
	int			seen = 0;

	for (const char *next = folded; next < folded + length && count < GRAMS_MAX;)
	{
		Gram		gram;

		characters[seen++ % GRAM_CHARACTERS] = next;
		next += pg_encoding_mblen(PG_UTF8, next);
		if (seen < GRAM_CHARACTERS)
			continue;
		gram.bytes = characters[seen % GRAM_CHARACTERS];
		gram.length = next - gram.bytes;
		/* cppcheck-suppress uninitvar ; of grams, count are read */
		if (is_among(grams, count, gram))
			continue;
		grams[count++] = gram;
		appendStringInfoString(body, ",{\"term\":{\"grams\":");
		json_append_string(body, gram.bytes, gram.length);
		appendStringInfoString(body, "}}");
	}
}

/* Append the part of the request that searches a chat within the bounds. */
static void
append_chat_range(StringInfo body, const SearchRange *range)
{
	const char *order = range->from_end ? "desc" : "asc";

	appendStringInfo(body,
					 ",\"sort\":[{\"number\":\"%s\"}],\"query\":{\"bool\":{\"filter\":["
					 "{\"term\":{\"scope\":\"%d.%d\"}}",
					 order, range->application, range->above.chat);
	if (range->above.number > 0 || range->through.number < PG_INT32_MAX)
		appendStringInfo(body, ",{\"range\":{\"number\":{\"gt\":%d,\"lte\":%d}}}",
						 range->above.number, range->through.number);
}

/*
 * The position after which the search begins. Returns false if it begins at the
 * very first.
 */
static bool
get_beginning(const SearchRange *range, Position *after)
{
	*after = range->from_end ? range->through : range->above;
	if (!range->from_end)
		return after->chat > 0 || after->number > 0;
	if (after->number < PG_INT32_MAX)
		after->number++;
	else if (after->chat < PG_INT32_MAX)
		*after = (Position) {after->chat + 1, 0};
	else
		return false;
	return true;
}

/*
 * Append the part of the request that searches an application. In the chat of
 * the far bound, the number is not bounded.
 */
static void
append_application_range(StringInfo body, const SearchRange *range)
{
	const char *order = range->from_end ? "desc" : "asc";
	Position	after;

	if (get_beginning(range, &after))
		appendStringInfo(body, ",\"search_after\":[%d,%d]", after.chat, after.number);
	appendStringInfo(body,
					 ",\"sort\":[{\"chat\":\"%s\"},{\"number\":\"%s\"}],\"query\":{\"bool\":{\"filter\":["
					 "{\"term\":{\"scope\":\"%d\"}}",
					 order, order, range->application);
	if (range->above.chat > 0 || range->through.chat < PG_INT32_MAX)
		appendStringInfo(body, ",{\"range\":{\"chat\":{\"gte\":%d,\"lte\":%d}}}",
						 range->above.chat, range->through.chat);
}

/* The body of the request, in http_context(), for the folded query in UTF-8. */
static StringInfo
request_body(const SearchRange *range, const char *folded, int length, int size, long timeout_ms)
{
	MemoryContext caller = MemoryContextSwitchTo(http_context());
	StringInfo	body = makeStringInfo();

	MemoryContextSwitchTo(caller);
	appendStringInfo(body,
					 "{\"size\":%d,\"timeout\":\"%ldms\",\"track_total_hits\":false,"
					 "\"_source\":false,\"stored_fields\":\"_none_\"",
					 size, timeout_ms);
	if (range->within_chat)
		append_chat_range(body, range);
	else
		append_application_range(body, range);
	append_grams(body, folded, length);
	appendStringInfoString(body, "]}}}");
	return body;
}

/* Whether all shards completed the search. */
static bool
is_complete(const JsonbContainer *answer)
{
	int64		failed;

	return json_is_false(json_member(answer, "timed_out")) &&
		json_integer(json_member(json_container(json_member(answer, "_shards")), "failed"), &failed) &&
		failed == 0;
}

/* Read a number that a document was sorted by: a chat's or a message's. */
static bool
sort_value(const JsonbContainer *sort, int place, int32 *result)
{
	int64		value;

	if (!json_integer(json_element(sort, place), &value) || value < 1 || value > PG_INT32_MAX)
		return false;
	*result = value;
	return true;
}

/* Read the position of a document in the answer. */
static bool
read_position(const SearchRange *range, const JsonbContainer *hit, Position *position)
{
	const JsonbContainer *sort = json_container(json_member(hit, "sort"));

	position->chat = range->above.chat;
	return sort_value(sort, range->within_chat ? 0 : 1, &position->number) &&
		(range->within_chat || sort_value(sort, 0, &position->chat));
}

/* Whether a position lies before the range, or beyond it, in the order of the search. */
static bool
is_before(const SearchRange *range, Position position)
{
	return range->from_end ? position_compare(position, range->through) > 0
		: position_compare(position, range->above) <= 0;
}

static bool
is_beyond(const SearchRange *range, Position position)
{
	return range->from_end ? position_compare(position, range->above) <= 0
		: position_compare(position, range->through) > 0;
}

/*
 * Read the documents that the answer names. Returns false unless they are in
 * order, and within the range that was asked for.
 */
static bool
read_candidates(const SearchRange *range, const JsonbContainer *answer, int size, EsCandidates *candidates)
{
	const JsonbContainer *hits = json_container(json_member(json_container(json_member(answer, "hits")), "hits"));
	int			count;

	if (hits == NULL || !JsonContainerIsArray(hits))
		return false;
	count = JsonContainerSize(hits);
	if (count > size)
		return false;
	*candidates = (EsCandidates) {.positions = palloc((count + 1) * sizeof(Position)), .more = count == size};
	for (int i = 0; i < count; i++)
	{
		Position	position;

		if (!read_position(range, json_container(json_element(hits, i)), &position) ||
			is_before(range, position) ||
			(i > 0 && search_range_compare(range, position, candidates->positions[i - 1]) <= 0))
			return false;
		if (is_beyond(range, position))
		{
			candidates->more = false;
			break;
		}
		candidates->positions[candidates->count++] = position;
	}
	return true;
}

/*
 * Ask an index for the first size candidates in a range for a query. Returns
 * NULL, or why that failed, for people.
 */
const char *
es_query_candidates(const SearchRange *range, const text *query, const char *index, int size,
					long timeout_ms, EsCandidates *candidates)
{
	char	   *path = psprintf("/%s/_search?routing=%d&allow_partial_search_results=false",
								index, range->application);
	int			length;
	const char *folded = es_document_fold(query, &length);
	const char *problem;
	Jsonb	   *answer;
	int			status;

	if (folded == NULL)
		return "the query has characters that UTF-8 lacks";
	answer = es_call("POST", path, request_body(range, folded, length, size, timeout_ms),
					 timeout_ms, &status, &problem);
	if (answer == NULL)
		return problem;
	if (!is_complete(&answer->root))
		return "Elasticsearch did not finish the search";
	if (!read_candidates(range, &answer->root, size, candidates))
		return "Elasticsearch's answer to the search is not what was asked for";
	return NULL;
}
