/*
 * page.h
 *		A page of a list, as the client asks for it.
 */
#ifndef CHATD_PAGE_H
#define CHATD_PAGE_H

#include <stdbool.h>

#include "http/uri.h"

typedef enum PageKind
{
	PAGE_OF_LIST,
	PAGE_OF_MESSAGES,			/* of one chat: the client may ask for the last ones, or filter
								 * them */
	PAGE_OF_CHANGES,			/* of one chat, after a position */
	PAGE_ACROSS_CHATS			/* of messages of many chats */
} PageKind;

/* The place of a row in its list: NUMBER, or CHAT.NUMBER across chats. */
typedef struct Place
{
	int			chat;			/* 0 unless across chats */
	int			number;
} Place;

typedef struct Page
{
	PageKind	kind;
	int			limit;			/* what the client gave, or the default */
	int			last;			/* -1 if not given, as are the numbers of after and before */
	Place		after;
	Place		before;
	bool		limit_given;
	int			revision;		/* of changes: that of the position after */
	int			wait;			/* of changes: for them, at most, s */
	Text		search;			/* the text to search for; NULL if not given */
	Text		sender;			/* of the messages that are wanted; NULL: of any */
	bool		deleted;		/* deleted messages are wanted, too */
} Page;

#endif
