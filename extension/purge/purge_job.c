/*
 * purge_job.c
 *	  The worker's job that purges what was deleted.
 *
 * Nobody waits for it: what was deleted is gone for all functions. So it looks each
 * pg_chat.reconcile_interval whether there is something. A run ends after a short
 * time, wherever it stands, and the next goes on at once, until a whole walk has
 * found nothing that could be done.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "bgworker/job_pacing.h"
#include "bgworker/worker_xact.h"
#include "core/purge.h"
#include "purge/purge_job.h"

/* How long a run goes on if there is more to do. */
#define RUN_BUDGET_MS 100

/* Rows of a slice. */
#define SLICE_SMALLEST 50
#define SLICE_FIRST 500
#define SLICE_LARGEST 10000

static Purge purge = {.under_way = false};

/* What this walk has done so far. */
static uint64 done_in_walk = 0;

/* Do a step. Returns false at the end of the walk. */
static bool
do_step(int limit, JobRun *run)
{
	uint64		rows = 0;
	bool		more;

	worker_xact_begin("purging what was deleted");
	more = purge_step(&purge, limit, &rows);
	worker_xact_commit();
	run->done += rows;
	done_in_walk += rows;
	return more;
}

static long
run_purge(JobRun *run)
{
	JobPacing	pacing = job_pacing_begin(SLICE_SMALLEST, SLICE_FIRST, SLICE_LARGEST);
	bool		again;

	do
	{
		bool		more;

		CHECK_FOR_INTERRUPTS();
		job_pacing_begin_slice(&pacing);
		more = do_step(pacing.slice_size, run);
		job_pacing_end_slice(&pacing);
		if (!more)
		{
			again = done_in_walk > 0;
			done_in_walk = 0;
			return again ? 0 : guc_reconcile_interval * 1000L;
		}
	} while (job_pacing_elapsed_ms(&pacing) < RUN_BUDGET_MS);
	return 0;
}

/* What failed is left for the next walk. */
static void
recover(void)
{
	purge.under_way = false;
}

Job			purge_job = {.name = "purge", .run = run_purge, .recover = recover};
