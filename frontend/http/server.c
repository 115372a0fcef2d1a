/*
 * server.c
 *		libmicrohttpd inside the event loop.
 *
 * libmicrohttpd keeps its connections in an epoll set of its own, and that
 * set's descriptor is one of those that the loop watches.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/connection.h"
#include "common/log.h"
#include "common/loop.h"
#include "http/request.h"
#include "http/server.h"
#include "common/settings.h"

#define BACKLOG 1024

static struct MHD_Daemon *daemon_handle;
static Watcher watcher = {.fd = -1};
static bool events_pending;		/* libmicrohttpd has something to do */
static int	listening_fd = -1;
static bool stopping;

static void
fail(const char *what, const char *detail)
{
	log_event("cannot %s %s port %d: %s", what, settings.listen, settings.port, detail);
	exit(1);
}

int
server_listen(int port, bool shared)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM};
	struct addrinfo *address;
	char		service[8];
	int			on = 1;
	int			error;
	int			fd;

	snprintf(service, sizeof(service), "%d", port);
	error = getaddrinfo(settings.listen, service, &hints, &address);
	if (error)
		fail("use the address", gai_strerror(error));
	fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		(shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0) ||
		bind(fd, address->ai_addr, address->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		fail("listen on", strerror(errno));
	freeaddrinfo(address);
	return fd;
}

int
server_port(int listen_fd)
{
	struct sockaddr_storage address;
	socklen_t	size = sizeof(address);
	char		service[8] = "0";

	if (getsockname(listen_fd, (struct sockaddr *) &address, &size) == 0)
		getnameinfo((struct sockaddr *) &address, size, NULL, 0, service, sizeof(service), NI_NUMERICSERV);
	return atoi(service);
}

static void
server_ready(void *unused, uint32_t events)
{
	(void) unused;
	(void) events;
	events_pending = true;
}

/* Percent-decoding is left to uri.c: libmicrohttpd's is not strict. */
static size_t
keep_escaped(void *unused, struct MHD_Connection *connection, char *text)
{
	(void) unused;
	(void) connection;
	return strlen(text);
}

/* libmicrohttpd's messages tell of each client that went away: not of interest. */
static void
ignore_message(void *unused, const char *format, va_list arguments)
{
	(void) unused;
	(void) format;
	(void) arguments;
}

void
server_open(int listen_fd)
{
	listening_fd = listen_fd;
	daemon_handle = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
									 NULL, NULL, request_handle, NULL,
									 MHD_OPTION_EXTERNAL_LOGGER, ignore_message, NULL,
									 MHD_OPTION_LISTEN_SOCKET, (MHD_socket) listen_fd,
									 MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) CONNECTION_MEMORY,
									 MHD_OPTION_CONNECTION_LIMIT, (unsigned int) settings.max_connections,
									 MHD_OPTION_URI_LOG_CALLBACK, request_begin, NULL,
									 MHD_OPTION_UNESCAPE_CALLBACK, keep_escaped, NULL,
									 MHD_OPTION_NOTIFY_COMPLETED, request_end, NULL,
									 MHD_OPTION_NOTIFY_CONNECTION, client_notify, NULL,
#if MHD_VERSION >= 0x01000000
									 MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1,
#endif
									 MHD_OPTION_END);
	if (daemon_handle == NULL)
		fail("serve", "libmicrohttpd does not start");
	watcher.ready = server_ready;
	loop_watch(&watcher, MHD_get_daemon_info(daemon_handle, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, EPOLLIN);
	events_pending = true;
}

void
server_wake(void)
{
	events_pending = true;
}

void
server_resume(struct MHD_Connection *connection)
{
	MHD_resume_connection(connection);
	server_wake();
}

bool
server_is_busy(void)
{
	MHD_UNSIGNED_LONG_LONG timeout;

	/* Timeouts are client.c's, so that all that can be told here is "at once". */
	return events_pending || (MHD_get_timeout(daemon_handle, &timeout) == MHD_YES && timeout == 0);
}

void
server_turn(void)
{
	if (!server_is_busy())
		return;
	events_pending = false;
	MHD_run(daemon_handle);
}

void
server_stop(void)
{
	struct pollfd listening = {.fd = listening_fd, .events = POLLIN};

	stopping = true;
	/* Each run accepts a few of those that wait; a full house accepts none. */
	for (int i = 0; i < BACKLOG && poll(&listening, 1, 0) > 0; i++)
		MHD_run(daemon_handle);
	MHD_quiesce_daemon(daemon_handle);
	close(listening_fd);
	events_pending = true;
}

bool
server_is_stopping(void)
{
	return stopping;
}

void
server_close(void)
{
	MHD_run(daemon_handle);
	loop_unwatch(&watcher);
	MHD_stop_daemon(daemon_handle);
}
