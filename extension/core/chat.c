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
#include "core/application.h"
#include "core/chat.h"
#include "core/number_cache.h"
#include "core/pagination.h"
#include "core/sql_function.h"
#include "rows/counter_row.h"
#include "rows/row_insert.h"

#define CHAT_SELECT \
	"SELECT number, messages_count, last_message_number, created_at FROM chat.chats" \
	" WHERE application_id OPERATOR(pg_catalog.=) $1"

/*
 * Raise P0002 if there is no such chat.
 */
void
chat_require(int32 application, int32 chat)
{
	static SavedPlan plan = SAVED_PLAN(
		CHAT_SELECT " AND number OPERATOR(pg_catalog.=) $2", INT4OID, INT4OID);
	Datum		values[2] = {Int32GetDatum(application), Int32GetDatum(chat)};

	if (spi_plan_read(&plan, values) == 0)
	{
		application_require(application);
		arg_error_raise(chat_not_found(application, chat));
	}
}

/* That the chat, which the arguments name, does not exist. */
ArgError
chat_not_found(int32 application, int32 chat)
{
	return arg_error_not_found(psprintf("chat %d", chat),
							 psprintf("Application %d has no chat with this number.", application),
							 "Create it with chat.create_chat().");
}

/*
 * The number of the chat, argument 1. Raises P0002 if it is null.
 */
int32
chat_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(1))
		arg_error_raise(chat_not_named());
	return PG_GETARG_INT32(1);
}

/* That what names the application or the chat is null. */
ArgError
chat_not_named(void)
{
	return arg_error_not_found("chat", "Application or chat is null or unknown.", NULL);
}

/*
 * Create the counters of an application that has none, from the chats that it
 * has: it was inserted directly, or its counters were deleted. Does nothing if
 * there is no such application. After number_cache_function_begin.
 */
void
chat_create_counters(int32 application)
{
	static SavedPlan plan = SAVED_PLAN(
		"INSERT INTO chat.application_counters (application_id, last_chat_number, chats_count)"
		" SELECT a.id, COALESCE(c.highest, 0), c.counted::pg_catalog.int4 FROM chat.applications AS a,"
		" LATERAL (SELECT pg_catalog.count(*) AS counted, pg_catalog.max(number) AS highest"
		" FROM chat.chats WHERE application_id OPERATOR(pg_catalog.=) a.id) AS c"
		" WHERE a.id OPERATOR(pg_catalog.=) $1 FOR KEY SHARE OF a ON CONFLICT DO NOTHING",
		INT4OID);
	Datum		value = Int32GetDatum(application);

	spi_plan_write(&plan, &value, NULL);
}

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
	chat_create_counters(DatumGetInt32(values[0]));
	return spi_plan_write(plan, values, NULL);
}

/* Create a chat with the next number. */
static int32
create_numbered(int32 application)
{
	static SavedPlan plan = SAVED_PLAN(
		"WITH counted AS ("
		" UPDATE chat.application_counters"
		" SET last_chat_number = last_chat_number OPERATOR(pg_catalog.+) 1,"
		" chats_count = chats_count OPERATOR(pg_catalog.+) 1"
		" WHERE application_id OPERATOR(pg_catalog.=) $1"
		" AND last_chat_number OPERATOR(pg_catalog.<) 2147483647"
		" RETURNING last_chat_number)"
		" INSERT INTO chat.chats (application_id, number)"
		" SELECT $1, last_chat_number FROM counted RETURNING number",
		INT4OID);
	static SavedPlan find = SAVED_PLAN(
		"SELECT FROM chat.application_counters WHERE application_id OPERATOR(pg_catalog.=) $1",
		INT4OID);
	Datum		value = Int32GetDatum(application);

	if (change_counters(&plan, &value) == 0)
		arg_error_raise(spi_plan_write(&find, &value, NULL) == 0 ?
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
		" chats_count = chats_count OPERATOR(pg_catalog.+) 1"
		" WHERE application_id OPERATOR(pg_catalog.=) $1",
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

/* Find the application that argument 0 names. Returns false if there is none. */
static bool
find_application(RowAccess *access, FunctionCallInfo fcinfo, bool by_token, int32 *application)
{
	OpenTable  *applications = &access->tables[TABLE_APPLICATIONS];
	RowKey		key;

	*application = by_token ? 0 : PG_GETARG_INT32(0);
	if (!by_token)
		return true;
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
	RowKey		counters = row_key_of_counters(application);
	RowKey		parent = row_key_of_application(application);
	int			count = 1;
	int32		last_number;

	if (row_lock(access, &access->tables[TABLE_APPLICATIONS], &parent, LockTupleKeyShare, true) != ROW_DONE ||
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
create_chat_direct(FunctionCallInfo fcinfo, bool by_token, Datum *result)
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
	created = find_application(&access, fcinfo, by_token, &application) &&
		insert_numbered(&access, application, &number);
	row_access_end(&access);
	if (!created)
		return false;
	change_tracking_note(application, 0);
	change_tracking_note(application, number);
	*result = Int32GetDatum(number);
	return true;
}

/*
 * chat.create_chat(application, number integer) returns integer
 */
SQL_FUNCTION_DIRECT(create_chat, create_chat_direct)
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

/*
 * chat.get_chat(application, number integer) returns setof chat.chat
 */
SQL_FUNCTION(get_chat, FUNCTION_READS)
{
	static SavedPlan plan = SAVED_PLAN(
		CHAT_SELECT " AND number OPERATOR(pg_catalog.=) $2", INT4OID, INT4OID);
	Datum		values[2] = {Int32GetDatum(application), PG_GETARG_DATUM(1)};
	RowStore	store = sql_function_result_store(fcinfo);

	if (PG_ARGISNULL(1) || spi_plan_read_into(&plan, values, store) == 0)
		application_require(application);
	return (Datum) 0;
}

/*
 * chat.list_chats(application, after integer, before integer, "limit" integer)
 * returns setof chat.chat
 */
SQL_FUNCTION(list_chats, FUNCTION_READS)
{
	static PagePlans plans = {
		SAVED_PLAN(PAGE_SQL_FROM_START(CHAT_SELECT, "number", "$2", "$3", "$4"),
		INT4OID, INT4OID, INT4OID, INT8OID),
		SAVED_PLAN(PAGE_SQL_FROM_END(CHAT_SELECT, "number", "$2", "$3", "$4"),
		INT4OID, INT4OID, INT4OID, INT8OID)
	};
	Datum		value = Int32GetDatum(application);
	ListPage		page = page_from_arguments(fcinfo, 1);

	if (page_store(&plans, &value, 1, page, sql_function_result_store(fcinfo)) == 0)
		application_require(application);
	return (Datum) 0;
}
