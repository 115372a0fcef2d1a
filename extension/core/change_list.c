/*
 * change_list.c
 *	  What came after a position of a chat.
 *
 * A position N.R is a state of a chat: that of a reader who knows all messages up to the
 * number N, as the changes up to the revision R left them. What came after it is
 *
 *	- of the messages up to N, those with a revision above R, in the order of that, and
 *	  those that are gone, by chat_internal.deleted_messages; each leads to N and its
 *	  revision;
 *	- then the messages above N, in the order of their numbers; each leads to its number
 *	  and the chat's last revision.
 *
 * All is read with one snapshot, and each message is told as it is there. So whoever puts
 * one after the other into a table, by number, has after each what the position says,
 * but for messages that later changes will be told of.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "common/message_columns.h"
#include "core/change_list.h"
#include "core/entity_lookup.h"
#include "core/message.h"
#include "core/sql_function.h"

PG_FUNCTION_INFO_V1(chat_list_changes_by_id);
PG_FUNCTION_INFO_V1(chat_list_changes_by_token);
PG_FUNCTION_INFO_V1(chat_list_changes_json);

/* What chat.change has. */
#define CHANGE_TYPES TEXTOID, TEXTOID, MESSAGE_COLUMN_TYPES

#define EVENT(alias) \
	"CASE WHEN " alias ".deleted_at IS NOT NULL THEN 'deleted'" \
	" WHEN " alias ".edited_at IS NOT NULL THEN 'updated' ELSE 'created' END"

/* A range of consecutive messages that are gone, as rows, of those up to $3 with revisions above $4. */
#define GONE \
	"SELECT (d.number - d.revision + r.revision)::int4 AS number, ''::text, NULL::timestamptz, NULL::text, NULL::jsonb," \
	" NULL::timestamptz, d.deleted_at, r.revision::int4 AS revision" \
	" FROM chat_internal.deleted_messages AS d," \
	" LATERAL (SELECT GREATEST($4, d.revision - d.messages)::int8 AS above," \
	" LEAST(d.revision, d.revision::int8 - d.number + $3) AS through) AS b," \
	" LATERAL generate_series(b.above + 1, LEAST(b.through, b.above + $5)) AS r (revision)" \
	" WHERE d.application_id = $1 AND d.chat_number = $2 AND d.revision > $4" \
	" ORDER BY d.revision, r.revision LIMIT $5"

/* Parameters: application, chat, the number and the revision of the position, limit. */
#define CHANGED \
	"SELECT $3 || '.' || c.revision, " EVENT("c") ", " MESSAGE_COLUMNS("c") " FROM ((" \
	MESSAGE_SELECT_OF("$1", "$2") " AND messages.revision > $4 AND messages.revision > 0 AND messages.number <= $3" \
	" ORDER BY messages.revision LIMIT $5) UNION ALL (" GONE ")) AS c ORDER BY c.revision LIMIT $5"

/* The same with the chat's last revision. */
#define APPENDED \
	"SELECT messages.number || '.' || $4, " EVENT("messages") ", " MESSAGE_COLUMNS("messages") " FROM chat.messages" \
	" WHERE messages.application_id = $1 AND messages.chat_number = $2 AND messages.number > $3" \
	" ORDER BY messages.number LIMIT $5"

static SavedPlan changed = SAVED_PLAN(CHANGED, INT4OID, INT4OID, INT4OID, INT4OID, INT8OID);
static SavedPlan appended = SAVED_PLAN(APPENDED, INT4OID, INT4OID, INT4OID, INT4OID, INT8OID);

static ChangePage
page_of(NullableDatum number, NullableDatum revision, NullableDatum limit)
{
	return (ChangePage) {
		.number = page_position(number, "after_number"),
		.revision = page_position(revision, "after_revision"),
		.limit = page_limit(limit)
	};
}

/* Find a chat, and how far it is. Returns whether there is one. */
static bool
find_chat(ChangePage *page)
{
	static SavedPlan plan = SAVED_PLAN(
		"SELECT last_message_number, last_revision FROM chat.chats"
		" WHERE application_id = $1 AND number = $2 AND deleted_at IS NULL",
		INT4OID, INT4OID);
	Datum		key[2] = {Int32GetDatum(page->application), Int32GetDatum(page->chat)};

	page->found = spi_plan_read(&plan, key) > 0;
	if (page->found)
	{
		page->last_number = spi_result_int32(0, 1);
		page->last_revision = spi_result_int32(0, 2);
	}
	return page->found;
}

/* The same of the chats that items name. */
static void
find_chats(NamedChats *chats, ChangePage *list)
{
	applications_resolve_tokens(&chats->applications);
	for (int i = 0; i < chats->count; i++)
	{
		if (chats->applications.nulls[i] || chats->numbers.nulls[i])
			continue;
		list[i].application = DatumGetInt32(chats->applications.values[i]);
		list[i].chat = DatumGetInt32(chats->numbers.values[i]);
		find_chat(&list[i]);
	}
}

/* The argument that names what the chat has not reached; NULL if none does. */
static const char *
field_beyond(const ChangePage *page)
{
	if (page->number > page->last_number)
		return "after_number";
	return page->revision > page->last_revision ? "after_revision" : NULL;
}

