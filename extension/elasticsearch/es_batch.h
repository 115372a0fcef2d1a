/*
 * es_batch.h
 *	  What an index is fed with: see es_batch.c.
 */
#ifndef PG_CHAT_ES_BATCH_H
#define PG_CHAT_ES_BATCH_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/hsearch.h"

#include "changes/chat_key_queue.h"
#include "common/http_client.h"
#include "elasticsearch/es_document.h"

/* Messages in a batch, at most. */
#define FEED_BATCH_SIZE 2000

/* What becomes of a message of a batch. */
typedef enum EsBatchItemFate
{
	FATE_DONE,					/* indexed or deleted, or was so already */
	FATE_AGAIN,					/* to be tried again */
	FATE_PARKED					/* refused for good, with a reason */
} EsBatchItemFate;

/* A message of a batch. */
typedef struct EsBatchItem
{
	MessageKey	key;
	int64		queue_id;		/* of its row in chat_internal.search_queue; 0: it was appended */
	int			segment;		/* of which it is a part, if it was appended */
	bool		sent;			/* stands in the body */
	EsBatchItemFate	fate;
	char	   *reason;
} EsBatchItem;

/* A part of a chat: the messages above from, up to upto. */
typedef struct EsBatchSegment
{
	ChatKey chat;
	int32		from;
	int32		upto;
	bool		raised;			/* the watermark was */
} EsBatchSegment;

/* Messages that are read, sent and acknowledged together. */
typedef struct EsBatch
{
	MemoryContext context;
	EsBatchSegment    *segments;
	int			segments_count;
	EsBatchItem	   *entries;		/* in the order of the body */
	int			count;
	bool		of_queue;
	StringInfo	body;			/* of the request; NULL: nothing to send, or sent */
	HttpRequest *request;		/* under way; else NULL */
	bool		acknowledged;
	bool		refreshing;		/* acknowledged before the refresh that is under way */
} EsBatch;

/* What is known of an index that is kept in step. */
typedef struct BatchReader
{
	int32		index;
	char		name[128];
	ChatKeyQueue  *chats;			/* to look at */
	ChatKeyQueue  *later;			/* to look at again, after a while */
	HTAB	   *in_flight;		/* how far each chat was sent, of those under way */
	List	   *batches;		/* under way, in the order they were read */
	bool		scanning;		/* any chat may have something */
	bool		scan_again;		/* from the first on, when this scan is over */
	ChatKey scan_position;
	bool		caught_up;		/* there was nothing left to read at some time */
	bool		queue_in_flight;
	bool		queue_ended;	/* the last look at the queue found no more */
	int			batch_size;		/* messages in a batch, at most */
	bool		too_large;		/* a batch was: none becomes larger before that is settled */
	HttpRequest *refresh;		/* under way; else NULL */
	HttpRequest *operations;	/* asked for together with it */
	TimestampTz refresh_began;	/* the last one */
} BatchReader;

extern BatchReader *batch_reader_create(int32 index, const char *name);
extern void batch_reader_free(BatchReader *feed);
extern void batch_reader_end_refresh(BatchReader *feed);
extern void batch_reader_reset(BatchReader *feed);
extern void batch_reader_look_at(BatchReader *feed, const ChatKey *chats, int count, bool all);
extern void batch_reader_look_again(BatchReader *feed);
extern int	batch_reader_requests(const BatchReader *feed);
extern EsBatch *batch_reader_read(BatchReader *feed, int64 version);
extern void batch_reader_break_off(BatchReader *feed, ChatKey chat);
extern void batch_reader_forget(BatchReader *feed, EsBatch *batch);

#endif							/* PG_CHAT_ES_BATCH_H */
