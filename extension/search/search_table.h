/*
 * search_table.h
 *	  Finding the messages that match, by PostgreSQL: see search_table.c.
 */
#ifndef PG_CHAT_SEARCH_TABLE_H
#define PG_CHAT_SEARCH_TABLE_H

#include "common/search_range.h"
#include "common/spi_plan.h"

/* A search that is under way. */
typedef struct Search
{
	SearchRange range;			/* the rest, yet to be searched */
	text	   *query;
	text	   *pattern;		/* for the trigram index, see trigram_index.c; NULL: not used */
	int64		missing;		/* rows still wanted; 0 once found takes no more */
	DestReceiver *found;		/* takes the rows, in the order of the search */
	const bool *found_enough;	/* set once found takes no more; NULL: it takes all */
} Search;

extern void search_table_rest(Search *search);
extern void search_table_ranges(Search *search, const ChatRange *ranges, int count);

#endif							/* PG_CHAT_SEARCH_TABLE_H */
