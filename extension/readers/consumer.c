/*
 * consumer.c
 *	  Consumers: programs that process the changes of all chats of an application.
 *
 * A consumer has a position in each chat. chat.consume() gives the changes after it
 * and moves it, in the caller's transaction: so what the caller makes of the changes
 * and the position are committed together, or neither is.
 *
 * A consumer may have many workers. A position belongs to whoever moved it, until that
 * transaction ends, and a chat whose position is another's is passed over: so no two
 * have the same change, and a chat's changes are processed in their order. While a
 * worker looks whether a position is free, and until it has moved it, it has an advisory
 * lock, for which nobody waits. Of a chat that had no position it keeps that until the
 * transaction ends; it only spares waiting for the key of the row that was inserted.
 *
 * The update that moves a position is all that keeps others away, since a lock would
 * stay in the row: see row_statement.c. A row that somebody did lock, or that a
 * transaction moved which was rolled back, is replaced by one without a trace of that.
 *
 * Each call goes on with the chats behind those of the last one in this session, so
 * that busy chats do not keep it from the others.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "common/compat.h"
#include "common/message_columns.h"
#include "common/spi_plan.h"
#include "core/arg_error.h"
#include "core/array_args.h"
#include "core/entity_lookup.h"
#include "core/pagination.h"
#include "core/row_statement.h"
#include "core/sql_function.h"
#include "readers/reader_arg.h"
#include "rows/tid_cache.h"

PG_FUNCTION_INFO_V1(chat_consume_by_id);
PG_FUNCTION_INFO_V1(chat_consume_by_token);
PG_FUNCTION_INFO_V1(chat_skip_changes_by_id);
PG_FUNCTION_INFO_V1(chat_skip_changes_by_token);
PG_FUNCTION_INFO_V1(chat_delete_consumer_by_id);
PG_FUNCTION_INFO_V1(chat_delete_consumer_by_token);
PG_FUNCTION_INFO_V1(chat_list_consumers_by_id);
PG_FUNCTION_INFO_V1(chat_list_consumers_by_token);

/* Of advisory locks: not one that anybody can take by a function of PostgreSQL's. */
#define CONSUMER_LOCK_CLASS 4

/* What chat.consumed_change has. */
#define CONSUMED_TYPES INT4OID, TEXTOID, TEXTOID, MESSAGE_COLUMN_TYPES

/* A chat in which there is something to do. */
typedef struct Candidate
{
	int32		chat;
	bool		known;			/* it has a position */
} Candidate;

/* A call of consume. */
typedef struct Consumption
{
	int32		application;
	Datum		consumer;
	uint32		hash;			/* of both */
	Datum		chats;			/* those to look at */
	bool		all_chats;
	int32		limit;
	int32		count;			/* changes so far */
	RowStore	store;
} Consumption;

/*
 * Parameters: application, consumer, chats or null, chats above this one, through this one, how many at most;
 * chats that were moved recently, and where their positions are. Rows are reached by their keys, the chats in
 * their order, or by their places: see row_statement.c.
 */
#define POSITION_OF_CHAT(where) \
	"SELECT positions.number, positions.revision FROM chat.consumer_positions AS positions" \
	" WHERE positions.application_id = h.application_id AND positions.consumer = $2" \
	" AND positions.chat_number = h.number" where
#define CANDIDATES \
	"SELECT h.number, p.number IS NOT NULL AS known FROM chat.chats AS h LEFT JOIN LATERAL (" \
	POSITION_OF_CHAT(" AND positions.ctid = ($8)[array_position($7, h.number)]") \
	" UNION ALL " POSITION_OF_CHAT("") " LIMIT 1) AS p ON true" \
	" WHERE h.application_id = $1 AND h.number > $4 AND h.number <= $5 AND h.deleted_at IS NULL" \
	" AND ($3 IS NULL OR h.number = ANY ($3))" \
	" AND (h.last_message_number <> COALESCE(p.number, 0) OR h.last_revision <> COALESCE(p.revision, 0))" \
	" ORDER BY h.number LIMIT $6"

/* How many chats are remembered whose positions were moved. */
#define MOVED_MAX 32

