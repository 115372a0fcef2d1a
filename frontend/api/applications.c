/*
 * applications.c
 *		Handlers of applications.
 */
#include "api/call.h"
#include "api/handlers.h"
#include "api/pagination.h"
#include "http/body.h"
#include "http/response.h"

/* Columns of the statements that return applications. */
enum
{
	COLUMN_ID,
	COLUMN_TOKEN,
	COLUMN_NAME,
	COLUMN_CHATS_COUNT,
	COLUMN_CREATED_AT
};

void
application_missing(Request *request)
{
	respond_error(request, MHD_HTTP_NOT_FOUND, "Application with token %s not found",
				  path_token(request));
}

static void
print_application(Json *json, const PGresult *result, int row)
{
	json_open(json, '{');
	row_member(json, "token", result, row, COLUMN_TOKEN);
	row_member(json, "name", result, row, COLUMN_NAME);
	row_member(json, "chats_count", result, row, COLUMN_CHATS_COUNT);
	row_member_text(json, "created_at", result, row, COLUMN_CREATED_AT);
	json_close(json, '}');
}

static void
answer_list(Request *request, const Rows *rows)
{
	page_answer_rows(request, rows, COLUMN_ID, print_application);
}

void
applications_list(Request *request)
{
	if (!page_read(request, PAGE_OF_LIST))
		return;
	call_begin(request, LIST_APPLICATIONS, answer_list, NULL);
	page_add_bounds(request);
	call_read(request);
}

static void
answer_created(Request *request, const Rows *rows)
{
	respond_text(request, MHD_HTTP_CREATED, rows_text(rows, 0));
}

static void
name_unstorable(Request *request)
{
	respond_invalid(request, "name", UNSTORABLE_TEXT);
}

void
application_create(Request *request)
{
	const char *name;
	size_t		length;

	name = body_text(request, "name", &length);
	if (body_is_invalid(request))
	{
		respond_invalid_body(request);
		return;
	}
	call_begin(request, CREATE_APPLICATION, answer_created, NULL);
	call_of(request)->unstorable = name_unstorable;
	call_add_text(request, name, length);
	call_write(request);
}

static void
answer_one(Request *request, const Rows *rows)
{
	if (rows->count == 0)
		application_missing(request);
	else
		respond_ok(request, rows_object(rows, print_application), NULL);
}

void
application_show(Request *request)
{
	call_begin(request, GET_APPLICATION, answer_one, application_missing);
	call_add_token(request);
	call_read(request);
}
