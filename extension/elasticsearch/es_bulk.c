/*
 * es_bulk.c
 *	  Sending a batch to Elasticsearch, and reading what became of each message.
 *
 * The answer to _bulk has an item for each operation, in their order. An answer
 * with other items is no answer, whatever it says. By the item's status:
 *
 *	2xx		done
 *	404		done, of a deletion: there was none. Of an index: the index is gone
 *	409		done: the document has this version already, or a later one
 *	429, 5xx	again, more slowly; so is 403, which means that the index is blocked,
 *			for want of disk, most likely
 *	400, 413	the message cannot be indexed: it is failed
 *
 * Requests go to an alias that the index has for that, and must go to an alias:
 * Elasticsearch would create an index that is missing, with a mapping of its
 * own guess.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "elasticsearch/es_bulk.h"
#include "elasticsearch/es_client.h"

/* How long Elasticsearch has for a batch. */
#define BULK_TIMEOUT_MS 30000

/* Send a batch. */
void
es_bulk_begin(const BatchReader *feed, EsBatch *batch)
{
	StringInfo	body = batch->body;

	batch->body = NULL;
	batch->request = es_begin("POST",
										 psprintf("/%s-write/_bulk?require_alias=true&pipeline=_none&filter_path="
												  "items.*._index,items.*._id,items.*.status,items.*.error.type,items.*.error.reason",
												  feed->name),
										 body, BULK_TIMEOUT_MS);
}

/* What Elasticsearch says against a message, for people. */
static char *
reason_of(EsBatch *batch, int64 status, const JsonbValue *error)
{
	return MemoryContextStrdup(batch->context,
							   psprintf(INT64_FORMAT " %s", status, es_reason(error)));
}

/*
 * Set the fate of an entry by its item. Returns BULK_FAILED, with the problem,
 * if the item is not this entry's, or tells of more than this entry.
 */
static EsBulkResult
judge(const BatchReader *feed, EsBatch *batch, EsBatchItem *entry, const JsonbContainer *item, const char **problem)
{
	const JsonbContainer *index = json_container(json_member(item, "index"));
	const JsonbContainer *deletion = json_container(json_member(item, "delete"));
	const JsonbContainer *result = index ? index : deletion;
	const JsonbValue *error = json_member(result, "error");
	char	   *id = json_string(json_member(result, "_id"));
	char	   *index_name = json_string(json_member(result, "_index"));
	char		expected[ES_DOCUMENT_ID_SIZE];
	int64		status;

	es_document_id(entry->key, expected);
	if (id == NULL || strcmp(id, expected) != 0 || !json_integer(json_member(result, "status"), &status))
	{
		*problem = "Elasticsearch's answer to _bulk has other items than the request";
		return BULK_FAILED;
	}
	if (error == NULL && (index_name == NULL || strcmp(index_name, feed->name) != 0))
	{
		*problem = psprintf("the alias \"%s-write\" in Elasticsearch stands for another index", feed->name);
		return BULK_FAILED;
	}

	entry->fate = FATE_DONE;
	if (status == 409 || (status >= 200 && status < 300 && error == NULL) ||
		(status == 404 && deletion != NULL && error == NULL))
		return BULK_DONE;
	entry->reason = reason_of(batch, status, error);
	if (status == 400 || status == 413)
	{
		entry->fate = FATE_PARKED;
		return BULK_REFUSED;
	}
	entry->fate = FATE_AGAIN;
	*problem = psprintf("Elasticsearch answered %s", entry->reason);
	return status == 429 || status == 403 || status >= 500 ? BULK_SLOWER : BULK_FAILED;
}

/* Set the fates of all entries by the answer's items. */
static EsBulkResult
judge_all(const BatchReader *feed, EsBatch *batch, const JsonbContainer *items, const char **problem)
{
	EsBulkResult outcome = BULK_DONE;
	uint32		item = 0;

	for (int i = 0; i < batch->count; i++)
	{
		EsBatchItem	   *entry = &batch->entries[i];
		EsBulkResult of_entry;

		if (!entry->sent)
			continue;
		of_entry = judge(feed, batch, entry, json_container(json_element(items, item++)), problem);
		if (of_entry == BULK_FAILED)
			return BULK_FAILED;
		outcome = Max(outcome, of_entry);
	}
	if (json_element(items, item) != NULL)
	{
		*problem = "Elasticsearch's answer to _bulk has more items than the request";
		return BULK_FAILED;
	}
	return outcome;
}

/* All messages of a batch have the same fate. */
static void
set_fates(EsBatch *batch, EsBatchItemFate fate, const char *reason)
{
	for (int i = 0; i < batch->count; i++)
	{
		if (!batch->entries[i].sent)
			continue;
		batch->entries[i].fate = fate;
		batch->entries[i].reason = MemoryContextStrdup(batch->context, reason);
	}
}

/*
 * Read what became of a batch whose request is done. *problem says what went
 * wrong, if anything; palloc'd.
 */
EsBulkResult
es_bulk_end(const BatchReader *feed, EsBatch *batch, const char **problem)
{
	int			status = batch->request->error == NULL ? batch->request->status : 0;
	Jsonb	   *answer = es_json(batch->request, problem);
	EsBulkResult outcome;

	http_end(batch->request);
	batch->request = NULL;

	if (answer != NULL)
	{
		const JsonbContainer *items = json_container(json_member(&answer->root, "items"));

		if (items != NULL)
			return judge_all(feed, batch, items, problem);
		*problem = "Elasticsearch's answer to _bulk has no items";
		return BULK_FAILED;
	}

	/* A request that is refused as a whole is sent in smaller parts, then failed. */
	outcome = status == 429 || status == 403 || status >= 500 ? BULK_SLOWER : BULK_FAILED;
	if (status == 413 || status == 400)
		outcome = batch->count > 1 ? BULK_SMALLER : BULK_REFUSED;
	if (outcome != BULK_FAILED)
		set_fates(batch, outcome == BULK_REFUSED ? FATE_PARKED : FATE_AGAIN, *problem);
	return outcome;
}
