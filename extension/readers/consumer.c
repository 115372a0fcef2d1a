/*
 * consumer.c
 *	  Consumers: programs that process the changes of all chats of an application.
 *
 * A consumer has a position in each chat. chat.consume() gives the changes after it
 * and moves it, in the caller's transaction: so what the caller makes of the changes
 * and the position are committed together, or neither is.
 *
 * A consumer may have many workers. A position is locked by whoever moves it, until
 * that transaction ends, and a chat whose position is locked is passed over: so no two
 * have the same change, and a chat's changes are processed in their order. Of a chat
 * that has no position yet, an advisory lock stands for it; it only spares waiting for
 * the key of the row that another worker has inserted.
 *
 * Each call goes on with the chats behind those of the last one in this session, so
 * that busy chats do not keep it from the others.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"

#include "common/compat.h"
#include "common/message_columns.h"
#include "common/spi_plan.h"
#include "core/arg_error.h"
#include "core/array_args.h"
#include "core/entity_lookup.h"
#include "core/pagination.h"
#include "core/sql_function.h"
#include "readers/reader_arg.h"

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
	Datum		chats;			/* those to look at */
	bool		all_chats;
	int32		limit;
	int32		count;			/* changes so far */
	RowStore	store;
} Consumption;

/*
 * Parameters: application, consumer, chats or null, chats above this one, through this one, how many at most.
 * Rows are reached by their keys: the chats in their order, the position of each.
 */
#define CANDIDATES \
	"SELECT h.number, p.number IS NOT NULL AS known FROM chat.chats AS h LEFT JOIN LATERAL (" \
	"SELECT positions.number, positions.revision FROM chat.consumer_positions AS positions" \
	" WHERE positions.application_id = h.application_id AND positions.consumer = $2" \
	" AND positions.chat_number = h.number LIMIT 1) AS p ON true" \
	" WHERE h.application_id = $1 AND h.number > $4 AND h.number <= $5 AND h.deleted_at IS NULL" \
	" AND ($3 IS NULL OR h.number = ANY ($3))" \
	" AND (h.last_message_number <> COALESCE(p.number, 0) OR h.last_revision <> COALESCE(p.revision, 0))" \
	" ORDER BY h.number LIMIT $6"

/* The chat that the last call in this session ended with. */
static struct
{
	int32		application;
	uint32		consumer;		/* a hash */
	int32		chat;
}			last_call;

static uint32
hash_of(Datum consumer)
{
	const text *name = DatumGetTextPP(consumer);

	return hash_bytes((const unsigned char *) VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
}

/* Append the candidates among chats above one and through another; returns how many there are then. */
static int
find_candidates(const Consumption *call, int32 above, int32 through, Candidate *candidates, int count)
{
	static SavedPlan plan = SAVED_PLAN(CANDIDATES, INT4OID, TEXTOID, INT4ARRAYOID, INT4OID, INT4OID, INT8OID);
	Datum		values[6] = {
		Int32GetDatum(call->application), call->consumer, call->chats,
		Int32GetDatum(above), Int32GetDatum(through), Int64GetDatum(call->limit - count)
	};
	const char	nulls[] = {' ', ' ', call->all_chats ? 'n' : ' ', ' ', ' ', ' ', '\0'};
	uint64		rows = spi_plan_write(&plan, values, nulls);

	for (uint64 row = 0; row < rows; row++)
		candidates[count++] = (Candidate) {spi_result_int32(row, 1), spi_result_bool(row, 2)};
	SPI_freetuptable(SPI_tuptable);
	return count;
}

/* Whether nobody else is about to insert the position of this chat. */
static bool
lock_new_position(const Consumption *call, int32 chat)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, hash_combine(hash_of(call->consumer), call->application), chat, CONSUMER_LOCK_CLASS);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * Lock the position of a chat, which is made if need be. Returns false if another worker
 * has it, or if there is no such chat any more.
 */
static bool
lock_position(const Consumption *call, const Candidate *candidate, int32 *number, int32 *revision)
{
	static SavedPlan lock = SAVED_PLAN(
		"SELECT number, revision FROM chat.consumer_positions"
		" WHERE application_id = $1 AND consumer = $2 AND chat_number = $3 FOR NO KEY UPDATE SKIP LOCKED",
		INT4OID, TEXTOID, INT4OID);
	static SavedPlan insert = SAVED_PLAN(
		"INSERT INTO chat.consumer_positions AS p (application_id, consumer, chat_number, number, revision)"
		" SELECT h.application_id, $2, h.number, 0, 0 FROM chat.chats AS h"
		" WHERE h.application_id = $1 AND h.number = $3 AND h.deleted_at IS NULL"
		" ON CONFLICT (application_id, consumer, chat_number) DO NOTHING RETURNING p.number, p.revision",
		INT4OID, TEXTOID, INT4OID);
	Datum		values[3] = {Int32GetDatum(call->application), call->consumer, Int32GetDatum(candidate->chat)};

	if (!candidate->known && !lock_new_position(call, candidate->chat))
		return false;
	if (spi_plan_write(candidate->known ? &lock : &insert, values, NULL) == 0)
		return false;
	*number = spi_result_int32(0, 1);
	*revision = spi_result_int32(0, 2);
	return true;
}

