/*
 * server.h
 *		libmicrohttpd inside the event loop.
 */
#ifndef CHATD_SERVER_H
#define CHATD_SERVER_H

#include <microhttpd.h>
#include <stdbool.h>

/* Memory of a connection: its request line and headers, and its answer's headers. */
#define CONNECTION_MEMORY (32 * 1024)

/*
 * Opens a socket that listens where the settings say, on the port given; with
 * shared, others may listen on the same port. Ends the process on failure.
 */
extern int	server_listen(int port, bool shared);

/* The port on which a socket listens. */
extern int	server_port(int listen_fd);

/* Serves a socket from now on. Ends the process on failure. */
extern void server_open(int listen_fd);

/* Lets a suspended connection go on in the next server_turn(). */
extern void server_resume(struct MHD_Connection *connection);

/* Has libmicrohttpd work in the next turn, though no event may tell. */
extern void server_wake(void);

/* Is there work that does not wait for an event? */
extern bool server_is_busy(void);

/* At the end of a turn: lets libmicrohttpd work, if there is anything to do. */
extern void server_turn(void);

/* Accepts what has already connected, and nothing more. */
extern void server_stop(void);
extern bool server_is_stopping(void);

/* Ends the server; no connection may be suspended. */
extern void server_close(void);

#endif
