/*
 * messages.c
 *		The routes of messages.
 */
#include "http/body.h"
#include "api/handlers.h"
#include "api/pagination.h"
#include "db/query.h"
#include "db/reads.h"
#include "http/response.h"
#include "db/writes.h"

/* Columns of the statements that show messages. */
enum
{
	COLUMN_NUMBER,
	COLUMN_BODY
};

/* Columns of the statement that searches all chats. */
enum
{
	FOUND_CHAT,
	FOUND_NUMBER,
	FOUND_BODY
};

static void
chat_missing(Request *request)
{
	answer_error(request, MHD_HTTP_NOT_FOUND, "Chat not found");
}

static void
message_missing(Request *request)
{
	answer_error(request, MHD_HTTP_NOT_FOUND, "Message not found");
}

static void
print_message(FILE *stream, const PGresult *result, int row)
{
	fputs("{\"number\":", stream);
	fputs(PQgetvalue(result, row, COLUMN_NUMBER), stream);
	fputs(",\"body\":", stream);
	fputs(PQgetvalue(result, row, COLUMN_BODY), stream);
	fputc('}', stream);
}

static void
print_found(FILE *stream, const PGresult *result, int row)
{
	fprintf(stream, "{\"chat_number\":%s,\"number\":%s,\"body\":",
			PQgetvalue(result, row, FOUND_CHAT), PQgetvalue(result, row, FOUND_NUMBER));
	fputs(PQgetvalue(result, row, FOUND_BODY), stream);
	fputc('}', stream);
}

static void
answer_list(Request *request, const Rows *rows)
{
	page_answer(request, rows, COLUMN_NUMBER, print_message);
}

void
messages_list(Request *request)
{
	bool		last;

	if (!page_read(request, PAGE_OF_MESSAGES))
		return;
	if (request->chat == 0)
	{
		chat_missing(request);
		return;
	}
	last = request->page->last > 0;
	query_begin(request, last ? LAST_MESSAGES : LIST_MESSAGES, answer_list, chat_missing);
	query_add_text(request, request->token.bytes);
	query_add_number(request, request->chat);
	if (last)
		query_add_number(request, request->page->last);
	else
		page_add_bounds(request);
	reads_submit(request, LANE_READ);
}

/*
 * Reads what a search asks for. Returns false if that is wrong, with the
 * request answered.
 */
static bool
read_search(Request *request, PageKind kind)
{
	if (!page_read(request, kind))
		return false;
	if (request->page->search.length == 0)
		answer_error(request, MHD_HTTP_BAD_REQUEST, "Query parameter 'query' is missing.");
	return request->status == 0;
}

/* Answers with no matches, for what no message can hold; the row is the parent's. */
static void
answer_none(Request *request, const Rows *rows)
{
	Rows		none = {.result = rows->result};

	if (rows->count == 0)
		request->work.missing(request);
	else
		page_answer(request, &none, COLUMN_NUMBER, print_message);
}

static void
search_unstorable(Request *request)
{
	query_begin(request, GET_CHAT, answer_none, chat_missing);
	query_add_text(request, request->token.bytes);
	query_add_number(request, request->chat);
	reads_submit(request, LANE_READ);
}

static void
body_unstorable(Request *request)
{
	answer_fault(request, "body", UNSTORABLE_TEXT);
}

void
messages_search(Request *request)
{
	if (!read_search(request, PAGE_OF_LIST))
		return;
	if (request->chat == 0)
	{
		chat_missing(request);
		return;
	}
	query_begin(request, SEARCH_MESSAGES, answer_list, chat_missing);
	request->work.unstorable = search_unstorable;
	query_add_text(request, request->token.bytes);
	query_add_number(request, request->chat);
	query_add_text(request, request->page->search.bytes);
	page_add_bounds(request);
	reads_submit(request, LANE_SEARCH);
}

static void
answer_found_all(Request *request, const Rows *rows)
{
	page_answer(request, rows, FOUND_CHAT, print_found);
}

static void
search_all_unstorable(Request *request)
{
	query_begin(request, GET_APPLICATION, answer_none, application_missing);
	query_add_text(request, request->token.bytes);
	reads_submit(request, LANE_READ);
}

void
messages_search_all(Request *request)
{
	if (!read_search(request, PAGE_ACROSS_CHATS))
		return;
	query_begin(request, SEARCH_APPLICATION, answer_found_all, application_missing);
	request->work.unstorable = search_all_unstorable;
	query_add_text(request, request->token.bytes);
	query_add_text(request, request->page->search.bytes);
	page_add_bounds(request);
	reads_submit(request, LANE_SEARCH);
}

static void
answer_shown(Request *request, const Rows *rows)
{
	answer_found(request, rows_object(rows, print_message));
}

void
message_show(Request *request)
{
	if (request->chat == 0 || request->message == 0)
	{
		message_missing(request);
		return;
	}
	query_begin(request, GET_MESSAGES, answer_shown, message_missing);
	query_add_text(request, request->token.bytes);
	query_add_number(request, request->chat);
	query_add_number(request, request->message);
	reads_submit(request, LANE_READ);
}

/* The fields are at fault, but a missing chat comes first. */
static void
answer_refused(Request *request, const Rows *rows)
{
	if (rows->count == 0)
		chat_missing(request);
	else
		answer_faults(request, json_incref(request->faults));
}

void
message_create(Request *request)
{
	NewMessage *message = &request->new_message;

	if (!fields_read(request))
		return;
	if (request->chat == 0)
	{
		chat_missing(request);
		return;
	}
	message->body = fields_text(request, "body", &message->length);
	message->number = fields_number(request, "number");
	if (request->faults)
	{
		query_begin(request, GET_CHAT, answer_refused, chat_missing);
		query_add_text(request, request->token.bytes);
		query_add_number(request, request->chat);
		reads_submit(request, LANE_READ);
		return;
	}
	request->work.missing = chat_missing;
	request->work.unstorable = body_unstorable;
	writes_submit_message(request);
}
