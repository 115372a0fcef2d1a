/*
 * es_appended.c
 *	  Messages above their chat's watermark.
 *
 * Numbers are given in commit order, so what is above a number that was read is
 * all that was not. All of this is in a transaction. Chats and messages are read
 * without statements where the tables allow it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/snapmgr.h"

#include "common/int_columns.h"
#include "common/spi_plan.h"
#include "common/tid_array.h"
#include "elasticsearch/es_appended.h"
#include "rows/message_rows.h"
#include "rows/row_lookup.h"

/* Set arrays to the chats' keys, as two parameters of a statement. */
static void
keys_to_arrays(const AppendedChat *chats, int count, Datum arrays[2])
{
	ChatKey    *keys = palloc(Max(count, 1) * sizeof(ChatKey));

	for (int i = 0; i < count; i++)
		keys[i] = chats[i].chat;
	chat_keys_to_arrays(keys, count, arrays);
}

/*
 * Find chats by a statement, and the watermarks of those of which nothing is under
 * way.
 */
static void
find_by_statement(int32 index, AppendedChat *chats, int count)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT k.item::int4, c.last_message_number, c.messages_count, w.indexed_number"
		" FROM ROWS FROM (unnest($2), unnest($3)) WITH ORDINALITY AS k (application_id, number, item)"
		" JOIN LATERAL (SELECT c.last_message_number, c.messages_count FROM chat.chats AS c"
		" WHERE c.application_id = k.application_id AND c.number = k.number OFFSET 0) AS c ON true"
		" LEFT JOIN LATERAL (SELECT w.indexed_number FROM chat_internal.search_watermarks AS w"
		" WHERE w.index_id = $1 AND w.application_id = k.application_id AND w.chat_number = k.number OFFSET 0) AS w ON true",
		INT4OID, INT4ARRAYOID, INT4ARRAYOID);
	Datum		values[3] = {Int32GetDatum(index)};
	uint64		rows;

	keys_to_arrays(chats, count, values + 1);
	rows = spi_plan_read_fresh(&plan, values);
	for (uint64 row = 0; row < rows; row++)
	{
		AppendedChat *chat = &chats[spi_result_int32(row, spi_column("item")) - 1];
		bool		isnull;
		Datum		indexed = spi_result(row, spi_column("indexed_number"), INT4OID, &isnull);

		chat->last_number = spi_result_int32(row, spi_column("last_message_number"));
		chat->messages_count = spi_result_int32(row, spi_column("messages_count"));
		chat->known = chat->under_way || !isnull;
		if (!chat->under_way && !isnull)
			chat->above = DatumGetInt32(indexed);
	}
}

/* Find the watermarks of chats that exist and of which none is known. */
static void
find_watermarks(int32 index, AppendedChat *chats, int count)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT k.item::int4, w.indexed_number"
		" FROM ROWS FROM (unnest($2), unnest($3)) WITH ORDINALITY AS k (application_id, number, item)"
		" JOIN LATERAL (SELECT w.indexed_number FROM chat_internal.search_watermarks AS w"
		" WHERE w.index_id = $1 AND w.application_id = k.application_id AND w.chat_number = k.number OFFSET 0) AS w ON true",
		INT4OID, INT4ARRAYOID, INT4ARRAYOID);
	AppendedChat *wanted = palloc(Max(count, 1) * sizeof(AppendedChat));
	int		   *places = palloc(Max(count, 1) * sizeof(int));	/* of those in chats */
	Datum		values[3] = {Int32GetDatum(index)};
	int			wanted_count = 0;
	uint64		rows;

	for (int i = 0; i < count; i++)
		if (!chats[i].known && chats[i].last_number > 0)
		{
			places[wanted_count] = i;
			wanted[wanted_count++] = chats[i];
		}
	if (wanted_count == 0)
		return;
	keys_to_arrays(wanted, wanted_count, values + 1);
	rows = spi_plan_read_fresh(&plan, values);
	for (uint64 row = 0; row < rows; row++)
	{
		AppendedChat *chat = &chats[places[spi_result_int32(row, spi_column("item")) - 1]];

		chat->known = true;
		chat->above = spi_result_int32(row, spi_column("indexed_number"));
	}
}

/*
 * Begin to read a table without a statement, as of now: not before what was read last.
 * Returns false if a statement has to do it.
 */
static bool
begin_reading(RowAccess *access, ChatTable table)
{
	RowUses		uses = {{0}};

	uses.tables[table] = ROW_USE(ROW_READ);
	PushActiveSnapshot(GetTransactionSnapshot());
	if (row_access_begin_reading(access, uses))
		return true;
	PopActiveSnapshot();
	return false;
}

