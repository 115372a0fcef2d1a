/*
 * repaired_counts.c
 *	  Counters that were repaired.
 *
 * The table chat.repaired_counts has the newest of them. Those that the worker
 * repaired are also in the server's log.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "bgworker/repaired_counts.h"
#include "bgworker/worker_xact.h"
#include "common/spi_plan.h"

/*
 * Rows that are kept in the table, or a few more; and rows that one transaction
 * deletes, at most.
 */
#define ROWS_KEPT 10000
#define ROWS_TRIMMED 10000

/* Counters that a run logs one by one, before it only counts them. */
#define LOGGED_MAX 10

/* Insert the row of a counter. In a transaction, connected to SPI. */
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

/* Log a counter that was repaired, and count it in the result of the run. */
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
 * Delete old rows of the table, whoever wrote them, in a transaction of its
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
