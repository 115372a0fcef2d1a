/*
 * message_import.c
 *		Handlers that take messages from elsewhere as they are: what an export has.
 *
 * The items are the parts of one query. Those that are invalid are refused, and cost the others
 * nothing. What is there already as it is counts as replayed, so a request may be repeated.
 */
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "api/handlers.h"
#include "api/message_answer.h"
#include "api/problem.h"
#include "db/writes.h"
#include "http/field_value.h"
#include "http/response.h"

typedef struct Import
{
	int			created;
	int			replayed;
	Json		refused;		/* an array of what is wrong with items */
	int			size;
	int			sent;
	int		   *places;			/* of the items that were sent, from 1 on */
	Query		parts[];
} Import;

static size_t
size_of(int items)
{
	return sizeof(Import) + items * (sizeof(Query) + sizeof(int));
}

static void
release(Request *request)
{
	Import	   *import = call_of(request)->import;

	json_free(&import->refused);
	share_give(request->share, MEMORY_OF_BODIES, size_of(import->size));
	free(import);
}

/* Makes the import of a request. If there is no memory for it, responds and returns NULL. */
static Import *
begin(Request *request)
{
	size_t		size = size_of(request->items.count);
	Import	   *import = share_has_room(request->share, MEMORY_OF_BODIES, size) ? calloc(1, size) : NULL;

	if (import == NULL)
	{
		respond_unavailable(request, "The server is busy.");
		return NULL;
	}
	import->size = request->items.count;
	import->places = (int *) (import->parts + import->size);
	share_take(request->share, MEMORY_OF_BODIES, size);
	json_open(&import->refused, '[');
	call_of(request)->import = import;
	call_of(request)->release = release;
	return import;
}

/* Responds with what became of the items. */
static void
respond_outcome(Request *request)
{
	Import	   *import = call_of(request)->import;
	Json		json = {0};

	json_close(&import->refused, ']');
	json_open(&json, '{');
	json_member_number(&json, "created", import->created);
	json_member_number(&json, "replayed", import->replayed);
	json_member_value(&json, "refused", import->refused.bytes, import->refused.used);
	json_close(&json, '}');
	json.failed |= import->refused.failed;
	respond_json(request, MHD_HTTP_OK, &json);
}

static void
answer(Request *request, const Rows *rows)
{
	Import	   *import = call_of(request)->import;

	for (int i = 0; i < rows->count && i < import->sent; i++)
	{
		const Rows	row = {.result = rows->result, .first = rows->first + i, .count = 1};
		Failure		failure;
		Problem		problem;

		if (outcome_is_success(row.result, row.first))
		{
			*(rows_flag(&row, OUTCOME_REPLAYED) ? &import->replayed : &import->created) += 1;
			continue;
		}
		failure = outcome_failure(row.result, row.first);
		problem_of(&failure, request, &problem);
		json_open(&import->refused, '{');
		json_member_number(&import->refused, "item", import->places[i]);
		problem_write(&import->refused, &problem);
		json_close(&import->refused, '}');
	}
	respond_outcome(request);
}

/* Responds where no item was sent, once the chat or the application is known to exist: a missing one comes first. */
static void
answer_none(Request *request, const Rows *rows)
{
	if (rows->count == 0)
		call_of(request)->missing(request);
	else
		respond_outcome(request);
}

static void
import_unstorable(Request *request)
{
	respond_error(request, MHD_HTTP_UNPROCESSABLE_CONTENT, "An item " UNSTORABLE_TEXT ".");
}

/* Refuses an item with the faults of its fields. */
static void
refuse(Import *import, int place, Json *faults)
{
	json_close(faults, '}');
	json_open(&import->refused, '{');
	json_member_number(&import->refused, "item", place);
	json_member_number(&import->refused, "status", MHD_HTTP_UNPROCESSABLE_CONTENT);
	json_member_value(&import->refused, "errors", faults->bytes, faults->used);
	json_close(&import->refused, '}');
	import->refused.failed |= faults->failed;
	json_free(faults);
}

/* Adds the text of a field, or null, as the next value of a part. */
static void
add_text(Query *part, Fields *fields, Json *faults, const char *name,
		 const char *(*text_of) (Fields *fields, Json *faults, const char *name, size_t *length))
{
	size_t		length;
	const char *text = text_of(fields, faults, name, &length);

	query_add_text(part, text, length);
}

/* Adds the number of a field that has to be given as the next value of a part. */
static void
add_required_number(Query *part, Fields *fields, Json *faults, const char *name)
{
	if (!field_is_given(fields, name) || field_is_null(fields, name))
		fault_add(faults, name, "can't be blank");
	query_add_number(part, field_number(fields, faults, name));
}

/* Reads an item as the next part, across chats with its chat; returns false if it is invalid, with what is wrong as faults. */
static bool
read_part(Query *part, bool across, Fields *fields, Json *faults)
{
	bool		deleted = field_is_given(fields, "deleted_at") && !field_is_null(fields, "deleted_at");

	*part = (Query) {0};
	add_required_number(part, fields, faults, "number");
	/* What is left of a deleted message has an empty body. */
	if (deleted && field_is_empty(fields, "body"))
		query_add_text(part, "", 0);
	else
		add_text(part, fields, faults, "body", field_text);
	if (!field_is_given(fields, "created_at") || field_is_null(fields, "created_at"))
		fault_add(faults, "created_at", "can't be blank");
	add_text(part, fields, faults, "created_at", field_time);
	add_text(part, fields, faults, "sender", field_optional_text);
	add_text(part, fields, faults, "metadata", field_object);
	add_text(part, fields, faults, "edited_at", field_time);
	add_text(part, fields, faults, "deleted_at", field_time);
	query_add_number(part, field_number(fields, faults, "revision"));
	add_text(part, fields, faults, "key", field_optional_text);
	if (across)
		add_required_number(part, fields, faults, "chat_number");
	return !fault_any(faults);
}

/* Imports into a chat or, with chat 0, into any chats of the application; if none is sent, looks for what is to be there. */
static void
import_items(Request *request, int chat, StatementId statement, StatementId lookup, void (*missing) (Request *request))
{
	Import	   *import;
	QueryQueue	valid = {0};

	if (!request->items.given)
	{
		respond_error(request, MHD_HTTP_BAD_REQUEST, "'data' in the JSON body must be an array.");
		return;
	}
	import = begin(request);
	if (import == NULL)
		return;
	for (int i = 0; i < request->items.count; i++)
	{
		Query	   *part = &import->parts[import->sent];
		Json		faults = {0};

		if (!read_part(part, chat == 0, &request->items.list[i], &faults))
		{
			refuse(import, i + 1, &faults);
			continue;
		}
		query_push(&valid, part);
		import->places[import->sent++] = i + 1;
	}
	call_begin(request, import->sent > 0 ? statement : lookup, import->sent > 0 ? answer : answer_none, missing);
	call_of(request)->unstorable = import_unstorable;
	call_of(request)->query.parts = valid;
	call_of(request)->query.repeatable = true;
	call_add_token(request);
	if (chat)
		call_add_number(request, chat);
	if (import->sent > 0)
		call_write(request);
	else
		call_read(request);
}

void
messages_import(Request *request)
{
	if (path_chat(request) == 0)
		chat_not_found(request);
	else
		import_items(request, path_chat(request), IMPORT_MESSAGES, GET_CHAT, chat_not_found);
}

void
application_import(Request *request)
{
	import_items(request, 0, IMPORT_APPLICATION, GET_APPLICATION, application_missing);
}
