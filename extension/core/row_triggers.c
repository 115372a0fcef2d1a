/*
 * row_triggers.c
 *	  Rows that are changed by other ways than the functions.
 *
 * The tables' owner may change them directly: INSERT, COPY, UPDATE,
 * DELETE, TRUNCATE. The triggers keep what cannot wait, the numbers and revisions, and leave
 * what can, the counts, to the worker.
 *
 *	- A row inserted without a number gets the next one: see row_number.c.
 *	- A message that is changed takes the next revision of its chat: see
 *	  message_revision.c and deleted_messages.c.
 *	- Parents whose counters or key were changed are queued, in the same
 *	  transaction: the worker counts them anew. See changes/recount_queue.c.
 *	- So are messages that a search index holds as they were before: see
 *	  changes/search_queue.c.
 *
 * The functions insert rows too, and have done all of this themselves: for them
 * the triggers do nothing. Triggers for whole statements are in
 * statement_triggers.c.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "changes/change_tracking.h"
#include "changes/recount_queue.h"
#include "changes/redis_key_queue.h"
#include "changes/search_queue.h"
#include "common/spi_plan.h"
#include "common/table_owner.h"
#include "core/deleted_messages.h"
#include "core/message_revision.h"
#include "core/number_cache.h"
#include "core/row_triggers.h"

PG_FUNCTION_INFO_V1(chat_before_insert);
PG_FUNCTION_INFO_V1(chat_before_update_messages);
PG_FUNCTION_INFO_V1(chat_after_update_chats);
PG_FUNCTION_INFO_V1(chat_after_application_counters);
PG_FUNCTION_INFO_V1(chat_after_insert);
PG_FUNCTION_INFO_V1(chat_after_token);

/* Have a message indexed that stands where the index may be already. */
static void
queue_for_search(ChatKey chat, int32 number)
{
	search_queue_add(chat.application, chat.chat, number);
	if (search_queue_is_full())
	{
		TableOwnerSwitch caller = table_owner_become(OWNER_SEES_ALL);

		search_queue_flush();
		table_owner_leave(caller);
	}
}

/* What a message that is inserted, or gets another key, is after that. */
static HeapTuple
message_in_place(const TriggerData *trigger, NumberedRow row)
{
	bool		moved = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event);

	if (!row.counted)
		return row.tuple;
	if (moved)
		return message_revision_of_updated(trigger, &row, true);
	if (row.filled_in)
		queue_for_search(row.parent, row.number);
	return message_revision_of_inserted(trigger, &row);
}

/* Note a chat that is inserted, or gets another key; one that brings counters may have wrong ones. */
static void
note_chat(const TriggerData *trigger, NumberedRow row)
{
	static const char *const counters[] = {"last_message_number", "messages_count", "last_revision"};
	bool		moved = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event);

	if (!row.counted)
		return;
	change_tracking_note(row.parent.application, row.number);
	for (int i = 0; !moved && i < lengthof(counters); i++)
		if (trigger_int32(trigger, row.tuple, counters[i]) != 0)
			number_cache_touch((ChatKey) {row.parent.application, row.number});
}

/*
 * Trigger before each row that is inserted into chat.messages or chat.chats.
 */
Datum
chat_before_insert(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_check(fcinfo, (TriggerUse) {
		.when = BEFORE_ROW, .events = ON_INSERT,
		.tables = TABLE_BIT(TABLE_MESSAGES) | TABLE_BIT(TABLE_CHATS)
	});

	NumberedRow row = row_number_give(trigger, trigger->tg_trigtuple);

	if (trigger_is_on(trigger, TABLE_MESSAGES))
		return PointerGetDatum(message_in_place(trigger, row));
	note_chat(trigger, row);
	return PointerGetDatum(row.tuple);
}

/*
 * Trigger before each row of chat.messages that is updated. One with another key is
 * like one that is inserted in its new place.
 */
