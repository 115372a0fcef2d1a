/*
 * redis_key_queue.h
 *	  Keys in Redis that are to be deleted: see redis_key_queue.c.
 */
#ifndef PG_CHAT_REDIS_KEY_QUEUE_H
#define PG_CHAT_REDIS_KEY_QUEUE_H

#include "postgres.h"

/* pg_chat.redis_url: the Redis that counters are mirrored to; empty: none. */
extern char *guc_redis_url;

extern bool redis_key_queue_in_use(void);
extern void redis_key_queue_add_token(Datum token);
extern void redis_key_queue_add_all_tokens(void);
extern void redis_key_queue_add_chat(int32 application, int32 chat);
extern void redis_key_queue_add_chats_from(const char *chats);

#endif							/* PG_CHAT_REDIS_KEY_QUEUE_H */
