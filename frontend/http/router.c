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

#define PIECES_MAX 8			/* of a path that has a route */

#define KNOWN_METHODS (sizeof(known_methods) / sizeof(known_methods[0]))

static const char *const known_methods[] = {
	"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "QUERY",
};

/* A segment of a path, with the slash before it. */
typedef struct Piece
{
	const char *start;
	size_t		length;
} Piece;

/* Splits a path. Returns how many pieces it has, or one more than there may be. */
static int
split(const char *path, size_t path_length, Piece *pieces)
{
	const char *end = path + path_length;
	int			count = 0;

	for (const char *next; path < end; path = next)
	{
		next = memchr(path + 1, '/', end - path - 1);
		if (next == NULL)
			next = end;
		if (count < PIECES_MAX)
			pieces[count] = (Piece) {path, next - path};
		if (count++ == PIECES_MAX)
			break;
	}
	return count;
}

static bool
is_variable(const char *pattern)
{
	return pattern[1] == '{';
}

static bool
matches(const char *pattern, const Piece *pieces, int count)
{
	int			i = 0;

	for (const char *next; *pattern && i < count; pattern = next, i++)
	{
		next = strchrnul(pattern + 1, '/');
		if (is_variable(pattern) ? pieces[i].length < 2
			: pieces[i].length != (size_t) (next - pattern) || memcmp(pattern, pieces[i].start, pieces[i].length) != 0)
			return false;
	}
	return *pattern == '\0' && i == count;
}

/* Fills in the variable segments of a path that matches. Returns false without memory for them. */
static bool
take_segments(const char *pattern, const Piece *pieces, Request *request)
{
	Segment    *segment = request->segments;

	for (; *pattern; pattern = strchrnul(pattern + 1, '/'), pieces++)
	{
		if (!is_variable(pattern))
			continue;
		segment->raw = pieces->start + 1;
		segment->raw_length = pieces->length - 1;
		if (!uri_decode(segment->raw, segment->raw_length, false, &segment->text))
			return false;
		segment++;
	}
	return true;
}

/* The methods of a route, as the value of Allow. */
static const char *
allowed_methods(const Route *route)
{
	static char methods[64];

	snprintf(methods, sizeof(methods), "%s%s%s%s%sOPTIONS", route->get ? "GET, HEAD, " : "", route->post ? "POST, " : "",
			 route->put ? "PUT, " : "", route->patch ? "PATCH, " : "", route->delete ? "DELETE, " : "");
	return methods;
}

/* The handler of a method; NULL if the route does not have it. */
static Handler
handler_of(const Route *route, const char *method)
{
	if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
		return route->get;
	if (strcmp(method, "POST") == 0)
		return route->post;
	if (strcmp(method, "PUT") == 0)
		return route->put;
	if (strcmp(method, "PATCH") == 0)
		return route->patch;
	return strcmp(method, "DELETE") == 0 ? route->delete : NULL;
}

/* Sets the request's handler, and the fields that it wants of the body. */
static void
set_handler(const Route *route, const Piece *pieces, Request *request)
{
	request->handler = handler_of(route, request->method);
	if (request->handler == NULL)
	{
		respond_allow(request, MHD_HTTP_METHOD_NOT_ALLOWED, allowed_methods(route));
		return;
	}
	if (request->handler == route->post || request->handler == route->put || request->handler == route->patch)
	{
		request->wanted = route->fields;
		fields_begin(&request->fields, route->fields, request->share);
		request->items = (Items) {.names = route->takes_items ? route->fields : NULL, .share = request->share};
	}
	if (!take_segments(route->pattern, pieces, request))
		respond_error(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "Out of memory.");
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
	for (size_t i = 0; i < KNOWN_METHODS; i++)
		if (strcmp(known_methods[i], method) == 0)
			return true;
	return false;
}

void
router_find(const Service *service, Request *request)
{
	const Route *route = NULL;
	const char *method = request->method;
	Piece		pieces[PIECES_MAX];
	int			count = split(request->target, request->path_length, pieces);

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
		if (count <= PIECES_MAX && matches(service->routes[i].pattern, pieces, count))
			route = &service->routes[i];
	request->route = route;
	request->events = route && route->events;

	if (strcmp(request->target, "*") == 0)
		respond_allow(request, MHD_HTTP_NO_CONTENT, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
	else if (route == NULL)
		respond_error(request, MHD_HTTP_NOT_FOUND, "There is nothing at this path.");
	else if (strcmp(method, "OPTIONS") == 0)
		respond_allow(request, MHD_HTTP_NO_CONTENT, allowed_methods(route));
	else
		set_handler(route, pieces, request);
}
