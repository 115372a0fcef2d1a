/*
 * message_export.c
 *	  All messages of a chat or an application, each as a line of JSON.
 *
 * A line has all that an import takes, also the key. The lines are made while the rows are
 * read, in one statement, hence of one snapshot. What does not fit into work_mem waits in a
 * file, so memory is bounded however many there are.
 *
 * A server takes them in pages, by a cursor WITH HOLD: so the snapshot is held for as long as
 * they are read, and not for as long as a client takes them.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "common/compat.h"
#include "core/entity_lookup.h"
#include "core/message.h"
#include "core/message_to_json.h"
#include "core/sql_function.h"

PG_FUNCTION_INFO_V1(chat_export_messages_by_id);
PG_FUNCTION_INFO_V1(chat_export_messages_by_token);
PG_FUNCTION_INFO_V1(chat_export_application_by_id);
PG_FUNCTION_INFO_V1(chat_export_application_by_token);
PG_FUNCTION_INFO_V1(chat_export_json);

/* The columns of the rows that become lines: a chat's number, MESSAGE_COLUMNS and a key. */
#define LINE_COLUMNS "m.chat_number, " MESSAGE_COLUMNS("m") ", m.key"
#define COLUMN_CHAT 0
#define COLUMN_MESSAGE 1
#define COLUMN_KEY (COLUMN_MESSAGE + MESSAGE_COLUMNS_COUNT)

/* Receives such rows and makes lines. */
typedef struct LineReceiver
{
	DestReceiver receiver;		/* the first member */
	bool		shows_chat;
	StringInfoData json;
} LineReceiver;

/* Stores each line. */
typedef struct StoringReceiver
{
	LineReceiver lines;
	RowStore	store;
} StoringReceiver;

/* Where an export is. */
typedef struct Export
{
	int32		chat;			/* the message that came last, or the one to begin after */
	int32		number;
	int64		size;			/* bytes of the pages so far */
	bool		of_application;
	bool		done;
} Export;

/* Collects lines as a page. */
typedef struct PageReceiver
{
	LineReceiver lines;
	Export	   *export;
	int32		max_size;
} PageReceiver;

static SavedPlan chat_plan = SAVED_PLAN(
	"SELECT " LINE_COLUMNS " FROM chat.messages AS m"
	" WHERE m.application_id = $1 AND m.chat_number = $2 AND m.number > $3 AND " CHAT_IS_NOT_DELETED("$1", "$2")
	" ORDER BY m.application_id, m.chat_number, m.number",
	INT4OID, INT4OID, INT4OID);

static SavedPlan application_plan = SAVED_PLAN(
	"SELECT " LINE_COLUMNS " FROM chat.messages AS m"
	" WHERE m.application_id = $1 AND (m.chat_number, m.number) > ($2, $3) AND m." CHAT_NUMBER_IS_NOT_DELETED("$1")
	" ORDER BY m.application_id, m.chat_number, m.number",
	INT4OID, INT4OID, INT4OID);

static void
append_line(LineReceiver *lines, TupleTableSlot *slot)
{
	StringInfo	json = &lines->json;

	slot_getallattrs(slot);
	message_to_json(json, lines->shows_chat ? DatumGetInt32(slot->tts_values[COLUMN_CHAT]) : 0,
					slot->tts_values + COLUMN_MESSAGE, slot->tts_isnull + COLUMN_MESSAGE);
	if (!slot->tts_isnull[COLUMN_KEY])
	{
		text	   *key = DatumGetTextPP(slot->tts_values[COLUMN_KEY]);

		json->len--;			/* the brace */
		json_append_literal(json, ",\"key\":");
		json_append_string(json, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
		json_append_literal(json, "}");
	}
}

static bool
store_line(TupleTableSlot *slot, DestReceiver *receiver)
{
	StoringReceiver *storing = (StoringReceiver *) receiver;
	StringInfo	json = &storing->lines.json;
	Datum		line;
	bool		isnull = false;

	resetStringInfo(json);
	appendStringInfoSpaces(json, VARHDRSZ);
	append_line(&storing->lines, slot);
	SET_VARSIZE(json->data, json->len);
	line = PointerGetDatum(json->data);
	tuplestore_putvalues(storing->store.rows, storing->store.descriptor, &line, &isnull);
	return true;
}

/* Adds a line to the page. Returns false if the page is at its end, with this line or before it. */
static bool
add_to_page(TupleTableSlot *slot, DestReceiver *receiver)
{
	PageReceiver *page = (PageReceiver *) receiver;
	StringInfo	json = &page->lines.json;
	int			before = json->len;

	append_line(&page->lines, slot);
	appendStringInfoChar(json, '\n');
	if (before > 0 && json->len > page->max_size)
	{
		json->len = before;
		return false;
	}
	page->export->chat = DatumGetInt32(slot->tts_values[COLUMN_CHAT]);
	page->export->number = DatumGetInt32(slot->tts_values[COLUMN_MESSAGE + MESSAGE_NUMBER]);
	return json->len < page->max_size;
}

static void
startup(DestReceiver *receiver, int operation, TupleDesc descriptor)
{
	static const struct
	{
		int			column;
		Oid			type;
	}			others[] = {{COLUMN_CHAT, INT4OID}, {COLUMN_KEY, TEXTOID}};

	for (int i = 0; i < lengthof(others); i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, others[i].column);

		spi_require_type(NameStr(attribute->attname), attribute->atttypid, others[i].type);
	}
	message_to_json_require_types(descriptor, COLUMN_MESSAGE + 1);
}

