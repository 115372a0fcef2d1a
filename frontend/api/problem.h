/*
 * problem.h
 *		What a client is told of a query that failed.
 */
#ifndef CHATD_PROBLEM_H
#define CHATD_PROBLEM_H

#include "common/json_writer.h"
#include "db/query.h"
#include "http/request.h"

typedef struct Problem
{
	unsigned	status;
	const char *field;			/* the field at fault; NULL: text is about all of it */
	const char *text;			/* what is wrong with the field as a predicate, or an error */
	int			last_number;	/* of the chat, with 412 */
	char		composed[1024]; /* a text that is made up here */
} Problem;

/*
 * Finds out what is to be told of a failure, and logs it, with the request, if it is not the client's doing. The
 * texts are valid as long as the failure's.
 */
extern void problem_of(const Failure *failure, const Request *request, Problem *problem);

/* Responds with a problem. */
extern void respond_problem(Request *request, const Problem *problem);

/* Writes the members of a problem: "status", and "errors" of the field or "error". */
extern void problem_write(Json *json, const Problem *problem);

#endif
