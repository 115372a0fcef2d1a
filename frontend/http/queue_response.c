/*
 * queue_response.c
 *		Makes libmicrohttpd's own error responses JSON.
 *
 * If a request cannot be parsed or does not fit into a connection's memory,
 * libmicrohttpd responds by itself with an HTML page, and has no setting to
 * change that; 0.9.75 even sends the headers of some pages twice. It queues the
 * page with its own public function. The definition here takes the place of that
 * function in the program, so that the library calls this one, which sends a JSON
 * response straight to the socket and shuts the socket down. The page is queued all the
 * same, since the library may crash if that fails; it then finds the socket closed.
 * chatd queues its own responses with library_queue_response().
 */
#include <dlfcn.h>
#include <microhttpd.h>

#include "http/connection.h"
#include "http/queue_response.h"

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
error_text(unsigned status)
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
	Connection *client = connection_of(connection);

	/* libmicrohttpd 1 may redirect to a path that it guesses was meant. */
	unsigned	refusal = status < MHD_HTTP_BAD_REQUEST ? MHD_HTTP_BAD_REQUEST : status;

	if (client)
		connection_refuse(client, refusal, error_text(refusal));
	return library_queue_response(connection, status, response);
}
