/*
 * message_insert_spi.c
 *	  Numbers and rows of new messages, by statements.
 *
 * Many messages are created with a few statements over arrays. The chats are
 * locked first, all of them, in the order of their keys. (A caller that must
 * not wait at all, since others wait for it, can have the messages of locked
 * chats refused.) Everything that can refuse a message is found before the
 * first row is written: so a refusal costs the others nothing, and no
 * subtransaction is needed.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"

#include "changes/change_tracking.h"
#include "changes/search_queue.h"
#include "common/chat_tables.h"
#include "common/int_columns.h"
#include "common/keys.h"
#include "common/message_columns.h"
#include "common/spi_plan.h"
#include "core/arg_error.h"
#include "core/entity_lookup.h"
#include "core/message_key.h"
#include "core/number_cache.h"
#include "core/parent_counter.h"

static ArgError
number_taken(const MessageInsert *message)
{
	return arg_error_taken("message", "number",
						   psprintf("Chat %d has a message number %d.", message->chat, message->number),
						   "Leave the number out to get the next one.");
}

/* When a row was created that an INSERT returned; 0 if it does not say so. */
static TimestampTz
result_time(uint64 row, int column)
{
	bool		isnull;
	Datum		value = spi_result(row, column, TIMESTAMPTZOID, &isnull);

	return isnull ? 0 : DatumGetTimestampTz(value);
}

/*
 * Hold a chat, and learn its highest number. Where none is named, and there are no keys
 * and conditions, its row counts the messages at once.
 */
static void
group_hold(MessageBatch *batch, ChatGroup *group, bool wait)
{
	ChatKey		chat = {group->application, group->chat};
	int			count = group->count;
	CounterValues held = {0};
	bool		named = group->named || group->checked;
	RowResult	result = named ?
		parent_counter_hold(TABLE_CHATS, chat, wait, &held) :
		parent_counter_add(TABLE_CHATS, chat, wait, &count, &held.last_number);

	group->last_number = held.last_number;
	group->last_revision = held.last_revision;
	group->found = result == ROW_DONE;
	group->counted = !named;
	group->last_before = group->last_number;
	if (result == ROW_LOCKED)
		message_batch_refuse(batch, group, arg_error_locked(psprintf("chat %d", group->chat)));
	else if (result == ROW_MISSING)
		message_batch_refuse(batch, group, chat_not_found(group->application, group->chat));
}

static MessageKey
message_key(const MessageInsert *message)
{
	return (MessageKey) {message->application, message->chat, message->number};
}

/*
 * Find which of the named numbers are taken in the table. The chats are
 * held, so this stays true. Returns a table of MessageKey, or NULL if no
 * number is named.
 */
static HTAB *
batch_find_occupied(MessageBatch *batch)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT m.application_id, m.chat_number, m.number"
		" FROM ROWS FROM (unnest($1), unnest($2), unnest($3)) AS k (application_id, chat_number, number),"
		" LATERAL (SELECT m.* FROM chat.messages AS m WHERE m.application_id = k.application_id"
		" AND m.chat_number = k.chat_number AND m.number = k.number OFFSET 0) AS m",
		INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID);
	enum
	{
		APPLICATION = 1, CHAT, NUMBER
	};
	MessageKey *named = palloc(batch->count * sizeof(MessageKey));
	int			count = 0;
	Datum		values[3];
	uint64		rows;
	HTAB	   *occupied;
	HASHCTL		control = {
		.keysize = sizeof(MessageKey),
		.entrysize = sizeof(MessageKey),
		.hcxt = CurrentMemoryContext
	};

	for (int i = 0; i < batch->count; i++)
		if (batch->order[i]->named)
			named[count++] = message_key(batch->order[i]);
	if (count == 0)
		return NULL;

	occupied = hash_create("pg_chat occupied numbers", batch->count, &control,
						   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	message_keys_to_arrays(named, count, values);
	rows = spi_plan_read_fresh(&plan, values);
	for (uint64 row = 0; row < rows; row++)
	{
		MessageKey	key = {
			spi_result_int32(row, APPLICATION), spi_result_int32(row, CHAT), spi_result_int32(row, NUMBER)
		};

		hash_search(occupied, &key, HASH_ENTER, NULL);
	}
	return occupied;
}

/*
 * Look for the messages that the keys of messages of held chats are of.
 */
