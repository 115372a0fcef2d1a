/*
 * page.h
 *		Pages of lists: what a client asks for, and how the next one is found.
 */
#ifndef CHATD_PAGE_H
#define CHATD_PAGE_H

#include "http/request.h"

#define PAGE_DEFAULT 100
#define PAGE_MAXIMUM 1000

typedef enum PageKind
{
	PAGE_OF_LIST,
	PAGE_OF_MESSAGES,			/* of one chat: it may be that of the last ones */
	PAGE_ACROSS_CHATS			/* of messages of many chats */
} PageKind;

/* Where a row stands in its list: at a number, and across chats at CHAT.NUMBER. */
typedef struct Place
{
	int			chat;			/* 0 but across chats */
	int			number;
} Place;

typedef struct Page
{
	PageKind	kind;
	int			limit;			/* of which the client named one, or the default */
	int			last;			/* this one, and the numbers of these, are -1 if not given */
	Place		after;
	Place		before;
	bool		limit_given;
	Text		search;			/* the text to search for; NULL if not given */
} Page;

/*
 * Reads the request's query into request->page. Returns false if a parameter
 * is wrong, with the request answered.
 */
extern bool page_read(Request *request, PageKind kind);
extern void page_free(Page *page);

/* Adds after, before and limit to the query's parameters. */
extern void page_add_bounds(Request *request);

/*
 * Answers with rows as objects, with fewer than asked for where they are too
 * large for one page. What after and before refer to begins at place_column:
 * the number, or the chat's number with the number behind it.
 */
extern void page_answer(Request *request, const Rows *rows, int place_column, RowPrinter print);

#endif
