/*
 * server.c
 *		Starts the HTTP server for a service: libmicrohttpd's daemon with our
 *		callbacks.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/settings.h"
#include "http/acceptor.h"
#include "http/connection.h"
#include "http/daemon.h"
#include "http/exchange.h"
#include "http/server.h"

/* Leaves percent-encoding as it is: uri.c decodes it, since libmicrohttpd is not strict. */
static size_t
keep_escaped(void *unused, struct MHD_Connection *connection, char *text)
{
	(void) unused;
	(void) connection;
	return strlen(text);
}

/* Ignores libmicrohttpd's messages: it reports every client that goes away. */
static void
ignore_message(void *unused, const char *format, va_list arguments)
{
	(void) unused;
	(void) format;
	(void) arguments;
}

void
server_open(const Listeners *listeners, const Service *service)
{
	void	   *closure = (void *) service;
	struct MHD_Daemon *daemon =
	MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_TURBO | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | MHD_USE_NO_LISTEN_SOCKET, 0,
					 NULL, NULL, exchange_handle, closure,
					 MHD_OPTION_EXTERNAL_LOGGER, ignore_message, NULL,
					 MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) CONNECTION_MEMORY,
					 MHD_OPTION_CONNECTION_LIMIT, (unsigned int) settings.max_connections,
					 MHD_OPTION_URI_LOG_CALLBACK, exchange_begin, closure,
					 MHD_OPTION_UNESCAPE_CALLBACK, keep_escaped, NULL,
					 MHD_OPTION_NOTIFY_COMPLETED, exchange_end, closure,
					 MHD_OPTION_NOTIFY_CONNECTION, exchange_connection, closure,
#if MHD_VERSION >= 0x01000000
					 MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1,
#endif
					 MHD_OPTION_END);

	if (daemon == NULL)
	{
		log_event("cannot start libmicrohttpd");
		exit(1);
	}
	daemon_open(daemon);
	acceptor_open(daemon, listeners);
}
