/*
 * triggers.c
 *	  Changes of the tables by other ways than the functions.
 *
 * Whoever owns the tables may change them directly: INSERT, COPY, UPDATE,
 * DELETE, TRUNCATE. The triggers here keep what cannot wait, the numbers, and
 * leave what can, the counts, to the worker.
 *
 *	- A row inserted without a number gets the next one; one inserted with a
 *	  number raises its parent's highest number, so that the next automatic
 *	  one does not meet it. The parent's row is locked from then on, as by the
 *	  functions.
 *	- What was changed is noted in chat_internal.recount_queue, in the same
 *	  transaction: the worker counts those chats anew.
 *	- So are messages that a search index holds as they were before: see
 *	  search_queue.c.
 *
 * Numbers are given by number_cache.c. The functions insert rows too, and have done
 * all of this themselves: for them the triggers do nothing.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "changes/change_tracking.h"
#include "changes/recount_queue.h"
#include "changes/search_queue.h"
#include "common/spi_plan.h"
#include "common/table_owner.h"
#include "core/arg_error.h"
#include "core/number_cache.h"
#include "core/triggers.h"
#include "guc.h"

PG_FUNCTION_INFO_V1(chat_before_insert);
PG_FUNCTION_INFO_V1(chat_before_update_messages);
PG_FUNCTION_INFO_V1(chat_before_update_chats);
PG_FUNCTION_INFO_V1(chat_before_update_application_counters);
PG_FUNCTION_INFO_V1(chat_after_application_counters);
PG_FUNCTION_INFO_V1(chat_before_truncate);
PG_FUNCTION_INFO_V1(chat_after_insert);
PG_FUNCTION_INFO_V1(chat_after_update_messages);
PG_FUNCTION_INFO_V1(chat_after_delete_messages);
PG_FUNCTION_INFO_V1(chat_after_delete_chats);
PG_FUNCTION_INFO_V1(chat_after_token);

/* Have a message indexed that stands where the index may be already. */
static void
queue_for_search(Relation relation, int32 application, int32 chat, int32 number)
{
	search_queue_add(application, chat, number);
	if (search_queue_is_full())
	{
		TableOwnerSwitch		caller = table_owner_become(relation);

		search_queue_flush();
		table_owner_leave(caller);
	}
}

/*
 * The value in a row of the column with this name and type. Raises 42703 if
 * the table has none of this name, 42804 if it has one of another type.
 */
static Datum
value_of(Relation relation, HeapTuple tuple, const char *column, Oid type, bool *isnull)
{
	TupleDesc	descriptor = RelationGetDescr(relation);
	int			number = SPI_fnumber(descriptor, column);

	if (number <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("table \"%s\" has no column \"%s\", which pg_chat gave it",
						RelationGetRelationName(relation), column),
				 errhint("Give the column its name again with ALTER TABLE ... RENAME COLUMN.")));
	spi_require_type(column, SPI_gettypeid(descriptor, number), type);
	return heap_getattr(tuple, number, descriptor, isnull);
}

/* An integer of a row, by its column's name. */
static int32
int32_of(const TriggerData *trigger, HeapTuple tuple, const char *column)
{
	bool		isnull;

	return DatumGetInt32(value_of(trigger->tg_relation, tuple, column, INT4OID, &isnull));
}

/*
 * Give a row that is about to stand in chat.messages or chat.chats a number,
 * or take note of the one it has. Returns the row. Raises 23503 if it has no
 * parent, 22003 for a number below 1, 54000 if there is none left.
 */
static HeapTuple
number_row(TriggerData *trigger, HeapTuple tuple)
{
	Relation	relation = trigger->tg_relation;
	bool		is_message = strcmp(RelationGetRelationName(relation), "messages") == 0;
	const char *noun = is_message ? "message" : "chat";
	int32		application;
	int32		chat = COUNTER_OF_CHATS;
	int32		number;
	bool		isnull;
	bool		unnumbered;
	NumberCounter    *counter;

	number = DatumGetInt32(value_of(relation, tuple, "number", INT4OID, &unnumbered));
	if (!unnumbered && number_cache_in_function())
		return tuple;

	/* A null in the rest of the key is the table's own error. */
	application = DatumGetInt32(value_of(relation, tuple, "application_id", INT4OID, &isnull));
	if (!isnull && is_message)
		chat = DatumGetInt32(value_of(relation, tuple, "chat_number", INT4OID, &isnull));
	if (isnull)
		return tuple;

	if (!unnumbered && number < 1)
		arg_error_raise(arg_error_number_range(noun, number));

	counter = number_cache_get(application, chat, relation);
	if (unnumbered)
	{
		int			column = SPI_fnumber(RelationGetDescr(relation), "number");
		Datum		value;
		bool		value_isnull = false;

		if (counter->last_number == PG_INT32_MAX)
			arg_error_raise(arg_error_numbers_exhausted(noun));
		number = counter->last_number + 1;
		value = Int32GetDatum(number);
		tuple = heap_modify_tuple_by_cols(tuple, RelationGetDescr(relation), 1, &column,
										  &value, &value_isnull);
	}
	else if (is_message && number <= counter->last_before && TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		queue_for_search(relation, application, chat, number);
	counter->last_number = Max(counter->last_number, number);
	if (!is_message)
	{
		change_tracking_note(application, number);
		if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event) &&
			(int32_of(trigger, tuple, "last_message_number") != 0 ||
			 int32_of(trigger, tuple, "messages_count") != 0))
			number_cache_touch(application, number);
	}
	return tuple;
}

