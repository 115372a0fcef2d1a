/*
 * http_client.h
 *	  A client for HTTP and HTTPS: see http_client.c.
 */
#ifndef PG_CHAT_HTTP_CLIENT_H
#define PG_CHAT_HTTP_CLIENT_H

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

extern MemoryContext http_context(void);
extern HttpRequest *http_begin(const HttpTarget *target, const char *method, const char *path,
							   StringInfo body, const char *content_type,
							   long timeout_ms, Size answer_max);
extern HttpRequest *http_refuse(StringInfo body, const char *error);
extern void http_wait(long timeout_ms);
extern void http_end(HttpRequest *request);
extern void http_free_body(StringInfo body);

#endif							/* PG_CHAT_HTTP_CLIENT_H */
