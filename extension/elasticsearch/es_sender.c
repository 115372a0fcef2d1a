/*
 * es_sender.c
 *	  Sending to an index what it lacks.
 *
 * Batches go to Elasticsearch by _bulk, several at a time:
 *
 *	read		from the tables, see es_batch_reader.c
 *	sent		nothing is known of it: if the request fails, it is dropped, and
 *				what it has is read and sent again
 *	acknowledged	it is durable in Elasticsearch; searches need not find it yet.
 *				It is never sent again
 *	refreshed	a refresh that began after that has succeeded: searches find it.
 *				Watermarks are raised, and rows of the queue deleted, once that is so
 *				of all batches of the same chats that were read before
 *
 * While there is more to send, refreshes are rare, since they are costly; when
 * there is no more, one follows at once. One that fails is made again.
 *
 * Together with a refresh, it is asked how many operations the index has seen
 * (see es_seq_no.c), to be noted. Nothing waits for that. If the answer is late,
 * it is noted when it comes; if there is none, it is asked again when nothing is
 * under way. Until then the server may not be sure of the index, should it start
 * anew.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "bgworker/worker_xact.h"
#include "common/json_read.h"
#include "elasticsearch/es_batch_ack.h"
#include "elasticsearch/es_bulk.h"
#include "elasticsearch/es_client.h"
#include "elasticsearch/es_index_rows.h"
#include "elasticsearch/es_sender.h"
#include "elasticsearch/es_seq_no.h"
#include "elasticsearch/es_version.h"

/* Requests with batches under way, and batches with and without requests. */
#define REQUESTS_MAX 4
#define BATCHES_MAX 64

/* The time between refreshes while there is more to send. */
#define REFRESH_PAUSE_MS 3000

/* The pause after Elasticsearch asked to go slower: doubles from the first to the last. */
#define SLOWER_FIRST_MS 500
#define SLOWER_LAST_MS 15000

EsSender *
es_sender_create(int32 index, const char *name)
{
	EsSender   *sender = MemoryContextAllocZero(TopMemoryContext, sizeof(EsSender));

	sender->name = MemoryContextStrdup(TopMemoryContext, name);
	sender->reader = es_batch_reader_create(index);
	sender->batch_size = ES_BATCH_SIZE;
	sender->counted = true;
	return sender;
}

/* End a request, if there is one. */
static void
end_request(HttpRequest **request)
{
	if (*request != NULL)
		http_end(*request);
	*request = NULL;
}

/* Forget a batch, which is not under way any more. */
static void
forget(EsSender *sender, EsBatch *batch)
{
	sender->batches = list_delete_ptr(sender->batches, batch);
	es_batch_free(batch);
}

/* Free a sender; requests that are under way end. */
void
es_sender_free(EsSender *sender)
{
	end_request(&sender->refresh);
	es_seq_no_end(&sender->counting);
	while (sender->batches != NIL)
		forget(sender, linitial(sender->batches));
	es_batch_reader_free(sender->reader);
	pfree(sender->name);
	pfree(sender);
}

/* Whether there is something to send, or to wait for. */
bool
es_sender_is_busy(const EsSender *sender)
{
	return sender->batches != NIL || sender->counting.request != NULL || es_batch_reader_has_more(sender->reader);
}

/* Whether there is not, and it is noted what the index has seen. */
bool
es_sender_is_settled(const EsSender *sender)
{
	return sender->counted && !es_sender_is_busy(sender);
}

/* How long until a time, in milliseconds; 0 if it is further away than it can be: the clock was set back. */
static long
until_ms(TimestampTz time, long at_most_ms)
{
	long		left_ms = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), time);

	return left_ms > at_most_ms ? 0 : left_ms;
}

/* How long nothing is sent, in milliseconds, since Elasticsearch asked to go slower. */
long
es_sender_pause_ms(const EsSender *sender)
{
	return until_ms(sender->slower_until, SLOWER_LAST_MS);
}

/* Elasticsearch asked to go slower: smaller batches, after a pause. */
static void
go_slower(EsSender *sender)
{
	sender->batch_size = Max(sender->batch_size / 2, 1);
	sender->slower_ms = Min(Max(sender->slower_ms * 2, SLOWER_FIRST_MS), SLOWER_LAST_MS);
	sender->slower_until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													   sender->slower_ms / 2 + random() % (sender->slower_ms / 2));
}

