/*
 * parent_counter.c
 *	  A parent's counter, locked or raised without a statement.
 *
 * Statements that give numbers use SPI for everything but this, where the
 * table allows it: an UPDATE by SPI locks the row first, since the table has a
 * trigger before each update, and such locks are costly in subtransactions;
 * see rows/counter_row.c.
 */
#include "postgres.h"

#include "core/parent_counter.h"
#include "rows/counter_row.h"

static RowKey
row_key_of(ChatTable table, ChatKey parent)
{
	return table == TABLE_APPLICATION_COUNTERS ?
		row_key_of_counters(parent.application) : row_key_of_chat(parent.application, parent.chat);
}

static bool
begin(RowAccess *access, ChatTable table)
{
	RowUses		uses = {{0}};

	uses.tables[table] = ROW_USE(ROW_UPDATE);
	return row_access_begin(access, uses);
}

/*
 * Lock a parent's row until the transaction ends, so that no other transaction
 * changes it. table is that of the row, of chats or of application counters.
 * *last_number becomes the highest number, *tid the place of the row. Returns
 * ROW_DONE, ROW_MISSING, or ROW_BY_STATEMENT.
 */
RowResult
parent_counter_hold(ChatTable table, ChatKey parent, int32 *last_number, ItemPointer tid)
{
	RowKey		key = row_key_of(table, parent);
	RowAccess	access;
	RowResult	result;

	if (!begin(&access, table))
		return ROW_BY_STATEMENT;
	result = counter_row_hold(&access, &access.tables[table], &key, last_number, tid);
	row_access_end(&access);
	return result;
}

/*
 * Raise a parent's highest number to at least number, and its count of children
 * by added. Returns as parent_counter_hold() does.
 */
RowResult
parent_counter_raise(ChatTable table, ChatKey parent, int32 number, int added)
{
	RowKey		key = row_key_of(table, parent);
	RowAccess	access;
	RowResult	result;

	if (!begin(&access, table))
		return ROW_BY_STATEMENT;
	result = counter_row_raise(&access, &access.tables[table], &key, number, added);
	row_access_end(&access);
	return result;
}
