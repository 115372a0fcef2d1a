/*
 * message_json.c
 *	  Messages as JSON: one, or a page, for each item of a call for many.
 *
 * These are for servers that send messages on to their clients, as chatd does.
 * They know applications by their tokens.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/array.h"

#include "common/int_columns.h"
#include "core/entity_lookup.h"
#include "core/json_pages.h"
#include "core/message.h"
#include "core/message_json.h"
#include "core/message_multi.h"
#include "core/message_to_json.h"
#include "core/sql_function.h"

PG_FUNCTION_INFO_V1(chat_get_messages_json);
PG_FUNCTION_INFO_V1(chat_list_messages_json);
PG_FUNCTION_INFO_V1(chat_last_messages_json);

/*
 * Columns of items are parameters, arrays of one length, which is the last one.
 * They are read by subscripts: a function scan of each would cost more than the
 * message. Rows come item after item, since whatever the planner knows, it is left
 * no choice but a loop over the items: see message_multi.h.
 */
#define ITEMS(count) "generate_series(1, " count ") AS k (i)"
#define ITEM(parameter) "(" parameter ")[k.i]"

/* The messages that items name. Parameters: items, applications, chats, numbers, count. */
#define GET_MESSAGES_JSON \
	"SELECT " ITEM("$1") " AS item, " MESSAGE_COLUMNS("m") \
	" FROM " ITEMS("$5") \
	JOIN_ONE(MESSAGE_SELECT_OF(ITEM("$2"), ITEM("$3")) " AND messages.number = " ITEM("$4") " AND " \
			 CHAT_IS_NOT_DELETED(ITEM("$2"), ITEM("$3")), "m")

/*
 * The pages of the items whose chats exist; page is PAGE_SQL_FROM_START or
 * PAGE_SQL_DESCENDING, filter a condition on messages. Parameters: items,
 * applications, chats, the pages as pagination.h has them (above, through, limit),
 * count, and how many messages may be passed over; and for FILTERED, senders, and
 * whether deleted messages are wanted. If all that may be looked at have been, and
 * the page has less than it might, the last of them follows as what stops it.
 */
#define NOT_DELETED "r.deleted_at IS NULL"
#define FILTERED \
	"(" ITEM("$9") " IS NULL OR r.sender = " ITEM("$9") ")" \
	" AND (" ITEM("$10") " OR r.deleted_at IS NULL)"
#define LOOKED_AT "(" ITEM("$6") " + $8)"
#define ROWS_LOOKED_AT(page) \
	page(MESSAGE_SELECT_OF(ITEM("$2"), ITEM("$3")), "messages.number", ITEM("$4"), ITEM("$5"), LOOKED_AT)
#define LIST_PAGES_JSON(page, filter) \
	"SELECT " ITEM("$1") ", m.stop, " MESSAGE_COLUMNS("m") \
	" FROM " ITEMS("$7") \
	JOIN_ONE("SELECT chats.number FROM chat.chats WHERE chats.application_id = " ITEM("$2") \
			 " AND chats.number = " ITEM("$3") " AND chats.deleted_at IS NULL", "c") \
	" LEFT JOIN LATERAL (SELECT false AS stop, r.* FROM (" ROWS_LOOKED_AT(page) ") AS r WHERE " filter \
	" UNION ALL SELECT true, r.* FROM (" ROWS_LOOKED_AT(page) " OFFSET " LOOKED_AT " - 1) AS r" \
	" LIMIT " ITEM("$6") ") AS m ON true"

/* The chats that arguments 0 and 1, arrays of tokens and numbers, name. */
NamedChats
message_json_chats(FunctionCallInfo fcinfo)
{
	NamedChats	chats = {.applications = array_arg_of_applications(fcinfo, TEXTOID)};

	chats.count = chats.applications.count;
	chats.numbers = array_arg_of_count(fcinfo, 1, INT4OID, "chats", chats.count);
	return chats;
}

/* Whether an item, from 0 on, names a chat. */
static bool
names_chat(const NamedChats *chats, int i)
{
	return !chats->applications.nulls[i] && !chats->numbers.nulls[i];
}

/*
 * Store the message that an item, from 1 on, names: a row of get_messages_json. json
 * is scratch.
 */
void
message_json_store(RowStore store, StringInfo json, int32 item, const Datum *values, const bool *nulls)
{
	Datum		result[4] = {Int32GetDatum(item)};
	bool		result_nulls[4] = {false};

	resetStringInfo(json);
	appendStringInfoSpaces(json, VARHDRSZ);
	message_to_json(json, 0, values, nulls);
	SET_VARSIZE(json->data, json->len);
	result[1] = PointerGetDatum(json->data);
	result[2] = nulls[MESSAGE_REVISION] ? Int32GetDatum(0) : values[MESSAGE_REVISION];
	result[3] = BoolGetDatum(!nulls[MESSAGE_DELETED_AT]);
	tuplestore_putvalues(store.rows, store.descriptor, result, result_nulls);
}

