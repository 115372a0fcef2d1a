/*
 * http_client.h
 *	  A client for HTTP and HTTPS: see http_client.c.
 */
#ifndef PG_CHAT_HTTP_CLIENT_H
#define PG_CHAT_HTTP_CLIENT_H

#include "postgres.h"

#include "lib/stringinfo.h"

/* Whom to ask. Parts that it does not have are NULL. */
typedef struct HttpTarget
{
	char	   *base_url;		/* scheme://host[:port][/path], without a slash at its end */
	char	   *host;			/* an IPv6 address has its brackets */
	int			port;
	char	   *user;			/* of Basic authentication */
	char	   *password;
	char	   *authorization;	/* another one: the whole header line */
	char	   *ca_file;		/* certificates to trust, PEM; NULL: the system's */
} HttpTarget;

typedef struct HttpRequest
{
	bool		done;
	const char *error;			/* why there is no (whole) answer; NULL: there is one */
	int			status;			/* of the answer, such as 200 */
	StringInfoData answer;		/* its body, NUL-terminated */
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