/*
 * Trigger before each row that is inserted into chat.messages or chat.chats.
 */
Datum
chat_before_insert(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	return PointerGetDatum(number_row(trigger, trigger->tg_trigtuple));
}

/* Whether an update changes one of these columns, which hold integers. */
static bool
changes_any(const TriggerData *trigger, const char *const *columns, int count)
{
	for (int i = 0; i < count; i++)
	{
		bool		old_isnull;
		bool		new_isnull;

		if (value_of(trigger->tg_relation, trigger->tg_trigtuple, columns[i], INT4OID, &old_isnull) !=
			value_of(trigger->tg_relation, trigger->tg_newtuple, columns[i], INT4OID, &new_isnull) ||
			old_isnull != new_isnull)
			return true;
	}
	return false;
}

/*
 * Trigger before each row of chat.messages whose key is updated: in its new
 * place it is like one that is inserted there.
 */
Datum
chat_before_update_messages(PG_FUNCTION_ARGS)
{
	static const char *const key[] = {"application_id", "chat_number", "number"};
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!changes_any(trigger, key, lengthof(key)))
		return PointerGetDatum(trigger->tg_newtuple);
	return PointerGetDatum(number_row(trigger, trigger->tg_newtuple));
}

/* Queue parents whose row was changed, and have them mirrored. */
static void
queue_changed(Relation relation, const ChatKey *parents, int count)
{
	TableOwnerSwitch		caller = table_owner_become(relation);

	recount_queue_add(parents, count);
	for (int i = 0; i < count; i++)
		change_tracking_note(parents[i].application, parents[i].chat);
	table_owner_leave(caller);
}

/* Have the worker delete the key in Redis of a chat that got another number. */
static void
retire_chat(Relation relation, int32 application, int32 number)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat_internal.redis_key_queue (token, chat_number)"
		" SELECT token, $2 FROM chat.applications WHERE id OPERATOR(pg_catalog.=) $1",
		INT4OID, INT4OID);
	Datum		values[2] = {Int32GetDatum(application), Int32GetDatum(number)};

	if (*guc_redis_url != '\0')
	{
		TableOwnerSwitch		caller = table_owner_become(relation);

		spi_plan_write(&plan, values, NULL);
		table_owner_leave(caller);
	}
}

static bool
lowers_last_number(const TriggerData *trigger)
{
	return int32_of(trigger, trigger->tg_newtuple, "last_message_number") <
		int32_of(trigger, trigger->tg_trigtuple, "last_message_number");
}

/*
 * Have the messages of a chat indexed anew. Its row is locked first, against
 * the worker, who locks it too before it writes a chat's first watermark.
 */
static void
forget_watermark(Relation relation, int32 application, int32 number)
{
	static SavedPlan lock = SAVED_PLAN(
		"SELECT FROM chat.chats WHERE application_id OPERATOR(pg_catalog.=) $1"
		" AND number OPERATOR(pg_catalog.=) $2 FOR UPDATE",
		INT4OID, INT4OID);
	Datum		key[2] = {Int32GetDatum(application), Int32GetDatum(number)};
	ChatKey chat = {application, number};
	Datum		keys[2];
	TableOwnerSwitch		caller = table_owner_become(relation);

	spi_plan_write(&lock, key, NULL);
	chat_keys_to_arrays(&chat, 1, keys);
	search_queue_forget_chats(keys);
	table_owner_leave(caller);
}

/*
 * Trigger before each row of chat.chats that is updated: queues what is to be
 * counted. A chat with another key is also like one that is inserted there.
 *
 * For each row, not for the statement: transition tables would collect the
 * functions' own updates, too, at 2 % more instructions of each message.
 */
