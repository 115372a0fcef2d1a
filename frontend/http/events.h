/*
 * events.h
 *		What the HTTP server says in a stream of Server-Sent Events (WHATWG).
 *
 * An EventSource comes again when its stream ends, and never after a status other than
 * 200. So a stream that cannot be had now is one that says so, and ends.
 */
#ifndef CHATD_EVENTS_H
#define CHATD_EVENTS_H

/* When a client is to come again, ms: at random, so that those who went together do not come together. */
extern int	events_retry(void);

/* A stream that says what is the matter; malloc'ed, NULL if out of memory. */
extern char *events_unavailable(const char *text);

#endif
