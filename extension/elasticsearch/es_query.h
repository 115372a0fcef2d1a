/*
 * es_query.h
 *	  Candidates that Elasticsearch names for a search: see es_query.c.
 */
#ifndef PG_CHAT_ES_QUERY_H
#define PG_CHAT_ES_QUERY_H

#include "common/search_range.h"

/* Candidates, in the order of the search, all within its range. */
typedef struct EsCandidates
{
	Position   *positions;
	int			count;
	bool		more;			/* there may be more after the last one */
} EsCandidates;

/* The most candidates that can be asked for at once. */
#define ES_CANDIDATES_MAX 5000

extern const char *es_query_candidates(const SearchRange *range, const text *query, const char *index, int size,
									   long timeout_ms, EsCandidates *candidates);

#endif							/* PG_CHAT_ES_QUERY_H */
