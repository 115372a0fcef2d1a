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
 *	  that it made before that one: see row_statement.c.
 *
 * The caller is connected to SPI, as the tables' owner.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/guc.h"
#include "utils/rel.h"

#include "core/parent_counter.h"
#include "core/row_statement.h"

typedef struct CounterStatements
{
	RowStatement add;
	RowStatement hold;
	RowStatement change;
	RowStatement look;
	RowStatement lock;
	RowStatement try_lock;
} CounterStatements;

/*
 * Their parameters: the parent's key, the place, and a CounterChange: children, number,
 * revision, revisions.
 */
#define PARAMETERS .nargs = 7, .argtypes = {INT4OID, INT4OID, TIDOID, INT4OID, INT4OID, INT4OID, INT4OID}
#define STATEMENT(before, key, after) \
	{ \
		{.sql = before key after, PARAMETERS}, \
		{.sql = before key " AND ctid = $3" after, .by_tid = true, PARAMETERS} \
	}

/*
 * Each returns the highest number, the last revision, and where the row is. revision is
 * that, and set_revision and revision_fits what to do with it.
 */
#define STATEMENTS(name, key, last, count, revision, set_revision, revision_fits) \
	{ \
		.add = STATEMENT("UPDATE " name " SET " last " = " last " + $4, " count " = " count " + $4", \
						 key, " AND " last " <= 2147483647 - $4 RETURNING " last ", " revision ", ctid"), \
		.hold = STATEMENT("UPDATE " name " SET " last " = " last, key, " RETURNING " last ", " revision ", ctid"), \
		.change = STATEMENT("UPDATE " name " SET " last " = GREATEST(" last ", $5), " count " = " count " + $4" set_revision, \
							key, revision_fits " RETURNING " last ", " revision ", ctid"), \
		.look = STATEMENT("SELECT " last ", " revision ", ctid, xmin, xmax = '0'::xid FROM " name, key, ""), \
		.lock = STATEMENT("SELECT " last ", " revision ", ctid FROM " name, key, " FOR NO KEY UPDATE"), \
		.try_lock = STATEMENT("SELECT " last ", " revision ", ctid FROM " name, key, " FOR NO KEY UPDATE SKIP LOCKED") \
	}

static CounterStatements chats = STATEMENTS("chat.chats", " WHERE application_id = $1 AND number = $2 AND deleted_at IS NULL",
											"last_message_number", "messages_count", "last_revision",
											", last_revision = GREATEST(last_revision, $6) + $7",
											" AND GREATEST(last_revision, $6)::int8 + $7 <= 2147483647");
static CounterStatements applications = STATEMENTS("chat.application_counters", " WHERE application_id = $1 AND $2 = 0",
												   "last_chat_number", "chats_count", "0", "", "");

/* A counter that statements are about. */
typedef struct Counter
{
	ChatTable	table;
	CounterStatements *statements;
	RowKey		key;
	Datum		values[7];
} Counter;

static RowKey
row_key_of(ChatTable table, ChatKey parent)
{
	return table == TABLE_APPLICATION_COUNTERS ?
		row_key_of_counters(parent.application) : row_key_of_chat(parent.application, parent.chat);
}

static Counter
counter_of(ChatTable table, ChatKey parent, CounterChange change)
{
	return (Counter) {
		.table = table,
		.statements = table == TABLE_CHATS ? &chats : &applications,
		.key = row_key_of(table, parent),
		.values = {
			Int32GetDatum(parent.application), Int32GetDatum(parent.chat), 0,
			Int32GetDatum(change.children), Int32GetDatum(change.number),
			Int32GetDatum(change.revision), Int32GetDatum(change.revisions)
		}
	};
}

/*
 * Run one of the counter's statements. Returns false if it had no row to do it to;
 * else *values becomes what it returned.
 */
static bool
run(Counter *counter, RowStatement *statement, CounterValues *values)
{
	if (row_statement_run(statement, counter->table, counter->key.hash, counter->values, 2) == 0)
		return false;
	*values = (CounterValues) {spi_result_int32(0, 1), spi_result_int32(0, 2)};
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
	CounterValues values;

	*bounded = false;
	if (!run(counter, &counter->statements->look, &values))
		return ROW_MISSING;
	if (TransactionIdIsCurrentTransactionId(DatumGetTransactionId(spi_result(0, 4, XIDOID, NULL))))
		return ROW_DONE;
	*bounded = GetCurrentTransactionNestLevel() > 1 && spi_result_bool(0, 5);
	return *bounded || run(counter, &counter->statements->try_lock, &values) ? ROW_DONE : ROW_LOCKED;
}

