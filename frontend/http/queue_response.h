/*
 * problem.h
 *		libmicrohttpd's own error answers, as JSON.
 */
#ifndef CHATD_PROBLEM_H
#define CHATD_PROBLEM_H

#include <microhttpd.h>

/* What MHD_queue_response() does in the library: queues just this response. */
extern enum MHD_Result library_queue_response(struct MHD_Connection *connection, unsigned status,
										  struct MHD_Response *response);

#endif
