/*
 * router.h
 *		Which path is served by which handler.
 */
#ifndef CHATD_ROUTER_H
#define CHATD_ROUTER_H

#include "http/request.h"

/*
 * Finds the handler for the request's path and method and fills in what the
 * path names. If there is none, the request is answered instead.
 */
extern void router_find(Request *request);

#endif
