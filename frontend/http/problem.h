/*
 * problem.h
 *		Errors as RFC 9457 has them, for clients that ask for it.
 */
#ifndef CHATD_PROBLEM_H
#define CHATD_PROBLEM_H

#include "http/request.h"

#define PROBLEM_TYPE "application/problem+json"

/* Whether the client accepts problems (Accept). */
extern bool problem_is_wanted(const Request *request);

/*
 * Makes a problem of the body of an error, which is freed. The text of {"error": ...} becomes the member
 * detail; an object of invalid fields becomes the member errors. Returns NULL if out of memory.
 */
extern char *problem_body(unsigned status, char *body);

#endif
