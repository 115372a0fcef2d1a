/*
 * problem_details.c
 *		Errors as RFC 9457 has them, for clients that ask for it.
 *
 * All problems are of the type about:blank, which says no more than the status.
 */
#include <stdlib.h>
#include <string.h>

#include "common/json_writer.h"
#include "http/header_value.h"
#include "http/problem_details.h"

#define ERROR_MEMBER "{\"error\":"

/* Is the body {"error": ...}, perhaps with more members? */
static bool
is_text(const char *body)
{
	return strncmp(body, ERROR_MEMBER, strlen(ERROR_MEMBER)) == 0;
}

bool
problem_details_are_wanted(const Request *request, unsigned status, const char *body)
{
	if (!header_accepts(request->headers.accept, PROBLEM_TYPE))
		return false;
	return (status == MHD_HTTP_UNPROCESSABLE_CONTENT && *body == '{') || (status >= MHD_HTTP_BAD_REQUEST && is_text(body));
}

char *
problem_details_body(unsigned status, char *body)
{
	Json		json = {0};
	const char *title = MHD_get_reason_phrase_for(status);
	size_t		length = strlen(body);

	json_open(&json, '{');
	json_member_text(&json, "type", "about:blank", strlen("about:blank"));
	json_member_text(&json, "title", title, strlen(title));
	json_member_number(&json, "status", (int) status);
	/* The members behind the text stay what they are. */
	if (is_text(body))
		json_member_value(&json, "detail", body + strlen(ERROR_MEMBER), length - strlen(ERROR_MEMBER) - 1);
	else
		json_member_value(&json, "errors", body, length);
	json_close(&json, '}');
	free(body);
	return json_end(&json);
}
