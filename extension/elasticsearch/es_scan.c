/*
 * es_scan.c
 *	  Documents in a range of keys.
 *
 * They are read from Elasticsearch in the order of their keys, which is that
 * of the table: one by one, or as counts and sums of buckets. An answer that
 * is not complete, from all shards, is an error.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "bgworker/worker.h"
#include "common/http_client.h"
#include "common/json_read.h"
#include "common/latch_wait.h"
#include "elasticsearch/es_client.h"
#include "elasticsearch/es_scan.h"

/* The status of Elasticsearch when it is overloaded, and the pause before it is asked again. */
#define TOO_MANY_REQUESTS 429
#define BUSY_PAUSE_MS 250

/* The columns of a key, as fields of a document. */
#define KEY_COLUMNS 3
static const char *const fields[KEY_COLUMNS] = {"application", "chat", "number"};

/* Keys whose columns are within bounds, each by itself. */
typedef struct Box
{
	int64		low[KEY_COLUMNS];
	int64		high[KEY_COLUMNS];
} Box;

/*
 * Make a request, and repeat it while Elasticsearch answers that it is
 * overloaded, for as long as it has for an answer. Returns NULL and sets
 * *problem if there is no answer.
 */
static Jsonb *
call_again_while_busy(const EsIndexAccess *index, const char *action, StringInfo body, const char **problem)
{
	char	   *path = psprintf("/%s/%s", index->name, action);
	char	   *text = body != NULL ? pstrdup(body->data) : NULL;
	TimestampTz began = GetCurrentTimestamp();
	Jsonb	   *answer;
	int			status;

	while ((answer = es_call("POST", path, body, index->timeout_ms, &status, problem)) == NULL &&
		   status == TOO_MANY_REQUESTS &&
		   !TimestampDifferenceExceeds(began, GetCurrentTimestamp(), index->timeout_ms))
	{
		(void) worker_do_other_job();
		latch_wait("ChatHttp", 0, PGINVALID_SOCKET, BUSY_PAUSE_MS);
		body = text != NULL ? es_body(text) : NULL;
	}
	return answer;
}

/*
 * Make a request and return its answer, in the current memory context. Raises
 * 58000 if it is not complete.
 */
static const JsonbContainer *
ask(const EsIndexAccess *index, const char *action, StringInfo body)
{
	const char *problem;
	const JsonbContainer *shards;
	const JsonbValue *timed_out;
	Jsonb	   *answer;
	int64		failed;

	answer = call_again_while_busy(index, action, body, &problem);
	if (answer != NULL)
	{
		shards = json_container(json_member(&answer->root, "_shards"));
		timed_out = json_member(&answer->root, "timed_out");
		if (!json_integer(json_member(shards, "failed"), &failed) || failed != 0 || json_is_true(timed_out))
			problem = "Elasticsearch's answer lacks a part of the index";
	}
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("could not read the search index: %s", problem),
				 errhint("See whether Elasticsearch is up and in order; then try again.")));
	return &answer->root;
}

static void
raise_malformed(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_SYSTEM_ERROR),
			 errmsg("could not read the search index: Elasticsearch's answer is not what was asked for")));
}

/* Refresh the index, so that the other functions here see all of its documents. */
void
es_scan_refresh(const EsIndexAccess *index)
{
	(void) ask(index, "_refresh", NULL);
}

/* Append the query for a box, unless it is empty. */
static void
append_box(StringInfo body, const Box *box)
{
	const char *separator = "";

	for (int i = 0; i < KEY_COLUMNS; i++)
		if (box->low[i] > box->high[i])
			return;
	if (body->data[body->len - 1] != '[')
		appendStringInfoChar(body, ',');
	appendStringInfoString(body, "{\"bool\":{\"filter\":[");
	for (int i = 0; i < KEY_COLUMNS; i++)
	{
		if (box->low[i] == PG_INT32_MIN && box->high[i] == PG_INT32_MAX)
			continue;
		appendStringInfo(body, "%s{\"range\":{\"%s\":{\"gte\":" INT64_FORMAT ",\"lte\":" INT64_FORMAT "}}}",
						 separator, fields[i], box->low[i], box->high[i]);
		separator = ",";
	}
	appendStringInfoString(body, "]}}");
}

