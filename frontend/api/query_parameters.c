/*
 * query_parameters.c
 *		The parameters of a query, for those that are not of a page of rows with numbers.
 */
#include <stdlib.h>
#include <string.h>

#include "api/query_parameters.h"
#include "http/response.h"

typedef struct Reading
{
	Request    *request;
	const QueryParameter *parameters;
	int			count;
} Reading;

/* Takes one parameter of the query. */
static bool
take_parameter(void *owner, Text name, Text value)
{
	const Reading *reading = owner;
	Request    *request = reading->request;

	for (int i = 0; i < reading->count; i++)
	{
		const QueryParameter *parameter = &reading->parameters[i];

		if (strcmp(name.bytes, parameter->name) != 0)
			continue;
		if (parameter->value->bytes)
			respond_error(request, MHD_HTTP_BAD_REQUEST, "Query parameter '%s' is given more than once.", name.bytes);
		else
		{
			*parameter->value = value;
			value.bytes = NULL;
		}
	}
	free(name.bytes);
	free(value.bytes);
	return request->status == 0;
}

bool
query_parameters_read(Request *request, const QueryParameter *parameters, int count)
{
	Reading		reading = {request, parameters, count};

	if (!uri_each_pair(request->query, strlen(request->query), take_parameter, &reading) && request->status == 0)
		respond_error(request, MHD_HTTP_BAD_REQUEST, "The query is not correctly encoded UTF-8.");
	return request->status == 0;
}

bool
query_parameter_number(Request *request, const char *name, Text value, int minimum, int maximum, int *number)
{
	if (value.bytes == NULL || (uri_number(value.bytes, value.length, minimum, number) && *number <= maximum))
		return true;
	respond_error(request, MHD_HTTP_BAD_REQUEST, "Query parameter '%s' must be an integer from %d to %d.", name, minimum, maximum);
	return false;
}
