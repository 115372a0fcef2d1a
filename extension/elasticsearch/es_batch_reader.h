/*
 * es_batch_reader.h
 *	  Reading from the tables the messages that an index lacks: see
 *	  es_batch_reader.c.
 */
#ifndef PG_CHAT_ES_BATCH_READER_H
#define PG_CHAT_ES_BATCH_READER_H

#include "utils/hsearch.h"

#include "changes/chat_key_queue.h"
#include "elasticsearch/es_batch.h"

/* How far an index lags, as far as is known. */
typedef struct EsBatchReader
{
	int32		index;
	ChatKeyQueue *chats;		/* to look at */
	ChatKeyQueue *later;		/* to look at again, after a while */
	HTAB	   *under_way;		/* through which number each chat was read, of those under way, and
								 * others */
	bool		scanning;		/* any chat may have something */
	bool		scan_again;		/* from the first on, when this scan is over */
	ChatKey		scan_position;
	bool		caught_up;		/* there was nothing left to read once */
	bool		queue_under_way;
	bool		queue_ended;	/* the last look at the queue found no more */
} EsBatchReader;

extern EsBatchReader *es_batch_reader_create(int32 index);
extern void es_batch_reader_free(EsBatchReader *reader);
extern void es_batch_reader_look_at(EsBatchReader *reader, const ChatKey *chats, int count, bool all);
extern void es_batch_reader_look_again(EsBatchReader *reader);
extern bool es_batch_reader_has_more(const EsBatchReader *reader);
extern bool es_batch_reader_can_read(EsBatchReader *reader);
extern bool es_batch_reader_is_empty(const EsBatchReader *reader);
extern void es_batch_reader_read(EsBatchReader *reader, EsBatch *batch, int size, int64 version);
extern void es_batch_reader_break_off(EsBatchReader *reader, ChatKey chat);
extern void es_batch_reader_end_batch(EsBatchReader *reader, const EsBatch *batch);
extern void es_batch_reader_drop_batch(EsBatchReader *reader, const EsBatch *batch);

#endif							/* PG_CHAT_ES_BATCH_READER_H */
