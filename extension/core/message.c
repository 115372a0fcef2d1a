/*
 * message.c
 *	  Messages: numbered within their chat.
 *
 * How a message gets its number is told in message_insert.h.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/resowner.h"

#include "common/compat.h"
#include "common/spi_plan.h"
#include "core/arg_error.h"
#include "core/array_args.h"
#include "core/entity_lookup.h"
#include "core/message.h"
#include "core/message_check.h"
#include "core/message_key.h"
#include "core/message_outcome.h"
#include "core/pagination.h"
#include "core/sender_cursor.h"
#include "core/sql_function.h"

PG_FUNCTION_INFO_V1(chat_create_message_by_id);
PG_FUNCTION_INFO_V1(chat_create_message_by_token);
PG_FUNCTION_INFO_V1(chat_create_messages_by_id);
PG_FUNCTION_INFO_V1(chat_create_messages_by_token);
PG_FUNCTION_INFO_V1(chat_get_message_by_id);
PG_FUNCTION_INFO_V1(chat_get_message_by_token);
PG_FUNCTION_INFO_V1(chat_list_messages_by_id);
PG_FUNCTION_INFO_V1(chat_list_messages_by_token);
PG_FUNCTION_INFO_V1(chat_last_messages_by_id);
PG_FUNCTION_INFO_V1(chat_last_messages_by_token);

#define MESSAGE_SELECT MESSAGE_SELECT_OF("$1", "$2") " AND " CHAT_IS_NOT_DELETED("$1", "$2")

/*
 * Set the message's problem if what the caller gave of it is not acceptable. body
 * may be NULL.
 */
static void
check_message(MessageInsert *message)
{
	message->problem = message_check_body(message->body);
	if (message->problem.sqlstate != 0)
		return;
	if (message->named && message->number < 1)
		message->problem = arg_error_number_range("message", message->number);
	else if (message->sender != NULL)
		message->problem = message_check_sender(message->sender);
	else if (message->move_cursor)
		message->problem = arg_error_blank("message", "sender");
	if (message->metadata != NULL && message->problem.sqlstate == 0)
		message->problem = message_check_metadata(message->metadata);
	if (message->key != NULL && message->problem.sqlstate == 0)
		message->problem = message_check_key("message", message->key);
}

/*
 * Takes a message from the arguments from body on: body, number, sender, metadata, key, if_last
 * and move_cursor.
 */
static void
take_arguments(FunctionCallInfo fcinfo, MessageInsert *message)
{
	message->body = PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2);
	message->named = !PG_ARGISNULL(3);
	message->number = message->named ? PG_GETARG_INT32(3) : 0;
	message->sender = PG_ARGISNULL(4) ? NULL : PG_GETARG_TEXT_PP(4);
	message->metadata = PG_ARGISNULL(5) ? NULL : PG_GETARG_JSONB_P(5);
	message->key = PG_ARGISNULL(6) ? NULL : PG_GETARG_TEXT_PP(6);
	message->conditional = !PG_ARGISNULL(7);
	message->if_last = message->conditional ? PG_GETARG_INT32(7) : 0;
	message->move_cursor = !PG_ARGISNULL(8) && PG_GETARG_BOOL(8);
	check_message(message);
	message_keys_digest(message, 1);
}

/*
 * Create the message that the arguments describe: its application, chat, body, and number,
 * sender, metadata, key, if_last and move_cursor, each of which may be null. Returns its number.
 */
