/*
 * job.c
 *	  Jobs: the work that a worker repeats.
 *
 * A job is executed in runs. The result of a run, or its error, is written to
 * chat_internal.worker_jobs, which outlives the worker. A run that fails is
 * tried again after a pause, which doubles with each failure. Its error is
 * logged only if it differs from the last one, so that a server that is down
 * for a day leaves one line.
 *
 * The table has a row for each job that ever ran in this database. A row names
 * its owner database: rows of another database, which a copy or a subscription
 * brings, stand beside this one's.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "bgworker/job.h"
#include "bgworker/worker_xact.h"
#include "common/database_identity.h"
#include "common/spi_plan.h"

/* The pause after failures: doubles from the first to the last. */
#define RETRY_FIRST_MS 1000
#define RETRY_LAST_MS 15000

int			guc_reconcile_interval;
int			guc_scrub_interval;

/* The pause after this number of failures in succession; random, from half to all of it. */
static long
retry_after_ms(int failures)
{
	long		wait = RETRY_FIRST_MS;

	for (int i = 1; i < failures && wait < RETRY_LAST_MS; i++)
		wait *= 2;
	wait = Min(wait, RETRY_LAST_MS);
	return wait / 2 + random() % (wait / 2 + 1);
}

static Datum
this_database(void)
{
	return CStringGetTextDatum(database_identity_current());
}

/*
 * Record the result of a run or, if error is not NULL, its error. Sums stop at
 * the highest bigint.
 */
static void
record(const char *name, TimestampTz started, const JobRun *run, const char *error)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat_internal.worker_jobs AS j (owner_database, job, runs, last_run_at, last_duration,"
		" last_done, total_done, total_repaired, errors, last_error, last_error_at)"
		" VALUES ($1, $2, 1, $3, clock_timestamp() - $3, $4, $4, $5, ($6 IS NOT NULL)::int4, $6,"
		" CASE WHEN $6 IS NOT NULL THEN clock_timestamp() END)"
		" ON CONFLICT (owner_database, job) DO UPDATE SET"
		" runs = LEAST(j.runs, 9223372036854775807 - 1) + 1,"
		" last_run_at = excluded.last_run_at,"
		" last_duration = excluded.last_duration,"
		" last_done = excluded.last_done,"
		" total_done = LEAST(j.total_done, 9223372036854775807 - excluded.last_done) + excluded.last_done,"
		" total_repaired = LEAST(j.total_repaired, 9223372036854775807 - excluded.total_repaired) + excluded.total_repaired,"
		" errors = LEAST(j.errors, 9223372036854775807 - 1) + excluded.errors,"
		" last_error = COALESCE(excluded.last_error, j.last_error),"
		" last_error_at = COALESCE(excluded.last_error_at, j.last_error_at)",
		TEXTOID, TEXTOID, TIMESTAMPTZOID, INT8OID, INT8OID, TEXTOID);
	Datum		values[6] = {
		this_database(), CStringGetTextDatum(name), TimestampTzGetDatum(started),
		Int64GetDatum(run->done), Int64GetDatum(run->repaired), (Datum) 0
	};
	const char *nulls = error == NULL ? "     n" : "      ";

	if (error != NULL)
		values[5] = CStringGetTextDatum(error);
	worker_xact_begin_for_jobs("recording what was done");
	spi_plan_write(&plan, values, nulls);
	worker_xact_commit();
}

/*
 * The position of a job that goes through everything, and whether it is in a
 * full scan: set to go through all of it at once. In a transaction.
 *
 * If the job has no position in this database, it continues from that of
 * another database: after pg_upgrade, that is the same database with another
 * identity.
 */
ChatKey
job_position(const char *name, bool *full_scan)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT application_id, chat_number, full_scan FROM chat_internal.worker_jobs"
		" WHERE job = $2 ORDER BY owner_database = $1 DESC LIMIT 1",
		TEXTOID, TEXTOID);
	Datum		values[2] = {this_database(), CStringGetTextDatum(name)};

	*full_scan = false;
	if (spi_plan_read_fresh(&plan, values) == 0)
		return (ChatKey) {0, 0};
	*full_scan = spi_result_bool(0, spi_column("full_scan"));
	return (ChatKey) {
		spi_result_int32(0, spi_column("application_id")), spi_result_int32(0, spi_column("chat_number"))
	};
}

/* Record the position of such a job. In a transaction. */
void
job_set_position(const char *name, ChatKey position, bool full_scan)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat_internal.worker_jobs AS j (owner_database, job, application_id, chat_number, full_scan)"
		" VALUES ($1, $2, $3, $4, $5) ON CONFLICT (owner_database, job) DO UPDATE SET"
		" application_id = excluded.application_id, chat_number = excluded.chat_number, full_scan = excluded.full_scan",
		TEXTOID, TEXTOID, INT4OID, INT4OID, BOOLOID);
	Datum		values[5] = {
		this_database(), CStringGetTextDatum(name), Int32GetDatum(position.application),
		Int32GetDatum(position.chat), BoolGetDatum(full_scan)
	};

	spi_plan_write(&plan, values, NULL);
}

/*
 * In a PG_CATCH block, end a run that failed: record the error, and log it
 * unless it is the last one again.
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
	worker_xact_abort(context);
	if (job->recover)
		job->recover();
	RESUME_INTERRUPTS();

	job->failures++;
	record(job->name, started, &nothing,
		   error->hint == NULL ? error->message :
		   psprintf("%s\nHINT:  %s", error->message, error->hint));
}

/*
 * The same, raising nothing: if the error cannot be recorded, that is logged.
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
		worker_xact_abort(context);
	}
	PG_END_TRY();
}

/* Add the name of the job to every message logged during its run. */
static void
add_context(void *argument)
{
	const Job  *job = argument;

	errcontext("job \"%s\"", job->name);
}

/*
 * Execute a run of a job, and set the time of the next. Raises nothing: errors
 * are logged and recorded.
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
	job->running = true;
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
	job->running = false;
	error_context_stack = error_context.previous;

	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	job->last_end = GetCurrentTimestamp();
	job->next_run = TimestampTzPlusMilliseconds(job->last_end, wait_ms);
}

/*
 * The time until the next run of a job, in milliseconds; 0 if it is due.
 */
long
job_wait_ms(const Job *job)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz next = now < job->last_end ? now : job->next_run;	/* the clock was set back */

	if (job->wanted && job->failures == 0 && job->wanted())
		next = Min(next, TimestampTzPlusMilliseconds(job->last_end, job->pause_ms));
	return TimestampDifferenceMilliseconds(now, next);
}