/* The last calls in this session, of one consumer. */
static struct
{
	uint32		hash;
	int32		chat;			/* with which the last one ended */
	int			moved_count;	/* positions moved, of which the last are here */
	int32		moved[MOVED_MAX];
}			last_calls;

/* A hash of a position's key. */
static uint32
position_hash(const Consumption *call, int32 chat)
{
	return hash_combine(call->hash, murmurhash32(chat));
}

/* Remember that the position of a chat was moved. */
static void
remember_moved(int32 chat)
{
	for (int i = 0; i < Min(last_calls.moved_count, MOVED_MAX); i++)
		if (last_calls.moved[i] == chat)
			return;
	last_calls.moved[last_calls.moved_count++ % MOVED_MAX] = chat;
}

/* The chats whose positions this transaction moved recently, and where they are: two arrays. */
static void
find_moved(const Consumption *call, Datum *chats, Datum *places)
{
	ItemPointerData tids[MOVED_MAX];
	Datum		numbers[MOVED_MAX];
	Datum		pointers[MOVED_MAX];
	int			count = 0;

	for (int i = 0; i < Min(last_calls.moved_count, MOVED_MAX); i++)
		if (tid_cache_find_version(TABLE_CONSUMER_POSITIONS, position_hash(call, last_calls.moved[i]), &tids[count]))
		{
			numbers[count] = Int32GetDatum(last_calls.moved[i]);
			pointers[count] = PointerGetDatum(&tids[count]);
			count++;
		}
	*chats = PointerGetDatum(construct_array(numbers, count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
	*places = PointerGetDatum(construct_array(pointers, count, TIDOID, sizeof(ItemPointerData), false, TYPALIGN_SHORT));
}

/* Append the candidates among chats above one and through another; returns how many there are then. */
static int
find_candidates(const Consumption *call, int32 above, int32 through, Candidate *candidates, int count)
{
	static SavedPlan plan = SAVED_PLAN(CANDIDATES, INT4OID, TEXTOID, INT4ARRAYOID, INT4OID, INT4OID, INT8OID, INT4ARRAYOID,
									   TIDARRAYOID);
	Datum		values[8] = {
		Int32GetDatum(call->application), call->consumer, call->chats,
		Int32GetDatum(above), Int32GetDatum(through), Int64GetDatum(call->limit - count)
	};
	const char	nulls[] = {' ', ' ', call->all_chats ? 'n' : ' ', ' ', ' ', ' ', ' ', ' ', '\0'};
	uint64		rows;

	find_moved(call, &values[6], &values[7]);
	rows = spi_plan_write(&plan, values, nulls);
	for (uint64 row = 0; row < rows; row++)
		candidates[count++] = (Candidate) {spi_result_int32(row, 1), spi_result_bool(row, 2)};
	SPI_freetuptable(SPI_tuptable);
	return count;
}

/* The position of a chat, and whether its row has a lock. */
typedef struct Position
{
	int32		number;
	int32		revision;
	bool		locked;
} Position;

/*
 * Statements about a position. Their parameters: application, consumer, chat, where the row
 * is, the number and the revision that it has, and those that it is to get.
 */
#define POSITION_PARAMETERS .nargs = 8, .argtypes = {INT4OID, TEXTOID, INT4OID, TIDOID, INT4OID, INT4OID, INT4OID, INT4OID}
#define POSITION_STATEMENT(before, after) \
	{ \
		{.sql = before POSITION_KEY after, POSITION_PARAMETERS}, \
		{.sql = before POSITION_KEY " AND ctid = $4" after, .by_tid = true, POSITION_PARAMETERS} \
	}
#define POSITION_KEY " WHERE application_id = $1 AND consumer = $2 AND chat_number = $3"
#define POSITION_STAYED " AND number = $5 AND revision = $6"

/* Run one of them. Returns false if it had no row to do it to. */
static bool
run_on_position(const Consumption *call, int32 chat, RowStatement *statement, const Position *from, const Position *to)
{
	Datum		values[8] = {
		Int32GetDatum(call->application), call->consumer, Int32GetDatum(chat), 0,
		Int32GetDatum(from->number), Int32GetDatum(from->revision), Int32GetDatum(to->number), Int32GetDatum(to->revision)
	};

	return row_statement_run(statement, TABLE_CONSUMER_POSITIONS, position_hash(call, chat), values, 3) > 0;
}

/* Insert the position of a chat that has none. Returns false if it has one by now, or there is no such chat any more. */
static bool
insert_position(const Consumption *call, int32 chat, Position *position)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat.consumer_positions AS p (application_id, consumer, chat_number, number, revision)"
		" SELECT h.application_id, $2, h.number, 0, 0 FROM chat.chats AS h"
		" WHERE h.application_id = $1 AND h.number = $3 AND h.deleted_at IS NULL"
		" ON CONFLICT (application_id, consumer, chat_number) DO NOTHING",
		INT4OID, TEXTOID, INT4OID);
	Datum		values[3] = {Int32GetDatum(call->application), call->consumer, Int32GetDatum(chat)};

	*position = (Position) {0};
	return spi_plan_write(&plan, values, NULL) > 0;
}

