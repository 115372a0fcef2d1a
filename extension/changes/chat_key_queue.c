/*
 * chat_key_queue.c
 *	  Chats that wait for something: first in, first out, and each only once.
 *
 * A queue has room for a number of chats that is fixed when it is created, so
 * that the worker's memory is bounded however much changes.
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

/* An empty queue, which lasts until it is freed. */
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

void
chat_key_queue_free(ChatKeyQueue *queue)
{
	MemoryContextDelete(queue->context);
}

/* Put a chat at the end, unless it is there. Returns false if there is no room. */
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

int
chat_key_queue_count(const ChatKeyQueue *queue)
{
	return queue->count;
}

void
chat_key_queue_clear(ChatKeyQueue *queue)
{
	hash_destroy(queue->members);
	make_members(queue);
	queue->first = 0;
	queue->count = 0;
}
