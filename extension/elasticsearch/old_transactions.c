/*
 * old_transactions.c
 *	  Transactions that may not have seen an index.
 *
 * Changes are queued for each index that has a row. A transaction that was
 * under way when the row was committed may not have seen it, and so may not
 * have queued its changes. So an index is not used before its older
 * transactions have ended: those that were under way when this worker first
 * learned of the index.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "bgworker/worker_xact.h"
#include "common/spi_plan.h"
#include "elasticsearch/old_transactions.h"

/* The time after which waiting for them is reported as a problem. */
#define REPORT_AFTER_MS 10000

/* The older transactions of an index. */
typedef struct OldTransactions
{
	int32		index;
	VirtualTransactionId *transactions;
	int			count;
	int			ended;			/* how many of these have ended; they come first */
	TimestampTz noted;
} OldTransactions;

/* The older transactions of all indexes that wait for them. */
static List *waiting = NIL;

/* The older transactions of an index, as of the first call. In a transaction. */
static OldTransactions *
get_old_transactions(int32 index)
{
	MemoryContext caller;
	OldTransactions *old;
	ListCell   *cell;

	foreach(cell, waiting)
	{
		old = lfirst(cell);
		if (old->index == index)
			return old;
	}
	caller = MemoryContextSwitchTo(TopMemoryContext);
	old = palloc0(sizeof(OldTransactions));
	old->index = index;
	old->transactions = GetCurrentVirtualXIDs(InvalidTransactionId, false, false,
											  PROC_IS_AUTOVACUUM | PROC_IN_VACUUM, &old->count);
	old->noted = GetCurrentTimestamp();
	waiting = lappend(waiting, old);
	MemoryContextSwitchTo(caller);
	return old;
}

/* Forget the older transactions of an index. */
void
old_transactions_forget(int32 index)
{
	ListCell   *cell;

	foreach(cell, waiting)
	{
		OldTransactions *old = lfirst(cell);

		if (old->index != index)
			continue;
		waiting = foreach_delete_current(waiting, cell);
		pfree(old->transactions);
		pfree(old);
	}
}

/* Whether a transaction that was prepared before a time still exists. In a transaction. */
static bool
prepared_before(TimestampTz time)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT FROM pg_prepared_xacts WHERE database = current_database() AND prepared <= $1",
		TIMESTAMPTZOID);
	Datum		value = TimestampTzGetDatum(time);

	return spi_plan_read_fresh(&plan, &value) > 0;
}

/*
 * Whether all transactions have ended that may not have seen the index's row.
 * If that takes long, sets *problem.
 */
bool
old_transactions_ended(int32 index, const char **problem)
{
	OldTransactions *old;
	bool		ended;

	worker_xact_begin("waiting for older transactions");
	old = get_old_transactions(index);
	while (old->ended < old->count && VirtualXactLock(old->transactions[old->ended], false))
		old->ended++;
	ended = old->ended == old->count && !prepared_before(old->noted);
	worker_xact_commit();
	if (!ended && TimestampDifferenceExceeds(old->noted, GetCurrentTimestamp(), REPORT_AFTER_MS))
		*problem = "an index waits until all transactions have ended that are older than it";
	return ended;
}
