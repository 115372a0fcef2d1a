/*
 * acceptor.h
 *		Accepts connections for libmicrohttpd.
 */
#ifndef CHATD_ACCEPTOR_H
#define CHATD_ACCEPTOR_H

#include <microhttpd.h>

#include "http/listener.h"

/* Starts to accept from listening sockets, for a daemon. */
extern void acceptor_open(struct MHD_Daemon *daemon, const Listeners *listeners);

/* Resumes after a pause; there may be room again. */
extern void acceptor_resume(void);

/* Accepts the connections that are in the backlog, and then no more. */
extern void acceptor_close(void);

#endif
