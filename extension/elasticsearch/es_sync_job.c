/*
 * es_sync_job.c
 *	  The worker's job of keeping Elasticsearch in sync.
 *
 * A run maintains the indexes, tells their senders which chats changed, and lets
 * them send. It ends after a short time, whether or not everything was sent;
 * requests stay under way until the next run. While it waits for an answer, other
 * jobs run.
 *
 * If a request of a sender fails, the run fails and is tried again after a pause.
 * It then checks first whether Elasticsearch still has the indexes as they were
 * created. If that check is not answered in time, the problem is reported, and
 * batches that are under way continue.
 */
#include "postgres.h"

#include <ctype.h>

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "changes/change_subscribers.h"
#include "common/due_time.h"
#include "elasticsearch/es_client.h"
#include "elasticsearch/es_index_lifecycle.h"
#include "elasticsearch/es_senders.h"
#include "elasticsearch/es_sync_job.h"
#include "elasticsearch/es_unverified.h"
#include "elasticsearch/es_version.h"

/* A run ends after this time, even if there is more to do. */
#define RUN_BUDGET_MS 200

/* The pause before indexes are checked again after a problem; else pg_chat.reconcile_interval. */
#define CHECK_AGAIN_MS 10000

/* The pause between runs that changes ask for, so that several changes go in one batch. */
#define WANTED_PAUSE_MS 100

/* The time between two records of runs that did nothing. */
#define RECORD_MS 60000

static TimestampTz next_check = 0;
static TimestampTz next_record = 0;

/* Whether the senders are at work: an error is then theirs. */
static bool sending = false;

/* Maintain the indexes as far as possible, and return them. check: see es_indexes_maintain(). */
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

/* Whether two texts differ in nothing but the numbers in them. */
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

/* Log a problem that does not end the run, unless it is the last one logged. */
static void
log_problem(const char *problem)
{
	static char logged[1024];

	if (!differ_in_numbers_alone(logged, problem))
		ereport(LOG, (errmsg("pg_chat: %s", problem)));
	strlcpy(logged, problem, sizeof(logged));
}

/* Stop using Elasticsearch, and forget all indexes. */
static void
stop(void)
{
	es_senders_free();
	es_unverified_reset();
	change_subscriber_listen(SUBSCRIBER_SEARCH, false);
	es_indexes_forget();
}

/* Let the senders work until none of them awaits an answer, or until a time. */
static void
send_until(TimestampTz end, JobRun *run)
{
	bool		waiting;

	sending = true;
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		waiting = es_senders_advance(&run->done, &run->error);
		if (es_senders_were_refused())
			es_senders_settle_refusals(maintained_indexes(true, run));
		if (!waiting || GetCurrentTimestamp() >= end)
			break;
		http_wait(Max(1, TimestampDifferenceMilliseconds(GetCurrentTimestamp(), end)));
	}
	sending = false;
}

/*
 * Job: send changed messages, and record which ones searches find.
 */
static long
run_sync(JobRun *run)
{
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), RUN_BUDGET_MS);
	List	   *indexes;
	bool		check;
	bool		busy;

	if (!es_wanted())
	{
		stop();
		run->off = true;
		return guc_reconcile_interval * 1000L;
	}

	change_subscriber_listen(SUBSCRIBER_SEARCH, true);
	check = due_time_passed(&next_check, guc_reconcile_interval * 1000L);
	indexes = maintained_indexes(check, run);
	es_senders_match(indexes);
	if (es_unverified_mark_compared(indexes, &run->error))
	{
		indexes = maintained_indexes(false, run);
		es_senders_match(indexes);
	}
	if (check)
		es_unverified_check_operations(es_index_in_state(indexes, INDEX_CURRENT), &run->error);
	if (check && run->error != NULL)
		next_check = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), CHECK_AGAIN_MS);
	es_senders_deliver(check);
	send_until(end, run);
	if (run->error != NULL)
		log_problem(run->error);
	es_unverified_update(indexes);

	busy = es_senders_are_busy();
	run->waits = busy && run->done == 0;
	if (run->done == 0 && run->error == NULL && !due_time_passed(&next_record, RECORD_MS))
		run->off = true;
	return es_senders_wait_ms();
}

/*
 * Recover from an error: if it came from a sender, batches under way are dropped.
 * The next run checks the indexes.
 */
static void
recover(void)
{
	if (sending)
		es_senders_recover();
	sending = false;
	next_check = 0;
}

/* Whether changes ask for a run before it is due. */
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
