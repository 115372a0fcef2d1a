/*
 * unindexed_ranges.h
 *	  Messages that an index may lack: see unindexed_ranges.c.
 */
#ifndef PG_CHAT_UNINDEXED_RANGES_H
#define PG_CHAT_UNINDEXED_RANGES_H

#include "search/search.h"

/* What is pending within the range of a search. */
typedef struct UnindexedRanges
{
	Range	   *ranges;			/* disjoint, in the order of the search */
	int			count;
} UnindexedRanges;

extern bool unindexed_ranges_read(const Search *search, int32 index, UnindexedRanges *pending);

#endif							/* PG_CHAT_UNINDEXED_RANGES_H */
