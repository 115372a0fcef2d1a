/*
 * number_cache.c
 *	  Counters of parents while rows are inserted directly.
 *
 * A parent is a chat, which has messages, or an application, which has chats.
 * Its highest number is what the next row gets its number from, or raises. A
 * statement may insert a million rows: so the counters of the parents that it
 * meets are kept in a table of the process until it ends, and the parents' rows,
 * locked from the first on, are updated once.
 *
 * The functions insert rows too, and count themselves: for them the triggers do
 * nothing. They are told apart by the depth of nested triggers, so that an
 * insertion by somebody's own trigger, within an insertion by the functions, is
 * still seen as a direct one. Functions may be called by such triggers, too, and
 * fail within a subtransaction that those survive: so there is a stack of them.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "changes/change_tracking.h"
#include "changes/recount_queue.h"
#include "common/int_columns.h"
#include "common/spi_plan.h"
#include "common/table_owner.h"
#include "core/number_cache.h"
#include "core/parent_counter.h"

/* The counters of the statements under way; NULL if there are none. */
static HTAB *counters = NULL;

/* A function that is under way. */
typedef struct FunctionCall
{
	int			trigger_depth;	/* of triggers that its statements fire */
	SubTransactionId subtransaction;	/* in which it began */
} FunctionCall;

/* Those of this transaction, the innermost last; in its memory. */
static FunctionCall *calls = NULL;
static int	calls_count = 0;
static int	calls_capacity = 0;

static int
trigger_depth(void)
{
	return DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, (Datum) 0));
}

/* Whether the trigger is fired by a statement of the functions. */
bool
number_cache_in_function(void)
{
	return calls_count > 0 && trigger_depth() == calls[calls_count - 1].trigger_depth;
}

/* Begin a call of a function: triggers leave its rows alone. Returns the argument of number_cache_function_end. */
static int
enter_functions(void)
{
	int			previous = calls_count;

	if (calls == NULL || calls_count == calls_capacity)
	{
		calls_capacity = calls == NULL ? 8 : calls_capacity * 2;
		calls = calls == NULL ?
			MemoryContextAlloc(TopTransactionContext, calls_capacity * sizeof(FunctionCall)) :
			repalloc(calls, calls_capacity * sizeof(FunctionCall));
	}
	calls[calls_count++] = (FunctionCall) {trigger_depth() + 1, GetCurrentSubTransactionId()};
	return previous;
}

/* The table that has a parent's counter. */
static ChatTable
table_of(ChatKey parent)
{
	return parent.chat == COUNTER_OF_CHATS ? TABLE_APPLICATION_COUNTERS : TABLE_CHATS;
}

/* Raise the highest numbers of parents. Returns false if a statement has to do it. */
static bool
raise_directly(const ChatKey *parents, const Datum *last_numbers, int count)
{
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (parent_counter_raise(table_of(parents[i]), parents[i], DatumGetInt32(last_numbers[i]), 0) == ROW_BY_STATEMENT)
			return false;
	}
	return true;
}

/*
 * Write the counters that were raised, and note the chats that were met. Those
 * that an outer subtransaction met are kept: if this one is rolled back, they
 * have to be written again. Connected to SPI, as the owner.
 */
