/*
 * chat.c
 *	  Chats: numbered within their application.
 *
 * The row of chat.application_counters is locked by whoever creates a chat
 * until the end of the transaction, so numbers are given in commit order.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "changes/change_tracking.h"
#include "common/spi_plan.h"
#include "core/arg_error.h"
#include "core/chat.h"
#include "core/entity_lookup.h"
#include "core/message_check.h"
#include "core/message_to_json.h"
#include "core/number_cache.h"
#include "core/pagination.h"
#include "core/parent_counter.h"
#include "core/replay.h"
#include "core/sql_function.h"
#include "rows/counter_row.h"
#include "rows/row_insert.h"

PG_FUNCTION_INFO_V1(chat_create_chat_by_id);
PG_FUNCTION_INFO_V1(chat_create_chat_by_token);
PG_FUNCTION_INFO_V1(chat_create_chat_json);
PG_FUNCTION_INFO_V1(chat_get_chat_by_id);
PG_FUNCTION_INFO_V1(chat_get_chat_by_token);
PG_FUNCTION_INFO_V1(chat_list_chats_by_id);
PG_FUNCTION_INFO_V1(chat_list_chats_by_token);

/* The types of chat.chat. */
#define CHAT_COLUMNS INT4OID, INT4OID, INT4OID, TIMESTAMPTZOID
#define CHAT_SELECT \
	"SELECT number, messages_count, last_message_number, created_at FROM chat.chats" \
	" WHERE application_id = $1 AND deleted_at IS NULL"

/* A new chat. */
typedef struct ChatInsert
{
	int32		application;
	int32		number;
	text	   *key;			/* or NULL */
	TimestampTz created_at;
	bool		replayed;		/* it was there already, by its key */
} ChatInsert;

/*
 * Have the application stay until the transaction ends, as the check of the
 * reference to it would do. Raises P0002 if there is none, or if it was deleted.
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

/* Count a chat with the next number. Raises P0002, 54000 or 55P03. */
static int32
count_numbered(int32 application)
{
	ChatKey		parent = {.application = application, .chat = COUNTER_OF_CHATS};
	int			count = 1;
	int32		last_number;
	RowResult	result = parent_counter_add(TABLE_APPLICATION_COUNTERS, parent, true, &count, &last_number);

	if (result == ROW_MISSING)
	{
		number_cache_create_counters(application);
		result = parent_counter_add(TABLE_APPLICATION_COUNTERS, parent, true, &count, &last_number);
	}
	if (result != ROW_DONE)
		arg_error_raise(result == ROW_MISSING ? application_not_found() :
						arg_error_locked(psprintf("application %d", application)));
	if (count == 0)
		arg_error_raise(arg_error_numbers_exhausted("chat"));
	return last_number + 1;
}

/* Count a chat with the number that the caller named. Raises P0002, and 22003 for a number below 1. */
static void
count_named(int32 application, int32 number)
{
	ChatKey		parent = {.application = application, .chat = COUNTER_OF_CHATS};
	CounterChange change = {.number = number, .children = 1};
	CounterValues values;

	if (number < 1)
		arg_error_raise(arg_error_number_range("chat", number));
	if (parent_counter_change(TABLE_APPLICATION_COUNTERS, parent, &change, &values) == ROW_DONE)
		return;
	number_cache_create_counters(application);
	if (parent_counter_change(TABLE_APPLICATION_COUNTERS, parent, &change, &values) != ROW_DONE)
		arg_error_raise(application_not_found());
}

/* Insert a chat, and set when it was created. Raises 23505 if its number is named and taken. */
static void
insert_chat(ChatInsert *chat, bool named)
{
#define INSERT_CHAT "INSERT INTO chat.chats (application_id, number, key) VALUES ($1, $2, $3)"
	static SavedPlan insert = SAVED_PLAN(INSERT_CHAT " RETURNING created_at", INT4OID, INT4OID, TEXTOID);
	static SavedPlan insert_named = SAVED_PLAN(
		INSERT_CHAT " ON CONFLICT (application_id, number) DO NOTHING RETURNING created_at", INT4OID, INT4OID, TEXTOID);
	Datum		values[3] = {Int32GetDatum(chat->application), Int32GetDatum(chat->number), PointerGetDatum(chat->key)};
	char		nulls[3] = {' ', ' ', chat->key == NULL ? 'n' : ' '};

	if (spi_plan_write(named ? &insert_named : &insert, values, nulls) > 0)
		chat->created_at = DatumGetTimestampTz(spi_result(0, 1, TIMESTAMPTZOID, NULL));
	else if (named)
		arg_error_raise(arg_error_taken("chat", "number", psprintf("There is a chat number %d.", chat->number),
										"Leave the number out to get the next one."));
}

