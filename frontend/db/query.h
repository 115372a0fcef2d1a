/*
 * query.h
 *		A request's statement: its parameters, its way out, its answer.
 */
#ifndef CHATD_QUERY_H
#define CHATD_QUERY_H

#include "http/request.h"

/* SQLSTATEs */
#define NO_SUCH_ROW "P0002"		/* a missing parent */
#define LOCKED "55P03"			/* another transaction is at it */
#define UNSTORABLE "22P05"		/* a character that the database's encoding lacks */

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

/* The array of a chat's number and a message's; chat 0 stands for SQL's null. */
extern void query_add_key(Request *request, int chat, int number);

/* Sends the statement, whose operation will be done by the function given. */
extern void query_send(Session *session, Request *request,
					   void (*done) (Operation *operation, const PGresult *result));

/* The request whose statement the operation is. */
extern Request *query_request(Operation *operation);

/* Answers and resumes a request with the result of its statement, NULL if there is none. */
extern void query_finish(Request *request, const PGresult *result);

/* Answers and resumes a request whose rows are there. */
extern void query_answer(Request *request, const Rows *rows);

/* Answers a request, which is not resumed, with an error of the database. */
extern void query_refuse(Request *request, const PGresult *result);

/* Answers and resumes one that failed; result is NULL if the connection was lost. */
extern void query_fail(Request *request, const PGresult *result);

/*
 * Answers and resumes requests in a queue with 503: those that have waited too
 * long, or all.
 */
extern void queue_expire(RequestQueue *queue, bool all);

#endif
