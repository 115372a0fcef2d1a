/*
 * listener.h
 *		The listening socket.
 */
#ifndef CHATD_LISTENER_H
#define CHATD_LISTENER_H

#include <stdbool.h>

#define LISTEN_BACKLOG 1024

/*
 * Opens a socket that listens on the address of the settings and on a port; 0
 * takes any free one. If shared, others may listen on that port already, that is sockets
 * that this function has opened. Exits on failure.
 */
extern int	listener_open(int port, bool shared);

/* The port that a socket listens on. */
extern int	listener_port(int listen_fd);

#endif
