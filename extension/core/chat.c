/*
 * chat.c
 *	  Chats: numbered within their application.
 *
 * The row of chat.application_counters is locked by whoever creates a chat
 * until the end of the transaction, so numbers are given in commit order.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "changes/change_tracking.h"
#include "common/spi_plan.h"
#include "core/arg_error.h"
#include "core/entity_lookup.h"
#include "core/number_cache.h"
#include "core/pagination.h"
#include "core/sql_function.h"

PG_FUNCTION_INFO_V1(chat_create_chat_by_id);
PG_FUNCTION_INFO_V1(chat_create_chat_by_token);
PG_FUNCTION_INFO_V1(chat_get_chat_by_id);
PG_FUNCTION_INFO_V1(chat_get_chat_by_token);
PG_FUNCTION_INFO_V1(chat_list_chats_by_id);
PG_FUNCTION_INFO_V1(chat_list_chats_by_token);

/* What chat.chat has. */
#define CHAT_COLUMNS INT4OID, INT4OID, INT4OID, TIMESTAMPTZOID
#define CHAT_SELECT \
	"SELECT number, messages_count, last_message_number, created_at FROM chat.chats" \
	" WHERE application_id = $1"

/*
 * Run a statement that changes the application's counters, the first parameter
 * being the application. Returns the number of rows, 0 also if the application
 * does not exist.
 */
static uint64
change_counters(SavedPlan *plan, const Datum *values)
{
	uint64		count = spi_plan_write(plan, values, NULL);

	if (count > 0)
		return count;
	number_cache_create_counters(DatumGetInt32(values[0]));
	return spi_plan_write(plan, values, NULL);
}

/* Create a chat with the next number. */
static int32
create_numbered(int32 application)
{
	static SavedPlan plan = SAVED_PLAN(
		"WITH counted AS ("
		" UPDATE chat.application_counters"
		" SET last_chat_number = last_chat_number + 1,"
		" chats_count = chats_count + 1"
		" WHERE application_id = $1"
		" AND last_chat_number < 2147483647"
		" RETURNING last_chat_number)"
		" INSERT INTO chat.chats (application_id, number)"
		" SELECT $1, last_chat_number FROM counted RETURNING number",
		INT4OID);
	static SavedPlan find = SAVED_PLAN(
		"SELECT FROM chat.application_counters WHERE application_id = $1",
		INT4OID);
	Datum		value = Int32GetDatum(application);

	if (change_counters(&plan, &value) == 0)
		arg_error_raise(spi_plan_read_fresh(&find, &value) == 0 ?
						application_not_found() : arg_error_numbers_exhausted("chat"));
	return spi_result_int32(0, 1);
}

/* Create a chat with the number that the caller named. */
static int32
create_named(int32 application, int32 number)
{
	static SavedPlan count = SAVED_PLAN(
		"UPDATE chat.application_counters"
		" SET last_chat_number = GREATEST(last_chat_number, $2),"
		" chats_count = chats_count + 1"
		" WHERE application_id = $1",
		INT4OID, INT4OID);
	static SavedPlan insert = SAVED_PLAN(
		"INSERT INTO chat.chats (application_id, number) VALUES ($1, $2)"
		" ON CONFLICT (application_id, number) DO NOTHING",
		INT4OID, INT4OID);
	Datum		values[2] = {Int32GetDatum(application), Int32GetDatum(number)};

	if (number < 1)
		arg_error_raise(arg_error_number_range("chat", number));
	if (change_counters(&count, values) == 0)
		arg_error_raise(application_not_found());
	if (spi_plan_write(&insert, values, NULL) == 0)
		arg_error_raise(arg_error_taken("chat", "number",
										psprintf("There is a chat number %d.", number),
										"Leave the number out to get the next one."));
	return number;
}

/* Create a chat; argument 1 is its number, or null. */
static Datum
create_chat(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	int			previous = number_cache_function_begin();
	int32		number;

	if (PG_ARGISNULL(1))
		number = create_numbered(application);
	else
		number = create_named(application, PG_GETARG_INT32(1));
	number_cache_function_end(previous);
	change_tracking_note(application, 0);
	change_tracking_note(application, number);
	PG_RETURN_INT32(number);
}

static SqlFunction create_chat_function = {
	create_chat, FUNCTION_WRITES, {SQL_ARGS(APPLICATION_ARG, INT4OID), SQL_RETURNS(INT4OID)}
};

/*
 * chat.create_chat(application integer, number integer) returns integer
 */
Datum
chat_create_chat_by_id(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_id(fcinfo, &create_chat_function);
}

/*
 * chat.create_chat(token text, number integer) returns integer
 */
Datum
chat_create_chat_by_token(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_token(fcinfo, &create_chat_function);
}

/* Find the chat whose number is argument 1. */
static Datum
get_chat(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	static SavedPlan plan = SAVED_PLAN(CHAT_SELECT " AND number = $2", INT4OID, INT4OID);
	Datum		values[2] = {Int32GetDatum(application), PG_GETARG_DATUM(1)};
	RowStore	store = sql_function_result_store(fcinfo, &function->signature);

	if (PG_ARGISNULL(1) || spi_plan_read_into(&plan, values, store) == 0)
		application_require(application);
	return (Datum) 0;
}

static SqlFunction get_chat_function = {
	get_chat, FUNCTION_READS, {SQL_ARGS(APPLICATION_ARG, INT4OID), SQL_RETURNS_ROWS(CHAT_COLUMNS)}
};

/*
 * chat.get_chat(application integer, number integer) returns setof chat.chat
 */
Datum
chat_get_chat_by_id(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_id(fcinfo, &get_chat_function);
}

/*
 * chat.get_chat(token text, number integer) returns setof chat.chat
 */
Datum
chat_get_chat_by_token(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_token(fcinfo, &get_chat_function);
}

/* Find a page of chats; arguments 1 to 3 are after, before and limit. */
static Datum
list_chats(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	static PagePlans plans = {
		SAVED_PLAN(PAGE_SQL_FROM_START(CHAT_SELECT, "number", "$2", "$3", "$4"),
				   INT4OID, INT4OID, INT4OID, INT8OID),
		SAVED_PLAN(PAGE_SQL_FROM_END(CHAT_SELECT, "number", "$2", "$3", "$4"),
				   INT4OID, INT4OID, INT4OID, INT8OID)
	};
	Datum		value = Int32GetDatum(application);
	ListPage	page = page_from_arguments(fcinfo, 1);

	if (page_store(&plans, &value, 1, page, sql_function_result_store(fcinfo, &function->signature)) == 0)
		application_require(application);
	return (Datum) 0;
}

static SqlFunction list_chats_function = {
	list_chats, FUNCTION_READS,
	{SQL_ARGS(APPLICATION_ARG, INT4OID, INT4OID, INT4OID), SQL_RETURNS_ROWS(CHAT_COLUMNS)}
};

/*
 * chat.list_chats(application integer, after integer, before integer, "limit"
 * integer) returns setof chat.chat
 */
Datum
chat_list_chats_by_id(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_id(fcinfo, &list_chats_function);
}

/*
 * chat.list_chats(token text, after integer, before integer, "limit" integer)
 * returns setof chat.chat
 */
Datum
chat_list_chats_by_token(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_token(fcinfo, &list_chats_function);
}
