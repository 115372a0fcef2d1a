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
#include "common/spi_plan.h"
#include "core/arg_error.h"
#include "core/entity_lookup.h"
#include "core/message_batch.h"
#include "core/number_cache.h"
#include "core/parent_counter.h"

static ArgError
number_taken(const MessageInsert *message)
{
	return arg_error_taken("message", "number",
						   psprintf("Chat %d has a message number %d.", message->chat, message->number),
						   "Leave the number out to get the next one.");
}

/*
 * Create a message, whose number is not named. Returns false if there is no
 * such chat, or no number left.
 */
static bool
try_next(MessageInsert *message)
{
	static SavedPlan plan = SAVED_PLAN(
		"WITH counted AS ("
		" UPDATE chat.chats SET last_message_number = last_message_number + 1,"
		" messages_count = messages_count + 1"
		" WHERE application_id = $1 AND number = $2 AND deleted_at IS NULL"
		" AND last_message_number < 2147483647"
		" RETURNING last_message_number)"
		" INSERT INTO chat.messages (application_id, chat_number, number, body)"
		" SELECT $1, $2, last_message_number, $3 FROM counted RETURNING number",
		INT4OID, INT4OID, TEXTOID);
	Datum		values[3] = {
		Int32GetDatum(message->application),
		Int32GetDatum(message->chat),
		PointerGetDatum(message->body)
	};
	int			previous = number_cache_function_begin();
	uint64		created = spi_plan_write(&plan, values, NULL);

	number_cache_function_end(previous);
	if (created == 0)
		return false;
	message->number = spi_result_int32(0, 1);
	change_tracking_note(message->application, message->chat);
	return true;
}

/*
 * The same, or refuse it. If the chat was deleted while the statement waited
 * for it, there may be another with its number, which the statement did not
 * see; so it is done once more.
 */
static void
create_next(MessageInsert *message)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT last_message_number FROM chat.chats"
		" WHERE application_id = $1 AND number = $2 AND deleted_at IS NULL",
		INT4OID, INT4OID);
	Datum		key[2] = {Int32GetDatum(message->application), Int32GetDatum(message->chat)};

	if (try_next(message))
		return;
	if (spi_plan_read_fresh(&plan, key) == 0)
		message->problem = chat_not_found(message->application, message->chat);
	else if (spi_result_int32(0, 1) == PG_INT32_MAX)
		message->problem = arg_error_numbers_exhausted("message");
	else if (!try_next(message))
		message->problem = arg_error_locked(psprintf("chat %d", message->chat));
}

void
message_insert_one(MessageInsert *message)
{
	if (!message->named)
		create_next(message);
	else
		message_insert_many(message, 1, true);
	if (message->problem.sqlstate == ERRCODE_NO_DATA_FOUND)
		application_require(message->application);
}

/* The keys of the groups, as the first parameters of a statement. */
static void
group_keys(MessageBatch *batch, Datum *values)
{
	ChatKey    *keys = palloc(batch->groups_count * sizeof(ChatKey));

	for (int i = 0; i < batch->groups_count; i++)
		keys[i] = (ChatKey) {batch->groups[i].application, batch->groups[i].chat};
	chat_keys_to_arrays(keys, batch->groups_count, values);
}

/*
 * Lock the chats, and learn their highest numbers, without a statement. Returns
 * whether all were found.
 */
static bool
batch_hold(MessageBatch *batch)
{
	for (ChatGroup *group = batch->groups; group < batch->groups + batch->groups_count; group++)
	{
		group->found = parent_counter_hold(TABLE_CHATS, (ChatKey) {group->application, group->chat},
										   &group->last_number, &group->tid) == ROW_DONE;
		if (!group->found)
			return false;
		group->last_before = group->last_number;
	}
	return true;
}

/*
 * Lock the chats, and learn their highest numbers. One that does not exist
 * stays not found, and so does one that another transaction has locked, if
 * the batch does not wait. Returns whether all were found.
 *
 * Keys are looked up and rows locked in one loop over the arrays, which are
 * in key order: a subquery that locks is never turned into a join.
 */
static bool
batch_lock(MessageBatch *batch, bool wait)
{
#define LOCK_CHATS \
	"SELECT k.item::int4, c.last_message_number, c.ctid" \
	" FROM ROWS FROM (unnest($1), unnest($2))" \
	" WITH ORDINALITY AS k (application_id, number, item)," \
	" LATERAL (SELECT c.last_message_number, c.ctid FROM chat.chats AS c" \
	" WHERE c.application_id = k.application_id AND c.number = k.number AND c.deleted_at IS NULL FOR NO KEY UPDATE"
	static SavedPlan lock = SAVED_PLAN(LOCK_CHATS ") AS c", INT4ARRAYOID, INT4ARRAYOID);
	static SavedPlan try_lock = SAVED_PLAN(LOCK_CHATS " SKIP LOCKED) AS c", INT4ARRAYOID, INT4ARRAYOID);
	enum
	{
		ITEM = 1, LAST_NUMBER, TID
	};
	Datum		values[2];
	uint64		rows;

	if (wait && batch_hold(batch))
		return true;
	group_keys(batch, values);
	rows = spi_plan_write(wait ? &lock : &try_lock, values, NULL);
	for (uint64 row = 0; row < rows; row++)
	{
		ChatGroup  *group = &batch->groups[spi_result_int32(row, ITEM) - 1];

		group->found = true;
		group->last_number = group->last_before = spi_result_int32(row, LAST_NUMBER);
		group->tid = *(ItemPointer) DatumGetPointer(spi_result(row, TID, TIDOID, NULL));
	}
	for (int g = 0; g < batch->groups_count; g++)
		if (!batch->groups[g].found)
			return false;
	return true;
}

