/*
 * es_bulk.c
 *	  Sending a batch to Elasticsearch, and reading the outcome of each
 *	  message.
 *
 * The answer to _bulk has an item for each operation, in their order. An answer
 * with other items is no answer, whatever it says. If all is well, which is nearly
 * always, it can only read in one way, and is compared with that; any other is
 * parsed, and judged by each item's status:
 *
 *	2xx		done
 *	404		done, for a deletion: there was none. For an index: the index is gone
 *	409		done: the document has this version already, or a later one
 *	429, 5xx	again, more slowly; 403, too: the index is blocked, most likely
 *				for lack of disk space
 *	400, 413	the message cannot be indexed: it fails
 *
 * Requests are made to an alias that the index has for writes, and require
 * that it is an alias: otherwise Elasticsearch would create a missing index,
 * with a mapping that it guesses.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "common/json_read.h"
#include "elasticsearch/es_bulk.h"
#include "elasticsearch/es_client.h"
#include "elasticsearch/es_document.h"

/* Begin to send a batch to the index with this name. */
void
es_bulk_begin(const char *index, EsBatch *batch)
{
	const char *path = psprintf("/%s-write/_bulk?require_alias=true&pipeline=_none&filter_path="
								"items.*._index,items.*._id,items.*.status,items.*.error.type,items.*.error.reason",
								index);
	StringInfo	body = batch->body;

	batch->body = NULL;
	batch->request = es_begin("POST", path, body, ES_TIMEOUT_MS);
}

/* The reason why Elasticsearch refused a message, for people, in the batch's memory. */
static char *
reason_of(EsBatch *batch, int64 status, const JsonbValue *error)
{
	return MemoryContextStrdup(batch->context,
							   psprintf(INT64_FORMAT " %s", status, es_reason(error)));
}

/*
 * Set the fate of a message by its item of the answer. Returns BULK_FAILED, and
 * sets *problem, if the item belongs to another message, or tells of a failure
 * of more than this one.
 */
static EsBulkResult
judge(const char *index, EsBatch *batch, EsBatchItem *item, const JsonbContainer *answer, const char **problem)
{
	const JsonbContainer *indexing = json_container(json_member(answer, "index"));
	const JsonbContainer *deletion = json_container(json_member(answer, "delete"));
	const JsonbContainer *result = indexing ? indexing : deletion;
	const JsonbValue *error = json_member(result, "error");
	char	   *id = json_string(json_member(result, "_id"));
	char	   *index_found = json_string(json_member(result, "_index"));
	char		expected[ES_DOCUMENT_ID_SIZE];
	int64		status;

	es_document_id(item->key, expected);
	if (id == NULL || strcmp(id, expected) != 0 || !json_integer(json_member(result, "status"), &status))
	{
		*problem = "Elasticsearch's answer to _bulk has other items than the request";
		return BULK_FAILED;
	}
	if (error == NULL && (index_found == NULL || strcmp(index_found, index) != 0))
	{
		*problem = psprintf("the alias \"%s-write\" in Elasticsearch stands for another index", index);
		return BULK_FAILED;
	}

	item->fate = FATE_DONE;
	if (status == 409 || (status >= 200 && status < 300 && error == NULL) ||
		(status == 404 && deletion != NULL && error == NULL))
		return BULK_DONE;
	item->reason = reason_of(batch, status, error);
	if (status == 400 || status == 413)
	{
		item->fate = FATE_FAILED;
		return BULK_REFUSED;
	}
	item->fate = FATE_AGAIN;
	*problem = psprintf("Elasticsearch answered %s", item->reason);
	return status == 429 || status == 403 || status >= 500 ? BULK_SLOWER : BULK_FAILED;
}

/* Set the fates of all messages that were sent, by the items of the answer. */
static EsBulkResult
judge_all(const char *index, EsBatch *batch, const JsonbContainer *answers, const char **problem)
{
	EsBulkResult result = BULK_DONE;
	uint32		next = 0;

	for (int i = 0; i < batch->count; i++)
	{
		EsBulkResult of_item;

		if (!batch->items[i].sent)
			continue;
		of_item = judge(index, batch, &batch->items[i],
						json_container(json_element(answers, next++)), problem);
		if (of_item == BULK_FAILED)
			return BULK_FAILED;
		result = Max(result, of_item);
	}
	if (json_element(answers, next) != NULL)
	{
		*problem = "Elasticsearch's answer to _bulk has more items than the request";
		return BULK_FAILED;
	}
	return result;
}

