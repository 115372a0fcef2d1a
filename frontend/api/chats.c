/*
 * chats.c
 *		Handlers of chats.
 */
#include "api/call.h"
#include "api/handlers.h"
#include "api/pagination.h"
#include "api/request_header.h"
#include "http/body.h"
#include "http/response.h"

/* Columns of the statements that return chats. */
enum
{
	COLUMN_NUMBER,
	COLUMN_MESSAGES_COUNT,
	COLUMN_CREATED_AT
};

static void
chat_missing(Request *request)
{
	respond_error(request, MHD_HTTP_NOT_FOUND, "Chat with number %s not found",
				  path_chat_text(request));
}

static void
print_chat(Json *json, const PGresult *result, int row)
{
	json_open(json, '{');
	row_member(json, "number", result, row, COLUMN_NUMBER);
	row_member(json, "messages_count", result, row, COLUMN_MESSAGES_COUNT);
	row_member_text(json, "created_at", result, row, COLUMN_CREATED_AT);
	json_close(json, '}');
}

static void
answer_list(Request *request, const Rows *rows)
{
	page_answer_rows(request, rows, COLUMN_NUMBER, print_chat);
}

void
chats_list(Request *request)
{
	if (!page_read(request, PAGE_OF_LIST))
		return;
	call_begin(request, LIST_CHATS, answer_list, application_missing);
	call_add_token(request);
	page_add_bounds(request);
	call_read(request);
}

static void
answer_created(Request *request, const Rows *rows)
{
	respond_text(request, MHD_HTTP_CREATED, rows_text(rows, 0));
	response_replayed(request, rows_flag(rows, 1));
}

/* Responds to an invalid body, once the application is known to exist: a missing one comes first. */
static void
answer_invalid(Request *request, const Rows *rows)
{
	if (rows->count == 0)
		application_missing(request);
	else
		respond_invalid_body(request);
}

void
chat_create(Request *request)
{
	const char *key;
	int			number;

	if (!request_key(request, &key))
		return;
	number = body_number(request, "number");
	if (body_is_invalid(request))
	{
		call_begin(request, GET_APPLICATION, answer_invalid, application_missing);
		call_add_token(request);
		call_read(request);
		return;
	}
	call_begin(request, CREATE_CHAT, answer_created, application_missing);
	call_add_token(request);
	call_add_number(request, number);
	request_add_key(request, key);
	call_write(request);
}

static void
answer_one(Request *request, const Rows *rows)
{
	if (rows->count == 0)
		chat_missing(request);
	else
		respond_ok(request, rows_object(rows, print_chat), NULL);
}

void
chat_show(Request *request)
{
	if (path_chat(request) == 0)
	{
		chat_missing(request);
		return;
	}
	call_begin(request, GET_CHAT, answer_one, application_missing);
	call_add_token(request);
	call_add_number(request, path_chat(request));
	call_read(request);
}

static void
answer_deleted(Request *request, const Rows *rows)
{
	(void) rows;
	respond_no_content(request);
}

/* The chat to be deleted is missing. If it was there when it was to be deleted before, that has come to pass. */
static void
deleted_missing(Request *request)
{
	if (call_of(request)->query.repeated)
		respond_no_content(request);
	else
		chat_missing(request);
}

void
chat_delete(Request *request)
{
	if (path_chat(request) == 0)
	{
		chat_missing(request);
		return;
	}
	call_begin(request, DELETE_CHAT, answer_deleted, deleted_missing);
	call_of(request)->query.repeatable = true;
	call_add_token(request);
	call_add_number(request, path_chat(request));
	call_write(request);
}