Datum
chat_before_update_messages(PG_FUNCTION_ARGS)
{
	static const char *const key[] = {"application_id", "chat_number", "number"};
	TriggerData *trigger = trigger_check(fcinfo, (TriggerUse) {
		.when = BEFORE_ROW, .events = ON_UPDATE,
		.tables = TABLE_BIT(TABLE_MESSAGES)
	});
	NumberedRow row = {.tuple = trigger->tg_newtuple};

	if (number_cache_in_function())
		return PointerGetDatum(row.tuple);
	if (trigger_changes(trigger, key, lengthof(key)))
		return PointerGetDatum(message_in_place(trigger, row_number_give(trigger, row.tuple)));
	row.parent.application = trigger_int32(trigger, row.tuple, "application_id");
	row.parent.chat = trigger_int32(trigger, row.tuple, "chat_number");
	return PointerGetDatum(message_revision_of_updated(trigger, &row, false));
}

/* Queue parents whose row was changed, and have them mirrored. As the owner. */
static void
queue_changed(const ChatKey *parents, int count)
{
	recount_queue_add(parents, count);
	for (int i = 0; i < count; i++)
		change_tracking_note(parents[i].application, parents[i].chat);
}

/*
 * Have the messages of a chat indexed anew. Its row is locked first, if it has the
 * key still, against the worker, who locks it too before it writes a chat's first
 * watermark. As the owner.
 */
static void
forget_watermark(ChatKey chat)
{
	static SavedPlan lock = SAVED_PLAN(
		"SELECT FROM chat.chats WHERE application_id = $1 AND number = $2 FOR UPDATE",
		INT4OID, INT4OID);
	Datum		key[2] = {Int32GetDatum(chat.application), Int32GetDatum(chat.chat)};

	spi_plan_write(&lock, key, NULL);
	search_queue_forget_chats(&chat, 1);
}

/* Whether a row of chat.chats is one that was deleted, and waits to be purged. */
static bool
is_deleted(const TriggerData *trigger, HeapTuple chat)
{
	bool		isnull;

	(void) trigger_value(trigger, chat, "deleted_at", TIMESTAMPTZOID, &isnull);
	return !isnull;
}

/*
 * Trigger after each row of chat.chats that is updated: queues what is to be
 * counted. A chat with another key is also like one that is inserted there.
 *
 * For each row, not for the statement: transition tables would collect the
 * functions' own updates, too, at 2 % more instructions of each message. After
 * it, not before: where a table has a trigger before each update, PostgreSQL locks
 * the row first, which parent_counter.c must not have.
 */
Datum
chat_after_update_chats(PG_FUNCTION_ARGS)
{
	static const char *const key[] = {"application_id", "number"};
	static const char *const counts[] = {"last_message_number", "messages_count", "last_revision"};
	TriggerData *trigger = trigger_check(fcinfo, (TriggerUse) {
		.when = AFTER_ROW, .events = ON_UPDATE,
		.tables = TABLE_BIT(TABLE_CHATS)
	});
	HeapTuple	before = trigger->tg_trigtuple;
	HeapTuple	after = trigger->tg_newtuple;
	TableOwnerSwitch caller;
	ChatKey		from;
	ChatKey		to;
	bool		moved;
	bool		deleted;

	if (number_cache_in_function())
		return PointerGetDatum(NULL);
	moved = trigger_changes(trigger, key, lengthof(key));
	deleted = is_deleted(trigger, before) != is_deleted(trigger, after);
	if (moved)
		note_chat(trigger, row_number_give(trigger, after));
	else if (!deleted && !trigger_changes(trigger, counts, lengthof(counts)))
		return PointerGetDatum(NULL);

	from = (ChatKey) {trigger_int32(trigger, before, "application_id"), trigger_int32(trigger, before, "number")};
	to = (ChatKey) {trigger_int32(trigger, after, "application_id"), trigger_int32(trigger, after, "number")};
	caller = table_owner_become(OWNER_SEES_ALL);
	queue_changed((ChatKey[]) {
		to, {from.application, COUNTER_OF_CHATS}, {to.application, COUNTER_OF_CHATS}
	}, moved || deleted ? 3 : 1);
	if (moved || trigger_int32(trigger, after, "last_message_number") <
		trigger_int32(trigger, before, "last_message_number"))
		forget_watermark(from);
	if (moved)
		deleted_messages_follow(from, to);
	if ((moved || deleted) && redis_key_queue_in_use())
		redis_key_queue_add_chat(from.application, from.chat);
	table_owner_leave(caller);
	return PointerGetDatum(NULL);
}

