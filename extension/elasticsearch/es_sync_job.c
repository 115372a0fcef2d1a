/*
 * es_sync_job.c
 *	  The worker's job of keeping Elasticsearch in step.
 *
 * Each index has a feed, see es_batch.c. Its batches go to Elasticsearch by _bulk,
 * several at a time. That one is acknowledged means that it is durable there,
 * not that searches find it: that is so after a refresh that begins later. Only
 * then are watermarks raised, and rows of the queue deleted. While there is more
 * to send, refreshes are rare, since they are costly; when there is no more, one
 * follows at once.
 *
 * A run ends after a short time, wherever it stands; requests stay under way
 * until the next run. If a request fails as a whole, nothing is known of any
 * that are under way: all are ended, and what they had is read and sent again,
 * after a while. Elasticsearch is then asked whether its indexes are still what
 * they were.
 */
#include "postgres.h"

#include <ctype.h>

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "bgworker/worker.h"
#include "changes/change_subscribers.h"
#include "changes/shmem.h"
#include "common/compat.h"
#include "common/spi_plan.h"
#include "elasticsearch/es_batch.h"
#include "elasticsearch/es_batch_ack.h"
#include "elasticsearch/es_bulk.h"
#include "elasticsearch/es_client.h"
#include "elasticsearch/es_index_lifecycle.h"
#include "elasticsearch/es_seq_no.h"
#include "elasticsearch/es_sync_job.h"

/* When a run ends if there is more to do. */
#define PASS_BUDGET_MS 200

/* How often the queue is looked at, of which nobody may have told. */
#define LOOK_MS 1000

/* Where nobody tells of changes, all chats are looked at so often. */
#define SCAN_MS 5000

/* Requests with batches under way, for each index. */
#define REQUESTS 4

/* Batches under way, with and without requests. */
#define BATCHES 64

/* The time between refreshes while there is more to send. */
#define REFRESH_PAUSE_MS 3000

/* How long Elasticsearch has for a refresh. */
#define REFRESH_TIMEOUT_MS 30000

/* The pause after Elasticsearch asked to go slower: doubles from the first to the last. */
#define SLOWER_FIRST_MS 500
#define SLOWER_LAST_MS 15000

/* Versions begin so much above the last that was written, which may not be the last that was sent. */
#define VERSION_MARGIN_US (60 * INT64CONST(1000000))

/*
 * They skip so much where the index has a future that was lost: its versions
 * may be ahead of the clock, by the margins of some restarts, or since the
 * clock was ahead.
 */
#define VERSION_DOUBT_US (24 * 60 * 60 * INT64CONST(1000000))

/* Microseconds since 2000 have so many bits until 2071; what is left of 63 are timelines. */
#define VERSION_TIME_BITS 51
#define VERSION_TIMELINES 4096

/* A run that did nothing is recorded so often. */
#define RECORD_MS 60000

/* The feeds, one for each index that is fed; all of this lasts until the worker ends. */
static List *feeds = NIL;
static int64 last_version = 0;
static TimestampTz next_check = 0;
static TimestampTz next_scan = 0;
static TimestampTz next_record = 0;
static TimestampTz slower_until = 0;
static long slower_ms = 0;
static bool unverified = false;

/* Whether a time is still to come; one that is too far away is of a clock that was set back. */
static bool
is_to_come(TimestampTz time, long interval_ms)
{
	TimestampTz now = GetCurrentTimestamp();

	return now < time && !TimestampDifferenceExceeds(now, time, interval_ms + 1);
}

static bool
is_due(TimestampTz *time, long interval_ms)
{
	TimestampTz now = GetCurrentTimestamp();

	if (is_to_come(*time, interval_ms))
		return false;
	*time = TimestampTzPlusMilliseconds(now, interval_ms);
	return true;
}

/*
 * The version of documents that are read from now on: always more than any
 * before, whatever happens to the clock. It is the time, in microseconds, and
 * above it the timeline: what a promoted standby says outranks what the former
 * primary said last, which the standby may never have heard of.
 */
static int64
next_version(void)
{
	int64		timeline = Min(compat_timeline(), VERSION_TIMELINES - 1);

	last_version = Max(last_version + 1, (timeline << VERSION_TIME_BITS) + GetCurrentTimestamp());
	return last_version;
}

