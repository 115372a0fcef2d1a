/*
 * es_refresh.c
 *	  Making batches visible to searches.
 *
 * Elasticsearch shows searches what it has acknowledged once a refresh that began
 * after that succeeds. Only then are batches recorded in the tables: see
 * es_batch_ack.c. A refresh is costly, so they are rare while there is more to
 * send, and one follows at once when there is not. A refresh that fails is made
 * again.
 *
 * Each refresh is accompanied by the question how many operations the index has
 * seen (see es_seq_no.c), for the row of the index. Nothing waits for the answer.
 * If it is late it is recorded when it comes; if there is none, the question is
 * repeated when nothing is under way. Should the server restart before, it has to
 * verify the index.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "bgworker/worker_xact.h"
#include "common/due_time.h"
#include "common/json_read.h"
#include "elasticsearch/es_batch_ack.h"
#include "elasticsearch/es_client.h"
#include "elasticsearch/es_index_rows.h"
#include "elasticsearch/es_refresh.h"
#include "elasticsearch/es_version.h"

/* The time between refreshes while there is more to send. */
#define REFRESH_PAUSE_MS 3000

/* Whether an answer is awaited. */
bool
es_refresh_is_under_way(const EsRefresh *refresh)
{
	return refresh->request != NULL || refresh->counting.request != NULL;
}

/*
 * Begin a refresh of the index with this name, unless one is under way or none of
 * the batches is acknowledged and not refreshed. It has to be time for one, unless
 * at_once is set.
 */
void
es_refresh_begin(EsRefresh *refresh, const char *index, List *batches, bool at_once)
{
	TimestampTz now = GetCurrentTimestamp();
	ListCell   *cell;
	bool		any = false;

	if (refresh->request != NULL ||
		(!at_once && due_time_left_ms(now, refresh->next, REFRESH_PAUSE_MS) > 0))
		return;
	foreach(cell, batches)
	{
		EsBatch    *batch = lfirst(cell);

		batch->refreshing = batch->acknowledged && !batch->refreshed;
		any |= batch->refreshing;
	}
	if (!any)
		return;
	refresh->next = TimestampTzPlusMilliseconds(now, REFRESH_PAUSE_MS);
	es_seq_no_ask(&refresh->counting, index);
	refresh->request = es_begin("POST", psprintf("/%s/_refresh", index), NULL, ES_TIMEOUT_MS);
}

/* Raise 08006 unless the refresh succeeded on all shards. */
static void
require_success(const HttpRequest *request)
{
	const char *trouble;
	Jsonb	   *answer = es_json(request, &trouble);
	int64		failed;

	if (answer == NULL)
		es_raise(trouble);
	if (!json_integer(json_member(json_container(json_member(&answer->root, "_shards")), "failed"), &failed) ||
		failed != 0)
		es_raise("Elasticsearch could not refresh all shards of the index");
}

/*
 * Record in the tables the batches that searches find by now. operations is
 * NULL if it is not known. Returns these batches, and adds their messages to
 * *done.
 */
static List *
record_refreshed(EsBatchReader *reader, List *batches, const int64 *operations, uint64 *done)
{
	List	   *finished;
	ListCell   *cell;

	foreach(cell, batches)
	{
		EsBatch    *batch = lfirst(cell);

		batch->refreshed |= batch->refreshing;
		batch->refreshing = false;
	}
	finished = es_batches_to_acknowledge(batches);
	worker_xact_begin("noting what is indexed");
	*done += es_batches_acknowledge(reader, finished);
	es_index_note_progress(reader->index, es_version_last(), operations);
	worker_xact_commit();
	return finished;
}

/*
 * End the refresh that is under way, if it has been answered. Returns the batches
 * that were recorded in the tables, a list in the current memory context; the
 * caller ends them. Adds the number of their messages to *done. Raises 08006 if the
 * refresh failed. *problem says why the operations are not known, if so.
 */
List *
es_refresh_end(EsRefresh *refresh, const char *index, EsBatchReader *reader, List *batches,
			   uint64 *done, const char **problem)
{
	List	   *finished;
	int64		operations;
	bool		known;

	if (refresh->request == NULL || !refresh->request->done)
		return NIL;
	require_success(refresh->request);
	known = es_seq_no_take(&refresh->counting, index, &operations, problem);
	finished = record_refreshed(reader, batches, known ? &operations : NULL, done);
	http_end(refresh->request);
	refresh->request = NULL;
	refresh->counted = known && list_length(finished) == list_length(batches);
	return finished;
}

/*
 * Record how many operations the index has seen, if that is not known, or ask for
 * it. To be called when no batches are under way, so that the count covers all
 * that was sent.
 */
void
es_refresh_count_operations(EsRefresh *refresh, const char *index, int32 index_id, const char **problem)
{
	int64		operations;

	if (refresh->counted || refresh->request != NULL)
		return;
	if (es_seq_no_take(&refresh->counting, index, &operations, problem))
	{
		worker_xact_begin("noting how many operations an index has seen");
		es_index_note_progress(index_id, es_version_last(), &operations);
		worker_xact_commit();
		refresh->counted = true;
	}
	else if (es_seq_no_may_ask(&refresh->counting))
		es_seq_no_ask(&refresh->counting, index);
}

/* Abort the requests that are under way. */
void
es_refresh_abort(EsRefresh *refresh)
{
	if (refresh->request != NULL)
		http_end(refresh->request);
	refresh->request = NULL;
	es_seq_no_end(&refresh->counting);
}
