/*
 * pagination.h
 *		Lists are returned page by page, with links to the pages around.
 */
#ifndef CHATD_PAGINATION_H
#define CHATD_PAGINATION_H

#include "api/page.h"
#include "db/rows.h"
#include "http/request.h"

#define PAGE_DEFAULT 100
#define PAGE_MAXIMUM 1000

/*
 * Parses the request's query into the call's page. If a parameter is invalid,
 * responds and returns false.
 */
extern bool page_read(Request *request, PageKind kind);

/* Adds after, before and limit to the parameters of the call's query. */
extern void page_add_bounds(Request *request);

/*
 * Responds with rows as objects and the links, with fewer rows than asked for if
 * they are too large for one page. A row's place begins at place_column: its
 * number, or across chats the chat's number followed by its own.
 */
extern void page_answer(Request *request, const Rows *rows, int place_column, RowPrinter print);

#endif
