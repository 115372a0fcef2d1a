/*
 * listener.h
 *		The listening socket.
 */
#ifndef CHATD_LISTENER_H
#define CHATD_LISTENER_H

#include <stdbool.h>

#define LISTEN_BACKLOG 1024

/*
 * Opens a socket that listens on the address of the settings and on a port, or on any free
 * one if that is 0. If shared, other sockets that this function has opened, in any chatd,
 * may listen on the port as well. Exits on failure.
 */
extern int	listener_open(int port, bool shared);

/* The port that a socket listens on. */
extern int	listener_port(int listen_fd);

#endif
