/*
 * received.c
 *		Finds what libmicrohttpd 0.9.75 hides of the bytes that it received.
 *
 * It parses in place and overwrites the end of each line with NULs, so that a line
 * which ended in NUL LF looks as if it had ended in CR LF, and framing.c cannot
 * tell. The definition of recv() here takes the place of the C library's in the
 * program, so that the library calls it, and looks at the bytes as they come.
 *
 * Whether the NUL was in a head or in a body is not known. No valid body has a NUL
 * either, so that the request is refused, or the connection is closed after it.
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
	const char *bytes = buffer;

	if (client == NULL)
		return received;
	if ((client->ends_in_nul && bytes[0] == '\n') || memmem(bytes, received, "\0\n", 2))
		client->has_nul_line = true;
	client->ends_in_nul = bytes[received - 1] == '\0';
	return received;
}
#endif