/*
 * A batch was accepted, larger ones may be. But not while there was one too
 * large whose messages are sent in smaller ones, until they are small enough:
 * with the others' success they would be put together again.
 */
static void
go_faster(EsSender *sender)
{
	if (!sender->too_large)
		sender->batch_size = Min(sender->batch_size + sender->batch_size / 8 + 1, ES_BATCH_SIZE);
	sender->slower_ms = 0;
}

/* Requests that are under way with batches. */
static int
count_requests(const EsSender *sender)
{
	ListCell   *cell;
	int			count = 0;

	foreach(cell, sender->batches)
		count += ((EsBatch *) lfirst(cell))->request != NULL;
	return count;
}

/* Read the next batch. Returns NULL if there is nothing to read now. */
static EsBatch *
read_batch(EsSender *sender)
{
	EsBatch    *batch;
	MemoryContext caller;

	if (!es_batch_reader_can_read(sender->reader))
		return NULL;

	/* Entered in the list at once: after an error, es_sender_recover finds it there. */
	batch = es_batch_create(sender->batch_size);
	caller = MemoryContextSwitchTo(TopMemoryContext);
	sender->batches = lappend(sender->batches, batch);
	MemoryContextSwitchTo(caller);
	es_batch_reader_read(sender->reader, batch, sender->batch_size, es_version_next());

	if (batch->count == 0 && batch->ranges_count == 0)
	{
		es_batch_reader_end_batch(sender->reader, batch);
		forget(sender, batch);
		return NULL;
	}
	if (batch->body->len == 0)
	{
		http_free_body(batch->body);
		batch->body = NULL;
		batch->acknowledged = true;
	}
	return batch;
}

/* Send what can be sent now. */
static void
send_batches(EsSender *sender)
{
	EsBatch    *batch;

	while (count_requests(sender) < REQUESTS_MAX && list_length(sender->batches) < BATCHES_MAX &&
		   es_sender_pause_ms(sender) == 0 && (batch = read_batch(sender)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (batch->body == NULL)
			continue;
		sender->counted = false;
		es_bulk_begin(sender->name, batch);
	}
}

/* Read the answer to a batch. */
static void
receive(EsSender *sender, EsBatch *batch, const char **problem)
{
	const char *trouble = NULL;

	switch (es_bulk_end(sender->name, batch, &trouble))
	{
		case BULK_DONE:
			go_faster(sender);
			break;
		case BULK_SMALLER:
			sender->batch_size = Max(Min(sender->batch_size, batch->count / 2), 1);
			sender->too_large = true;
			break;
		case BULK_SLOWER:
			go_slower(sender);
			*problem = trouble;
			break;
		case BULK_REFUSED:
			sender->too_large = false;
			batch->refused = true;
			return;
		case BULK_FAILED:
			es_raise(trouble);
	}
	batch->acknowledged = true;
}

/* Read the answers that are there. */
static void
receive_answers(EsSender *sender, const char **problem)
{
	ListCell   *cell;

	foreach(cell, sender->batches)
	{
		EsBatch    *batch = lfirst(cell);

		if (batch->request != NULL && batch->request->done)
			receive(sender, batch, problem);
	}
}

/*
 * Whether messages were refused for what they are. They may be as they should,
 * and the index not: who calls finds out.
 */
bool
es_sender_was_refused(const EsSender *sender)
{
	ListCell   *cell;

	foreach(cell, sender->batches)
		if (((EsBatch *) lfirst(cell))->refused)
			return true;
	return false;
}

/* The messages are at fault: they fail. */
void
es_sender_accept_refusals(EsSender *sender)
{
	ListCell   *cell;

	foreach(cell, sender->batches)
	{
		EsBatch    *batch = lfirst(cell);

		batch->acknowledged |= batch->refused;
		batch->refused = false;
	}
}

/*
 * Make what is acknowledged visible to searches, if there is any: at once if
 * nothing else is under way.
 */
static void
begin_refresh(EsSender *sender)
{
	ListCell   *cell;
	bool		any = false;

	if (sender->refresh != NULL ||
		(count_requests(sender) > 0 && list_length(sender->batches) < BATCHES_MAX &&
		 until_ms(sender->next_refresh, REFRESH_PAUSE_MS) > 0))
		return;
	foreach(cell, sender->batches)
	{
		EsBatch    *batch = lfirst(cell);

		batch->refreshing = batch->acknowledged && !batch->refreshed;
		any |= batch->refreshing;
	}
	if (!any)
		return;
	sender->next_refresh = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), REFRESH_PAUSE_MS);
	es_seq_no_ask(&sender->counting, sender->name);
	sender->refresh = es_begin("POST", psprintf("/%s/_refresh", sender->name), NULL, ES_TIMEOUT_MS);
}