void
number_cache_flush(void)
{
	static SavedPlan update_chats = SAVED_PLAN(
		"UPDATE chat.chats AS c SET last_message_number = k.last_message_number"
		" FROM ROWS FROM (unnest($1), unnest($2), unnest($3)) AS k (application_id, number, last_message_number)"
		" WHERE c.application_id = k.application_id AND c.number = k.number"
		" AND c.last_message_number < k.last_message_number",
		INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID);
	static SavedPlan update_applications = SAVED_PLAN(
		"UPDATE chat.application_counters AS c SET last_chat_number = k.last_message_number"
		" FROM ROWS FROM (unnest($1), unnest($2), unnest($3)) AS k (application_id, number, last_message_number)"
		" WHERE c.application_id = k.application_id AND k.number = 0"
		" AND c.last_chat_number < k.last_message_number",
		INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID);
	HASH_SEQ_STATUS scan;
	NumberCounter *counter;
	IntColumns	columns;
	ChatKey    *parents;
	Datum		values[3];
	SubTransactionId subtransaction = GetCurrentSubTransactionId();
	int			previous;

	if (counters == NULL)
		return;

	int_columns_init(&columns, 3, hash_get_num_entries(counters));
	parents = palloc(hash_get_num_entries(counters) * sizeof(ChatKey));
	hash_seq_init(&scan, counters);
	while ((counter = hash_seq_search(&scan)) != NULL)
	{
		parents[columns.count] = counter->parent;
		int_columns_append(&columns, (int32[]) {
			counter->parent.application, counter->parent.chat, counter->last_number
		});
		change_tracking_note(counter->parent.application, counter->parent.chat);
		counter->stale = true;
		if (counter->subtransaction == subtransaction)
			hash_search(counters, counter, HASH_REMOVE, NULL);
	}
	if (hash_get_num_entries(counters) == 0)
	{
		hash_destroy(counters);
		counters = NULL;
	}

	if (!raise_directly(parents, columns.values[2], columns.count))
	{
		int_columns_to_arrays(&columns, values);
		previous = enter_functions();
		spi_plan_write(&update_chats, values, NULL);
		spi_plan_write(&update_applications, values, NULL);
		number_cache_function_end(previous);
	}
	recount_queue_add(parents, columns.count);
}

/*
 * Begin an insertion by the functions, connected to SPI. Returns what
 * number_cache_function_end wants.
 */
int
number_cache_function_begin(void)
{
	if (counters != NULL)
	{
		TableOwnerSwitch caller = table_owner_become(OWNER_SEES_ALL);

		number_cache_flush();
		table_owner_leave(caller);
	}
	return enter_functions();
}

/*
 * End an insertion by the functions. After an error, the abort of the
 * (sub)transaction does it.
 */
void
number_cache_function_end(int previous)
{
	calls_count = previous;
}

/*
 * Create the counters of an application that has none, from the chats that it
 * has: it was inserted directly, or its counters were deleted. Does nothing if
 * there is no such application. After number_cache_function_begin.
 */
void
number_cache_create_counters(int32 application)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat.application_counters (application_id, last_chat_number, chats_count)"
		" SELECT a.id, COALESCE(c.highest, 0), c.counted::int4 FROM chat.applications AS a,"
		" LATERAL (SELECT count(*) FILTER (WHERE c.deleted_at IS NULL) AS counted, max(c.number) AS highest"
		" FROM chat.chats AS c WHERE c.application_id = a.id) AS c"
		" WHERE a.id = $1 FOR KEY SHARE OF a ON CONFLICT DO NOTHING",
		INT4OID);
	Datum		value = Int32GetDatum(application);
	TableOwnerSwitch caller = table_owner_become(OWNER_SEES_ALL);

	spi_plan_write(&plan, &value, NULL);
	table_owner_leave(caller);
}

/* Whether there are counters to write. */
bool
number_cache_in_use(void)
{
	return counters != NULL;
}

static void
on_transaction_end(XactEvent event, void *argument)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			counters = NULL;	/* their memory ends with the transaction */
			calls = NULL;
			calls_count = 0;
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
	NumberCounter *counter;

	if (event == SUBXACT_EVENT_ABORT_SUB)
		while (calls_count > 0 && calls[calls_count - 1].subtransaction == subtransaction)
			calls_count--;
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
number_cache_init(void)
{
	RegisterXactCallback(on_transaction_end, NULL);
	RegisterSubXactCallback(on_subtransaction_end, NULL);
}

/* Raise 23503: there is no such chat. */
void
number_cache_raise_no_chat(ChatKey chat)
{
	ereport(ERROR,
			(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
			 errmsg("chat %d of application %d does not exist", chat.chat, chat.application)));
}

/*
 * Lock a parent by a statement. Returns its highest number. Raises 23503 if the
 * parent does not exist.
 */
