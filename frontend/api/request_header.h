/*
 * request_header.h
 *		The headers of a request that its handler heeds, Idempotency-Key and If-Match, and those of
 *		the response that belong to them.
 */
#ifndef CHATD_REQUEST_HEADER_H
#define CHATD_REQUEST_HEADER_H

#include "http/request.h"

/*
 * Returns the key by which the request is executed once, in *key, NULL if it has none. If the
 * header is malformed, responds and returns false. The key is valid as long as the request.
 */
extern bool request_key(Request *request, const char **key);

/* Adds the key, or null, as the next parameter of the call's query, which can be repeated if there is one. */
extern void request_add_key(Request *request, const char *key);

/* Adds the entity tag of a message with this revision to the response, if there is one. */
extern void response_tag(Request *request, int revision);

/* Adds to the response that the request was executed before, by its key, if it was. */
extern void response_replayed(Request *request, bool replayed);

/*
 * Returns the number in the header If-Match, in *number, -1 if there is none. If the header is
 * malformed, responds and returns false.
 */
extern bool request_if_match(Request *request, int *number);

#endif
