/*
 * message_change.c
 *		Handlers that edit and delete a message.
 *
 * The revision of a message, 0 where it has none, is its entity tag. With If-Match, a message is
 * changed only if it has that; otherwise another was first, and the client reads it anew.
 *
 * If the connection to the database is lost, an edit without If-Match and a deletion are made
 * once more: they have the same effect twice. An edit with If-Match may have become its own
 * obstacle; so the client is told that it does not know.
 */
#include <string.h>

#include "api/call.h"
#include "api/handlers.h"
#include "api/message_answer.h"
#include "api/request_header.h"
#include "db/writes.h"
#include "http/body.h"
#include "http/field_value.h"
#include "http/response.h"

/* Columns of UPDATE_MESSAGE and DELETE_MESSAGE. */
enum
{
	COLUMN_SQLSTATE,			/* null: the message is as wanted */
	COLUMN_FIELD,
	COLUMN_MESSAGE,
	COLUMN_CURRENT,				/* the message; null: there is none */
	COLUMN_REVISION,
	COLUMN_DELETED
};

/* Parameters of UPDATE_MESSAGE. */
enum
{
	PARAMETER_BODY = 3,
	PARAMETER_METADATA
};

static bool
is_null(const Rows *rows, int column)
{
	return PQgetisnull(rows->result, rows->first, column);
}

/* Responds with 412 and the revision that the message has. */
static void
respond_changed(Request *request, const Rows *rows)
{
	static const char error[] = "If-Match is not the message's revision.";
	Json		json = {0};

	json_open(&json, '{');
	json_member_text(&json, "error", error, strlen(error));
	row_member(&json, "revision", rows->result, rows->first, COLUMN_REVISION);
	json_close(&json, '}');
	respond_json(request, MHD_HTTP_PRECONDITION_FAILED, &json);
	response_tag(request, rows_number(rows, 0, COLUMN_REVISION));
}

/* Responds to a change that was refused. */
static void
answer_refused(Request *request, const Rows *rows)
{
	const char *sqlstate = PQgetvalue(rows->result, rows->first, COLUMN_SQLSTATE);
	Failure		failure = {
		.sqlstate = sqlstate,
		.column = is_null(rows, COLUMN_FIELD) ? NULL : PQgetvalue(rows->result, rows->first, COLUMN_FIELD),
		.message = PQgetvalue(rows->result, rows->first, COLUMN_MESSAGE)
	};

	if (strcmp(sqlstate, NO_SUCH_ROW) == 0 && !is_null(rows, COLUMN_CURRENT))
		message_respond_deleted(request, rows, COLUMN_CURRENT, COLUMN_REVISION);
	else if (strcmp(sqlstate, OTHER_REVISION) == 0 && !is_null(rows, COLUMN_CURRENT))
		respond_changed(request, rows);
	else if (strcmp(sqlstate, OTHER_SENDER) == 0)
		respond_error(request, MHD_HTTP_FORBIDDEN, "The message is not from the user that the credential is for.");
	else
		call_of(request)->query.failed(&call_of(request)->query, &failure);
}

static void
answer_updated(Request *request, const Rows *rows)
{
	if (is_null(rows, COLUMN_SQLSTATE))
		message_respond(request, rows, COLUMN_CURRENT, COLUMN_REVISION);
	else
		answer_refused(request, rows);
}

static void
answer_deleted(Request *request, const Rows *rows)
{
	if (is_null(rows, COLUMN_SQLSTATE))
		respond_no_content(request);
	else
		answer_refused(request, rows);
}

/* Begins the change of the path's message. Returns false if it has responded: there can be none. */
static bool
begin(Request *request, StatementId statement, void (*answer) (Request *request, const Rows *rows))
{
	if (path_chat(request) == 0 || path_message(request) == 0)
	{
		message_missing(request);
		return false;
	}
	call_begin(request, statement, answer, message_missing);
	call_add_token(request);
	call_add_number(request, path_chat(request));
	call_add_number(request, path_message(request));
	return true;
}

/* Adds what is to hold of the message: its revision, and for a user, its sender. */
static void
add_conditions(Request *request, int revision)
{
	const char *user = visit_user(request);

	query_add_number_or_zero(&call_of(request)->query, revision);
	call_add_text(request, user, user ? strlen(user) : 0);
}

/* Adds what the message is to have; the faults of the body are in the request. */
static void
add_content(Request *request)
{
	Fields	   *fields = &request->fields;
	Json	   *faults = &request->faults;
	size_t		length = 0;
	const char *text = NULL;

	if (field_is_given(fields, "body"))
		text = field_text(fields, faults, "body", &length);
	call_add_text(request, text, length);
	if (field_is_null(fields, "metadata"))
		call_add_text(request, "null", strlen("null"));
	else
	{
		text = field_object(fields, faults, "metadata", &length);
		call_add_text(request, text, length);
	}
	if (*fields->unknown)
		fault_add(faults, fields->unknown, "can't be changed");
	else if (!field_is_given(fields, "body") && !field_is_given(fields, "metadata"))
		fault_add(faults, "body", "or metadata must be given");
}

/* A character that the database cannot store. In metadata it may be an escape. */
static void
content_unstorable(Request *request)
{
	const QueryValue *body = &call_of(request)->query.values[PARAMETER_BODY];
	const char *field = "metadata";

	for (size_t i = 0; i < body->length; i++)
		if (body->text[i] & 0x80)
			field = "body";
	respond_invalid(request, field, UNSTORABLE_TEXT);
}

/* Responds to an invalid body, once the message is known to exist: a missing one comes first. */
static void
answer_invalid(Request *request, const Rows *rows)
{
	(void) rows;
	respond_invalid_body(request);
}

void
message_update(Request *request)
{
	int			revision;

	if (!request_if_match(request, &revision) || !begin(request, UPDATE_MESSAGE, answer_updated))
		return;
	add_content(request);
	add_conditions(request, revision);
	call_of(request)->unstorable = content_unstorable;
	call_of(request)->query.repeatable = revision < 0;
	if (!body_is_invalid(request))
		call_write(request);
	else if (begin(request, GET_MESSAGES, answer_invalid))
		call_read(request);
}

void
message_delete(Request *request)
{
	int			revision;

	if (!request_if_match(request, &revision) || !begin(request, DELETE_MESSAGE, answer_deleted))
		return;
	add_conditions(request, revision);
	call_of(request)->query.repeatable = true;
	call_write(request);
}
