/*
 * guard.h
 *		Refuses requests whose limits on the wire could be read in two ways.
 */
#ifndef CHATD_GUARD_H
#define CHATD_GUARD_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

/* What the rest of chatd needs of the headers. */
typedef struct Headers
{
	const char *content_type;	/* NULL: none; libmicrohttpd's */
	uint64_t	content_length;
	bool		chunked;
	bool		expects_continue;
} Headers;

/* A refusal; status 0 is none. */
typedef struct Refusal
{
	unsigned	status;
	const char *reason;
} Refusal;

/*
 * Looks at the request line and the raw headers. received is where
 * libmicrohttpd has the target, of which it may have changed the bytes since.
 * The headers are filled in if there is no refusal; after a refusal the
 * connection must be closed.
 */
extern Refusal guard_check(struct MHD_Connection *connection, const char *method,
						   const char *target, const char *received, const char *version,
						   Headers *headers);

#endif
