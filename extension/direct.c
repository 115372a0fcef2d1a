/*
 * direct.c
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
 *	- What was changed is noted in chat.changed_chats, in the same
 *	  transaction: the worker counts those chats anew.
 *	- So are messages that a search index holds as they were before: see
 *	  search_queue.c.
 *
 * A statement may insert a million rows. So the parents it meets, here called
 * counters, are kept in a table of the process until the statement ends, and
 * their rows are updated once.
 *
 * The functions insert rows too, and have done all of this themselves: for
 * them the triggers do nothing. They are told apart by the depth of nested
 * triggers, so that an insertion by somebody's own trigger, within an
 * insertion by the functions, is still seen as a direct one.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "array.h"
#include "changes.h"
#include "chat.h"
#include "direct.h"
#include "plan.h"
#include "problem.h"
#include "reconcile.h"
#include "search_queue.h"
#include "settings.h"

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

/* chat 0 stands for the application itself, whose counter counts chats. */
#define COUNTER_OF_CHATS 0

/* The counter of a parent, while a statement inserts children. */
typedef struct Counter
{
	int32		application;	/* the key: application and chat */
	int32		chat;
	int32		last_number;
	int32		last_before;	/* last_number as it was found */
	bool		stale;			/* the table may have a higher one by now */
	SubTransactionId subtransaction;	/* that met the counter first */
} Counter;

#define COUNTER_KEY_SIZE (2 * sizeof(int32))

/* The counters of the statements under way; NULL if there are none. */
static HTAB *counters = NULL;

/* Depth of triggers at which rows come from the functions; 0: nowhere. */
static int	api_depth = 0;

/* What to return to when a trigger has acted as the owner of its table. */
typedef struct Caller
{
	Oid			user;
	int			security_context;
	int			nest_level;
} Caller;

/*
 * Connect to SPI as the owner of the trigger's table, with a search_path that
 * nobody else can plant objects in: as a SECURITY DEFINER function with a
 * setting would do, but only where there is something to do. Declared so, the
 * triggers would take a sixth of the time of a message of the functions.
 */
static Caller
become_owner(Relation relation)
{
	Caller		caller;

	GetUserIdAndSecContext(&caller.user, &caller.security_context);
	SetUserIdAndSecContext(relation->rd_rel->relowner,
						   caller.security_context | SECURITY_LOCAL_USERID_CHANGE);
	caller.nest_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	SPI_connect();
	return caller;
}

/* Undo become_owner. After an error, the abort of the transaction does it. */
static void
become_caller(Caller caller)
{
	SPI_finish();
	AtEOXact_GUC(true, caller.nest_level);
	SetUserIdAndSecContext(caller.user, caller.security_context);
}

static int
trigger_depth(void)
{
	return DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, (Datum) 0));
}

/* Whether the trigger is fired by a statement of the functions. */
static bool
by_functions(void)
{
	return api_depth != 0 && trigger_depth() == api_depth;
}

/* What is done next is done by the functions. Returns what was before. */
static int
enter_functions(void)
{
	int			previous = api_depth;

	api_depth = trigger_depth() + 1;
	return previous;
}

/*
 * Queue parents, to be counted anew, but for those of applications that were
 * deleted: the keys are arrays of applications and chats. Connected to SPI, as
 * the owner.
 */
static void
queue(const Datum *keys)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat.changed_chats (application_id, chat_number)"
		" SELECT k.* FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS k (application_id, number)"
		" WHERE EXISTS (SELECT FROM chat.applications AS a WHERE a.id OPERATOR(pg_catalog.=) k.application_id)",
		INT4ARRAYOID, INT4ARRAYOID);

	plan_modify(&plan, keys, NULL);
}

/*
 * Write the counters that were raised, and note the chats that were met. Those
 * that an outer subtransaction met are kept: if this one is rolled back, they
 * have to be written again. Connected to SPI, as the owner.
 */
