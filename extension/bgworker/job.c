/*
 * job.c
 *	  What the worker does again and again.
 *
 * A duty is done in passes. What a pass did, or why it failed, is written to
 * chat.worker_duties, which outlives the worker. A pass that fails is tried
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

/* Mended counters that a pass names in the log, before it only counts them. */
#define MENDED_LOGGED 10

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
 * Write what a pass did, or its error, if error is not NULL.
 */
static void
record(const char *name, TimestampTz started, const JobRun *pass, const char *error)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat.worker_duties SET passes = passes OPERATOR(pg_catalog.+) 1,"
		" last_pass_at = $2,"
		" last_duration = pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) $2,"
		" last_done = $3, total_done = total_done OPERATOR(pg_catalog.+) $3,"
		" total_mended = total_mended OPERATOR(pg_catalog.+) $4,"
		" errors = errors OPERATOR(pg_catalog.+) ($5 IS NOT NULL)::pg_catalog.int4,"
		" last_error = COALESCE($5, last_error),"
		" last_error_at = CASE WHEN $5 IS NULL THEN last_error_at ELSE pg_catalog.clock_timestamp() END"
		" WHERE duty OPERATOR(pg_catalog.=) $1",
		TEXTOID, TIMESTAMPTZOID, INT8OID, INT8OID, TEXTOID);
	Datum		values[5] = {
		CStringGetTextDatum(name), TimestampTzGetDatum(started),
		Int64GetDatum(pass->done), Int64GetDatum(pass->mended), (Datum) 0
	};
	const char *nulls = error == NULL ? "    n" : "     ";

	if (error != NULL)
		values[4] = CStringGetTextDatum(error);
	worker_xact_begin_as_owner_of("worker_duties", "recording what was done");
	plan_modify(&plan, values, nulls);
	worker_xact_commit();
}

/*
 * Where a scrub stands, and whether it is in a hurry: set to go through
 * everything at once. In a transaction.
 */
ChatKey
job_position(const char *name, bool *hurry)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT application_id, chat_number, hurry::pg_catalog.int4 FROM chat.worker_duties"
		" WHERE duty OPERATOR(pg_catalog.=) $1",
		TEXTOID);
	Datum		value = CStringGetTextDatum(name);

	*hurry = false;
	if (plan_modify(&plan, &value, NULL) == 0)
		return (ChatKey) {0, 0};
	*hurry = plan_result_int32(0, 3) != 0;
	return (ChatKey) {plan_result_int32(0, 1), plan_result_int32(0, 2)};
}

/* Write where a scrub stands. In a transaction. */
void
job_set_position(const char *name, ChatKey position, bool hurry)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat.worker_duties SET application_id = $2, chat_number = $3, hurry = $4"
		" WHERE duty OPERATOR(pg_catalog.=) $1",
		TEXTOID, INT4OID, INT4OID, BOOLOID);
	Datum		values[4] = {
		CStringGetTextDatum(name), Int32GetDatum(position.application),
		Int32GetDatum(position.chat), BoolGetDatum(hurry)
	};

	plan_modify(&plan, values, NULL);
}

/*
 * Log a counter that was mended, from *was; was is NULL if there was none. What
 * the pass mended is counted here.
 */
void
job_report_mended(int32 application, int32 chat, const char *counter,
				   const int32 *was, int32 mended_to, JobRun *pass)
{
	pass->mended++;
	if (pass->mended > MENDED_LOGGED)
		return;
	ereport(LOG,
			(errmsg("pg_chat mended %s of %sapplication %d: it was %s, and is %d",
					counter, chat == 0 ? "" : psprintf("chat %d of ", chat), application,
					was == NULL ? "missing" : psprintf("%d", *was), mended_to)));
	if (pass->mended == MENDED_LOGGED)
		ereport(LOG, (errmsg("pg_chat: more of this pass are only counted; see chat.mended_counts")));
}

/*
 * End a pass that failed: log the error unless it is the last one again, and
 * write it down.
 */
static void
fail(Job *duty, MemoryContext context, TimestampTz started)
{
	ErrorData  *error;
	JobRun		nothing = {0};

	MemoryContextSwitchTo(context);
	HOLD_INTERRUPTS();
	error = CopyErrorData();
	if (strncmp(duty->last_error, error->message, sizeof(duty->last_error) - 1) != 0)
	{
		strlcpy(duty->last_error, error->message, sizeof(duty->last_error));
		EmitErrorReport();
	}
	FlushErrorState();
	AbortOutOfAnyTransaction();
	if (duty->recover)
		duty->recover();
	RESUME_INTERRUPTS();

	duty->failures++;
	MemoryContextSwitchTo(context);
	record(duty->name, started, &nothing,
		   error->hint == NULL ? error->message :
		   psprintf("%s\nHINT:  %s", error->message, error->hint));
}

/*
 * The same, whatever else goes wrong: if the error cannot be written down, the
 * log has it.
 */
static void
fail_surely(Job *duty, MemoryContext context, TimestampTz started)
{
	PG_TRY();
	{
		fail(duty, context, started);
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

/* Whatever is logged during a pass says of which duty. */
static void
add_context(void *argument)
{
	const Job *duty = argument;

	errcontext("duty \"%s\"", duty->name);
}

/*
 * Do a pass of a duty, and set the time of the next. Raises nothing: what goes
 * wrong is logged and recorded.
 */
void
job_run(Job *duty)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "pg_chat pass",
												  ALLOCSET_DEFAULT_SIZES);
	TimestampTz started = GetCurrentTimestamp();
	volatile long wait_ms = 0;
	ErrorContextCallback error_context = {
		.previous = error_context_stack, .callback = add_context, .arg = duty
	};

	error_context_stack = &error_context;
	PG_TRY();
	{
		JobRun		pass = {0};

		MemoryContextSwitchTo(context);
		wait_ms = duty->run(&pass);
		if (!pass.off)
			record(duty->name, started, &pass, pass.error);
		if (!pass.waits)
		{
			duty->failures = 0;
			duty->last_error[0] = '\0';
		}
	}
	PG_CATCH();
	{
		fail_surely(duty, context, started);
		wait_ms = retry_after_ms(duty->failures);
	}
	PG_END_TRY();
	error_context_stack = error_context.previous;

	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	duty->last_end = GetCurrentTimestamp();
	duty->next_pass = TimestampTzPlusMilliseconds(duty->last_end, wait_ms);
}

/*
 * How long until the next pass of a duty, in milliseconds.
 */
long
job_wait_ms(const Job *duty)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz next = now < duty->last_end ? now : duty->next_pass;	/* the clock was set back */

	if (duty->wanted && duty->failures == 0 && duty->wanted())
		next = Min(next, TimestampTzPlusMilliseconds(duty->last_end, duty->pause_ms));
	return TimestampDifferenceMilliseconds(now, next);
}
