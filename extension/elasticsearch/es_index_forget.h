/*
 * es_index_forget.h
 *	  Deleting what chat_internal has about an index: see es_index_forget.c.
 */
#ifndef PG_CHAT_ES_INDEX_FORGET_H
#define PG_CHAT_ES_INDEX_FORGET_H

#include "elasticsearch/es_index_rows.h"

extern void es_index_row_delete(const EsIndex *index);
extern void es_index_row_disable(const EsIndex *index);

#endif							/* PG_CHAT_ES_INDEX_FORGET_H */
