/*
 * endpoint.h
 *		The addresses to listen on.
 *
 * They are those of the setting listen or, where the service manager has opened sockets
 * (systemd's LISTEN_FDS), those sockets'.
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
	bool		created;		/* it is a socket of Unix that this chatd has made */
} Endpoint;

/* Reads the settings. Returns how many there are. Exits with a message if one is invalid. */
extern int	endpoints_read(Endpoint endpoints[ENDPOINTS_MAX]);

/* Is only this machine behind it: loopback, or a socket of Unix? */
extern bool endpoint_is_local(const Endpoint *endpoint);

/* What it is called: "127.0.0.1 port 8080", or a path. */
extern void endpoint_name(const Endpoint *endpoint, char name[ENDPOINT_NAME_SIZE]);

/* The port of an endpoint; 0 for a socket of Unix. */
extern int	endpoint_port(const Endpoint *endpoint);

/* Gives an endpoint another port; a socket of Unix has none. */
extern void endpoint_set_port(Endpoint *endpoint, int port);

#endif