static int32
lock_parent_by_statement(ChatKey parent)
{
	static SavedPlan lock_chat = SAVED_PLAN(
		"SELECT last_message_number FROM chat.chats"
		" WHERE application_id = $1 AND number = $2 FOR NO KEY UPDATE",
		INT4OID, INT4OID);
	static SavedPlan lock_application = SAVED_PLAN(
		"SELECT last_chat_number FROM chat.application_counters"
		" WHERE application_id = $1 FOR NO KEY UPDATE",
		INT4OID);
	TableOwnerSwitch caller = table_owner_become(OWNER_SEES_ALL);
	Datum		values[2] = {Int32GetDatum(parent.application), Int32GetDatum(parent.chat)};
	uint64		found;
	int32		last_number;

	if (parent.chat != COUNTER_OF_CHATS)
		found = spi_plan_write(&lock_chat, values, NULL);
	else
	{
		/* An application that was inserted directly has no counter at first. */
		found = spi_plan_write(&lock_application, values, NULL);
		if (found == 0)
		{
			int			previous = enter_functions();

			number_cache_create_counters(parent.application);
			number_cache_function_end(previous);
			found = spi_plan_write(&lock_application, values, NULL);
		}
	}
	if (found == 0 && parent.chat == COUNTER_OF_CHATS)
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("application %d does not exist", parent.application)));
	if (found == 0)
		number_cache_raise_no_chat(parent);
	last_number = spi_result_int32(0, 1);
	table_owner_leave(caller);
	return last_number;
}

/* The same, without a statement where the table allows it. */
static int32
lock_parent(ChatKey parent)
{
	int32		last_number;
	ItemPointerData tid;

	if (parent_counter_hold(table_of(parent), parent, &last_number, &tid) == ROW_DONE)
		return last_number;
	return lock_parent_by_statement(parent);
}

/* The counter of a parent, or NULL. Valid until the next statement. */
static NumberCounter *
find_counter(ChatKey parent)
{
	return counters == NULL ? NULL : hash_search(counters, &parent, HASH_FIND, NULL);
}

/* Enter a counter, in the place of the one that its parent has, if any. */
static void
enter_counter(NumberCounter fresh)
{
	HASHCTL		control = {
		.keysize = sizeof(ChatKey),
		.entrysize = sizeof(NumberCounter),
		.hcxt = TopTransactionContext
	};

	if (counters == NULL)
		counters = hash_create("pg_chat counters", 64, &control,
							   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	*(NumberCounter *) hash_search(counters, &fresh.parent, HASH_ENTER, NULL) = fresh;
}

/*
 * Meet a chat that is about to be inserted with counters of its own, which may
 * be wrong.
 */
void
number_cache_touch(ChatKey parent)
{
	if (find_counter(parent) == NULL)
		enter_counter((NumberCounter) {
			.parent = parent,
			.last_before = PG_INT32_MAX,
			.stale = true,
			.subtransaction = GetCurrentSubTransactionId()
		});
}

/*
 * The counter of a parent, locked. It is a copy: the owner's triggers, which
 * any statement may fire, may insert rows themselves and have the counters
 * written and forgotten. Raises 23503 if the parent does not exist.
 */
NumberCounter
number_cache_get(ChatKey parent)
{
	NumberCounter *counter = find_counter(parent);
	NumberCounter fresh;

	if (counter != NULL && !counter->stale)
		return *counter;

	/* Entered only when it is locked, so that an error leaves nothing. */
	fresh = (NumberCounter) {.parent = parent, .subtransaction = GetCurrentSubTransactionId()};
	fresh.last_number = fresh.last_before = lock_parent(parent);
	counter = find_counter(parent);
	if (counter != NULL)
	{
		fresh.last_number = Max(fresh.last_number, counter->last_number);
		fresh.last_before = counter->last_before;
		fresh.subtransaction = counter->subtransaction;
	}
	enter_counter(fresh);
	return fresh;
}

/*
 * Raise the counter of a parent, which number_cache_get() has locked, to at
 * least a number.
 */
void
number_cache_raise(ChatKey parent, int32 number)
{
	NumberCounter *counter = find_counter(parent);

	if (counter != NULL)
		counter->last_number = Max(counter->last_number, number);
	else
		enter_counter((NumberCounter) {
			.parent = parent,
			.last_number = number,
			.last_before = PG_INT32_MAX,
			.stale = true,
			.subtransaction = GetCurrentSubTransactionId()
		});
}
