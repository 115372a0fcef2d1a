/*
 * chat_key_queue.c
 *	  A queue of chats: first in, first out, and each only once.
 *
 * The capacity of a queue is fixed when it is created, so that the worker's
 * memory is bounded whatever changes.
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "changes/chat_key_queue.h"

struct ChatKeyQueue
{
	MemoryContext context;
	HTAB	   *members;
	ChatKey    *ring;
	int			capacity;
	int			first;
	int			count;
};

static void
make_members(ChatKeyQueue *queue)
{
	HASHCTL		control = {
		.keysize = sizeof(ChatKey),
		.entrysize = sizeof(ChatKey),
		.hcxt = queue->context
	};

	queue->members = hash_create("pg_chat chat queue", 64, &control,
								 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Create an empty queue for at most capacity chats, which lasts until it is freed. */
ChatKeyQueue *
chat_key_queue_create(int capacity)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "pg_chat chat queue",
												  ALLOCSET_DEFAULT_SIZES);
	ChatKeyQueue *queue = MemoryContextAllocZero(context, sizeof(ChatKeyQueue));

	queue->context = context;
	queue->capacity = capacity;
	queue->ring = MemoryContextAlloc(context, capacity * sizeof(ChatKey));
	make_members(queue);
	return queue;
}

/* Free a queue. */
void
chat_key_queue_free(ChatKeyQueue *queue)
{
	MemoryContextDelete(queue->context);
}

/* Append a chat, unless it is in the queue. Returns false if there is no room for it. */
bool
chat_key_queue_add(ChatKeyQueue *queue, ChatKey chat)
{
	bool		found;

	hash_search(queue->members, &chat, HASH_FIND, &found);
	if (found)
		return true;
	if (queue->count == queue->capacity)
		return false;
	hash_search(queue->members, &chat, HASH_ENTER, NULL);
	queue->ring[(queue->first + queue->count++) % queue->capacity] = chat;
	return true;
}

/* Take the first chat. Returns false if there is none. */
bool
chat_key_queue_take(ChatKeyQueue *queue, ChatKey *chat)
{
	if (queue->count == 0)
		return false;
	*chat = queue->ring[queue->first];
	queue->first = (queue->first + 1) % queue->capacity;
	queue->count--;
	hash_search(queue->members, chat, HASH_REMOVE, NULL);
	return true;
}

/* The number of chats in the queue. */
int
chat_key_queue_count(const ChatKeyQueue *queue)
{
	return queue->count;
}

/* Remove all chats. */
void
chat_key_queue_clear(ChatKeyQueue *queue)
{
	hash_destroy(queue->members);
	make_members(queue);
	queue->first = 0;
	queue->count = 0;
}
