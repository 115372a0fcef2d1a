/*
 * socket_calls.c
 *		The calls for sockets that libmicrohttpd makes.
 *
 * The definitions of recv(), epoll_ctl() and epoll_wait() here take the place of the C
 * library's in the program, so that libmicrohttpd calls them. They concern the sockets of
 * clients alone, and do two things.
 *
 * Bytes are looked at as they come: libmicrohttpd 0.9.75 parses in place and ends each line
 * with a NUL, so that a NUL that was sent can hide a line's wrong end from framing.c: NUL LF
 * looks like CR LF, and a line that begins with a NUL like an empty one. Whether a NUL
 * was in a head or in a body is not known. No valid body has one either, so that the
 * request is refused, or the connection closed after it.
 *
 * Three of five system calls of a request are spared, and with them a fifth of chatd's CPU
 * time. libmicrohttpd takes the socket of a connection that it suspends out of its epoll set.
 * When the connection was resumed it tries to read, and if there is nothing, puts the socket
 * back. Here the socket stays in the set, and is read only if there may be something:
 *
 *	- The set reports edges: an event says that something has changed since the last one.
 *	  A socket is drained when a read has returned less than there was room for, and no event
 *	  has followed. What the last event said about the end of what the client sends may
 *	  still be to be read, behind the bytes: EPOLLRDHUP tells that, and such a socket is always read.
 *	- A socket is parked while libmicrohttpd takes it for one outside of the set. It hears of no event
 *	  then. When it puts the socket back, the set reports it anew, unless it is drained: mostly
 *	  libmicrohttpd has read it before.
 *	- While a request waits for the database nothing is read. With EINTR libmicrohttpd still
 *	  takes the socket for one that is readable, and comes back when it has responded.
 *
 * An event's value in the set is the socket's descriptor, marked by bits that no
 * pointer has; libmicrohttpd's own value is in the connection's record.
 */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "http/connection.h"
#include "http/socket_calls.h"

#define MARK UINT64_C(0xc4a7000000000000)
#define MARK_BITS UINT64_C(0xffff000000000000)

typedef int (*ControlFunction) (int epoll_fd, int operation, int fd, struct epoll_event *event);
typedef int (*WaitFunction) (int epoll_fd, struct epoll_event *events, int size, int timeout);

static int	clients_fd = -1;	/* libmicrohttpd's epoll set */

static int
library_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
	static ControlFunction library_function;

	if (library_function == NULL)
		library_function = (ControlFunction) dlsym(RTLD_NEXT, "epoll_ctl");
	return library_function(epoll_fd, operation, fd, event);
}

void
socket_unpark(Connection *client)
{
	if (client->parked)
		library_epoll_ctl(clients_fd, EPOLL_CTL_DEL, client->fd, NULL);
	client->parked = false;
}

/* Is there nothing to read, and will an event say when there is? */
static bool
is_drained(const Connection *client)
{
	return client->drained && !client->ended;
}

int
epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
	Connection *client = connection_on(fd);
	struct epoll_event marked;

	if (client && operation == EPOLL_CTL_DEL && client->state == CONNECTION_WAITING)
	{
		client->parked = true;
		return 0;
	}
	if (client && operation == EPOLL_CTL_ADD)
	{
		if (client->parked && is_drained(client))
		{
			client->parked = false;
			return 0;
		}
		/* A change has the set report the socket anew, if it is ready. */
		if (client->parked)
			operation = EPOLL_CTL_MOD;
		client->parked = false;
		clients_fd = epoll_fd;
		client->event_value = event->data;
		marked.events = event->events | EPOLLRDHUP;
		marked.data.u64 = MARK | (uint64_t) fd;
		event = &marked;
	}
	return library_epoll_ctl(epoll_fd, operation, fd, event);
}

/* Takes the event of a client's socket. Returns false if libmicrohttpd must not hear of it. */
static bool
take_event(struct epoll_event *event)
{
	Connection *client = connection_on((int) (event->data.u64 & ~MARK_BITS));

	if (client == NULL)
		return false;
	if (event->events & ~(uint32_t) EPOLLOUT)
		client->drained = false;
	if (event->events & ~(uint32_t) (EPOLLIN | EPOLLOUT))
		client->ended = true;
	event->data = client->event_value;
	return !client->parked;
}

int
epoll_wait(int epoll_fd, struct epoll_event *events, int size, int timeout)
{
	static WaitFunction library_function;
	int			count;
	int			kept = 0;

	if (library_function == NULL)
		library_function = (WaitFunction) dlsym(RTLD_NEXT, "epoll_wait");
	count = library_function(epoll_fd, events, size, timeout);
	for (int i = 0; i < count; i++)
	{
		struct epoll_event event = events[i];

		if ((event.data.u64 & MARK_BITS) != MARK || take_event(&event))
			events[kept++] = event;
	}
	return count < 0 ? count : kept;
}

ssize_t
recv(int fd, void *buffer, size_t length, int flags)
{
	Connection *client = connection_on(fd);
	ssize_t		received;

	if (client && client->state == CONNECTION_WAITING)
	{
		errno = EINTR;
		return -1;
	}
	if (client && is_drained(client))
	{
		errno = EAGAIN;
		return -1;
	}
	received = recvfrom(fd, buffer, length, flags, NULL, NULL);
	if (client)
	{
		client->drained = received >= 0 ? (size_t) received < length : errno == EAGAIN;
#if MHD_VERSION < 0x01000000
		if (received > 0 && memchr(buffer, '\0', received))
			client->has_nul = true;
#endif
	}
	return received;
}
