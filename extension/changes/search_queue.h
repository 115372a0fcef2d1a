/*
 * search_queue.h
 *	  Messages that a search index is to index anew: see search_queue.c.
 */
#ifndef PG_CHAT_SEARCH_QUEUE_H
#define PG_CHAT_SEARCH_QUEUE_H

#include "postgres.h"

#include "common/keys.h"

extern void search_queue_init(void);
extern void search_queue_add(int32 application, int32 chat, int32 number);
extern bool search_queue_is_empty(void);
extern bool search_queue_is_full(void);
extern void search_queue_flush(void);
extern bool search_queue_add_from(const char *keys);
extern void search_queue_forget_chats(const ChatKey *chats, int count);
extern void search_queue_forget_all(void);

#endif							/* PG_CHAT_SEARCH_QUEUE_H */
