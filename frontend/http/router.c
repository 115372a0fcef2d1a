/*
 * router.c
 *		Which path is served by which handler.
 *
 * A path is cut at its slashes as it was sent; only then is a segment decoded.
 */
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "http/response.h"
#include "http/router.h"

/* GET stands for HEAD too. */
typedef struct Resource
{
	const char *pattern;
	void		(*get) (Request *request);
	void		(*post) (Request *request);
} Resource;

/* The first that fits is taken. */
static const Resource resources[] = {
	{"/applications", applications_list, application_create},
	{"/applications/{token}", application_show, NULL},
	{"/applications/{token}/messages/search", messages_search_all, NULL},
	{"/applications/{token}/chats", chats_list, chat_create},
	{"/applications/{token}/chats/{chat}", chat_show, NULL},
	{"/applications/{token}/chats/{chat}/messages", messages_list, message_create},
	{"/applications/{token}/chats/{chat}/messages/search", messages_search, NULL},
	{"/applications/{token}/chats/{chat}/messages/{message}", message_show, NULL},
	{"/healthz", health_show, NULL},
	{"/readyz", readiness_show, NULL},
};

static const char *const known_methods[] = {
	"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE",
};

/* Takes what a {segment} of a path names. Returns false without memory. */
static bool
take_segment(Request *request, const char *pattern, const char *segment, size_t length)
{
	if (strncmp(pattern, "{token}", 7) == 0)
		return uri_decode(segment, length, false, &request->token);
	if (strncmp(pattern, "{message}", 9) == 0)
	{
		uri_number(segment, length, 1, &request->message);
		return true;
	}
	uri_number(segment, length, 1, &request->chat);
	return uri_decode(segment, length, false, &request->chat_text);
}

/*
 * Does the path fit the pattern? If so, and taker is a request, it takes what
 * the path names.
 */
static bool
fits(const char *pattern, const char *path, size_t path_length, Request *taker)
{
	const char *end = path + path_length;

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
			if (taker && !take_segment(taker, pattern + 1, path + 1, length - 1))
				return false;
		}
		else if (length != (size_t) (pattern_end - pattern) || memcmp(pattern, path, length) != 0)
			return false;
		pattern = pattern_end;
		path = path_end;
	}
	return *pattern == '\0' && path == end;
}

static const char *
allowed_methods(const Resource *resource)
{
	return resource->post ? "GET, HEAD, POST, OPTIONS" : "GET, HEAD, OPTIONS";
}

/* Is the target correctly encoded UTF-8 without a NUL? */
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
router_find(Request *request)
{
	const Resource *resource = NULL;
	const char *method = request->method;

	if (!is_known_method(method))
	{
		answer_error(request, MHD_HTTP_NOT_IMPLEMENTED, "The method is not known.");
		return;
	}
	if (!target_is_valid(request))
	{
		answer_error(request, MHD_HTTP_BAD_REQUEST,
					 "The path or the query is not correctly encoded UTF-8 without NUL.");
		return;
	}
	for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]) && !resource; i++)
		if (fits(resources[i].pattern, request->target, request->path_length, NULL))
			resource = &resources[i];

	if (strcmp(request->target, "*") == 0)
		answer_allow(request, MHD_HTTP_NO_CONTENT, "GET, HEAD, POST, OPTIONS");
	else if (resource == NULL)
		answer_error(request, MHD_HTTP_NOT_FOUND, "There is nothing at this path.");
	else if (strcmp(method, "OPTIONS") == 0)
		answer_allow(request, MHD_HTTP_NO_CONTENT, allowed_methods(resource));
	else if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
		request->handler = resource->get;
	else if (strcmp(method, "POST") == 0 && resource->post)
		request->handler = resource->post;
	else
		answer_allow(request, MHD_HTTP_METHOD_NOT_ALLOWED, allowed_methods(resource));

	if (request->handler &&
		!fits(resource->pattern, request->target, request->path_length, request))
		answer_error(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "Out of memory.");
}
