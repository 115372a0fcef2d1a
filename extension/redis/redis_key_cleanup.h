/*
 * redis_key_cleanup.h
 *	  Deleting keys in Redis of deleted chats and retired tokens: see
 *	  redis_key_cleanup.c.
 */
#ifndef PG_CHAT_REDIS_KEY_CLEANUP_H
#define PG_CHAT_REDIS_KEY_CLEANUP_H

#include "postgres.h"

#include "nodes/pg_list.h"

extern bool redis_key_cleanup_delete_tokens(List **living);
extern bool redis_key_cleanup_delete_chats(void);
extern bool redis_key_cleanup_under_way(void);
extern void redis_key_cleanup_stop(void);
extern void redis_key_cleanup_do_again(bool all);
extern void redis_key_cleanup_forget_old(void);
extern void redis_key_cleanup_forget_all(void);

#endif							/* PG_CHAT_REDIS_KEY_CLEANUP_H */