/* End what begin_reading() began. */
static void
end_reading(RowAccess *access)
{
	row_access_end(access);
	PopActiveSnapshot();
}

/* Find chats without a statement. Returns false if one has to do it. */
static bool
find_direct(AppendedChat *chats, int count)
{
	RowAccess	access;

	if (!begin_reading(&access, TABLE_CHATS))
		return false;
	for (int i = 0; i < count; i++)
	{
		OpenTable  *table = &access.tables[TABLE_CHATS];
		RowKey		key = row_key_of_chat(chats[i].chat.application, chats[i].chat.chat);

		if (!row_lookup(&access, table, &key))
			continue;
		chats[i].last_number = DatumGetInt32(row_found_value(table, CHATS_LAST_NUMBER));
		chats[i].messages_count = DatumGetInt32(row_found_value(table, CHATS_COUNT));
		chats[i].known = chats[i].under_way || (chats[i].recorded && chats[i].last_number > chats[i].above);
	}
	end_reading(&access);
	return true;
}

/*
 * Find where chats stand. One that is gone stays unknown; one without a
 * watermark does, too, with last_number set.
 */
static void
find(int32 index, AppendedChat *chats, int count)
{
	for (int i = 0; i < count; i++)
	{
		chats[i].known = false;
		chats[i].last_number = 0;
	}
	if (find_direct(chats, count))
		find_watermarks(index, chats, count);
	else
		find_by_statement(index, chats, count);
}

/*
 * Insert a watermark of 0 for chats that have none. The chat's row is locked,
 * so that a chat which is being deleted gets none, and last_number is not
 * lowered before this transaction ends. Returns whether there were any.
 */
static bool
insert_watermarks(int32 index, const AppendedChat *chats, int count)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat_internal.search_watermarks (index_id, application_id, chat_number, indexed_number)"
		" SELECT $1, c.application_id, c.number, 0"
		" FROM ROWS FROM (unnest($2), unnest($3)) AS k (application_id, number),"
		" LATERAL (SELECT c.application_id, c.number FROM chat.chats AS c"
		" WHERE c.application_id = k.application_id AND c.number = k.number FOR KEY SHARE SKIP LOCKED) AS c"
		" ON CONFLICT DO NOTHING",
		INT4OID, INT4ARRAYOID, INT4ARRAYOID);
	AppendedChat *without = palloc(Max(count, 1) * sizeof(AppendedChat));
	Datum		values[3] = {Int32GetDatum(index)};
	int			without_count = 0;

	for (int i = 0; i < count; i++)
		if (!chats[i].known && chats[i].last_number > 0)
			without[without_count++] = chats[i];
	if (without_count == 0)
		return false;
	keys_to_arrays(without, without_count, values + 1);
	return spi_plan_write(&plan, values, NULL) > 0;
}

/*
 * Delete watermarks above their chat's last number. The triggers prevent them;
 * if those were disabled, it is not known which messages changed. Returns
 * whether there were any.
 */
static bool
delete_too_high(int32 index, const AppendedChat *chats, int count)
{
	static SavedPlan lock = SAVED_PLAN(
		"SELECT w.ctid FROM ROWS FROM (unnest($2), unnest($3)) AS k (application_id, number),"
		" LATERAL (SELECT c.last_message_number FROM chat.chats AS c"
		" WHERE c.application_id = k.application_id AND c.number = k.number OFFSET 0) AS c,"
		" LATERAL (SELECT w.ctid FROM chat_internal.search_watermarks AS w"
		" WHERE w.index_id = $1 AND w.application_id = k.application_id AND w.chat_number = k.number"
		" AND w.indexed_number > c.last_message_number FOR UPDATE SKIP LOCKED) AS w",
		INT4OID, INT4ARRAYOID, INT4ARRAYOID);
	static SavedPlan delete = TID_ARRAY_PLAN("DELETE FROM chat_internal.search_watermarks WHERE ctid = ANY ($1)");
	Datum		values[3] = {Int32GetDatum(index)};
	bool		any = false;

	for (int i = 0; i < count; i++)
		any |= chats[i].known && chats[i].last_number < chats[i].above;
	if (!any)
		return false;
	keys_to_arrays(chats, count, values + 1);
	spi_plan_write(&lock, values, NULL);
	values[0] = tid_array_of_result("ctid");
	spi_plan_write(&delete, values, NULL);
	return true;
}

/*
 * Look up chats, and make sure that each has a watermark. Returns whether some
 * had a wrong one, so that all chats should be looked at.
 */
