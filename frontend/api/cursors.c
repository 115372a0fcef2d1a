/*
 * cursors.c
 *		Handlers of cursors: how far readers have read chats.
 *
 * A user sees the cursors of all readers of a chat, and moves no other than the user's own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/refusal.h"
#include "api/call.h"
#include "api/following.h"
#include "api/handlers.h"
#include "api/message_answer.h"
#include "api/pagination.h"
#include "api/query_parameters.h"
#include "db/writes.h"
#include "http/body.h"
#include "http/response.h"
#include "http/router.h"

/* Columns of the statements that return cursors; the last is of a list, where it is the reader's name as it is. */
enum
{
	COLUMN_READER,
	COLUMN_NUMBER,
	COLUMN_UNREAD_COUNT,
	COLUMN_NAME = COLUMN_UNREAD_COUNT
};

static void
cursor_missing(Request *request)
{
	respond_error(request, MHD_HTTP_NOT_FOUND, "Cursor not found");
}

/* The name of the path's reader. */
static Text
path_reader(const Request *request)
{
	bool		of_chat = strstr(request->route->pattern, "{chat}") != NULL;

	return request->segments[of_chat ? SEGMENT_CHAT + 1 : SEGMENT_APPLICATION + 1].text;
}

static void
add_reader(Request *request)
{
	Text		reader = path_reader(request);

	call_add_text(request, reader.bytes, reader.length);
}

/* Is the path's reader the user, if it is one who calls? If not, responds. */
static bool
reader_is_own(Request *request)
{
	const char *user = visit_user(request);
	Text		reader = path_reader(request);

	if (user == NULL || (strlen(user) == reader.length && memcmp(user, reader.bytes, reader.length) == 0))
		return true;
	refuse_insufficient(request, visit_of(request)->right->scope, "The credential is for another reader.");
	return false;
}

static void
print_cursor(Json *json, const PGresult *result, int row)
{
	json_open(json, '{');
	row_member(json, "reader", result, row, COLUMN_READER);
	row_member(json, "number", result, row, COLUMN_NUMBER);
	row_member(json, "unread_count", result, row, COLUMN_UNREAD_COUNT);
	json_close(json, '}');
}

static void
print_listed(Json *json, const PGresult *result, int row)
{
	json_open(json, '{');
	row_member(json, "reader", result, row, COLUMN_READER);
	row_member(json, "number", result, row, COLUMN_NUMBER);
	json_close(json, '}');
}

static void
answer_cursor(Request *request, const Rows *rows)
{
	if (rows->count == 0)
		cursor_missing(request);
	else
		respond_ok(request, rows_object(rows, print_cursor), NULL);
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
reader_unstorable(Request *request)
{
	respond_invalid(request, "reader", UNSTORABLE_TEXT);
}

void
cursor_set(Request *request)
{
	int			number;
	bool		back;

	if (!reader_is_own(request))
		return;
	if (path_chat(request) == 0)
	{
		chat_not_found(request);
		return;
	}
	number = body_count(request, "number");
	back = body_flag(request, "back");
	if (body_is_invalid(request))
	{
		call_begin(request, GET_CHAT, answer_invalid, chat_not_found);
		call_add_token(request);
		call_add_number(request, path_chat(request));
		call_read(request);
		return;
	}
	call_begin(request, SET_CURSOR, answer_cursor, chat_not_found);
	call_of(request)->unstorable = reader_unstorable;
	call_add_token(request);
	call_add_number(request, path_chat(request));
	add_reader(request);
	call_add_number(request, number);
	call_add_number(request, back);
	call_write(request);
}

void
cursor_show(Request *request)
{
	if (path_chat(request) == 0)
	{
		chat_not_found(request);
		return;
	}
	call_begin(request, GET_CURSOR, answer_cursor, chat_not_found);
	call_of(request)->unstorable = cursor_missing;
	call_add_token(request);
	call_add_number(request, path_chat(request));
	add_reader(request);
	call_read(request);
}

/* The header that leads to the next page, malloc'ed; NULL if there is none. */
static char *
link_behind(const Rows *rows, int limit)
{
	const char *last;
	char	   *encoded;
	char	   *link = NULL;

	if (rows->count < limit)
		return NULL;
	last = PQgetvalue(rows->result, rows->first + rows->count - 1, COLUMN_NAME);
	encoded = uri_encode(last, strlen(last));
	if (encoded && asprintf(&link, "<?limit=%d&after=%s>; rel=\"next\"", limit, encoded) < 0)
		link = NULL;
	free(encoded);
	return link;
}

static void
answer_list(Request *request, const Rows *rows)
{
	int			limit = call_of(request)->query.max_rows;
	char	   *link = link_behind(rows, limit);

	/* Without the link the client would miss the rest and not know. */
	if (link == NULL && rows->count == limit)
		respond_unavailable(request, "Out of memory.");
	else
		respond_ok(request, rows_array(rows, print_listed), link);
	free(link);
}

static void
after_unstorable(Request *request)
{
	respond_error(request, MHD_HTTP_BAD_REQUEST, "Query parameter 'after' " UNSTORABLE_TEXT ".");
}

void
cursors_list(Request *request)
{
	Text	   *after = &call_of(request)->after_reader;
	Text		limit_text = {0};
	int			limit = PAGE_DEFAULT;

	if (query_parameters_read(request, (QueryParameter[]) {{"after", after}, {"limit", &limit_text}}, 2))
		query_parameter_number(request, "limit", limit_text, 1, PAGE_MAXIMUM, &limit);
	free(limit_text.bytes);
	if (request->status)
		return;
	if (path_chat(request) == 0)
	{
		chat_not_found(request);
		return;
	}
	call_begin(request, LIST_CURSORS, answer_list, chat_not_found);
	call_of(request)->unstorable = after_unstorable;
	call_add_token(request);
	call_add_number(request, path_chat(request));
	call_add_text(request, after->bytes, after->length);
	call_add_number(request, limit);
	call_of(request)->query.max_rows = limit;
	call_read(request);
}

/* Responds with no chats, since the reader's name cannot be stored; rows has the application. */
static void
answer_none(Request *request, const Rows *rows)
{
	if (rows->count == 0)
		application_missing(request);
	else
		page_answer_none(request);
}

static void
unread_unstorable(Request *request)
{
	call_begin(request, GET_APPLICATION, answer_none, application_missing);
	call_add_token(request);
	call_read(request);
}

void
unread_list(Request *request)
{
	const Grant *grant = visit_grant(request);
	bool		some = grant && grant->user && !grant->all_chats;
	char	   *chats = NULL;

	if (!reader_is_own(request) || !page_read(request, PAGE_OF_LIST))
		return;
	if (some)
	{
		chats = chats_array(grant->chats, grant->chat_count);
		call_of(request)->own_chats = chats;
		if (chats == NULL)
		{
			respond_unavailable(request, "Out of memory.");
			return;
		}
	}
	call_begin(request, LIST_UNREAD, page_answer, application_missing);
	call_of(request)->unstorable = unread_unstorable;
	call_add_token(request);
	add_reader(request);
	page_add_bounds(request);
	call_add_number(request, PAGE_BYTES);
	if (some)
		call_add_text(request, chats, strlen(chats));
	else
		call_add_number(request, 0);
	call_read(request);
}