/* The indexes, when all has been done about them that can be. check: see es_indexes_maintain. */
static List *
maintained_indexes(bool check, JobRun *run)
{
	List	   *indexes;
	int64		version;

	do
	{
		CHECK_FOR_INTERRUPTS();
		indexes = search_indexes(&version);
		if (last_version == 0 && version > 0)
			last_version = version + VERSION_MARGIN_US;
	} while (es_indexes_maintain(indexes, check, &run->error));
	return indexes;
}

/* Whether an index can be used, so that it has a feed. */
static bool
is_used(const EsIndex *index)
{
	return index->uuid != NULL && index->state != INDEX_RETIRED;
}

/* Whether the index of a feed can be used. */
static bool
is_fed(const BatchReader *feed, List *indexes)
{
	ListCell   *cell;

	foreach(cell, indexes)
	{
		EsIndex *index = lfirst(cell);

		if (index->id == feed->index)
			return is_used(index);
	}
	return false;
}

static BatchReader *
batch_reader_of(int32 index)
{
	ListCell   *cell;

	foreach(cell, feeds)
	{
		BatchReader	   *feed = lfirst(cell);

		if (feed->index == index)
			return feed;
	}
	return NULL;
}

/* Have a feed for each index that can be used, and no others. */
static void
match_feeds(List *indexes)
{
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
	List	   *matched = NIL;
	ListCell   *cell;

	foreach(cell, indexes)
	{
		EsIndex *index = lfirst(cell);
		BatchReader	   *feed = batch_reader_of(index->id);

		if (!is_used(index))
			continue;
		matched = lappend(matched, feed != NULL ? feed : batch_reader_create(index->id, index->name));
	}
	foreach(cell, feeds)
		if (!list_member_ptr(matched, lfirst(cell)))
			batch_reader_free(lfirst(cell));
	list_free(feeds);
	feeds = matched;
	MemoryContextSwitchTo(caller);
}

