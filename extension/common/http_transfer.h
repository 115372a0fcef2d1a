/*
 * http_transfer.h
 *	  One HTTP request as libcurl executes it: see http_transfer.c.
 */
#ifndef PG_CHAT_HTTP_TRANSFER_H
#define PG_CHAT_HTTP_TRANSFER_H

#include "postgres.h"

#include <curl/curl.h>

#include "common/http_request.h"

/* A request and its resources. All of it is in its context, except for libcurl's. */
typedef struct HttpTransfer
{
	HttpRequest request;		/* must be the first */
	MemoryContext context;
	CURL	   *easy;
	struct curl_slist *headers;
	struct curl_slist *address;
	StringInfo	body;			/* NULL: none */
	Size		answer_max;		/* bytes */
	Size		header_bytes;	/* received, including those of 1xx answers */
	char		refusal[64];	/* why the answer was refused; empty: it was not */
	char		message[CURL_ERROR_SIZE];
} HttpTransfer;

extern HttpTransfer *http_transfer_create(MemoryContext parent, StringInfo body, Size answer_max);
extern const char *http_transfer_start(HttpTransfer *transfer, const HttpTarget *target, const char *address,
									   const char *method, const char *path, const char *content_type,
									   long timeout_ms);
extern HttpTransfer *http_transfer_of(CURL *easy);
extern const char *http_transfer_error(const HttpTransfer *transfer, CURLcode code);
extern void http_transfer_free(HttpTransfer *transfer);

#endif							/* PG_CHAT_HTTP_TRANSFER_H */
