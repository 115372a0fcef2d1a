/*
 * chat_queue.h
 *	  Chats that wait for something: see chat_queue.c.
 */
#ifndef PG_CHAT_CHAT_QUEUE_H
#define PG_CHAT_CHAT_QUEUE_H

#include "postgres.h"

#include "changes/shmem.h"

typedef struct ChatQueue ChatQueue;

extern ChatQueue *chat_queue_create(int capacity);
extern void chat_queue_free(ChatQueue *queue);
extern bool chat_queue_add(ChatQueue *queue, ChangedChat chat);
extern bool chat_queue_take(ChatQueue *queue, ChangedChat *chat);
extern int	chat_queue_count(const ChatQueue *queue);
extern void chat_queue_clear(ChatQueue *queue);

#endif							/* PG_CHAT_CHAT_QUEUE_H */
