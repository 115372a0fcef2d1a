/*
 * message_export.c
 *	  All messages of a chat or an application, each as a line of JSON.
 *
 * The lines are made while the rows are read, in one statement, hence of one snapshot.
 * What does not fit into work_mem waits in a file, so memory is bounded however many
 * there are.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "common/compat.h"
#include "core/entity_lookup.h"
#include "core/message.h"
#include "core/message_to_json.h"
#include "core/sql_function.h"

PG_FUNCTION_INFO_V1(chat_export_messages_by_id);
PG_FUNCTION_INFO_V1(chat_export_messages_by_token);
PG_FUNCTION_INFO_V1(chat_export_application_by_id);
PG_FUNCTION_INFO_V1(chat_export_application_by_token);

/* Receives rows of a chat's number and MESSAGE_COLUMNS, and stores lines. */
typedef struct LineReceiver
{
	DestReceiver receiver;
	RowStore	store;
	bool		shows_chat;
	StringInfoData json;
} LineReceiver;

static bool
receive(TupleTableSlot *slot, DestReceiver *receiver)
{
	LineReceiver *lines = (LineReceiver *) receiver;
	Datum		line;
	bool		isnull = false;

	slot_getallattrs(slot);
	resetStringInfo(&lines->json);
	appendStringInfoSpaces(&lines->json, VARHDRSZ);
	message_to_json(&lines->json, lines->shows_chat ? DatumGetInt32(slot->tts_values[0]) : 0,
					slot->tts_values + 1, slot->tts_isnull + 1);
	SET_VARSIZE(lines->json.data, lines->json.len);
	line = PointerGetDatum(lines->json.data);
	tuplestore_putvalues(lines->store.rows, lines->store.descriptor, &line, &isnull);
	return true;
}

static void
startup(DestReceiver *receiver, int operation, TupleDesc descriptor)
{
	spi_require_type(NameStr(TupleDescAttr(descriptor, 0)->attname), TupleDescAttr(descriptor, 0)->atttypid, INT4OID);
	message_to_json_require_types(descriptor, 2);
}

static void
do_nothing(DestReceiver *receiver)
{
}

/* Return the lines of the rows that a statement finds. Returns how many. */
static uint64
return_lines(FunctionCallInfo fcinfo, const SqlFunction *function, SavedPlan *plan, const Datum *values, bool shows_chat)
{
	LineReceiver lines = {
		.receiver = {
			.receiveSlot = receive, .rStartup = startup, .rShutdown = do_nothing, .rDestroy = do_nothing, .mydest = DestNone
		},
		.store = sql_function_result_store(fcinfo, &function->signature),
		.shows_chat = shows_chat
	};

	initStringInfo(&lines.json);
	return spi_plan_read_to(plan, values, &lines.receiver);
}

/* The number that an argument gives, which may be null for none. */
static int32
number_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? 0 : PG_GETARG_INT32(n);
}

/* Export a chat; arguments 1 and 2 are its number, and that of the message to begin after. */
static Datum
export_messages(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT m.chat_number, " MESSAGE_COLUMNS("m") " FROM chat.messages AS m"
		" WHERE m.application_id = $1 AND m.chat_number = $2 AND m.number > $3 AND " CHAT_IS_NOT_DELETED("$1", "$2")
		" ORDER BY m.application_id, m.chat_number, m.number",
		INT4OID, INT4OID, INT4OID);
	Datum		values[3] = {
		Int32GetDatum(application), Int32GetDatum(chat_argument(fcinfo)), Int32GetDatum(number_argument(fcinfo, 2))
	};

	if (return_lines(fcinfo, function, &plan, values, false) == 0)
		chat_require(application, DatumGetInt32(values[1]));
	return (Datum) 0;
}

static SqlFunction export_messages_function = {
	export_messages, FUNCTION_READS_ALL,
	{SQL_ARGS(APPLICATION_ARG, INT4OID, INT4OID), SQL_RETURNS_ROWS(JSONOID)}
};

/*
 * chat.export_messages(application integer, chat integer, after integer) returns setof json
 */
Datum
chat_export_messages_by_id(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_id(fcinfo, &export_messages_function);
}

/*
 * chat.export_messages(token text, ...) returns setof json
 */
Datum
chat_export_messages_by_token(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_token(fcinfo, &export_messages_function);
}

/* Export an application; arguments 1 and 2 are the chat and the number of the message to begin after. */
static Datum
export_application(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT m.chat_number, " MESSAGE_COLUMNS("m") " FROM chat.messages AS m"
		" WHERE m.application_id = $1 AND (m.chat_number, m.number) > ($2, $3) AND m." CHAT_NUMBER_IS_NOT_DELETED("$1")
		" ORDER BY m.application_id, m.chat_number, m.number",
		INT4OID, INT4OID, INT4OID);
	Datum		values[3] = {
		Int32GetDatum(application), Int32GetDatum(number_argument(fcinfo, 1)), Int32GetDatum(number_argument(fcinfo, 2))
	};

	if (return_lines(fcinfo, function, &plan, values, true) == 0)
		application_require(application);
	return (Datum) 0;
}

static SqlFunction export_application_function = {
	export_application, FUNCTION_READS_ALL,
	{SQL_ARGS(APPLICATION_ARG, INT4OID, INT4OID), SQL_RETURNS_ROWS(JSONOID)}
};

/*
 * chat.export_application(application integer, after_chat integer, after_number integer)
 * returns setof json
 */
Datum
chat_export_application_by_id(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_id(fcinfo, &export_application_function);
}

/*
 * chat.export_application(token text, ...) returns setof json
 */
Datum
chat_export_application_by_token(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_token(fcinfo, &export_application_function);
}