/* Tell the feeds what changed. */
static void
deliver(void)
{
	static TimestampTz next_look = 0;
	ChatKey *changes;
	ListCell   *cell;
	bool		all;
	int			count = change_subscriber_take(SUBSCRIBER_SEARCH, &changes, &all);
	bool		look_again = is_due(&next_look, LOOK_MS);

	if (!shmem_available() && is_due(&next_scan, SCAN_MS))
		all = true;
	foreach(cell, feeds)
	{
		if (count > 0 || all)
			batch_reader_look_at(lfirst(cell), changes, count, all);
		if (look_again)
			batch_reader_look_again(lfirst(cell));
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

/* Note a problem that does not end the run; the log has it once. */
static void
note_problem(JobRun *run, const char *problem)
{
	static char logged[1024];

	if (!differ_in_numbers_alone(logged, problem))
		ereport(LOG, (errmsg("pg_chat: %s", problem)));
	strlcpy(logged, problem, sizeof(logged));
	run->error = problem;
}

/* Elasticsearch asked to go slower: smaller batches, after a pause. */
static void
go_slower(BatchReader *feed)
{
	feed->batch_size = Max(feed->batch_size / 2, 1);
	slower_ms = Min(Max(slower_ms * 2, SLOWER_FIRST_MS), SLOWER_LAST_MS);
	slower_until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
											   slower_ms / 2 + random() % (slower_ms / 2));
}

/*
 * A batch was accepted, larger ones may be. But not while there was one too
 * large whose messages are sent in smaller ones, until they are small enough:
 * with the others' success they would be put together again.
 */
static void
go_faster(BatchReader *feed)
{
	if (!feed->too_large)
		feed->batch_size = Min(feed->batch_size + feed->batch_size / 8 + 1, FEED_BATCH_SIZE);
	slower_ms = 0;
}

/* Send what can be sent now. */
static void
send_batches(BatchReader *feed)
{
	EsBatch	   *batch;

	while (batch_reader_requests(feed) < REQUESTS && list_length(feed->batches) < BATCHES &&
		   !is_to_come(slower_until, SLOWER_LAST_MS) &&
		   (batch = batch_reader_read(feed, next_version())) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (batch->body != NULL)
			es_bulk_begin(feed, batch);
	}
}

/* Read the answer to a batch. */
static void
receive(BatchReader *feed, EsBatch *batch, JobRun *run)
{
	const char *problem = NULL;

	switch (es_bulk_end(feed, batch, &problem))
	{
		case BULK_DONE:
			go_faster(feed);
			break;
		case BULK_SMALLER:
			feed->batch_size = Max(Min(feed->batch_size, batch->count / 2), 1);
			feed->too_large = true;
			break;
		case BULK_SLOWER:
			go_slower(feed);
			note_problem(run, problem);
			break;
		case BULK_REFUSED:
			feed->too_large = false;
			/* Is it the messages, or the index? */
			if (!is_fed(feed, maintained_indexes(true, run)))
				es_raise("Elasticsearch refused messages, since the index is not as it was created");
			break;
		case BULK_FAILED:
			es_raise(problem);
	}
	batch->acknowledged = true;
}

/* Read the answers that are there. */
static void
receive_answers(BatchReader *feed, JobRun *run)
{
	ListCell   *cell;

	foreach(cell, feed->batches)
	{
		EsBatch	   *batch = lfirst(cell);

		if (batch->request != NULL && batch->request->done)
			receive(feed, batch, run);
	}
}

/*
 * Make what is acknowledged visible to searches, if there is any: at once if
 * nothing else is under way.
 */
static void
begin_refresh(BatchReader *feed)
{
	ListCell   *cell;
	bool		any = false;

	if (feed->refresh != NULL || feed->batches == NIL ||
		(batch_reader_requests(feed) > 0 && list_length(feed->batches) < BATCHES &&
		 GetCurrentTimestamp() < TimestampTzPlusMilliseconds(feed->refresh_began, REFRESH_PAUSE_MS)))
		return;
	foreach(cell, feed->batches)
	{
		EsBatch	   *batch = lfirst(cell);

		batch->refreshing = batch->acknowledged;
		any |= batch->acknowledged;
	}
	if (!any)
		return;
	feed->refresh_began = GetCurrentTimestamp();
	feed->operations = es_seq_no_begin(feed->name);
	feed->refresh = es_begin("POST", psprintf("/%s/_refresh", feed->name), NULL,
										REFRESH_TIMEOUT_MS);
}

/*
 * Note how far an index is, unless somebody has its row locked, as who ran
 * chat.reindex(): then versions have a margin, and the index may seem to have
 * seen too much. What one has seen that is not proven is noted when it is.
 */
static void
write_progress(const BatchReader *feed, int64 operations)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat_internal.search_indexes AS i SET last_version = $2,"
		" operations = CASE WHEN i.verified_start OPERATOR(pg_catalog.=) $4 THEN $3 ELSE i.operations END"
		" FROM (SELECT id FROM chat_internal.search_indexes WHERE id OPERATOR(pg_catalog.=) $1"
		" FOR NO KEY UPDATE SKIP LOCKED) AS l WHERE i.id OPERATOR(pg_catalog.=) l.id",
		INT4OID, INT8OID, INT8OID, TIMESTAMPTZOID);
	Datum		values[4] = {
		Int32GetDatum(feed->index), Int64GetDatum(last_version), Int64GetDatum(operations),
		TimestampTzGetDatum(PgStartTime)
	};

	spi_plan_write(&plan, values, NULL);
}

/* Note what searches find now. */
static void
finish_batches(BatchReader *feed, int64 operations, JobRun *run)
{
	ListCell   *cell;
	List	   *finished = NIL;

	foreach(cell, feed->batches)
		if (((EsBatch *) lfirst(cell))->refreshing)
			finished = lappend(finished, lfirst(cell));
	worker_xact_begin("noting what is indexed");
	foreach(cell, finished)
		run->done += es_batch_acknowledge(feed, lfirst(cell));
	write_progress(feed, operations);
	worker_xact_commit();
	foreach(cell, finished)
		batch_reader_forget(feed, lfirst(cell));
}

/* If a refresh is done, note what searches find now. */
static void
end_refresh(BatchReader *feed, JobRun *run)
{
	const char *problem;
	Jsonb	   *answer;
	int64		failed;
	int64		operations;

	if (feed->refresh == NULL || !feed->refresh->done || !feed->operations->done)
		return;
	answer = es_json(feed->refresh, &problem);
	if (answer == NULL)
		es_raise(problem);
	if (!json_integer(json_member(json_container(json_member(&answer->root, "_shards")), "failed"), &failed) ||
		failed != 0)
		es_raise("Elasticsearch could not refresh all shards of the index");
	operations = es_seq_no_read(feed->operations, feed->name);
	batch_reader_end_refresh(feed);
	finish_batches(feed, operations, run);
}

