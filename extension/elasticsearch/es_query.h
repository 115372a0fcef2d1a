/*
 * candidates.h
 *	  Messages that Elasticsearch names for a search: see candidates.c.
 */
#ifndef PG_CHAT_CANDIDATES_H
#define PG_CHAT_CANDIDATES_H

#include "search/search.h"

/* Candidates, in the order of the search, all within its range. */
typedef struct Candidates
{
	Position   *positions;
	int			count;
	bool		more;			/* there may be more after the last one */
} Candidates;

/* Candidates that can be asked for at once. */
#define CANDIDATES_MAX 5000

extern const char *candidates_ask(const Search *search, const char *index, int size, long timeout_ms,
								  Candidates *candidates);

#endif							/* PG_CHAT_CANDIDATES_H */
