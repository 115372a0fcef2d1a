/*
 * audience.h
 *		A client that is to follow chats: its socket, and what it may do.
 */
#ifndef CHATD_AUDIENCE_H
#define CHATD_AUDIENCE_H

#include <stdbool.h>

#include "access/grant.h"
#include "http/share.h"

/* Chats of one stream, at most. */
#define STREAM_CHATS 256

/* It is valid during a call; the socket alone is taken over. */
typedef struct Audience
{
	int			fd;
	const char *headers;		/* of the response, lines that end in CR LF */
	Share	   *share;			/* of the client's address */
	Grant	   *grant;			/* NULL: it needs none */
	bool		wants_problems; /* errors as RFC 9457 has them */
	int			application;	/* its id, and its token */
	const char *token;
	size_t		token_length;
} Audience;

#endif
