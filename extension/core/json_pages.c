/*
 * json_pages.c
 *	  Pages of messages as JSON.
 *
 * Most messages are read to be sent on as JSON. So it is made here, from the
 * rows as the executor finds them: once, and without making rows of a result
 * of them, sending these, and parsing them again.
 *
 * A page is bounded by its bytes, too. It ends before the message that would
 * make it too large, whose body is not read: its size, which is known without
 * that, suffices. A body is read in vain only if its escapes make the
 * difference.
 *
 * And by the messages that are passed over: a page that has found too few among
 * many is stopped, and the next one goes on from there.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "common/compat.h"
#include "core/json_pages.h"
#include "core/message_to_json.h"

#define STARTS_INITIAL 128

/* What a change has besides its message, without NULs at the ends. */
typedef struct ChangeTexts
{
	const char *position;
	Size		position_length;
	const char *event;
	Size		event_length;
} ChangeTexts;

/* The bytes of the page, once it is closed. */
static Size
page_size(const JsonPages *pages)
{
	return pages->json.len - VARHDRSZ + 1;
}

/* Append what a change has besides its message, which follows. */
static void
append_change(JsonPages *pages, const ChangeTexts *change)
{
	json_append_literal(&pages->json, "{\"position\":\"");
	pages->position = pages->json.len;
	pages->position_length = change->position_length;
	json_append_bytes(&pages->json, change->position, change->position_length);
	json_append_literal(&pages->json, "\",\"event\":\"");
	json_append_bytes(&pages->json, change->event, change->event_length);
	json_append_literal(&pages->json, "\",\"message\":");
}

/*
 * Add a message, or a change of it, unless the page is too large then. Returns
 * whether it was added.
 */
static bool
add_message(JsonPages *pages, int32 chat, const ChangeTexts *change, const Datum *values, const bool *nulls)
{
	StringInfo	json = &pages->json;
	int			before = json->len;
	bool		bounded = pages->max_size > 0 && pages->count > 0;
	JsonPlace	place = {chat, DatumGetInt32(values[MESSAGE_NUMBER])};
	int			position;
	int			position_length;

	if (bounded && !nulls[MESSAGE_BODY] &&
		page_size(pages) + toast_raw_datum_size(values[MESSAGE_BODY]) - VARHDRSZ > pages->max_size)
		return false;
	if (pages->count > 0)
		appendStringInfoChar(json, ',');
	if (pages->count == pages->starts_size)
	{
		pages->starts_size *= 2;
		pages->starts = repalloc(pages->starts, pages->starts_size * sizeof(int));
	}
	pages->starts[pages->count] = json->len;
	position = pages->position;
	position_length = pages->position_length;
	if (change != NULL)
		append_change(pages, change);
	message_to_json(json, chat, values, nulls);
	if (change != NULL)
		appendStringInfoChar(json, '}');
	if (bounded && page_size(pages) > pages->max_size)
	{
		json->len = before;
		pages->position = position;
		pages->position_length = position_length;
		return false;
	}
	if (pages->count == 0)
		pages->nearest = place;
	pages->farthest = place;
	pages->count++;
	return true;
}

/* The page with its messages in reverse order. */
static StringInfo
reverse(JsonPages *pages)
{
	StringInfo	json = &pages->json;
	StringInfo	reversed = &pages->reversed;
	int			end = json->len;

	resetStringInfo(reversed);
	enlargeStringInfo(reversed, json->len + 1);
	json_append_bytes(reversed, json->data, VARHDRSZ + 1);
	for (int i = pages->count - 1; i >= 0; i--)
	{
		json_append_bytes(reversed, json->data + pages->starts[i], end - pages->starts[i]);
		if (i > 0)
			json_append_literal(reversed, ",");
		end = pages->starts[i] - 1;
	}
	return reversed;
}

