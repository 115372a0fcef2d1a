/*
 * response.c
 *		The only ways to answer a request. Every body is JSON.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "http/response.h"
#include "http/server.h"

#define CONTENT_TYPE "application/json; charset=utf-8"

/* All answers that are in memory for the moment, beyond which no page is given. */
#define ANSWERS_LIMIT (64 * 1024 * 1024)

static size_t answers_size;

/*
 * Gives the request its answer with a body that was malloc'ed, or NULL for
 * none. Without memory there is no answer, and the connection gets closed.
 */
static void
answer_body(Request *request, unsigned status, char *body)
{
	size_t		length = body ? strlen(body) : 0;

	request->status = status;
	request->answer_length = length;
	request->answer = MHD_create_response_from_buffer(length, body, MHD_RESPMEM_MUST_FREE);
	if (request->answer == NULL)
	{
		free(body);
		return;
	}
	answers_size += length;
	if (body)
		MHD_add_response_header(request->answer, MHD_HTTP_HEADER_CONTENT_TYPE, CONTENT_TYPE);
	if (server_is_stopping())
		answer_last(request);
}

void
answer_free(Request *request)
{
	if (request->answer == NULL)
		return;
	answers_size -= request->answer_length;
	MHD_destroy_response(request->answer);
	request->answer = NULL;
}

void
answer_last(Request *request)
{
	if (request->answer &&
		MHD_get_response_header(request->answer, MHD_HTTP_HEADER_CONNECTION) == NULL)
		MHD_add_response_header(request->answer, MHD_HTTP_HEADER_CONNECTION, "close");
}

static void
answer_header(Request *request, const char *name, const char *value)
{
	if (request->answer)
		MHD_add_response_header(request->answer, name, value);
}

char *
error_body(const char *text)
{
	json_t	   *object = json_pack("{s:s}", "error", text);
	char	   *body = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	return body;
}

void
answer_json(Request *request, unsigned status, json_t *body)
{
	char	   *text = json_dumps(body, JSON_COMPACT);

	json_decref(body);
	answer_body(request, status, text);
}

void
answer_found(Request *request, char *body)
{
	if (body == NULL)
		answer_unavailable(request, "Out of memory.");
	else if (answers_size > 0 && answers_size + strlen(body) > ANSWERS_LIMIT)
	{
		free(body);
		answer_unavailable(request, "The server is busy: too many clients take their answers slowly.");
	}
	else
		answer_body(request, MHD_HTTP_OK, body);
}

void
answer_page(Request *request, char *body, const char *link)
{
	answer_found(request, body);
	if (link && request->status == MHD_HTTP_OK)
		answer_header(request, MHD_HTTP_HEADER_LINK, link);
}

void
answer_error(Request *request, unsigned status, const char *format,...)
{
	char	   *text;
	va_list		arguments;
	int			length;

	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	answer_body(request, status, error_body(length < 0 ? "Out of memory." : text));
	if (length >= 0)
		free(text);
}

void
answer_fault(Request *request, const char *field, const char *predicate)
{
	answer_faults(request, json_pack("{s:[s]}", field, predicate));
}

void
answer_faults(Request *request, json_t *faults)
{
	answer_json(request, MHD_HTTP_UNPROCESSABLE_CONTENT, faults);
}

void
answer_unavailable(Request *request, const char *text)
{
	answer_error(request, MHD_HTTP_SERVICE_UNAVAILABLE, "%s", text);
	answer_header(request, MHD_HTTP_HEADER_RETRY_AFTER, "1");
}

void
answer_allow(Request *request, unsigned status, const char *methods)
{
	if (status == MHD_HTTP_NO_CONTENT)
		answer_body(request, status, NULL);
	else
		answer_error(request, status, "The method is not allowed here.");
	answer_header(request, MHD_HTTP_HEADER_ALLOW, methods);
}

/*
 * The extension's messages read "<noun> <field> <predicate>"; a client of the
 * API gets the predicate under the field's name.
 */
static const char *
predicate_of(const char *message, const char *field)
{
	const char *found = strstr(message, field);

	if (found && found[strlen(field)] == ' ')
		return found + strlen(field) + 1;
	return message;
}

void
answer_sql_error(Request *request, const char *sqlstate, const char *field,
				 const char *message, const char *hint)
{
	static const char *const faults[] = {"23505", "23502", "22001", "22003", "54000"};

	for (size_t i = 0; field && i < sizeof(faults) / sizeof(faults[0]); i++)
	{
		if (strcmp(sqlstate, faults[i]) == 0)
		{
			answer_fault(request, field, predicate_of(message, field));
			return;
		}
	}
	if (strcmp(sqlstate, "22023") == 0 && field)
	{
		answer_error(request, MHD_HTTP_BAD_REQUEST, "%s", message);
		return;
	}
	/* What a trigger of the user's says is meant for those who write. */
	if (strcmp(sqlstate, "P0001") == 0)
	{
		answer_error(request, MHD_HTTP_UNPROCESSABLE_CONTENT, "%s", message);
		return;
	}
	log_event("database: error %s: %s", sqlstate, message);
	/* A constraint of the user's: its name and its table are no client's business. */
	if (strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "23", 2) == 0)
		answer_error(request, MHD_HTTP_UNPROCESSABLE_CONTENT, "The database does not take this.");
	else if (strcmp(sqlstate, "57014") == 0)
	{
		answer_error(request, MHD_HTTP_SERVICE_UNAVAILABLE, "The database took too long.%s%s",
					 hint ? " " : "", hint ? hint : "");
		answer_header(request, MHD_HTTP_HEADER_RETRY_AFTER, "1");
	}
	else
		answer_unavailable(request, "The database cannot do this now.");
}
