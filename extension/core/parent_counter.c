/*
 * parent_counter.c
 *	  A parent's counter: a row of chat.chats or of chat.application_counters.
 *
 * It is changed here, without a statement where the table allows that (see
 * rows/counter_row.c), and else by one. Both ways
 *
 *	- leave no lock in the row that a later subtransaction of the same
 *	  transaction would have to make a multixact of: a row is held by updating it
 *	  to what it is;
 *	- go to the version that this transaction made before, without a look at all
 *	  that it made before that one. A transaction that counts a thousand children
 *	  leaves a thousand versions.
 *
 * The caller is connected to SPI, as the tables' owner.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/guc.h"
#include "utils/rel.h"

#include "common/spi_plan.h"
#include "core/parent_counter.h"
#include "rows/counter_row.h"
#include "rows/tid_cache.h"

/* A statement about one counter, which is found by its key, or by its place and its key. */
typedef struct CounterStatement
{
	SavedPlan	by_key;
	SavedPlan	by_place;
} CounterStatement;

typedef struct CounterStatements
{
	CounterStatement add;
	CounterStatement hold;
	CounterStatement raise;
	CounterStatement look;
	CounterStatement lock;
	CounterStatement try_lock;
} CounterStatements;

/* Their parameters: the parent's key, the place, a number, how many children. */
#define PARAMETERS .nargs = 5, .argtypes = {INT4OID, INT4OID, TIDOID, INT4OID, INT4OID}
#define STATEMENT(before, key, after) \
	{ \
		{.sql = before key after, PARAMETERS}, \
		{.sql = before key " AND ctid = $3" after, .by_tid = true, PARAMETERS} \
	}

/* Each returns the highest number, and where the row is. */
#define STATEMENTS(name, key, last, count) \
	{ \
		.add = STATEMENT("UPDATE " name " SET " last " = " last " + $5, " count " = " count " + $5", \
						 key, " AND " last " <= 2147483647 - $5 RETURNING " last ", ctid"), \
		.hold = STATEMENT("UPDATE " name " SET " last " = " last, key, " RETURNING " last ", ctid"), \
		.raise = STATEMENT("UPDATE " name " SET " last " = GREATEST(" last ", $4), " count " = " count " + $5", \
						   key, " RETURNING " last ", ctid"), \
		.look = STATEMENT("SELECT " last ", ctid, xmin, xmax = '0'::xid FROM " name, key, ""), \
		.lock = STATEMENT("SELECT " last ", ctid FROM " name, key, " FOR NO KEY UPDATE"), \
		.try_lock = STATEMENT("SELECT " last ", ctid FROM " name, key, " FOR NO KEY UPDATE SKIP LOCKED") \
	}

static CounterStatements chats = STATEMENTS("chat.chats", " WHERE application_id = $1 AND number = $2 AND deleted_at IS NULL",
											"last_message_number", "messages_count");
static CounterStatements applications = STATEMENTS("chat.application_counters", " WHERE application_id = $1 AND $2 = 0",
												   "last_chat_number", "chats_count");

/* A counter that statements are about. */
typedef struct Counter
{
	ChatTable	table;
	CounterStatements *statements;
	RowKey		key;
	Datum		values[5];
} Counter;

static RowKey
row_key_of(ChatTable table, ChatKey parent)
{
	return table == TABLE_APPLICATION_COUNTERS ?
		row_key_of_counters(parent.application) : row_key_of_chat(parent.application, parent.chat);
}

static Counter
counter_of(ChatTable table, ChatKey parent, int32 number, int added)
{
	return (Counter) {
		.table = table,
		.statements = table == TABLE_CHATS ? &chats : &applications,
		.key = row_key_of(table, parent),
		.values = {
			Int32GetDatum(parent.application), Int32GetDatum(parent.chat), 0,
			Int32GetDatum(number), Int32GetDatum(added)
		}
	};
}

/*
 * Run one of the counter's statements. Returns false if it had no row to do it to;
 * else *last_number becomes what it returned.
 */
static bool
run(Counter *counter, CounterStatement *statement, int32 *last_number)
{
	ItemPointerData place;

	counter->values[2] = PointerGetDatum(&place);
	if (!(tid_cache_find_version(counter->table, counter->key.hash, &place) &&
		  spi_plan_write(&statement->by_place, counter->values, NULL) > 0) &&
		!(tid_cache_find_version_before(counter->table, counter->key.hash, &place) &&
		  spi_plan_write(&statement->by_place, counter->values, NULL) > 0) &&
		spi_plan_write(&statement->by_key, counter->values, NULL) == 0)
		return false;
	*last_number = spi_result_int32(0, 1);
	place = *(ItemPointer) DatumGetPointer(spi_result(0, 2, TIDOID, NULL));
	tid_cache_put_version(counter->table, counter->key.hash, &place);
	return true;
}

/*
 * See to it that an update of the counter waits for nobody. An update always
 * waits, so the row is locked first, unless this transaction has updated it
 * already. In a subtransaction a row that nobody has locked is updated at once:
 * *bounded becomes true, since somebody may lock it just now.
 */
static RowResult
clear_the_way(Counter *counter, bool *bounded)
{
	int32		last_number;

	*bounded = false;
	if (!run(counter, &counter->statements->look, &last_number))
		return ROW_MISSING;
	if (TransactionIdIsCurrentTransactionId(DatumGetTransactionId(spi_result(0, 3, XIDOID, NULL))))
		return ROW_DONE;
	*bounded = GetCurrentTransactionNestLevel() > 1 && spi_result_bool(0, 4);
	return *bounded || run(counter, &counter->statements->try_lock, &last_number) ? ROW_DONE : ROW_LOCKED;
}