/* Whether a feed has something to send, or to wait for. */
static bool
is_sending(const BatchReader *feed)
{
	return feed->batches != NIL || feed->scanning || chat_key_queue_count(feed->chats) > 0;
}

/* Do what can be done without waiting. Returns whether requests are under way. */
static bool
advance(BatchReader *feed, JobRun *run)
{
	receive_answers(feed, run);
	end_refresh(feed, run);
	if (!is_sending(feed) && chat_key_queue_count(feed->later) == 0 && feed->queue_ended)
		feed->too_large = false;
	send_batches(feed);
	begin_refresh(feed);
	return feed->refresh != NULL || batch_reader_requests(feed) > 0;
}

/*
 * See whether the index that is searched has seen what was noted, and nothing
 * else: then it is proven, or else it is not. Not while something is under way;
 * nor when it is known that it has.
 */
static void
check_operations(EsIndex *index)
{
	BatchReader	   *feed = index ? batch_reader_of(index->id) : NULL;
	int64		operations;

	if (feed == NULL || index->doubted || (index->proven && is_sending(feed)))
		return;
	operations = es_seq_no_count(index->name);
	if (operations != index->operations)
	{
		last_version = next_version() + VERSION_DOUBT_US;
		es_index_mark_unverified(index, operations, last_version);
	}
	else if (!index->proven)
		es_index_mark_verified(index, operations);
	index->proven = operations == index->operations;
}

/* Elasticsearch is not to be used, or not any more. */
static void
stop(void)
{
	ListCell   *cell;

	foreach(cell, feeds)
		batch_reader_free(lfirst(cell));
	list_free(feeds);
	feeds = NIL;
	unverified = false;
	change_subscriber_listen(SUBSCRIBER_SEARCH, false);
	es_indexes_forget();
}

/*
 * Job: send what changed, and note what searches find.
 */
long
es_sync_job_run(JobRun *run)
{
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), PASS_BUDGET_MS);
	List	   *indexes;
	ListCell   *cell;
	bool		check;
	bool		waiting;
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
	if (run->error != NULL)
		note_problem(run, run->error);
	match_feeds(indexes);
	if (check)
		check_operations(es_index_in_state(indexes, INDEX_CURRENT));
	deliver();
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		waiting = false;
		foreach(cell, feeds)
			waiting |= advance(lfirst(cell), run);
		if (!waiting || GetCurrentTimestamp() >= end)
			break;
		http_wait(Max(1, TimestampDifferenceMilliseconds(GetCurrentTimestamp(), end)));
	}
	unverified = es_sync_job_unverified(indexes) != NULL;

	foreach(cell, feeds)
		busy |= is_sending(lfirst(cell));
	run->waits = busy && run->done == 0;
	if (run->done == 0 && run->error == NULL && !is_due(&next_record, RECORD_MS))
		run->off = true;
	if (busy && is_to_come(slower_until, SLOWER_LAST_MS))
		return Max(1, TimestampDifferenceMilliseconds(GetCurrentTimestamp(), slower_until));
	return busy ? 1 : LOOK_MS;
}

/*
 * After an error: end what is under way, and see whether Elasticsearch has
 * still what it had.
 */
void
es_sync_job_recover(void)
{
	ListCell   *cell;

	foreach(cell, feeds)
	{
		BatchReader	   *feed = lfirst(cell);

		/* Should the batches be too large for it, or for the time it has. */
		feed->batch_size = Max(feed->batch_size / 2, 1);
		batch_reader_reset(feed);
	}
	next_check = 0;
}

/*
 * The index that has to be verified as a whole now, or NULL: one that was built,
 * when there is nothing left to send of what was there when it began, or the
 * current one, if it is not proven.
 */
EsIndex *
es_sync_job_unverified(List *indexes)
{
	EsIndex *current = es_index_in_state(indexes, INDEX_CURRENT);
	EsIndex *building = es_index_in_state(indexes, INDEX_BUILDING);
	const BatchReader *feed = building != NULL && !building->rebuild ? batch_reader_of(building->id) : NULL;

	if (feed != NULL && feed->caught_up)
		return building;
	return current != NULL && !current->proven && batch_reader_of(current->id) != NULL ? current : NULL;
}

/* Whether an index has to be verified as a whole: as of the last run. */
bool
es_sync_job_wants_verification(void)
{
	return unverified;
}

/* Whether there is something to send before it is time. */
bool
es_sync_job_wanted(void)
{
	return change_subscriber_has_changes(SUBSCRIBER_SEARCH);
}
