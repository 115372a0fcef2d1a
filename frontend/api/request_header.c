/*
 * request_header.c
 *		The headers of a request that its handler heeds, Idempotency-Key and If-Match, and those of
 *		the response that belong to them.
 */
#include <stdio.h>
#include <string.h>

#include "api/call.h"
#include "api/request_header.h"
#include "http/header_value.h"
#include "http/response.h"

bool
request_key(Request *request, const char **key)
{
	char	   *text = call_of(request)->key;

	*key = NULL;
	if (request->headers.idempotency_key == NULL)
		return true;
	if (!header_string(request->headers.idempotency_key, text, KEY_LENGTH_MAX))
	{
		respond_error(request, MHD_HTTP_BAD_REQUEST,
					  "The header Idempotency-Key must be a string of 1 to %d printable ASCII characters, in double quotes.",
					  KEY_LENGTH_MAX);
		return false;
	}
	*key = text;
	return true;
}

void
request_add_key(Request *request, const char *key)
{
	call_add_text(request, key, key ? strlen(key) : 0);
	call_of(request)->query.repeatable = key != NULL;
}

void
response_replayed(Request *request, bool replayed)
{
	if (replayed)
		response_header(request, "Idempotent-Replayed", "true");
}

void
response_tag(Request *request, int revision)
{
	char		tag[sizeof("\"2147483647\"")];

	snprintf(tag, sizeof(tag), "\"%d\"", revision);
	response_header(request, MHD_HTTP_HEADER_ETAG, tag);
}

bool
request_if_match(Request *request, int *number)
{
	*number = -1;
	if (request->headers.if_match == NULL || header_tag_number(request->headers.if_match, number))
		return true;
	respond_error(request, MHD_HTTP_BAD_REQUEST, "The header If-Match must be one number, in double quotes.");
	return false;
}
