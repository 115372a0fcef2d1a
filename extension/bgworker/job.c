/*
 * job.c
 *	  What the worker does again and again.
 *
 * A job is done in runs. What a run did, or why it failed, is written to
 * chat_internal.worker_jobs, which outlives the worker. A run that fails is tried
 * again after a while that doubles with each failure; its error is logged when
 * it differs from the last one, so that a server that is away for a day leaves
 * one line.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "bgworker/job.h"
#include "bgworker/worker.h"
#include "common/spi_plan.h"

/* The wait after failures: doubles from the first to the last. */
#define RETRY_FIRST_MS 1000
#define RETRY_LAST_MS 15000

/* Repaired counters that a run names in the log, before it only counts them. */
#define MENDED_LOGGED 10

int			guc_reconcile_interval;
int			guc_scrub_interval;

/* Half to all of the wait for this number of failures in succession. */
static long
retry_after_ms(int failures)
{
	long		wait = RETRY_FIRST_MS;

	for (int i = 1; i < failures && wait < RETRY_LAST_MS; i++)
		wait *= 2;
	wait = Min(wait, RETRY_LAST_MS);
	return wait / 2 + random() % (wait / 2 + 1);
}

/*
 * Write what a run did, or its error, if error is not NULL.
 */
static void
record(const char *name, TimestampTz started, const JobRun *run, const char *error)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat_internal.worker_jobs SET runs = runs OPERATOR(pg_catalog.+) 1,"
		" last_run_at = $2,"
		" last_duration = pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) $2,"
		" last_done = $3, total_done = total_done OPERATOR(pg_catalog.+) $3,"
		" total_repaired = total_repaired OPERATOR(pg_catalog.+) $4,"
		" errors = errors OPERATOR(pg_catalog.+) ($5 IS NOT NULL)::pg_catalog.int4,"
		" last_error = COALESCE($5, last_error),"
		" last_error_at = CASE WHEN $5 IS NULL THEN last_error_at ELSE pg_catalog.clock_timestamp() END"
		" WHERE job OPERATOR(pg_catalog.=) $1",
		TEXTOID, TIMESTAMPTZOID, INT8OID, INT8OID, TEXTOID);
	Datum		values[5] = {
		CStringGetTextDatum(name), TimestampTzGetDatum(started),
		Int64GetDatum(run->done), Int64GetDatum(run->repaired), (Datum) 0
	};
	const char *nulls = error == NULL ? "    n" : "     ";

	if (error != NULL)
		values[4] = CStringGetTextDatum(error);
	worker_xact_begin_for_jobs("recording what was done");
	spi_plan_write(&plan, values, nulls);
	worker_xact_commit();
}

/*
 * Where a scrub stands, and whether it is in a full_scan: set to go through
 * everything at once. In a transaction.
 */
ChatKey
job_position(const char *name, bool *full_scan)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT application_id, chat_number, full_scan::pg_catalog.int4 FROM chat_internal.worker_jobs"
		" WHERE job OPERATOR(pg_catalog.=) $1",
		TEXTOID);
	Datum		value = CStringGetTextDatum(name);

	*full_scan = false;
	if (spi_plan_write(&plan, &value, NULL) == 0)
		return (ChatKey) {0, 0};
	*full_scan = spi_result_int32(0, 3) != 0;
	return (ChatKey) {spi_result_int32(0, 1), spi_result_int32(0, 2)};
}

/* Write where a scrub stands. In a transaction. */
void
job_set_position(const char *name, ChatKey position, bool full_scan)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat_internal.worker_jobs SET application_id = $2, chat_number = $3, full_scan = $4"
		" WHERE job OPERATOR(pg_catalog.=) $1",
		TEXTOID, INT4OID, INT4OID, BOOLOID);
	Datum		values[4] = {
		CStringGetTextDatum(name), Int32GetDatum(position.application),
		Int32GetDatum(position.chat), BoolGetDatum(full_scan)
	};

	spi_plan_write(&plan, values, NULL);
}

/*
 * Log a counter that was repaired, from *was; was is NULL if there was none. What
 * the run repaired is counted here.
 */
void
job_report_repaired(int32 application, int32 chat, const char *counter,
				   const int32 *was, int32 new_value, JobRun *run)
{
	run->repaired++;
	if (run->repaired > MENDED_LOGGED)
		return;
	ereport(LOG,
			(errmsg("pg_chat repaired %s of %sapplication %d: it was %s, and is %d",
					counter, chat == 0 ? "" : psprintf("chat %d of ", chat), application,
					was == NULL ? "missing" : psprintf("%d", *was), new_value)));
	if (run->repaired == MENDED_LOGGED)
		ereport(LOG, (errmsg("pg_chat: more of this run are only counted; see chat.repaired_counts")));
}

/*
 * End a run that failed: log the error unless it is the last one again, and
 * write it down.
 */
static void
fail(Job *job, MemoryContext context, TimestampTz started)
{
	ErrorData  *error;
	JobRun		nothing = {0};

	MemoryContextSwitchTo(context);
	HOLD_INTERRUPTS();
	error = CopyErrorData();
	if (strncmp(job->last_error, error->message, sizeof(job->last_error) - 1) != 0)
	{
		strlcpy(job->last_error, error->message, sizeof(job->last_error));
		EmitErrorReport();
	}
	FlushErrorState();
	AbortOutOfAnyTransaction();
	if (job->recover)
		job->recover();
	RESUME_INTERRUPTS();

	job->failures++;
	MemoryContextSwitchTo(context);
	record(job->name, started, &nothing,
		   error->hint == NULL ? error->message :
		   psprintf("%s\nHINT:  %s", error->message, error->hint));
}

/*
 * The same, whatever else goes wrong: if the error cannot be written down, the
 * log has it.
 */
static void
fail_surely(Job *job, MemoryContext context, TimestampTz started)
{
	PG_TRY();
	{
		fail(job, context, started);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		FlushErrorState();
		AbortOutOfAnyTransaction();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
}

/* Whatever is logged during a run says of which job. */
static void
add_context(void *argument)
{
	const Job *job = argument;

	errcontext("job \"%s\"", job->name);
}

/*
 * Do a run of a job, and set the time of the next. Raises nothing: what goes
 * wrong is logged and recorded.
 */
void
job_run(Job *job)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "pg_chat run",
												  ALLOCSET_DEFAULT_SIZES);
	TimestampTz started = GetCurrentTimestamp();
	volatile long wait_ms = 0;
	ErrorContextCallback error_context = {
		.previous = error_context_stack, .callback = add_context, .arg = job
	};

	error_context_stack = &error_context;
	PG_TRY();
	{
		JobRun		run = {0};

		MemoryContextSwitchTo(context);
		wait_ms = job->run(&run);
		if (!run.off)
			record(job->name, started, &run, run.error);
		if (!run.waits)
		{
			job->failures = 0;
			job->last_error[0] = '\0';
		}
	}
	PG_CATCH();
	{
		fail_surely(job, context, started);
		wait_ms = retry_after_ms(job->failures);
	}
	PG_END_TRY();
	error_context_stack = error_context.previous;

	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	job->last_end = GetCurrentTimestamp();
	job->next_pass = TimestampTzPlusMilliseconds(job->last_end, wait_ms);
}

/*
 * How long until the next run of a job, in milliseconds.
 */
long
job_wait_ms(const Job *job)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz next = now < job->last_end ? now : job->next_pass;	/* the clock was set back */

	if (job->wanted && job->failures == 0 && job->wanted())
		next = Min(next, TimestampTzPlusMilliseconds(job->last_end, job->pause_ms));
	return TimestampDifferenceMilliseconds(now, next);
}
