/*
 * es_sync_job.c
 *	  The worker's job of keeping Elasticsearch in sync.
 *
 * A run sees that the indexes are there that should be, tells the sender of each
 * what changed, and has them send. It ends after a short time, wherever it
 * stands; requests stay under way until the next run. Other jobs are done while
 * it waits for an answer.
 *
 * If a request of a sender fails, nothing is known of what it was to do, and the
 * run has failed. It is tried again after a while, and Elasticsearch is asked
 * first whether its indexes are still what they were. That it does not answer
 * that in time is a problem to report, but nothing that is under way ends for it.
 */
#include "postgres.h"

#include <ctype.h>

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "bgworker/worker_xact.h"
#include "changes/change_subscribers.h"
#include "changes/shmem.h"
#include "common/spi_plan.h"
#include "elasticsearch/es_client.h"
#include "elasticsearch/es_index_lifecycle.h"
#include "elasticsearch/es_sender.h"
#include "elasticsearch/es_seq_no.h"
#include "elasticsearch/es_sync_job.h"
#include "elasticsearch/es_version.h"

/* When a run ends if there is more to do. */
#define RUN_BUDGET_MS 200

/* How often the queue is looked at, of which nobody may have told. */
#define LOOK_MS 1000

/* Where nobody tells of changes, all chats are looked at so often. */
#define SCAN_MS 5000

/* When the indexes are checked again, after something was wrong; else at pg_chat.reconcile_interval. */
#define CHECK_AGAIN_MS 10000

/* Changes that come one after the other go in one batch. */
#define WANTED_PAUSE_MS 100

/* A run that did nothing is recorded so often. */
#define RECORD_MS 60000

/* The senders, one for each index that is used; all of this lasts until the worker ends. */
static List *senders = NIL;
static TimestampTz next_check = 0;
static TimestampTz next_scan = 0;
static TimestampTz next_record = 0;

/* Whether it is the senders that work now, should there be an error. */
static bool sending = false;

/* Whether an index has to be verified as a whole. */
static bool unverified = false;

/*
 * The index that was compared as a whole, and is in sync but for what is pending:
 * to be marked verified, not before a time. 0: none.
 */
static int32 compared = 0;
static TimestampTz next_mark = 0;

/* Whether a time has come; it is set to the next. One that is too far away is of a clock that was set back. */
static bool
is_due(TimestampTz *time, long interval_ms)
{
	TimestampTz now = GetCurrentTimestamp();

	if (now < *time && !TimestampDifferenceExceeds(now, *time, interval_ms + 1))
		return false;
	*time = TimestampTzPlusMilliseconds(now, interval_ms);
	return true;
}

/* The indexes, when all has been done about them that can be. check: see es_indexes_maintain. */
static List *
maintained_indexes(bool check, JobRun *run)
{
	List	   *indexes;
	int64		last_version;

	do
	{
		CHECK_FOR_INTERRUPTS();
		indexes = es_index_rows_read(&last_version);
		es_version_begin_above(last_version);
	} while (es_indexes_maintain(indexes, check, &run->error));
	return indexes;
}

/* Whether an index can be used, so that it has a sender. */
static bool
is_used(const EsIndex *index)
{
	return index->uuid != NULL && !index->elsewhere && index->state != INDEX_RETIRED;
}

/* The sender of an index; NULL if it has none. */
static EsSender *
sender_of(const EsIndex *index)
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

