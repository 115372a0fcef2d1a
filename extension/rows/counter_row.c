/*
 * counter_row.c
 *	  The row that counts a parent's children: of chat.chats, or of
 *	  chat.application_counters.
 *
 * It stays locked until the transaction ends, so that numbers have no gaps and
 * become visible in their order. A row that this transaction inserted may have a check of its own reference
 * pending, which an update would have to queue anew. That is left to a
 * statement.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "utils/rel.h"

#include "common/compat.h"
#include "rows/counter_row.h"
#include "rows/index_entries.h"
#include "rows/tid_cache.h"

static bool
has_pending_checks(OpenTable *table)
{
	HeapTuple	tuple = ((BufferHeapTupleTableSlot *) table->found)->base.tuple;

	return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)) &&
		AfterTriggerPendingOnRel(RelationGetRelid(table->relation));
}

/*
 * Make the new version of the row that was found: as the old one, with count
 * more children. Returns NULL if they are more than can be counted, for which a
 * statement has the error.
 */
static TupleTableSlot *
make_version(OpenTable *table, int32 last_number, int count)
{
	const AttrNumber *columns = table->plain->columns;
	TupleTableSlot *found = table->found;
	TupleTableSlot *made = row_access_made(table);
	int32		children = DatumGetInt32(row_found_value(table, COUNTERS_COUNT));

	if (children > PG_INT32_MAX - count)
		return NULL;
	slot_getallattrs(found);
	ExecClearTuple(made);
	memcpy(made->tts_values, found->tts_values, found->tts_nvalid * sizeof(Datum));
	memcpy(made->tts_isnull, found->tts_isnull, found->tts_nvalid * sizeof(bool));
	made->tts_values[columns[COUNTERS_LAST_NUMBER] - 1] = Int32GetDatum(last_number + count);
	made->tts_values[columns[COUNTERS_COUNT] - 1] = Int32GetDatum(children + count);
	return ExecStoreVirtualTuple(made);
}

/*
 * Update the row that was found, and make the entries of its new version in
 * the indexes if it has found no room in the old one's page.
 */
static TM_Result
update_found(RowAccess *access, OpenTable *table, const RowKey *key, TupleTableSlot *made)
{
	TM_FailureData failure;
	LockTupleMode mode;
	compat_update_indexes update_indexes;
	TM_Result	result = table_tuple_update(table->relation, &table->found->tts_tid, made, access->command,
											access->snapshot, InvalidSnapshot, true, &failure, &mode,
											&update_indexes);

	if (result != TM_Ok)
		return result;
	if (compat_any_index(update_indexes))
	{
		index_entries_insert(table, made, true);
		tid_cache_put_root(table->which, key->hash, &made->tts_tid);
	}
	tid_cache_put_version(table->which, key->hash, &made->tts_tid);
	return TM_Ok;
}

/*
 * The same without waiting for others. An update always waits, so the row is
 * locked first.
 */
static TM_Result
try_update_found(RowAccess *access, OpenTable *table, const RowKey *key, TupleTableSlot *made)
{
	TM_Result	result = row_lock_found(access, table, LockTupleNoKeyExclusive, false);

	return result == TM_Ok ? update_found(access, table, key, made) : result;
}

/*
 * Confirm that a row has no number left, when others are done with it. Returns
 * ROW_DONE with *count 0 if so.
 */
static RowResult
confirm_exhausted(RowAccess *access, OpenTable *table, const RowKey *key, bool wait, int *count)
{
	RowResult	locked = row_lock(access, table, key, LockTupleNoKeyExclusive, wait);

	if (locked != ROW_DONE)
		return locked;
	if (DatumGetInt32(row_found_value(table, COUNTERS_LAST_NUMBER)) != PG_INT32_MAX)
		return ROW_BY_STATEMENT;
	*count = 0;
	return ROW_DONE;
}

/*
 * Count up to *count more children, fewer if there are not so many numbers
 * left: *count becomes how many, and *last_number the highest number before
 * them.
 */
RowResult
counter_row_add(RowAccess *access, OpenTable *table, const RowKey *key, bool wait,
				int *count, int32 *last_number)
{
	TM_Result	result;

	do
	{
		TupleTableSlot *made;
		int			added;

		if (!row_find(access, table, key))
			return ROW_MISSING;
		*last_number = DatumGetInt32(row_found_value(table, COUNTERS_LAST_NUMBER));
		added = Min(*count, PG_INT32_MAX - *last_number);
		if (added == 0)
			return confirm_exhausted(access, table, key, wait, count);
		made = has_pending_checks(table) ? NULL : make_version(table, *last_number, added);
		if (made == NULL)
			return ROW_BY_STATEMENT;
		result = wait ? update_found(access, table, key, made) : try_update_found(access, table, key, made);
		if (result == TM_Ok)
		{
			*count = added;
			return ROW_DONE;
		}
	} while (row_find_again(access, result));
	return ROW_LOCKED;
}