static void
flush_counters(void)
{
	static SavedPlan update_chats = SAVED_PLAN(
		"UPDATE chat.chats AS c SET last_number = k.last_number"
		" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3))"
		" AS k (application_id, number, last_number)"
		" WHERE c.application_id OPERATOR(pg_catalog.=) k.application_id"
		" AND c.number OPERATOR(pg_catalog.=) k.number"
		" AND c.last_number OPERATOR(pg_catalog.<) k.last_number",
		INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID);
	static SavedPlan update_applications = SAVED_PLAN(
		"UPDATE chat.application_counters AS c SET last_chat_number = k.last_number"
		" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3))"
		" AS k (application_id, number, last_number)"
		" WHERE c.application_id OPERATOR(pg_catalog.=) k.application_id"
		" AND k.number OPERATOR(pg_catalog.=) 0"
		" AND c.last_chat_number OPERATOR(pg_catalog.<) k.last_number",
		INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID);
	HASH_SEQ_STATUS scan;
	Counter    *counter;
	Int32Array	columns[3];
	Datum		values[3];
	SubTransactionId subtransaction = GetCurrentSubTransactionId();
	int			previous;

	if (counters == NULL)
		return;

	for (int i = 0; i < 3; i++)
		int32_array_init(&columns[i], hash_get_num_entries(counters));
	hash_seq_init(&scan, counters);
	while ((counter = hash_seq_search(&scan)) != NULL)
	{
		int32_array_append(&columns[0], counter->application);
		int32_array_append(&columns[1], counter->chat);
		int32_array_append(&columns[2], counter->last_number);
		changes_note(counter->application, counter->chat);
		counter->stale = true;
		if (counter->subtransaction == subtransaction)
			hash_search(counters, counter, HASH_REMOVE, NULL);
	}
	if (hash_get_num_entries(counters) == 0)
	{
		hash_destroy(counters);
		counters = NULL;
	}

	for (int i = 0; i < 3; i++)
		values[i] = int32_array_datum(&columns[i]);
	previous = enter_functions();
	plan_modify(&update_chats, values, NULL);
	plan_modify(&update_applications, values, NULL);
	direct_api_end(previous);
	queue(values);
}

/*
 * Begin an insertion by the functions, connected to SPI. Returns what
 * direct_api_end wants.
 */
int
direct_api_begin(void)
{
	flush_counters();
	return enter_functions();
}

/*
 * End an insertion by the functions. After an error, the abort of the
 * (sub)transaction does it.
 */
void
direct_api_end(int previous)
{
	api_depth = previous;
}

static void flush_at_end(void);

static void
on_transaction_end(XactEvent event, void *argument)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			flush_at_end();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			counters = NULL;	/* its memory ends with the transaction */
			api_depth = 0;
			break;
		default:
			break;
	}
}

/*
 * A subtransaction that aborts takes back the locks on counters that it met
 * first. Those met before stay locked; numbers that it gave from them are
 * left out, since others may have been given after them.
 */
static void
on_subtransaction_end(SubXactEvent event, SubTransactionId subtransaction,
					  SubTransactionId parent, void *argument)
{
	HASH_SEQ_STATUS scan;
	Counter    *counter;

	if (event == SUBXACT_EVENT_ABORT_SUB)
		api_depth = 0;
	if (counters == NULL ||
		(event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB))
		return;

	hash_seq_init(&scan, counters);
	while ((counter = hash_seq_search(&scan)) != NULL)
	{
		if (counter->subtransaction != subtransaction)
			continue;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			counter->subtransaction = parent;
		else
			hash_search(counters, counter, HASH_REMOVE, NULL);
	}
}

/*
 * Register for the ends of transactions. Called once, when the library is
 * loaded.
 */
void
direct_define(void)
{
	RegisterXactCallback(on_transaction_end, NULL);
	RegisterSubXactCallback(on_subtransaction_end, NULL);
}

static void
raise_no_chat(int32 application, int32 chat)
{
	ereport(ERROR,
			(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
			 errmsg("chat %d of application %d does not exist", chat, application)));
}

/*
 * Lock a parent and set the counter's last_number. Raises 23503 if the parent
 * does not exist.
 */
