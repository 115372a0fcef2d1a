/*
 * counter_row.c
 *	  The row that counts a parent's children: of chat.chats, or of
 *	  chat.application_counters.
 *
 * It stays locked until the transaction ends, so that numbers have no gaps and
 * become visible in their order.
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
#include "utils/guc.h"
#include "utils/rel.h"

#include "rows/counter_row.h"
#include "rows/row_update.h"

/* Find a row, but not that of a chat that was deleted and waits to be purged. */
static bool
find(RowAccess *access, OpenTable *table, const RowKey *key)
{
	return row_find(access, table, key) && (table->which != TABLE_CHATS || row_found_is_null(table, CHATS_DELETED_AT));
}

/*
 * Returns whether a query in progress in this session has the table open. It
 * may be about to lock or change rows, and would skip one that was updated
 * since it began.
 */
static bool
is_in_use(OpenTable *table)
{
	return table->relation->rd_refcnt > 1;
}

/* The last revision of the row that was found; an application has none. */
static int32
found_revision(OpenTable *table)
{
	return table->which == TABLE_CHATS ? DatumGetInt32(row_found_value(table, CHATS_LAST_REVISION)) : 0;
}

/*
 * Returns the new version of the row that was found, with other values. Returns
 * NULL if only a statement can update the row, or if the count would overflow, for
 * which a statement has the error.
 */
static TupleTableSlot *
make_version(OpenTable *table, CounterValues values, int added)
{
	int64		children = (int64) DatumGetInt32(row_found_value(table, COUNTERS_COUNT)) + added;

	if (children > PG_INT32_MAX || row_update_copy_found(table) == NULL)
		return NULL;
	row_update_set(table, COUNTERS_LAST_NUMBER, Int32GetDatum(values.last_number), false);
	row_update_set(table, COUNTERS_COUNT, Int32GetDatum(children), false);
	if (table->which == TABLE_CHATS)
		row_update_set(table, CHATS_LAST_REVISION, Int32GetDatum(values.last_revision), false);
	return table->made;
}

/* Returns whether the row that was found has never been locked or updated. */
static bool
is_untouched(OpenTable *table)
{
	HeapTuple	tuple = ((BufferHeapTupleTableSlot *) table->found)->base.tuple;

	return (tuple->t_data->t_infomask & HEAP_XMAX_INVALID) != 0;
}

/*
 * Do the same without waiting for others. An update always waits, so the row is
 * locked first, unless this transaction has updated it already. In a
 * subtransaction, a row that nobody has locked is updated at once; if another
 * transaction locks it at that moment, that fails.
 */
static TM_Result
try_update_found(RowAccess *access, OpenTable *table, const RowKey *key, TupleTableSlot *made)
{
	TM_Result	result;
	int			nest_level;

	if (row_found_is_own(table))
		return row_update_found(access, table, key, made);
	if (GetCurrentTransactionNestLevel() == 1 || !is_untouched(table))
	{
		result = row_lock_found(access, table, LockTupleNoKeyExclusive, false);
		return result == TM_Ok ? row_update_found(access, table, key, made) : result;
	}
	nest_level = NewGUCNestLevel();
	row_lock_bound_waits();
	result = row_update_found(access, table, key, made);
	AtEOXact_GUC(true, nest_level);
	return result;
}

static TM_Result
update_or_try(RowAccess *access, OpenTable *table, const RowKey *key, TupleTableSlot *made, bool wait)
{
	return wait ? row_update_found(access, table, key, made) : try_update_found(access, table, key, made);
}

/*
 * Confirm that a row has no number left, once other transactions are done with
 * it. If so, returns ROW_DONE with *count 0.
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
 * Count up to *count more children, fewer if there are not as many numbers
 * left. Sets *count to how many, and *last_number to the highest number before
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
		made = make_version(table, (CounterValues) {*last_number + added, found_revision(table)}, added);
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

static CounterValues
found_values(OpenTable *table)
{
	return (CounterValues) {DatumGetInt32(row_found_value(table, COUNTERS_LAST_NUMBER)), found_revision(table)};
}

/*
 * Look at a row as it is in the snapshot, without a lock. Returns false if there is none.
 */
bool
counter_row_look(RowAccess *access, OpenTable *table, const RowKey *key, CounterValues *values)
{
	if (!find(access, table, key))
		return false;
	*values = found_values(table);
	return true;
}

/*
 * Take back the last count children that counter_row_add has counted in this call: there
 * are none with their numbers. No trigger may have been pending on the table before that.
 */
void
counter_row_take_back(RowAccess *access, OpenTable *table, const RowKey *key, int count)
{
	CounterValues values;
	TupleTableSlot *made;

	row_access_next_command(access);
	if (!counter_row_look(access, table, key, &values))
		elog(ERROR, "the counters of a row are gone that was just counted");
	values.last_number -= count;
	made = make_version(table, values, -count);
	if (made == NULL || row_update_found(access, table, key, made) != TM_Ok)
		elog(ERROR, "the counters of a row were changed that was just counted");
}

/*
 * Hold a row until the transaction ends, so that no other changes it. Sets
 * *values to what it has.
 */
RowResult
counter_row_hold(RowAccess *access, OpenTable *table, const RowKey *key, bool wait, CounterValues *values)
{
	TM_Result	result;

	do
	{
		if (!find(access, table, key))
			return ROW_MISSING;
		*values = found_values(table);
		if (row_found_is_own(table))
			result = TM_Ok;
		else if (is_in_use(table))
			result = row_lock_found(access, table, LockTupleNoKeyExclusive, wait);
		else
			result = update_or_try(access, table, key, make_version(table, *values, 0), wait);
	} while (result != TM_Ok && row_find_again(access, result));
	return result == TM_Ok ? ROW_DONE : ROW_LOCKED;
}

/*
 * Change a row. A row that a query in progress may have changed is left to a
 * statement, because its checks may be pending. Sets *values to what the row has
 * then.
 */
RowResult
counter_row_change(RowAccess *access, OpenTable *table, const RowKey *key, const CounterChange *change,
				   CounterValues *values)
{
	TM_Result	result;

	do
	{
		CounterValues before;
		TupleTableSlot *made;

		if (!find(access, table, key))
			return ROW_MISSING;
		before = found_values(table);
		values->last_number = Max(before.last_number, change->number);
		values->last_revision = Max(before.last_revision, change->revision);
		if ((int64) values->last_revision + change->revisions > PG_INT32_MAX)
			return ROW_EXHAUSTED;
		values->last_revision += change->revisions;
		if (values->last_number == before.last_number && values->last_revision == before.last_revision && change->children == 0)
			return ROW_DONE;
		made = make_version(table, *values, change->children);
		if (made == NULL || (row_found_is_own(table) && is_in_use(table)))
			return ROW_BY_STATEMENT;
		result = row_update_found(access, table, key, made);
	} while (result != TM_Ok && row_find_again(access, result));
	return ROW_DONE;
}
