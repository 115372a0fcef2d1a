/*
 * received.c
 *		Finds NULs that libmicrohttpd 0.9.75 hides in what it received.
 *
 * It parses in place and ends each line with a NUL, so that a NUL that was sent can
 * hide a line's wrong end from framing.c: NUL LF looks like CR LF, and a line that
 * begins with a NUL like an empty one. The definition of recv() here takes the place
 * of the C library's in the program, so that the library calls it, and looks at the
 * bytes as they come.
 *
 * It is not known whether a NUL was in a head or in a body. No valid body has one either:
 * the request is refused, or the connection closed after it.
 */
#include <microhttpd.h>
#include <string.h>
#include <sys/socket.h>

#include "http/connection.h"

#if MHD_VERSION < 0x01000000
ssize_t
recv(int fd, void *buffer, size_t length, int flags)
{
	ssize_t		received = recvfrom(fd, buffer, length, flags, NULL, NULL);
	Connection *client = received > 0 ? connection_on(fd) : NULL;

	if (client && memchr(buffer, '\0', received))
		client->has_nul = true;
	return received;
}
#endif