Datum
chat_before_update_chats(PG_FUNCTION_ARGS)
{
	static const char *const key[] = {"application_id", "number"};
	static const char *const counts[] = {"last_message_number", "messages_count"};
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	HeapTuple	tuple = trigger->tg_newtuple;
	bool		moved;

	if (number_cache_in_function())
		return PointerGetDatum(tuple);
	moved = changes_any(trigger, key, lengthof(key));
	if (moved)
		tuple = number_row(trigger, tuple);
	if (moved || changes_any(trigger, counts, lengthof(counts)))
	{
		int32		from = int32_of(trigger, trigger->tg_trigtuple, "application_id");
		int32		to = int32_of(trigger, tuple, "application_id");
		ChatKey parents[] = {
			{to, int32_of(trigger, tuple, "number")}, {from, COUNTER_OF_CHATS}, {to, COUNTER_OF_CHATS}
		};

		queue_changed(trigger->tg_relation, parents, moved ? 3 : 1);
		if (moved || lowers_last_number(trigger))
			forget_watermark(trigger->tg_relation, from,
							 int32_of(trigger, trigger->tg_trigtuple, "number"));
		if (moved)
			retire_chat(trigger->tg_relation, from, int32_of(trigger, trigger->tg_trigtuple, "number"));
	}
	return PointerGetDatum(tuple);
}

/*
 * The same of chat.application_counters.
 */
Datum
chat_before_update_application_counters(PG_FUNCTION_ARGS)
{
	static const char *const columns[] = {"application_id", "last_chat_number", "chats_count"};
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!number_cache_in_function() && changes_any(trigger, columns, lengthof(columns)))
	{
		ChatKey parents[] = {
			{int32_of(trigger, trigger->tg_trigtuple, "application_id"), COUNTER_OF_CHATS},
			{int32_of(trigger, trigger->tg_newtuple, "application_id"), COUNTER_OF_CHATS}
		};

		queue_changed(trigger->tg_relation, parents,
					  parents[0].application != parents[1].application ? 2 : 1);
	}
	return PointerGetDatum(trigger->tg_newtuple);
}

/*
 * Trigger after each row that is inserted into chat.application_counters or
 * deleted from there.
 */
Datum
chat_after_application_counters(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!number_cache_in_function())
	{
		ChatKey parent = {int32_of(trigger, trigger->tg_trigtuple, "application_id"), COUNTER_OF_CHATS};

		queue_changed(trigger->tg_relation, &parent, 1);
	}
	return PointerGetDatum(NULL);
}

/* Write what was collected while rows were inserted. */
static void
flush(Relation relation)
{
	TableOwnerSwitch		caller;

	if (!number_cache_in_use() && search_queue_is_empty())
		return;
	caller = table_owner_become(relation);
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
	flush(((TriggerData *) fcinfo->context)->tg_relation);
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
	while (number_cache_in_use() || !search_queue_is_empty())
	{
		Oid			oid = get_relname_relid("chats", get_namespace_oid("chat", true));
		Relation	chats;

		if (!OidIsValid(oid))
			return;				/* the extension was dropped */
		PushActiveSnapshot(GetTransactionSnapshot());
		chats = table_open(oid, AccessShareLock);
		flush(chats);
		table_close(chats, NoLock);
		PopActiveSnapshot();
		AfterTriggerFireDeferred();
	}
}

/*
 * Run a statement of a trigger, which may name its transition tables.
 */
static void
execute(const char *statement)
{
	if (SPI_execute(statement, false, 0) < 0)
		elog(ERROR, "could not execute a trigger's statement");
}

static TableOwnerSwitch
become_owner_with_transition_tables(TriggerData *trigger)
{
	TableOwnerSwitch		caller = table_owner_become(trigger->tg_relation);

	if (SPI_register_trigger_data(trigger) < 0)
		elog(ERROR, "could not register a trigger's transition tables");
	return caller;
}

/*
 * Have messages indexed anew, whose keys a query finds in the transition table
 * old_rows and others, and the worker be told.
 */
static void
queue_rows_for_search(const char *keys)
{
	if (!search_queue_add_from(keys))
		return;
	execute("SELECT application_id, chat_number FROM old_rows LIMIT 1");
	change_tracking_note(spi_result_int32(0, 1), spi_result_int32(0, 2));
}

/*
 * Trigger after a statement that updates chat.messages, with old_rows and
 * new_rows. Raises 23503 if a message was moved to a chat that does not exist,
 * and 22003 if a number is below 1.
 */
