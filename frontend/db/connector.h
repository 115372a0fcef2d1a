/*
 * connector.h
 *		Connects to PostgreSQL without blocking the event loop.
 */
#ifndef CHATD_CONNECTOR_H
#define CHATD_CONNECTOR_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "common/loop.h"

/* Embedded in the struct that it serves. Initialize with done and owner, the rest zeroed. */
typedef struct Connector
{
	/* Takes over the connection, established or failed; NULL if out of memory. */
	void		(*done) (void *owner, PGconn *connection);
	void	   *owner;
	bool		standby;		/* connects to one, as settings.database_read says */
	Watcher		watcher;
	PGconn	   *connection;
} Connector;

/*
 * Begins to connect as the settings say; done is called from the loop, after this has
 * returned. Returns false, with errno set, if the attempt could not be started.
 */
extern bool connector_start(Connector *connector);

/* Is any attempt to connect under way, in a thread that cannot be aborted? */
extern bool connector_is_running(void);

#endif
