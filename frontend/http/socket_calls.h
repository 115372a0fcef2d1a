/*
 * socket_calls.h
 *		The calls for sockets that libmicrohttpd makes.
 */
#ifndef CHATD_SOCKET_CALLS_H
#define CHATD_SOCKET_CALLS_H

#include "http/connection.h"

/*
 * Takes a parked socket out of libmicrohttpd's epoll set. A socket that is closed leaves it by
 * itself, unless there is another descriptor of it.
 */
extern void socket_unpark(Connection *client);

#endif
