/*
 * cursor.c
 *	  Cursors: how far a reader has read a chat.
 *
 * A cursor moves forward: if two devices of one reader set it, the one that is
 * behind does not undo the other's progress. It only moves back if the caller
 * asks for that. A row is written only if the cursor moves, and no index has a
 * column that changes, so that the update is HOT.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/builtins.h"

#include "changes/change_tracking.h"
#include "common/spi_plan.h"
#include "core/arg_error.h"
#include "core/entity_lookup.h"
#include "core/message.h"
#include "core/pagination.h"
#include "core/row_statement.h"
#include "core/sql_function.h"
#include "readers/reader_arg.h"
#include "readers/unread_count.h"

PG_FUNCTION_INFO_V1(chat_set_cursor_by_id);
PG_FUNCTION_INFO_V1(chat_set_cursor_by_token);
PG_FUNCTION_INFO_V1(chat_get_cursor_by_id);
PG_FUNCTION_INFO_V1(chat_get_cursor_by_token);
PG_FUNCTION_INFO_V1(chat_list_cursors_by_id);
PG_FUNCTION_INFO_V1(chat_list_cursors_by_token);

/* The types of chat.cursor. Parameters: application, chat, reader. */
#define CURSOR_TYPES TEXTOID, INT4OID, INT4OID
#define CURSOR_SELECT(more) \
	"SELECT c.reader, c.number, " UNREAD_COUNT("$1", "c.number") " AS unread_count" more " FROM chat.cursors AS c" \
	" JOIN chat.chats AS h ON h.application_id = c.application_id AND h.number = c.chat_number" \
	" WHERE c.application_id = $1 AND c.chat_number = $2 AND c.reader = $3 AND h.deleted_at IS NULL"


/* Raise 22003 if the number is above the highest one of the chat. */
static void
require_number(int32 application, int32 chat, int32 number)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT last_message_number FROM chat.chats WHERE application_id = $1 AND number = $2 AND deleted_at IS NULL",
		INT4OID, INT4OID);
	Datum		values[2] = {Int32GetDatum(application), Int32GetDatum(chat)};
	int32		last;

	if (spi_plan_read_fresh(&plan, values) == 0)
		chat_require(application, chat);
	last = spi_result_int32(0, 1);
	if (number > last)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("cursor number must not be greater than %d, the chat's last", last),
				 err_generic_string(PG_DIAG_COLUMN_NAME, "number")));
}

/* A hash of a cursor's key. */
static uint32
cursor_hash(int32 application, int32 chat, Datum reader)
{
	return hash_combine(reader_hash(application, reader), murmurhash32(chat));
}

/*
 * Move the cursor of a reader forward, or also back if back is true. Returns
 * whether it was moved.
 *
 * INSERT ... ON CONFLICT DO UPDATE would lock a row that it finds first, also if it
 * does not move: a write for each call, and a multixact for each later update in
 * another subtransaction. So it is updated if it is there, else inserted; and
 * updated where somebody else has inserted it meanwhile.
 */
static bool
move_cursor(int32 application, int32 chat, Datum reader, int32 number, bool back)
{
#define CHAT_HAS_NUMBER \
	" h.application_id = $1 AND h.number = $2 AND h.deleted_at IS NULL AND h.last_message_number >= $4"
#define CURSOR_UPDATE(place) \
	SAVED_PLAN("UPDATE chat.cursors AS c SET number = $4" \
			   " WHERE c.application_id = $1 AND c.chat_number = $2 AND c.reader = $3" place \
			   " AND (c.number < $4 OR ($5 AND c.number > $4))" \
			   " AND EXISTS (SELECT FROM chat.chats AS h WHERE" CHAT_HAS_NUMBER ") RETURNING c.ctid", \
			   INT4OID, INT4OID, TEXTOID, INT4OID, BOOLOID, TIDOID)
	static RowStatement update = {CURSOR_UPDATE(""), CURSOR_UPDATE(" AND c.ctid = $6")};
	static SavedPlan insert = SAVED_PLAN(
		"INSERT INTO chat.cursors (application_id, chat_number, reader, number)"
		" SELECT h.application_id, h.number, $3, $4 FROM chat.chats AS h WHERE" CHAT_HAS_NUMBER
		" ON CONFLICT (application_id, chat_number, reader) DO NOTHING",
		INT4OID, INT4OID, TEXTOID, INT4OID);
	uint32		hash = cursor_hash(application, chat, reader);
	Datum		values[6] = {
		Int32GetDatum(application), Int32GetDatum(chat), reader, Int32GetDatum(number), BoolGetDatum(back)
	};

	if (row_statement_run(&update, TABLE_CURSORS, hash, values, 5) == 0 && spi_plan_write(&insert, values, NULL) == 0 &&
		row_statement_run(&update, TABLE_CURSORS, hash, values, 5) == 0)
		return false;
	change_tracking_note(application, -chat);
	return true;
}

