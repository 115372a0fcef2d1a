/*
 * search_candidates.h
 *	  Searching with Elasticsearch: see search_candidates.c.
 */
#ifndef PG_CHAT_SEARCH_CANDIDATES_H
#define PG_CHAT_SEARCH_CANDIDATES_H

#include "search/search_table.h"
#include "search/unindexed_ranges.h"

/* pg_chat.search_timeout: the time that a search waits for Elasticsearch, in milliseconds. */
extern int	guc_search_timeout;

extern bool search_candidates_find(Search *search, const char *index, UnindexedRanges *unindexed);

#endif							/* PG_CHAT_SEARCH_CANDIDATES_H */
