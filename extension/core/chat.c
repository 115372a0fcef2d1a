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
#include "core/parent_counter.h"
#include "core/sql_function.h"
#include "rows/counter_row.h"
#include "rows/row_insert.h"

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
	" WHERE application_id = $1 AND deleted_at IS NULL"

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

/*
 * Have the application stay until the transaction ends, as the check of the reference to it would
 * do. Raises P0002 if it is not there, or was deleted.
 */
static void
application_hold(int32 application)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT FROM chat.applications WHERE id = $1 AND deleted_at IS NULL FOR KEY SHARE",
		INT4OID);
	Datum		value = Int32GetDatum(application);

	if (spi_plan_write(&plan, &value, NULL) == 0)
		arg_error_raise(application_not_found());
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
	Datum		value = Int32GetDatum(application);

	if (change_counters(&plan, &value) == 0)
		arg_error_raise(arg_error_numbers_exhausted("chat"));
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
	if (parent_counter_raise(TABLE_APPLICATION_COUNTERS, (ChatKey) {.application = application}, number, 1) != ROW_DONE)
		change_counters(&count, values);
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

	application_hold(application);
	if (PG_ARGISNULL(1))
		number = create_numbered(application);
	else
		number = create_named(application, PG_GETARG_INT32(1));
	number_cache_function_end(previous);
	change_tracking_note(application, 0);
	change_tracking_note(application, number);
	PG_RETURN_INT32(number);
}

/* Find the application that argument 0 names. Returns false if there is none. */
static bool
find_application(RowAccess *access, FunctionCallInfo fcinfo, Oid application_type, int32 *application)
{
	OpenTable  *applications = &access->tables[TABLE_APPLICATIONS];
	RowKey		key;

	if (application_type == INT4OID)
	{
		*application = PG_GETARG_INT32(0);
		return true;
	}
	key = row_key_of_token(PG_GETARG_TEXT_PP(0));
	if (!row_find_current(access, applications, &key))
		return false;
	*application = DatumGetInt32(row_found_value(applications, APPLICATIONS_ID));
	return true;
}

/*
 * Count and insert a chat. Returns false, and has changed nothing, if statements
 * have to do it.
 */
static bool
insert_numbered(RowAccess *access, int32 application, int32 *number)
{
	OpenTable  *applications = &access->tables[TABLE_APPLICATIONS];
	RowKey		counters = row_key_of_counters(application);
	RowKey		parent = row_key_of_application(application);
	int			count = 1;
	int32		last_number;

	if (row_lock(access, applications, &parent, LockTupleKeyShare, true) != ROW_DONE ||
		!row_found_is_null(applications, APPLICATIONS_DELETED_AT) ||
		counter_row_add(access, &access->tables[TABLE_APPLICATION_COUNTERS], &counters, true,
						&count, &last_number) != ROW_DONE || count == 0)
		return false;
	*number = last_number + 1;
	row_insert_chat(access, application, *number);
	return true;
}

/*
 * Create a chat with the next number, if that takes no statement. The row of
 * the application is locked as the check of the reference to it would do.
 */
static bool
create_chat_direct(FunctionCallInfo fcinfo, Oid application_type, Datum *result)
{
	static const RowUses uses = {{
			[TABLE_APPLICATIONS] = ROW_USE(ROW_REFERENCE),
			[TABLE_APPLICATION_COUNTERS] = ROW_USE(ROW_UPDATE),
			[TABLE_CHATS] = ROW_USE(ROW_INSERT)
	}};
	RowAccess	access;
	int32		application;
	int32		number;
	bool		created;

	if (PG_ARGISNULL(0) || !PG_ARGISNULL(1) || number_cache_in_use() || !row_access_begin(&access, uses))
		return false;
	created = find_application(&access, fcinfo, application_type, &application) &&
		insert_numbered(&access, application, &number);
	row_access_end(&access);
	if (!created)
		return false;
	change_tracking_note(application, 0);
	change_tracking_note(application, number);
	*result = Int32GetDatum(number);
	return true;
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
	return sql_function_call_direct(fcinfo, &create_chat_function, INT4OID, create_chat_direct);
}

/*
 * chat.create_chat(token text, number integer) returns integer
 */
Datum
chat_create_chat_by_token(PG_FUNCTION_ARGS)
{
	return sql_function_call_direct(fcinfo, &create_chat_function, TEXTOID, create_chat_direct);
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