/*
 * Find the position of a chat. Returns false if another transaction has moved or locked
 * it, or if it is there no more. A row that has no xmax is neither moved nor locked.
 */
static bool
find_position(const Consumption *call, int32 chat, Position *position)
{
	static RowStatement look = POSITION_STATEMENT(
		"SELECT number, revision, xmin, xmax = '0'::xid, ctid FROM chat.consumer_positions", "");
	static RowStatement try_lock = POSITION_STATEMENT(
		"SELECT number, revision, ctid FROM chat.consumer_positions", " FOR NO KEY UPDATE SKIP LOCKED");
	Position	none = {0};

	if (!run_on_position(call, chat, &look, &none, &none))
		return false;
	position->locked = !TransactionIdIsCurrentTransactionId(DatumGetTransactionId(spi_result(0, 3, XIDOID, NULL))) &&
		!spi_result_bool(0, 4);
	if (position->locked && !run_on_position(call, chat, &try_lock, &none, &none))
		return false;
	position->number = spi_result_int32(0, 1);
	position->revision = spi_result_int32(0, 2);
	return true;
}

/* Move the position of a chat. Returns false if it is not any more where it was. */
static bool
move_position(const Consumption *call, int32 chat, const Position *from, const Position *to)
{
	static RowStatement update = POSITION_STATEMENT(
		"UPDATE chat.consumer_positions SET number = $7, revision = $8", POSITION_STAYED " RETURNING ctid");
	static RowStatement replace = POSITION_STATEMENT(
		"WITH gone AS (DELETE FROM chat.consumer_positions",
		POSITION_STAYED " RETURNING application_id, consumer, chat_number)"
		" INSERT INTO chat.consumer_positions AS p (application_id, consumer, chat_number, number, revision)"
		" SELECT gone.application_id, gone.consumer, gone.chat_number, $7, $8 FROM gone RETURNING p.ctid");

	return run_on_position(call, chat, from->locked ? &replace : &update, from, to);
}

/* Columns of the statement that reads changes, before those of list_changes. */
enum
{
	READ_NUMBER,				/* how far the chat is, in the same snapshot */
	READ_REVISION,
	READ_CHANGE					/* position, event, the message; null if there is none */
};

/* Where a full page of changes ends, by its last row. */
static Position
end_of_page(uint64 row)
{
	text	   *value = spi_result_text(row, READ_CHANGE + 1, NULL);
	Position	end = {0};

	if (sscanf(text_to_cstring(value), "%d.%d", &end.number, &end.revision) != 2)
		elog(ERROR, "a position is not as chat.list_changes() gives it");
	return end;
}

/* Store the rows of a chat's changes, from SPI_tuptable. */
static void
store_changes(Consumption *call, int32 chat, uint64 rows)
{
	static const Oid types[] = {CONSUMED_TYPES};

	for (uint64 row = 0; row < rows; row++)
	{
		Datum		columns[lengthof(types)] = {Int32GetDatum(chat)};
		bool		nulls[lengthof(types)] = {false};

		for (int i = 1; i < lengthof(columns); i++)
			columns[i] = spi_result(row, READ_CHANGE + i, types[i], &nulls[i]);
		if (nulls[1])
			break;
		tuplestore_putvalues(call->store.rows, call->store.descriptor, columns, nulls);
		call->count++;
	}
}