/* The box of the keys that begin with the first columns of a key. */
static Box
box_of_prefix(const int32 *key, int columns)
{
	Box			box;

	for (int i = 0; i < KEY_COLUMNS; i++)
	{
		box.low[i] = i < columns ? key[i] : PG_INT32_MIN;
		box.high[i] = i < columns ? key[i] : PG_INT32_MAX;
	}
	return box;
}

/*
 * Append queries for boxes that make up a range, so narrow that Elasticsearch
 * visits no further documents.
 */
static void
append_range(StringInfo body, KeyRange range)
{
	const int32 above[KEY_COLUMNS] = {range.above.application, range.above.chat, range.above.number};
	const int32 through[KEY_COLUMNS] = {range.through.application, range.through.chat, range.through.number};
	int			common = 0;
	Box			box;

	while (common < KEY_COLUMNS - 1 && above[common] == through[common])
		common++;

	/* The rest of the chat, and of the application, that it begins in. */
	for (int i = KEY_COLUMNS - 1; i > common; i--)
	{
		box = box_of_prefix(above, i);
		box.low[i] = (int64) above[i] + 1;
		append_box(body, &box);
	}

	box = box_of_prefix(above, common);
	box.low[common] = (int64) above[common] + 1;
	box.high[common] = (int64) through[common] - (common < KEY_COLUMNS - 1 ? 1 : 0);
	append_box(body, &box);

	/* The beginning of the application, and of the chat, that it ends in. */
	for (int i = common + 1; i < KEY_COLUMNS; i++)
	{
		box = box_of_prefix(through, i);
		box.high[i] = (int64) through[i] - (i < KEY_COLUMNS - 1 ? 1 : 0);
		append_box(body, &box);
	}
}

/* Begin the body of a search for ranges. */
static StringInfo
begin_body(int size, const KeyRange *ranges, int ranges_count)
{
	MemoryContext caller = MemoryContextSwitchTo(http_context());
	StringInfo	body = makeStringInfo();

	MemoryContextSwitchTo(caller);
	appendStringInfo(body, "{\"size\":%d,\"_source\":false,\"track_total_hits\":false,"
					 "\"query\":{\"bool\":{\"filter\":[{\"bool\":{\"should\":[", size);
	for (int i = 0; i < ranges_count; i++)
		append_range(body, ranges[i]);
	appendStringInfoString(body, "]}}]}}");
	return body;
}

static const JsonbContainer *
search(const EsIndexAccess *index, StringInfo body)
{
	return ask(index, "_search?allow_partial_search_results=false", body);
}

static int64
require_integer(const JsonbValue *value, int64 low, int64 high)
{
	int64		result;

	if (!json_integer(value, &result) || result < low || result > high)
		raise_malformed();
	return result;
}

static int64
require_int32(const JsonbValue *value)
{
	return require_integer(value, PG_INT32_MIN, PG_INT32_MAX);
}

/* The first key that a bucket may have. */
static MessageKey
bucket_first(const Bucket *bucket)
{
	return (MessageKey) {bucket->application, bucket->chat, Max(bucket->start, PG_INT32_MIN)};
}

/* The last key that a bucket may have. */
MessageKey
es_scan_bucket_last(const Bucket *bucket)
{
	return (MessageKey) {
		bucket->application, bucket->chat, Min(bucket->start + BUCKET_SIZE - 1, PG_INT32_MAX)
	};
}

/* Raise 58000 unless one key is above another or, if may_be_same, equals it. */
static void
require_order(MessageKey low, MessageKey high, bool may_be_same)
{
	if (message_key_compare(low, high) >= (may_be_same ? 1 : 0))
		raise_malformed();
}

/*
 * The array in a value, which must have at most ES_SCAN_PAGE elements, and
 * their number. Raises 58000 if it is not one.
 */
static const JsonbContainer *
require_page(const JsonbValue *value, int *count)
{
	const JsonbContainer *page = json_container(value);

	if (page == NULL || !JsonContainerIsArray(page) || JsonContainerSize(page) > ES_SCAN_PAGE)
		raise_malformed();
	*count = JsonContainerSize(page);
	return page;
}

