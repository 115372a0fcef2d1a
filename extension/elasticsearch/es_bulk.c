/*
 * es_bulk.c
 *	  Sending a batch to Elasticsearch, and reading the outcome of each
 *	  message.
 *
 * The answer to _bulk has an item for each operation, in order. An answer with
 * other items is invalid, whatever it says. By an item's status:
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

/* Set the same fate for all messages of a batch. */
static void
set_fates(EsBatch *batch, EsBatchItemFate fate, const char *reason)
{
	for (int i = 0; i < batch->count; i++)
	{
		if (!batch->items[i].sent)
			continue;
		batch->items[i].fate = fate;
		batch->items[i].reason = MemoryContextStrdup(batch->context, reason);
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
	Jsonb	   *answer = es_json(batch->request, problem);
	EsBulkResult result;

	http_end(batch->request);
	batch->request = NULL;

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
