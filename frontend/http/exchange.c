/*
 * exchange.c
 *		The exchange of a request for a response: libmicrohttpd's callbacks.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/loop.h"
#include "common/settings.h"
#include "http/access_log.h"
#include "http/body.h"
#include "http/connection.h"
#include "http/exchange.h"
#include "http/framing.h"
#include "http/pause.h"
#include "http/queue_response.h"
#include "http/request.h"
#include "http/response.h"
#include "http/router.h"
#include "http/socket_calls.h"
#include "metrics/figures.h"

static void
request_free(const Service *service, Request *request)
{
	service->release(request);
	response_free(request);
	body_reader_free(request);
	fields_free(&request->fields);
	items_free(&request->items);
	json_free(&request->faults);
	for (int i = 0; i < PATH_SEGMENTS; i++)
		free(request->segments[i].text.bytes);
	free(request->whole_target);
	free(request);
}

/* Frees the connection's request, if there is one. */
static void
drop_request(const Service *service, Connection *client)
{
	if (client->request)
		request_free(service, client->request);
	client->request = NULL;
	client->request_id = NULL;
}

void *
exchange_begin(void *service, const char *target, struct MHD_Connection *connection)
{
	Request    *request = calloc(1, ((const Service *) service)->request_size);
	Connection *client = connection_of(connection);

	if (request == NULL)
		return NULL;
	request->connection = connection;
	request_id_make(&request->id);
	request->started_at = loop_now();
	request->received_at = loop_clock();
	request->client = client;
	request->share = client ? client->share : NULL;
	request->received_target = target;
	request->whole_target = strdup(target ? target : "");
	if (request->whole_target)
	{
		request->target = uri_path(request->whole_target);
		request->path_length = strcspn(request->target, "?");
		request->query = request->target + request->path_length;
		if (*request->query)
			request->query++;
	}
	if (client)
	{
		drop_request(service, client);
		client->request = request;
		client->request_id = request->id.text;
		connection_enter(client, CONNECTION_READING);
	}
	return request;
}

void
exchange_end(void *service, struct MHD_Connection *connection, void **context,
			 enum MHD_RequestTerminationCode code)
{
	Request    *request = *context;
	Connection *client = connection_of(connection);
	unsigned	status;

	(void) code;
	*context = NULL;
	if (client)
		connection_enter(client, CONNECTION_IDLE);
	if (request == NULL)
		return;
	status = request->status == 0 && client ? client->refused : request->status;
	if ((settings.access_log || settings.access_log_json) && request->target)
		access_log(request, status);
	figures_count_request(request->route ? (int) (request->route - ((const Service *) service)->routes) : FIGURE_NO_ROUTE,
						  request->method, status, loop_clock() - request->received_at);
	if (client)
	{
		client->request = NULL;
		client->request_id = NULL;
	}
	request_free(service, request);
}

void
exchange_connection(void *service, struct MHD_Connection *connection, void **context,
					enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_CLOSED && *context)
		drop_request(service, *context);
	connection_notify(connection, context, code);
}

/*
 * Hands the socket over to whoever takes it. libmicrohttpd then closes its own descriptor,
 * which, with MHD_USE_TURBO, does not end the connection as long as there is another.
 */
static enum MHD_Result
exchange_hand_over(Request *request)
{
	Connection *client = request->client;
	char	   *headers = response_headers(request);
	int			fd = client && headers ? fcntl(client->fd, F_DUPFD_CLOEXEC, 0) : -1;

	if (client)
		socket_unpark(client);
	request->take(request, fd, headers);
	free(headers);
	return MHD_NO;
}

/* Hands the response over to libmicrohttpd. */
static enum MHD_Result
exchange_respond(const Service *service, Request *request)
{
	Connection *client = request->client;

	if (request->response == NULL)
		return MHD_NO;
	request->phase = PHASE_RESPONSE;
	if (client)
		connection_enter(client, CONNECTION_WRITING);
	if (client && client->has_nul)
		response_close(request);
#if MHD_VERSION < 0x01000000
	/* libmicrohttpd tolerates bare line feeds in chunks: what follows may belong to the body. */
	if (request->headers.chunked)
		response_close(request);
#endif
	response_header(request, REQUEST_ID_HEADER, request->id.text);
	response_finish(request);
	service->complete(request);
	if (request->take)
		return exchange_hand_over(request);
	return library_queue_response(request->connection, request->status, request->response);
}

