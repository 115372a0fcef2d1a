/*
 * routes.h
 *		The API as a service of the HTTP server.
 */
#ifndef CHATD_ROUTES_H
#define CHATD_ROUTES_H

#include "http/router.h"

extern const Service api_service;

#endif
