/*
 * unindexed_ranges.h
 *	  Messages that an index may lack: see unindexed_ranges.c.
 */
#ifndef PG_CHAT_UNINDEXED_RANGES_H
#define PG_CHAT_UNINDEXED_RANGES_H

#include "common/search_range.h"

/* The parts of a search's range that an index may lack. */
typedef struct UnindexedRanges
{
	ChatRange  *ranges;			/* disjoint, in the order of the search */
	int			count;
} UnindexedRanges;

extern bool unindexed_ranges_read(const SearchRange *searched, int32 index, UnindexedRanges *unindexed);

#endif							/* PG_CHAT_UNINDEXED_RANGES_H */
