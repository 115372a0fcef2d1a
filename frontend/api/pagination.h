/*
 * pagination.h
 *		Pages of lists: their parameters, and links to the pages around.
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

/* Adds the parameters after, before and limit to the call's query, or last alone. */
extern void page_add_bounds(Request *request);

/*
 * Responds with a page of messages, which the database made as one row, and the links.
 * The page may have fewer messages than asked for, if they are large.
 */
extern void page_answer(Request *request, const Rows *rows);

/* Responds with an array of the rows, each printed by print, and the links; number_column has their numbers. */
extern void page_answer_rows(Request *request, const Rows *rows, int number_column, RowPrinter print);

/* Responds with an empty page. */
extern void page_answer_none(Request *request);

#endif