/* Read changes with one of the statements above; returns how many, at most limit. */
static uint64
read_changes(SavedPlan *plan, const ChangePage *page, int32 revision, int32 limit, DestReceiver *receiver)
{
	Datum		values[5] = {
		Int32GetDatum(page->application), Int32GetDatum(page->chat), Int32GetDatum(page->number),
		Int32GetDatum(revision), Int64GetDatum(limit)
	};

	return spi_plan_read_to(plan, values, receiver);
}

/* The chat of argument 1; arguments 2 to 4 are after_number, after_revision and limit. */
static Datum
list_changes(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	int32		chat = chat_argument(fcinfo);
	ChangePage	page = page_of(fcinfo->args[2], fcinfo->args[3], fcinfo->args[4]);
	DestReceiver *receiver = row_store_receiver(sql_function_result_store(fcinfo, &function->signature));
	const char *beyond;
	uint64		count;

	page.application = application;
	page.chat = chat;
	if (!find_chat(&page))
		chat_require(application, chat);
	beyond = field_beyond(&page);
	if (beyond != NULL)
		page_raise_out_of_range(beyond, 0, strcmp(beyond, "after_number") == 0 ? page.last_number : page.last_revision);
	count = read_changes(&changed, &page, page.revision, page.limit, receiver);
	if (count < page.limit)
		read_changes(&appended, &page, page.last_revision, page.limit - count, receiver);
	receiver->rDestroy(receiver);
	return (Datum) 0;
}

static SqlFunction list_changes_function = {
	list_changes, FUNCTION_READS,
	{SQL_ARGS(APPLICATION_ARG, INT4OID, INT4OID, INT4OID, INT4OID), SQL_RETURNS_ROWS(CHANGE_TYPES)}
};

/*
 * chat.list_changes(application integer, chat integer, after_number integer,
 * after_revision integer, "limit" integer) returns setof chat.change
 */
Datum
chat_list_changes_by_id(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_id(fcinfo, &list_changes_function);
}

/*
 * chat.list_changes(token text, ...) returns setof chat.change
 */
Datum
chat_list_changes_by_token(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_token(fcinfo, &list_changes_function);
}

/* Read changes of a page, those that there can be. */
static void
read_page(JsonPages *pages, const ChangePage *page)
{
	uint64		count = 0;

	if (page->revision < page->last_revision)
		count = read_changes(&changed, page, page->revision, page->limit, &pages->receiver);
	else if (page->number < page->last_number && change_page_append_direct(pages, page))
		return;
	if (count < page->limit && !pages->cut && page->number < page->last_number)
		read_changes(&appended, page, page->last_revision, page->limit - count, &pages->receiver);
}

/*
 * Write the page of an item. One that is complete leads to where the chat is, though
 * there may be no change with that position.
 */
static void
write_page(JsonPages *pages, const ChangePage *page, int32 item)
{
	const char *beyond = field_beyond(page);
	bool		complete;

	json_pages_next(pages, item);
	if (beyond == NULL)
		read_page(pages, page);
	complete = pages->count < page->limit && !pages->cut;
	json_pages_end_changes(pages, complete ? psprintf("%d.%d", page->last_number, page->last_revision) : NULL, beyond);
}

/*
 * chat.list_changes_json(tokens text[], chats integer[], after_number integer[],
 * after_revision integer[], "limit" integer[], max_size integer) returns setof (item
 * integer, changes json, changes_count integer, cut boolean, position text, field text)
 */
Datum
chat_list_changes_json(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {
		SQL_ARGS(TEXTARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT4OID),
		SQL_RETURNS_ROWS(INT4OID, JSON_PAGE_TYPES(TEXTOID))
	};
	RowStore	store;
	NamedChats	chats;
	ArrayArg	numbers;
	ArrayArg	revisions;
	ArrayArg	limits;
	ChangePage *list;
	JsonPages	pages;
	TableOwnerSwitch caller;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	store = sql_function_result_store(fcinfo, &signature);
	chats = message_json_chats(fcinfo);
	numbers = array_arg_of_count(fcinfo, 2, INT4OID, "after_number", chats.count);
	revisions = array_arg_of_count(fcinfo, 3, INT4OID, "after_revision", chats.count);
	limits = array_arg_of_count(fcinfo, 4, INT4OID, "limit", chats.count);
	list = palloc((Size) (chats.count + 1) * sizeof(ChangePage));
	for (int i = 0; i < chats.count; i++)
		list[i] = page_of(array_arg_element(&numbers, i), array_arg_element(&revisions, i), array_arg_element(&limits, i));
	json_pages_begin(&pages, store, (JsonPageColumns) {.change = 1, .message = 3}, page_max_size(fcinfo->args[5]), NULL);

	caller = table_owner_become(OWNER_SEES_BY_POLICY);
	if (!change_pages_find_direct(&chats, list))
		find_chats(&chats, list);
	for (int i = 0; i < chats.count; i++)
		if (list[i].found)
			write_page(&pages, &list[i], i + 1);
	table_owner_leave(caller);
	return (Datum) 0;
}
