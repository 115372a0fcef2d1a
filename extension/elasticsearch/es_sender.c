/*
 * es_sender.c
 *	  Sending to an index the messages that it lacks.
 *
 * Batches go to Elasticsearch by _bulk, several at a time:
 *
 *	read		from the tables: see es_batch_reader.c
 *	sent		the outcome is unknown. If the request fails, the batch is dropped,
 *				and its messages are read and sent again
 *	acknowledged	durable in Elasticsearch, and never sent again. Searches may
 *				not find it yet
 *	refreshed	found by searches: see es_refresh.c. Watermarks are raised, and rows
 *				of the queue deleted, once all earlier batches of the same chats are
 *				refreshed, too
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/due_time.h"
#include "elasticsearch/es_bulk.h"
#include "elasticsearch/es_client.h"
#include "elasticsearch/es_sender.h"
#include "elasticsearch/es_version.h"

/* Limits on the bulk requests under way, and on batches, with a request or without. */
#define REQUESTS_MAX 4
#define BATCHES_MAX 64

/* The pause after Elasticsearch asks for fewer requests doubles from the first to the last. */
#define SLOWER_FIRST_MS 500
#define SLOWER_LAST_MS 15000

/*
 * Create a sender for the index with this id and name, which lasts until it is
 * freed. It begins with a look at all chats.
 */
EsSender *
es_sender_create(int32 index, const char *name)
{
	EsSender   *sender = MemoryContextAllocZero(TopMemoryContext, sizeof(EsSender));

	sender->name = MemoryContextStrdup(TopMemoryContext, name);
	sender->reader = es_batch_reader_create(index);
	sender->batch_size = ES_BATCH_SIZE;
	sender->refresh.counted = true;
	return sender;
}

/* Free a batch, which is no longer under way. */
static void
forget(EsSender *sender, EsBatch *batch)
{
	sender->batches = list_delete_ptr(sender->batches, batch);
	es_batch_free(batch);
}

/* Free a sender, and abort its requests. */
void
es_sender_free(EsSender *sender)
{
	es_refresh_abort(&sender->refresh);
	while (sender->batches != NIL)
		forget(sender, linitial(sender->batches));
	es_batch_reader_free(sender->reader);
	pfree(sender->name);
	pfree(sender);
}

/* Whether there is something to send or to wait for. */
bool
es_sender_is_busy(const EsSender *sender)
{
	return sender->batches != NIL || es_refresh_is_under_way(&sender->refresh) ||
		es_batch_reader_has_more(sender->reader);
}

/* Whether the sender is idle, and the operations that the index has seen are recorded. */
bool
es_sender_is_settled(const EsSender *sender)
{
	return sender->refresh.counted && !es_sender_is_busy(sender);
}

/* How long nothing may be sent, in milliseconds, since Elasticsearch asked for fewer requests. */
long
es_sender_pause_ms(const EsSender *sender)
{
	return due_time_left_ms(GetCurrentTimestamp(), sender->slower_until, SLOWER_LAST_MS);
}

/* Send smaller batches, after a pause, as Elasticsearch asked. */
static void
go_slower(EsSender *sender)
{
	sender->batch_size = Max(sender->batch_size / 2, 1);
	sender->slower_ms = Min(Max(sender->slower_ms * 2, SLOWER_FIRST_MS), SLOWER_LAST_MS);
	sender->slower_until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													   sender->slower_ms / 2 + random() % (sender->slower_ms / 2));
}

/*
 * Send larger batches, since one was accepted. Not while the messages of a batch
 * that was too large are being sent in smaller ones: the success of other batches
 * would put them together again.
 */
static void
go_faster(EsSender *sender)
{
	if (!sender->too_large)
		sender->batch_size = Min(sender->batch_size + sender->batch_size / 8 + 1, ES_BATCH_SIZE);
	sender->slower_ms = 0;
}

/* The number of bulk requests under way. */
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

	/* In the list before it is read: es_sender_recover() finds it there after an error. */
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

/* Read and send batches, as many as may be under way. */
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
		sender->refresh.counted = false;
		es_bulk_begin(sender->name, batch);
	}
}

/* Process the answer to a batch. */
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

/* Process the answers that have arrived. */
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
 * Whether Elasticsearch refused messages for their contents. The cause may also be
 * an index that is not as it was created; the caller has to find out.
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

/* Let the refused messages fail, since they are the cause. */
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

/* End the batches that a refresh has made visible, and add their messages to *done. */
static void
end_refresh(EsSender *sender, uint64 *done, const char **problem)
{
	List	   *finished = es_refresh_end(&sender->refresh, sender->name, sender->reader,
										  sender->batches, done, problem);
	ListCell   *cell;

	foreach(cell, finished)
	{
		es_batch_reader_end_batch(sender->reader, lfirst(cell));
		forget(sender, lfirst(cell));
	}
}

/*
 * Go on without waiting. Adds to *done the number of messages that became visible
 * to searches. A problem that does not end the run is set in *problem. Returns
 * whether answers are awaited. Raises 08006 if a request failed on which others
 * depend; the caller then has to call es_sender_recover().
 */
bool
es_sender_advance(EsSender *sender, uint64 *done, const char **problem)
{
	receive_answers(sender, problem);
	end_refresh(sender, done, problem);
	if (sender->batches == NIL && es_batch_reader_is_empty(sender->reader))
		sender->too_large = false;
	send_batches(sender);
	es_refresh_begin(&sender->refresh, sender->name, sender->batches,
					 count_requests(sender) == 0 || list_length(sender->batches) >= BATCHES_MAX);
	if (sender->batches == NIL)
		es_refresh_count_operations(&sender->refresh, sender->name, sender->reader->index, problem);
	return es_refresh_is_under_way(&sender->refresh) || count_requests(sender) > 0;
}

/*
 * Recover from an error in es_sender_advance(). Batches that were acknowledged are
 * kept, to be refreshed again; the others are dropped, and their messages are read
 * and sent again. Raises no error.
 */
void
es_sender_recover(EsSender *sender)
{
	ListCell   *cell;

	es_refresh_abort(&sender->refresh);
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

	/* They may have been too large for Elasticsearch to answer in time. */
	sender->batch_size = Max(sender->batch_size / 2, 1);
}