/*
 * Take the changes of a chat, as many as are wanted still, and move its position behind
 * them: behind the last change if there may be more, else to where the chat is.
 */
static void
consume_chat(Consumption *call, const Candidate *candidate)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT h.last_message_number, h.last_revision, l.* FROM chat.chats AS h"
		" LEFT JOIN LATERAL chat.list_changes($1, $2, LEAST($3, h.last_message_number), LEAST($4, h.last_revision), $5) AS l ON true"
		" WHERE h.application_id = $1 AND h.number = $2 AND h.deleted_at IS NULL",
		INT4OID, INT4OID, INT4OID, INT4OID, INT4OID);
	int32		chat = candidate->chat;
	int32		wanted = call->limit - call->count;
	Position	from;
	Position	to;
	Datum		values[5];
	uint64		rows;
	bool		none;
	SPITupleTable *changes;

	if (!(candidate->known ? find_position(call, chat, &from) : insert_position(call, chat, &from)))
		return;
	values[0] = Int32GetDatum(call->application);
	values[1] = Int32GetDatum(chat);
	values[2] = Int32GetDatum(from.number);
	values[3] = Int32GetDatum(from.revision);
	values[4] = Int32GetDatum(wanted);
	rows = spi_plan_read_fresh(&plan, values);
	if (rows == 0)
		return;
	changes = SPI_tuptable;
	(void) spi_result_text(rows - 1, READ_CHANGE + 1, &none);
	if (rows == wanted && !none)
		to = end_of_page(rows - 1);
	else
		to = (Position) {.number = spi_result_int32(0, READ_NUMBER + 1), .revision = spi_result_int32(0, READ_REVISION + 1)};
	if (move_position(call, chat, &from, &to))
	{
		remember_moved(chat);
		SPI_tuptable = changes;
		store_changes(call, chat, rows);
	}
	SPI_freetuptable(changes);
}

/* The same, unless another worker of the consumer is about to. */
static void
try_consume_chat(Consumption *call, const Candidate *candidate)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, call->hash, candidate->chat, CONSUMER_LOCK_CLASS);
	if (LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return;
	consume_chat(call, candidate);
	if (candidate->known)
		LockRelease(&tag, ExclusiveLock, false);
}

/* Consume; arguments 1 to 3 are consumer, limit and chats. */
static Datum
consume(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	Consumption call = {
		.application = application,
		.consumer = consumer_argument(fcinfo, 1),
		.all_chats = PG_ARGISNULL(3),
		.chats = PG_ARGISNULL(3) ? (Datum) 0 : PG_GETARG_DATUM(3),
		.limit = page_limit(fcinfo->args[2]),
		.store = sql_function_result_store(fcinfo, &function->signature)
	};
	Candidate  *candidates = palloc(call.limit * sizeof(Candidate));
	int32		above;
	int			count;

	call.hash = reader_hash(application, call.consumer);
	if (last_calls.hash != call.hash)
	{
		last_calls.hash = call.hash;
		last_calls.chat = 0;
		last_calls.moved_count = 0;
	}
	above = last_calls.chat;
	count = find_candidates(&call, above, PG_INT32_MAX, candidates, 0);
	if (count < call.limit && above > 0)
		count = find_candidates(&call, 0, above, candidates, count);
	if (count == 0)
		application_require(application);
	for (int i = 0; i < count && call.count < call.limit; i++)
	{
		try_consume_chat(&call, &candidates[i]);
		above = candidates[i].chat;
	}
	last_calls.chat = above;
	return (Datum) 0;
}

static SqlFunction consume_function = {
	consume, FUNCTION_WRITES_ALL,
	{SQL_ARGS(APPLICATION_ARG, TEXTOID, INT4OID, INT4ARRAYOID), SQL_RETURNS_ROWS(CONSUMED_TYPES)}
};

/*
 * chat.consume(application integer, consumer text, "limit" integer, chats integer[])
 * returns setof chat.consumed_change
 */
Datum
chat_consume_by_id(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_id(fcinfo, &consume_function);
}

/*
 * chat.consume(token text, ...) returns setof chat.consumed_change
 */
Datum
chat_consume_by_token(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_token(fcinfo, &consume_function);
}

