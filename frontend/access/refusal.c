/*
 * refusal.c
 *		Responses to callers that are refused: RFC 6750 and 9110.
 */
#include <stdio.h>

#include "access/refusal.h"
#include "http/response.h"

#define CHALLENGE "Bearer realm=\"pg_chat\""

void
refuse_missing(Request *request)
{
	respond_error(request, MHD_HTTP_UNAUTHORIZED, "This takes a key, or a token that the application signed, in the header Authorization.");
	response_header(request, MHD_HTTP_HEADER_WWW_AUTHENTICATE, CHALLENGE);
}

void
refuse_malformed(Request *request)
{
	respond_error(request, MHD_HTTP_BAD_REQUEST, "The header Authorization is not \"Bearer\" and a token.");
	response_header(request, MHD_HTTP_HEADER_WWW_AUTHENTICATE, CHALLENGE ", error=\"invalid_request\"");
}

void
refuse_invalid(Request *request, const char *text)
{
	/* Guesses cost the loop a signature to verify, or the database a question. */
	response_pause(request);
	respond_error(request, MHD_HTTP_UNAUTHORIZED, "%s", text);
	response_header(request, MHD_HTTP_HEADER_WWW_AUTHENTICATE, CHALLENGE ", error=\"invalid_token\"");
}

void
refuse_insufficient(Request *request, Scope needed, const char *text)
{
	char		challenge[96];

	snprintf(challenge, sizeof(challenge), CHALLENGE ", error=\"insufficient_scope\", scope=\"%s\"", scope_name(needed));
	respond_error(request, MHD_HTTP_FORBIDDEN, "%s", text);
	response_header(request, MHD_HTTP_HEADER_WWW_AUTHENTICATE, challenge);
}
