/*
 * es_index_requests.h
 *	  Requests about an index as a whole: see es_index_requests.c.
 */
#ifndef PG_CHAT_ES_INDEX_REQUESTS_H
#define PG_CHAT_ES_INDEX_REQUESTS_H

#include "elasticsearch/es_index_rows.h"

/* pg_chat.elasticsearch_shards: of indexes that are created from now on. */
extern int	guc_elasticsearch_shards;

extern const char *es_index_create(const EsIndex *index);
extern const char *es_index_drop(const EsIndex *index);
extern bool es_index_examine(const EsIndex *index, char **uuid, const char **problem);
extern void es_index_point_alias(const EsIndex *index, const char *alias);

#endif							/* PG_CHAT_ES_INDEX_REQUESTS_H */
