/*
 * http_request.h
 *	  An HTTP request: whom it asks, and the answer.
 */
#ifndef PG_CHAT_HTTP_REQUEST_H
#define PG_CHAT_HTTP_REQUEST_H

#include "postgres.h"

#include "lib/stringinfo.h"

/* The server to ask. Optional members are NULL if not used. */
typedef struct HttpTarget
{
	char	   *base_url;		/* scheme://host[:port][/path], no slash at the end */
	char	   *host;			/* an IPv6 address in brackets */
	int			port;
	char	   *user;			/* for Basic authentication */
	char	   *password;
	char	   *authorization;	/* another kind: the whole header line */
	char	   *ca_file;		/* trusted certificates, PEM; NULL: the system's */
} HttpTarget;

/* A request that http_begin() made; all but done is valid once that is set. */
typedef struct HttpRequest
{
	bool		done;
	const char *error;			/* why there is no complete answer; NULL: there is one */
	int			status;			/* HTTP status of the answer, such as 200 */
	StringInfoData answer;		/* body of the answer, NUL-terminated */
} HttpRequest;

#endif							/* PG_CHAT_HTTP_REQUEST_H */
