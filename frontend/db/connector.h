/*
 * connector.h
 *		Connects to PostgreSQL without blocking the event loop.
 */
#ifndef CHATD_CONNECTOR_H
#define CHATD_CONNECTOR_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "common/loop.h"

/* Initialize with done and owner. It is embedded in the struct that it serves. */
typedef struct Connector
{
	/* The connection, established or failed, which the callee takes over; NULL without memory. */
	void		(*done) (void *owner, PGconn *connection);
	void	   *owner;
	Watcher		watcher;
	PGconn	   *connection;
} Connector;

/*
 * Begins to connect by the settings; done is called in the loop, after this has
 * returned. Returns false if that is not possible, with errno set.
 */
extern bool connector_start(Connector *connector);

/* Is any attempt to connect under way, in a thread that nothing can end? */
extern bool connector_is_running(void);

#endif
