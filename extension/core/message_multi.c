/*
 * message_multi.c
 *	  Many messages found in one call.
 *
 * An item names a message, or a page of a chat. An item for which there is
 * nothing costs the others nothing, and all of them together cost far less
 * than one by one, since most of what a statement takes it takes once.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"

#include "common/int_columns.h"
#include "common/spi_plan.h"
#include "core/array_args.h"
#include "core/message.h"
#include "core/message_multi.h"
#include "core/pagination.h"
#include "core/sql_function.h"

PG_FUNCTION_INFO_V1(chat_get_messages_by_id);
PG_FUNCTION_INFO_V1(chat_get_messages_by_token);
PG_FUNCTION_INFO_V1(chat_list_pages_by_id);
PG_FUNCTION_INFO_V1(chat_list_pages_by_token);

/* The types of chat.found_message. */
#define FOUND_MESSAGE_TYPES INT4OID, MESSAGE_COLUMN_TYPES

/* The messages that items name. Parameters: applications, chats, numbers. */
#define GET_MESSAGES(key) \
	"SELECT k.item::int4, " MESSAGE_COLUMNS("m") \
	" FROM ROWS FROM (unnest($1), unnest($2), unnest($3))" \
	" WITH ORDINALITY AS k (application, chat, number, item)" \
	JOIN_APPLICATION(key) \
	JOIN_ONE(MESSAGE_SELECT_OF("a.id", "k.chat") " AND messages.number = k.number AND " \
			 CHAT_IS_NOT_DELETED("a.id", "k.chat"), "m") \
	" ORDER BY k.item"

/*
 * A page for each item whose chat exists. Parameters: applications, chats, and
 * the pages as pagination.h has them: above, through, limit, from_end.
 */
#define PAGE_SELECT(from_end) \
	MESSAGE_SELECT_OF("a.id", "k.chat") MESSAGE_NOT_DELETED " AND " from_end
#define LIST_PAGES(key) \
	"SELECT k.item::int4, " MESSAGE_COLUMNS("m") \
	" FROM ROWS FROM (unnest($1), unnest($2), unnest($3)," \
	" unnest($4), unnest($5), unnest($6))" \
	" WITH ORDINALITY AS k (application, chat, above, through, rows, from_end, item)" \
	JOIN_APPLICATION(key) \
	JOIN_ONE("SELECT chats.number FROM chat.chats WHERE chats.application_id = a.id" \
			 " AND chats.number = k.chat AND chats.deleted_at IS NULL", "c") \
	" LEFT JOIN LATERAL ((" \
	PAGE_SQL_FROM_START(PAGE_SELECT("NOT k.from_end"), "messages.number", "k.above", "k.through", "k.rows") \
	") UNION ALL (" \
	PAGE_SQL_FROM_END(PAGE_SELECT("k.from_end"), "messages.number", "k.above", "k.through", "k.rows") \
	")) AS m ON true ORDER BY k.item"

/* The body of both forms of get_messages; plan is of GET_MESSAGES. */
static Datum
get_messages(FunctionCallInfo fcinfo, SavedPlan *plan, Oid application_type)
{
	static SqlSignature signature = {
		SQL_ARGS(APPLICATION_ARG, INT4ARRAYOID, INT4ARRAYOID), SQL_RETURNS_ROWS(FOUND_MESSAGE_TYPES)
	};
	TableOwnerSwitch caller;
	RowStore	store;
	Datum		values[3];
	int			count;

	sql_signature_check(fcinfo, &signature, plan->argtypes[0]);
	store = sql_function_result_store(fcinfo, &signature);
	caller = table_owner_become(OWNER_SEES_BY_POLICY);
	count = array_arg_of_applications(fcinfo, application_type).count;
	array_arg_of_count(fcinfo, 1, INT4OID, "chats", count);
	array_arg_of_count(fcinfo, 2, INT4OID, "numbers", count);
	for (int i = 0; i < 3; i++)
		values[i] = PG_GETARG_DATUM(i);
	spi_plan_read_into(plan, values, store);
	table_owner_leave(caller);
	return (Datum) 0;
}

