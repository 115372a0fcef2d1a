/*
 * recount_jobs.c
 *	  The worker's jobs about counts.
 *
 * reconcile counts what the queue chat_internal.recount_queue names, each
 * pg_chat.reconcile_interval. The scrubs walk over everything in key order, a
 * part each time, such that they come round in pg_chat.scrub_interval; they
 * find what nobody queued. They go through everything at once, in a full_scan,
 * after a change that the queue describes as "everything".
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "bgworker/worker.h"
#include "changes/recount_queue.h"
#include "common/spi_plan.h"
#include "counts/recount.h"
#include "counts/recount_jobs.h"

/* How long a scrub goes on in each run, at least, in milliseconds. */
#define SCRUB_MINIMUM_MS 50

/* A slice that took less is followed by a larger one, one that took more by a smaller. */
#define SLICE_FIRST 10
#define SLICE_SHORT_MS 20
#define SLICE_LONG_MS 100

/* Entries that are left in chat.repaired_counts, or a few more. */
#define MENDED_KEPT 10000

/* Parents whose counting failed, and was logged: not to be logged again. */
static ChatKey failed[64];
static int	failed_count = 0;

static bool
is_same(ChatKey a, ChatKey b)
{
	return a.application == b.application && a.chat == b.chat;
}

static bool
was_logged(ChatKey parent)
{
	for (int i = 0; i < failed_count; i++)
		if (is_same(failed[i], parent))
			return true;
	if (failed_count == lengthof(failed))
		failed_count = 0;
	failed[failed_count++] = parent;
	return false;
}

/* Report a counter that was repaired; context is the JobRun. */
static void
report_repaired(int32 application, int32 chat, const char *counter,
			  int32 was, int32 new_value, void *context)
{
	job_report_repaired(application, chat, counter, &was, new_value, context);
}

/*
 * Take out of the queue and count, in one transaction. What was repaired is
 * reported when it is committed.
 */
static void
count_together(const ChatKey *parents, int count, JobRun *run)
{
	RecountResult	result = {.context = CurrentMemoryContext};

	worker_xact_begin("counting chats");
	recount_lock();
	recount_queue_remove(parents, count);
	for (int i = 0; i < count; i++)
	{
		if (parents[i].application != 0)
			continue;
		job_set_position("scrub chats", (ChatKey) {0, 0}, true);
		job_set_position("scrub applications", (ChatKey) {0, 0}, true);
	}
	recount_count(parents, count, &result);
	recount_repair(&result);
	worker_xact_commit();
	recount_report(&result, report_repaired, run);
	run->done += result.examined;
	if (result.wrong != NULL)
		pfree(result.wrong);
}

/*
 * The same for one parent. What goes wrong is logged, once, and noted in the
 * run; the parent is in the queue then, wherever it came from, since it may
 * just have been locked by somebody.
 */
static void
count_alone(ChatKey parent, JobRun *run)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool counted = true;

	PG_TRY();
	{
		count_together(&parent, 1, run);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		HOLD_INTERRUPTS();
		error = CopyErrorData();
		run->error = psprintf("chat %d of application %d: %s",
							   parent.chat, parent.application, error->message);
		if (!was_logged(parent))
		{
			EmitErrorReport();
			ereport(LOG, (errmsg("pg_chat could not count chat %d of application %d; it goes on with the others",
								 parent.chat, parent.application)));
		}
		FlushErrorState();
		AbortOutOfAnyTransaction();
		MemoryContextSwitchTo(context);
		RESUME_INTERRUPTS();
		counted = false;
	}
	PG_END_TRY();

	if (!counted)
	{
		worker_xact_begin("queueing a chat that could not be counted");
		recount_queue_add_back(parent);
		worker_xact_commit();
	}
}

/*
 * Take parents out of the queue, if they are there, and count them: together
 * or, where that fails, one by one, so that one does not stop the others.
 */
static void
count_slice(const ChatKey *parents, int count, JobRun *run)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool failed_together = false;

	bool		free;

	/* Who reconciles by hand, in a transaction that is still open, has it. */
	worker_xact_begin("looking whether another reconciliation is under way");
	free = recount_lock_is_free();
	worker_xact_commit();
	if (!free)
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("another reconciliation is under way")));

	PG_TRY();
	{
		count_together(parents, count, run);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		FlushErrorState();
		AbortOutOfAnyTransaction();
		MemoryContextSwitchTo(context);
		RESUME_INTERRUPTS();
		failed_together = true;
	}
	PG_END_TRY();

	for (int i = 0; failed_together && i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		count_alone(parents[i], run);
	}
}

static long
elapsed_ms(TimestampTz since)
{
	return TimestampDifferenceMilliseconds(since, GetCurrentTimestamp());
}

