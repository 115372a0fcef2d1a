/*
 * es_seq_no.h
 *	  How many operations an index in Elasticsearch has seen: see es_seq_no.c.
 */
#ifndef PG_CHAT_ES_SEQ_NO_H
#define PG_CHAT_ES_SEQ_NO_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "common/http_client.h"

/* A question, whose answer is not waited for; begins as zeros. */
typedef struct EsSeqNoQuestion
{
	HttpRequest *request;		/* under way; else NULL */
	TimestampTz next;			/* not before this time, after one that failed */
} EsSeqNoQuestion;

extern void es_seq_no_ask(EsSeqNoQuestion *question, const char *index);
extern bool es_seq_no_may_ask(const EsSeqNoQuestion *question);
extern bool es_seq_no_take(EsSeqNoQuestion *question, const char *index, int64 *operations, const char **problem);
extern void es_seq_no_end(EsSeqNoQuestion *question);
extern int64 es_seq_no_count(const char *index);

#endif							/* PG_CHAT_ES_SEQ_NO_H */
