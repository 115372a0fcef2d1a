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
 * still seen as a direct one.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "changes/change_tracking.h"
#include "changes/recount_queue.h"
#include "common/int_array.h"
#include "common/spi_plan.h"
#include "common/table_owner.h"
#include "core/chat.h"
#include "core/number_cache.h"

#define COUNTER_KEY_SIZE (2 * sizeof(int32))

/* The counters of the statements under way; NULL if there are none. */
static HTAB *counters = NULL;

/* Depth of triggers at which rows come from the functions; 0: nowhere. */
static int	sql_function_depth = 0;

static int
trigger_depth(void)
{
	return DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, (Datum) 0));
}

/* Whether the trigger is fired by a statement of the functions. */
bool
number_cache_in_function(void)
{
	return sql_function_depth != 0 && trigger_depth() == sql_function_depth;
}

/* What is done next is done by the functions. Returns what was before. */
static int
enter_functions(void)
{
	int			previous = sql_function_depth;

	sql_function_depth = trigger_depth() + 1;
	return previous;
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
		" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3))"
		" AS k (application_id, number, last_message_number)"
		" WHERE c.application_id OPERATOR(pg_catalog.=) k.application_id"
		" AND c.number OPERATOR(pg_catalog.=) k.number"
		" AND c.last_message_number OPERATOR(pg_catalog.<) k.last_message_number",
		INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID);
	static SavedPlan update_applications = SAVED_PLAN(
		"UPDATE chat.application_counters AS c SET last_chat_number = k.last_message_number"
		" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3))"
		" AS k (application_id, number, last_message_number)"
		" WHERE c.application_id OPERATOR(pg_catalog.=) k.application_id"
		" AND k.number OPERATOR(pg_catalog.=) 0"
		" AND c.last_chat_number OPERATOR(pg_catalog.<) k.last_message_number",
		INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID);
	HASH_SEQ_STATUS scan;
	NumberCounter    *counter;
	Int32Array	columns[3];
	Datum		values[3];
	SubTransactionId subtransaction = GetCurrentSubTransactionId();
	ChatKey    *parents;
	int			count = 0;
	int			previous;

	if (counters == NULL)
		return;

	parents = palloc(hash_get_num_entries(counters) * sizeof(ChatKey));
	for (int i = 0; i < 3; i++)
		int32_array_init(&columns[i], hash_get_num_entries(counters));
	hash_seq_init(&scan, counters);
	while ((counter = hash_seq_search(&scan)) != NULL)
	{
		int32_array_append(&columns[0], counter->application);
		int32_array_append(&columns[1], counter->chat);
		int32_array_append(&columns[2], counter->last_number);
		parents[count++] = (ChatKey) {counter->application, counter->chat};
		change_tracking_note(counter->application, counter->chat);
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
	spi_plan_write(&update_chats, values, NULL);
	spi_plan_write(&update_applications, values, NULL);
	number_cache_function_end(previous);
	recount_queue_add(parents, count);
}

/*
 * Begin an insertion by the functions, connected to SPI. Returns what
 * number_cache_function_end wants.
 */
int
number_cache_function_begin(void)
{
	number_cache_flush();
	return enter_functions();
}

/*
 * End an insertion by the functions. After an error, the abort of the
 * (sub)transaction does it.
 */
void
number_cache_function_end(int previous)
{
	sql_function_depth = previous;
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
			counters = NULL;	/* its memory ends with the transaction */
			sql_function_depth = 0;
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
	NumberCounter    *counter;

	if (event == SUBXACT_EVENT_ABORT_SUB)
		sql_function_depth = 0;
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
number_cache_raise_no_chat(int32 application, int32 chat)
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
lock_counter(NumberCounter *counter, Relation relation)
{
	TableOwnerSwitch		caller = table_owner_become(relation);

	static SavedPlan lock_chat = SAVED_PLAN(
		"SELECT last_message_number FROM chat.chats"
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
		found = spi_plan_write(&lock_chat, values, NULL);
	else
	{
		/* An application that was inserted directly has no counter at first. */
		found = spi_plan_write(&lock_application, values, NULL);
		if (found == 0)
		{
			int			previous = enter_functions();

			chat_create_counters(counter->application);
			number_cache_function_end(previous);
			found = spi_plan_write(&lock_application, values, NULL);
		}
	}
	if (found == 0 && counter->chat == COUNTER_OF_CHATS)
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("application %d does not exist", counter->application)));
	if (found == 0)
		number_cache_raise_no_chat(counter->application, counter->chat);
	counter->last_number = counter->last_before = spi_result_int32(0, 1);
	table_owner_leave(caller);
}

/* Enter a parent into counters. Returns it. */
static NumberCounter *
enter_counter(NumberCounter fresh)
{
	HASHCTL		control = {
		.keysize = COUNTER_KEY_SIZE,
		.entrysize = sizeof(NumberCounter),
		.hcxt = TopTransactionContext
	};
	NumberCounter    *counter;

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
void
number_cache_touch(int32 application, int32 chat)
{
	NumberCounter		fresh = {
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
NumberCounter *
number_cache_get(int32 application, int32 chat, Relation relation)
{
	NumberCounter		fresh = {.application = application, .chat = chat};
	NumberCounter    *counter;

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