/* Set a cursor; arguments 1 to 4 are chat, reader, number and back. */
static Datum
set_cursor(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
#define CURSOR_FIND(place) SAVED_PLAN(CURSOR_SELECT(", c.ctid") place, INT4OID, INT4OID, TEXTOID, TIDOID)
	static RowStatement find = {CURSOR_FIND(""), CURSOR_FIND(" AND c.ctid = $4")};
	int32		chat = chat_argument(fcinfo);
	Datum		reader = reader_argument(fcinfo, 2);
	bool		back = !PG_ARGISNULL(4) && PG_GETARG_BOOL(4);
	Datum		values[4] = {Int32GetDatum(application), Int32GetDatum(chat), reader};
	TupleDesc	descriptor = sql_signature_row(fcinfo, &function->signature);
	Datum		columns[3];
	bool		nulls[3] = {false};
	int32		number;

	if (PG_ARGISNULL(3))
		arg_error_raise(arg_error_blank("cursor", "number"));
	number = PG_GETARG_INT32(3);
	if (number < 0)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("cursor number must not be less than 0"),
				 err_generic_string(PG_DIAG_COLUMN_NAME, "number")));
	if (!move_cursor(application, chat, reader, number, back))
		require_number(application, chat, number);
	if (row_statement_run(&find, TABLE_CURSORS, cursor_hash(application, chat, reader), values, 3) == 0)
		chat_require(application, chat);
	for (int i = 0; i < lengthof(columns); i++)
		columns[i] = spi_result(0, i + 1, function->signature.columns[i], &nulls[i]);
	return PointerGetDatum(SPI_returntuple(heap_form_tuple(descriptor, columns, nulls), descriptor));
}

static SqlFunction set_cursor_function = {
	set_cursor, FUNCTION_WRITES,
	{SQL_ARGS(APPLICATION_ARG, INT4OID, TEXTOID, INT4OID, BOOLOID), SQL_RETURNS_ROW(CURSOR_TYPES)}
};

/*
 * chat.set_cursor(application integer, chat integer, reader text, number integer,
 * back boolean) returns chat.cursor
 */
Datum
chat_set_cursor_by_id(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_id(fcinfo, &set_cursor_function);
}

/*
 * chat.set_cursor(token text, ...) returns chat.cursor
 */
Datum
chat_set_cursor_by_token(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_token(fcinfo, &set_cursor_function);
}

/* Find a cursor; arguments 1 and 2 are chat and reader. */
static Datum
get_cursor(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	static SavedPlan plan = SAVED_PLAN(CURSOR_SELECT(""), INT4OID, INT4OID, TEXTOID);
	int32		chat = chat_argument(fcinfo);
	Datum		values[3] = {Int32GetDatum(application), Int32GetDatum(chat), reader_argument(fcinfo, 2)};

	if (spi_plan_read_into(&plan, values, sql_function_result_store(fcinfo, &function->signature)) == 0)
		chat_require(application, chat);
	return (Datum) 0;
}

static SqlFunction get_cursor_function = {
	get_cursor, FUNCTION_READS,
	{SQL_ARGS(APPLICATION_ARG, INT4OID, TEXTOID), SQL_RETURNS_ROWS(CURSOR_TYPES)}
};

/*
 * chat.get_cursor(application integer, chat integer, reader text) returns setof
 * chat.cursor
 */
Datum
chat_get_cursor_by_id(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_id(fcinfo, &get_cursor_function);
}

/*
 * chat.get_cursor(token text, ...) returns setof chat.cursor
 */
Datum
chat_get_cursor_by_token(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_token(fcinfo, &get_cursor_function);
}

/* List the cursors of a chat; arguments 1 to 3 are chat, after, a reader, and limit. */
static Datum
list_cursors(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT c.reader, c.number FROM chat.cursors AS c WHERE c.application_id = $1 AND c.chat_number = $2"
		" AND c.reader > $3 AND " CHAT_IS_NOT_DELETED("$1", "$2") " ORDER BY c.reader LIMIT $4",
		INT4OID, INT4OID, TEXTOID, INT8OID);
	int32		chat = chat_argument(fcinfo);
	Datum		values[4] = {
		Int32GetDatum(application), Int32GetDatum(chat),
		PG_ARGISNULL(2) ? PointerGetDatum(cstring_to_text("")) : PG_GETARG_DATUM(2),
		Int64GetDatum(page_limit(fcinfo->args[3]))
	};

	if (spi_plan_read_into(&plan, values, sql_function_result_store(fcinfo, &function->signature)) == 0)
		chat_require(application, chat);
	return (Datum) 0;
}

static SqlFunction list_cursors_function = {
	list_cursors, FUNCTION_READS,
	{SQL_ARGS(APPLICATION_ARG, INT4OID, TEXTOID, INT4OID), SQL_RETURNS_ROWS(TEXTOID, INT4OID)}
};

/*
 * chat.list_cursors(application integer, chat integer, after text, "limit" integer)
 * returns setof (reader text, number integer)
 */
Datum
chat_list_cursors_by_id(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_id(fcinfo, &list_cursors_function);
}

/*
 * chat.list_cursors(token text, ...) returns setof (...)
 */
Datum
chat_list_cursors_by_token(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_token(fcinfo, &list_cursors_function);
}
