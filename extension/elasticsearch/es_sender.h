/*
 * es_sender.h
 *	  Sending to an index the messages that it lacks: see es_sender.c.
 */
#ifndef PG_CHAT_ES_SENDER_H
#define PG_CHAT_ES_SENDER_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#include "elasticsearch/es_batch_reader.h"
#include "elasticsearch/es_refresh.h"

/* The batches and requests that are under way for an index. */
typedef struct EsSender
{
	char	   *name;			/* of the index */
	EsBatchReader *reader;
	List	   *batches;		/* under way, in the order they were read */
	int			batch_size;		/* messages in a batch, at most */
	bool		too_large;		/* a batch was; none grows until its messages are sent */
	TimestampTz slower_until;	/* nothing is sent before */
	long		slower_ms;		/* the last pause; 0: none since a batch was accepted */
	EsRefresh	refresh;
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
