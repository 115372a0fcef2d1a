/*
 * endpoint.c
 *		The addresses to listen on.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/settings.h"
#include "http/endpoint.h"
#include "http/uri.h"

#define FIRST_INHERITED 3		/* SD_LISTEN_FDS_START */
#define ELEMENT_SIZE 160

static struct sockaddr_in *
ipv4(const Endpoint *endpoint)
{
	return (struct sockaddr_in *) &endpoint->address;
}

static struct sockaddr_in6 *
ipv6(const Endpoint *endpoint)
{
	return (struct sockaddr_in6 *) &endpoint->address;
}

static struct sockaddr_un *
local(const Endpoint *endpoint)
{
	return (struct sockaddr_un *) &endpoint->address;
}

static void
refuse(const char *element)
{
	log_event("cannot listen on %s: --listen takes addresses, such as 127.0.0.1, ::1, [::1]:8081 or /run/chatd/socket,"
			  " and --port the port of those that have none", element);
	exit(1);
}

static bool
parse_path(const char *path, Endpoint *endpoint)
{
	struct sockaddr_un *address = local(endpoint);

	if (strlen(path) >= sizeof(address->sun_path))
		return false;
	address->sun_family = AF_UNIX;
	strcpy(address->sun_path, path);
	endpoint->size = sizeof(*address);
	return true;
}

/*
 * Strips the port from an element, if it has one: ADDRESS:PORT, with brackets
 * around an IPv6 address.
 */
static bool
take_port(char *element, int *port)
{
	char	   *bracket = strchr(element, ']');
	char	   *colon = strrchr(element, ':');

	if (bracket)
		colon = bracket[1] == ':' ? bracket + 1 : NULL;
	else if (colon && strchr(element, ':') != colon)
		colon = NULL;			/* an IPv6 address */
	if (colon && !uri_number(colon + 1, strlen(colon + 1), 0, port))
		return false;
	if (colon)
		*colon = '\0';
	if (bracket)
	{
		if (*element != '[' || bracket[1] != '\0')
			return false;
		*bracket = '\0';
		memmove(element, element + 1, strlen(element));
	}
	return *port <= 65535;
}

static bool
parse_element(char *element, Endpoint *endpoint)
{
	int			port = settings.port;

	*endpoint = (Endpoint) {.shared_fd = -1};
	if (strchr(element, '/'))
		return parse_path(element, endpoint);
	if (!take_port(element, &port))
		return false;
	if (inet_pton(AF_INET, element, &ipv4(endpoint)->sin_addr) == 1)
	{
		endpoint->address.ss_family = AF_INET;
		endpoint->size = sizeof(struct sockaddr_in);
	}
	else if (inet_pton(AF_INET6, element, &ipv6(endpoint)->sin6_addr) == 1)
	{
		endpoint->address.ss_family = AF_INET6;
		endpoint->size = sizeof(struct sockaddr_in6);
	}
	else
		return false;
	endpoint_set_port(endpoint, port);
	return true;
}

/* Returns the number of sockets that the service manager has opened for this process. */
static int
count_inherited(void)
{
	const char *pid = getenv("LISTEN_PID");
	const char *count = getenv("LISTEN_FDS");
	int			inherited = pid && count && strtol(pid, NULL, 10) == getpid() ? atoi(count) : 0;

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return inherited;
}

static void
take_inherited(int fd, Endpoint *endpoint)
{
	*endpoint = (Endpoint) {.size = sizeof(endpoint->address), .shared_fd = fd};
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
		getsockname(fd, (struct sockaddr *) &endpoint->address, &endpoint->size) < 0)
	{
		log_event("cannot use the socket %d of the service manager: %s", fd, strerror(errno));
		exit(1);
	}
}

int
endpoints_read(Endpoint endpoints[ENDPOINTS_MAX])
{
	int			count = count_inherited();
	const char *list = settings.listen;

	if (count > ENDPOINTS_MAX)
		count = ENDPOINTS_MAX;
	for (int i = 0; i < count; i++)
		take_inherited(FIRST_INHERITED + i, &endpoints[i]);
	if (count > 0)
		return count;

	while (*list)
	{
		size_t		length = strcspn(list, ",");
		char		element[ELEMENT_SIZE];

		snprintf(element, sizeof(element), "%.*s", (int) length, list);
		if (count == ENDPOINTS_MAX || length >= sizeof(element) || !parse_element(element, &endpoints[count++]))
			refuse(element);
		list += length + (list[length] == ',');
	}
	if (count == 0)
		refuse("nothing");
	return count;
}

bool
endpoint_is_local(const Endpoint *endpoint)
{
	switch (endpoint->address.ss_family)
	{
		case AF_UNIX:
			return true;
		case AF_INET:
			return ntohl(ipv4(endpoint)->sin_addr.s_addr) >> 24 == 127;
		default:
			return IN6_IS_ADDR_LOOPBACK(&ipv6(endpoint)->sin6_addr);
	}
}

void
endpoint_name(const Endpoint *endpoint, char name[ENDPOINT_NAME_SIZE])
{
	char		address[INET6_ADDRSTRLEN] = "?";

	if (endpoint->address.ss_family == AF_UNIX)
	{
		snprintf(name, ENDPOINT_NAME_SIZE, "%s", local(endpoint)->sun_path);
		return;
	}
	if (endpoint->address.ss_family == AF_INET)
		inet_ntop(AF_INET, &ipv4(endpoint)->sin_addr, address, sizeof(address));
	else
		inet_ntop(AF_INET6, &ipv6(endpoint)->sin6_addr, address, sizeof(address));
	snprintf(name, ENDPOINT_NAME_SIZE, "%s port %d", address, endpoint_port(endpoint));
}

int
endpoint_port(const Endpoint *endpoint)
{
	if (endpoint->address.ss_family == AF_UNIX)
		return 0;
	/* The port is at the same offset in both kinds of addresses. */
	return ntohs(ipv4(endpoint)->sin_port);
}

void
endpoint_set_port(Endpoint *endpoint, int port)
{
	if (endpoint->address.ss_family == AF_INET)
		ipv4(endpoint)->sin_port = htons((uint16_t) port);
	else if (endpoint->address.ss_family == AF_INET6)
		ipv6(endpoint)->sin6_port = htons((uint16_t) port);
}