/* Move the position of a chat. */
static void
move_position(const Consumption *call, int32 chat, int32 number, int32 revision)
{
	static SavedPlan plan = SAVED_PLAN(
		"UPDATE chat.consumer_positions SET number = $4, revision = $5"
		" WHERE application_id = $1 AND consumer = $2 AND chat_number = $3",
		INT4OID, TEXTOID, INT4OID, INT4OID, INT4OID);
	Datum		values[5] = {
		Int32GetDatum(call->application), call->consumer, Int32GetDatum(chat), Int32GetDatum(number), Int32GetDatum(revision)
	};

	spi_plan_write(&plan, values, NULL);
}

/* Columns of the statement that reads changes, before those of list_changes. */
enum
{
	READ_NUMBER,				/* how far the chat is, in the same snapshot */
	READ_REVISION,
	READ_CHANGE					/* position, event, the message; null if there is none */
};

/*
 * Take the changes of a chat, as many as are wanted still, and move its position behind
 * them.
 */
static void
consume_chat(Consumption *call, const Candidate *candidate)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT h.last_message_number, h.last_revision, l.* FROM chat.chats AS h"
		" LEFT JOIN LATERAL chat.list_changes($1, $2, LEAST($3, h.last_message_number), LEAST($4, h.last_revision), $5) AS l ON true"
		" WHERE h.application_id = $1 AND h.number = $2 AND h.deleted_at IS NULL",
		INT4OID, INT4OID, INT4OID, INT4OID, INT4OID);
	int32		wanted = call->limit - call->count;
	int32		number;
	int32		revision;
	Datum		values[5];
	uint64		rows;

	if (!lock_position(call, candidate, &number, &revision))
		return;
	values[0] = Int32GetDatum(call->application);
	values[1] = Int32GetDatum(candidate->chat);
	values[2] = Int32GetDatum(number);
	values[3] = Int32GetDatum(revision);
	values[4] = Int32GetDatum(wanted);
	rows = spi_plan_read_fresh(&plan, values);
	if (rows == 0)
		return;
	number = spi_result_int32(0, READ_NUMBER + 1);
	revision = spi_result_int32(0, READ_REVISION + 1);
	for (uint64 row = 0; row < rows; row++)
	{
		Datum		columns[3 + MESSAGE_COLUMNS_COUNT];
		bool		nulls[3 + MESSAGE_COLUMNS_COUNT] = {false};
		static const Oid types[] = {CONSUMED_TYPES};

		columns[0] = Int32GetDatum(candidate->chat);
		for (int i = 1; i < lengthof(columns); i++)
			columns[i] = spi_result(row, READ_CHANGE + i, types[i], &nulls[i]);
		if (nulls[1])
			break;
		tuplestore_putvalues(call->store.rows, call->store.descriptor, columns, nulls);
		call->count++;
		/* A page that is full ends at its last change; another, where the chat is. */
		if (row + 1 == wanted &&
			sscanf(text_to_cstring(DatumGetTextPP(columns[1])), "%d.%d", &number, &revision) != 2)
			elog(ERROR, "a position is not as chat.list_changes() gives it");
	}
	SPI_freetuptable(SPI_tuptable);
	move_position(call, candidate->chat, number, revision);
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
	uint32		hash = hash_of(call.consumer);
	Candidate  *candidates = palloc(call.limit * sizeof(Candidate));
	int32		above = 0;
	int			count;

	if (last_call.application == application && last_call.consumer == hash)
		above = last_call.chat;
	count = find_candidates(&call, above, PG_INT32_MAX, candidates, 0);
	if (count < call.limit && above > 0)
		count = find_candidates(&call, 0, above, candidates, count);
	if (count == 0)
		application_require(application);
	for (int i = 0; i < count && call.count < call.limit; i++)
	{
		consume_chat(&call, &candidates[i]);
		above = candidates[i].chat;
	}
	last_call.application = application;
	last_call.consumer = hash;
	last_call.chat = above;
	return (Datum) 0;
}

static SqlFunction consume_function = {
	consume, FUNCTION_WRITES,
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
	skip_changes, FUNCTION_WRITES, {SQL_ARGS(APPLICATION_ARG, TEXTOID), SQL_RETURNS(INT8OID)}
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
	delete_consumer, FUNCTION_WRITES, {SQL_ARGS(APPLICATION_ARG, TEXTOID), SQL_RETURNS(INT8OID)}
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
	list_consumers, FUNCTION_READS, {SQL_ARGS(APPLICATION_ARG), SQL_RETURNS_ROWS(TEXTOID, INT8OID)}
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
