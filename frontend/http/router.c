/*
 * router.c
 *		Finds the handler of a request in a service's table of routes.
 *
 * A path is split at its slashes as it was sent; only then is a segment decoded,
 * so that an encoded slash separates nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"
#include "http/response.h"
#include "http/router.h"

static const char *const known_methods[] = {
	"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE",
};

/*
 * Does the path match the pattern? If so, and request is not NULL, fills in its
 * variable segments; returns false without memory for them.
 */
static bool
matches(const char *pattern, const char *path, size_t path_length, Request *request)
{
	const char *end = path + path_length;
	int			count = 0;

	while (*pattern && path < end)
	{
		const char *pattern_end = strchrnul(pattern + 1, '/');
		const char *path_end = memchr(path + 1, '/', end - path - 1);
		size_t		length;

		if (path_end == NULL)
			path_end = end;
		length = path_end - path;
		if (pattern[1] == '{')
		{
			if (length < 2)
				return false;
			if (request)
			{
				Segment    *segment = &request->segments[count++];

				segment->raw = path + 1;
				segment->raw_length = length - 1;
				if (!uri_decode(segment->raw, segment->raw_length, false, &segment->text))
					return false;
			}
		}
		else if (length != (size_t) (pattern_end - pattern) || memcmp(pattern, path, length) != 0)
			return false;
		pattern = pattern_end;
		path = path_end;
	}
	return *pattern == '\0' && path == end;
}

/* The methods that a route has, as the value of Allow. */
static const char *
allowed_methods(const Route *route)
{
	static char methods[64];

	snprintf(methods, sizeof(methods), "%s%s%sOPTIONS", route->get ? "GET, HEAD, " : "",
			 route->post ? "POST, " : "", route->delete ? "DELETE, " : "");
	return methods;
}

/* The handler of a method; NULL if the route has none. */
static Handler
find_handler(const Route *route, const char *method)
{
	if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
		return route->get;
	if (strcmp(method, "POST") == 0)
		return route->post;
	return strcmp(method, "DELETE") == 0 ? route->delete : NULL;
}

/* Is the target UTF-8 without a NUL, once decoded? */
static bool
target_is_valid(const Request *request)
{
	size_t		length = strlen(request->target);
	Text		decoded;
	bool		valid;

	if (strchr(request->target, '%') == NULL)
		return utf8_is_valid(request->target, length);
	if (!uri_decode(request->target, length, false, &decoded))
		return false;
	valid = memchr(decoded.bytes, '\0', decoded.length) == NULL;
	free(decoded.bytes);
	return valid;
}

static bool
is_known_method(const char *method)
{
	for (size_t i = 0; i < sizeof(known_methods) / sizeof(known_methods[0]); i++)
		if (strcmp(known_methods[i], method) == 0)
			return true;
	return false;
}

void
router_find(const Service *service, Request *request)
{
	const Route *route = NULL;
	const char *method = request->method;

	if (!is_known_method(method))
	{
		respond_error(request, MHD_HTTP_NOT_IMPLEMENTED, "The method is not known.");
		return;
	}
	if (!target_is_valid(request))
	{
		respond_error(request, MHD_HTTP_BAD_REQUEST,
					  "The path or the query is not correctly encoded UTF-8 without NUL.");
		return;
	}
	for (int i = 0; i < service->route_count && !route; i++)
		if (matches(service->routes[i].pattern, request->target, request->path_length, NULL))
			route = &service->routes[i];

	if (strcmp(request->target, "*") == 0)
		respond_allow(request, MHD_HTTP_NO_CONTENT, "GET, HEAD, POST, DELETE, OPTIONS");
	else if (route == NULL)
		respond_error(request, MHD_HTTP_NOT_FOUND, "There is nothing at this path.");
	else if (strcmp(method, "OPTIONS") == 0)
		respond_allow(request, MHD_HTTP_NO_CONTENT, allowed_methods(route));
	else
		request->handler = find_handler(route, method);

	if (request->status)
		return;
	if (request->handler == NULL)
	{
		respond_allow(request, MHD_HTTP_METHOD_NOT_ALLOWED, allowed_methods(route));
		return;
	}
	if (request->handler == route->post)
	{
		request->wanted = route->fields;
		fields_begin(&request->fields, route->fields, request->share);
	}
	if (!matches(route->pattern, request->target, request->path_length, request))
		respond_error(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "Out of memory.");
}
