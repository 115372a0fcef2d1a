/*
 * es_senders.h
 *	  The senders of the indexes in use: see es_senders.c.
 */
#ifndef PG_CHAT_ES_SENDERS_H
#define PG_CHAT_ES_SENDERS_H

#include "elasticsearch/es_index_rows.h"
#include "elasticsearch/es_sender.h"

extern EsSender *es_senders_of(const EsIndex *index);
extern void es_senders_match(List *indexes);
extern void es_senders_free(void);
extern void es_senders_deliver(bool check);
extern bool es_senders_advance(uint64 *done, const char **problem);
extern bool es_senders_were_refused(void);
extern void es_senders_settle_refusals(List *indexes);
extern bool es_senders_are_busy(void);
extern long es_senders_wait_ms(void);
extern void es_senders_recover(void);

#endif							/* PG_CHAT_ES_SENDERS_H */
