/*
 * listener.c
 *		The listening socket.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/log.h"
#include "common/settings.h"
#include "http/listener.h"

static void
fail(const char *what, const char *detail)
{
	log_event("cannot %s %s port %d: %s", what, settings.listen, settings.port, detail);
	exit(1);
}

int
listener_open(int port, bool shared)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM};
	struct addrinfo *address;
	char		service[8];
	int			on = 1;
	int			fd;

	snprintf(service, sizeof(service), "%d", port);
	if (getaddrinfo(settings.listen, service, &hints, &address) != 0)
		fail("listen on", "--listen takes an IPv4 or IPv6 address, such as 127.0.0.1 or ::1, and --port the port");
	fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		(shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0) ||
		bind(fd, address->ai_addr, address->ai_addrlen) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
		fail("listen on", strerror(errno));
	freeaddrinfo(address);
	return fd;
}

int
listener_port(int listen_fd)
{
	struct sockaddr_storage address;
	socklen_t	size = sizeof(address);
	char		service[8] = "0";

	if (getsockname(listen_fd, (struct sockaddr *) &address, &size) == 0)
		getnameinfo((struct sockaddr *) &address, size, NULL, 0, service, sizeof(service), NI_NUMERICSERV);
	return atoi(service);
}