/*
 * Refuse the messages of chats that were not found: they do not exist, or are
 * locked. To one who waits a chat that exists is not found where it was
 * deleted, and another created, while the batch waited for it; that one is
 * looked for once more.
 */
static void
batch_refuse_unfound(MessageBatch *batch, bool wait)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT k.item::int4"
		" FROM ROWS FROM (unnest($1), unnest($2))"
		" WITH ORDINALITY AS k (application_id, number, item),"
		" LATERAL (SELECT FROM chat.chats AS c WHERE c.application_id = k.application_id"
		" AND c.number = k.number AND c.deleted_at IS NULL OFFSET 0) AS c",
		INT4ARRAYOID, INT4ARRAYOID);
	bool	   *exists = palloc0(batch->groups_count * sizeof(bool));
	Datum		values[2];
	uint64		rows;

	group_keys(batch, values);
	rows = spi_plan_read_fresh(&plan, values);
	for (uint64 row = 0; row < rows; row++)
		exists[spi_result_int32(row, 1) - 1] = true;
	for (int g = 0; wait && g < batch->groups_count; g++)
	{
		if (!exists[g] || batch->groups[g].found)
			continue;
		batch_lock(batch, true);
		break;
	}

	for (int g = 0; g < batch->groups_count; g++)
	{
		ChatGroup  *group = &batch->groups[g];

		if (!group->found)
			message_batch_refuse(batch, group, exists[g] ?
								 arg_error_locked(psprintf("chat %d", group->chat)) :
								 chat_not_found(group->application, group->chat));
	}
}

static MessageKey
message_key(const MessageInsert *message)
{
	return (MessageKey) {message->application, message->chat, message->number};
}

/*
 * Find which of the named numbers are taken in the table. The chats are
 * locked, so this stays true. Returns a table of MessageKey, or NULL if no
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
 * Give a message of a locked chat its number, or refuse it.
 */
static void
group_accept(HTAB *occupied, ChatGroup *group, MessageInsert *message)
{
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

	if (message->number <= group->last_before)
		search_queue_add(message->application, message->chat, message->number);
	group->last_number = Max(group->last_number, message->number);
	group->added++;
}

/*
 * Write the chats' new counters, by a statement those that it takes one for.
 * Their rows are locked, so they are where they were found.
 */
static void
batch_count(MessageBatch *batch)
{
	static SavedPlan plan = {
		.sql = "UPDATE chat.chats AS c SET last_message_number = k.last_message_number,"
		" messages_count = c.messages_count + k.added"
		" FROM ROWS FROM (unnest($1), unnest($2), unnest($3))"
		" AS k (tid, last_message_number, added)"
		" WHERE c.ctid = k.tid",
		.by_tid = true,
		.nargs = 3,
		.argtypes = {TIDARRAYOID, INT4ARRAYOID, INT4ARRAYOID}
	};
	Datum	   *tids = palloc(batch->groups_count * sizeof(Datum));
	IntColumns	columns;
	Datum		values[3];

	int_columns_init(&columns, 2, batch->groups_count);
	for (int i = 0; i < batch->groups_count; i++)
	{
		ChatGroup  *group = &batch->groups[i];

		if (group->added == 0)
			continue;
		change_tracking_note(group->application, group->chat);
		if (parent_counter_raise(TABLE_CHATS, (ChatKey) {group->application, group->chat},
								 group->last_number, group->added) == ROW_DONE)
			continue;
		tids[columns.count] = PointerGetDatum(&group->tid);
		int_columns_append(&columns, (int32[]) {group->last_number, group->added});
	}
	if (columns.count == 0)
		return;
	values[0] = PointerGetDatum(construct_array(tids, columns.count, TIDOID, sizeof(ItemPointerData),
												false, TYPALIGN_SHORT));
	int_columns_to_arrays(&columns, &values[1]);
	spi_plan_write(&plan, values, NULL);
}

/*
 * Insert the accepted messages.
 */
static void
batch_insert(MessageBatch *batch, int accepted)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat.messages (application_id, chat_number, number, body)"
		" SELECT * FROM ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4))"
		" AS k (application_id, chat_number, number, body)",
		INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, TEXTARRAYOID);
	MessageKey *keys = palloc(accepted * sizeof(MessageKey));
	Datum	   *bodies = palloc(accepted * sizeof(Datum));
	Datum		values[4];
	int			count = 0;

	for (int i = 0; i < batch->count; i++)
	{
		MessageInsert *message = batch->order[i];

		if (message->problem.sqlstate != 0)
			continue;
		keys[count] = message_key(message);
		bodies[count++] = PointerGetDatum(message->body);
	}
	message_keys_to_arrays(keys, count, values);
	values[3] = PointerGetDatum(construct_array(bodies, count, TEXTOID, -1, false, TYPALIGN_INT));
	spi_plan_write(&plan, values, NULL);
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
	if (!batch_lock(&batch, wait))
		batch_refuse_unfound(&batch, wait);
	occupied = batch_find_occupied(&batch);

	for (ChatGroup *group = batch.groups; group < batch.groups + batch.groups_count; group++)
	{
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
	number_cache_function_end(previous);
}
