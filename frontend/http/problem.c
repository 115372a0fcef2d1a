/*
 * problem.c
 *		Errors as RFC 9457 has them, for clients that ask for it.
 *
 * All problems are of the type about:blank, which says no more than the status.
 */
#include <stdlib.h>
#include <string.h>

#include "common/json_writer.h"
#include "http/problem.h"

#define ERROR_MEMBER "{\"error\":"

bool
problem_is_wanted(const Request *request)
{
	return request->headers.accept && strcasestr(request->headers.accept, PROBLEM_TYPE);
}

char *
problem_body(unsigned status, char *body)
{
	Json		json = {0};
	const char *title = MHD_get_reason_phrase_for(status);
	size_t		length = strlen(body);

	json_open(&json, '{');
	json_member_text(&json, "type", "about:blank", strlen("about:blank"));
	json_member_text(&json, "title", title, strlen(title));
	json_member_number(&json, "status", (int) status);
	/* The members behind the text stay what they are. */
	if (strncmp(body, ERROR_MEMBER, strlen(ERROR_MEMBER)) == 0)
		json_member_value(&json, "detail", body + strlen(ERROR_MEMBER), length - strlen(ERROR_MEMBER) - 1);
	else
		json_member_value(&json, "errors", body, length);
	json_close(&json, '}');
	free(body);
	return json_end(&json);
}