/*
 * How many parents the next slice has, after one that began at a time. A slice
 * is a transaction with its snapshot: so it is bounded by time, as a chat may
 * have ten messages or ten million.
 */
static int
next_slice_size(int slice, TimestampTz started)
{
	if (elapsed_ms(started) < SLICE_SHORT_MS)
		return Min(slice * 2, RECOUNT_SLICE);
	if (elapsed_ms(started) > SLICE_LONG_MS)
		return Max(slice / 2, 1);
	return slice;
}

static int
next_slice(ChatKey *parents, int limit, ChatKey after)
{
	int			count;

	worker_xact_begin("looking for chats that were changed directly");
	count = recount_queue_first(parents, limit, after);
	worker_xact_commit();
	return count;
}

/* Keep the newest entries of chat.repaired_counts, whoever wrote them. */
static void
trim_repaired(void)
{
	static SavedPlan plan = SAVED_PLAN(
		"DELETE FROM chat.repaired_counts WHERE repaired_at OPERATOR(pg_catalog.<)"
		" (SELECT repaired_at FROM chat.repaired_counts ORDER BY repaired_at DESC OFFSET $1 LIMIT 1)",
		INT8OID);
	Datum		kept = Int64GetDatum(MENDED_KEPT);

	worker_xact_begin("trimming the list of what was repaired");
	spi_plan_write(&plan, &kept, NULL);
	worker_xact_commit();
}

/*
 * Job: count what the queue names.
 */
long
recount_job_reconcile(JobRun *run)
{
	ChatKey parents[RECOUNT_SLICE];
	ChatKey after = {-1, 0};
	int			slice = SLICE_FIRST;
	int			count;

	do
	{
		TimestampTz started = GetCurrentTimestamp();

		CHECK_FOR_INTERRUPTS();
		count = next_slice(parents, slice, after);
		if (count == 0)
			break;
		count_slice(parents, count, run);
		after = parents[count - 1];
		slice = next_slice_size(slice, started);
	} while (count > 0);

	trim_repaired();
	return guc_reconcile_interval * 1000L;
}

/*
 * How many rows of a table a run must look at, to come round in the scrub
 * interval. One that was never analyzed is taken to have as many as chat.chats
 * has in that many pages. In a transaction.
 */
uint64
scrub_share(const char *table)
{
	double		rows = 0;

	if (SPI_execute(psprintf("SELECT CASE WHEN reltuples OPERATOR(pg_catalog.>=) 0 THEN reltuples"
							 " ELSE pg_catalog.pg_relation_size(oid) OPERATOR(pg_catalog./) 8192 OPERATOR(pg_catalog.*) 15"
							 " END::pg_catalog.int8 FROM pg_catalog.pg_class"
							 " WHERE oid OPERATOR(pg_catalog.=) '%s'::pg_catalog.regclass", table),
					true, 1) == SPI_OK_SELECT && SPI_processed == 1)
		rows = spi_result_int64(0, 1);
	return ceil(rows * guc_reconcile_interval / guc_scrub_interval);
}

/* What one of the two scrubs looks at next. */
typedef int (*NextParents) (ChatKey *parents, int limit, ChatKey after, int32 last_application);

static long
scrub(const char *job, const char *table, NextParents next_parents, JobRun *run)
{
	TimestampTz started = GetCurrentTimestamp();
	uint64		share = 0;
	uint64		passed = 0;
	int			slice = SLICE_FIRST;
	bool		first = true;
	bool		full_scan;
	bool		at_end;

	do
	{
		ChatKey parents[RECOUNT_SLICE];
		ChatKey position;
		TimestampTz slice_started = GetCurrentTimestamp();
		int			count;

		CHECK_FOR_INTERRUPTS();
		worker_xact_begin("looking for chats to count in turn");
		if (first)
			share = scrub_share(table);
		first = false;
		position = job_position(job, &full_scan);
		count = next_parents(parents, slice, position, PG_INT32_MAX);
		worker_xact_commit();

		if (count > 0)
			count_slice(parents, count, run);
		passed += count;
		at_end = count < slice;
		position = at_end ? (ChatKey) {0, 0} : parents[count - 1];
		worker_xact_begin("noting where counting in turn stands");
		job_set_position(job, position, full_scan && !at_end);
		worker_xact_commit();

		slice = next_slice_size(slice, slice_started);
	} while (!at_end && (full_scan || passed < share || elapsed_ms(started) < SCRUB_MINIMUM_MS));

	return guc_reconcile_interval * 1000L;
}

/* Job: count the messages of chats in turn. */
long
recount_job_scrub_chats(JobRun *run)
{
	return scrub("scrub chats", "chat.chats", recount_next_chats, run);
}

/* Job: count the chats of applications in turn. */
long
recount_job_scrub_applications(JobRun *run)
{
	return scrub("scrub applications", "chat.applications", recount_next_applications, run);
}
