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
	char	   *home;
	bool		proven;			/* it is in step, but for what is pending */
	bool		doubted;		/* it is not, as far as is known */
	int64		operations;		/* that it had seen, when last noted */
	char	   *uuid;			/* NULL: it cannot be used, or not yet */
	bool		elsewhere;		/* it was last found at another URL */
	SearchIndexState state;
	bool		rebuild;
} SearchIndex;

extern bool search_index_current(int32 *id, char **name);
extern void search_index_prove(const SearchIndex *index, int64 operations);
extern void search_index_doubt(const SearchIndex *index, int64 operations, int64 version);
extern List *search_indexes(int64 *last_version);
extern SearchIndex *search_index_in_state(List *indexes, SearchIndexState state);
extern bool search_indexes_maintain(List *indexes, bool check, const char **problem);
extern void search_index_replace(const SearchIndex *old, const SearchIndex *new);
extern void search_indexes_forget(void);

#endif							/* PG_CHAT_SEARCH_INDEX_H */
