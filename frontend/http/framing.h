/*
 * framing.h
 *		Refuses requests whose framing is ambiguous.
 */
#ifndef CHATD_FRAMING_H
#define CHATD_FRAMING_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

/* The headers that chatd heeds. Texts are in libmicrohttpd's buffer; NULL: none. */
typedef struct Headers
{
	const char *host;
	const char *content_type;
	const char *authorization;
	const char *origin;
	const char *fetch_site;		/* Sec-Fetch-Site */
	const char *preflight;		/* Access-Control-Request-Method */
	const char *idempotency_key;
	const char *if_match;
	const char *commit_lsn;		/* Commit-LSN */
	const char *accept;			/* this and the next: "" if there are several */
	const char *request_id;		/* X-Request-Id */
	bool		encoded;		/* by a Content-Encoding */
	uint64_t	content_length;
	bool		chunked;
	bool		expects_continue;
} Headers;

/* Why a request is refused, and the status to respond with; 0: it is not. */
typedef struct Refusal
{
	unsigned	status;
	const char *reason;
} Refusal;

/*
 * Checks the request line and the raw headers. received points at the target in
 * libmicrohttpd's buffer, which may have been overwritten since. Sets headers if the request
 * is not refused. If it is, the connection must be closed after the response, as the bytes
 * that follow may belong to the request.
 */
extern Refusal framing_check(struct MHD_Connection *connection, const char *method,
							 const char *target, const char *received, const char *version,
							 Headers *headers);

#endif
