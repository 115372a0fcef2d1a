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
#include "utils/array.h"
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

/* Parameters: application, reader, whether all chats are wanted, those that are, and those of a page. */
#define CURSORS_SELECT \
	"SELECT cursors.chat_number, cursors.number FROM chat.cursors" \
	" WHERE cursors.application_id = $1 AND cursors.reader = $2 AND ($3 OR cursors.chat_number = ANY ($4))" \
	" AND " CHAT_NUMBER_IS_NOT_DELETED("$1")
#define UNREAD_SELECT(page, order) \
	"SELECT c.chat_number, c.number, u.count, " MESSAGE_COLUMNS("m") " FROM (" \
	page(CURSORS_SELECT, "cursors.chat_number", "$5", "$6", "$7") ") AS c" \
	JOIN_ONE("SELECT chats.number, chats.messages_count, chats.last_message_number FROM chat.chats" \
			 " WHERE chats.application_id = $1 AND chats.number = c.chat_number", "h") \
	" CROSS JOIN LATERAL (SELECT " UNREAD_COUNT("$1", "c.number") " AS count) AS u" \
	" LEFT JOIN LATERAL (" MESSAGE_SELECT_OF("$1", "c.chat_number") \
	" AND messages.deleted_at IS NULL ORDER BY messages.number DESC LIMIT 1) AS m ON true ORDER BY c.chat_number" order
#define UNREAD_PLAN(page, order) \
	SAVED_PLAN(UNREAD_SELECT(page, order), INT4OID, TEXTOID, BOOLOID, INT4ARRAYOID, INT4OID, INT4OID, INT8OID)

static SavedPlan from_start = UNREAD_PLAN(PAGE_SQL_FROM_START, "");
static SavedPlan from_end = UNREAD_PLAN(PAGE_SQL_FROM_END, "");
static SavedPlan descending = UNREAD_PLAN(PAGE_SQL_DESCENDING, " DESC");

/*
 * The parameters of the statement; arguments from 1 on are reader, after, before and limit, then,
 * somewhere, chats. Returns whether the page is one from the end.
 */
static bool
take_arguments(FunctionCallInfo fcinfo, int32 application, int chats, Datum values[7])
{
	ListPage	page = page_from_values(fcinfo->args[2], fcinfo->args[3], fcinfo->args[4]);
	bool		all = PG_ARGISNULL(chats);

	values[0] = Int32GetDatum(application);
	values[1] = reader_argument(fcinfo, 1);
	values[2] = BoolGetDatum(all);
	values[3] = all ? PointerGetDatum(construct_empty_array(INT4OID)) : PG_GETARG_DATUM(chats);
	values[4] = Int32GetDatum(page.above);
	values[5] = Int32GetDatum(page.through);
	values[6] = Int64GetDatum(page.limit);
	return page.from_end;
}

static Datum
list_unread(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	Datum		values[7];
	bool		is_from_end = take_arguments(fcinfo, application, 5, values);
	RowStore	store = sql_function_result_store(fcinfo, &function->signature);

	if (spi_plan_read_into(is_from_end ? &from_end : &from_start, values, store) == 0)
		application_require(application);
	return (Datum) 0;
}

static SqlFunction list_unread_function = {
	list_unread, FUNCTION_READS,
	{SQL_ARGS(APPLICATION_ARG, TEXTOID, INT4OID, INT4OID, INT4OID, INT4ARRAYOID), SQL_RETURNS_ROWS(UNREAD_TYPES)}
};

/*
 * chat.list_unread(application integer, reader text, after integer, before integer,
 * "limit" integer, chats integer[]) returns setof chat.unread_chat
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
	int			starts[PAGE_LIMIT_MAXIMUM]; /* offsets of the chats in json */
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
	page->starts[page->count] = json->len;
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

/* The array of the chats, the other way round if that is wanted. */
static Datum
page_array(const UnreadPage *page, bool reversed)
{
	StringInfoData array;
	int			end = page->json.len;

	initStringInfo(&array);
	enlargeStringInfo(&array, page->json.len + 2);
	appendStringInfoChar(&array, '[');
	if (!reversed)
		appendBinaryStringInfo(&array, page->json.data, page->json.len);
	for (int i = page->count - 1; reversed && i >= 0; i--)
	{
		appendBinaryStringInfo(&array, page->json.data + page->starts[i], end - page->starts[i]);
		if (i > 0)
			appendStringInfoChar(&array, ',');
		/* Behind the one before stands a comma. */
		end = page->starts[i] - 1;
	}
	appendStringInfoChar(&array, ']');
	return PointerGetDatum(cstring_to_text_with_len(array.data, array.len));
}

/* Return a page as JSON; argument 5 is max_size, argument 6 chats. */
static Datum
list_unread_json(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	RowStore	store = sql_function_result_store(fcinfo, &function->signature);
	UnreadPage *page = palloc0(sizeof(UnreadPage));
	Datum		values[7];
	bool		nulls[5] = {false};
	bool		is_from_end = take_arguments(fcinfo, application, 6, values);

	page->receiver = (DestReceiver) {
		.receiveSlot = receive, .rStartup = startup, .rShutdown = do_nothing, .rDestroy = do_nothing, .mydest = DestNone
	};
	page->max_size = page_max_size(fcinfo->args[5]);
	initStringInfo(&page->json);
	spi_plan_read_to(is_from_end ? &descending : &from_start, values, &page->receiver);
	if (page->count == 0)
		application_require(application);

	values[0] = page_array(page, is_from_end);
	values[1] = Int32GetDatum(page->count);
	values[2] = BoolGetDatum(page->cut);
	values[3] = Int32GetDatum(is_from_end ? page->last : page->first);
	values[4] = Int32GetDatum(is_from_end ? page->first : page->last);
	nulls[3] = nulls[4] = page->count == 0;
	tuplestore_putvalues(store.rows, store.descriptor, values, nulls);
	return (Datum) 0;
}

static SqlFunction list_unread_json_function = {
	list_unread_json, FUNCTION_READS,
	{
		SQL_ARGS(APPLICATION_ARG, TEXTOID, INT4OID, INT4OID, INT4OID, INT4OID, INT4ARRAYOID),
		SQL_RETURNS_ROWS(JSONOID, INT4OID, BOOLOID, INT4OID, INT4OID)
	}
};

/*
 * chat.list_unread_json(token text, reader text, after integer, before integer,
 * "limit" integer, max_size integer, chats integer[]) returns setof (chats json, chats_count integer, cut boolean,
 * first integer, last integer)
 */
Datum
chat_list_unread_json(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_token(fcinfo, &list_unread_json_function);
}
