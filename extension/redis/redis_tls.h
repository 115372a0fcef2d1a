/*
 * redis_tls.h
 *	  TLS of the connection to Redis: see redis_tls.c.
 */
#ifndef PG_CHAT_REDIS_TLS_H
#define PG_CHAT_REDIS_TLS_H

#include "postgres.h"

#include <hiredis/hiredis.h>
#include <openssl/types.h>

extern SSL *redis_tls_begin(redisContext *connection, const char *host, const char **problem);
extern uint32 redis_tls_go_on(SSL *tls, const char **problem);

#endif							/* PG_CHAT_REDIS_TLS_H */
