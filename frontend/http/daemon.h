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

/* Runs a started daemon in the loop from now on; acceptor.c gives it connections. */
extern void daemon_open(struct MHD_Daemon *daemon);

/* Resumes a suspended connection in the next daemon_run(). */
extern void daemon_resume(struct MHD_Connection *connection);

/* Makes the next daemon_run() do work, although no event announces it. */
extern void daemon_wake(void);

/* Is there work that no event will announce? */
extern bool daemon_is_busy(void);

/* At the end of an iteration of the loop: lets the daemon work, if it has to. */
extern void daemon_run(void);

/* Has each connection end with its response. */
extern void daemon_stop(void);

/* Has daemon_stop() been called? */
extern bool daemon_is_stopping(void);

/* Ends the daemon; no connection may be suspended. */
extern void daemon_close(void);

#endif
