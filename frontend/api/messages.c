/*
 * messages.c
 *		Handlers that read messages.
 */
#include "api/call.h"
#include "api/handlers.h"
#include "api/message_answer.h"
#include "api/pagination.h"
#include "http/response.h"

/* Columns of GET_MESSAGES. */
enum
{
	COLUMN_MESSAGE,
	COLUMN_REVISION,
	COLUMN_DELETED
};

static void
chat_missing(Request *request)
{
	respond_error(request, MHD_HTTP_NOT_FOUND, "Chat not found");
}

void
messages_list(Request *request)
{
	bool		last;

	if (!page_read(request, PAGE_OF_MESSAGES))
		return;
	if (path_chat(request) == 0)
	{
		chat_missing(request);
		return;
	}
	last = call_of(request)->page.last > 0;
	call_begin(request, last ? LAST_MESSAGES : LIST_MESSAGES, page_answer, chat_missing);
	call_add_token(request);
	call_add_number(request, path_chat(request));
	page_add_bounds(request);
	call_read(request);
}

/* Reads the parameters of a search. If they are invalid, responds and returns false. */
static bool
read_search(Request *request, PageKind kind)
{
	if (!page_read(request, kind))
		return false;
	if (call_of(request)->page.search.length == 0)
		respond_error(request, MHD_HTTP_BAD_REQUEST, "Query parameter 'query' is missing.");
	return request->status == 0;
}

/* Responds with no matches, since no message can contain the text; rows has the parent, which exists. */
static void
answer_none(Request *request, const Rows *rows)
{
	if (rows->count == 0)
		call_of(request)->missing(request);
	else
		page_answer_none(request);
}

static void
search_unstorable(Request *request)
{
	call_begin(request, GET_CHAT, answer_none, chat_missing);
	call_add_token(request);
	call_add_number(request, path_chat(request));
	call_read(request);
}

void
messages_search(Request *request)
{
	if (!read_search(request, PAGE_OF_LIST))
		return;
	if (path_chat(request) == 0)
	{
		chat_missing(request);
		return;
	}
	call_begin(request, SEARCH_MESSAGES, page_answer, chat_missing);
	call_of(request)->unstorable = search_unstorable;
	call_add_token(request);
	call_add_number(request, path_chat(request));
	call_add_text(request, call_of(request)->page.search.bytes, call_of(request)->page.search.length);
	page_add_bounds(request);
	call_add_number(request, PAGE_BYTES);
	call_search(request);
}

static void
search_all_unstorable(Request *request)
{
	call_begin(request, GET_APPLICATION, answer_none, application_missing);
	call_add_token(request);
	call_read(request);
}

void
messages_search_all(Request *request)
{
	if (!read_search(request, PAGE_ACROSS_CHATS))
		return;
	call_begin(request, SEARCH_APPLICATION, page_answer, application_missing);
	call_of(request)->unstorable = search_all_unstorable;
	call_add_token(request);
	call_add_text(request, call_of(request)->page.search.bytes, call_of(request)->page.search.length);
	page_add_bounds(request);
	call_add_number(request, PAGE_BYTES);
	call_search(request);
}

static void
answer_one(Request *request, const Rows *rows)
{
	if (rows_flag(rows, COLUMN_DELETED))
		message_respond_deleted(request, rows, COLUMN_MESSAGE, COLUMN_REVISION);
	else
		message_respond(request, rows, COLUMN_MESSAGE, COLUMN_REVISION);
}

void
message_show(Request *request)
{
	if (path_chat(request) == 0 || path_message(request) == 0)
	{
		message_missing(request);
		return;
	}
	call_begin(request, GET_MESSAGES, answer_one, message_missing);
	call_add_token(request);
	call_add_number(request, path_chat(request));
	call_add_number(request, path_message(request));
	call_read(request);
}