/* Note what searches find now. operations is NULL if it is not known. */
static uint64
finish_batches(EsSender *sender, const int64 *operations)
{
	List	   *finished;
	uint64		done = 0;
	ListCell   *cell;

	foreach(cell, sender->batches)
	{
		EsBatch    *batch = lfirst(cell);

		batch->refreshed |= batch->refreshing;
		batch->refreshing = false;
	}
	finished = es_batches_to_acknowledge(sender->batches);
	worker_xact_begin("noting what is indexed");
	foreach(cell, finished)
		done += es_batch_acknowledge(sender->reader, lfirst(cell));
	es_index_note_progress(sender->reader->index, es_version_last(), operations);
	worker_xact_commit();
	foreach(cell, finished)
	{
		es_batch_reader_end_batch(sender->reader, lfirst(cell));
		forget(sender, lfirst(cell));
	}
	return done;
}

/* If a refresh is done, note what searches find now. Returns how many messages. */
static uint64
end_refresh(EsSender *sender, const char **problem)
{
	const char *trouble;
	Jsonb	   *answer;
	int64		failed;
	int64		operations;
	uint64		done;
	bool		known;

	if (sender->refresh == NULL || !sender->refresh->done)
		return 0;
	answer = es_json(sender->refresh, &trouble);
	if (answer == NULL)
		es_raise(trouble);
	if (!json_integer(json_member(json_container(json_member(&answer->root, "_shards")), "failed"), &failed) ||
		failed != 0)
		es_raise("Elasticsearch could not refresh all shards of the index");
	known = es_seq_no_take(&sender->counting, sender->name, &operations, problem);
	done = finish_batches(sender, known ? &operations : NULL);
	end_request(&sender->refresh);
	sender->counted = known && sender->batches == NIL;
	return done;
}

/*
 * Note how many operations the index has seen, when nothing is under way and it
 * is not known. The count then covers all that was sent.
 */
static void
note_operations(EsSender *sender, const char **problem)
{
	int64		operations;

	if (sender->counted || sender->batches != NIL || sender->refresh != NULL)
		return;
	if (es_seq_no_take(&sender->counting, sender->name, &operations, problem))
	{
		worker_xact_begin("noting how many operations an index has seen");
		es_index_note_progress(sender->reader->index, es_version_last(), &operations);
		worker_xact_commit();
		sender->counted = true;
	}
	else if (es_seq_no_may_ask(&sender->counting))
		es_seq_no_ask(&sender->counting, sender->name);
}

/*
 * Do what can be done without waiting. Adds to *done the messages that searches
 * find now. *problem says what did not go well, if it does not end the run.
 * Returns whether requests are under way. Raises 08006 if a request failed of
 * which others depend; es_sender_recover must follow.
 */
bool
es_sender_advance(EsSender *sender, uint64 *done, const char **problem)
{
	receive_answers(sender, problem);
	*done += end_refresh(sender, problem);
	if (sender->batches == NIL && es_batch_reader_is_empty(sender->reader))
		sender->too_large = false;
	send_batches(sender);
	begin_refresh(sender);
	note_operations(sender, problem);
	return sender->refresh != NULL || sender->counting.request != NULL || count_requests(sender) > 0;
}

/*
 * After an error while it sent: what is acknowledged is kept, and refreshed
 * again; nothing is known of the rest, which is read and sent again. Raises
 * nothing.
 */
void
es_sender_recover(EsSender *sender)
{
	ListCell   *cell;

	end_request(&sender->refresh);
	es_seq_no_end(&sender->counting);
	foreach(cell, sender->batches)
	{
		EsBatch    *batch = lfirst(cell);

		batch->refreshing = batch->refreshed = false;
		if (batch->acknowledged)
			continue;
		es_batch_reader_drop_batch(sender->reader, batch);
		sender->batches = foreach_delete_current(sender->batches, cell);
		es_batch_free(batch);
	}

	/* Should the batches be too large for it, or for the time it has. */
	sender->batch_size = Max(sender->batch_size / 2, 1);
}
