/*
 * listener.h
 *		The listening sockets of all loops.
 */
#ifndef CHATD_LISTENER_H
#define CHATD_LISTENER_H

#include "http/endpoint.h"

#define LISTEN_BACKLOG 1024

/* The listening sockets of one loop, one for each endpoint. */
typedef struct Listeners
{
	int			fds[ENDPOINTS_MAX];
	int			count;
} Listeners;

/*
 * Opens sockets that listen on the endpoints, for a loop. A port 0 becomes a free one, which
 * the endpoint then has. On a port, each loop has a socket of its own; it may have been
 * opened for another loop of this chatd before or, if shared, for another chatd. Other sockets
 * are the same ones in all loops. Exits on failure.
 */
extern Listeners listeners_open(Endpoint *endpoints, int count, bool shared);

/* Closes them. */
extern void listeners_close(const Listeners *listeners);

/* Takes away what the sockets of Unix have left in directories. */
extern void listeners_remove(const Endpoint *endpoints, int count);

#endif
