/*
 * search_range.h
 *	  Positions of messages in their application, and ranges of them.
 */
#ifndef PG_CHAT_SEARCH_RANGE_H
#define PG_CHAT_SEARCH_RANGE_H

#include "postgres.h"

/* The position of a message in its application. */
typedef struct Position
{
	int32		chat;
	int32		number;
} Position;

/* Messages of a chat: those with numbers above one, through another. */
typedef struct ChatRange
{
	int32		chat;
	int32		above;
	int32		through;
} ChatRange;

/*
 * The messages that a search has yet to go through: those after one position,
 * through another. The search narrows the range as it proceeds, from the start
 * or, if it goes from the end, from there.
 */
typedef struct SearchRange
{
	int32		application;
	bool		within_chat;	/* only within the chat of both bounds */
	bool		from_end;		/* from the last message to the first */
	Position	above;
	Position	through;
} SearchRange;

/* Compare two positions, in the order of keys. Negative, zero or positive, as for qsort(). */
static inline int
position_compare(Position a, Position b)
{
	if (a.chat != b.chat)
		return a.chat < b.chat ? -1 : 1;
	return (a.number > b.number) - (a.number < b.number);
}

/* Compare two positions in the order of a search. */
static inline int
search_range_compare(const SearchRange *range, Position a, Position b)
{
	return range->from_end ? position_compare(b, a) : position_compare(a, b);
}

/* Whether the range is empty. */
static inline bool
search_range_is_empty(const SearchRange *range)
{
	return position_compare(range->above, range->through) >= 0;
}

/* Remove everything through a position, in the order of the search. */
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

/* The last position of a chat's range, in the order of a search. */
static inline Position
search_range_last(const SearchRange *range, ChatRange part)
{
	return (Position) {part.chat, range->from_end ? part.above + 1 : part.through};
}

#endif							/* PG_CHAT_SEARCH_RANGE_H */
