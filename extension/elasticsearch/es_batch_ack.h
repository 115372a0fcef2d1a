/*
 * es_batch_ack.h
 *	  Recording the outcome of a batch in the tables: see es_batch_ack.c.
 */
#ifndef PG_CHAT_ES_BATCH_ACK_H
#define PG_CHAT_ES_BATCH_ACK_H

#include "nodes/pg_list.h"

#include "elasticsearch/es_batch_reader.h"

extern List *es_batches_to_acknowledge(List *batches);
extern uint64 es_batches_acknowledge(EsBatchReader *reader, List *batches);

#endif							/* PG_CHAT_ES_BATCH_ACK_H */
