/*
 * es_seq_no.h
 *	  How many operations an index in Elasticsearch has seen: see es_seq_no.c.
 */
#ifndef PG_CHAT_ES_SEQ_NO_H
#define PG_CHAT_ES_SEQ_NO_H

#include "postgres.h"

#include "common/http_client.h"

extern HttpRequest *es_seq_no_begin(const char *index);
extern int64 es_seq_no_read(const HttpRequest *request, const char *index);
extern int64 es_seq_no_count(const char *index);

#endif							/* PG_CHAT_ES_SEQ_NO_H */
