/*
 * old_transactions.c
 *	  Transactions that may not have seen an index.
 *
 * What is changed is queued for each index that has a row. A transaction that
 * was under way when the row was committed may not have seen it, and so may not
 * have queued what it changed. So an index is not used before its elders, as
 * they are called here, have ended: those that were under way when this worker
 * first heard of it.
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

/* How long they are waited for before that is called a problem. */
#define PATIENCE_MS 10000

/* The elders of an index. */
typedef struct Elders
{
	int32		index;
	VirtualTransactionId *transactions;
	int			count;
	int			ended;
	TimestampTz noted;
} Elders;

static List *all_elders = NIL;

/* Who may not have seen the row of an index. In a transaction. */
static Elders *
elders_of(int32 index)
{
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
	Elders	   *elders;
	ListCell   *cell;

	foreach(cell, all_elders)
	{
		elders = lfirst(cell);
		if (elders->index == index)
		{
			MemoryContextSwitchTo(caller);
			return elders;
		}
	}
	elders = palloc0(sizeof(Elders));
	elders->index = index;
	elders->transactions = GetCurrentVirtualXIDs(InvalidTransactionId, false, false,
												 PROC_IS_AUTOVACUUM | PROC_IN_VACUUM, &elders->count);
	elders->noted = GetCurrentTimestamp();
	all_elders = lappend(all_elders, elders);
	MemoryContextSwitchTo(caller);
	return elders;
}

/*
 * Nobody asks for the elders of an index any more.
 */
void
old_transactions_forget(int32 index)
{
	ListCell   *cell;

	foreach(cell, all_elders)
	{
		Elders	   *elders = lfirst(cell);

		if (elders->index != index)
			continue;
		all_elders = foreach_delete_current(all_elders, cell);
		pfree(elders->transactions);
		pfree(elders);
	}
}

/* Whether a transaction was prepared before a time, and is still there. In a transaction. */
static bool
prepared_before(TimestampTz time)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT FROM pg_catalog.pg_prepared_xacts"
		" WHERE database OPERATOR(pg_catalog.=) pg_catalog.current_database()"
		" AND prepared OPERATOR(pg_catalog.<=) $1", TIMESTAMPTZOID);
	Datum		value = TimestampTzGetDatum(time);

	return spi_plan_write(&plan, &value, NULL) > 0;
}

/*
 * Whether all transactions have ended that may not have seen the row. It is a
 * problem when that takes long.
 */
bool
old_transactions_ended(int32 index, const char **problem)
{
	Elders	   *elders;
	bool		ended;

	worker_xact_begin("waiting for older transactions");
	elders = elders_of(index);
	while (elders->ended < elders->count && VirtualXactLock(elders->transactions[elders->ended], false))
		elders->ended++;
	ended = elders->ended == elders->count && !prepared_before(elders->noted);
	worker_xact_commit();
	if (!ended && TimestampDifferenceExceeds(elders->noted, GetCurrentTimestamp(), PATIENCE_MS))
		*problem = "an index waits until all transactions have ended that are older than it";
	return ended;
}
