/*
 * visit.c
 *		A visit: a request and its caller.
 */
#include <stdlib.h>
#include <string.h>

#include "access/caller.h"
#include "access/visit.h"
#include "http/router.h"

Visit *
visit_of(Request *request)
{
	return (Visit *) request;
}

void
visit_release(Request *request)
{
	Visit	   *visit = visit_of(request);

	grant_release(visit->grant);
	free(visit->token);
}

const Text *
visit_application(const Request *request)
{
	return strstr(request->route->pattern, "{token}") ? &request->segments[SEGMENT_APPLICATION].text : NULL;
}

int
visit_chat(const Request *request)
{
	const Segment *segment = &request->segments[SEGMENT_CHAT];
	int			number = 0;

	if (strstr(request->route->pattern, "{chat}"))
		uri_number(segment->raw, segment->raw_length, 1, &number);
	return number;
}

Text
visit_token(Request *request)
{
	char	   *token = visit_of(request)->token;

	return token ? (Text) {token, strlen(token)} : request->segments[SEGMENT_APPLICATION].text;
}

const Grant *
visit_grant(Request *request)
{
	return visit_of(request)->grant;
}

uint64_t
visit_caller(Request *request)
{
	Grant	   *grant = visit_of(request)->grant;

	return grant ? caller_of_grant(grant) : caller_of_address(request);
}

const char *
visit_user(Request *request)
{
	const Grant *grant = visit_grant(request);

	return grant ? grant->user : NULL;
}
