/*
 * exchange.h
 *		The exchange of a request for a response: libmicrohttpd's callbacks.
 *
 * Their first argument is the service.
 */
#ifndef CHATD_EXCHANGE_H
#define CHATD_EXCHANGE_H

#include <microhttpd.h>

/* Called when the request line is complete. Returns the new request, as libmicrohttpd's context. */
extern void *exchange_begin(void *service, const char *target, struct MHD_Connection *connection);

/*
 * Called when the headers are complete, with each piece of the body, at the end
 * of the body, and again when the connection is resumed.
 */
extern enum MHD_Result exchange_handle(void *service, struct MHD_Connection *connection,
									   const char *url, const char *method, const char *version,
									   const char *upload, size_t *upload_size, void **context);

/* Called when the response was sent, or the connection has ended: frees the request. */
extern void exchange_end(void *service, struct MHD_Connection *connection, void **context,
						 enum MHD_RequestTerminationCode code);

/*
 * Called when a connection begins and ends. libmicrohttpd 0.9.75 forgets some requests
 * that it refuses by itself, so a request that is left then is freed.
 */
extern void exchange_connection(void *service, struct MHD_Connection *connection, void **context,
								enum MHD_ConnectionNotificationCode code);

#endif