/*
 * Trigger after each row of chat.application_counters that is inserted, updated
 * or deleted.
 */
Datum
chat_after_application_counters(PG_FUNCTION_ARGS)
{
	static const char *const columns[] = {"application_id", "last_chat_number", "chats_count"};
	TriggerData *trigger = trigger_check(fcinfo, (TriggerUse) {
		.when = AFTER_ROW, .events = ON_INSERT | ON_UPDATE | ON_DELETE,
		.tables = TABLE_BIT(TABLE_APPLICATION_COUNTERS)
	});
	bool		updated = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event);
	TableOwnerSwitch caller;
	ChatKey		parents[2] = {{.chat = COUNTER_OF_CHATS}, {.chat = COUNTER_OF_CHATS}};

	if (number_cache_in_function() || (updated && !trigger_changes(trigger, columns, lengthof(columns))))
		return PointerGetDatum(NULL);
	caller = table_owner_become(OWNER_SEES_ALL);
	parents[0].application = trigger_int32(trigger, trigger->tg_trigtuple, "application_id");
	if (updated)
		parents[1].application = trigger_int32(trigger, trigger->tg_newtuple, "application_id");
	queue_changed(parents, updated && parents[0].application != parents[1].application ? 2 : 1);
	table_owner_leave(caller);
	return PointerGetDatum(NULL);
}

/*
 * Trigger after a row of chat.applications lost its token, or was deleted:
 * has the worker delete the token's keys in Redis.
 */
Datum
chat_after_token(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_check(fcinfo, (TriggerUse) {
		.when = AFTER_ROW, .events = ON_UPDATE | ON_DELETE,
		.tables = TABLE_BIT(TABLE_APPLICATIONS)
	});

	if (redis_key_queue_in_use())
	{
		TableOwnerSwitch caller = table_owner_become(OWNER_SEES_ALL);
		bool		isnull;
		Datum		token = trigger_value(trigger, trigger->tg_trigtuple, "token", TEXTOID, &isnull);

		if (!isnull)
			redis_key_queue_add_token(token);
		change_tracking_note(trigger_int32(trigger, trigger->tg_trigtuple, "id"), 0);
		table_owner_leave(caller);
	}
	return PointerGetDatum(NULL);
}

static bool
has_collected(void)
{
	return number_cache_in_use() || !search_queue_is_empty();
}

/* Write what was collected while rows were inserted. */
static void
flush(void)
{
	TableOwnerSwitch caller;

	if (!has_collected())
		return;
	caller = table_owner_become(OWNER_SEES_ALL);
	number_cache_flush();
	search_queue_flush();
	table_owner_leave(caller);
}

/*
 * Trigger after a statement that inserts into chat.messages or chat.chats, or
 * updates keys of the latter.
 */
Datum
chat_after_insert(PG_FUNCTION_ARGS)
{
	(void) trigger_check(fcinfo, (TriggerUse) {
		.when = AFTER_STATEMENT, .events = ON_INSERT | ON_UPDATE,
		.tables = TABLE_BIT(TABLE_MESSAGES) | TABLE_BIT(TABLE_CHATS)
	});
	flush();
	return PointerGetDatum(NULL);
}

/*
 * Write what is left when the transaction is about to end. There is something
 * left where rows come to a table without a statement on it: through a table
 * of which it is a partition, or from a subscription. What others deferred to
 * the end of the transaction is done then, and may leave more.
 */
static void
flush_at_end(void)
{
	while (has_collected() && OidIsValid(chat_table_oid(TABLE_CHATS)))
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		flush();
		PopActiveSnapshot();
		AfterTriggerFireDeferred();
	}
}

static void
on_transaction_end(XactEvent event, void *argument)
{
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
		flush_at_end();
}

/*
 * Register for the ends of transactions. Called once, when the library is
 * loaded.
 */
void
row_triggers_init(void)
{
	RegisterXactCallback(on_transaction_end, NULL);
}