static int32
create_message(FunctionCallInfo fcinfo, Oid application_type)
{
	static SqlSignature signature = {
		SQL_ARGS(APPLICATION_ARG, INT4OID, TEXTOID, INT4OID, TEXTOID, JSONBOID, TEXTOID, INT4OID, BOOLOID), SQL_RETURNS(INT4OID)
	};
	MessageInsert message = {0};
	TableOwnerSwitch caller;

	sql_signature_check(fcinfo, &signature, application_type);
	if (!PG_ARGISNULL(0) && !PG_ARGISNULL(1))
	{
		if (application_type == TEXTOID)
			message.token = PG_GETARG_TEXT_PP(0);
		else
			message.application = PG_GETARG_INT32(0);
		message.chat = PG_GETARG_INT32(1);
		take_arguments(fcinfo, &message);
		if (!message.named && message.problem.sqlstate == 0)
			message_insert_direct(&message, 1, true);
		if (message.created)
		{
			if (message.move_cursor)
			{
				caller = table_owner_become(OWNER_SEES_BY_POLICY);
				sender_cursors_move(&message, 1);
				table_owner_leave(caller);
			}
			return message.number;
		}
	}

	/* With all errors, the first of what is wrong. */
	caller = table_owner_become(OWNER_SEES_BY_POLICY);
	message.application = sql_function_application(fcinfo, application_type, FUNCTION_WRITES);
	message.token = NULL;
	message.chat = chat_argument(fcinfo);
	take_arguments(fcinfo, &message);
	message_insert_many(&message, 1, true);
	if (message.problem.sqlstate == ERRCODE_NO_DATA_FOUND)
		application_require(message.application);
	if (message.problem.sqlstate != 0)
		arg_error_raise(message.problem);
	if (message.move_cursor)
		sender_cursors_move(&message, 1);
	table_owner_leave(caller);
	return message.number;
}

/*
 * chat.create_message(application integer, chat integer, body text, number
 * integer, sender text, metadata jsonb, key text, if_last integer, move_cursor boolean) returns
 * integer
 */
Datum
chat_create_message_by_id(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(create_message(fcinfo, INT4OID));
}

/*
 * chat.create_message(token text, ...) returns integer
 */
Datum
chat_create_message_by_token(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(create_message(fcinfo, TEXTOID));
}

static bool
any_names_token(const MessageInsert *messages, int count)
{
	for (int i = 0; i < count; i++)
		if (messages[i].token != NULL)
			return true;
	return false;
}

/*
 * Find the application of each message that names it by its token. Argument 0
 * is the array of all tokens.
 */
static void
resolve_tokens(FunctionCallInfo fcinfo, MessageInsert *messages, int count)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT t.item::int4 AS item, a.id"
		" FROM unnest($1) WITH ORDINALITY AS t (token, item)"
		" JOIN LATERAL (SELECT a.id FROM chat.applications AS a"
		" WHERE a.token = t.token LIMIT 1) AS a ON true",
		TEXTARRAYOID);
	Datum		tokens = PG_GETARG_DATUM(0);
	uint64		rows;
	int			item_column;
	int			id_column;

	if (!any_names_token(messages, count))
		return;
	rows = spi_plan_read_fresh(&plan, &tokens);
	item_column = spi_column("item");
	id_column = spi_column("id");
	for (uint64 row = 0; row < rows; row++)
	{
		MessageInsert *message = &messages[spi_result_int32(row, item_column) - 1];

		message->application = spi_result_int32(row, id_column);
		message->token = NULL;
	}
	for (int i = 0; i < count; i++)
		if (messages[i].token != NULL)
			messages[i].problem = chat_not_named();
}

/*
 * The messages that the arrays of create_messages describe; the first array has
 * ids or tokens. Those that cannot be created have a problem.
 */
