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

/* Responds with no matches, since no message can have the text; rows has the parent, which exists. */
static void
answer_none(Request *request, const Rows *rows)
{
	if (rows->count == 0)
		call_of(request)->missing(request);
	else
		page_answer_none(request);
}

static void
text_unstorable(Request *request)
{
	call_begin(request, GET_CHAT, answer_none, chat_not_found);
	call_add_token(request);
	call_add_number(request, path_chat(request));
	call_read(request);
}

static void
answer_filtered(Request *request, const Rows *rows)
{
	if (rows->count == 0)
		chat_not_found(request);
	else
		page_answer(request, rows);
}

/* Lists the messages of a sender, or deleted ones, too. */
static void
list_filtered(Request *request, bool last)
{
	const Page *page = &call_of(request)->page;

	call_begin(request, last ? LAST_FILTERED_MESSAGES : LIST_FILTERED_MESSAGES, answer_filtered, chat_not_found);
	call_of(request)->unstorable = text_unstorable;
	call_add_token(request);
	call_add_number(request, path_chat(request));
	page_add_bounds(request);
	call_add_number(request, PAGE_BYTES);
	call_add_text(request, page->sender.bytes, page->sender.length);
	call_add_number(request, page->deleted ? 1 : 0);
	call_read(request);
}

void
messages_list(Request *request)
{
	const Page *page = &call_of(request)->page;
	bool		last;

	if (!page_read(request, PAGE_OF_MESSAGES))
		return;
	if (path_chat(request) == 0)
	{
		chat_not_found(request);
		return;
	}
	last = page->last > 0;
	if (page->sender.bytes || page->deleted)
	{
		list_filtered(request, last);
		return;
	}
	call_begin(request, last ? LAST_MESSAGES : LIST_MESSAGES, page_answer, chat_not_found);
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

void
messages_search(Request *request)
{
	if (!read_search(request, PAGE_OF_LIST))
		return;
	if (path_chat(request) == 0)
	{
		chat_not_found(request);
		return;
	}
	call_begin(request, SEARCH_MESSAGES, page_answer, chat_not_found);
	call_of(request)->unstorable = text_unstorable;
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
