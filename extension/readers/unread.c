/*
 * unread.c
 *	  All chats of a reader: how far each has been read, the number of unread
 *	  messages, and its last message.
 *
 * Clients draw this first, so it is one statement, which reaches each row by
 * its key. The chats are those in which the reader has a cursor.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "tcop/dest.h"
#include "utils/builtins.h"

#include "common/compat.h"
#include "common/message_columns.h"
#include "common/spi_plan.h"
#include "core/entity_lookup.h"
#include "core/message.h"
#include "core/message_multi.h"
#include "core/message_to_json.h"
#include "core/pagination.h"
#include "core/sql_function.h"
#include "readers/reader_arg.h"
#include "readers/unread_count.h"

PG_FUNCTION_INFO_V1(chat_list_unread_by_id);
PG_FUNCTION_INFO_V1(chat_list_unread_by_token);
PG_FUNCTION_INFO_V1(chat_list_unread_json);

/* Columns before those of the last message. */
enum
{
	UNREAD_CHAT,
	UNREAD_CURSOR,
	UNREAD_COUNT_COLUMN,
	UNREAD_MESSAGE
};

/* The types of chat.unread_chat. */
#define UNREAD_TYPES INT4OID, INT4OID, INT4OID, MESSAGE_COLUMN_TYPES

/* Parameters: application, reader, chats above this one, limit. */
#define UNREAD_SELECT \
	"SELECT c.chat_number, c.number, u.count, " MESSAGE_COLUMNS("m") \
	" FROM (SELECT cursors.chat_number, cursors.number FROM chat.cursors" \
	" WHERE cursors.application_id = $1 AND cursors.reader = $2 AND cursors.chat_number > $3" \
	" AND " CHAT_NUMBER_IS_NOT_DELETED("$1") \
	" ORDER BY cursors.chat_number LIMIT $4) AS c" \
	JOIN_ONE("SELECT chats.number, chats.messages_count, chats.last_message_number FROM chat.chats" \
			 " WHERE chats.application_id = $1 AND chats.number = c.chat_number", "h") \
	" CROSS JOIN LATERAL (SELECT " UNREAD_COUNT("$1", "c.number") " AS count) AS u" \
	" LEFT JOIN LATERAL (" MESSAGE_SELECT_OF("$1", "c.chat_number") \
	" AND messages.deleted_at IS NULL ORDER BY messages.number DESC LIMIT 1) AS m ON true"

static SavedPlan plan = SAVED_PLAN(UNREAD_SELECT, INT4OID, TEXTOID, INT4OID, INT8OID);

/* The parameters of the statement; arguments 1 to 3 are reader, after and limit. */
static void
take_arguments(FunctionCallInfo fcinfo, int32 application, Datum values[4])
{
	ListPage	page = page_from_values(fcinfo->args[2], (NullableDatum) {.isnull = true}, fcinfo->args[3]);

	values[0] = Int32GetDatum(application);
	values[1] = reader_argument(fcinfo, 1);
	values[2] = Int32GetDatum(page.above);
	values[3] = Int64GetDatum(page.limit);
}

static Datum
list_unread(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	Datum		values[4];

	take_arguments(fcinfo, application, values);
	if (spi_plan_read_into(&plan, values, sql_function_result_store(fcinfo, &function->signature)) == 0)
		application_require(application);
	return (Datum) 0;
}

static SqlFunction list_unread_function = {
	list_unread, FUNCTION_READS,
	{SQL_ARGS(APPLICATION_ARG, TEXTOID, INT4OID, INT4OID), SQL_RETURNS_ROWS(UNREAD_TYPES)}
};

/*
 * chat.list_unread(application integer, reader text, after integer, "limit" integer)
 * returns setof chat.unread_chat
 */
Datum
chat_list_unread_by_id(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_id(fcinfo, &list_unread_function);
}

/*
 * chat.list_unread(token text, ...) returns setof chat.unread_chat
 */
Datum
chat_list_unread_by_token(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_token(fcinfo, &list_unread_function);
}

/* A page of JSON, which is written while the rows are found. */
typedef struct UnreadPage
{
	DestReceiver receiver;		/* must be first */
	StringInfoData json;
	int32		max_size;		/* in bytes, except for a single chat; 0: unlimited */
	int			count;
	bool		cut;			/* it ended because of max_size */
	int32		first;			/* chats */
	int32		last;
} UnreadPage;