static Datum
place_datum(const JsonPages *pages, JsonPlace place)
{
	Datum		numbers[2] = {Int32GetDatum(place.chat), Int32GetDatum(place.number)};

	if (pages->columns.chat == 0)
		return numbers[1];
	return PointerGetDatum(construct_array(numbers, 2, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}

/* Store the page that is being written, if there is one. */
static void
end_page(JsonPages *pages)
{
	bool		from_end;
	StringInfo	json;
	Datum		values[6];
	bool		nulls[6] = {false};
	int			skipped = pages->has_items ? 0 : 1;

	if (pages->item == 0)
		return;
	from_end = pages->from_end[pages->item - 1];
	json = from_end && pages->count > 1 ? reverse(pages) : &pages->json;
	appendStringInfoChar(json, ']');
	SET_VARSIZE(json->data, json->len);

	values[0] = Int32GetDatum(pages->item);
	values[1] = PointerGetDatum(json->data);
	values[2] = Int32GetDatum(pages->count);
	values[3] = BoolGetDatum(pages->cut);
	nulls[4] = nulls[5] = pages->count == 0 && !pages->stopped;
	if (pages->count > 0 || pages->stopped)
	{
		values[4] = place_datum(pages, from_end ? pages->farthest : pages->nearest);
		values[5] = place_datum(pages, from_end ? pages->nearest : pages->farthest);
	}
	tuplestore_putvalues(pages->store.rows, pages->store.descriptor, values + skipped, nulls + skipped);
	pages->item = 0;
}

/*
 * Begin the page of an item, from 1 on. That ends the one before it.
 */
void
json_pages_next(JsonPages *pages, int32 item)
{
	end_page(pages);
	pages->item = item;
	pages->cut = pages->stopped = false;
	pages->count = 0;
	resetStringInfo(&pages->json);
	appendStringInfoSpaces(&pages->json, VARHDRSZ);
	appendStringInfoChar(&pages->json, '[');
}

/*
 * Add a message, of the values of MESSAGE_COLUMNS, to the page, unless that is too
 * large then and so ends here. Returns whether more may follow.
 */
bool
json_pages_add(JsonPages *pages, int32 chat, const Datum *values, const bool *nulls)
{
	pages->cut = pages->cut || !add_message(pages, chat, NULL, values, nulls);
	return !pages->cut;
}

/*
 * Add a change of a message to a page of changes, unless that is too large then and so ends
 * here. Returns whether more may follow.
 */
bool
json_pages_add_change(JsonPages *pages, const char *position, const char *event, const Datum *values, const bool *nulls)
{
	const ChangeTexts change = {position, strlen(position), event, strlen(event)};

	pages->cut = pages->cut || !add_message(pages, 0, &change, values, nulls);
	return !pages->cut;
}

/* The same of a row, whose columns position and event are texts. */
static bool
add_change(JsonPages *pages, const Datum *columns, const Datum *values, const bool *nulls)
{
	const text *position = DatumGetTextPP(columns[0]);
	const text *event = DatumGetTextPP(columns[1]);
	const ChangeTexts change = {
		VARDATA_ANY(position), VARSIZE_ANY_EXHDR(position), VARDATA_ANY(event), VARSIZE_ANY_EXHDR(event)
	};

	pages->cut = pages->cut || !add_message(pages, 0, &change, values, nulls);
	return !pages->cut;
}

/*
 * Stop the page at a message, to which all were looked at: there may be more
 * behind that one.
 */
void
json_pages_stop(JsonPages *pages, int32 number)
{
	if (pages->cut)
		return;
	pages->cut = pages->stopped = true;
	pages->farthest = (JsonPlace) {.number = number};
	if (pages->count == 0)
		pages->nearest = pages->farthest;
}

static int32
column_value(TupleTableSlot *slot, int column, int32 otherwise)
{
	return column == 0 ? otherwise : DatumGetInt32(slot->tts_values[column - 1]);
}

/*
 * Receive a row. Unless rows name their items, returns false at the end of the page,
 * so that the executor stops.
 */
static bool
receive(TupleTableSlot *slot, DestReceiver *receiver)
{
	JsonPages  *pages = (JsonPages *) receiver;
	int			first = pages->columns.message - 1;
	int32		chat;
	int32		item;

	slot_getsomeattrs(slot, first + MESSAGE_COLUMNS_COUNT);
	item = column_value(slot, pages->columns.item, pages->item);
	if (item != pages->item)
		json_pages_next(pages, item);
	if (slot->tts_isnull[first + MESSAGE_NUMBER])	/* an item without messages */
		return true;
	if (pages->columns.stop != 0 && DatumGetBool(slot->tts_values[pages->columns.stop - 1]))
	{
		json_pages_stop(pages, DatumGetInt32(slot->tts_values[first + MESSAGE_NUMBER]));
		return true;
	}
	if (pages->columns.change != 0)
		return add_change(pages, slot->tts_values + pages->columns.change - 1, slot->tts_values + first, slot->tts_isnull + first);
	chat = column_value(slot, pages->columns.chat, 0);
	return json_pages_add(pages, chat, slot->tts_values + first, slot->tts_isnull + first) || pages->columns.item != 0;
}

static void
require_integer(TupleDesc descriptor, int column)
{
	if (column != 0)
		spi_require_type(NameStr(TupleDescAttr(descriptor, column - 1)->attname),
						 TupleDescAttr(descriptor, column - 1)->atttypid, INT4OID);
}

/* Raise 42804 unless the columns have the expected types. */
static void
startup(DestReceiver *receiver, int operation, TupleDesc descriptor)
{
	const JsonPageColumns *columns = &((JsonPages *) receiver)->columns;

	require_integer(descriptor, columns->item);
	require_integer(descriptor, columns->chat);
	message_to_json_require_types(descriptor, columns->message);
}

static void
do_nothing(DestReceiver *receiver)
{
}

/*
 * Begin to write pages into store, a row each. max_size is the most bytes of a
 * page, 0: any number. from_end has an element for each item, or one if there
 * are no items; pages of changes have none.
 */
void
json_pages_begin(JsonPages *pages, RowStore store, JsonPageColumns columns, int32 max_size, const bool *from_end)
{
	*pages = (JsonPages) {
		.receiver = {
			.receiveSlot = receive, .rStartup = startup, .rShutdown = do_nothing, .rDestroy = do_nothing, .mydest = DestNone
		},
		.store = store,
		.columns = columns,
		.has_items = columns.item != 0 || columns.change != 0,
		.max_size = max_size,
		.from_end = from_end,
		.starts = palloc(STARTS_INITIAL * sizeof(int)),
		.starts_size = STARTS_INITIAL
	};
	initStringInfo(&pages->json);
	initStringInfo(&pages->reversed);
	if (!pages->has_items)
		json_pages_next(pages, 1);
}

/*
 * Store a page of changes. position is where it ends, or NULL for that of its last
 * change; field is the argument at fault that it is empty for, or NULL.
 */
void
json_pages_end_changes(JsonPages *pages, const char *position, const char *field)
{
	StringInfo	json = &pages->json;
	text	   *end = position != NULL ? cstring_to_text(position) :
		cstring_to_text_with_len(json->data + pages->position, pages->position_length);
	Datum		values[6];
	bool		nulls[6] = {[5] = field == NULL};

	appendStringInfoChar(json, ']');
	SET_VARSIZE(json->data, json->len);
	values[0] = Int32GetDatum(pages->item);
	values[1] = PointerGetDatum(json->data);
	values[2] = Int32GetDatum(pages->count);
	values[3] = BoolGetDatum(pages->cut);
	values[4] = PointerGetDatum(end);
	if (field != NULL)
		values[5] = CStringGetTextDatum(field);
	tuplestore_putvalues(pages->store.rows, pages->store.descriptor, values, nulls);
	pages->item = 0;
}

/*
 * Store the last page. Without items there is one even if it has no messages.
 */
void
json_pages_end(JsonPages *pages)
{
	end_page(pages);
}
