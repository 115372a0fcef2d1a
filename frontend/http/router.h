/*
 * router.h
 *		Finds the handler of a request in a service's table of routes.
 */
#ifndef CHATD_ROUTER_H
#define CHATD_ROUTER_H

#include "http/request.h"

/*
 * A path and its handlers, NULL for a method that it does not have. A {segment} of the
 * pattern is variable: it matches one that is not empty. get also serves HEAD.
 */
typedef struct Route
{
	const char *pattern;
	Handler		get;
	Handler		post;
	Handler		put;
	Handler		patch;
	Handler		delete;
	const char *const *fields;	/* of the body that post, put or patch wants; ends with NULL */
	bool		takes_items;	/* the body's data may be an array of them */
	bool		events;			/* get responds with a stream of events */
} Route;

/*
 * The service of an HTTP server. The struct of a request begins with a Request and has
 * request_size bytes, zeroed at the start. release frees what the handlers have put
 * into it.
 */
typedef struct Service
{
	const Route *routes;		/* the first match is taken */
	int			route_count;
	size_t		request_size;
	void		(*release) (Request *request);

	/* The head is there, and has a handler: may respond instead of it. */
	void		(*admit) (Request *request);

	/* The request is complete: runs its handler, now or later, or responds. */
	void		(*run) (Request *request);

	/* There is a response: adds the headers that each has. */
	void		(*complete) (Request *request);
} Service;

/*
 * Sets the request's handler and variable segments by its path and method. If there is no
 * handler, responds instead.
 */
extern void router_find(const Service *service, Request *request);

#endif
