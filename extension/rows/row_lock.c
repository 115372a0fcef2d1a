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

/* Raise 40001 if the transaction may not see what another did to the row. */
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
 * Whether this transaction made the version that was found. Then nobody else can
 * change it as long as this subtransaction lasts.
 */
bool
row_found_is_own(OpenTable *table)
{
	HeapTuple	tuple = ((BufferHeapTupleTableSlot *) table->found)->base.tuple;

	return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
}

/*
 * Look a row up; if there is none in the statement's snapshot, in a fresh one.
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

/* Whether nobody has updated or deleted the row that was found. */
static bool
is_last_version(OpenTable *table)
{
	uint16		infomask = ((BufferHeapTupleTableSlot *) table->found)->base.tuple->t_data->t_infomask;

	return (infomask & HEAP_XMAX_INVALID) || HEAP_XMAX_IS_LOCKED_ONLY(infomask);
}

/*
 * The same, for a row that is only read: as it is now, not when the statement
 * began.
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
 * What follows if a row that was found could not be changed or locked. Returns
 * true if it is to be looked up once more, false if another transaction has it
 * locked. Raises 40001 where the transaction has one snapshot.
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
 * Until the settings of this level are brought back, an update that has to wait
 * for another transaction fails at once, with 55P03.
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
