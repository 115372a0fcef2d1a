/*
 * endpoint.h
 *		The addresses to listen on.
 *
 * They come from the setting listen or, if the service manager has opened
 * sockets (LISTEN_FDS of systemd), from those.
 */
#ifndef CHATD_ENDPOINT_H
#define CHATD_ENDPOINT_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#define ENDPOINTS_MAX 16
#define ENDPOINT_NAME_SIZE (sizeof(((struct sockaddr_un *) NULL)->sun_path) + 32)

typedef struct Endpoint
{
	struct sockaddr_storage address;
	socklen_t	size;
	int			shared_fd;		/* the socket that all loops share, if it is open; else -1 */
	bool		created;		/* a socket of Unix that this chatd has created */
} Endpoint;

/* Reads the settings. Returns the number of endpoints. Exits with a message if one is invalid. */
extern int	endpoints_read(Endpoint endpoints[ENDPOINTS_MAX]);

/* Returns whether only this machine can reach it: loopback, or a socket of Unix. */
extern bool endpoint_is_local(const Endpoint *endpoint);

/* Writes the name of an endpoint: "127.0.0.1 port 8080", or a path. */
extern void endpoint_name(const Endpoint *endpoint, char name[ENDPOINT_NAME_SIZE]);

/* Returns the port of an endpoint, or 0 for a socket of Unix. */
extern int	endpoint_port(const Endpoint *endpoint);

/* Sets the port of an endpoint, unless it is a socket of Unix. */
extern void endpoint_set_port(Endpoint *endpoint, int port);

#endif
