/*
 * acceptor.h
 *		Accepts connections for libmicrohttpd.
 */
#ifndef CHATD_ACCEPTOR_H
#define CHATD_ACCEPTOR_H

#include <microhttpd.h>

#include "http/listener.h"

/* Accepts from listening sockets for a daemon from now on. */
extern void acceptor_open(struct MHD_Daemon *daemon, const Listeners *listeners);

/* There may be room for another connection: goes on, if it had to stop. */
extern void acceptor_resume(void);

/* Accepts the connections that are established already, and then no more. */
extern void acceptor_close(void);

#endif
