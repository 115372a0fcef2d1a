/*
 * audience_of.c
 *		Whoever is to follow chats, from the request that asks for it.
 */
#include "api/audience_of.h"
#include "api/call.h"
#include "http/header_value.h"
#include "http/problem_details.h"
#include "http/response.h"
#include "streams/permission.h"
#include "streams/stream.h"

bool
audience_has_room(Request *request)
{
	if (!streams_have_room(request->share))
		respond_unavailable(request, "There are too many streams.");
	else if (!permission_has_room(visit_grant(request)))
		respond_unavailable(request, "The credential has too many streams.");
	return request->status == 0;
}

Audience
audience_of(Request *request, int fd, const char *headers)
{
	Text		token = visit_token(request);

	return (Audience) {
		.fd = fd,
		.headers = headers,
		.share = request->share,
		.grant = visit_of(request)->grant,
		.wants_problems = header_accepts(request->headers.accept, PROBLEM_TYPE),
		.application = call_of(request)->application,
		.token = token.bytes,
		.token_length = token.length
	};
}
