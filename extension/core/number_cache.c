/*
 * number_cache.c
 *	  Counters of parents while rows are changed directly.
 *
 * A parent is a chat, which has messages, or an application, which has chats.
 * Its highest number is what the next row gets its number from, or raises; its last
 * revision is the same for changes of messages. A statement may change a million
 * rows: so the counters of the parents that it meets are kept in a table of the
 * process until it ends, and the parents' rows, held from the first on, are updated
 * once. What a subtransaction gave from them is taken back if it is rolled back.
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
#include "common/spi_plan.h"
#include "common/table_owner.h"
#include "core/arg_error.h"
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

/*
 * Begin what is done as by a function, within a statement of others: triggers leave its
 * rows alone. Returns the argument of number_cache_function_end.
 */
int
number_cache_enter_function(void)
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

/*
 * Write the counters that were raised, and note the chats that were met. Those
 * that an outer subtransaction met are kept: if this one is rolled back, they
 * have to be written again. Connected to SPI, as the owner.
 */
void
number_cache_flush(void)
{
	HASH_SEQ_STATUS scan;
	NumberCounter *counter;
	ChatKey    *parents;
	CounterChange *changes;
	ChatKey    *recounted;
	int			count = 0;
	int			recounted_count = 0;
	SubTransactionId subtransaction = GetCurrentSubTransactionId();
	int			previous;

	if (counters == NULL)
		return;

	parents = palloc(hash_get_num_entries(counters) * sizeof(ChatKey));
	changes = palloc(hash_get_num_entries(counters) * sizeof(CounterChange));
	recounted = palloc(hash_get_num_entries(counters) * sizeof(ChatKey));
	hash_seq_init(&scan, counters);
	while ((counter = hash_seq_search(&scan)) != NULL)
	{
		parents[count] = counter->parent;
		changes[count++] = (CounterChange) {.number = counter->last_number, .revision = counter->last_revision};
		if (counter->recounted)
			recounted[recounted_count++] = counter->parent;
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

	previous = number_cache_enter_function();
	for (int i = 0; i < count; i++)
	{
		CounterValues values;

		CHECK_FOR_INTERRUPTS();
		parent_counter_change(table_of(parents[i]), parents[i], &changes[i], &values);
	}
	number_cache_function_end(previous);
	if (recounted_count > 0)
		recount_queue_add(recounted, recounted_count);
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
	return number_cache_enter_function();
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

/* Note what a counter is, before this subtransaction changes it. */
static void
save_for_undo(NumberCounter *counter)
{
	SubTransactionId subtransaction = GetCurrentSubTransactionId();
	CounterUndo *undo;

	if (counter->subtransaction == subtransaction ||
		(counter->undo != NULL && counter->undo->subtransaction == subtransaction))
		return;
	undo = MemoryContextAlloc(TopTransactionContext, sizeof(CounterUndo));
	*undo = (CounterUndo) {
		subtransaction, counter->last_number, counter->last_revision, counter->recounted, counter->undo
	};
	counter->undo = undo;
}

/* A subtransaction is rolled back that changed a counter which is kept. */
static void
undo_change(NumberCounter *counter)
{
	counter->last_number = counter->undo->last_number;
	counter->last_revision = counter->undo->last_revision;
	counter->recounted = counter->undo->recounted;
	counter->undo = counter->undo->outer;
	counter->stale = true;
}

/* What a subtransaction changed, its parent has changed from now on. */
static void
pass_undo_on(NumberCounter *counter, SubTransactionId parent)
{
	CounterUndo *outer = counter->undo->outer;

	if (counter->subtransaction == parent || (outer != NULL && outer->subtransaction == parent))
		counter->undo = outer;
	else
		counter->undo->subtransaction = parent;
}

/*
 * A subtransaction that aborts takes back the locks on counters that it met
 * first. Those met before stay locked, and become what they were.
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
		bool		committed = event == SUBXACT_EVENT_COMMIT_SUB;

		if (counter->undo != NULL && counter->undo->subtransaction == subtransaction)
		{
			if (committed)
				pass_undo_on(counter, parent);
			else
				undo_change(counter);
		}
		else if (counter->subtransaction == subtransaction && committed)
			counter->subtransaction = parent;
		else if (counter->subtransaction == subtransaction)
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
 * Hold a chat that was deleted, and waits to be purged: a restore inserts its
 * messages, as they were dumped. Its counters stay as they are. Returns false if
 * there is none.
 */
static bool
hold_deleted_chat(ChatKey chat, CounterValues *values)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT last_message_number, last_revision FROM chat.chats"
		" WHERE application_id = $1 AND number = $2 AND deleted_at IS NOT NULL FOR NO KEY UPDATE",
		INT4OID, INT4OID);
	Datum		key[2] = {Int32GetDatum(chat.application), Int32GetDatum(chat.chat)};

	if (spi_plan_write(&plan, key, NULL) == 0)
		return false;
	*values = (CounterValues) {
		spi_result_int32(0, spi_column("last_message_number")), spi_result_int32(0, spi_column("last_revision"))
	};
	return true;
}

