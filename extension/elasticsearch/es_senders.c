/*
 * es_senders.c
 *	  The senders of the indexes in use: the current one, and one being built.
 *
 * They last until the worker ends, or their index is no longer used.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "bgworker/worker_xact.h"
#include "changes/change_subscribers.h"
#include "changes/shmem.h"
#include "common/due_time.h"
#include "common/spi_plan.h"
#include "elasticsearch/es_client.h"
#include "elasticsearch/es_senders.h"

/* The time between two looks at the queue, which may have rows that nobody announced. */
#define LOOK_MS 1000

/* The time between two looks at all chats, where there is no change set. */
#define SCAN_MS 5000

/* A list of EsSender, in TopMemoryContext. */
static List *senders = NIL;

/* Whether an index can be used, and so has a sender. */
static bool
is_used(const EsIndex *index)
{
	return index->uuid != NULL && !index->elsewhere && index->state != INDEX_RETIRED;
}

/* The sender of an index, which may be NULL; NULL if it has none. */
EsSender *
es_senders_of(const EsIndex *index)
{
	ListCell   *cell;

	foreach(cell, senders)
	{
		EsSender   *sender = lfirst(cell);

		if (index != NULL && index->id == sender->reader->index)
			return sender;
	}
	return NULL;
}

/*
 * Create senders for the indexes that can be used and have none, and free those of
 * other indexes.
 */
void
es_senders_match(List *indexes)
{
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
	List	   *matched = NIL;
	ListCell   *cell;

	foreach(cell, indexes)
	{
		EsIndex    *index = lfirst(cell);
		EsSender   *sender = es_senders_of(index);

		if (is_used(index))
			matched = lappend(matched, sender != NULL ? sender : es_sender_create(index->id, index->name));
	}
	foreach(cell, senders)
		if (!list_member_ptr(matched, lfirst(cell)))
			es_sender_free(lfirst(cell));
	list_free(senders);
	senders = matched;
	MemoryContextSwitchTo(caller);
}

/* Whether chats are replicated from elsewhere: the change set does not have these changes. */
static bool
is_subscribed(void)
{
	static SavedPlan plan = {
		.sql = "SELECT FROM pg_catalog.pg_subscription_rel WHERE srrelid = 'chat.chats'::regclass LIMIT 1"
	};
	bool		subscribed;

	worker_xact_begin("looking for subscriptions");
	subscribed = spi_plan_read_fresh(&plan, NULL) > 0;
	worker_xact_commit();
	return subscribed;
}

/*
 * Tell the senders' readers which chats changed since the last call. check: it is
 * time to look for changes that a subscription brought. Outside of a transaction.
 */
void
es_senders_deliver(bool check)
{
	static TimestampTz next_look = 0;
	static TimestampTz next_scan = 0;
	ChatKey    *changes;
	ListCell   *cell;
	bool		all;
	int			count = change_subscriber_take(SUBSCRIBER_SEARCH, &changes, &all);
	bool		look_again = due_time_passed(&next_look, LOOK_MS);

	if (!shmem_available() && due_time_passed(&next_scan, SCAN_MS))
		all = true;
	if (check && is_subscribed())
		all = true;
	foreach(cell, senders)
	{
		EsSender   *sender = lfirst(cell);

		if (count > 0 || all)
			es_batch_reader_look_at(sender->reader, changes, count, all);
		if (look_again)
			es_batch_reader_look_again(sender->reader);
	}
}

/* Free all senders, and abort their requests. */
void
es_senders_free(void)
{
	ListCell   *cell;

	foreach(cell, senders)
		es_sender_free(lfirst(cell));
	list_free(senders);
	senders = NIL;
}

/*
 * Let all senders go on: see es_sender_advance(). Returns whether any of them
 * awaits an answer.
 */
bool
es_senders_advance(uint64 *done, const char **problem)
{
	ListCell   *cell;
	bool		waiting = false;

	foreach(cell, senders)
		waiting |= es_sender_advance(lfirst(cell), done, problem);
	return waiting;
}

/* Whether Elasticsearch refused messages for their contents: see es_sender_was_refused(). */
bool
es_senders_were_refused(void)
{
	ListCell   *cell;

	foreach(cell, senders)
		if (es_sender_was_refused(lfirst(cell)))
			return true;
	return false;
}

/* The index with this id; NULL if it is not in the list. */
static const EsIndex *
find_index(List *indexes, int32 id)
{
	ListCell   *cell;

	foreach(cell, indexes)
		if (((EsIndex *) lfirst(cell))->id == id)
			return lfirst(cell);
	return NULL;
}

/*
 * Settle refusals, with the indexes as they have just been checked. Messages fail
 * if their index is as it was created; if that could not be checked they stay
 * refused. Raises 08006 if the index is not as it was created.
 */
void
es_senders_settle_refusals(List *indexes)
{
	ListCell   *cell;

	foreach(cell, senders)
	{
		EsSender   *sender = lfirst(cell);
		const EsIndex *index = find_index(indexes, sender->reader->index);

		if (!es_sender_was_refused(sender))
			continue;
		if (index == NULL || !is_used(index))
			es_raise("Elasticsearch refused messages, since the index is not as it was created");
		if (index->checked)
			es_sender_accept_refusals(sender);
	}
}

/* Whether any sender has something to send or to wait for. */
bool
es_senders_are_busy(void)
{
	ListCell   *cell;

	foreach(cell, senders)
		if (es_sender_is_busy(lfirst(cell)))
			return true;
	return false;
}

/* How long the senders, after they advanced as far as possible, may be left alone, in milliseconds. */
long
es_senders_wait_ms(void)
{
	long		pause_ms = 1;
	ListCell   *cell;

	if (!es_senders_are_busy())
		return LOOK_MS;
	foreach(cell, senders)
		pause_ms = Max(pause_ms, es_sender_pause_ms(lfirst(cell)));
	return pause_ms;
}

/* Recover from an error in es_senders_advance(). Raises no error. */
void
es_senders_recover(void)
{
	ListCell   *cell;

	foreach(cell, senders)
		es_sender_recover(lfirst(cell));
}
