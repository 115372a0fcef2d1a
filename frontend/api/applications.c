/*
 * applications.c
 *		Handlers of applications.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "api/handlers.h"
#include "api/pagination.h"
#include "api/request_header.h"
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
print_members(Json *json, const PGresult *result, int row)
{
	row_member(json, "name", result, row, COLUMN_NAME);
	row_member(json, "chats_count", result, row, COLUMN_CHATS_COUNT);
	row_member_text(json, "created_at", result, row, COLUMN_CREATED_AT);
}

/* Without a credential, there is no use for the id. */
static void
print_application(Json *json, const PGresult *result, int row)
{
	json_open(json, '{');
	row_member(json, "token", result, row, COLUMN_TOKEN);
	print_members(json, result, row);
	json_close(json, '}');
}

static void
print_with_id(Json *json, const PGresult *result, int row)
{
	json_open(json, '{');
	row_member(json, "token", result, row, COLUMN_TOKEN);
	print_members(json, result, row);
	row_member(json, "id", result, row, COLUMN_ID);
	json_close(json, '}');
}

static void
print_without_token(Json *json, const PGresult *result, int row)
{
	json_open(json, '{');
	print_members(json, result, row);
	row_member(json, "id", result, row, COLUMN_ID);
	json_close(json, '}');
}

/* A token is shown to whoever may have it: scope admin, or who has no need of a credential. */
static RowPrinter
printer(Request *request)
{
	const Grant *grant = visit_grant(request);

	if (grant == NULL)
		return print_application;
	return grant->scope == SCOPE_ADMIN ? print_with_id : print_without_token;
}

static void
answer_list(Request *request, const Rows *rows)
{
	page_answer_rows(request, rows, COLUMN_ID, printer(request));
}

/* The one application that a key is bound to. */
static void
answer_own(Request *request, const Rows *rows)
{
	respond_ok(request, rows_array(rows, printer(request)), NULL);
}

void
applications_list(Request *request)
{
	const Grant *grant = visit_grant(request);

	if (!page_read(request, PAGE_OF_LIST))
		return;
	if (grant && grant->token)
	{
		call_begin(request, GET_APPLICATION, answer_own, NULL);
		call_add_text(request, grant->token, strlen(grant->token));
		call_read(request);
		return;
	}
	call_begin(request, LIST_APPLICATIONS, answer_list, NULL);
	page_add_bounds(request);
	call_read(request);
}

static void
answer_created(Request *request, const Rows *rows)
{
	const Grant *grant = visit_grant(request);
	char	   *application = rows_text(rows, 0);
	char	   *with_id;

	/* The object goes on with the id, for who has a use for it. */
	if (grant && application && asprintf(&with_id, "%.*s,\"id\":%d}", (int) strlen(application) - 1, application,
										 rows_number(rows, 0, 1)) > 0)
	{
		free(application);
		application = with_id;
	}
	respond_text(request, MHD_HTTP_CREATED, application);
	response_replayed(request, rows_flag(rows, 2));
}

static void
name_unstorable(Request *request)
{
	respond_invalid(request, "name", UNSTORABLE_TEXT);
}

void
application_create(Request *request)
{
	const char *key;
	const char *name;
	size_t		length;

	if (!request_key(request, &key))
		return;
	name = body_text(request, "name", &length);
	if (body_is_invalid(request))
	{
		respond_invalid_body(request);
		return;
	}
	call_begin(request, CREATE_APPLICATION, answer_created, NULL);
	call_of(request)->unstorable = name_unstorable;
	call_add_text(request, name, length);
	request_add_key(request, key);
	call_write(request);
}

static void
answer_one(Request *request, const Rows *rows)
{
	if (rows->count == 0)
		application_missing(request);
	else
		respond_ok(request, rows_object(rows, printer(request)), NULL);
}

void
application_show(Request *request)
{
	call_begin(request, GET_APPLICATION, answer_one, application_missing);
	call_add_token(request);
	call_read(request);
}
