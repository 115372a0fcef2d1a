/*
 * statement_triggers.c
 *	  Statements that change the tables by other ways than the functions.
 *
 * The rows that a statement changed are in the trigger's transition tables,
 * old_rows and new_rows. One statement for each queue reads them and queues the
 * keys: see row_triggers.c for which, and why.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "utils/rel.h"
#include "utils/rls.h"

#include "changes/change_tracking.h"
#include "changes/recount_queue.h"
#include "changes/redis_key_queue.h"
#include "changes/search_queue.h"
#include "common/spi_plan.h"
#include "common/table_owner.h"
#include "core/application_ids.h"
#include "core/arg_error.h"
#include "core/deleted_messages.h"
#include "core/message_revision.h"
#include "core/number_cache.h"
#include "core/statement_triggers.h"
#include "core/trigger_call.h"

PG_FUNCTION_INFO_V1(chat_after_insert_applications);
PG_FUNCTION_INFO_V1(chat_after_update_messages);
PG_FUNCTION_INFO_V1(chat_after_delete_messages);
PG_FUNCTION_INFO_V1(chat_after_delete_chats);
PG_FUNCTION_INFO_V1(chat_before_truncate);
PG_FUNCTION_INFO_V1(chat_after_truncate_chats);

/* Become the owner, for whom the trigger's transition tables are there. */
static TableOwnerSwitch
become_owner_with_transition_tables(TriggerData *trigger)
{
	TableOwnerSwitch caller = table_owner_become(OWNER_SEES_ALL);

	if (SPI_register_trigger_data(trigger) < 0)
		elog(ERROR, "could not register a trigger's transition tables");
	return caller;
}

/* The chat in a row of SPI_tuptable. */
static ChatKey
result_chat(uint64 row)
{
	return (ChatKey) {
		spi_result_int32(row, spi_column("application_id")), spi_result_int32(row, spi_column("chat_number"))
	};
}

/*
 * Have messages indexed anew, whose keys a query finds in the transition table
 * old_rows and others, and the worker be told.
 */
static void
queue_rows_for_search(const char *keys)
{
	ChatKey		chat;

	if (!search_queue_add_from(keys))
		return;
	spi_execute("SELECT application_id, chat_number FROM old_rows LIMIT 1");
	chat = result_chat(0);
	change_tracking_note(chat.application, chat.chat);
}

/*
 * Trigger after a statement that inserts into chat.applications: the sequence
 * goes on after the ids that it named.
 */
Datum
chat_after_insert_applications(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_check(fcinfo, (TriggerUse) {
		.when = AFTER_STATEMENT, .events = ON_INSERT,
		.tables = TABLE_BIT(TABLE_APPLICATIONS),
		.new_rows = true
	});

	if (!number_cache_in_function())
	{
		TableOwnerSwitch caller = become_owner_with_transition_tables(trigger);

		application_ids_advance("new_rows");
		table_owner_leave(caller);
	}
	return PointerGetDatum(NULL);
}

/*
 * What an UPDATE made of each message, by its key: o is null where a message came to a
 * key, n where one is gone from it.
 */
#define ROWS_BEFORE_AND_AFTER \
	"FROM old_rows AS o FULL JOIN new_rows AS n USING (application_id, chat_number, number)"

/*
 * Record messages that a statement took from their keys, unless a part of it or a trigger made
 * them again: whoever did gave them a revision, and readers are told of that. Where row-level
 * security hides messages from the owner, that cannot be seen, and all are recorded.
 */
static void
record_gone(const TriggerData *trigger, const char *keys)
{
	if (check_enable_rls(RelationGetRelid(trigger->tg_relation), InvalidOid, true) != RLS_ENABLED)
		keys = psprintf("SELECT g.application_id, g.chat_number, g.number FROM (%s) AS g"
						" LEFT JOIN LATERAL (SELECT true AS again FROM chat.messages AS m WHERE m.application_id = g.application_id"
						" AND m.chat_number = g.chat_number AND m.number = g.number LIMIT 1) AS m ON true WHERE m.again IS NULL", keys);
	deleted_messages_record(keys);
}

/* Look at the keys that an UPDATE of messages made. Raises as chat_after_update_messages does. */
static void
require_keys(void)
{
	if (spi_execute("SELECT number FROM new_rows WHERE number < 1 LIMIT 1") > 0)
		arg_error_raise(arg_error_number_range("message", spi_result_int32(0, spi_column("number"))));
	if (spi_execute("SELECT application_id, chat_number FROM new_rows AS n WHERE NOT EXISTS"
					" (SELECT FROM chat.chats AS c WHERE c.application_id = n.application_id"
					" AND c.number = n.chat_number) LIMIT 1") > 0)
		number_cache_raise_no_chat(result_chat(0));
}

/*
 * Trigger after a statement that updates chat.messages, with old_rows and
 * new_rows. Raises 23503 if a message was moved to a chat that does not exist,
 * and 22003 if a number is below 1.
 */
Datum
chat_after_update_messages(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_check(fcinfo, (TriggerUse) {
		.when = AFTER_STATEMENT, .events = ON_UPDATE,
		.tables = TABLE_BIT(TABLE_MESSAGES),
		.old_rows = true, .new_rows = true
	});
	TableOwnerSwitch caller;

	if (number_cache_in_function())
		return PointerGetDatum(NULL);
	caller = become_owner_with_transition_tables(trigger);
	require_keys();
	message_revision_of_overlooked(trigger);
	record_gone(trigger, "SELECT application_id, chat_number, number " ROWS_BEFORE_AND_AFTER " WHERE n.number IS NULL");
	recount_queue_add_from("SELECT DISTINCT application_id, chat_number " ROWS_BEFORE_AND_AFTER
						   " WHERE o.number IS NULL OR n.number IS NULL OR (o.deleted_at IS NULL) <> (n.deleted_at IS NULL)");
	number_cache_flush();
	queue_rows_for_search("SELECT application_id, chat_number, number " ROWS_BEFORE_AND_AFTER
						  " WHERE o.number IS NULL OR n.number IS NULL OR o.body IS DISTINCT FROM n.body");
	table_owner_leave(caller);
	return PointerGetDatum(NULL);
}

