/*
 * response.h
 *		The ways to respond to a request. Every body is JSON, but for streams of events, and what says otherwise.
 *
 * A request gets one response. If its connection is suspended, the response resumes it. If
 * there is no memory for a response, the connection is closed.
 */
#ifndef CHATD_RESPONSE_H
#define CHATD_RESPONSE_H

#include "http/request.h"

/* Responds with JSON that is complete, and takes it over. */
extern void respond_json(Request *request, unsigned status, Json *json);

/* Responds with a body that is complete already, malloc'ed, which is taken over; NULL without memory for it. */
extern void respond_text(Request *request, unsigned status, char *body);

/*
 * Responds with 200 and a malloc'ed body, which is taken over; NULL if there was no
 * memory for it. link is the Link header, or NULL. Responds with 503 instead if responses
 * that clients have yet to take exceed the bound.
 */
extern void respond_ok(Request *request, char *body, const char *link);

/* Responds with 204. */
extern void respond_no_content(Request *request);

/*
 * Responds with {"error": ...}. If it is to be a stream of events, a status that asks
 * to come again, 503 or 429, becomes a stream that does: see events.h.
 */
extern void respond_error(Request *request, unsigned status, const char *format,...)
			__attribute__((format(printf, 3, 4)));

/*
 * Responds with 503, Retry-After and {"error": text}. Clients repeat such a request by
 * themselves, so it must have had no effect.
 */
extern void respond_unavailable(Request *request, const char *text);

/* Responds with 422 and {field: [predicate]}. */
extern void respond_invalid(Request *request, const char *field, const char *predicate);

/* Responds with 405, or to OPTIONS with 204; methods is the Allow header. */
extern void respond_allow(Request *request, unsigned status, const char *methods);

/* Responds with a whole stream of events, malloc'ed, which is taken over; NULL: the connection is closed. */
extern void respond_events(Request *request, char *events);

/*
 * Instead of a response, has the client's socket taken over: take is called with a
 * descriptor for it, which is the callee's, or -1 if there is none, and with the headers that
 * the response is to have besides its own: lines that end in CR LF. The connection ends for
 * libmicrohttpd, the request after the call, and nothing is read from the socket any more.
 */
extern void respond_taken(Request *request, void (*take) (Request *request, int fd, const char *headers));

/* The headers of the response, as such lines; malloc'ed, NULL if out of memory. */
extern char *response_headers(Request *request);

/* Adds a header to the response, if there is one. */
extern void response_header(Request *request, const char *name, const char *value);

/* A header of the response; NULL if it has none of the name. */
extern const char *response_header_of(const Request *request, const char *name);

/*
 * Has the response, which is yet to come, wait for a while, see pause.h. Only that to a client that
 * asks before it sends its body does not wait: it costs the client a connection.
 */
extern void response_pause(Request *request);

/* Closes the connection after the response. */
extern void response_close(Request *request);

/* Adds the header Keep-Alive with the idle timeout, or Connection if it is closed after the response. */
extern void response_finish(Request *request);

/* Frees the response, if there is one. */
extern void response_free(Request *request);

#endif