/*
 * Read the next buckets of a range, as far as they are within it, in key order,
 * after a bucket, if after is not NULL. buckets has room for ES_SCAN_PAGE.
 * Returns their number; fewer if there are no more.
 */
int
es_scan_buckets(const EsIndexAccess *index, KeyRange range, const Bucket *after, Bucket *buckets)
{
	StringInfo	body = begin_body(0, &range, 1);
	const JsonbContainer *page;
	int			count;

	appendStringInfo(body, ",\"aggs\":{\"buckets\":{\"composite\":{\"size\":%d,\"sources\":["
					 "{\"application\":{\"terms\":{\"field\":\"application\"}}},"
					 "{\"chat\":{\"terms\":{\"field\":\"chat\"}}},"
					 "{\"start\":{\"histogram\":{\"field\":\"number\",\"interval\":%d}}}]",
					 ES_SCAN_PAGE, BUCKET_SIZE);
	if (after != NULL)
		appendStringInfo(body, ",\"after\":{\"application\":%d,\"chat\":%d,\"start\":" INT64_FORMAT "}",
						 after->application, after->chat, after->start);
	appendStringInfoString(body, "},\"aggs\":{\"sum\":{\"sum\":{\"field\":\"checksum\"}}}}}}");

	page = require_page(json_member(json_container(json_member(
		json_container(json_member(search(index, body), "aggregations")), "buckets")), "buckets"), &count);
	for (int i = 0; i < count; i++)
	{
		const JsonbContainer *bucket = json_container(json_element(page, i));
		const JsonbContainer *key = json_container(json_member(bucket, "key"));

		buckets[i] = (Bucket) {
			.application = require_int32(json_member(key, "application")),
			.chat = require_int32(json_member(key, "chat")),
			.start = require_integer(json_member(key, "start"),
									 (int64) PG_INT32_MIN - BUCKET_SIZE, PG_INT32_MAX),
			.count = require_integer(json_member(bucket, "doc_count"), 1, PG_INT64_MAX),
			.sum = require_integer(json_member(json_container(json_member(bucket, "sum")), "value"),
								   PG_INT64_MIN, PG_INT64_MAX)
		};
		require_order(range.above, es_scan_bucket_last(&buckets[i]), false);
		require_order(bucket_first(&buckets[i]), range.through, true);
		if (i > 0 || after != NULL)
			require_order(es_scan_bucket_last(i > 0 ? &buckets[i - 1] : after), bucket_first(&buckets[i]), false);
	}
	return count;
}

/*
 * Read the next documents of some ranges, in key order, after a document, if
 * after is not NULL. documents has room for ES_SCAN_PAGE. Returns their number;
 * fewer if there are no more.
 */
int
es_scan_documents(const EsIndexAccess *index, const KeyRange *ranges, int ranges_count,
				  const Document *after, Document *documents)
{
	StringInfo	body = begin_body(ES_SCAN_PAGE, ranges, ranges_count);
	const JsonbContainer *page;
	int			count;

	appendStringInfoString(body, ",\"sort\":[\"application\",\"chat\",\"number\",\"checksum\"]");
	if (after != NULL)
		appendStringInfo(body, ",\"search_after\":[%d,%d,%d," INT64_FORMAT "]",
						 after->key.application, after->key.chat, after->key.number, after->checksum);
	appendStringInfoChar(body, '}');

	page = require_page(json_member(json_container(json_member(search(index, body), "hits")), "hits"), &count);
	for (int i = 0; i < count; i++)
	{
		const JsonbContainer *sort = json_container(json_member(json_container(json_element(page, i)), "sort"));

		documents[i] = (Document) {
			{require_int32(json_element(sort, 0)), require_int32(json_element(sort, 1)),
			require_int32(json_element(sort, 2))},
			require_integer(json_element(sort, 3), PG_INT64_MIN, PG_INT64_MAX)
		};
		require_order(i > 0 ? documents[i - 1].key : after != NULL ? after->key : ranges[0].above,
					  documents[i].key, true);
		require_order(documents[i].key, ranges[ranges_count - 1].through, true);
	}
	return count;
}
