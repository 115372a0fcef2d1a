/*
 * application_import.c
 *	  Messages from elsewhere, of many chats of an application.
 *
 * The messages are grouped by chat, and the groups are imported in the order of the chats'
 * numbers. Chats that are not there are created, since an export has none but those of its
 * messages. That comes last: whoever deletes a chat locks it before what counts the chats.
 * So neither can wait for the other in a circle, nor can two imports.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "core/array_args.h"
#include "core/chat.h"
#include "core/entity_lookup.h"
#include "core/message_import.h"
#include "core/message_outcome.h"
#include "core/sql_function.h"

PG_FUNCTION_INFO_V1(chat_import_application_by_id);
PG_FUNCTION_INFO_V1(chat_import_application_by_token);

/* Where an item belongs. Items whose chat is invalid belong to chat 0. */
typedef struct Place
{
	int32		chat;
	int			item;			/* from 0 on */
} Place;

static int
compare_places(const void *a, const void *b)
{
	const Place *left = a;
	const Place *right = b;

	if (left->chat != right->chat)
		return left->chat < right->chat ? -1 : 1;
	return left->item < right->item ? -1 : 1;
}

/* The places of the items, by chat; argument 1 is the array of their chats. Refuses those without a valid one. */
static Place *
sort_by_chat(FunctionCallInfo fcinfo, ImportedMessage *messages, int count)
{
	ArrayArg	chats = array_arg_of_items(fcinfo, 1, INT4OID, "chats", count, "numbers");
	Place	   *places = palloc((count + 1) * sizeof(Place));

	for (int i = 0; i < count; i++)
	{
		int32		chat = chats.nulls[i] ? 0 : DatumGetInt32(chats.values[i]);

		places[i] = (Place) {Max(chat, 0), i};
		if (chats.nulls[i])
			message_import_refuse(&messages[i], arg_error_blank("message", "chat_number"));
		else if (chat < 1)
			message_import_refuse(&messages[i], (ArgError) {
				.sqlstate = ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, .field = "chat_number",
				.message = "message chat_number must be greater than 0"
			});
	}
	qsort(places, count, sizeof(Place), compare_places);
	return places;
}

/* The end of the group that begins at a place. */
static int
group_end(const Place *places, int first, int count)
{
	int			end = first;

	while (end < count && places[end].chat == places[first].chat)
		end++;
	return end;
}

/* Is any of these messages to be imported? */
static bool
any_accepted(const ImportedMessage *messages, const Place *places, int count)
{
	for (int i = 0; i < count; i++)
		if (messages[places[i].item].accepted)
			return true;
	return false;
}

/* Import the messages of one chat. Returns false if there is no such chat. */
static bool
import_group(int32 application, ImportedMessage *messages, const Place *places, int count)
{
	Import		import = {
		.chat = {application, places[0].chat},
		.messages = palloc(count * sizeof(ImportedMessage)),
		.count = count
	};

	for (int i = 0; i < count; i++)
		import.messages[i] = messages[places[i].item];
	if (!message_import(&import))
		return false;
	for (int i = 0; i < count; i++)
	{
		messages[places[i].item] = import.messages[i];
		messages[places[i].item].accepted = false;
	}
	return true;
}

/*
 * Import into the chats, chat by chat. Those whose chat is missing stay accepted, unless it
 * is to be created: where its number is that of a deleted chat, they are refused.
 */
static void
import_groups(int32 application, ImportedMessage *messages, const Place *places, int count, bool create)
{
	for (int first = 0, end; first < count; first = end)
	{
		end = group_end(places, first, count);
		if (!any_accepted(messages, places + first, end - first))
			continue;
		if (create)
			chat_create_missing(application, places[first].chat);
		if (import_group(application, messages, places + first, end - first) || !create)
			continue;
		for (int i = first; i < end; i++)
			if (messages[places[i].item].accepted)
				message_import_refuse(&messages[places[i].item],
									  arg_error_taken("message", "chat_number",
													  psprintf("Chat %d was deleted, and its rows are still there.", places[i].chat), NULL));
	}
}

static Datum
import_application(FunctionCallInfo fcinfo, SqlFunction *function, int32 application)
{
	RowStore	store = sql_function_result_store(fcinfo, &function->signature);
	int			count;
	ImportedMessage *messages = message_import_take(fcinfo, &count);
	Place	   *places = sort_by_chat(fcinfo, messages, count);

	application_require(application);
	import_groups(application, messages, places, count, false);
	import_groups(application, messages, places, count, true);
	for (int i = 0; i < count; i++)
		message_outcome_store(store, i + 1, &messages[i].outcome);
	return (Datum) 0;
}

static SqlFunction import_application_function = {
	import_application, FUNCTION_WRITES,
	{SQL_ARGS(APPLICATION_ARG, INT4ARRAYOID, IMPORTED_ARRAY_TYPES), SQL_RETURNS_ROWS(MESSAGE_OUTCOME_COLUMN_TYPES)}
};

/*
 * chat.import_application(application integer, chats integer[], numbers integer[], bodies
 * text[], created_at timestamptz[], senders text[], metadata jsonb[], edited_at
 * timestamptz[], deleted_at timestamptz[], revisions integer[], keys text[]) returns setof
 * chat.outcome
 */
Datum
chat_import_application_by_id(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_id(fcinfo, &import_application_function);
}

/*
 * chat.import_application(token text, ...) returns setof chat.outcome
 */
Datum
chat_import_application_by_token(PG_FUNCTION_ARGS)
{
	return sql_function_call_by_token(fcinfo, &import_application_function);
}
