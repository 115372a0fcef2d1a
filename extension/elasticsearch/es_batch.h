/*
 * feed.h
 *	  What an index is fed with: see feed.c.
 */
#ifndef PG_CHAT_FEED_H
#define PG_CHAT_FEED_H

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
typedef enum EntryFate
{
	FATE_DONE,					/* indexed or deleted, or was so already */
	FATE_AGAIN,					/* to be tried again */
	FATE_PARKED					/* refused for good, with a reason */
} EntryFate;

/* A message of a batch. */
typedef struct Entry
{
	MessageKey	key;
	int64		queue_id;		/* of its row in chat.search_queue; 0: it was appended */
	int			segment;		/* of which it is a part, if it was appended */
	bool		sent;			/* stands in the body */
	EntryFate	fate;
	char	   *reason;
} Entry;

/* A part of a chat: the messages above from, up to upto. */
typedef struct Segment
{
	ChangedChat chat;
	int32		from;
	int32		upto;
	bool		raised;			/* the watermark was */
} Segment;

/* Messages that are read, sent and acknowledged together. */
typedef struct Batch
{
	MemoryContext context;
	Segment    *segments;
	int			segments_count;
	Entry	   *entries;		/* in the order of the body */
	int			count;
	bool		of_queue;
	StringInfo	body;			/* of the request; NULL: nothing to send, or sent */
	HttpRequest *request;		/* under way; else NULL */
	bool		acknowledged;
	bool		refreshing;		/* acknowledged before the refresh that is under way */
} Batch;

/* What is known of an index that is kept in step. */
typedef struct Feed
{
	int32		index;
	char		name[128];
	ChatQueue  *chats;			/* to look at */
	ChatQueue  *later;			/* to look at again, after a while */
	HTAB	   *in_flight;		/* how far each chat was sent, of those under way */
	List	   *batches;		/* under way, in the order they were read */
	bool		scanning;		/* any chat may have something */
	bool		scan_again;		/* from the first on, when this scan is over */
	ChangedChat scan_position;
	bool		caught_up;		/* there was nothing left to read at some time */
	bool		queue_in_flight;
	bool		queue_ended;	/* the last look at the queue found no more */
	int			batch_size;		/* messages in a batch, at most */
	bool		too_large;		/* a batch was: none becomes larger before that is settled */
	HttpRequest *refresh;		/* under way; else NULL */
	HttpRequest *operations;	/* asked for together with it */
	TimestampTz refresh_began;	/* the last one */
} Feed;

extern Feed *feed_create(int32 index, const char *name);
extern void feed_free(Feed *feed);
extern void feed_end_refresh(Feed *feed);
extern void feed_reset(Feed *feed);
extern void feed_look_at(Feed *feed, const ChangedChat *chats, int count, bool all);
extern void feed_look_again(Feed *feed);
extern int	feed_requests(const Feed *feed);
extern Batch *feed_read(Feed *feed, int64 version);
extern void feed_break_off(Feed *feed, ChangedChat chat);
extern void feed_forget(Feed *feed, Batch *batch);

#endif							/* PG_CHAT_FEED_H */
