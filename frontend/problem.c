/*
 * problem.c
 *		libmicrohttpd's own error answers, as JSON.
 *
 * Where a request cannot be parsed or does not fit into a connection's memory,
 * libmicrohttpd answers by itself, with an HTML page, and offers no way to
 * change it. It queues that page by its own public function. The definition
 * here comes before the library's when the program is linked, so that the
 * library calls it, and it queues a JSON body in the page's place. chatd itself
 * queues its answers by library_queue_response().
 */
#include <dlfcn.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "problem.h"
#include "response.h"

typedef enum MHD_Result (*QueueFunction) (struct MHD_Connection *connection, unsigned status,
										  struct MHD_Response *response);

enum MHD_Result
library_queue_response(struct MHD_Connection *connection, unsigned status,
				   struct MHD_Response *response)
{
	static QueueFunction library_function;

	if (library_function == NULL)
		library_function = (QueueFunction) dlsym(RTLD_NEXT, "MHD_queue_response");
	return library_function(connection, status, response);
}

static const char *
text_of(unsigned status)
{
	switch (status)
	{
		case MHD_HTTP_CONTENT_TOO_LARGE:
			return "The body is too large.";
		case MHD_HTTP_URI_TOO_LONG:
			return "The path is too long.";
		case MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE:
			return "The headers are too large.";
		case MHD_HTTP_HTTP_VERSION_NOT_SUPPORTED:
			return "The version of HTTP is not supported.";
		case MHD_HTTP_INTERNAL_SERVER_ERROR:
			return "The server failed.";
		default:
			return "The request is malformed.";
	}
}

enum MHD_Result
MHD_queue_response(struct MHD_Connection *connection, unsigned status,
				   struct MHD_Response *response)
{
	char	   *body = error_body(text_of(status));
	Client	   *client = client_of(connection);
	struct MHD_Response *problem;
	enum MHD_Result queued;

	(void) response;
	if (client)
		client->refused = status;
	if (body == NULL)
		return MHD_NO;
	problem = MHD_create_response_from_buffer(strlen(body), body, MHD_RESPMEM_MUST_FREE);
	if (problem == NULL)
	{
		free(body);
		return MHD_NO;
	}
	MHD_add_response_header(problem, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json; charset=utf-8");
	queued = library_queue_response(connection, status, problem);
	MHD_destroy_response(problem);
	return queued;
}
