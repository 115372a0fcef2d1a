/*
 * response.h
 *		The ways to respond to a request. Every body is JSON.
 *
 * A request gets one response. If its connection is suspended, the response
 * resumes it. Without memory for a response the connection is closed.
 */
#ifndef CHATD_RESPONSE_H
#define CHATD_RESPONSE_H

#include "http/request.h"

/* Responds with an object or an array, whose reference is taken over. */
extern void respond_json(Request *request, unsigned status, json_t *body);

/*
 * Responds with 200 and a body that is JSON already, malloc'ed, which is taken
 * over; NULL if there was no memory for it. link is the Link header, or NULL.
 * Responds with 503 instead if clients have yet to take too much.
 */
extern void respond_ok(Request *request, char *body, const char *link);

/* Responds with 204. */
extern void respond_no_content(Request *request);

/* Responds with {"error": ...}. */
extern void respond_error(Request *request, unsigned status, const char *format,...)
			__attribute__((format(printf, 3, 4)));

/*
 * Responds with 503, Retry-After and {"error": text}. Clients send the request again
 * by themselves: what it asked for must not have been done.
 */
extern void respond_unavailable(Request *request, const char *text);

/*
 * Responds with 424 and {"error": text}: what the request asked for may have been done
 * or not. No client that we know sends a request again by itself after this status;
 * 408, 429 and each that begins with 5 are repeated by some.
 */
extern void respond_unknown(Request *request, const char *text);

/* Responds with 422 and {"field": ["predicate"]}. */
extern void respond_invalid(Request *request, const char *field, const char *predicate);

/* Responds with 405, or to OPTIONS with 204; methods is the Allow header. */
extern void respond_allow(Request *request, unsigned status, const char *methods);

/* Adds a header to the response, if there is one. */
extern void response_header(Request *request, const char *name, const char *value);

/* Has the connection closed after the response, if there is one. */
extern void response_close(Request *request);

/* Says how long the connection may be idle, unless it is closed after the response. */
extern void response_keep_alive(Request *request);

/* Frees the response, if there is one. */
extern void response_free(Request *request);

#endif