Datum
chat_after_update_messages(PG_FUNCTION_ARGS)
{
	TableOwnerSwitch		caller = become_owner_with_transition_tables((TriggerData *) fcinfo->context);

	execute("SELECT number FROM new_rows WHERE number OPERATOR(pg_catalog.<) 1 LIMIT 1");
	if (SPI_processed > 0)
		arg_error_raise(arg_error_number_range("message", spi_result_int32(0, 1)));
	execute("SELECT application_id, chat_number FROM new_rows AS n WHERE NOT EXISTS"
			" (SELECT FROM chat.chats AS c WHERE c.application_id OPERATOR(pg_catalog.=) n.application_id"
			" AND c.number OPERATOR(pg_catalog.=) n.chat_number) LIMIT 1");
	if (SPI_processed > 0)
		number_cache_raise_no_chat(spi_result_int32(0, 1), spi_result_int32(0, 2));

	execute("INSERT INTO chat_internal.recount_queue (application_id, chat_number)"
			" SELECT application_id, chat_number FROM"
			" (SELECT application_id, chat_number, number FROM old_rows"
			" EXCEPT SELECT application_id, chat_number, number FROM new_rows) AS o"
			" UNION SELECT application_id, chat_number FROM"
			" (SELECT application_id, chat_number, number FROM new_rows"
			" EXCEPT SELECT application_id, chat_number, number FROM old_rows) AS n");
	number_cache_flush();
	queue_rows_for_search("SELECT application_id, chat_number, number FROM"
						  " (SELECT application_id, chat_number, number, body FROM old_rows"
						  " EXCEPT SELECT application_id, chat_number, number, body FROM new_rows) AS o"
						  " UNION SELECT application_id, chat_number, number FROM"
						  " (SELECT application_id, chat_number, number, body FROM new_rows"
						  " EXCEPT SELECT application_id, chat_number, number, body FROM old_rows) AS n");
	table_owner_leave(caller);
	return PointerGetDatum(NULL);
}

/*
 * Trigger after a statement that deletes from chat.messages, with old_rows.
 */
Datum
chat_after_delete_messages(PG_FUNCTION_ARGS)
{
	TableOwnerSwitch		caller = become_owner_with_transition_tables((TriggerData *) fcinfo->context);

	/* Those of chats that were deleted are gone with them. */
	execute("INSERT INTO chat_internal.recount_queue (application_id, chat_number)"
			" SELECT o.application_id, o.chat_number"
			" FROM (SELECT DISTINCT application_id, chat_number FROM old_rows) AS o"
			" JOIN chat.chats AS c ON c.application_id OPERATOR(pg_catalog.=) o.application_id"
			" AND c.number OPERATOR(pg_catalog.=) o.chat_number");
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
	TableOwnerSwitch		caller = become_owner_with_transition_tables((TriggerData *) fcinfo->context);
	ChatKey *deleted;
	uint64		count;
	Datum		keys[2];

	execute("INSERT INTO chat_internal.recount_queue (application_id, chat_number)"
			" SELECT o.application_id, 0 FROM (SELECT DISTINCT application_id FROM old_rows) AS o"
			" JOIN chat.applications AS a ON a.id OPERATOR(pg_catalog.=) o.application_id");
	if (*guc_redis_url != '\0')
		execute("INSERT INTO chat_internal.redis_key_queue (token, chat_number)"
				" SELECT a.token, o.number FROM old_rows AS o"
				" JOIN chat.applications AS a ON a.id OPERATOR(pg_catalog.=) o.application_id");
	execute("SELECT application_id, number FROM old_rows");
	count = SPI_processed;
	deleted = MemoryContextAllocHuge(CurrentMemoryContext, (count + 1) * sizeof(ChatKey));
	for (uint64 row = 0; row < count; row++)
	{
		deleted[row] = (ChatKey) {spi_result_int32(row, 1), spi_result_int32(row, 2)};
		change_tracking_note(deleted[row].application, deleted[row].chat);
	}
	chat_keys_to_arrays(deleted, count, keys);
	search_queue_forget_chats(keys);
	table_owner_leave(caller);
	return PointerGetDatum(NULL);
}

/*
 * Trigger before a TRUNCATE, after which everything is to be counted.
 */
Datum
chat_before_truncate(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TableOwnerSwitch		caller = table_owner_become(trigger->tg_relation);

	execute("INSERT INTO chat_internal.recount_queue (application_id, chat_number) VALUES (0, 0)");
	if (strcmp(RelationGetRelationName(trigger->tg_relation), "application_counters") != 0)
		search_queue_forget_all();
	if (*guc_redis_url != '\0' &&
		strcmp(RelationGetRelationName(trigger->tg_relation), "chats") == 0)
		execute("INSERT INTO chat_internal.redis_key_queue (token) SELECT token FROM chat.applications");
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
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat_internal.redis_key_queue (token) VALUES ($1)", TEXTOID);

	if (*guc_redis_url != '\0')
	{
		TableOwnerSwitch		caller = table_owner_become(trigger->tg_relation);
		bool		isnull;
		Datum		token = value_of(trigger->tg_relation, trigger->tg_trigtuple, "token", TEXTOID, &isnull);

		if (!isnull)
			spi_plan_write(&plan, &token, NULL);
		change_tracking_note(int32_of(trigger, trigger->tg_trigtuple, "id"), 0);
		table_owner_leave(caller);
	}
	return PointerGetDatum(NULL);
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
triggers_init(void)
{
	RegisterXactCallback(on_transaction_end, NULL);
}
