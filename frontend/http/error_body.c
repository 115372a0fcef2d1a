/*
 * error_body.c
 *		The body of an error response.
 */
#include <string.h>

#include "common/json_writer.h"
#include "http/error_body.h"

char *
error_body(const char *text)
{
	Json		json = {0};

	json_open(&json, '{');
	json_member_text(&json, "error", text, strlen(text));
	json_close(&json, '}');
	return json_end(&json);
}