/* Run an UPDATE of the counter. Returns ROW_MISSING if it had no row. */
static RowResult
update(Counter *counter, CounterStatement *statement, bool wait, int32 *last_number)
{
	bool		bounded = false;
	RowResult	result = wait ? ROW_DONE : clear_the_way(counter, &bounded);
	int			nest_level = NewGUCNestLevel();

	if (bounded)
		row_lock_bound_waits();
	if (result == ROW_DONE && !run(counter, statement, last_number))
		result = ROW_MISSING;
	AtEOXact_GUC(true, nest_level);
	return result;
}

/*
 * Whether a query that is under way in this session has the table open. It may
 * be about to lock or change rows, and would skip one that was updated since it
 * began.
 */
static bool
is_in_use(ChatTable table)
{
	Relation	relation = table_open(chat_table_oid(table), RowExclusiveLock);
	bool		in_use = relation->rd_refcnt > 1;

	table_close(relation, NoLock);
	return in_use;
}

static RowResult
hold_once(Counter *counter, bool wait, int32 *last_number)
{
	CounterStatements *statements = counter->statements;

	if (!is_in_use(counter->table))
		return update(counter, &statements->hold, wait, last_number);
	if (run(counter, wait ? &statements->lock : &statements->try_lock, last_number))
		return ROW_DONE;
	return ROW_MISSING;
}

/*
 * If the row was deleted while the statement waited for it, there may be another
 * with its key, which the statement did not see; so it is done once more.
 */
static RowResult
hold_by_statement(Counter *counter, bool wait, int32 *last_number)
{
	RowResult	result = hold_once(counter, wait, last_number);

	if (result == ROW_MISSING)
		result = hold_once(counter, wait, last_number);
	if (result == ROW_MISSING && run(counter, &counter->statements->look, last_number))
		result = ROW_LOCKED;
	return result;
}

static RowResult
add_by_statement(Counter *counter, bool wait, int *count, int32 *last_number)
{
	RowResult	result = update(counter, &counter->statements->add, wait, last_number);

	if (result == ROW_DONE)
	{
		*last_number -= *count;
		return ROW_DONE;
	}
	if (result == ROW_MISSING)
		result = hold_by_statement(counter, wait, last_number);
	if (result != ROW_DONE)
		return result;
	*count = Min(*count, PG_INT32_MAX - *last_number);
	counter->values[3] = Int32GetDatum(*last_number + *count);
	counter->values[4] = Int32GetDatum(*count);
	if (*count > 0)
	{
		int32		raised;

		run(counter, &counter->statements->raise, &raised);
	}
	return ROW_DONE;
}

static bool
begin(RowAccess *access, ChatTable table)
{
	RowUses		uses = {{0}};

	uses.tables[table] = ROW_USE(ROW_UPDATE);
	return row_access_begin(access, uses);
}

/*
 * Count up to *count more children of a parent in chat.chats or, whatever
 * parent.chat, chat.application_counters: *count becomes how many there are
 * numbers for, *last_number the highest number before them. Nobody else changes
 * the row until the transaction ends. Returns ROW_DONE, ROW_MISSING or ROW_LOCKED;
 * the latter also to one who waits, if the row cannot be got hold of.
 */
RowResult
parent_counter_add(ChatTable table, ChatKey parent, bool wait, int *count, int32 *last_number)
{
	RowKey		key = row_key_of(table, parent);
	RowAccess	access;
	RowResult	result = ROW_BY_STATEMENT;
	Counter		counter;

	if (begin(&access, table))
	{
		result = counter_row_add(&access, &access.tables[table], &key, wait, count, last_number);
		row_access_end(&access);
	}
	if (result != ROW_BY_STATEMENT)
		return result;
	counter = counter_of(table, parent, 0, *count);
	return add_by_statement(&counter, wait, count, last_number);
}

/*
 * Hold a parent's row until the transaction ends: nobody else changes it.
 * *last_number becomes the highest number. Returns as parent_counter_add does.
 */
RowResult
parent_counter_hold(ChatTable table, ChatKey parent, bool wait, int32 *last_number)
{
	RowKey		key = row_key_of(table, parent);
	RowAccess	access;
	RowResult	result = ROW_BY_STATEMENT;
	Counter		counter;

	if (begin(&access, table))
	{
		result = counter_row_hold(&access, &access.tables[table], &key, wait, last_number);
		row_access_end(&access);
	}
	if (result != ROW_BY_STATEMENT)
		return result;
	counter = counter_of(table, parent, 0, 0);
	return hold_by_statement(&counter, wait, last_number);
}

/*
 * Raise a parent's highest number to at least number, and count added more
 * children. Returns ROW_DONE or ROW_MISSING.
 */
RowResult
parent_counter_raise(ChatTable table, ChatKey parent, int32 number, int added)
{
	RowKey		key = row_key_of(table, parent);
	RowAccess	access;
	RowResult	result = ROW_BY_STATEMENT;
	Counter		counter;
	int32		last_number;

	if (begin(&access, table))
	{
		result = counter_row_raise(&access, &access.tables[table], &key, number, added);
		row_access_end(&access);
	}
	if (result != ROW_BY_STATEMENT)
		return result;
	counter = counter_of(table, parent, number, added);
	if (added == 0 && run(&counter, &counter.statements->look, &last_number) && last_number >= number)
		return ROW_DONE;
	return run(&counter, &counter.statements->raise, &last_number) ? ROW_DONE : ROW_MISSING;
}
