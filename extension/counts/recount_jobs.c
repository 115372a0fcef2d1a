/*
 * recount_jobs.c
 *	  The worker's jobs about counters.
 *
 * reconcile counts the parents in the queue chat_internal.recount_queue, each
 * pg_chat.reconcile_interval. The scrubs go through all parents in key order,
 * a share in each run, so that they come round in pg_chat.scrub_interval; they
 * find errors of parents that were not queued. In a full scan they go through
 * everything at once, after a change for which the queue has "everything".
 *
 * A run ends after a short time, wherever it stands, so that other jobs do not
 * wait for a long queue or a full scan; the next goes on at once. A chat that
 * cannot be counted in that time is counted in parts, by reconcile, whoever came
 * by it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"

#include "bgworker/job_pacing.h"
#include "bgworker/repaired_counts.h"
#include "bgworker/worker_xact.h"
#include "changes/recount_queue.h"
#include "counts/recount.h"
#include "counts/recount_jobs.h"
#include "counts/recount_parts.h"

/* The time after which a run ends if there is more to do, and the least time of a scrub. */
#define RUN_BUDGET_MS 100
#define SCRUB_MINIMUM_MS 50

/* How long parents are counted together, before they are counted one by one; and one, before that is done in parts. */
#define COUNT_MAX_MS 300

/* The number of parents in the first slice of a run. */
#define SLICE_FIRST 10

/* Below all parents. */
#define BEFORE_ALL {PG_INT32_MIN, PG_INT32_MIN}

/* Parents whose counting failed and was logged, so as not to log it again. */
static ChatKey failed[64];
static int	failed_count = 0;

static bool
was_logged(ChatKey parent)
{
	for (int i = 0; i < failed_count; i++)
		if (chat_key_compare(failed[i], parent) == 0)
			return true;
	if (failed_count == lengthof(failed))
		failed_count = 0;
	failed[failed_count++] = parent;
	return false;
}

/* Log a counter that was repaired; context is the JobRun. */
static void
log_repaired(const RepairedCount *repaired, void *context)
{
	repaired_counts_log(repaired, context);
}

/*
 * Remove parents from the queue and count them, in one transaction. Repairs are
 * reported after the commit.
 */
static void
count_together(const ChatKey *parents, int count, JobRun *run)
{
	RecountResult result = {.context = CurrentMemoryContext};

	worker_xact_begin("counting chats");
	worker_xact_limit(COUNT_MAX_MS);
	recount_lock();
	recount_queue_remove(parents, count);
	for (int i = 0; i < count; i++)
	{
		if (parents[i].application != 0)
			continue;
		job_set_position(recount_chats_job.name, (ChatKey) {0, 0}, true);
		job_set_position(recount_applications_job.name, (ChatKey) {0, 0}, true);
	}
	recount_count(parents, count, &result);
	recount_repair(&result);
	worker_xact_commit();
	recount_report(&result, log_repaired, run);
	run->done += result.examined;
	if (result.wrong != NULL)
		pfree(result.wrong);
}

/* In a PG_CATCH block, set the error of a parent in the result of the run, and log it once. */
static void
report_failure(ChatKey parent, MemoryContext context, JobRun *run)
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
	RESUME_INTERRUPTS();
}

/*
 * Count one parent. If it takes too long, it is to be counted in parts; if it
 * fails, since it may just have been locked by somebody, it is in the queue then,
 * wherever it came from.
 */
static void
count_alone(ChatKey parent, JobRun *run)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool counted = true;
	volatile bool in_time = true;

	PG_TRY();
	{
		count_together(&parent, 1, run);
	}
	PG_CATCH();
	{
		in_time = geterrcode() != ERRCODE_QUERY_CANCELED;
		if (in_time)
			report_failure(parent, context, run);
		worker_xact_abort(context);
		counted = false;
	}
	PG_END_TRY();

	if (!in_time)
		recount_parts_begin(parent, run);
	else if (!counted)
	{
		worker_xact_begin("queueing a chat that could not be counted");
		recount_queue_add_back(parent);
		worker_xact_commit();
	}
}

/* Raise 55P03 if chat.reconcile() was called in a transaction that is still open. */
static void
require_lock_free(void)
{
	bool		is_free;

	worker_xact_begin("looking whether another reconciliation is under way");
	is_free = recount_lock_is_free();
	worker_xact_commit();
	if (!is_free)
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("another reconciliation is under way")));
}

/* Count parents together. Returns false if that fails, for whatever reason. */
static bool
try_together(const ChatKey *parents, int count, JobRun *run)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool counted = true;

	PG_TRY();
	{
		count_together(parents, count, run);
	}
	PG_CATCH();
	{
		worker_xact_abort(context);
		counted = false;
	}
	PG_END_TRY();
	return counted;
}

/*
 * Remove parents from the queue, if they are there, and count them: together
 * or, if that fails, one by one, so that a failure affects one parent only.
 * Returns how many were counted before the time was up; at least one.
 */
