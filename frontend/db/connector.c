/*
 * connector.c
 *		Connects to PostgreSQL without blocking the event loop.
 *
 * libpq can connect asynchronously, but some steps still block, for minutes at worst: it
 * asks name servers, reads service, password and certificate files, looks the user up and
 * talks to Kerberos. So each attempt to connect is made in a thread of its own, which
 * hands the connection over by a descriptor that the loop watches, and ends. An attempt
 * cannot be aborted; a connector has one at a time, so that they do not pile up.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/settings.h"
#include "db/connector.h"

static int	running;			/* attempts under way, in all connectors */

/* The thread's main function. */
static void *
connect_to_database(void *owner)
{
	/* dbname overrides the keywords before it, and those after it override dbname. */
	static const char *const keywords[] = {
		"tcp_user_timeout", "keepalives_idle", "keepalives_interval", "connect_timeout",
		"fallback_application_name", "target_session_attrs", "dbname", "client_encoding", NULL
	};
	Connector  *connector = owner;
	const char *const values[] = {
		"10000", "10", "5", "5", "chatd", connector->standby ? "standby" : NULL,
		connector->standby ? settings.database_read : settings.database, "UTF8", NULL
	};
	uint64_t	done = 1;

	connector->connection = PQconnectdbParams(keywords, values, 1);
	/* From here on the loop may use the connector again. */
	if (write(connector->watcher.fd, &done, sizeof(done)) < 0)
		PQfinish(connector->connection);
	return NULL;
}

static void
on_done(void *owner, uint32_t events)
{
	Connector  *connector = owner;
	int			fd = connector->watcher.fd;
	uint64_t	done;

	(void) events;
	if (read(fd, &done, sizeof(done)) < 0)
		return;
	loop_unwatch(&connector->watcher);
	close(fd);
	running--;
	connector->done(connector->owner, connector->connection);
}

bool
connector_start(Connector *connector)
{
	int			fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_t	thread;

	if (fd < 0)
		return false;
	connector->watcher = (Watcher) {.fd = -1, .ready = on_done, .owner = connector};
	loop_watch(&connector->watcher, fd, EPOLLIN);
	errno = pthread_create(&thread, NULL, connect_to_database, connector);
	if (errno == 0)
	{
		pthread_detach(thread);
		running++;
		return true;
	}
	loop_unwatch(&connector->watcher);
	close(fd);
	return false;
}

bool
connector_is_running(void)
{
	return running > 0;
}
