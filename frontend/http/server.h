/*
 * server.h
 *		Starts the HTTP server for a service.
 */
#ifndef CHATD_SERVER_H
#define CHATD_SERVER_H

#include "http/listener.h"
#include "http/router.h"

/* Serves listening sockets from now on; see daemon.h. Exits on failure. */
extern void server_open(const Listeners *listeners, const Service *service);

#endif
