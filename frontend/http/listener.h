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
 * Opens the listening sockets of a loop. A port 0 is replaced by a free one, in
 * the endpoint, too. For a port, each loop has a socket of its own; another
 * loop of this chatd or, if shared, another chatd may already have one. Other
 * sockets are shared by all loops. Exits on failure.
 */
extern Listeners listeners_open(Endpoint *endpoints, int count, bool shared);

/* Closes the sockets. */
extern void listeners_close(const Listeners *listeners);

/* Removes the files of sockets of Unix. */
extern void listeners_remove(const Endpoint *endpoints, int count);

#endif
