/*
 * search.h
 *	  A search that is under way: see search.c.
 */
#ifndef PG_CHAT_SEARCH_H
#define PG_CHAT_SEARCH_H

#include "common/search_range.h"
#include "common/spi_plan.h"

/* pg_chat.search_timeout: how long a search waits for Elasticsearch, in milliseconds. */
extern int	guc_search_timeout;

typedef struct Search
{
	SearchRange range;			/* what is left to go through */
	text	   *query;
	text	   *pattern;		/* for the trigram index, see trigram_index.c; NULL: not used */
	int64		missing;		/* rows that are still wanted */
	RowStore	found;			/* rows, in the order of the search */
} Search;

#endif							/* PG_CHAT_SEARCH_H */
