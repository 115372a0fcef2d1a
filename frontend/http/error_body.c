/*
 * error_body.c
 *		The body of an error response.
 */
#include <jansson.h>

#include "http/error_body.h"

char *
error_body(const char *text)
{
	json_t	   *object = json_pack("{s:s}", "error", text);
	char	   *body = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	return body;
}