/*
 * Trigger after a statement that deletes from chat.messages, with old_rows.
 */
Datum
chat_after_delete_messages(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_check(fcinfo, (TriggerUse) {
		.when = AFTER_STATEMENT, .events = ON_DELETE,
		.tables = TABLE_BIT(TABLE_MESSAGES),
		.old_rows = true
	});
	TableOwnerSwitch caller = become_owner_with_transition_tables(trigger);

	/* Those of chats that were deleted are gone with them, or are purged. */
	if (!number_cache_in_function())
	{
		recount_queue_add_from("SELECT o.application_id, o.chat_number"
							   " FROM (SELECT DISTINCT application_id, chat_number FROM old_rows) AS o"
							   " JOIN chat.chats AS c ON c.application_id = o.application_id AND c.number = o.chat_number");
		record_gone(trigger, "SELECT application_id, chat_number, number FROM old_rows");
		number_cache_flush();
	}
	queue_rows_for_search("SELECT application_id, chat_number, number FROM old_rows");
	table_owner_leave(caller);
	return PointerGetDatum(NULL);
}

/*
 * Trigger after a statement that deletes from chat.chats, with old_rows.
 */
Datum
chat_after_delete_chats(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_check(fcinfo, (TriggerUse) {
		.when = AFTER_STATEMENT, .events = ON_DELETE,
		.tables = TABLE_BIT(TABLE_CHATS),
		.old_rows = true
	});
	TableOwnerSwitch caller = become_owner_with_transition_tables(trigger);
	ChatKey    *deleted;
	uint64		count;

	/* Those that are purged were counted out before. */
	if (!number_cache_in_function())
	{
		recount_queue_add_from("SELECT o.application_id, 0 FROM (SELECT DISTINCT application_id FROM old_rows) AS o"
							   " JOIN chat.applications AS a ON a.id = o.application_id");
		if (redis_key_queue_in_use())
			redis_key_queue_add_chats_from("old_rows");
	}

	count = spi_execute("SELECT application_id, number AS chat_number FROM old_rows");
	deleted = MemoryContextAllocHuge(CurrentMemoryContext, (count + 1) * sizeof(ChatKey));
	for (uint64 row = 0; row < count; row++)
	{
		deleted[row] = result_chat(row);
		change_tracking_note(deleted[row].application, deleted[row].chat);
	}
	search_queue_forget_chats(deleted, count);
	deleted_messages_forget_chats();
	table_owner_leave(caller);
	return PointerGetDatum(NULL);
}

/* Whether a TRUNCATE is under way that comes to chat.chats before chat.messages, if at all. */
static bool chats_are_truncated = false;

/*
 * Trigger before a TRUNCATE, after which everything is to be counted. Each message
 * that goes is recorded as deleted, unless all chats go, too; where chat.messages is
 * named before chat.chats, that is in vain.
 */
Datum
chat_before_truncate(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_check(fcinfo, (TriggerUse) {
		.when = BEFORE_STATEMENT, .events = ON_TRUNCATE,
		.tables = TABLE_BIT(TABLE_MESSAGES) | TABLE_BIT(TABLE_CHATS) | TABLE_BIT(TABLE_APPLICATION_COUNTERS)
	});
	TableOwnerSwitch caller = table_owner_become(OWNER_SEES_ALL);

	chats_are_truncated |= trigger_is_on(trigger, TABLE_CHATS);
	if (trigger_is_on(trigger, TABLE_MESSAGES) && !chats_are_truncated)
	{
		deleted_messages_record("SELECT application_id, chat_number, number FROM chat.messages");
		number_cache_flush();
	}
	recount_queue_add_everything();
	if (!trigger_is_on(trigger, TABLE_APPLICATION_COUNTERS))
		search_queue_forget_all();
	if (redis_key_queue_in_use() && trigger_is_on(trigger, TABLE_CHATS))
		redis_key_queue_add_all_tokens();
	table_owner_leave(caller);
	return PointerGetDatum(NULL);
}

/*
 * Trigger after a TRUNCATE of chat.chats.
 */
Datum
chat_after_truncate_chats(PG_FUNCTION_ARGS)
{
	TableOwnerSwitch caller;

	(void) trigger_check(fcinfo, (TriggerUse) {
		.when = AFTER_STATEMENT, .events = ON_TRUNCATE,
		.tables = TABLE_BIT(TABLE_CHATS)
	});
	caller = table_owner_become(OWNER_SEES_ALL);
	chats_are_truncated = false;
	deleted_messages_forget_all();
	table_owner_leave(caller);
	return PointerGetDatum(NULL);
}

static void
on_transaction_end(XactEvent event, void *argument)
{
	chats_are_truncated = false;
}

static void
on_subtransaction_end(SubXactEvent event, SubTransactionId subtransaction, SubTransactionId parent, void *argument)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		chats_are_truncated = false;
}

/*
 * Register for the ends of transactions. Called once, when the library is
 * loaded.
 */
void
statement_triggers_init(void)
{
	RegisterXactCallback(on_transaction_end, NULL);
	RegisterSubXactCallback(on_subtransaction_end, NULL);
}
