/*
 * es_unverified.h
 *	  Indexes that may be out of sync: see es_unverified.c.
 */
#ifndef PG_CHAT_ES_UNVERIFIED_H
#define PG_CHAT_ES_UNVERIFIED_H

#include "elasticsearch/es_index_rows.h"

extern EsIndex *es_unverified_index(List *indexes);
extern void es_unverified_check_operations(EsIndex *index, const char **problem);
extern bool es_unverified_mark_compared(List *indexes, const char **problem);
extern void es_unverified_update(List *indexes);
extern bool es_unverified_exists(void);
extern void es_unverified_note_compared(const EsIndex *index);
extern void es_unverified_reset(void);

#endif							/* PG_CHAT_ES_UNVERIFIED_H */