/*
 * chat.get_messages(applications integer[], chats integer[], numbers
 * integer[]) returns setof chat.found_message
 */
Datum
chat_get_messages_by_id(PG_FUNCTION_ARGS)
{
	static SavedPlan plan = SAVED_PLAN(GET_MESSAGES("id"), INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID);

	return get_messages(fcinfo, &plan, INT4OID);
}

/*
 * chat.get_messages(tokens text[], ...) returns setof chat.found_message
 */
Datum
chat_get_messages_by_token(PG_FUNCTION_ARGS)
{
	static SavedPlan plan = SAVED_PLAN(GET_MESSAGES("token"), TEXTARRAYOID, INT4ARRAYOID, INT4ARRAYOID);

	return get_messages(fcinfo, &plan, TEXTOID);
}

/*
 * The body of both forms of list_messages over arrays; plan is of LIST_PAGES.
 */
static Datum
list_pages(FunctionCallInfo fcinfo, SavedPlan *plan, Oid application_type)
{
	static SqlSignature signature = {
		SQL_ARGS(APPLICATION_ARG, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID),
		SQL_RETURNS_ROWS(FOUND_MESSAGE_TYPES)
	};
	TableOwnerSwitch caller;
	RowStore	store;
	ArrayArg	after;
	ArrayArg	before;
	ArrayArg	limits;
	IntColumns	pages;
	Datum	   *from_end;
	Datum		values[6];
	int			count;

	sql_signature_check(fcinfo, &signature, plan->argtypes[0]);
	store = sql_function_result_store(fcinfo, &signature);
	caller = table_owner_become(OWNER_SEES_BY_POLICY);
	count = array_arg_of_applications(fcinfo, application_type).count;
	array_arg_of_count(fcinfo, 1, INT4OID, "chats", count);
	after = array_arg_of_count(fcinfo, 2, INT4OID, "after", count);
	before = array_arg_of_count(fcinfo, 3, INT4OID, "before", count);
	limits = array_arg_of_count(fcinfo, 4, INT4OID, "limit", count);

	int_columns_init(&pages, 3, count);
	from_end = palloc((count + 1) * sizeof(Datum));
	for (int i = 0; i < count; i++)
	{
		ListPage	page = page_from_values(array_arg_element(&after, i), array_arg_element(&before, i),
											array_arg_element(&limits, i));

		int_columns_append(&pages, (int32[]) {page.above, page.through, page.limit});
		from_end[i] = BoolGetDatum(page.from_end);
	}
	values[0] = PG_GETARG_DATUM(0);
	values[1] = PG_GETARG_DATUM(1);
	int_columns_to_arrays(&pages, &values[2]);
	values[5] = PointerGetDatum(construct_array(from_end, count, BOOLOID, sizeof(bool), true, TYPALIGN_CHAR));
	spi_plan_read_into(plan, values, store);
	table_owner_leave(caller);
	return (Datum) 0;
}

/*
 * chat.list_messages(applications integer[], chats integer[], after integer[],
 * before integer[], "limit" integer[]) returns setof chat.found_message
 */
Datum
chat_list_pages_by_id(PG_FUNCTION_ARGS)
{
	static SavedPlan plan = SAVED_PLAN(LIST_PAGES("id"), INT4ARRAYOID, INT4ARRAYOID,
									   INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, BOOLARRAYOID);

	return list_pages(fcinfo, &plan, INT4OID);
}

/*
 * chat.list_messages(tokens text[], ...) returns setof chat.found_message
 */
Datum
chat_list_pages_by_token(PG_FUNCTION_ARGS)
{
	static SavedPlan plan = SAVED_PLAN(LIST_PAGES("token"), TEXTARRAYOID, INT4ARRAYOID,
									   INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, BOOLARRAYOID);

	return list_pages(fcinfo, &plan, TEXTOID);
}