/* Have a sender for each index that can be used, and no others. */
static void
match_senders(List *indexes)
{
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
	List	   *matched = NIL;
	ListCell   *cell;

	foreach(cell, indexes)
	{
		EsIndex    *index = lfirst(cell);
		EsSender   *sender = sender_of(index);

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

/* Whether chats come by a subscription, of whose changes nobody tells. */
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

/* Tell the readers what changed. check: it is time to look at what came by a subscription. */
static void
deliver(bool check)
{
	static TimestampTz next_look = 0;
	ChatKey    *changes;
	ListCell   *cell;
	bool		all;
	int			count = change_subscriber_take(SUBSCRIBER_SEARCH, &changes, &all);
	bool		look_again = is_due(&next_look, LOOK_MS);

	if (!shmem_available() && is_due(&next_scan, SCAN_MS))
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

/* Whether two texts are the same but for numbers in them. */
static bool
differ_in_numbers_alone(const char *a, const char *b)
{
	for (;;)
	{
		while (isdigit((unsigned char) *a))
			a++;
		while (isdigit((unsigned char) *b))
			b++;
		if (*a != *b)
			return false;
		if (*a == '\0')
			return true;
		a++;
		b++;
	}
}

/* Log a problem that does not end the run, unless it is the one that was logged last. */
static void
log_problem(const char *problem)
{
	static char logged[1024];

	if (!differ_in_numbers_alone(logged, problem))
		ereport(LOG, (errmsg("pg_chat: %s", problem)));
	strlcpy(logged, problem, sizeof(logged));
}

/*
 * See whether the index that is searched has seen what was noted, and nothing
 * else: then it is verified, or else it is not. Not while something is under way
 * or not noted yet; nor when it is known that it has.
 */
static void
check_operations(EsIndex *index, JobRun *run)
{
	MemoryContext caller = CurrentMemoryContext;
	EsSender   *sender = sender_of(index);
	int64		operations;

	if (sender == NULL || index->unverified || (index->verified && !es_sender_is_settled(sender)))
		return;
	PG_TRY();
	{
		operations = es_seq_no_count(index->name);
		if (operations != index->operations)
			es_index_mark_unverified(index, operations, es_version_skip_lost());
		else if (!index->verified)
			es_index_mark_verified(index, operations);
		index->verified = operations == index->operations;
	}
	PG_CATCH();
	{
		es_catch(caller, &run->error);
	}
	PG_END_TRY();
}

/*
 * Mark an index verified that was compared as a whole, if it is still to be; one
 * that was built takes the place of the current one. Returns whether any of this
 * changed.
 */
static bool
mark_compared(List *indexes, JobRun *run)
{
	MemoryContext caller = CurrentMemoryContext;
	const EsIndex *current = es_index_in_state(indexes, INDEX_CURRENT);
	const EsIndex *index = es_sync_job_unverified(indexes);
	volatile bool marked = false;

	if (compared == 0 || !is_due(&next_mark, CHECK_AGAIN_MS))
		return false;
	if (index == NULL || current == NULL || index->id != compared)
	{
		compared = 0;
		return false;
	}
	PG_TRY();
	{
		es_index_mark_verified(index, es_seq_no_count(index->name));
		if (index != current)
			es_index_replace(current, index);
		compared = 0;
		marked = true;
	}
	PG_CATCH();
	{
		es_catch(caller, &run->error);
	}
	PG_END_TRY();
	return marked;
}

/* Elasticsearch is not to be used, or not any more. */
static void
stop(void)
{
	ListCell   *cell;

	foreach(cell, senders)
		es_sender_free(lfirst(cell));
	list_free(senders);
	senders = NIL;
	unverified = false;
	compared = 0;
	change_subscriber_listen(SUBSCRIBER_SEARCH, false);
	es_indexes_forget();
}

/*
 * Messages were refused for what they are. If the index is as it was created,
 * they fail; if that cannot be found out now, it is in the next run.
 */
static void
settle_refusals(EsSender *sender, JobRun *run)
{
	const EsIndex *index = NULL;
	ListCell   *cell;

	foreach(cell, maintained_indexes(true, run))
		if (((EsIndex *) lfirst(cell))->id == sender->reader->index)
			index = lfirst(cell);
	if (index == NULL || !is_used(index))
		es_raise("Elasticsearch refused messages, since the index is not as it was created");
	if (index->checked)
		es_sender_accept_refusals(sender);
}

/* Have the senders work, until they have nothing to do but to wait, or until a time. */
static void
send_until(TimestampTz end, JobRun *run)
{
	ListCell   *cell;
	bool		waiting;

	sending = true;
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		waiting = false;
		foreach(cell, senders)
		{
			EsSender   *sender = lfirst(cell);

			waiting |= es_sender_advance(sender, &run->done, &run->error);
			if (es_sender_was_refused(sender))
				settle_refusals(sender, run);
		}
		if (!waiting || GetCurrentTimestamp() >= end)
			break;
		http_wait(Max(1, TimestampDifferenceMilliseconds(GetCurrentTimestamp(), end)));
	}
	sending = false;
}

/* How long until the next run, in milliseconds, after one that did what could be done. */
static long
wait_ms(bool busy)
{
	long		pause_ms = 0;
	ListCell   *cell;

	foreach(cell, senders)
		pause_ms = Max(pause_ms, es_sender_pause_ms(lfirst(cell)));
	return !busy ? LOOK_MS : Max(pause_ms, 1);
}

/*
 * Job: send what changed, and note what searches find.
 */
static long
run_sync(JobRun *run)
{
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), RUN_BUDGET_MS);
	List	   *indexes;
	ListCell   *cell;
	bool		check;
	bool		busy = false;

	if (!es_wanted())
	{
		stop();
		run->off = true;
		return guc_reconcile_interval * 1000L;
	}

	change_subscriber_listen(SUBSCRIBER_SEARCH, true);
	check = is_due(&next_check, guc_reconcile_interval * 1000L);
	indexes = maintained_indexes(check, run);
	match_senders(indexes);
	if (mark_compared(indexes, run))
	{
		indexes = maintained_indexes(false, run);
		match_senders(indexes);
	}
	if (check)
		check_operations(es_index_in_state(indexes, INDEX_CURRENT), run);
	if (check && run->error != NULL)
		next_check = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), CHECK_AGAIN_MS);
	deliver(check);
	send_until(end, run);
	if (run->error != NULL)
		log_problem(run->error);
	unverified = es_sync_job_unverified(indexes) != NULL;

	foreach(cell, senders)
		busy |= es_sender_is_busy(lfirst(cell));
	run->waits = busy && run->done == 0;
	if (run->done == 0 && run->error == NULL && !is_due(&next_record, RECORD_MS))
		run->off = true;
	return wait_ms(busy);
}