static void
lock_counter(Counter *counter, Relation relation)
{
	Caller		caller = become_owner(relation);

	static SavedPlan lock_chat = SAVED_PLAN(
		"SELECT last_number FROM chat.chats"
		" WHERE application_id OPERATOR(pg_catalog.=) $1 AND number OPERATOR(pg_catalog.=) $2"
		" FOR NO KEY UPDATE",
		INT4OID, INT4OID);
	static SavedPlan lock_application = SAVED_PLAN(
		"SELECT last_chat_number FROM chat.application_counters"
		" WHERE application_id OPERATOR(pg_catalog.=) $1 FOR NO KEY UPDATE",
		INT4OID);
	Datum		values[2] = {Int32GetDatum(counter->application), Int32GetDatum(counter->chat)};
	uint64		found;

	if (counter->chat != COUNTER_OF_CHATS)
		found = plan_modify(&lock_chat, values, NULL);
	else
	{
		/* An application that was inserted directly has no counter at first. */
		found = plan_modify(&lock_application, values, NULL);
		if (found == 0)
		{
			int			previous = enter_functions();

			chat_create_counters(counter->application);
			direct_api_end(previous);
			found = plan_modify(&lock_application, values, NULL);
		}
	}
	if (found == 0 && counter->chat == COUNTER_OF_CHATS)
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("application %d does not exist", counter->application)));
	if (found == 0)
		raise_no_chat(counter->application, counter->chat);
	counter->last_number = counter->last_before = plan_result_int32(0, 1);
	become_caller(caller);
}

/* Enter a parent into counters. Returns it. */
static Counter *
enter_counter(Counter fresh)
{
	HASHCTL		control = {
		.keysize = COUNTER_KEY_SIZE,
		.entrysize = sizeof(Counter),
		.hcxt = TopTransactionContext
	};
	Counter    *counter;

	if (counters == NULL)
		counters = hash_create("pg_chat counters", 64, &control,
							   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	counter = hash_search(counters, &fresh, HASH_ENTER, NULL);
	*counter = fresh;
	return counter;
}

/*
 * Meet a chat that is about to be inserted with counters of its own, which may
 * be wrong.
 */
static void
meet_counter(int32 application, int32 chat)
{
	Counter		fresh = {
		.application = application,
		.chat = chat,
		.last_before = PG_INT32_MAX,
		.stale = true,
		.subtransaction = GetCurrentSubTransactionId()
	};

	if (counters == NULL || hash_search(counters, &fresh, HASH_FIND, NULL) == NULL)
		enter_counter(fresh);
}

/*
 * The counter of a parent, locked.
 */
static Counter *
get_counter(int32 application, int32 chat, Relation relation)
{
	Counter		fresh = {.application = application, .chat = chat};
	Counter    *counter;

	if (counters != NULL)
	{
		counter = hash_search(counters, &fresh, HASH_FIND, NULL);
		if (counter != NULL && counter->stale)
		{
			lock_counter(&fresh, relation);
			counter->last_number = Max(counter->last_number, fresh.last_number);
			counter->stale = false;
		}
		if (counter != NULL)
			return counter;
	}

	/* Entered only when it is locked, so that an error leaves nothing. */
	fresh.subtransaction = GetCurrentSubTransactionId();
	lock_counter(&fresh, relation);
	return enter_counter(fresh);
}

/* Have a message indexed that stands where the index may be already. */
static void
queue_for_search(Relation relation, int32 application, int32 chat, int32 number)
{
	search_queue_add(application, chat, number);
	if (search_queue_is_full())
	{
		Caller		caller = become_owner(relation);

		search_queue_flush();
		become_caller(caller);
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
	plan_require_type(column, SPI_gettypeid(descriptor, number), type);
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
	Counter    *counter;

	number = DatumGetInt32(value_of(relation, tuple, "number", INT4OID, &unnumbered));
	if (!unnumbered && by_functions())
		return tuple;

	/* A null in the rest of the key is the table's own error. */
	application = DatumGetInt32(value_of(relation, tuple, "application_id", INT4OID, &isnull));
	if (!isnull && is_message)
		chat = DatumGetInt32(value_of(relation, tuple, "chat_number", INT4OID, &isnull));
	if (isnull)
		return tuple;

	if (!unnumbered && number < 1)
		problem_raise(problem_number_range(noun, number));

	counter = get_counter(application, chat, relation);
	if (unnumbered)
	{
		int			column = SPI_fnumber(RelationGetDescr(relation), "number");
		Datum		value;
		bool		value_isnull = false;

		if (counter->last_number == PG_INT32_MAX)
			problem_raise(problem_numbers_exhausted(noun));
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
		changes_note(application, number);
		if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event) &&
			(int32_of(trigger, tuple, "last_number") != 0 ||
			 int32_of(trigger, tuple, "messages_count") != 0))
			meet_counter(application, number);
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
queue_changed(Relation relation, const ChangedChat *parents, int count)
{
	Caller		caller = become_owner(relation);
	Datum		keys[2];

	reconcile_keys(parents, count, keys);
	queue(keys);
	for (int i = 0; i < count; i++)
		changes_note(parents[i].application, parents[i].chat);
	become_caller(caller);
}

/* Have the worker delete the key in Redis of a chat that got another number. */
static void
retire_chat(Relation relation, int32 application, int32 number)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat.retired_tokens (token, chat_number)"
		" SELECT token, $2 FROM chat.applications WHERE id OPERATOR(pg_catalog.=) $1",
		INT4OID, INT4OID);
	Datum		values[2] = {Int32GetDatum(application), Int32GetDatum(number)};

	if (*settings_redis_url != '\0')
	{
		Caller		caller = become_owner(relation);

		plan_modify(&plan, values, NULL);
		become_caller(caller);
	}
}

