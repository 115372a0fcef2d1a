/*
 * server.h
 *		Starts the HTTP server for a service.
 */
#ifndef CHATD_SERVER_H
#define CHATD_SERVER_H

#include "http/router.h"

/* Serves a listening socket from now on; see daemon.h. Exits on failure. */
extern void server_open(int listen_fd, const Service *service);

#endif