/*
 * After an error: what is under way ends, if the error was there, and
 * Elasticsearch is asked whether it has still what it had.
 */
static void
recover(void)
{
	ListCell   *cell;

	if (sending)
		foreach(cell, senders)
			es_sender_recover(lfirst(cell));
	sending = false;
	next_check = 0;
}

/*
 * The index that has to be verified as a whole now, or NULL: one that was built,
 * when there is nothing left to send of what was there when it began, or the
 * current one, if it is not verified.
 */
EsIndex *
es_sync_job_unverified(List *indexes)
{
	EsIndex    *current = es_index_in_state(indexes, INDEX_CURRENT);
	EsIndex    *building = es_index_in_state(indexes, INDEX_BUILDING);
	const EsSender *sender = sender_of(building);

	if (sender != NULL && !building->rebuild && sender->reader->caught_up)
		return building;
	return current != NULL && !current->verified && sender_of(current) != NULL ? current : NULL;
}

/* Whether an index has to be compared as a whole, in order to be verified: as of the last run. */
bool
es_sync_job_wants_verification(void)
{
	return unverified && compared == 0;
}

/* An index was compared as a whole, and is in sync but for what is pending. */
void
es_sync_job_note_compared(const EsIndex *index)
{
	compared = index->id;
	next_mark = 0;
}

/* Whether there is something to send before it is time. */
static bool
is_wanted(void)
{
	return change_subscriber_has_changes(SUBSCRIBER_SEARCH);
}

Job			es_sync_job = {
	.name = "search",
	.run = run_sync,
	.recover = recover,
	.wanted = is_wanted,
	.pause_ms = WANTED_PAUSE_MS,
	.uses_network = true
};
