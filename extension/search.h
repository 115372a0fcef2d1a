/*
 * search.h
 *	  Search for messages by what their bodies contain: see search.c.
 */
#ifndef PG_CHAT_SEARCH_H
#define PG_CHAT_SEARCH_H

#include "postgres.h"

#include "utils/tuplestore.h"

/* Where a message stands in its application. */
typedef struct MessageKey
{
	int32		chat;
	int32		number;
} MessageKey;

/* A search that is under way. */
typedef struct Search
{
	int32		application;
	bool		within_chat;	/* in the chat of both bounds alone */
	text	   *query;
	MessageKey	above;			/* in messages after this one */
	MessageKey	upto;			/* and up to this one */
	bool		from_end;		/* the last of them first */
	int64		missing;		/* rows that are still wanted */
	Tuplestorestate *found;		/* rows, in the order of the search */
} Search;

#endif							/* PG_CHAT_SEARCH_H */
