/*
 * daemon.h
 *		libmicrohttpd's daemon inside the event loop.
 *
 * A connection whose request waits for the database is suspended: libmicrohttpd
 * neither reads from it nor ends it until it is resumed.
 */
#ifndef CHATD_DAEMON_H
#define CHATD_DAEMON_H

#include <microhttpd.h>
#include <stdbool.h>

/* Runs a started daemon in the loop from now on; it accepts from listen_fd. */
extern void daemon_open(struct MHD_Daemon *daemon, int listen_fd);

/* Resumes a suspended connection in the next daemon_run(). */
extern void daemon_resume(struct MHD_Connection *connection);

/* Makes the next daemon_run() do work, although no event announces it. */
extern void daemon_wake(void);

/* Is there work that no event will announce? */
extern bool daemon_is_busy(void);

/* At the end of an iteration of the loop: lets the daemon work, if it has to. */
extern void daemon_run(void);

/* Accepts the connections that are already established, and none after that. */
extern void daemon_stop(void);

/* Has daemon_stop() been called? */
extern bool daemon_is_stopping(void);

/* Ends the daemon; no connection may be suspended. */
extern void daemon_close(void);

#endif
