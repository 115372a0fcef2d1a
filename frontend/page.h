/*
 * page.h
 *		Pages of lists: what a client asks for, and how the next one is found.
 */
#ifndef CHATD_PAGE_H
#define CHATD_PAGE_H

#include "request.h"

#define PAGE_DEFAULT 100
#define PAGE_MAXIMUM 1000

typedef struct Page
{
	int			limit;			/* of which the client named one, or the default */
	int			after;			/* these three are -1 if not given */
	int			before;
	int			last;
	bool		limit_given;
	Text		search;			/* the text to search for; NULL if not given */
} Page;

/*
 * Reads the request's query into request->page. Returns false if a parameter
 * is wrong, with the request answered.
 */
extern bool page_read(Request *request);
extern void page_free(Page *page);

/* Adds after, before and limit to the query's parameters. */
extern void page_add_bounds(Request *request);

/*
 * Answers with rows as objects, with fewer than asked for where they are too
 * large for one page; number_column's values are what after and before refer to.
 */
extern void page_answer(Request *request, const Rows *rows, int number_column, RowPrinter print);

#endif
