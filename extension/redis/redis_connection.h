/*
 * redis_connection.h
 *	  A connection to Redis: see redis_connection.c.
 */
#ifndef PG_CHAT_REDIS_CONNECTION_H
#define PG_CHAT_REDIS_CONNECTION_H

#include "postgres.h"

#include <hiredis/hiredis.h>

/* pg_chat.redis_password_file: the file with the password; empty: none. */
extern char *guc_redis_password_file;

/* Takes the i-th reply of an exchange, which is freed after the call. */
typedef void (*RedisReplyCallback) (int i, const redisReply *reply, void *context);

extern void redis_begin_run(void);
extern bool redis_connect(const char *url, const char *password_file);
extern const char *redis_server_identity(void);
extern void redis_disconnect(void);
extern void redis_command(int argc, const char **argv);
extern void redis_exchange(RedisReplyCallback callback, void *context);

#endif							/* PG_CHAT_REDIS_CONNECTION_H */
