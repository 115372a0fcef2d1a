/*
 * counter_row.c
 *	  The row that counts a parent's children: of chat.chats, or of
 *	  chat.application_counters.
 *
 * It stays locked until the transaction ends, so that numbers have no gaps and
 * become visible in their order. A row that this transaction inserted may have
 * a check of its own reference pending, which an update would have to queue
 * anew. That is left to a statement.
 *
 * A row is not locked before it is updated. The lock would pass on to the new
 * version, and each later subtransaction that updates the row would have to make
 * a multixact of that lock and its own update. The update alone keeps others away
 * as well, and leaves nothing in the new version: so a row that is only to be
 * held is updated, too, to what it is.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "utils/guc.h"
#include "utils/rel.h"

#include "common/compat.h"
#include "rows/counter_row.h"
#include "rows/index_entries.h"
#include "rows/tid_cache.h"

/*
 * Whether this transaction made the version that was found. Then nobody else can
 * change it as long as this subtransaction lasts.
 */
static bool
is_own_version(OpenTable *table)
{
	HeapTuple	tuple = ((BufferHeapTupleTableSlot *) table->found)->base.tuple;

	return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
}

/* Find a row, but not that of a chat that was deleted and waits to be purged. */
static bool
find(RowAccess *access, OpenTable *table, const RowKey *key)
{
	return row_find(access, table, key) && (table->which != TABLE_CHATS || row_found_is_null(table, CHATS_DELETED_AT));
}

/*
 * Whether a query that is under way in this session has the table open. It may
 * be about to lock or change rows, and would skip one that was updated since it
 * began.
 */
static bool
is_in_use(OpenTable *table)
{
	return table->relation->rd_refcnt > 1;
}

static bool
has_pending_checks(OpenTable *table)
{
	return is_own_version(table) && AfterTriggerPendingOnRel(RelationGetRelid(table->relation));
}

/*
 * Make the new version of the row that was found: as the old one, with another
 * highest number and count more children. Returns NULL if only a statement can
 * update the row, or if there are more children than can be counted, for which
 * a statement has the error.
 */
static TupleTableSlot *
make_version(OpenTable *table, int32 last_number, int count)
{
	const AttrNumber *columns = table->plain->columns;
	TupleTableSlot *found = table->found;
	TupleTableSlot *made = row_access_made(table);
	int32		children = DatumGetInt32(row_found_value(table, COUNTERS_COUNT));

	if (has_pending_checks(table) || children > PG_INT32_MAX - count)
		return NULL;
	slot_getallattrs(found);
	ExecClearTuple(made);
	memcpy(made->tts_values, found->tts_values, found->tts_nvalid * sizeof(Datum));
	memcpy(made->tts_isnull, found->tts_isnull, found->tts_nvalid * sizeof(bool));
	made->tts_values[columns[COUNTERS_LAST_NUMBER] - 1] = Int32GetDatum(last_number);
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

/* Whether nobody has locked or updated the row that was found, or ever did. */
static bool
is_untouched(OpenTable *table)
{
	HeapTuple	tuple = ((BufferHeapTupleTableSlot *) table->found)->base.tuple;

	return (tuple->t_data->t_infomask & HEAP_XMAX_INVALID) != 0;
}

/*
 * The same without waiting for others. An update always waits, so the row is
 * locked first, unless this transaction has updated it already. In a
 * subtransaction a row that nobody has locked is updated at once; if somebody
 * locks it just now, that fails.
 */
static TM_Result
try_update_found(RowAccess *access, OpenTable *table, const RowKey *key, TupleTableSlot *made)
{
	TM_Result	result;
	int			nest_level;

	if (is_own_version(table))
		return update_found(access, table, key, made);
	if (GetCurrentTransactionNestLevel() == 1 || !is_untouched(table))
	{
		result = row_lock_found(access, table, LockTupleNoKeyExclusive, false);
		return result == TM_Ok ? update_found(access, table, key, made) : result;
	}
	nest_level = NewGUCNestLevel();
	row_lock_bound_waits();
	result = update_found(access, table, key, made);
	AtEOXact_GUC(true, nest_level);
	return result;
}

static TM_Result
update_or_try(RowAccess *access, OpenTable *table, const RowKey *key, TupleTableSlot *made, bool wait)
{
	return wait ? update_found(access, table, key, made) : try_update_found(access, table, key, made);
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

		if (!find(access, table, key))
			return ROW_MISSING;
		*last_number = DatumGetInt32(row_found_value(table, COUNTERS_LAST_NUMBER));
		added = Min(*count, PG_INT32_MAX - *last_number);
		if (added == 0)
			return confirm_exhausted(access, table, key, wait, count);
		made = make_version(table, *last_number + added, added);
		if (made == NULL)
			return ROW_BY_STATEMENT;
		result = update_or_try(access, table, key, made, wait);
		if (result == TM_Ok)
		{
			*count = added;
			return ROW_DONE;
		}
	} while (row_find_again(access, result));
	return ROW_LOCKED;
}

/*
 * Hold a row until the transaction ends: nobody else changes it. *last_number
 * becomes its highest number.
 */
RowResult
counter_row_hold(RowAccess *access, OpenTable *table, const RowKey *key, bool wait, int32 *last_number)
{
	TM_Result	result;

	do
	{
		if (!find(access, table, key))
			return ROW_MISSING;
		*last_number = DatumGetInt32(row_found_value(table, COUNTERS_LAST_NUMBER));
		if (is_own_version(table))
			result = TM_Ok;
		else if (is_in_use(table))
			result = row_lock_found(access, table, LockTupleNoKeyExclusive, wait);
		else
			result = update_or_try(access, table, key, make_version(table, *last_number, 0), wait);
	} while (result != TM_Ok && row_find_again(access, result));
	return result == TM_Ok ? ROW_DONE : ROW_LOCKED;
}

/*
 * Raise a row's highest number to at least number, and count added more
 * children. A row that a query which is under way may have changed is left to a
 * statement, too: its checks may be pending.
 */
RowResult
counter_row_raise(RowAccess *access, OpenTable *table, const RowKey *key, int32 number, int added)
{
	TM_Result	result;

	do
	{
		int32		last_number;
		TupleTableSlot *made;

		if (!find(access, table, key))
			return ROW_MISSING;
		last_number = DatumGetInt32(row_found_value(table, COUNTERS_LAST_NUMBER));
		if (last_number >= number && added == 0)
			return ROW_DONE;
		made = make_version(table, Max(last_number, number), added);
		if (made == NULL || (is_own_version(table) && is_in_use(table)))
			return ROW_BY_STATEMENT;
		result = update_found(access, table, key, made);
	} while (result != TM_Ok && row_find_again(access, result));
	return ROW_DONE;
}
