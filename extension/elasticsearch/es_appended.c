/*
 * es_appended.c
 *	  Messages above their chat's watermark.
 *
 * Numbers are given in commit order, so the messages above a number that was
 * read are exactly those that were not read. Everything here runs in a
 * transaction.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "common/int_columns.h"
#include "common/spi_plan.h"
#include "common/tid_array.h"
#include "elasticsearch/es_appended.h"

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
 * Look up the last numbers and watermarks of chats. A chat that is gone stays
 * unknown, and so does one without a watermark, but with last_number set.
 */
static void
find(int32 index, AppendedChat *chats, int count)
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
	for (int i = 0; i < count; i++)
	{
		chats[i].known = false;
		chats[i].last_number = 0;
	}
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
	static SavedPlan delete = {
		.sql = "DELETE FROM chat_internal.search_watermarks WHERE ctid = ANY ($1)",
		.by_tid = true,
		.nargs = 1,
		.argtypes = {TIDARRAYOID}
	};
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

/*
 * Read messages of known chats into a batch, until it has size messages or is
 * full. Their documents get the version. Sets the state of each chat after
 * that.
 */
void
es_appended_read(EsBatch *batch, int size, AppendedChat *chats, int count, int64 version)
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
			MessageKey	key = {chat->chat.application, chat->chat.chat, spi_result_int32(row, number_column)};

			es_batch_add_message(batch, key, spi_result_text(row, body_column, NULL), version)->range =
				batch->ranges_count;
			through = key.number;
			row++;
		}
		chat->begun = through > chat->above;

		/*
		 * A chat that was read to its end is done through its last number, whose message may be
		 * gone. But messages that a restore has yet to load, with triggers disabled, are awaited.
		 */
		chat->unfinished = row < rows ? spi_result_int32(row, item_column) == i + 1 : rows == size;
		chat->awaited = !chat->unfinished && through <= 0 && chat->messages_count != 0;
		if (!chat->unfinished && !chat->awaited)
			through = Max(through, chat->last_number);
		if (through > chat->above)
			es_batch_add_range(batch, chat->chat, chat->above, through);
	}
}
