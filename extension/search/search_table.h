/*
 * search_table.h
 *	  Finding the messages that match, by PostgreSQL: see search_table.c.
 */
#ifndef PG_CHAT_SEARCH_TABLE_H
#define PG_CHAT_SEARCH_TABLE_H

#include "search/search.h"

extern void search_table_rest(Search *search);
extern void search_table_ranges(Search *search, const ChatRange *ranges, int count);

#endif							/* PG_CHAT_SEARCH_TABLE_H */
