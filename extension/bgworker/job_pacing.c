/*
 * job_pacing.c
 *	  The pace of a job that goes through a table.
 *
 * Such a job comes round in pg_chat.scrub_interval: each run does a share of
 * the table, and the next follows after the part of the interval that the share
 * stands for. A run is done in slices, each a transaction with its snapshot. A
 * slice is bounded by time and not by number, as a chat may have ten messages or
 * ten million: the next one is larger after a short one, smaller after a long
 * one.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "bgworker/job.h"
#include "bgworker/job_pacing.h"
#include "common/spi_plan.h"

/* A slice that took less is followed by a larger one, one that took more by a smaller. */
#define SLICE_SHORT_MS 20
#define SLICE_LONG_MS 100

static long
elapsed_ms(TimestampTz since)
{
	return TimestampDifferenceMilliseconds(since, GetCurrentTimestamp());
}

/*
 * Begin a run, whose slices have from smallest to largest things, and the first
 * so many.
 */
JobPacing
job_pacing_begin(int smallest, int first, int largest)
{
	return (JobPacing) {
		.slice_size = first,
		.smallest = smallest,
		.largest = largest,
		.run_started = GetCurrentTimestamp()
	};
}

/* Begin a slice. */
void
job_pacing_begin_slice(JobPacing *pacing)
{
	pacing->slice_started = GetCurrentTimestamp();
}

/* End it, and choose the size of the next. */
void
job_pacing_end_slice(JobPacing *pacing)
{
	if (elapsed_ms(pacing->slice_started) < SLICE_SHORT_MS)
		pacing->slice_size = Min(pacing->slice_size * 2, pacing->largest);
	else if (elapsed_ms(pacing->slice_started) > SLICE_LONG_MS)
		pacing->slice_size = Max(pacing->slice_size / 2, pacing->smallest);
}

/* How long the run has been going on, in milliseconds. */
long
job_pacing_elapsed_ms(const JobPacing *pacing)
{
	return elapsed_ms(pacing->run_started);
}

/*
 * How many rows of a table, by its qualified name, are the share of one
 * pg_chat.reconcile_interval. A table that was never analyzed is taken to have
 * as many as chat.chats has in that many pages. In a transaction.
 */
uint64
job_pacing_share(const char *table)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT (CASE WHEN reltuples >= 0 THEN reltuples ELSE pg_relation_size(oid) / 8192 * 15 END)::int8 AS rows"
		" FROM pg_class WHERE oid = $1::regclass",
		TEXTOID);
	Datum		value = CStringGetTextDatum(table);
	double		rows = 0;

	if (spi_plan_read_fresh(&plan, &value) > 0)
		rows = spi_result_int64(0, spi_column("rows"));
	return ceil(rows * guc_reconcile_interval / guc_scrub_interval);
}

/*
 * When the next run follows one that did so much of its share, in milliseconds:
 * after pg_chat.reconcile_interval, or after a part of that.
 */
long
job_pacing_wait_ms(uint64 done, uint64 share)
{
	long		interval_ms = guc_reconcile_interval * 1000L;

	return done >= share ? interval_ms : (long) ((double) interval_ms * done / share);
}
