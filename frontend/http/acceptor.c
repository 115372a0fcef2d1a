/*
 * acceptor.c
 *		Accepts connections for libmicrohttpd.
 *
 * Its daemon takes one listening socket, and chatd may have several: so they
 * are watched here, and the daemon is given the connections. If there is no
 * room for another connection, or no descriptor, clients wait in the backlog
 * until a connection ends.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/loop.h"
#include "common/settings.h"
#include "http/acceptor.h"
#include "http/daemon.h"

#define ACCEPTED_PER_TURN 64	/* of one socket, before it is the turn of others */

static struct MHD_Daemon *daemon_of_all;
static Listeners listening;
static Watcher watchers[ENDPOINTS_MAX];
static bool paused;

static bool
has_room(void)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon_of_all, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

	return info && info->num_connections < (unsigned) settings.max_connections;
}

static void
pause_all(void)
{
	for (int i = 0; i < listening.count; i++)
		loop_unwatch(&watchers[i]);
	paused = true;
}

/* Accepts a connection. Returns false if there is none, or no room. */
static bool
accept_one(int fd)
{
	struct sockaddr_storage address;
	socklen_t	size = sizeof(address);
	int			accepted;

	if (!has_room())
	{
		pause_all();
		return false;
	}
	accepted = accept4(fd, (struct sockaddr *) &address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (accepted < 0)
	{
		/* Without a free descriptor or memory, the socket would be ready again at once. */
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			pause_all();
		return errno == EINTR || errno == ECONNABORTED;
	}
	/* The daemon closes the socket if it does not take it. */
	MHD_add_connection(daemon_of_all, accepted, (struct sockaddr *) &address, size);
	daemon_wake();
	return true;
}

static void
on_ready(void *owner, uint32_t events)
{
	Watcher    *watcher = owner;
	int			fd = watcher->fd;

	(void) events;
	for (int i = 0; i < ACCEPTED_PER_TURN && accept_one(fd); i++)
		;
}

static void
watch_all(void)
{
	paused = false;
	for (int i = 0; i < listening.count; i++)
		loop_watch(&watchers[i], listening.fds[i], EPOLLIN);
}

void
acceptor_open(struct MHD_Daemon *daemon, const Listeners *listeners)
{
	daemon_of_all = daemon;
	listening = *listeners;
	for (int i = 0; i < listening.count; i++)
		watchers[i] = (Watcher) {.fd = -1, .ready = on_ready, .owner = &watchers[i]};
	watch_all();
}

void
acceptor_resume(void)
{
	if (paused)
		watch_all();
}

void
acceptor_close(void)
{
	for (int i = 0; i < listening.count; i++)
	{
		for (int n = 0; n < LISTEN_BACKLOG && accept_one(listening.fds[i]); n++)
			;
		loop_unwatch(&watchers[i]);
		close(listening.fds[i]);
	}
	listening.count = 0;
	paused = false;
}