static int
count_slice(const ChatKey *parents, int count, const JobPacing *pacing, JobRun *run)
{
	int			done = 0;

	require_lock_free();
	if (try_together(parents, count, run))
		return count;
	do
	{
		CHECK_FOR_INTERRUPTS();
		count_alone(parents[done++], run);
	} while (done < count && job_pacing_elapsed_ms(pacing) < RUN_BUDGET_MS);
	return done;
}

/*
 * The next parents of the queue. One that is counted in parts is in the queue,
 * and not among them. *last becomes the last one that was met.
 */
static int
next_queued(ChatKey *parents, int limit, ChatKey *last)
{
	int			count;
	int			kept = 0;

	worker_xact_begin("looking for chats that were changed directly");
	count = recount_queue_first(parents, limit, *last);
	worker_xact_commit();
	for (int i = 0; i < count; i++)
	{
		*last = parents[i];
		if (!recount_parts_are_of(parents[i]))
			parents[kept++] = parents[i];
	}
	return kept;
}

/* Go on with the parent that is counted in parts. If it fails, it is in the queue. */
static void
go_on_in_parts(JobRun *run)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		recount_parts_go_on(RUN_BUDGET_MS, run);
	}
	PG_CATCH();
	{
		report_failure(recount_parts_give_up(), context, run);
		worker_xact_abort(context);
	}
	PG_END_TRY();
}

/*
 * Count what the queue names, for some time. A parent that could not be counted is
 * left in the queue, for when the others are done. Returns when to go on.
 */
static long
count_queue(JobRun *run)
{
	static ChatKey position = BEFORE_ALL;
	JobPacing	pacing = job_pacing_begin(1, SLICE_FIRST, RECOUNT_SLICE);

	do
	{
		ChatKey		parents[RECOUNT_SLICE];
		ChatKey		last = position;
		int			count;

		CHECK_FOR_INTERRUPTS();
		job_pacing_begin_slice(&pacing);
		count = next_queued(parents, pacing.slice_size, &last);
		if (chat_key_compare(last, position) == 0)
		{
			position = (ChatKey) BEFORE_ALL;
			return repaired_counts_trim() ? 0 : guc_reconcile_interval * 1000L;
		}
		position = last;
		if (count > 0)
			position = parents[count_slice(parents, count, &pacing, run) - 1];
		job_pacing_end_slice(&pacing);
	} while (job_pacing_elapsed_ms(&pacing) < RUN_BUDGET_MS);
	return 0;
}

/* Job: count what the queue names, and what is counted in parts. */
static long
run_queue(JobRun *run)
{
	long		wait_ms = count_queue(run);

	if (recount_parts_are_under_way())
		go_on_in_parts(run);
	return recount_parts_are_under_way() ? 0 : wait_ms;
}

/*
 * Continue a scrub. Returns the time until the next run in milliseconds: 0 in a
 * full scan, else the part of the interval that the processed share amounts to.
 */
static long
scrub(const char *job, const char *table, RecountWalk walk, JobRun *run)
{
	JobPacing	pacing = job_pacing_begin(1, SLICE_FIRST, RECOUNT_SLICE);
	uint64		share = 0;
	uint64		passed = 0;
	bool		first = true;
	bool		full_scan;
	bool		at_end;

	do
	{
		ChatKey		parents[RECOUNT_SLICE];
		ChatKey		position;
		int			found;
		int			count = 0;

		CHECK_FOR_INTERRUPTS();
		job_pacing_begin_slice(&pacing);
		worker_xact_begin("looking for chats to count in turn");
		if (first)
			share = job_pacing_share(table);
		first = false;
		position = job_position(job, &full_scan);
		found = walk(parents, pacing.slice_size, position, PG_INT32_MAX);
		worker_xact_commit();

		if (found > 0)
			count = count_slice(parents, found, &pacing, run);
		passed += count;
		at_end = count == found && found < pacing.slice_size;
		position = at_end ? (ChatKey) {0, 0} : parents[count - 1];
		worker_xact_begin("noting where counting in turn stands");
		job_set_position(job, position, full_scan && !at_end);
		worker_xact_commit();
		job_pacing_end_slice(&pacing);
	} while (!at_end &&
			 job_pacing_elapsed_ms(&pacing) < (full_scan || passed < share ? RUN_BUDGET_MS : SCRUB_MINIMUM_MS));

	if (at_end)
		return guc_reconcile_interval * 1000L;
	return full_scan ? 0 : job_pacing_wait_ms(passed, share);
}

/* Job: count the messages of chats in turn. */
static long
run_chats(JobRun *run)
{
	return scrub(recount_chats_job.name, "chat.chats", recount_next_chats, run);
}

/* Job: count the chats of applications in turn. */
static long
run_applications(JobRun *run)
{
	return scrub(recount_applications_job.name, "chat.applications", recount_next_applications, run);
}

Job			recount_queue_job = {.name = "reconcile", .run = run_queue};
Job			recount_chats_job = {.name = "scrub chats", .run = run_chats};
Job			recount_applications_job = {.name = "scrub applications", .run = run_applications};
