/*
 * chats.c
 *		The routes of chats.
 */
#include "http/body.h"
#include "api/handlers.h"
#include "api/pagination.h"
#include "db/query.h"
#include "db/reads.h"
#include "http/response.h"
#include "db/writes.h"

/* Columns of the statements that show chats. */
enum
{
	COLUMN_NUMBER,
	COLUMN_MESSAGES_COUNT
};

static void
chat_missing(Request *request)
{
	answer_error(request, MHD_HTTP_NOT_FOUND, "Chat with number %s not found",
				 request->chat_text.bytes);
}

static void
print_chat(FILE *stream, const PGresult *result, int row)
{
	fprintf(stream, "{\"number\":%s,\"messages_count\":%s}",
			PQgetvalue(result, row, COLUMN_NUMBER),
			PQgetvalue(result, row, COLUMN_MESSAGES_COUNT));
}

static void
answer_list(Request *request, const Rows *rows)
{
	page_answer(request, rows, COLUMN_NUMBER, print_chat);
}

void
chats_list(Request *request)
{
	if (!page_read(request, PAGE_OF_LIST))
		return;
	query_begin(request, LIST_CHATS, answer_list, application_missing);
	query_add_text(request, request->token.bytes);
	page_add_bounds(request);
	reads_submit(request, LANE_READ);
}

static void
answer_created(Request *request, const Rows *rows)
{
	answer_json(request, MHD_HTTP_CREATED,
				json_pack("{s:i,s:i}", "number", rows_number(rows, 0, 0), "messages_count", 0));
}

/* The fields are at fault, but a missing application comes first. */
static void
answer_refused(Request *request, const Rows *rows)
{
	if (rows->count == 0)
		application_missing(request);
	else
		answer_faults(request, json_incref(request->faults));
}

void
chat_create(Request *request)
{
	int			number;

	if (!fields_read(request))
		return;
	number = fields_number(request, "number");
	if (request->faults)
	{
		query_begin(request, GET_APPLICATION, answer_refused, application_missing);
		query_add_text(request, request->token.bytes);
		reads_submit(request, LANE_READ);
		return;
	}
	query_begin(request, CREATE_CHAT, answer_created, application_missing);
	query_add_text(request, request->token.bytes);
	query_add_number(request, number);
	writes_submit(request);
}

static void
answer_shown(Request *request, const Rows *rows)
{
	if (rows->count == 0)
		chat_missing(request);
	else
		answer_found(request, rows_object(rows, print_chat));
}

void
chat_show(Request *request)
{
	if (request->chat == 0)
	{
		chat_missing(request);
		return;
	}
	query_begin(request, GET_CHAT, answer_shown, application_missing);
	query_add_text(request, request->token.bytes);
	query_add_number(request, request->chat);
	reads_submit(request, LANE_READ);
}