static void
batch_find_keys(MessageBatch *batch)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT k.item::int4, m.number, m.created_at::timestamptz, COALESCE(m.revision, 0), m.key_digest"
		" FROM ROWS FROM (unnest($1), unnest($2), unnest($3)) WITH ORDINALITY AS k (application_id, chat_number, key, item),"
		" LATERAL (SELECT m.* FROM chat.messages AS m WHERE m.application_id = k.application_id"
		" AND m.chat_number = k.chat_number AND m.key = k.key LIMIT 1) AS m",
		INT4ARRAYOID, INT4ARRAYOID, TEXTARRAYOID);
	MessageInsert **keyed = palloc((batch->count + 1) * sizeof(MessageInsert *));
	Datum	   *keys = palloc((batch->count + 1) * sizeof(Datum));
	IntColumns	chats;
	Datum		values[3];
	int			count = 0;
	uint64		rows;

	int_columns_init(&chats, 2, batch->count);
	for (ChatGroup *group = batch->groups; group < batch->groups + batch->groups_count; group++)
		for (int i = group->first; group->found && i < group->first + group->count; i++)
		{
			MessageInsert *message = batch->order[i];

			if (message->key == NULL)
				continue;
			int_columns_append(&chats, (int32[]) {group->application, group->chat});
			keys[count] = PointerGetDatum(message->key);
			keyed[count++] = message;
		}
	if (count == 0)
		return;
	int_columns_to_arrays(&chats, values);
	values[2] = PointerGetDatum(construct_array(keys, count, TEXTOID, -1, false, TYPALIGN_INT));
	rows = spi_plan_read_fresh(&plan, values);
	for (uint64 row = 0; row < rows; row++)
	{
		bool		isnull;
		Datum		digest = spi_result(row, 5, BYTEAOID, &isnull);

		message_key_meet(keyed[spi_result_int32(row, 1) - 1], &(KeyedMessage) {
			.number = spi_result_int32(row, 2),
			.created_at = result_time(row, 3),
			.revision = spi_result_int32(row, 4),
			.digest = isnull ? NULL : DatumGetByteaPP(digest)
		});
	}
}

/*
 * Give a message of a held chat its number, or refuse it, unless it is there already.
 */
static void
group_accept(HTAB *occupied, ChatGroup *group, MessageInsert *message)
{
	if (message_is_done(message) || !message_key_admits(group, message, group->last_number))
		return;
	if (!message->named)
	{
		if (group->last_number == PG_INT32_MAX)
		{
			message->problem = arg_error_numbers_exhausted("message");
			return;
		}
		message->number = group->last_number + 1;
	}

	if (occupied != NULL)
	{
		MessageKey	key = message_key(message);
		bool		taken;

		hash_search(occupied, &key, HASH_ENTER, &taken);
		if (taken)
		{
			message->problem = number_taken(message);
			return;
		}
	}

	/* Below what readers may have seen, it is a change. */
	if (message->number <= group->last_before)
	{
		if (group->last_revision == PG_INT32_MAX)
		{
			message->problem = arg_error_revisions_exhausted("message");
			return;
		}
		message->revision = ++group->last_revision;
		search_queue_add(message->application, message->chat, message->number);
	}
	group->last_number = Max(group->last_number, message->number);
	group->added++;
}

/* Write the chats' new counters. */
static void
batch_count(MessageBatch *batch)
{
	for (ChatGroup *group = batch->groups; group < batch->groups + batch->groups_count; group++)
	{
		ChatKey		chat = {group->application, group->chat};
		CounterValues changed;

		if (group->added == 0)
			continue;
		change_tracking_note(chat.application, chat.chat);
		if (!group->counted)
			parent_counter_change(TABLE_CHATS, chat, &(CounterChange) {
				.number = group->last_number, .revision = group->last_revision, .children = group->added
			}, &changed);
	}
}

/* An array of a column of the accepted messages, whose values may be null pointers. */
static Datum
column_array(Datum *column, bool *nulls, int count, Oid type, int length, bool by_value)
{
	int			dimension = count;
	int			lower_bound = 1;

	return PointerGetDatum(construct_md_array(column, nulls, 1, &dimension, &lower_bound, type, length, by_value, TYPALIGN_INT));
}

