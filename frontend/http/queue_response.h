/*
 * queue_response.h
 *		Makes libmicrohttpd's own error responses JSON.
 */
#ifndef CHATD_QUEUE_RESPONSE_H
#define CHATD_QUEUE_RESPONSE_H

#include <microhttpd.h>

/* libmicrohttpd's own MHD_queue_response(), for chatd's responses. */
extern enum MHD_Result library_queue_response(struct MHD_Connection *connection, unsigned status,
											  struct MHD_Response *response);

#endif
