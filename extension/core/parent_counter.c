/*
 * parent_counter.c
 *	  A parent's counter, without a statement.
 *
 * Statements that number rows do the rest by SPI, but not this, where the table
 * allows it: an UPDATE by SPI locks the row first, since the table has a trigger
 * before each update, and what such a lock costs in subtransactions is told in
 * rows/counter_row.c.
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
 * Hold a parent's row, in chat.chats or, whatever parent.chat,
 * chat.application_counters, until the transaction ends: nobody else changes it.
 * *last_number becomes the highest number, *tid the row's place. Returns
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
 * Raise a parent's highest number to at least number, and count added more
 * children. Returns as parent_counter_hold does.
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