static MessageInsert *
messages_of_arguments(FunctionCallInfo fcinfo, Oid application_type, int *count)
{
	ArrayArg	applications = array_arg_of_applications(fcinfo, application_type);
	ArrayArg	chats = array_arg_of_count(fcinfo, 1, INT4OID, "chats", applications.count);
	ArrayArg	bodies = array_arg_of_count(fcinfo, 2, TEXTOID, "bodies", applications.count);
	ArrayArg	numbers = array_arg_or_nulls(fcinfo, 3, INT4OID, "numbers", applications.count);
	ArrayArg	senders = array_arg_or_nulls(fcinfo, 5, TEXTOID, "senders", applications.count);
	ArrayArg	metadata = array_arg_or_nulls(fcinfo, 6, JSONBOID, "metadata", applications.count);
	ArrayArg	keys = array_arg_or_nulls(fcinfo, 7, TEXTOID, "keys", applications.count);
	ArrayArg	if_last = array_arg_or_nulls(fcinfo, 8, INT4OID, "if_last", applications.count);
	ArrayArg	move_cursors = array_arg_or_nulls(fcinfo, 10, BOOLOID, "move_cursors", applications.count);
	MessageInsert *messages = palloc0((applications.count + 1) * sizeof(MessageInsert));

	*count = applications.count;
	for (int i = 0; i < *count; i++)
	{
		MessageInsert *message = &messages[i];

		if (applications.nulls[i] || chats.nulls[i])
		{
			message->problem = chat_not_named();
			continue;
		}
		if (application_type == TEXTOID)
			message->token = DatumGetTextPP(applications.values[i]);
		else
			message->application = DatumGetInt32(applications.values[i]);
		message->chat = DatumGetInt32(chats.values[i]);
		message->body = bodies.nulls[i] ? NULL : DatumGetTextPP(bodies.values[i]);
		if (numbers.count > 0 && !numbers.nulls[i])
		{
			message->named = true;
			message->number = DatumGetInt32(numbers.values[i]);
		}
		if (senders.count > 0 && !senders.nulls[i])
			message->sender = DatumGetTextPP(senders.values[i]);
		if (metadata.count > 0 && !metadata.nulls[i])
			message->metadata = DatumGetJsonbP(metadata.values[i]);
		if (keys.count > 0 && !keys.nulls[i])
			message->key = DatumGetTextPP(keys.values[i]);
		if (if_last.count > 0 && !if_last.nulls[i])
		{
			message->conditional = true;
			message->if_last = DatumGetInt32(if_last.values[i]);
		}
		if (move_cursors.count > 0 && !move_cursors.nulls[i])
			message->move_cursor = DatumGetBool(move_cursors.values[i]);
		check_message(message);
	}
	if (keys.count > 0)
		message_keys_digest(messages, *count);
	return messages;
}

/* Create messages, by either way, and move the cursors of their senders, if asked. */
static void
create_all(FunctionCallInfo fcinfo, MessageInsert *messages, int count, bool wait)
{
	MemoryContext context = CurrentMemoryContext;
	bool		cursors = sender_cursors_any(messages, count);
	TableOwnerSwitch caller;

	if (!cursors && message_insert_direct(messages, count, wait))
		return;
	caller = table_owner_become(OWNER_SEES_BY_POLICY);
	resolve_tokens(fcinfo, messages, count);
	if (cursors && !wait)
		sender_cursors_hold(messages, count);
	if (!cursors || !message_insert_direct(messages, count, wait))
		message_insert_many(messages, count, wait);
	if (cursors)
		sender_cursors_move(messages, count);
	/* What is wrong with a message is told when SPI's memory is gone. */
	for (int i = 0; i < count; i++)
		arg_error_keep(&messages[i].problem, context);
	table_owner_leave(caller);
}

static bool
any_is_refused(const MessageInsert *messages, int count)
{
	for (int i = 0; i < count; i++)
		if (messages[i].problem.sqlstate != 0)
			return true;
	return false;
}

/* Refuse those that are not refused for what they are. */
static void
refuse_others(MessageInsert *messages, int count)
{
	for (int i = 0; i < count; i++)
		if (messages[i].problem.sqlstate == 0)
		{
			messages[i].created_at = 0;
			messages[i].problem = arg_error_other_refused("message");
		}
}

