/*
 * daemon.c
 *		libmicrohttpd's daemon inside the event loop.
 *
 * The daemon keeps its connections in an epoll set of its own. The descriptor of
 * that set is one of those that the loop watches.
 */
#include <sys/epoll.h>

#include "common/loop.h"
#include "http/daemon.h"

static struct MHD_Daemon *running;
static Watcher watcher = {.fd = -1};
static bool events_pending;		/* the daemon has something to do */
static bool stopping;

static void
on_events(void *unused, uint32_t events)
{
	(void) unused;
	(void) events;
	events_pending = true;
}

void
daemon_open(struct MHD_Daemon *daemon)
{
	running = daemon;
	watcher.ready = on_events;
	loop_watch(&watcher, MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, EPOLLIN);
	events_pending = true;
}

void
daemon_wake(void)
{
	events_pending = true;
}

void
daemon_resume(struct MHD_Connection *connection)
{
	MHD_resume_connection(connection);
	daemon_wake();
}

bool
daemon_is_busy(void)
{
	MHD_UNSIGNED_LONG_LONG timeout;

	/* connection.c enforces timeouts, so the only timeout that matters here is 0. */
	return events_pending || (MHD_get_timeout(running, &timeout) == MHD_YES && timeout == 0);
}

void
daemon_run(void)
{
	if (!daemon_is_busy())
		return;
	events_pending = false;
	MHD_run(running);
}

void
daemon_stop(void)
{
	stopping = true;
	events_pending = true;
}

bool
daemon_is_stopping(void)
{
	return stopping;
}

void
daemon_close(void)
{
	MHD_run(running);
	loop_unwatch(&watcher);
	MHD_stop_daemon(running);
}
