/*
 * request.c
 *		One request, from its first line to its answer.
 *
 * libmicrohttpd calls request_begin() with the first line, request_handle()
 * when the headers are there, with each piece of the body, at the body's end,
 * and once more after a suspended connection was resumed; and request_end()
 * when the answer was taken or the connection ended.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/connection.h"
#include "common/log.h"
#include "common/loop.h"
#include "api/pagination.h"
#include "http/queue_response.h"
#include "http/request.h"
#include "http/response.h"
#include "http/router.h"
#include "http/server.h"
#include "common/settings.h"

/*
 * A body that is refused is still read up to this size, since an answer can be
 * lost when its connection is closed before all that was sent has been read.
 */
#define DISCARD_LIMIT (1024 * 1024)

/* All bodies that are in memory for the moment. */
#define BODIES_LIMIT (64 * 1024 * 1024)

static size_t bodies_size;

void *
request_begin(void *unused, const char *target, struct MHD_Connection *connection)
{
	Request    *request = calloc(1, sizeof(Request));
	Client	   *client = client_of(connection);

	(void) unused;
	if (request == NULL)
		return NULL;
	request->connection = connection;
	request->started_at = loop_now();
	request->received_target = target;
	request->target = strdup(target ? target : "");
	if (request->target)
	{
		request->path_length = strcspn(request->target, "?");
		request->query = request->target + request->path_length;
		if (*request->query)
			request->query++;
	}
	if (client)
		client_enter(client, CLIENT_READING);
	return request;
}

static void
log_access(const Request *request, const Client *client)
{
	char		target[512];
	unsigned	status = request->status;

	if (status == 0 && client)
		status = client->refused;

	log_shorten_target(request->target, target, sizeof(target));
	log_event("access: %s %s %u %zu %llums", request->method ? request->method : "-", target,
			  status, request->answer_length,
			  (unsigned long long) (loop_now() - request->started_at));
}

void
request_end(void *unused, struct MHD_Connection *connection, void **context,
			enum MHD_RequestTerminationCode code)
{
	Request    *request = *context;
	Client	   *client = client_of(connection);

	(void) unused;
	(void) code;
	*context = NULL;
	if (client)
		client_enter(client, CLIENT_IDLE);
	if (request == NULL)
		return;
	if (settings.access_log && request->target)
		log_access(request, client);
	answer_free(request);
	bodies_size -= request->body_size;
	json_decref(request->fields);
	json_decref(request->faults);
	page_free(request->page);
	free(request->token.bytes);
	free(request->chat_text.bytes);
	free(request->body);
	free(request->target);
	free(request);
}

/* Hands the answer over to libmicrohttpd. */
static enum MHD_Result
request_queue_answer(Request *request)
{
	Client	   *client = client_of(request->connection);

	if (request->answer == NULL)
		return MHD_NO;
	request->phase = PHASE_ANSWERED;
	if (client)
		client_enter(client, CLIENT_WRITING);
#if MHD_VERSION < 0x01000000
	/* It reads chunks with bare line feeds and the like: what follows may be a part of them. */
	if (request->headers.chunked)
		answer_last(request);
#endif
	return library_queue_response(request->connection, request->status, request->answer);
}

/* The body is too large: it is discarded, and so is what was kept of it. */
static void
request_refuse_body(Request *request, unsigned status, const char *text)
{
	if (request->answer == NULL)
	{
		if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
			answer_unavailable(request, text);
		else
			answer_error(request, status, "%s", text);
		answer_last(request);
	}
	bodies_size -= request->body_size;
	free(request->body);
	request->body = NULL;
	request->body_length = request->body_size = 0;
}

