/*
 * search_range.h
 *	  Positions of messages in their application, and ranges of them.
 */
#ifndef PG_CHAT_SEARCH_RANGE_H
#define PG_CHAT_SEARCH_RANGE_H

#include "postgres.h"

/* Where a message stands in its application. */
typedef struct Position
{
	int32		chat;
	int32		number;
} Position;

/* Messages of a chat: the numbers above one, through another. */
typedef struct ChatRange
{
	int32		chat;
	int32		above;
	int32		through;
} ChatRange;

/*
 * The messages that a search has yet to go through: those after the position
 * above, through the position through. The search narrows it as it proceeds, from
 * below or, if it goes from the end, from above.
 */
typedef struct SearchRange
{
	int32		application;
	bool		within_chat;	/* in the chat of both bounds alone */
	bool		from_end;		/* the last message first */
	Position	above;
	Position	through;
} SearchRange;

/* Negative, zero or positive, as a stands before b in the application. */
static inline int
position_compare(Position a, Position b)
{
	if (a.chat != b.chat)
		return a.chat < b.chat ? -1 : 1;
	return (a.number > b.number) - (a.number < b.number);
}

/* The same, in the order of a search. */
static inline int
search_range_compare(const SearchRange *range, Position a, Position b)
{
	return range->from_end ? position_compare(b, a) : position_compare(a, b);
}

/* Whether nothing is left. */
static inline bool
search_range_is_empty(const SearchRange *range)
{
	return position_compare(range->above, range->through) >= 0;
}

/* Take off everything through a position, in the order of the search. */
static inline void
search_range_pass(SearchRange *range, Position last)
{
	if (range->from_end)
		range->through = (Position) {last.chat, last.number - 1};
	else
		range->above = last;
}

/* The first position of a chat's range, in the order of a search. */
static inline Position
search_range_first(const SearchRange *range, ChatRange part)
{
	return (Position) {part.chat, range->from_end ? part.through : part.above + 1};
}

/* The last one. */
static inline Position
search_range_last(const SearchRange *range, ChatRange part)
{
	return (Position) {part.chat, range->from_end ? part.above + 1 : part.through};
}

#endif							/* PG_CHAT_SEARCH_RANGE_H */
