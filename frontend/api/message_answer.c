/*
 * message_answer.c
 *		Responses that are one message, or say that there is none.
 */
#include "api/message_answer.h"
#include "api/request_header.h"
#include "http/response.h"

void
chat_not_found(Request *request)
{
	respond_error(request, MHD_HTTP_NOT_FOUND, "Chat not found");
}

void
message_missing(Request *request)
{
	respond_error(request, MHD_HTTP_NOT_FOUND, "Message not found");
}

void
message_respond(Request *request, const Rows *rows, int column, int revision_column)
{
	respond_ok(request, rows_text(rows, column), NULL);
	response_tag(request, rows_number(rows, 0, revision_column));
}

void
message_respond_deleted(Request *request, const Rows *rows, int column, int revision_column)
{
	respond_text(request, MHD_HTTP_GONE, rows_text(rows, column));
	response_tag(request, rows_number(rows, 0, revision_column));
}