/* Move a position in a text behind what has to stand there. Returns false if it does not. */
static bool
skip(const char **position, const char *end, const char *wanted, int length)
{
	if (end - *position < length || memcmp(*position, wanted, length) != 0)
		return false;
	*position += length;
	return true;
}

#define SKIP(position, end, literal) skip(position, end, literal, sizeof(literal) - 1)

/* Move a position behind an item that says that a message was indexed or deleted. Returns false if there is none. */
static bool
skip_done(const char **position, const char *end, const char *index, int index_length, MessageKey key)
{
	char		id[ES_DOCUMENT_ID_SIZE];
	int			id_length = es_document_id(key, id);

	return (SKIP(position, end, "{\"index\":{\"_index\":\"") || SKIP(position, end, "{\"delete\":{\"_index\":\"")) &&
		skip(position, end, index, index_length) && SKIP(position, end, "\",\"_id\":\"") &&
		skip(position, end, id, id_length) && SKIP(position, end, "\",\"status\":20") &&
		(SKIP(position, end, "0}}") || SKIP(position, end, "1}}"));
}

/* Whether an answer says of all messages that were sent that they are done, and nothing else. */
static bool
says_all_done(const char *index, const EsBatch *batch, const HttpRequest *request)
{
	const char *position = request->answer.data;
	const char *end = position + request->answer.len;
	int			index_length = strlen(index);
	bool		first = true;

	if (request->error != NULL || request->status != 200 || !SKIP(&position, end, "{\"items\":["))
		return false;
	for (int i = 0; i < batch->count; i++)
	{
		if (!batch->items[i].sent)
			continue;
		if (!(first || SKIP(&position, end, ",")) ||
			!skip_done(&position, end, index, index_length, batch->items[i].key))
			return false;
		first = false;
	}
	return SKIP(&position, end, "]}") && position == end;
}

/* All messages of a batch have the same fate. */
static void
set_fates(EsBatch *batch, EsBatchItemFate fate, const char *reason)
{
	for (int i = 0; i < batch->count; i++)
	{
		if (!batch->items[i].sent)
			continue;
		batch->items[i].fate = fate;
		batch->items[i].reason = reason == NULL ? NULL : MemoryContextStrdup(batch->context, reason);
	}
}

/*
 * Read the outcome of a batch whose request is done. *problem says what went
 * wrong, if anything; palloc'd.
 */
EsBulkResult
es_bulk_end(const char *index, EsBatch *batch, const char **problem)
{
	int			status = batch->request->error == NULL ? batch->request->status : 0;
	bool		all_done = says_all_done(index, batch, batch->request);
	Jsonb	   *answer = all_done ? NULL : es_json(batch->request, problem);
	EsBulkResult result;

	http_end(batch->request);
	batch->request = NULL;

	if (all_done)
	{
		set_fates(batch, FATE_DONE, NULL);
		return BULK_DONE;
	}
	if (answer != NULL)
	{
		const JsonbContainer *items = json_container(json_member(&answer->root, "items"));

		if (items != NULL)
			return judge_all(index, batch, items, problem);
		*problem = "Elasticsearch's answer to _bulk has no items";
		return BULK_FAILED;
	}

	/*
	 * A request that is refused as a whole is sent again in smaller parts; a single message then
	 * fails.
	 */
	result = status == 429 || status == 403 || status >= 500 ? BULK_SLOWER : BULK_FAILED;
	if (status == 413 || status == 400)
		result = batch->count > 1 ? BULK_SMALLER : BULK_REFUSED;
	if (result != BULK_FAILED)
		set_fates(batch, result == BULK_REFUSED ? FATE_FAILED : FATE_AGAIN, *problem);
	return result;
}
