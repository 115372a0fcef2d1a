/*
 * query_flag.c
 *		A parameter of the URL's query that is true or false.
 */
#include <stdlib.h>
#include <string.h>

#include "api/query_flag.h"
#include "http/response.h"

/* The parameter that is looked for. */
typedef struct Flag
{
	Request    *request;
	const char *name;
	bool		given;
	bool	   *value;
} Flag;

bool
query_flag_parse(const char *text, bool *value)
{
	*value = strcmp(text, "true") == 0;
	return *value || strcmp(text, "false") == 0;
}

static bool
take(void *owner, Text name, Text value)
{
	Flag	   *flag = owner;

	if (strcmp(name.bytes, flag->name) == 0)
	{
		if (flag->given)
			respond_error(flag->request, MHD_HTTP_BAD_REQUEST, "Query parameter '%s' is given more than once.", flag->name);
		else if (!query_flag_parse(value.bytes, flag->value))
			respond_error(flag->request, MHD_HTTP_BAD_REQUEST, "Query parameter '%s' must be true or false.", flag->name);
		flag->given = true;
	}
	free(name.bytes);
	free(value.bytes);
	return flag->request->status == 0;
}

bool
query_flag(Request *request, const char *name, bool *value)
{
	Flag		flag = {.request = request, .name = name, .value = value};

	*value = false;
	if (!uri_each_pair(request->query, strlen(request->query), take, &flag) && request->status == 0)
		respond_error(request, MHD_HTTP_BAD_REQUEST, "The query is not correctly encoded UTF-8.");
	return request->status == 0;
}