/* Store the messages that items name by a statement. */
static void
get_by_statement(NamedChats *chats, const ArrayArg *numbers, RowStore store)
{
	static SavedPlan plan = SAVED_PLAN(GET_MESSAGES_JSON, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT4OID);
	TableOwnerSwitch caller = table_owner_become(OWNER_SEES_BY_POLICY);
	IntColumns	items;
	Datum		values[5];
	StringInfoData json;
	uint64		rows;

	applications_resolve_tokens(&chats->applications);
	int_columns_init(&items, lengthof(values) - 1, chats->count);
	for (int i = 0; i < chats->count; i++)
		if (names_chat(chats, i) && !numbers->nulls[i])
			int_columns_append(&items, (int32[]) {
				i + 1, DatumGetInt32(chats->applications.values[i]), DatumGetInt32(chats->numbers.values[i]),
				DatumGetInt32(numbers->values[i])
			});
	int_columns_to_arrays(&items, values);
	values[lengthof(values) - 1] = Int32GetDatum(items.count);

	rows = spi_plan_read(&plan, values);
	message_to_json_require_types(SPI_tuptable->tupdesc, 2);
	initStringInfo(&json);
	for (uint64 row = 0; row < rows; row++)
	{
		Datum		found[1 + MESSAGE_COLUMNS_COUNT];
		bool		found_nulls[lengthof(found)];

		heap_deform_tuple(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, found, found_nulls);
		message_json_store(store, &json, spi_result_int32(row, 1), found + 1, found_nulls + 1);
	}
	table_owner_leave(caller);
}

/*
 * chat.get_messages_json(tokens text[], chats integer[], numbers integer[])
 * returns setof (item integer, message json, revision integer, deleted boolean)
 */
Datum
chat_get_messages_json(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {
		SQL_ARGS(TEXTARRAYOID, INT4ARRAYOID, INT4ARRAYOID), SQL_RETURNS_ROWS(INT4OID, JSONOID, INT4OID, BOOLOID)
	};
	RowStore	store;
	NamedChats	chats;
	ArrayArg	numbers;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	store = sql_function_result_store(fcinfo, &signature);
	chats = message_json_chats(fcinfo);
	numbers = array_arg_of_count(fcinfo, 2, INT4OID, "numbers", chats.count);
	if (!message_json_get_direct(&chats, &numbers, store))
		get_by_statement(&chats, &numbers, store);
	return (Datum) 0;
}

static ListFilters
filters_from_arguments(FunctionCallInfo fcinfo, int first, int count)
{
	return (ListFilters) {
		array_arg_or_nulls(fcinfo, first, TEXTOID, "senders", count),
		array_arg_or_nulls(fcinfo, first + 1, BOOLOID, "deleted", count)
	};
}

/* Whether no item has a filter. */
static bool
no_filters(const ListFilters *filters)
{
	return filters->senders.count == 0 && filters->deleted.count == 0;
}

/* The filters of the items from first on, up to end, that name chats, as arrays. */
static void
filters_to_arrays(const ListFilters *filters, const NamedChats *chats, int first, int end, Datum *arrays)
{
	Datum	   *senders = palloc0((end - first) * sizeof(Datum));
	bool	   *nulls = palloc0((end - first) * sizeof(bool));
	Datum	   *deleted = palloc0((end - first) * sizeof(Datum));
	int			count = 0;
	int			lower_bound = 1;

	for (int i = first; i < end; i++)
	{
		if (!names_chat(chats, i))
			continue;
		nulls[count] = filters->senders.count == 0 || filters->senders.nulls[i];
		if (!nulls[count])
			senders[count] = filters->senders.values[i];
		if (filters->deleted.count > 0 && !filters->deleted.nulls[i])
			deleted[count] = filters->deleted.values[i];
		count++;
	}
	arrays[0] = PointerGetDatum(construct_md_array(senders, nulls, 1, &count, &lower_bound, TEXTOID, -1, false, TYPALIGN_INT));
	arrays[1] = PointerGetDatum(construct_array(deleted, count, BOOLOID, sizeof(bool), true, TYPALIGN_CHAR));
}

