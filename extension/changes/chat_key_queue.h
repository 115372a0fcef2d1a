/*
 * chat_key_queue.h
 *	  A queue of chats: see chat_key_queue.c.
 */
#ifndef PG_CHAT_CHAT_KEY_QUEUE_H
#define PG_CHAT_CHAT_KEY_QUEUE_H

#include "postgres.h"

#include "common/keys.h"

typedef struct ChatKeyQueue ChatKeyQueue;

extern ChatKeyQueue *chat_key_queue_create(int capacity);
extern void chat_key_queue_free(ChatKeyQueue *queue);
extern bool chat_key_queue_add(ChatKeyQueue *queue, ChatKey chat);
extern bool chat_key_queue_take(ChatKeyQueue *queue, ChatKey *chat);
extern int	chat_key_queue_count(const ChatKeyQueue *queue);
extern void chat_key_queue_clear(ChatKeyQueue *queue);

#endif							/* PG_CHAT_CHAT_KEY_QUEUE_H */
