/*
 * search_candidates.h
 *	  Searching with Elasticsearch: see search_candidates.c.
 */
#ifndef PG_CHAT_SEARCH_CANDIDATES_H
#define PG_CHAT_SEARCH_CANDIDATES_H

#include "search/search.h"
#include "search/unindexed_ranges.h"

extern bool search_candidates_find(Search *search, const char *index, UnindexedRanges *unindexed);

#endif							/* PG_CHAT_SEARCH_CANDIDATES_H */
