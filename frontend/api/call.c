/*
 * call.c
 *		A call of the API: a request and the query that serves it.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "common/log.h"
#include "db/reads.h"
#include "db/writes.h"
#include "http/response.h"

Call *
call_of(Request *request)
{
	return (Call *) request;
}

Call *
call_of_query(Query *query)
{
	return (Call *) ((char *) query - offsetof(Call, query));
}

void
call_release(Request *request)
{
	free(call_of(request)->page.search.bytes);
	free(call_of(request)->ticket_content);
	visit_release(request);
}

const char *
path_token(const Request *request)
{
	return request->segments[SEGMENT_APPLICATION].text.bytes;
}

const char *
path_chat_text(const Request *request)
{
	return request->segments[SEGMENT_CHAT].text.bytes;
}

/* Numbers are parsed as sent: none of their digits may be percent-encoded. */
static int
path_number(const Segment *segment)
{
	int			number = 0;

	uri_number(segment->raw, segment->raw_length, 1, &number);
	return number;
}

int
path_chat(const Request *request)
{
	return path_number(&request->segments[SEGMENT_CHAT]);
}

int
path_message(const Request *request)
{
	return path_number(&request->segments[SEGMENT_MESSAGE]);
}

static void
on_success(Query *query, const Rows *rows)
{
	Call	   *call = call_of_query(query);

	call->answer(&call->request, rows);
}

/*
 * The extension's messages read "<noun> <field> <predicate>"; a client gets the
 * predicate under the name of the field.
 */
static const char *
predicate_of(const char *message, const char *field)
{
	const char *found = strstr(message, field);

	if (found && found[strlen(field)] == ' ')
		return found + strlen(field) + 1;
	return message;
}

/* Does the error mean that the value of a field is not acceptable? */
static bool
is_invalid_field(const char *sqlstate)
{
	static const char *const states[] = {"23505", "23502", "22001", "22003", "54000"};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(sqlstate, states[i]) == 0)
			return true;
	return false;
}

/* Responds with an error of the database. */
static void
respond_failure(Request *request, const Failure *failure)
{
	const char *sqlstate = failure->sqlstate;

	if (failure->column && is_invalid_field(sqlstate))
	{
		respond_invalid(request, failure->column, predicate_of(failure->message, failure->column));
		return;
	}
	if (failure->column && strcmp(sqlstate, "22023") == 0)
	{
		respond_error(request, MHD_HTTP_BAD_REQUEST, "%s", failure->message);
		return;
	}
	/* Raised by a user's trigger, with a message for whoever writes. */
	if (strcmp(sqlstate, "P0001") == 0)
	{
		respond_error(request, MHD_HTTP_UNPROCESSABLE_CONTENT, "%s", failure->message);
		return;
	}
	log_event("database: error %s: %s, in request %s", sqlstate, failure->message, request->id.text);
	/* A user's constraint: its name and its table's are not for clients. */
	if (strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "23", 2) == 0)
		respond_error(request, MHD_HTTP_UNPROCESSABLE_CONTENT, "The database does not take this.");
	else if (strcmp(sqlstate, "57014") == 0)
	{
		char		text[1024];

		snprintf(text, sizeof(text), "The database took too long.%s%s",
				 failure->hint ? " " : "", failure->hint ? failure->hint : "");
		respond_unavailable(request, text);
	}
	else if (strcmp(sqlstate, "25006") == 0)
		respond_unavailable(request, "The database is read-only.");
	else
		respond_unavailable(request, "The database cannot do this now.");
}

/* No application has a token that is not ASCII. */
static bool
token_is_ascii(const Request *request)
{
	for (const char *byte = path_token(request); byte && *byte; byte++)
		if (*byte & 0x80)
			return false;
	return true;
}

static void
on_failure(Query *query, const Failure *failure)
{
	Call	   *call = call_of_query(query);
	Request    *request = &call->request;
	bool		unstorable = failure->sqlstate && strcmp(failure->sqlstate, UNSTORABLE) == 0;

	if (failure->unknown)
		respond_unknown(request, failure->message);
	else if (failure->sqlstate == NULL)
		respond_unavailable(request, failure->message);
	else if (strcmp(failure->sqlstate, NO_SUCH_ROW) == 0 && call->missing)
		call->missing(request);
	else if (unstorable && call->missing && !token_is_ascii(request))
		call->missing(request);
	else if (unstorable && call->unstorable)
		call->unstorable(request);
	else
		respond_failure(request, failure);
}

void
call_begin(Request *request, StatementId statement,
		   void (*answer) (Request *request, const Rows *rows),
		   void (*missing) (Request *request))
{
	Call	   *call = call_of(request);

	call->query = (Query) {
		.statement = statement,
		.max_rows = 1,
		.since = request->started_at,
		.label = request->id.text,
		.waiting = request->share ? &request->share->queued : NULL,
		.succeeded = on_success,
		.failed = on_failure,
	};
	call->answer = answer;
	call->missing = missing;
	call->unstorable = NULL;
}

void
call_add_token(Request *request)
{
	Text		token = visit_token(request);

	query_add_text(&call_of(request)->query, token.bytes, token.length);
}

void
call_add_text(Request *request, const char *text, size_t length)
{
	query_add_text(&call_of(request)->query, text, length);
}

void
call_add_number(Request *request, int number)
{
	query_add_number(&call_of(request)->query, number);
}

void
call_read(Request *request)
{
	call_of(request)->query.pool = POOL_READ;
	reads_submit(&call_of(request)->query);
}

void
call_search(Request *request)
{
	call_of(request)->query.pool = POOL_SEARCH;
	reads_submit(&call_of(request)->query);
}

void
call_write(Request *request)
{
	writes_submit(&call_of(request)->query);
}