/* Create all messages, or none. */
static void
create_all_or_none(FunctionCallInfo fcinfo, MessageInsert *messages, int count, bool wait)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	if (!any_is_refused(messages, count))
	{
		BeginInternalSubTransaction(NULL);
		MemoryContextSwitchTo(context);
		create_all(fcinfo, messages, count, wait);
		if (any_is_refused(messages, count))
			RollbackAndReleaseCurrentSubTransaction();
		else
			ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	if (any_is_refused(messages, count))
		refuse_others(messages, count);
}

/*
 * The body of both forms of create_messages; the first array has ids or tokens.
 */
static Datum
create_messages(FunctionCallInfo fcinfo, Oid application_type)
{
	static SqlSignature signature = {
		SQL_ARGS(APPLICATION_ARG, INT4ARRAYOID, TEXTARRAYOID, INT4ARRAYOID, BOOLOID, TEXTARRAYOID, JSONBARRAYOID,
				 TEXTARRAYOID, INT4ARRAYOID, BOOLOID, BOOLARRAYOID),
		SQL_RETURNS_ROWS(MESSAGE_OUTCOME_COLUMN_TYPES)
	};
	bool		wait;
	RowStore	store;
	MessageInsert *messages;
	int			count;

	sql_signature_check(fcinfo, &signature, application_type == TEXTOID ? TEXTARRAYOID : INT4ARRAYOID);
	store = sql_function_result_store(fcinfo, &signature);
	wait = PG_ARGISNULL(4) || PG_GETARG_BOOL(4);
	messages = messages_of_arguments(fcinfo, application_type, &count);
	if (!PG_ARGISNULL(9) && PG_GETARG_BOOL(9))
		create_all_or_none(fcinfo, messages, count, wait);
	else
		create_all(fcinfo, messages, count, wait);
	for (int i = 0; i < count; i++)
		message_outcome_store(store, i + 1, &messages[i]);
	return (Datum) 0;
}

/*
 * chat.create_messages(applications integer[], chats integer[], bodies text[],
 * numbers integer[], wait boolean, senders text[], metadata jsonb[], keys text[], if_last
 * integer[], atomic boolean, move_cursors boolean[]) returns setof chat.outcome
 */
Datum
chat_create_messages_by_id(PG_FUNCTION_ARGS)
{
	return create_messages(fcinfo, INT4OID);
}

/*
 * chat.create_messages(tokens text[], ...) returns setof chat.outcome
 */
Datum
chat_create_messages_by_token(PG_FUNCTION_ARGS)
{
	return create_messages(fcinfo, TEXTOID);
}

/* Find the message that arguments 1 and 2 name. */
static Datum
get_message(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	static SavedPlan plan = SAVED_PLAN(MESSAGE_SELECT " AND messages.number = $3", INT4OID, INT4OID, INT4OID);
	Datum		values[3] = {Int32GetDatum(application), Int32GetDatum(chat_argument(fcinfo)), PG_GETARG_DATUM(2)};
	RowStore	store = sql_function_result_store(fcinfo, &function->signature);

	if (PG_ARGISNULL(2) || spi_plan_read_into(&plan, values, store) == 0)
		chat_require(application, DatumGetInt32(values[1]));
	return (Datum) 0;
}

static SqlFunction get_message_function = {
	get_message, FUNCTION_READS,
	{SQL_ARGS(APPLICATION_ARG, INT4OID, INT4OID), SQL_RETURNS_ROWS(MESSAGE_COLUMN_TYPES)}
};

/*
 * chat.get_message(application integer, chat integer, number integer) returns
 * setof chat.message
 */
Datum
chat_get_message_by_id(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_id(fcinfo, &get_message_function);
}

/*
 * chat.get_message(token text, chat integer, number integer) returns setof
 * chat.message
 */
Datum
chat_get_message_by_token(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_token(fcinfo, &get_message_function);
}

/*
 * Find a page of the chat that argument 1 names. The argument first_filter is the sender
 * of the messages, or null for any, and the next whether deleted ones are wanted, too.
 */