/* Write the pages of the items from first on, up to end, which are all from the start, or all from the end. */
static void
write_pages(JsonPages *pages, const NamedChats *chats, const ListPage *list, const ListFilters *filters, int first, int end)
{
#define PAGE_TYPES INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT4OID, INT4OID
	static SavedPlan listed[2] = {
		SAVED_PLAN(LIST_PAGES_JSON(PAGE_SQL_FROM_START, NOT_DELETED), PAGE_TYPES),
		SAVED_PLAN(LIST_PAGES_JSON(PAGE_SQL_DESCENDING, NOT_DELETED), PAGE_TYPES)
	};
	static SavedPlan filtered[2] = {
		SAVED_PLAN(LIST_PAGES_JSON(PAGE_SQL_FROM_START, FILTERED), PAGE_TYPES, TEXTARRAYOID, BOOLARRAYOID),
		SAVED_PLAN(LIST_PAGES_JSON(PAGE_SQL_DESCENDING, FILTERED), PAGE_TYPES, TEXTARRAYOID, BOOLARRAYOID)
	};
	bool		from_end = list[first].from_end;
	IntColumns	items;
	Datum		values[10];

	int_columns_init(&items, 6, end - first);
	for (int i = first; i < end; i++)
		if (names_chat(chats, i))
			int_columns_append(&items, (int32[]) {
				i + 1, DatumGetInt32(chats->applications.values[i]), DatumGetInt32(chats->numbers.values[i]),
				list[i].above, list[i].through, list[i].limit
			});
	int_columns_to_arrays(&items, values);
	values[6] = Int32GetDatum(items.count);
	values[7] = Int32GetDatum(PAGE_PASSED_OVER_MAX(chats->count));
	if (no_filters(filters))
	{
		spi_plan_read_to(&listed[from_end], values, &pages->receiver);
		return;
	}
	filters_to_arrays(filters, chats, first, end, &values[8]);
	spi_plan_read_to(&filtered[from_end], values, &pages->receiver);
}

/* Write a page of each chat by statements. */
static void
list_by_statements(NamedChats *chats, const ListPage *list, const ListFilters *filters, JsonPages *pages)
{
	TableOwnerSwitch caller = table_owner_become(OWNER_SEES_BY_POLICY);

	applications_resolve_tokens(&chats->applications);
	for (int first = 0, end; first < chats->count; first = end)
	{
		for (end = first + 1; end < chats->count && list[end].from_end == list[first].from_end;)
			end++;
		write_pages(pages, chats, list, filters, first, end);
	}
	json_pages_end(pages);
	table_owner_leave(caller);
}

/* Return a page of each chat. */
static void
return_pages(RowStore store, NamedChats *chats, const ListPage *list, const ListFilters *filters, int32 max_size)
{
	bool	   *from_end = palloc(chats->count + 1);
	JsonPages	pages;

	for (int i = 0; i < chats->count; i++)
		from_end[i] = list[i].from_end;
	json_pages_begin(&pages, store, (JsonPageColumns) {.item = 1, .stop = 2, .message = 3}, max_size, from_end);
	if (!message_json_list_direct(chats, list, filters, &pages))
		list_by_statements(chats, list, filters, &pages);
}

/*
 * chat.list_messages_json(tokens text[], chats integer[], after integer[], before
 * integer[], "limit" integer[], max_size integer, senders text[], deleted boolean[])
 * returns setof (item integer, messages json, messages_count integer, cut boolean,
 * first integer, last integer)
 */
Datum
chat_list_messages_json(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {
		SQL_ARGS(TEXTARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT4OID, TEXTARRAYOID, BOOLARRAYOID),
		SQL_RETURNS_ROWS(INT4OID, JSON_PAGE_TYPES(INT4OID))
	};
	RowStore	store;
	NamedChats	chats;
	ArrayArg	after;
	ArrayArg	before;
	ArrayArg	limits;
	ListFilters filters;
	ListPage   *list;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	store = sql_function_result_store(fcinfo, &signature);
	chats = message_json_chats(fcinfo);
	after = array_arg_of_count(fcinfo, 2, INT4OID, "after", chats.count);
	before = array_arg_of_count(fcinfo, 3, INT4OID, "before", chats.count);
	limits = array_arg_of_count(fcinfo, 4, INT4OID, "limit", chats.count);
	filters = filters_from_arguments(fcinfo, 6, chats.count);
	list = palloc((Size) (chats.count + 1) * sizeof(ListPage));
	for (int i = 0; i < chats.count; i++)
		list[i] = page_from_values(array_arg_element(&after, i), array_arg_element(&before, i), array_arg_element(&limits, i));
	return_pages(store, &chats, list, &filters, page_max_size(fcinfo->args[5]));
	return (Datum) 0;
}

/*
 * chat.last_messages_json(tokens text[], chats integer[], "limit" integer[],
 * max_size integer, senders text[], deleted boolean[]) returns setof (as
 * list_messages_json)
 */
Datum
chat_last_messages_json(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {
		SQL_ARGS(TEXTARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT4OID, TEXTARRAYOID, BOOLARRAYOID),
		SQL_RETURNS_ROWS(INT4OID, JSON_PAGE_TYPES(INT4OID))
	};
	RowStore	store;
	NamedChats	chats;
	ArrayArg	limits;
	ListFilters filters;
	ListPage   *list;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	store = sql_function_result_store(fcinfo, &signature);
	chats = message_json_chats(fcinfo);
	limits = array_arg_of_count(fcinfo, 2, INT4OID, "limit", chats.count);
	filters = filters_from_arguments(fcinfo, 4, chats.count);
	list = palloc((Size) (chats.count + 1) * sizeof(ListPage));
	for (int i = 0; i < chats.count; i++)
		list[i] = page_of_last(array_arg_element(&limits, i));
	return_pages(store, &chats, list, &filters, page_max_size(fcinfo->args[3]));
	return (Datum) 0;
}