static void
do_nothing(DestReceiver *receiver)
{
}

/* A receiver of rows. */
static LineReceiver
line_receiver(bool (*receive) (TupleTableSlot *slot, DestReceiver *receiver), bool shows_chat)
{
	LineReceiver lines = {
		.receiver = {
			.receiveSlot = receive, .rStartup = startup, .rShutdown = do_nothing, .rDestroy = do_nothing, .mydest = DestNone
		},
		.shows_chat = shows_chat
	};

	initStringInfo(&lines.json);
	return lines;
}

/* Return the lines of the rows that a statement finds. Returns how many. */
static uint64
return_lines(FunctionCallInfo fcinfo, const SqlFunction *function, SavedPlan *plan, const Datum *values, bool shows_chat)
{
	StoringReceiver storing = {
		.lines = line_receiver(store_line, shows_chat),
		.store = sql_function_result_store(fcinfo, &function->signature)
	};

	return spi_plan_read_to(plan, values, &storing.lines.receiver);
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
	Datum		values[3] = {
		Int32GetDatum(application), Int32GetDatum(chat_argument(fcinfo)), Int32GetDatum(number_argument(fcinfo, 2))
	};

	if (return_lines(fcinfo, function, &chat_plan, values, false) == 0)
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
	Datum		values[3] = {
		Int32GetDatum(application), Int32GetDatum(number_argument(fcinfo, 1)), Int32GetDatum(number_argument(fcinfo, 2))
	};

	if (return_lines(fcinfo, function, &application_plan, values, true) == 0)
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

/* The bytes of a text in the client's encoding. */
static int
size_for_client(const StringInfo text)
{
	char	   *converted = pg_server_to_client(text->data, text->len);

	return converted == text->data ? text->len : (int) strlen(converted);
}

/* The next page, outside of SPI's memory; after the last one the number of all bytes, and then nothing. */
static Datum
export_page(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	Export	   *export = ((FuncCallContext *) fcinfo->flinfo->fn_extra)->user_fctx;
	Datum		values[3] = {Int32GetDatum(application), Int32GetDatum(export->chat), Int32GetDatum(export->number)};
	PageReceiver page = {
		.lines = line_receiver(add_to_page, export->of_application),
		.export = export,
		.max_size = number_argument(fcinfo, 4)
	};
	StringInfo	json = &page.lines.json;

	if (export->done)
		return (Datum) 0;
	(void) spi_plan_read_to(export->of_application ? &application_plan : &chat_plan, values, &page.lines.receiver);
	if (json->len > 0)
		export->size += size_for_client(json);
	else
	{
		if (export->size == 0 && export->of_application)
			application_require(application);
		else if (export->size == 0)
			chat_require(application, export->chat);
		export->done = true;
		appendStringInfo(json, INT64_FORMAT, export->size);
	}
	return PointerGetDatum(memcpy(SPI_palloc(VARHDRSZ + json->len), cstring_to_text_with_len(json->data, json->len),
								  VARHDRSZ + json->len));
}

/*
 * chat.export_json(token text, chat integer, after_chat integer, after_number integer,
 * max_size integer) returns setof text
 *
 * Each call reads one page, by the snapshot of the calling query, so nothing waits
 * anywhere but for the page.
 */
Datum
chat_export_json(PG_FUNCTION_ARGS)
{
	static SqlFunction function = {
		export_page, FUNCTION_READS_ALL,
		{SQL_ARGS(APPLICATION_ARG, INT4OID, INT4OID, INT4OID, INT4OID), SQL_RETURNS_ROWS(TEXTOID)}
	};
	FuncCallContext *context;
	Datum		page;

	sql_signature_check(fcinfo, &function.signature, TEXTOID);
	if (SRF_IS_FIRSTCALL())
	{
		Export	   *export;

		context = SRF_FIRSTCALL_INIT();
		export = MemoryContextAllocZero(context->multi_call_memory_ctx, sizeof(Export));
		export->of_application = PG_ARGISNULL(1);
		export->chat = export->of_application ? number_argument(fcinfo, 2) : PG_GETARG_INT32(1);
		export->number = number_argument(fcinfo, 3);
		context->user_fctx = export;
	}
	context = SRF_PERCALL_SETUP();
	page = sql_function_call_by_token(fcinfo, &function);
	if (page == (Datum) 0)
		SRF_RETURN_DONE(context);
	SRF_RETURN_NEXT(context, page);
}