static Datum
return_page(FunctionCallInfo fcinfo, const SqlFunction *function, int32 application, ListPage page, int first_filter)
{
#define LISTED MESSAGE_SELECT MESSAGE_NOT_DELETED
#define FILTERED MESSAGE_SELECT " AND ($3 OR messages.sender = $4) AND ($5 OR messages.deleted_at IS NULL)"
	static PagePlans listed = {
		SAVED_PLAN(PAGE_SQL_FROM_START(LISTED, "number", "$3", "$4", "$5"),
				   INT4OID, INT4OID, INT4OID, INT4OID, INT8OID),
		SAVED_PLAN(PAGE_SQL_FROM_END(LISTED, "number", "$3", "$4", "$5"),
				   INT4OID, INT4OID, INT4OID, INT4OID, INT8OID)
	};
	static PagePlans filtered = {
		SAVED_PLAN(PAGE_SQL_FROM_START(FILTERED, "number", "$6", "$7", "$8"),
				   INT4OID, INT4OID, BOOLOID, TEXTOID, BOOLOID, INT4OID, INT4OID, INT8OID),
		SAVED_PLAN(PAGE_SQL_FROM_END(FILTERED, "number", "$6", "$7", "$8"),
				   INT4OID, INT4OID, BOOLOID, TEXTOID, BOOLOID, INT4OID, INT4OID, INT8OID)
	};
	int32		chat = chat_argument(fcinfo);
	bool		any_sender = PG_ARGISNULL(first_filter);
	bool		deleted = !PG_ARGISNULL(first_filter + 1) && PG_GETARG_BOOL(first_filter + 1);
	Datum		arguments[5] = {
		Int32GetDatum(application), Int32GetDatum(chat), BoolGetDatum(any_sender),
		any_sender ? CStringGetTextDatum("") : PG_GETARG_DATUM(first_filter), BoolGetDatum(deleted)
	};
	bool		is_filtered = deleted || !any_sender;
	RowStore	store = sql_function_result_store(fcinfo, &function->signature);

	if (page_store(is_filtered ? &filtered : &listed, arguments, is_filtered ? 5 : 2, page, store) == 0)
		chat_require(application, chat);
	return (Datum) 0;
}

/* Arguments 2 to 6 are after, before, limit, sender and deleted. */
static Datum
list_messages(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	return return_page(fcinfo, function, application, page_from_arguments(fcinfo, 2), 5);
}

static SqlFunction list_messages_function = {
	list_messages, FUNCTION_READS,
	{SQL_ARGS(APPLICATION_ARG, INT4OID, INT4OID, INT4OID, INT4OID, TEXTOID, BOOLOID), SQL_RETURNS_ROWS(MESSAGE_COLUMN_TYPES)}
};

/*
 * chat.list_messages(application integer, chat integer, after integer, before
 * integer, "limit" integer, sender text, deleted boolean) returns setof chat.message
 */
Datum
chat_list_messages_by_id(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_id(fcinfo, &list_messages_function);
}

/*
 * chat.list_messages(token text, ...) returns setof chat.message
 */
Datum
chat_list_messages_by_token(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_token(fcinfo, &list_messages_function);
}

/* Arguments 2 to 4 are limit, sender and deleted. */
static Datum
last_messages(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	return return_page(fcinfo, function, application, page_of_last(fcinfo->args[2]), 3);
}

static SqlFunction last_messages_function = {
	last_messages, FUNCTION_READS,
	{SQL_ARGS(APPLICATION_ARG, INT4OID, INT4OID, TEXTOID, BOOLOID), SQL_RETURNS_ROWS(MESSAGE_COLUMN_TYPES)}
};

/*
 * chat.last_messages(application integer, chat integer, "limit" integer, sender text,
 * deleted boolean) returns setof chat.message
 */
Datum
chat_last_messages_by_id(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_id(fcinfo, &last_messages_function);
}

/*
 * chat.last_messages(token text, ...) returns setof chat.message
 */
Datum
chat_last_messages_by_token(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_token(fcinfo, &last_messages_function);
}
