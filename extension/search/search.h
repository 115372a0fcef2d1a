/*
 * search.h
 *	  Search for messages by what their bodies contain: see search.c.
 */
#ifndef PG_CHAT_SEARCH_H
#define PG_CHAT_SEARCH_H

#include "postgres.h"

#include "common/spi_plan.h"

/* pg_chat.search_timeout: how long a search waits for Elasticsearch, in milliseconds. */
extern int	guc_search_timeout;

/* Where a message stands in its application. */
typedef struct Position
{
	int32		chat;
	int32		number;
} Position;

/*
 * A search that is under way. What it has dealt with is taken off its range,
 * from below or, if it goes from the end, from above.
 */
typedef struct Search
{
	int32		application;
	bool		within_chat;	/* in the chat of both bounds alone */
	text	   *query;
	text	   *pattern;		/* for a search index, see trigram_index.c; NULL: there is none */
	Position	above;			/* in messages after this one */
	Position	upto;			/* and up to this one */
	bool		from_end;		/* the last of them first */
	int64		missing;		/* rows that are still wanted */
	RowStore	found;			/* rows, in the order of the search */
} Search;

/* Messages of a chat: numbers above one, up to another. */
typedef struct Range
{
	int32		chat;
	int32		above;
	int32		upto;
} Range;

/* Whether a stands before b in the application: below 0, 0, or above. */
static inline int
position_compare(Position a, Position b)
{
	if (a.chat != b.chat)
		return a.chat < b.chat ? -1 : 1;
	return (a.number > b.number) - (a.number < b.number);
}

/* The same, in the order of a search. */
static inline int
search_compare(const Search *search, Position a, Position b)
{
	return search->from_end ? position_compare(b, a) : position_compare(a, b);
}

#endif							/* PG_CHAT_SEARCH_H */
