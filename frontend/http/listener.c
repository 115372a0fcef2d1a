/*
 * listener.c
 *		The listening sockets of all loops.
 *
 * For a port, each loop has a socket of its own, and the kernel distributes
 * the connections (SO_REUSEPORT). A socket of Unix, or of the service manager,
 * is shared: the first loop to accept gets the connection.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "http/listener.h"

static void
fail(const Endpoint *endpoint)
{
	char		name[ENDPOINT_NAME_SIZE];
	int			reason = errno;

	endpoint_name(endpoint, name);
	log_event("cannot listen on %s: %s", name, strerror(reason));
	exit(1);
}

static int
open_port(Endpoint *endpoint, bool shared)
{
	const struct sockaddr *address = (const struct sockaddr *) &endpoint->address;
	int			on = 1;
	int			off = 0;
	int			fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	/* The wildcard address includes IPv4. */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		(address->sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0) ||
		(shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0) ||
		bind(fd, address, endpoint->size) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
		fail(endpoint);
	if (getsockname(fd, (struct sockaddr *) &endpoint->address, &endpoint->size) < 0)
		fail(endpoint);
	return fd;
}

/*
 * Removes the socket of a chatd that has ended. If a process still listens on
 * it, it is left there, and bind() will fail.
 */
static void
remove_stale(const struct sockaddr_un *address)
{
	struct stat status;
	int			fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 && lstat(address->sun_path, &status) == 0 && S_ISSOCK(status.st_mode) &&
		connect(fd, (const struct sockaddr *) address, sizeof(*address)) < 0 && errno == ECONNREFUSED)
		unlink(address->sun_path);
	if (fd >= 0)
		close(fd);
}

static int
open_path(const Endpoint *endpoint)
{
	int			fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	remove_stale((const struct sockaddr_un *) &endpoint->address);
	if (fd < 0 || bind(fd, (const struct sockaddr *) &endpoint->address, endpoint->size) < 0 ||
		listen(fd, LISTEN_BACKLOG) < 0)
		fail(endpoint);
	return fd;
}

Listeners
listeners_open(Endpoint *endpoints, int count, bool shared)
{
	Listeners	listeners = {.count = count};

	for (int i = 0; i < count; i++)
	{
		int		   *fd = &listeners.fds[i];

		if (endpoints[i].address.ss_family == AF_UNIX && endpoints[i].shared_fd < 0)
		{
			endpoints[i].shared_fd = open_path(&endpoints[i]);
			endpoints[i].created = true;
		}
		if (endpoints[i].shared_fd >= 0)
			*fd = fcntl(endpoints[i].shared_fd, F_DUPFD_CLOEXEC, 0);
		else
			*fd = open_port(&endpoints[i], shared);
		if (*fd < 0)
			fail(&endpoints[i]);
	}
	return listeners;
}

void
listeners_close(const Listeners *listeners)
{
	for (int i = 0; i < listeners->count; i++)
		close(listeners->fds[i]);
}

void
listeners_remove(const Endpoint *endpoints, int count)
{
	for (int i = 0; i < count; i++)
		if (endpoints[i].created)
			unlink(((const struct sockaddr_un *) &endpoints[i].address)->sun_path);
}
