/*
 * query.h
 *		A request's statement: its parameters, its way out, its answer.
 */
#ifndef CHATD_QUERY_H
#define CHATD_QUERY_H

#include "request.h"

#define NO_SUCH_ROW "P0002"		/* the SQLSTATE for a missing parent */

/*
 * Begins a request's statement. answer is called with its rows, missing when
 * the database says that there is no such parent.
 */
extern void query_begin(Request *request, StatementId statement,
						void (*answer) (Request *request, const Rows *rows),
						void (*missing) (Request *request));

/* The parameters, from left to right. A text must live as long as the request. */
extern void query_add_text(Request *request, const char *text);

/* A number; 0 stands for SQL's null. */
extern void query_add_number(Request *request, int number);

/* Sends the statement; the request is resumed when it is answered. */
extern void query_send(Session *session, Request *request);

/* Answers and resumes a request whose rows are there. */
extern void query_answer(Request *request, const Rows *rows);

/* The same for one that failed; result is NULL if the connection was lost. */
extern void query_fail(Request *request, const PGresult *result);

/*
 * Answers and resumes requests in a queue with 503: those that have waited too
 * long, or all.
 */
extern void queue_expire(RequestQueue *queue, bool all);

#endif