/* Run an UPDATE of the counter. Returns ROW_MISSING if it had no row. */
static RowResult
update(Counter *counter, RowStatement *statement, bool wait, CounterValues *values)
{
	bool		bounded = false;
	RowResult	result = wait ? ROW_DONE : clear_the_way(counter, &bounded);
	int			nest_level = NewGUCNestLevel();

	if (bounded)
		row_lock_bound_waits();
	if (result == ROW_DONE && !run(counter, statement, values))
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
hold_once(Counter *counter, bool wait, CounterValues *values)
{
	CounterStatements *statements = counter->statements;

	if (!is_in_use(counter->table))
		return update(counter, &statements->hold, wait, values);
	if (run(counter, wait ? &statements->lock : &statements->try_lock, values))
		return ROW_DONE;
	return ROW_MISSING;
}

/*
 * If the row was deleted while the statement waited for it, there may be another
 * with its key, which the statement did not see; so it is done once more.
 */
static RowResult
hold_by_statement(Counter *counter, bool wait, CounterValues *values)
{
	RowResult	result = hold_once(counter, wait, values);

	if (result == ROW_MISSING)
		result = hold_once(counter, wait, values);
	if (result == ROW_MISSING && run(counter, &counter->statements->look, values))
		result = ROW_LOCKED;
	return result;
}

static RowResult
add_by_statement(Counter *counter, bool wait, int *count, int32 *last_number)
{
	CounterValues values;
	RowResult	result = update(counter, &counter->statements->add, wait, &values);

	*last_number = values.last_number - *count;
	if (result == ROW_MISSING)
	{
		result = hold_by_statement(counter, wait, &values);
		if (result != ROW_DONE)
			return result;
		*last_number = values.last_number;
		*count = Min(*count, PG_INT32_MAX - *last_number);
		counter->values[3] = Int32GetDatum(*count);
		counter->values[4] = Int32GetDatum(*last_number + *count);
		if (*count > 0)
			run(counter, &counter->statements->change, &values);
	}
	return result;
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
	counter = counter_of(table, parent, (CounterChange) {.children = *count});
	return add_by_statement(&counter, wait, count, last_number);
}

/*
 * Hold a parent's row until the transaction ends: nobody else changes it. *values
 * becomes what it has. Returns as parent_counter_add does.
 */
RowResult
parent_counter_hold(ChatTable table, ChatKey parent, bool wait, CounterValues *values)
{
	RowKey		key = row_key_of(table, parent);
	RowAccess	access;
	RowResult	result = ROW_BY_STATEMENT;
	Counter		counter;

	if (begin(&access, table))
	{
		result = counter_row_hold(&access, &access.tables[table], &key, wait, values);
		row_access_end(&access);
	}
	if (result != ROW_BY_STATEMENT)
		return result;
	counter = counter_of(table, parent, (CounterChange) {0});
	return hold_by_statement(&counter, wait, values);
}

static RowResult
change_by_statement(Counter *counter, const CounterChange *change, CounterValues *values)
{
	if (change->children == 0 && change->revisions == 0 && run(counter, &counter->statements->look, values) &&
		values->last_number >= change->number && values->last_revision >= change->revision)
		return ROW_DONE;
	if (run(counter, &counter->statements->change, values))
		return ROW_DONE;
	return run(counter, &counter->statements->look, values) &&
		(int64) Max(values->last_revision, change->revision) + change->revisions > PG_INT32_MAX ? ROW_EXHAUSTED : ROW_MISSING;
}

/*
 * Change a parent's row; waits for it. *values becomes what it has then. Returns
 * ROW_DONE, ROW_MISSING, or ROW_EXHAUSTED if there are not so many revisions left.
 */
RowResult
parent_counter_change(ChatTable table, ChatKey parent, const CounterChange *change, CounterValues *values)
{
	RowKey		key = row_key_of(table, parent);
	RowAccess	access;
	RowResult	result = ROW_BY_STATEMENT;
	Counter		counter;

	if (begin(&access, table))
	{
		result = counter_row_change(&access, &access.tables[table], &key, change, values);
		row_access_end(&access);
	}
	if (result != ROW_BY_STATEMENT)
		return result;
	counter = counter_of(table, parent, *change);
	return change_by_statement(&counter, change, values);
}
