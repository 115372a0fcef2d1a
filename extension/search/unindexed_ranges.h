/*
 * pending.h
 *	  Messages that an index may lack: see pending.c.
 */
#ifndef PG_CHAT_PENDING_H
#define PG_CHAT_PENDING_H

#include "search/search.h"

/* What is pending within the range of a search. */
typedef struct Pending
{
	Range	   *ranges;			/* disjoint, in the order of the search */
	int			count;
} Pending;

extern bool pending_read(const Search *search, int32 index, Pending *pending);

#endif							/* PG_CHAT_PENDING_H */
