/*
 * repaired_counts.c
 *	  Counters that were repaired.
 *
 * Each is in the table chat.repaired_counts, which keeps the newest, and those
 * that the worker repaired are in the server's log.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "bgworker/repaired_counts.h"
#include "bgworker/worker_xact.h"
#include "common/spi_plan.h"

/* Rows that are left in the table, or a few more; and that are deleted at a time. */
#define ROWS_KEPT 10000
#define ROWS_TRIMMED 10000

/* Counters that a run names in the log, before it only counts them. */
#define LOGGED_MAX 10

/* Write the row of a counter. In a transaction, connected to SPI. */
void
repaired_counts_add(const RepairedCount *repaired)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat.repaired_counts (application_id, chat_number, counter, old_value, new_value)"
		" VALUES ($1, NULLIF($2, 0), $3, $4, $5)",
		INT4OID, INT4OID, TEXTOID, INT4OID, INT4OID);
	Datum		values[5] = {
		Int32GetDatum(repaired->parent.application), Int32GetDatum(repaired->parent.chat),
		CStringGetTextDatum(repaired->counter),
		Int32GetDatum(repaired->old_value), Int32GetDatum(repaired->new_value)
	};

	spi_plan_write(&plan, values, repaired->was_number ? NULL : "   n ");
}

/*
 * Log a counter, and count it in the run that repaired it.
 */
void
repaired_counts_log(const RepairedCount *repaired, JobRun *run)
{
	run->repaired++;
	if (run->repaired > LOGGED_MAX)
		return;
	ereport(LOG,
			(errmsg("pg_chat repaired %s of %sapplication %d: it was %s, and is %d",
					strcmp(repaired->counter, REPAIRED_REDIS_KEY) == 0 ? "the Redis key" : repaired->counter,
					repaired->parent.chat == 0 ? "" : psprintf("chat %d of ", repaired->parent.chat),
					repaired->parent.application,
					repaired->was_number ? psprintf("%d", repaired->old_value) : "missing",
					repaired->new_value)));
	if (run->repaired == LOGGED_MAX)
		ereport(LOG, (errmsg("pg_chat: more of this run are only counted; see chat.repaired_counts")));
}

/*
 * Keep the newest rows of the table, whoever wrote them. In a transaction of its
 * own. Returns whether there may be more to delete.
 */
bool
repaired_counts_trim(void)
{
	static SavedPlan plan = SAVED_PLAN(
		"DELETE FROM chat.repaired_counts WHERE ctid = ANY (ARRAY("
		"SELECT ctid FROM chat.repaired_counts WHERE repaired_at <"
		" (SELECT repaired_at FROM chat.repaired_counts ORDER BY repaired_at DESC OFFSET $1 LIMIT 1)"
		" ORDER BY repaired_at LIMIT $2))",
		INT8OID, INT8OID);
	Datum		values[2] = {Int64GetDatum(ROWS_KEPT), Int64GetDatum(ROWS_TRIMMED)};
	uint64		deleted;

	worker_xact_begin("trimming the list of what was repaired");
	deleted = spi_plan_write(&plan, values, NULL);
	worker_xact_commit();
	return deleted == ROWS_TRIMMED;
}
