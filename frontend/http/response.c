/*
 * response.c
 *		The ways to respond to a request. Every body is JSON, but for streams of events, and what says otherwise.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/settings.h"
#include "http/daemon.h"
#include "http/error_body.h"
#include "http/events.h"
#include "http/pause.h"
#include "http/problem_details.h"
#include "http/response.h"

#define CONTENT_TYPE "application/json; charset=utf-8"

/*
 * Responds with a malloc'ed body of a type, or NULL for none, and takes it over. Frees the
 * fields of the request's body, which are no longer needed.
 */
static void
respond_typed(Request *request, unsigned status, char *body, const char *type)
{
	size_t		length;

	if (body && problem_details_are_wanted(request, status, body))
	{
		body = problem_details_body(status, body);
		type = PROBLEM_TYPE;
	}
	length = body ? strlen(body) : 0;
	request->status = status;
	request->response_length = length;
	request->response = MHD_create_response_from_buffer(length, body, MHD_RESPMEM_MUST_FREE);
	if (request->response)
	{
		share_take(request->share, MEMORY_OF_RESPONSES, length);
		if (body)
			MHD_add_response_header(request->response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
		if (daemon_is_stopping())
			response_close(request);
	}
	else
		free(body);
	fields_free(&request->fields);
	items_free(&request->items);
	if (request->phase != PHASE_SUSPENDED)
		return;
	if (pause_is_due(request))
		pause_begin(request);
	else
		daemon_resume(request->connection);
}

static void
respond(Request *request, unsigned status, char *body)
{
	respond_typed(request, status, body, request->content_type && status == MHD_HTTP_OK ? request->content_type : CONTENT_TYPE);
}

void
response_header(Request *request, const char *name, const char *value)
{
	if (request->response && value)
		MHD_add_response_header(request->response, name, value);
}

const char *
response_header_of(const Request *request, const char *name)
{
	return request->response ? MHD_get_response_header(request->response, name) : NULL;
}

void
respond_json(Request *request, unsigned status, Json *json)
{
	respond(request, status, json_end(json));
}

void
respond_text(Request *request, unsigned status, char *body)
{
	respond(request, status, body);
}

void
respond_ok(Request *request, char *body, const char *link)
{
	if (body == NULL)
		respond_unavailable(request, "Out of memory.");
	else if (!share_has_room(request->share, MEMORY_OF_RESPONSES, strlen(body)))
	{
		free(body);
		respond_unavailable(request, "The server is busy: too many clients take their answers slowly.");
	}
	else
	{
		respond(request, MHD_HTTP_OK, body);
		if (link)
			response_header(request, MHD_HTTP_HEADER_LINK, link);
	}
}

void
respond_error(Request *request, unsigned status, const char *format,...)
{
	char	   *text;
	va_list		arguments;
	int			length;

	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0)
		text = NULL;
	if (request->events && (status == MHD_HTTP_SERVICE_UNAVAILABLE || status == MHD_HTTP_TOO_MANY_REQUESTS))
		respond_events(request, events_unavailable(text ? text : "Out of memory."));
	else
		respond(request, status, error_body(text ? text : "Out of memory."));
	free(text);
}

void
respond_unavailable(Request *request, const char *text)
{
	respond_error(request, MHD_HTTP_SERVICE_UNAVAILABLE, "%s", text);
	response_header(request, MHD_HTTP_HEADER_RETRY_AFTER, "1");
}

void
respond_invalid(Request *request, const char *field, const char *predicate)
{
	Json		json = {0};

	json_open(&json, '{');
	json_name(&json, field);
	json_open(&json, '[');
	json_text(&json, predicate, strlen(predicate));
	json_close(&json, ']');
	json_close(&json, '}');
	respond_json(request, MHD_HTTP_UNPROCESSABLE_CONTENT, &json);
}

void
respond_no_content(Request *request)
{
	respond(request, MHD_HTTP_NO_CONTENT, NULL);
}

void
respond_allow(Request *request, unsigned status, const char *methods)
{
	if (status == MHD_HTTP_NO_CONTENT)
		respond_no_content(request);
	else
		respond_error(request, status, "The method is not allowed here.");
	response_header(request, MHD_HTTP_HEADER_ALLOW, methods);
}

void
respond_events(Request *request, char *events)
{
	respond_typed(request, MHD_HTTP_OK, events, "text/event-stream");
	response_header(request, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
	response_header(request, "X-Accel-Buffering", "no");
	response_close(request);
}

void
respond_taken(Request *request, void (*take) (Request *request, int fd, const char *headers))
{
	request->take = take;
	response_close(request);
	respond(request, MHD_HTTP_OK, NULL);
}

void
response_pause(Request *request)
{
	request->pauses = true;
}

void
response_close(Request *request)
{
	request->closes = true;
}

/* The value of Keep-Alive. */
static const char *
keep_alive(void)
{
	static char timeout[32];

	/* A second less than the truth: a request sent as its connection is being closed is lost. */
	if (*timeout == '\0')
		snprintf(timeout, sizeof(timeout), "timeout=%d", settings.idle_timeout - 1);
	return timeout;
}

void
response_finish(Request *request)
{
	if (request->closes)
		response_header(request, MHD_HTTP_HEADER_CONNECTION, "close");
	else
		response_header(request, MHD_HTTP_HEADER_KEEP_ALIVE, keep_alive());
}

static enum MHD_Result
print_header(void *owner, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void) kind;
	fprintf(owner, "%s: %s\r\n", name, value);
	return MHD_YES;
}

char *
response_headers(Request *request)
{
	char	   *text = NULL;
	size_t		length;
	FILE	   *stream = open_memstream(&text, &length);

	if (stream == NULL)
		return NULL;
	MHD_get_response_headers(request->response, print_header, stream);
	return fclose(stream) == 0 ? text : NULL;
}

void
response_free(Request *request)
{
	if (request->response == NULL)
		return;
	share_give(request->share, MEMORY_OF_RESPONSES, request->response_length);
	MHD_destroy_response(request->response);
	request->response = NULL;
}
