/*
 * origin.c
 *		Protection against web pages of other origins.
 *
 * If keys are not required, everybody on this machine may do everything, and
 * so may a browser there, whatever page it shows. A page can send a form to
 * any address and, by DNS rebinding (its own name leads to 127.0.0.1 for a
 * while), also read the response. So a request that changes anything must not
 * come from a page of another origin, unless --origins lists it (CORS, Fetch);
 * and a request without a credential must be sent to an address, or to a name
 * that no page on the internet can have.
 *
 * Programs other than browsers send no origin, and are not affected.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "access/list.h"
#include "access/origin.h"
#include "common/settings.h"
#include "http/response.h"

#define ALLOWED_HEADERS "Authorization, Commit-LSN, Content-Type, Idempotency-Key, If-Match, Last-Event-ID, X-Request-Id"
#define EXPOSED_HEADERS "Commit-LSN, ETag, Idempotent-Replayed, Link, Location, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id"
#define PREFLIGHT_SECONDS "600"

/* Returns whether a text is scheme://host[:port], and nothing else. */
static bool
is_origin(const char *element, size_t length)
{
	const char *host = memmem(element, length, "://", 3);

	if (host == NULL || host == element)
		return false;
	for (host += 3; host < element + length; host++)
		if (!isalnum((unsigned char) *host) && !strchr("-._:[]", *host))
			return false;
	return element[length - 1] != '/' && element + length > (const char *) memmem(element, length, "://", 3) + 3;
}

static bool
is_host_name(const char *element, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char) element[i]) && !strchr("-._", element[i]))
			return false;
	return true;
}

const char *
origins_read(void)
{
	const char *problem = list_each(settings.origins, "origins", "an origin such as https://shop.example", is_origin);

	return problem ? problem : list_each(settings.hosts, "hosts", "the name of a host", is_host_name);
}

/* Returns whether a list has an element, regardless of letter case. */
static bool
list_has(const char *list, const char *element, size_t length)
{
	while (list && *list)
	{
		size_t		size;

		list += strspn(list, " ,");
		size = strcspn(list, " ,");
		if (size == length && length > 0 && strncasecmp(list, element, length) == 0)
			return true;
		list += size;
	}
	return false;
}

static bool
is_allowed(const char *origin)
{
	return origin && list_has(settings.origins, origin, strlen(origin));
}

/* Returns whether the origin is that of a page that chatd, or its gateway, could have served. */
static bool
is_own(const Request *request)
{
	const char *authority = strstr(request->headers.origin, "://");

	return authority && request->headers.host && strcasecmp(authority + 3, request->headers.host) == 0;
}

/* Returns whether a browser sent the request for a page of another origin. */
static bool
is_foreign(const Request *request)
{
	const char *site = request->headers.fetch_site;

	if (is_allowed(request->headers.origin))
		return false;
	if (site)
		return strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0;
	return request->headers.origin && !is_own(request);
}

/*
 * Returns whether no page on the internet can have this host: an address,
 * localhost, or a name without a dot.
 */
static bool
is_local_host(const char *host)
{
	size_t		length = strcspn(host, ":");

	if (*host == '[' || length == 0)
		return true;
	if (memchr(host, '.', length) == NULL || strspn(host, "0123456789.") == length)
		return true;
	if (length > 10 && strncasecmp(host + length - 10, ".localhost", 10) == 0)
		return true;
	return list_has(settings.hosts, host, length);
}

bool
origin_admits(Request *request)
{
	bool		safe = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
	bool		anybody = !settings.require_keys && !settings.open && request->headers.authorization == NULL;

	if (anybody && request->headers.host && !is_local_host(request->headers.host))
		respond_error(request, MHD_HTTP_MISDIRECTED_REQUEST, "chatd is not called by this name: see --hosts.");
	else if (!safe && is_foreign(request))
		respond_error(request, MHD_HTTP_FORBIDDEN, "A web page of another origin must not do this: see --origins.");
	return request->status == 0;
}

void
origin_complete(Request *request)
{
	if (settings.origins == NULL)
		return;
	response_header(request, MHD_HTTP_HEADER_VARY, "Origin");
	if (!is_allowed(request->headers.origin))
		return;
	response_header(request, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_ORIGIN, request->headers.origin);
	response_header(request, MHD_HTTP_HEADER_ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
	if (request->headers.preflight == NULL || strcmp(request->method, MHD_HTTP_METHOD_OPTIONS) != 0)
		return;
	response_header(request, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_METHODS, response_header_of(request, MHD_HTTP_HEADER_ALLOW));
	response_header(request, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
	response_header(request, MHD_HTTP_HEADER_ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS);
}
