/*
 * es_index_lifecycle.h
 *	  The life of an index in Elasticsearch: see es_index_lifecycle.c.
 */
#ifndef PG_CHAT_ES_INDEX_LIFECYCLE_H
#define PG_CHAT_ES_INDEX_LIFECYCLE_H

#include "elasticsearch/es_index_rows.h"

extern bool es_indexes_maintain(List *indexes, bool check, const char **problem);
extern void es_index_replace(const EsIndex *old, const EsIndex *new);
extern void es_indexes_forget(void);

#endif							/* PG_CHAT_ES_INDEX_LIFECYCLE_H */
