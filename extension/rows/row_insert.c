/*
 * row_insert.c
 *	  New rows.
 *
 * Many messages are put into pages together, which takes one WAL record a page
 * instead of one a message.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "executor/executor.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "rows/index_entries.h"
#include "rows/row_insert.h"

/* The most rows that are inserted at once. */
#define CHUNK_ROWS 256

static TupleTableSlot *
clear_row(TupleTableSlot *slot)
{
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
	return slot;
}

static void
set_column(TupleTableSlot *slot, const OpenTable *table, int column, Datum value)
{
	AttrNumber	number = table->plain->columns[column];

	slot->tts_values[number - 1] = value;
	slot->tts_isnull[number - 1] = false;
}

static void
make_message(TupleTableSlot *slot, const OpenTable *table, const MessageRow *row)
{
	clear_row(slot);
	set_column(slot, table, MESSAGES_APPLICATION, Int32GetDatum(row->application));
	set_column(slot, table, MESSAGES_CHAT, Int32GetDatum(row->chat));
	for (int i = 0; i < MESSAGE_COLUMNS_COUNT; i++)
		if (!row->nulls[i])
			set_column(slot, table, MESSAGES_COLUMNS + i, row->values[i]);
	if (row->key != NULL)
	{
		set_column(slot, table, MESSAGES_KEY, PointerGetDatum(row->key));
		set_column(slot, table, MESSAGES_KEY_DIGEST, PointerGetDatum(row->key_digest));
	}
	ExecStoreVirtualTuple(slot);
}

static void
insert_row(RowAccess *access, OpenTable *table, TupleTableSlot *slot)
{
	table_tuple_insert(table->relation, slot, access->command, 0, NULL);
	index_entries_insert(table, slot, false);
}

/* The columns that messages are stored with. */
static TupleDesc
row_descriptor(const OpenTable *table, const MessageRow *rows, int count)
{
	TupleDesc	descriptor = table->plain->short_row;

	for (int i = 0; i < count && descriptor != NULL; i++)
	{
		if (rows[i].key != NULL)
			return RelationGetDescr(table->relation);
		for (int c = 0; c < MESSAGE_COLUMNS_COUNT; c++)
			if (!rows[i].nulls[c] && table->plain->columns[MESSAGES_COLUMNS + c] > descriptor->natts)
				return RelationGetDescr(table->relation);
	}
	return descriptor != NULL ? descriptor : RelationGetDescr(table->relation);
}

static void
insert_chunks(RowAccess *access, OpenTable *table, TupleDesc descriptor, const MessageRow *rows, int count)
{
	int			slots_count = Min(count, CHUNK_ROWS);
	TupleTableSlot **slots = palloc(slots_count * sizeof(TupleTableSlot *));

	for (int i = 0; i < slots_count; i++)
		slots[i] = MakeSingleTupleTableSlot(descriptor, &TTSOpsVirtual);
	for (int done = 0, length; done < count; done += length)
	{
		length = Min(count - done, CHUNK_ROWS);
		for (int i = 0; i < length; i++)
			make_message(slots[i], table, &rows[done + i]);
		table_multi_insert(table->relation, slots, length, access->command, 0, NULL);
		for (int i = 0; i < length; i++)
			index_entries_insert(table, slots[i], false);
	}
	for (int i = 0; i < slots_count; i++)
		ExecDropSingleTupleTableSlot(slots[i]);
}

/*
 * Insert messages, best in the order of their keys. Raises 23505 for a key that
 * is taken.
 */
void
row_insert_messages(RowAccess *access, const MessageRow *rows, int count)
{
	OpenTable  *table = &access->tables[TABLE_MESSAGES];
	TupleDesc	descriptor = row_descriptor(table, rows, count);

	if (count > 1)
		insert_chunks(access, table, descriptor, rows, count);
	else if (count == 1)
	{
		TupleTableSlot *slot = MakeSingleTupleTableSlot(descriptor, &TTSOpsVirtual);

		make_message(slot, table, rows);
		insert_row(access, table, slot);
		ExecDropSingleTupleTableSlot(slot);
	}
}

/*
 * Insert a chat, which has no messages. Raises 23505 for a key that is taken.
 */
void
row_insert_chat(RowAccess *access, int32 application, int32 number, TimestampTz created_at)
{
	OpenTable  *table = &access->tables[TABLE_CHATS];
	TupleTableSlot *slot = clear_row(row_access_made(table));

	set_column(slot, table, CHATS_APPLICATION, Int32GetDatum(application));
	set_column(slot, table, CHATS_NUMBER, Int32GetDatum(number));
	set_column(slot, table, CHATS_LAST_NUMBER, Int32GetDatum(0));
	set_column(slot, table, CHATS_COUNT, Int32GetDatum(0));
	set_column(slot, table, CHATS_CREATED_AT, TimestampTzGetDatum(created_at));
	set_column(slot, table, CHATS_LAST_REVISION, Int32GetDatum(0));
	ExecStoreVirtualTuple(slot);
	insert_row(access, table, slot);
}