/* Run a statement about a consumer, argument 1, of an application. Returns the number of rows. */
static Datum
change_consumer(FunctionCallInfo fcinfo, SavedPlan *plan, int32 application)
{
	Datum		values[2] = {Int32GetDatum(application), consumer_argument(fcinfo, 1)};
	uint64		rows;

	application_require(application);
	rows = spi_plan_write(plan, values, NULL);
	PG_RETURN_INT64(rows);
}

static Datum
skip_changes(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat.consumer_positions AS p (application_id, consumer, chat_number, number, revision)"
		" SELECT h.application_id, $2, h.number, h.last_message_number, h.last_revision FROM chat.chats AS h"
		" WHERE h.application_id = $1 AND h.deleted_at IS NULL AND (h.last_message_number > 0 OR h.last_revision > 0)"
		" ON CONFLICT (application_id, consumer, chat_number) DO UPDATE"
		" SET number = excluded.number, revision = excluded.revision"
		" WHERE (p.number, p.revision) <> (excluded.number, excluded.revision)",
		INT4OID, TEXTOID);

	return change_consumer(fcinfo, &plan, application);
}

static SqlFunction skip_changes_function = {
	skip_changes, FUNCTION_WRITES_ALL, {SQL_ARGS(APPLICATION_ARG, TEXTOID), SQL_RETURNS(INT8OID)}
};

/*
 * chat.skip_changes(application integer, consumer text) returns bigint
 */
Datum
chat_skip_changes_by_id(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_id(fcinfo, &skip_changes_function);
}

/*
 * chat.skip_changes(token text, consumer text) returns bigint
 */
Datum
chat_skip_changes_by_token(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_token(fcinfo, &skip_changes_function);
}

static Datum
delete_consumer(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	static SavedPlan plan = SAVED_PLAN(
		"DELETE FROM chat.consumer_positions WHERE application_id = $1 AND consumer = $2", INT4OID, TEXTOID);

	return change_consumer(fcinfo, &plan, application);
}

static SqlFunction delete_consumer_function = {
	delete_consumer, FUNCTION_WRITES_ALL, {SQL_ARGS(APPLICATION_ARG, TEXTOID), SQL_RETURNS(INT8OID)}
};

/*
 * chat.delete_consumer(application integer, consumer text) returns bigint
 */
Datum
chat_delete_consumer_by_id(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_id(fcinfo, &delete_consumer_function);
}

/*
 * chat.delete_consumer(token text, consumer text) returns bigint
 */
Datum
chat_delete_consumer_by_token(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_token(fcinfo, &delete_consumer_function);
}

static Datum
list_consumers(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT p.consumer, (SELECT count(*) FROM chat.chats AS h LEFT JOIN LATERAL ("
		"SELECT positions.number, positions.revision FROM chat.consumer_positions AS positions"
		" WHERE positions.application_id = h.application_id AND positions.consumer = p.consumer"
		" AND positions.chat_number = h.number LIMIT 1) AS c ON true WHERE h.application_id = $1 AND h.deleted_at IS NULL"
		" AND (h.last_message_number <> COALESCE(c.number, 0) OR h.last_revision <> COALESCE(c.revision, 0)))"
		" FROM (SELECT DISTINCT consumers.consumer FROM chat.consumer_positions AS consumers"
		" WHERE consumers.application_id = $1) AS p ORDER BY p.consumer",
		INT4OID);
	Datum		value = Int32GetDatum(application);

	if (spi_plan_read_into(&plan, &value, sql_function_result_store(fcinfo, &function->signature)) == 0)
		application_require(application);
	return (Datum) 0;
}

static SqlFunction list_consumers_function = {
	list_consumers, FUNCTION_READS_ALL, {SQL_ARGS(APPLICATION_ARG), SQL_RETURNS_ROWS(TEXTOID, INT8OID)}
};

/*
 * chat.list_consumers(application integer) returns setof (consumer text, chats_behind
 * bigint)
 */
Datum
chat_list_consumers_by_id(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_id(fcinfo, &list_consumers_function);
}

/*
 * chat.list_consumers(token text) returns setof (consumer text, chats_behind bigint)
 */
Datum
chat_list_consumers_by_token(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_token(fcinfo, &list_consumers_function);
}
