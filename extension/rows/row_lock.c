/*
 * row_lock.c
 *	  Rows found by their key, to be changed or locked.
 *
 * A row that is not found, or turns out not to be the last version, is looked
 * up once more with a fresh snapshot. See row_access.c.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "rows/row_lock.h"

/* Raise 40001 if the transaction must not see the change of another one. */
static void
require_fresh_snapshots(TM_Result result)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg(result == TM_Updated ?
						"could not serialize access due to concurrent update" :
						"could not serialize access due to concurrent delete")));
}

/*
 * Returns whether this transaction created the version that was found. Then no
 * other can change it as long as this subtransaction lasts.
 */
bool
row_found_is_own(OpenTable *table)
{
	HeapTuple	tuple = ((BufferHeapTupleTableSlot *) table->found)->base.tuple;

	return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
}

/*
 * Find a row with the snapshot of the statement or, if there is none, with a
 * fresh one.
 */
bool
row_find(RowAccess *access, OpenTable *table, const RowKey *key)
{
	if (row_lookup(access, table, key))
		return true;
	if (access->fresh)
		return false;
	row_access_refresh(access);
	return row_lookup(access, table, key);
}

/* Returns whether the row that was found has not been updated or deleted. */
static bool
is_last_version(OpenTable *table)
{
	uint16		infomask = ((BufferHeapTupleTableSlot *) table->found)->base.tuple->t_data->t_infomask;

	return (infomask & HEAP_XMAX_INVALID) || HEAP_XMAX_IS_LOCKED_ONLY(infomask);
}

/*
 * Find a row for reading, as it is now rather than when the statement began.
 */
bool
row_find_current(RowAccess *access, OpenTable *table, const RowKey *key)
{
	if (!row_find(access, table, key))
		return false;
	if (access->fresh || is_last_version(table))
		return true;
	row_access_refresh(access);
	return row_lookup(access, table, key);
}

/*
 * Decides how to go on if a row that was found could not be changed or locked.
 * Returns true if it is to be looked up once more, false if another transaction
 * has locked it. Raises 40001 if the transaction has one snapshot.
 */
bool
row_find_again(RowAccess *access, TM_Result result)
{
	switch (result)
	{
		case TM_Updated:
		case TM_Deleted:
			require_fresh_snapshots(result);
			CHECK_FOR_INTERRUPTS();
			row_access_refresh(access);
			return true;
		case TM_WouldBlock:
			return false;
		default:
			elog(ERROR, "unexpected result of changing a row: %d", result);
	}
	pg_unreachable();
}

/* Lock the row that was found. */
TM_Result
row_lock_found(RowAccess *access, OpenTable *table, LockTupleMode mode, bool wait)
{
	ItemPointerData tid = table->found->tts_tid;
	TM_FailureData failure;

	return table_tuple_lock(table->relation, &tid, access->snapshot, table->found, access->command,
							mode, wait ? LockWaitBlock : LockWaitSkip, 0, &failure);
}

/*
 * Let updates that would wait for another transaction fail at once, with 55P03,
 * until the settings of this level are restored.
 */
void
row_lock_bound_waits(void)
{
	(void) set_config_option("lock_timeout", "1ms", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/*
 * Find a row, and lock it until the transaction ends.
 */
RowResult
row_lock(RowAccess *access, OpenTable *table, const RowKey *key, LockTupleMode mode, bool wait)
{
	TM_Result	result;

	do
	{
		if (!row_find(access, table, key))
			return ROW_MISSING;
		result = row_lock_found(access, table, mode, wait);
		if (result == TM_Ok)
			return ROW_DONE;
	} while (row_find_again(access, result));
	return ROW_LOCKED;
}
