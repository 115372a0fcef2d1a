/*
 * es_sender.h
 *	  Sending to an index what it lacks: see es_sender.c.
 */
#ifndef PG_CHAT_ES_SENDER_H
#define PG_CHAT_ES_SENDER_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#include "elasticsearch/es_batch_reader.h"
#include "elasticsearch/es_seq_no.h"

/* The batches and requests that are under way for an index. */
typedef struct EsSender
{
	char	   *name;			/* of the index */
	EsBatchReader *reader;
	List	   *batches;		/* under way, in the order they were read */
	int			batch_size;		/* messages in a batch, at most */
	bool		too_large;		/* a batch was: none becomes larger before that is settled */
	TimestampTz slower_until;	/* nothing is sent before */
	long		slower_ms;		/* the last pause; 0: Elasticsearch keeps up */
	HttpRequest *refresh;		/* under way; else NULL */
	TimestampTz next_refresh;	/* not before, while there is more to send */
	EsSeqNoQuestion counting;	/* how many operations the index has seen */
	bool		counted;		/* and that is noted */
} EsSender;

extern EsSender *es_sender_create(int32 index, const char *name);
extern void es_sender_free(EsSender *sender);
extern bool es_sender_is_busy(const EsSender *sender);
extern bool es_sender_is_settled(const EsSender *sender);
extern long es_sender_pause_ms(const EsSender *sender);
extern bool es_sender_was_refused(const EsSender *sender);
extern void es_sender_accept_refusals(EsSender *sender);
extern bool es_sender_advance(EsSender *sender, uint64 *done, const char **problem);
extern void es_sender_recover(EsSender *sender);

#endif							/* PG_CHAT_ES_SENDER_H */