static bool
lowers_last_number(const TriggerData *trigger)
{
	return int32_of(trigger, trigger->tg_newtuple, "last_number") <
		int32_of(trigger, trigger->tg_trigtuple, "last_number");
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
	ChangedChat chat = {application, number};
	Datum		keys[2];
	Caller		caller = become_owner(relation);

	plan_modify(&lock, key, NULL);
	reconcile_keys(&chat, 1, keys);
	search_queue_forget_chats(keys);
	become_caller(caller);
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
	static const char *const counts[] = {"last_number", "messages_count"};
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	HeapTuple	tuple = trigger->tg_newtuple;
	bool		moved;

	if (by_functions())
		return PointerGetDatum(tuple);
	moved = changes_any(trigger, key, lengthof(key));
	if (moved)
		tuple = number_row(trigger, tuple);
	if (moved || changes_any(trigger, counts, lengthof(counts)))
	{
		int32		from = int32_of(trigger, trigger->tg_trigtuple, "application_id");
		int32		to = int32_of(trigger, tuple, "application_id");
		ChangedChat parents[] = {
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

	if (!by_functions() && changes_any(trigger, columns, lengthof(columns)))
	{
		ChangedChat parents[] = {
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

	if (!by_functions())
	{
		ChangedChat parent = {int32_of(trigger, trigger->tg_trigtuple, "application_id"), COUNTER_OF_CHATS};

		queue_changed(trigger->tg_relation, &parent, 1);
	}
	return PointerGetDatum(NULL);
}

/* Write what was collected while rows were inserted. */
static void
flush(Relation relation)
{
	Caller		caller;

	if (counters == NULL && search_queue_is_empty())
		return;
	caller = become_owner(relation);
	flush_counters();
	search_queue_flush();
	become_caller(caller);
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
	while (counters != NULL || !search_queue_is_empty())
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

static Caller
become_owner_with_transition_tables(TriggerData *trigger)
{
	Caller		caller = become_owner(trigger->tg_relation);

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
	changes_note(plan_result_int32(0, 1), plan_result_int32(0, 2));
}

/*
 * Trigger after a statement that updates chat.messages, with old_rows and
 * new_rows. Raises 23503 if a message was moved to a chat that does not exist,
 * and 22003 if a number is below 1.
 */
Datum
chat_after_update_messages(PG_FUNCTION_ARGS)
{
	Caller		caller = become_owner_with_transition_tables((TriggerData *) fcinfo->context);

	execute("SELECT number FROM new_rows WHERE number OPERATOR(pg_catalog.<) 1 LIMIT 1");
	if (SPI_processed > 0)
		problem_raise(problem_number_range("message", plan_result_int32(0, 1)));
	execute("SELECT application_id, chat_number FROM new_rows AS n WHERE NOT EXISTS"
			" (SELECT FROM chat.chats AS c WHERE c.application_id OPERATOR(pg_catalog.=) n.application_id"
			" AND c.number OPERATOR(pg_catalog.=) n.chat_number) LIMIT 1");
	if (SPI_processed > 0)
		raise_no_chat(plan_result_int32(0, 1), plan_result_int32(0, 2));

	execute("INSERT INTO chat.changed_chats (application_id, chat_number)"
			" SELECT application_id, chat_number FROM"
			" (SELECT application_id, chat_number, number FROM old_rows"
			" EXCEPT SELECT application_id, chat_number, number FROM new_rows) AS o"
			" UNION SELECT application_id, chat_number FROM"
			" (SELECT application_id, chat_number, number FROM new_rows"
			" EXCEPT SELECT application_id, chat_number, number FROM old_rows) AS n");
	flush_counters();
	queue_rows_for_search("SELECT application_id, chat_number, number FROM"
						  " (SELECT application_id, chat_number, number, body FROM old_rows"
						  " EXCEPT SELECT application_id, chat_number, number, body FROM new_rows) AS o"
						  " UNION SELECT application_id, chat_number, number FROM"
						  " (SELECT application_id, chat_number, number, body FROM new_rows"
						  " EXCEPT SELECT application_id, chat_number, number, body FROM old_rows) AS n");
	become_caller(caller);
	return PointerGetDatum(NULL);
}

/*
 * Trigger after a statement that deletes from chat.messages, with old_rows.
 */
Datum
chat_after_delete_messages(PG_FUNCTION_ARGS)
{
	Caller		caller = become_owner_with_transition_tables((TriggerData *) fcinfo->context);

	/* Those of chats that were deleted are gone with them. */
	execute("INSERT INTO chat.changed_chats (application_id, chat_number)"
			" SELECT o.application_id, o.chat_number"
			" FROM (SELECT DISTINCT application_id, chat_number FROM old_rows) AS o"
			" JOIN chat.chats AS c ON c.application_id OPERATOR(pg_catalog.=) o.application_id"
			" AND c.number OPERATOR(pg_catalog.=) o.chat_number");
	queue_rows_for_search("SELECT application_id, chat_number, number FROM old_rows");
	become_caller(caller);
	return PointerGetDatum(NULL);
}

/*
 * Trigger after a statement that deletes from chat.chats, with old_rows.
 */
Datum
chat_after_delete_chats(PG_FUNCTION_ARGS)
{
	Caller		caller = become_owner_with_transition_tables((TriggerData *) fcinfo->context);
	ChangedChat *deleted;
	uint64		count;
	Datum		keys[2];

	execute("INSERT INTO chat.changed_chats (application_id, chat_number)"
			" SELECT o.application_id, 0 FROM (SELECT DISTINCT application_id FROM old_rows) AS o"
			" JOIN chat.applications AS a ON a.id OPERATOR(pg_catalog.=) o.application_id");
	if (*settings_redis_url != '\0')
		execute("INSERT INTO chat.retired_tokens (token, chat_number)"
				" SELECT a.token, o.number FROM old_rows AS o"
				" JOIN chat.applications AS a ON a.id OPERATOR(pg_catalog.=) o.application_id");
	execute("SELECT application_id, number FROM old_rows");
	count = SPI_processed;
	deleted = MemoryContextAllocHuge(CurrentMemoryContext, (count + 1) * sizeof(ChangedChat));
	for (uint64 row = 0; row < count; row++)
	{
		deleted[row] = (ChangedChat) {plan_result_int32(row, 1), plan_result_int32(row, 2)};
		changes_note(deleted[row].application, deleted[row].chat);
	}
	reconcile_keys(deleted, count, keys);
	search_queue_forget_chats(keys);
	become_caller(caller);
	return PointerGetDatum(NULL);
}

/*
 * Trigger before a TRUNCATE, after which everything is to be counted.
 */
Datum
chat_before_truncate(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Caller		caller = become_owner(trigger->tg_relation);

	execute("INSERT INTO chat.changed_chats (application_id, chat_number) VALUES (0, 0)");
	if (strcmp(RelationGetRelationName(trigger->tg_relation), "application_counters") != 0)
		search_queue_forget_all();
	if (*settings_redis_url != '\0' &&
		strcmp(RelationGetRelationName(trigger->tg_relation), "chats") == 0)
		execute("INSERT INTO chat.retired_tokens (token) SELECT token FROM chat.applications");
	become_caller(caller);
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
		"INSERT INTO chat.retired_tokens (token) VALUES ($1)", TEXTOID);

	if (*settings_redis_url != '\0')
	{
		Caller		caller = become_owner(trigger->tg_relation);
		bool		isnull;
		Datum		token = value_of(trigger->tg_relation, trigger->tg_trigtuple, "token", TEXTOID, &isnull);

		if (!isnull)
			plan_modify(&plan, &token, NULL);
		changes_note(int32_of(trigger, trigger->tg_trigtuple, "id"), 0);
		become_caller(caller);
	}
	return PointerGetDatum(NULL);
}
