/*
 * service_manager.c
 *		Notifications to a service manager, as systemd expects them for
 *		Type=notify.
 *
 * The protocol is that of sd_notify(3): a datagram to the socket named by
 * NOTIFY_SOCKET, in which a leading @ stands for the zero byte of an abstract
 * address.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/service_manager.h"

void
service_manager_tell(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t		length = path ? strlen(path) : 0;
	int			fd;

	if (length < 2 || length >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, length);
	if (*path == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *) &address,
		   (socklen_t) (offsetof(struct sockaddr_un, sun_path) + length));
	close(fd);
}