/* Lock what counts an application's chats. Raises P0002 or 55P03. */
static void
hold_counters(int32 application)
{
	ChatKey		parent = {.application = application, .chat = COUNTER_OF_CHATS};
	CounterValues values;
	RowResult	result = parent_counter_hold(TABLE_APPLICATION_COUNTERS, parent, true, &values);

	if (result == ROW_MISSING)
	{
		number_cache_create_counters(application);
		result = parent_counter_hold(TABLE_APPLICATION_COUNTERS, parent, true, &values);
	}
	if (result != ROW_DONE)
		arg_error_raise(result == ROW_MISSING ? application_not_found() :
						arg_error_locked(psprintf("application %d", application)));
}

/*
 * Find the chat that was created with the key. It is looked for under the lock of what
 * counts the chats, so that of twins the second finds the first. Raises 23505 if it has
 * another number than the one that is named.
 */
static bool
find_by_key(ChatInsert *chat, bool named)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT number, created_at FROM chat.chats WHERE application_id = $1 AND key = $2",
		INT4OID, TEXTOID);
	Datum		values[2] = {Int32GetDatum(chat->application), PointerGetDatum(chat->key)};

	hold_counters(chat->application);
	if (spi_plan_read_fresh(&plan, values) == 0)
		return false;
	if (named && chat->number != spi_result_int32(0, 1))
		arg_error_raise(arg_error_key_used("chat", psprintf("Chat %d was created with this key.", spi_result_int32(0, 1))));
	chat->number = spi_result_int32(0, 1);
	chat->created_at = DatumGetTimestampTz(spi_result(0, 2, TIMESTAMPTZOID, NULL));
	chat->replayed = true;
	replay_note();
	return true;
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
insert_numbered(RowAccess *access, ChatInsert *chat)
{
	OpenTable  *applications = &access->tables[TABLE_APPLICATIONS];
	RowKey		counters = row_key_of_counters(chat->application);
	RowKey		parent = row_key_of_application(chat->application);
	int			count = 1;
	int32		last_number;

	if (row_lock(access, applications, &parent, LockTupleKeyShare, true) != ROW_DONE ||
		!row_found_is_null(applications, APPLICATIONS_DELETED_AT) ||
		counter_row_add(access, &access->tables[TABLE_APPLICATION_COUNTERS], &counters, true,
						&count, &last_number) != ROW_DONE || count == 0)
		return false;
	chat->number = last_number + 1;
	chat->created_at = GetCurrentTimestamp();
	row_insert_chat(access, chat->application, chat->number, chat->created_at);
	return true;
}

/*
 * Create a chat with the next number, if that takes no statement. The row of
 * the application is locked as the check of the reference to it would do.
 */
static bool
create_directly(FunctionCallInfo fcinfo, Oid application_type, ChatInsert *chat)
{
	static const RowUses uses = {{
			[TABLE_APPLICATIONS] = ROW_USE(ROW_REFERENCE),
			[TABLE_APPLICATION_COUNTERS] = ROW_USE(ROW_UPDATE),
			[TABLE_CHATS] = ROW_USE(ROW_INSERT)
	}};
	RowAccess	access;
	bool		created;

	if (PG_ARGISNULL(0) || !PG_ARGISNULL(1) || chat->key != NULL || number_cache_in_use() ||
		!row_access_begin(&access, uses))
		return false;
	created = find_application(&access, fcinfo, application_type, &chat->application) &&
		insert_numbered(&access, chat);
	row_access_end(&access);
	return created;
}

