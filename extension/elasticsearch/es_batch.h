/*
 * es_batch.h
 *	  Messages that are read, sent and acknowledged together: see es_batch.c.
 */
#ifndef PG_CHAT_ES_BATCH_H
#define PG_CHAT_ES_BATCH_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "common/http_client.h"
#include "common/keys.h"

/* The most messages of a batch, and the most chats of a batch of appended messages. */
#define ES_BATCH_SIZE 2000
#define ES_BATCH_CHATS 500

/* The outcome of a message of a batch. */
typedef enum EsBatchItemFate
{
	FATE_DONE,					/* indexed or deleted, or was so already */
	FATE_AGAIN,					/* to be tried again */
	FATE_FAILED					/* refused for good, with a reason */
} EsBatchItemFate;

/* A message of a batch. */
typedef struct EsBatchItem
{
	MessageKey	key;
	int64		queue_id;		/* of the row in chat_internal.search_queue; 0: an appended message */
	int			range;			/* index of its range, if it was appended; else -1 */
	bool		sent;			/* is in the body */
	EsBatchItemFate fate;
	char	   *reason;
} EsBatchItem;

/* A range of a chat's messages: above one number, through another. */
typedef struct EsBatchRange
{
	ChatKey		chat;
	int32		above;
	int32		through;
	bool		raised;			/* the watermark was raised to through */
} EsBatchRange;

typedef struct EsBatch
{
	MemoryContext context;
	MemoryContext scratch;		/* for one message at a time */
	EsBatchRange *ranges;
	int			ranges_count;
	int			ranges_noted;	/* how many of them the reader has recorded as under way */
	bool		read;			/* completely; false after an error */
	EsBatchItem *items;			/* in the order of the body */
	int			count;
	bool		of_queue;		/* has rows of the queue, not appended messages */
	StringInfo	body;			/* of the request; NULL: nothing to send, or it was sent */
	HttpRequest *request;		/* under way; else NULL */
	bool		refused;		/* will be acknowledged if the index is as it was created */
	bool		acknowledged;
	bool		refreshing;		/* was acknowledged before the refresh that is under way */
	bool		refreshed;		/* searches find it; it may wait for earlier batches of its chats */
} EsBatch;

extern EsBatch *es_batch_create(int size);
extern void es_batch_free(EsBatch *batch);
extern bool es_batch_is_full(const EsBatch *batch, int size);
extern EsBatchItem *es_batch_add_message(EsBatch *batch, MessageKey key, const text *body, int64 version);
extern EsBatchItem *es_batch_add_deletion(EsBatch *batch, MessageKey key, int64 version);
extern void es_batch_add_range(EsBatch *batch, ChatKey chat, int32 above, int32 through);

#endif							/* PG_CHAT_ES_BATCH_H */
