/*
 * message_create.c
 *		Handlers that create messages.
 */
#include "api/call.h"
#include "api/handlers.h"
#include "api/message_answer.h"
#include "api/message_items.h"
#include "api/new_message.h"
#include "api/request_header.h"
#include "http/body.h"
#include "http/response.h"

static void
message_unstorable(Request *request)
{
	respond_invalid(request, new_message_unstorable_field(&call_of(request)->query), UNSTORABLE_TEXT);
}

/* Responds to an invalid body, once the chat is known to exist: a missing one comes first. */
static void
answer_invalid(Request *request, const Rows *rows)
{
	if (rows->count == 0)
		chat_not_found(request);
	else
		respond_invalid_body(request);
}

static void
answer_created(Request *request, const Rows *rows)
{
	Json		json = {0};

	new_message_write(&json, &call_of(request)->query, rows);
	respond_json(request, MHD_HTTP_CREATED, &json);
	response_replayed(request, new_message_is_replayed(rows));
}

void
messages_create_any(Request *request)
{
	if (request->items.given)
		message_items_create(request, 0);
	else
		respond_error(request, MHD_HTTP_BAD_REQUEST, "'data' in the JSON body must be an array.");
}

void
message_create(Request *request)
{
	NewMessageTerms terms = {.chat = path_chat(request)};

	if (path_chat(request) == 0)
	{
		chat_not_found(request);
		return;
	}
	if (request->items.given)
	{
		message_items_create(request, path_chat(request));
		return;
	}
	if (!request_key(request, &terms.key) || !request_if_match(request, &terms.if_last))
		return;
	call_begin(request, CREATE_MESSAGES, answer_created, chat_not_found);
	call_of(request)->unstorable = message_unstorable;
	new_message_read(request, &request->fields, terms, &call_of(request)->query, &request->faults);
	if (!body_is_invalid(request))
	{
		call_write(request);
		return;
	}
	call_begin(request, GET_CHAT, answer_invalid, chat_not_found);
	call_add_token(request);
	call_add_number(request, path_chat(request));
	call_read(request);
}