bool
es_appended_look_up(int32 index, AppendedChat *chats, int count)
{
	find(index, chats, count);
	if (insert_watermarks(index, chats, count))
		find(index, chats, count);
	return delete_too_high(index, chats, count);
}

/* Add a message of a chat to a batch; its range, which follows, has it. */
static void
add_message(EsBatch *batch, const AppendedChat *chat, int32 number, const text *body, int64 version)
{
	MessageKey	key = {chat->chat.application, chat->chat.chat, number};

	es_batch_add_message(batch, key, body, version)->range = batch->ranges_count;
}

/*
 * Set what a chat is left with, which was read through a number, and add its range.
 *
 * A chat that was read to its end is done through its last number, whose message may be
 * gone. But messages that a restore has yet to load, without triggers, are waited for.
 */
static void
end_chat(EsBatch *batch, AppendedChat *chat, int32 through, bool unfinished)
{
	chat->begun = through > chat->above;
	chat->unfinished = unfinished;
	chat->awaited = !unfinished && through <= 0 && chat->messages_count != 0;
	if (!unfinished && !chat->awaited)
		through = Max(through, chat->last_number);
	if (through > chat->above)
		es_batch_add_range(batch, chat->chat, chat->above, through);
}

/* Read messages without a statement. Returns false if one has to do it. */
static bool
read_direct(EsBatch *batch, int size, AppendedChat *chats, int count, int64 version)
{
	RowAccess	access;

	if (!begin_reading(&access, TABLE_MESSAGES))
		return false;
	for (int i = 0; i < count; i++)
	{
		int32		through = chats[i].above;
		bool		full = es_batch_is_full(batch, size);
		Datum		values[MESSAGE_COLUMNS_COUNT];
		bool		nulls[MESSAGE_COLUMNS_COUNT];

		if (!full)
			message_rows_find(&access, chats[i].chat.application, chats[i].chat.chat, through, PG_INT32_MAX);
		while (!full && message_rows_next(&access, ForwardScanDirection, values, nulls))
		{
			text	   *body = DatumGetTextPP(values[MESSAGE_BODY]);

			through = DatumGetInt32(values[MESSAGE_NUMBER]);
			add_message(batch, &chats[i], through, body, version);
			if (body != (text *) DatumGetPointer(values[MESSAGE_BODY]))
				pfree(body);
			full = es_batch_is_full(batch, size);
		}
		end_chat(batch, &chats[i], through, full);
	}
	end_reading(&access);
	return true;
}

/* The same by a statement. */
static void
read_by_statement(EsBatch *batch, int size, AppendedChat *chats, int count, int64 version)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT k.item::int4, m.number, m.body"
		" FROM ROWS FROM (unnest($1), unnest($2), unnest($3))"
		" WITH ORDINALITY AS k (application_id, chat_number, above, item),"
		" LATERAL (SELECT m.number, m.body FROM chat.messages AS m"
		" WHERE m.application_id = k.application_id AND m.chat_number = k.chat_number"
		" AND m.number > k.above ORDER BY m.number LIMIT $4) AS m LIMIT $4",
		INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT8OID);
	IntColumns	columns;
	Datum		values[4] = {0, 0, 0, Int64GetDatum(size)};
	uint64		rows;
	uint64		row = 0;
	int			item_column;
	int			number_column;
	int			body_column;

	int_columns_init(&columns, 3, count);
	for (int i = 0; i < count; i++)
		int_columns_append(&columns, (int32[]) {chats[i].chat.application, chats[i].chat.chat, chats[i].above});
	int_columns_to_arrays(&columns, values);
	rows = spi_plan_read_fresh(&plan, values);
	item_column = spi_column("item");
	number_column = spi_column("number");
	body_column = spi_column("body");

	for (int i = 0; i < count; i++)
	{
		AppendedChat *chat = &chats[i];
		int32		through = chat->above;

		while (row < rows && spi_result_int32(row, item_column) == i + 1 && !es_batch_is_full(batch, size))
		{
			through = spi_result_int32(row, number_column);
			add_message(batch, chat, through, spi_result_text(row, body_column, NULL), version);
			row++;
		}
		end_chat(batch, chat, through, row < rows ? spi_result_int32(row, item_column) == i + 1 : rows == size);
	}
}

/*
 * Read messages of chats, which are known, into a batch, until it has so many or
 * is full. Sets what each chat is left with.
 */
void
es_appended_read(EsBatch *batch, int size, AppendedChat *chats, int count, int64 version)
{
	if (!read_direct(batch, size, chats, count, version))
		read_by_statement(batch, size, chats, count, version);
}