/* Take a row. Returns false to stop the executor at the end of the page. */
static bool
receive(TupleTableSlot *slot, DestReceiver *receiver)
{
	UnreadPage *page = (UnreadPage *) receiver;
	StringInfo	json = &page->json;
	int			before = json->len;
	bool		bounded = page->max_size > 0 && page->count > 0;
	const Datum *values;
	const bool *nulls;

	slot_getsomeattrs(slot, UNREAD_MESSAGE + MESSAGE_COLUMNS_COUNT);
	values = slot->tts_values + UNREAD_MESSAGE;
	nulls = slot->tts_isnull + UNREAD_MESSAGE;
	if (bounded && !nulls[MESSAGE_BODY] &&
		json->len + toast_raw_datum_size(values[MESSAGE_BODY]) - VARHDRSZ > page->max_size)
	{
		page->cut = true;
		return false;
	}
	if (page->count > 0)
		appendStringInfoChar(json, ',');
	json_append_literal(json, "{\"chat_number\":");
	json_append_int32(json, DatumGetInt32(slot->tts_values[UNREAD_CHAT]));
	json_append_literal(json, ",\"number\":");
	json_append_int32(json, DatumGetInt32(slot->tts_values[UNREAD_CURSOR]));
	json_append_literal(json, ",\"unread_count\":");
	json_append_int32(json, DatumGetInt32(slot->tts_values[UNREAD_COUNT_COLUMN]));
	json_append_literal(json, ",\"last_message\":");
	if (nulls[MESSAGE_NUMBER])
		json_append_literal(json, "null");
	else
		message_to_json(json, 0, values, nulls);
	appendStringInfoChar(json, '}');
	if (bounded && json->len > page->max_size)
	{
		json->len = before;
		page->cut = true;
		return false;
	}
	page->last = DatumGetInt32(slot->tts_values[UNREAD_CHAT]);
	if (page->count++ == 0)
		page->first = page->last;
	return true;
}

/* Raise 42804 unless the columns have the expected types. */
static void
startup(DestReceiver *receiver, int operation, TupleDesc descriptor)
{
	for (int i = 0; i < UNREAD_MESSAGE; i++)
		spi_require_type(NameStr(TupleDescAttr(descriptor, i)->attname), TupleDescAttr(descriptor, i)->atttypid, INT4OID);
	message_to_json_require_types(descriptor, UNREAD_MESSAGE + 1);
}

static void
do_nothing(DestReceiver *receiver)
{
}

/* Return a page as JSON; argument 4 is max_size. */
static Datum
list_unread_json(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	RowStore	store = sql_function_result_store(fcinfo, &function->signature);
	UnreadPage	page = {
		.receiver = {
			.receiveSlot = receive, .rStartup = startup, .rShutdown = do_nothing, .rDestroy = do_nothing, .mydest = DestNone
		},
		.max_size = page_max_size(fcinfo->args[4])
	};
	Datum		values[5];
	bool		nulls[5] = {false};

	take_arguments(fcinfo, application, values);
	initStringInfo(&page.json);
	appendStringInfoChar(&page.json, '[');
	spi_plan_read_to(&plan, values, &page.receiver);
	appendStringInfoChar(&page.json, ']');
	if (page.count == 0)
		application_require(application);

	values[0] = PointerGetDatum(cstring_to_text_with_len(page.json.data, page.json.len));
	values[1] = Int32GetDatum(page.count);
	values[2] = BoolGetDatum(page.cut);
	values[3] = Int32GetDatum(page.first);
	values[4] = Int32GetDatum(page.last);
	nulls[3] = nulls[4] = page.count == 0;
	tuplestore_putvalues(store.rows, store.descriptor, values, nulls);
	return (Datum) 0;
}

static SqlFunction list_unread_json_function = {
	list_unread_json, FUNCTION_READS,
	{
		SQL_ARGS(APPLICATION_ARG, TEXTOID, INT4OID, INT4OID, INT4OID),
		SQL_RETURNS_ROWS(JSONOID, INT4OID, BOOLOID, INT4OID, INT4OID)
	}
};

/*
 * chat.list_unread_json(token text, reader text, after integer, "limit" integer,
 * max_size integer) returns setof (chats json, chats_count integer, cut boolean,
 * first integer, last integer)
 */
Datum
chat_list_unread_json(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_token(fcinfo, &list_unread_json_function);
}