/* The same by statements; argument 1 is the number, or null. */
static void
create_by_statements(FunctionCallInfo fcinfo, Oid application_type, ChatInsert *chat)
{
	TableOwnerSwitch caller = table_owner_become(OWNER_SEES_BY_POLICY);
	bool		named = !PG_ARGISNULL(1);
	int			previous;

	chat->application = sql_function_application(fcinfo, application_type, FUNCTION_WRITES);
	previous = number_cache_function_begin();
	application_hold(chat->application);
	chat->number = named ? PG_GETARG_INT32(1) : 0;
	if (chat->key == NULL || !find_by_key(chat, named))
	{
		if (named)
			count_named(chat->application, chat->number);
		else
			chat->number = count_numbered(chat->application);
		insert_chat(chat, named);
	}
	number_cache_function_end(previous);
	table_owner_leave(caller);
}

/* Is there a chat of this number, deleted ones included? */
static bool
number_is_taken(int32 application, int32 number)
{
	static SavedPlan plan = SAVED_PLAN("SELECT FROM chat.chats WHERE application_id = $1 AND number = $2", INT4OID, INT4OID);
	Datum		values[2] = {Int32GetDatum(application), Int32GetDatum(number)};

	return spi_plan_read_fresh(&plan, values) > 0;
}

/*
 * Create a chat of this number unless it is taken, also by one that was deleted; connected
 * to SPI. Raises P0002 if there is no such application.
 */
void
chat_create_missing(int32 application, int32 number)
{
	ChatInsert	chat = {.application = application, .number = number};
	int			previous = number_cache_function_begin();

	application_hold(application);
	hold_counters(application);
	if (!number_is_taken(application, number))
	{
		count_named(application, number);
		insert_chat(&chat, true);
		change_tracking_note(application, 0);
		change_tracking_note(application, number);
	}
	number_cache_function_end(previous);
}

/* Create the chat that the arguments describe: an application, a number or null, and a key or null. */
static ChatInsert
create_chat(FunctionCallInfo fcinfo, SqlSignature *signature, Oid application_type)
{
	ChatInsert	chat = {0};

	sql_signature_check(fcinfo, signature, application_type);
	if (!PG_ARGISNULL(2))
	{
		chat.key = PG_GETARG_TEXT_PP(2);
		arg_error_check(message_check_key("chat", chat.key));
	}
	if (!create_directly(fcinfo, application_type, &chat))
		create_by_statements(fcinfo, application_type, &chat);
	if (!chat.replayed)
	{
		change_tracking_note(chat.application, 0);
		change_tracking_note(chat.application, chat.number);
	}
	return chat;
}

static SqlSignature create_chat_signature = {SQL_ARGS(APPLICATION_ARG, INT4OID, TEXTOID), SQL_RETURNS(INT4OID)};

/*
 * chat.create_chat(application integer, number integer, key text) returns integer
 */
Datum
chat_create_chat_by_id(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(create_chat(fcinfo, &create_chat_signature, INT4OID).number);
}

/*
 * chat.create_chat(token text, number integer, key text) returns integer
 */
Datum
chat_create_chat_by_token(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(create_chat(fcinfo, &create_chat_signature, TEXTOID).number);
}

/*
 * chat.create_chat_json(token text, number integer, key text, OUT chat json, OUT replayed
 * boolean)
 */
Datum
chat_create_chat_json(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_ARGS(TEXTOID, INT4OID, TEXTOID), SQL_RETURNS_ROW(JSONOID, BOOLOID)};
	ChatInsert	chat = create_chat(fcinfo, &signature, TEXTOID);
	TupleDesc	descriptor = sql_signature_row(fcinfo, &signature);
	StringInfoData json;
	Datum		values[2];
	bool		nulls[2] = {false};

	initStringInfo(&json);
	json_append_literal(&json, "{\"number\":");
	json_append_int32(&json, chat.number);
	json_append_literal(&json, ",\"messages_count\":0,\"created_at\":");
	json_append_time(&json, chat.created_at);
	json_append_literal(&json, "}");
	values[0] = PointerGetDatum(cstring_to_text_with_len(json.data, json.len));
	values[1] = BoolGetDatum(chat.replayed);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(descriptor, values, nulls)));
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