/* The headers are there. */
static enum MHD_Result
request_take_head(Request *request, const char *method, const char *version)
{
	Refusal		refusal;

	request->phase = PHASE_BODY;
	request->method = method;
	refusal = guard_check(request->connection, method, request->target, request->received_target,
						  version, &request->headers);
	if (refusal.status)
	{
		/* Answered now, before a body: libmicrohttpd then reads no further. */
		answer_error(request, refusal.status, "%s", refusal.reason);
		answer_last(request);
		return request_queue_answer(request);
	}
	router_find(request);
	if (request->headers.content_length > (uint64_t) settings.max_body)
	{
		if (request->answer == NULL)
			request_refuse_body(request, MHD_HTTP_CONTENT_TOO_LARGE, "The body is too large.");
		if (request->headers.expects_continue ||
			request->headers.content_length > (uint64_t) settings.max_body + DISCARD_LIMIT)
			return request_queue_answer(request);
	}
	/* A client that asks before it sends a body gets a refusal at once. */
	if (request->answer && request->headers.expects_continue)
		return request_queue_answer(request);
	return MHD_YES;
}

/* Makes room for length more bytes of the body. */
static bool
request_grow_body(Request *request, size_t length)
{
	size_t		needed = request->body_length + length;
	size_t		size = request->body_size ? request->body_size * 2 : 512;
	char	   *body;

	if (needed <= request->body_size)
		return true;
	if (size < needed)
		size = needed;
	if (request->body_size == 0 && request->headers.content_length >= needed)
		size = request->headers.content_length;
	if (bodies_size + size - request->body_size > BODIES_LIMIT)
		return false;
	body = realloc(request->body, size);
	if (body == NULL)
		return false;
	bodies_size += size - request->body_size;
	request->body = body;
	request->body_size = size;
	return true;
}

/* A piece of the body. */
static enum MHD_Result
request_take_body(Request *request, const char *upload, size_t length)
{
	if (request->answer == NULL)
	{
		if (request->body_length + length > (size_t) settings.max_body)
			request_refuse_body(request, MHD_HTTP_CONTENT_TOO_LARGE, "The body is too large.");
		else if (!request_grow_body(request, length))
			request_refuse_body(request, MHD_HTTP_SERVICE_UNAVAILABLE, "The server is busy.");
		else
		{
			memcpy(request->body + request->body_length, upload, length);
			request->body_length += length;
			return MHD_YES;
		}
	}
	request->body_discarded += length;
	if (request->body_discarded > (uint64_t) settings.max_body + DISCARD_LIMIT)
	{
		Client	   *client = client_of(request->connection);

		if (client)
			client_refuse(client, MHD_HTTP_CONTENT_TOO_LARGE, "The body is too large.");
		return MHD_NO;
	}
	return MHD_YES;
}

/* The request is complete. */
static enum MHD_Result
request_run(Request *request)
{
	Client	   *client = client_of(request->connection);

	request->phase = PHASE_WAITING;
	if (request->answer == NULL)
		request->handler(request);
	if (request->answer)
		return request_queue_answer(request);
	if (request->status)
		return MHD_NO;			/* no memory for an answer */
	if (client)
		client_enter(client, CLIENT_WAITING);
	MHD_suspend_connection(request->connection);
	return MHD_YES;
}

enum MHD_Result
request_handle(void *unused, struct MHD_Connection *connection, const char *url,
			   const char *method, const char *version, const char *upload,
			   size_t *upload_size, void **context)
{
	Request    *request = *context;
	size_t		length = *upload_size;

	(void) unused;
	(void) connection;
	(void) url;
	if (request == NULL || request->target == NULL)
		return MHD_NO;
	switch (request->phase)
	{
		case PHASE_HEAD:
			return request_take_head(request, method, version);
		case PHASE_BODY:
			if (length == 0)
				return request_run(request);
			*upload_size = 0;
			return request_take_body(request, upload, length);
		case PHASE_WAITING:
			return request_queue_answer(request);
		case PHASE_ANSWERED:
			break;
	}
	return MHD_YES;
}

void
request_resume(Request *request)
{
	server_resume(request->connection);
}
