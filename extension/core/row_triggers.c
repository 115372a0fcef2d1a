/*
 * row_triggers.c
 *	  Rows that are changed by other ways than the functions.
 *
 * The tables' owner may change them directly: INSERT, COPY, UPDATE,
 * DELETE, TRUNCATE. The triggers keep what cannot wait, the numbers, and leave
 * what can, the counts, to the worker.
 *
 *	- A row inserted without a number gets the next one; one inserted with a
 *	  number raises its parent's highest number, so that the next automatic
 *	  one does not meet it. The parent's row is locked from then on, as by the
 *	  functions. See number_cache.c.
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
#include "core/arg_error.h"
#include "core/number_cache.h"
#include "core/row_triggers.h"
#include "core/trigger_call.h"

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

/* A row with another value in a column. */
static HeapTuple
set_column(const TriggerData *trigger, HeapTuple tuple, const char *name, Datum value, bool isnull)
{
	TupleDesc	descriptor = RelationGetDescr(trigger->tg_relation);
	int			column = SPI_fnumber(descriptor, name);

	return heap_modify_tuple_by_cols(tuple, descriptor, 1, &column, &value, &isnull);
}

/* A row of chat.messages without the revision that is the column's default, which stands for none. */
static HeapTuple
without_default_revision(const TriggerData *trigger, HeapTuple tuple)
{
	bool		isnull;
	int32		revision = DatumGetInt32(trigger_value(trigger, tuple, "revision", INT4OID, &isnull));

	return isnull || revision != 0 ? tuple : set_column(trigger, tuple, "revision", (Datum) 0, true);
}

/*
 * Give a row that is about to stand in chat.messages or chat.chats a number,
 * or take note of the one it has. Returns the row. Raises 23503 if it has no
 * parent, 22003 for a number below 1, 54000 if there is none left.
 */
static HeapTuple
number_row(TriggerData *trigger, HeapTuple tuple)
{
	bool		is_message = trigger_is_on(trigger, TABLE_MESSAGES);
	bool		inserted = TRIGGER_FIRED_BY_INSERT(trigger->tg_event);
	const char *noun = is_message ? "message" : "chat";
	ChatKey		parent = {.chat = COUNTER_OF_CHATS};
	int32		number;
	bool		isnull;
	bool		unnumbered;
	NumberCounter counter;

	number = DatumGetInt32(trigger_value(trigger, tuple, "number", INT4OID, &unnumbered));
	if (!unnumbered && number_cache_in_function())
		return tuple;

	/* A null in the rest of the key is the table's own error. */
	parent.application = DatumGetInt32(trigger_value(trigger, tuple, "application_id", INT4OID, &isnull));
	if (!isnull && is_message)
		parent.chat = DatumGetInt32(trigger_value(trigger, tuple, "chat_number", INT4OID, &isnull));
	if (isnull)
		return tuple;

	if (!unnumbered && number < 1)
		arg_error_raise(arg_error_number_range(noun, number));
	if (is_message && parent.chat == COUNTER_OF_CHATS)
		number_cache_raise_no_chat(parent);

	counter = number_cache_get(parent);
	if (unnumbered)
	{
		if (counter.last_number == PG_INT32_MAX)
			arg_error_raise(arg_error_numbers_exhausted(noun));
		number = counter.last_number + 1;
		tuple = set_column(trigger, tuple, "number", Int32GetDatum(number), false);
	}
	number_cache_raise(parent, number);
	if (is_message && !unnumbered && inserted && number <= counter.last_before)
		queue_for_search(parent, number);
	if (is_message)
		tuple = without_default_revision(trigger, tuple);
	else
	{
		change_tracking_note(parent.application, number);
		if (inserted &&
			(trigger_int32(trigger, tuple, "last_message_number") != 0 ||
			 trigger_int32(trigger, tuple, "messages_count") != 0))
			number_cache_touch((ChatKey) {parent.application, number});
	}
	return tuple;
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

	return PointerGetDatum(number_row(trigger, trigger->tg_trigtuple));
}

/*
 * Trigger before each row of chat.messages whose key is updated: in its new
 * place it is like one that is inserted there.
 */
Datum
chat_before_update_messages(PG_FUNCTION_ARGS)
{
	static const char *const key[] = {"application_id", "chat_number", "number"};
	TriggerData *trigger = trigger_check(fcinfo, (TriggerUse) {
		.when = BEFORE_ROW, .events = ON_UPDATE,
		.tables = TABLE_BIT(TABLE_MESSAGES)
	});

	if (!trigger_changes(trigger, key, lengthof(key)))
		return PointerGetDatum(trigger->tg_newtuple);
	return PointerGetDatum(number_row(trigger, trigger->tg_newtuple));
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
	static const char *const counts[] = {"last_message_number", "messages_count"};
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
		(void) number_row(trigger, after);
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
