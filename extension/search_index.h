/*
 * search_index.h
 *	  The life of an index in Elasticsearch: see search_index.c.
 */
#ifndef PG_CHAT_SEARCH_INDEX_H
#define PG_CHAT_SEARCH_INDEX_H

#include "postgres.h"

#include "nodes/pg_list.h"

typedef enum SearchIndexState
{
	INDEX_BUILDING,
	INDEX_CURRENT,
	INDEX_RETIRED
} SearchIndexState;

/* A row of chat.search_indexes. */
typedef struct SearchIndex
{
	int32		id;
	char	   *name;
	char	   *alias;
	char	   *uuid;			/* NULL: it cannot be used, or not yet */
	SearchIndexState state;
	bool		rebuild;
} SearchIndex;

extern List *search_indexes(int64 *last_version);
extern SearchIndex *search_index_in_state(List *indexes, SearchIndexState state);
extern bool search_indexes_maintain(List *indexes, bool check, const char **problem);
extern void search_index_replace(const SearchIndex *old, const SearchIndex *new);
extern void search_indexes_forget(void);
extern void search_indexes_recover(void);

#endif							/* PG_CHAT_SEARCH_INDEX_H */