/* Note when messages were created, from the rows that an INSERT returned, which are in its order. */
static void
take_times(MessageInsert **messages, int count, uint64 rows)
{
	uint64		row = 0;

	for (int i = 0; i < count && row < rows; i++)
	{
		MessageKey	key = {
			spi_result_int32(row, 1), spi_result_int32(row, 2), spi_result_int32(row, 3)
		};

		if (message_key_compare(key, message_key(messages[i])) == 0)
			messages[i]->created_at = result_time(row++, 4);
	}
}

/*
 * Insert the accepted messages.
 */
static void
batch_insert(MessageBatch *batch, int accepted)
{
	static SavedPlan plan = SAVED_PLAN(
		MESSAGE_INSERT " SELECT * FROM ROWS FROM"
		" (unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8), unnest($9)) AS k"
		" RETURNING application_id, chat_number, number, created_at::timestamptz",
		INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID MESSAGE_GIVEN_ARRAY_TYPES);
	MessageInsert **messages = palloc(accepted * sizeof(MessageInsert *));
	MessageKey *keys = palloc(accepted * sizeof(MessageKey));
	Datum	   *given[6];
	bool	   *nulls[6];
	Datum		values[9];
	int			count = 0;

	for (int column = 0; column < lengthof(given); column++)
	{
		given[column] = palloc0(accepted * sizeof(Datum));
		nulls[column] = palloc0(accepted * sizeof(bool));
	}
	for (int i = 0; i < batch->count; i++)
	{
		MessageInsert *message = batch->order[i];

		if (message_is_done(message) || message->first != NULL)
			continue;
		messages[count] = message;
		keys[count] = message_key(message);
		given[0][count] = PointerGetDatum(message->body);
		given[1][count] = PointerGetDatum(message->sender);
		nulls[1][count] = message->sender == NULL;
		given[2][count] = PointerGetDatum(message->metadata);
		nulls[2][count] = message->metadata == NULL;
		given[3][count] = Int32GetDatum(message->revision);
		nulls[3][count] = message->revision == 0;
		given[4][count] = PointerGetDatum(message->key);
		given[5][count] = PointerGetDatum(message->key_digest);
		nulls[4][count] = nulls[5][count] = message->key == NULL;
		count++;
	}
	message_keys_to_arrays(keys, count, values);
	values[3] = column_array(given[0], nulls[0], count, TEXTOID, -1, false);
	values[4] = column_array(given[1], nulls[1], count, TEXTOID, -1, false);
	values[5] = column_array(given[2], nulls[2], count, JSONBOID, -1, false);
	values[6] = column_array(given[3], nulls[3], count, INT4OID, sizeof(int32), true);
	values[7] = column_array(given[4], nulls[4], count, TEXTOID, -1, false);
	values[8] = column_array(given[5], nulls[5], count, BYTEAOID, -1, false);
	take_times(messages, count, spi_plan_write(&plan, values, NULL));
	for (int i = 0; i < count; i++)
		messages[i]->created = true;
}

void
message_insert_many(MessageInsert *messages, int count, bool wait)
{
	MessageBatch batch;
	HTAB	   *occupied;
	int			accepted = 0;
	int			previous;

	message_batch_init(&batch, messages, count);
	if (batch.count == 0)
		return;

	/*
	 * At once what the statements below take by and by, or a REINDEX that comes between would
	 * deadlock.
	 */
	LockRelationOid(chat_table_oid(TABLE_CHATS), RowExclusiveLock);
	LockRelationOid(chat_table_oid(TABLE_MESSAGES), RowExclusiveLock);
	previous = number_cache_function_begin();
	for (ChatGroup *group = batch.groups; group < batch.groups + batch.groups_count; group++)
		group_hold(&batch, group, wait);
	batch_find_keys(&batch);
	occupied = batch_find_occupied(&batch);

	for (ChatGroup *group = batch.groups; group < batch.groups + batch.groups_count; group++)
	{
		message_keys_forget(&batch, group);
		for (int i = group->first; group->found && i < group->first + group->count; i++)
			group_accept(occupied, group, batch.order[i]);
		accepted += group->added;
	}

	if (accepted > 0)
	{
		batch_count(&batch);
		batch_insert(&batch, accepted);
		search_queue_flush();
	}
	message_keys_share(&batch);
	number_cache_function_end(previous);
}
