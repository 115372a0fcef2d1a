/*
 * applications.c
 *		The routes of applications.
 */
#include "http/body.h"
#include "api/handlers.h"
#include "api/pagination.h"
#include "db/query.h"
#include "db/reads.h"
#include "http/response.h"
#include "db/writes.h"

/* Columns of the statements that show applications. */
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
	answer_error(request, MHD_HTTP_NOT_FOUND, "Application with token %s not found",
				 request->token.bytes);
}

static void
print_application(FILE *stream, const PGresult *result, int row)
{
	fprintf(stream, "{\"token\":%s,\"name\":%s,\"chats_count\":%s}",
			PQgetvalue(result, row, COLUMN_TOKEN),
			PQgetvalue(result, row, COLUMN_NAME),
			PQgetvalue(result, row, COLUMN_CHATS_COUNT));
}

static void
answer_list(Request *request, const Rows *rows)
{
	page_answer(request, rows, COLUMN_ID, print_application);
}

void
applications_list(Request *request)
{
	if (!page_read(request, PAGE_OF_LIST))
		return;
	query_begin(request, LIST_APPLICATIONS, answer_list, NULL);
	page_add_bounds(request);
	reads_submit(request, LANE_READ);
}

static void
answer_created(Request *request, const Rows *rows)
{
	json_t	   *name = json_object_get(request->fields, "name");

	answer_json(request, MHD_HTTP_CREATED,
				json_pack("{s:s,s:O,s:i}", "token", PQgetvalue(rows->result, 0, 0),
						  "name", name, "chats_count", 0));
}

static void
name_unstorable(Request *request)
{
	answer_fault(request, "name", UNSTORABLE_TEXT);
}

void
application_create(Request *request)
{
	const char *name;
	size_t		length;

	if (!fields_read(request))
		return;
	name = fields_text(request, "name", &length);
	if (request->faults)
	{
		answer_faults(request, json_incref(request->faults));
		return;
	}
	query_begin(request, CREATE_APPLICATION, answer_created, NULL);
	request->work.unstorable = name_unstorable;
	query_add_text(request, name);
	writes_submit(request);
}

static void
answer_shown(Request *request, const Rows *rows)
{
	if (rows->count == 0)
		application_missing(request);
	else
		answer_found(request, rows_object(rows, print_application));
}

void
application_show(Request *request)
{
	query_begin(request, GET_APPLICATION, answer_shown, application_missing);
	query_add_text(request, request->token.bytes);
	reads_submit(request, LANE_READ);
}
