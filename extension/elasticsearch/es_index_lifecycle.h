/*
 * es_index_lifecycle.h
 *	  The life of an index in Elasticsearch: see es_index_lifecycle.c.
 */
#ifndef PG_CHAT_ES_INDEX_LIFECYCLE_H
#define PG_CHAT_ES_INDEX_LIFECYCLE_H

#include "postgres.h"

/* pg_chat.elasticsearch_shards: of an index that is built from now on. */
extern int	guc_elasticsearch_shards;

#include "nodes/pg_list.h"

typedef enum EsIndexState
{
	INDEX_BUILDING,
	INDEX_CURRENT,
	INDEX_RETIRED
} EsIndexState;

/* A row of chat_internal.search_indexes. */
typedef struct EsIndex
{
	int32		id;
	char	   *name;
	char	   *alias;
	char	   *home;
	bool		proven;			/* it is in step, but for what is pending */
	bool		doubted;		/* it is not, as far as is known */
	int64		operations;		/* that it had seen, when last noted */
	char	   *uuid;			/* NULL: it cannot be used, or not yet */
	bool		elsewhere;		/* it was last found at another URL */
	EsIndexState state;
	bool		rebuild;
} EsIndex;

extern bool es_index_current(int32 *id, char **name);
extern void es_index_mark_verified(const EsIndex *index, int64 operations);
extern void es_index_mark_unverified(const EsIndex *index, int64 operations, int64 version);
extern List *search_indexes(int64 *last_version);
extern EsIndex *es_index_in_state(List *indexes, EsIndexState state);
extern bool es_indexes_maintain(List *indexes, bool check, const char **problem);
extern void es_index_replace(const EsIndex *old, const EsIndex *new);
extern void es_indexes_forget(void);

#endif							/* PG_CHAT_ES_INDEX_LIFECYCLE_H */