/*
 * Refuses a request whose body is still to come: responds at once, past libmicrohttpd,
 * and then discards what arrives until the client closes the connection or its time is
 * over. Many clients send all of the body before they read the response, which would be
 * lost if the connection were closed in between.
 */
static void
exchange_refuse(Request *request, unsigned status, const char *reason)
{
	Connection *client = request->client;

	response_free(request);
	request->status = status;
	request->pauses = false;
	request->wanted = NULL;
	body_reader_free(request);
	fields_free(&request->fields);
	items_free(&request->items);
	if (client)
		connection_refuse_rest(client, status, reason);
}

/* Has the request been refused past libmicrohttpd? */
static bool
is_refused(const Request *request)
{
	return request->status && request->response == NULL;
}

/* Processes the complete head. */
static enum MHD_Result
exchange_take_head(const Service *service, Request *request, const char *method, const char *version)
{
	Connection *client = request->client;
	Refusal		refusal;

	request->phase = PHASE_BODY;
	request->method = method;
	refusal = framing_check(request->connection, method, request->whole_target,
							request->received_target, version, &request->headers);
	if (refusal.status == 0)
		request_id_take(&request->id, request->headers.request_id);
	if (refusal.status == 0 && client && client->has_nul)
		refusal = (Refusal) {MHD_HTTP_BAD_REQUEST, "The request has a NUL in it."};
	if (refusal.status)
	{
		exchange_refuse(request, refusal.status, refusal.reason);
		return MHD_YES;
	}
	router_find(service, request);
	if (request->status == 0)
		service->admit(request);
	if (request->headers.content_length > (uint64_t) settings.max_body)
	{
		if (!request->headers.expects_continue)
		{
			exchange_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE, "The body is too large.");
			return MHD_YES;
		}
		if (request->status == 0)
			respond_error(request, MHD_HTTP_CONTENT_TOO_LARGE, "The body is too large.");
	}
	/* A client that asks before it sends its body is refused at once. */
	if (request->status && request->headers.expects_continue)
	{
		response_close(request);
		return exchange_respond(service, request);
	}
	return MHD_YES;
}

/* Processes a piece of the body. */
static enum MHD_Result
exchange_take_body(Request *request, const char *upload, size_t length)
{
	request->body_received += length;
	if (request->body_received > (uint64_t) settings.max_body && !is_refused(request))
		exchange_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE, "The body is too large.");
	if (request->status == 0 && request->wanted)
		body_take(request, upload, length);
	return MHD_YES;
}

/* Processes the complete request: runs its handler. */
static enum MHD_Result
exchange_run(const Service *service, Request *request)
{
	Connection *client = request->client;

	request->phase = PHASE_HANDLER;
	if (request->status == 0)
		body_end(request);
	if (request->status == 0)
		service->run(request);
	if (request->status && !pause_is_due(request))
		return exchange_respond(service, request);	/* closes, if the response is out already */
	if (request->status)
		pause_begin(request);
	request->phase = PHASE_SUSPENDED;
	if (client)
		connection_enter(client, CONNECTION_WAITING);
	MHD_suspend_connection(request->connection);
	return MHD_YES;
}

enum MHD_Result
exchange_handle(void *service, struct MHD_Connection *connection, const char *url,
				const char *method, const char *version, const char *upload,
				size_t *upload_size, void **context)
{
	Request    *request = *context;
	size_t		length = *upload_size;

	(void) connection;
	(void) url;
	if (request == NULL || request->target == NULL)
		return MHD_NO;
	switch (request->phase)
	{
		case PHASE_HEAD:
			return exchange_take_head(service, request, method, version);
		case PHASE_BODY:
			if (length == 0)
				return exchange_run(service, request);
			*upload_size = 0;
			return exchange_take_body(request, upload, length);
		case PHASE_SUSPENDED:
			return exchange_respond(service, request);
		case PHASE_HANDLER:
		case PHASE_RESPONSE:
			break;
	}
	return MHD_YES;
}
