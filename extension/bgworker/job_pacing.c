/*
 * job_pacing.c
 *	  The pace of a job that goes through a table.
 *
 * Such a job comes round in pg_chat.scrub_interval: each run processes a share
 * of the table, and the next one follows after the part of the interval that
 * the share amounts to. A run consists of slices, each a transaction with its
 * own snapshot. A slice is bounded by time, not by number, as a chat may have
 * ten messages or ten million: after a short slice the next one is larger,
 * after a long one smaller.
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

/*
 * The next slice is larger if one took less than the first, and smaller if it
 * took more than the second.
 */
#define SLICE_SHORT_MS 20
#define SLICE_LONG_MS 100

static long
elapsed_ms(TimestampTz since)
{
	return TimestampDifferenceMilliseconds(since, GetCurrentTimestamp());
}

/*
 * Begin a run. Its slices have from smallest to largest items, and the first
 * one so many as first says.
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

/* Begin a slice, of pacing->slice_size items. */
void
job_pacing_begin_slice(JobPacing *pacing)
{
	pacing->slice_started = GetCurrentTimestamp();
}

/* End a slice, and choose the size of the next one. */
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
 * The share of one pg_chat.reconcile_interval in a table, in rows; table is its
 * qualified name. A table that was never analyzed is assumed to have 15 rows a
 * page, as chat.chats has. In a transaction.
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
 * The time until the next run in milliseconds, after one that processed done
 * rows of its share: pg_chat.reconcile_interval, or a part of it.
 */
long
job_pacing_wait_ms(uint64 done, uint64 share)
{
	long		interval_ms = guc_reconcile_interval * 1000L;

	return done >= share ? interval_ms : (long) ((double) interval_ms * done / share);
}