/*
 * Hold a parent. Returns what it has. An application that was inserted
 * directly has no counters at first. Raises 23503 if the parent does not exist.
 */
static CounterValues
hold_parent(ChatKey parent)
{
	ChatTable	table = table_of(parent);
	TableOwnerSwitch caller = table_owner_become(OWNER_SEES_ALL);
	int			previous = number_cache_enter_function();
	CounterValues values;
	RowResult	result = parent_counter_hold(table, parent, true, &values);

	if (result == ROW_MISSING && table == TABLE_APPLICATION_COUNTERS)
	{
		number_cache_create_counters(parent.application);
		result = parent_counter_hold(table, parent, true, &values);
	}
	if (result == ROW_LOCKED)
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("the counters of application %d, chat %d could not be changed", parent.application, parent.chat)));
	if (result != ROW_DONE && table == TABLE_APPLICATION_COUNTERS)
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("application %d does not exist", parent.application)));
	if (result != ROW_DONE && !hold_deleted_chat(parent, &values))
		number_cache_raise_no_chat(parent);
	number_cache_function_end(previous);
	table_owner_leave(caller);
	return values;
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
			.recounted = true,
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
	CounterValues held;

	if (counter != NULL && !counter->stale)
		return *counter;

	/* Entered only when it is locked, so that an error leaves nothing. */
	held = hold_parent(parent);
	counter = find_counter(parent);
	if (counter == NULL)
	{
		enter_counter((NumberCounter) {
			.parent = parent,
			.last_number = held.last_number,
			.last_before = held.last_number,
			.last_revision = held.last_revision,
			.subtransaction = GetCurrentSubTransactionId()
		});
		return *find_counter(parent);
	}
	save_for_undo(counter);
	counter->last_number = Max(counter->last_number, held.last_number);
	counter->last_revision = Max(counter->last_revision, held.last_revision);
	counter->stale = false;
	return *counter;
}

/* The counter of a parent, to be changed. What number_cache_get() met may have been written and forgotten. */
static NumberCounter *
counter_to_change(ChatKey parent)
{
	if (find_counter(parent) == NULL)
		enter_counter((NumberCounter) {
			.parent = parent,
			.last_before = PG_INT32_MAX,
			.stale = true,
			.subtransaction = GetCurrentSubTransactionId()
		});
	save_for_undo(find_counter(parent));
	return find_counter(parent);
}

/*
 * Raise the counter of a parent, which number_cache_get() has locked, to at
 * least a number, for another child.
 */
void
number_cache_raise(ChatKey parent, int32 number)
{
	NumberCounter *counter = counter_to_change(parent);

	counter->last_number = Max(counter->last_number, number);
	counter->recounted = true;
}

/* The same with the last revision of a chat, for no child. */
void
number_cache_raise_revision(ChatKey chat, int32 revision)
{
	NumberCounter *counter = counter_to_change(chat);

	counter->last_revision = Max(counter->last_revision, revision);
}

/*
 * Lock a chat, and take its next revisions, so many. Returns the last one that it had
 * before. Raises 23503 if there is no such chat, 54000 if it has not so many left.
 */
int32
number_cache_take_revisions(ChatKey chat, int count)
{
	int32		before = number_cache_get(chat).last_revision;

	if (before > PG_INT32_MAX - count)
		arg_error_raise(arg_error_revisions_exhausted("message"));
	number_cache_raise_revision(chat, before + count);
	return before;
}
