/*
 * http_client.h
 *	  A client for HTTP and HTTPS: see http_client.c.
 */
#ifndef PG_CHAT_HTTP_CLIENT_H
#define PG_CHAT_HTTP_CLIENT_H

#include "common/http_request.h"

extern MemoryContext http_context(void);
extern HttpRequest *http_begin(const HttpTarget *target, const char *method, const char *path,
							   StringInfo body, const char *content_type,
							   long timeout_ms, Size answer_max);
extern HttpRequest *http_refuse(StringInfo body, const char *error);
extern void http_wait(long timeout_ms);
extern void http_end(HttpRequest *request);
extern void http_free_body(StringInfo body);

#endif							/* PG_CHAT_HTTP_CLIENT_H */
