/*
 * applications.c
 *		Handlers of applications.
 */
#include <string.h>

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
	COLUMN_CHATS_COUNT
};

void
application_missing(Request *request)
{
	respond_error(request, MHD_HTTP_NOT_FOUND, "Application with token %s not found",
				  path_token(request));
}

/* To who has no credential, and so no use for the id. */
static void
print_application(FILE *stream, const PGresult *result, int row)
{
	fprintf(stream, "{\"token\":%s,\"name\":%s,\"chats_count\":%s}",
			PQgetvalue(result, row, COLUMN_TOKEN),
			PQgetvalue(result, row, COLUMN_NAME),
			PQgetvalue(result, row, COLUMN_CHATS_COUNT));
}

static void
print_with_id(FILE *stream, const PGresult *result, int row)
{
	fprintf(stream, "{\"token\":%s,\"name\":%s,\"chats_count\":%s,\"id\":%s}",
			PQgetvalue(result, row, COLUMN_TOKEN),
			PQgetvalue(result, row, COLUMN_NAME),
			PQgetvalue(result, row, COLUMN_CHATS_COUNT),
			PQgetvalue(result, row, COLUMN_ID));
}

static void
print_without_token(FILE *stream, const PGresult *result, int row)
{
	fprintf(stream, "{\"name\":%s,\"chats_count\":%s,\"id\":%s}",
			PQgetvalue(result, row, COLUMN_NAME),
			PQgetvalue(result, row, COLUMN_CHATS_COUNT),
			PQgetvalue(result, row, COLUMN_ID));
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
	const QueryValue *name = &call_of(request)->query.values[0];
	json_t	   *application = json_pack("{s:s,s:s%,s:i}", "token", PQgetvalue(rows->result, 0, 0),
										"name", name->text, name->length, "chats_count", 0);

	if (visit_grant(request))
		json_object_set_new(application, "id", json_integer(rows_number(rows, 0, 1)));
	respond_json(request, MHD_HTTP_CREATED, application);
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
	if (request->faults)
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
		respond_ok(request, rows_object(rows, printer(request)), NULL);
}

void
application_show(Request *request)
{
	call_begin(request, GET_APPLICATION, answer_one, application_missing);
	call_add_token(request);
	call_read(request);
}
