/*
 * router.h
 *		Finds the handler of a request in a service's table of routes.
 */
#ifndef CHATD_ROUTER_H
#define CHATD_ROUTER_H

#include "http/request.h"

/*
 * A {segment} of a pattern is variable and stands for one that is not empty. A
 * method that a path does not have is NULL; GET also serves HEAD.
 */
typedef struct Route
{
	const char *pattern;
	Handler		get;
	Handler		post;
	Handler		delete;
	const char *const *fields;	/* of the body that post wants, up to a NULL */
} Route;

/*
 * What an HTTP server serves. A request's struct begins with a Request, and has
 * request_size bytes, zeroed at the start; release frees what the handlers left
 * in it.
 */
typedef struct Service
{
	const Route *routes;		/* the first that matches is taken */
	int			route_count;
	size_t		request_size;
	void		(*release) (Request *request);
} Service;

/*
 * Fills in the request's handler and variable segments by path and method. If
 * there is no handler, responds instead.
 */
extern void router_find(const Service *service, Request *request);

#endif
