/*
 * problem_details.h
 *		Errors as RFC 9457 has them, for clients that ask for it.
 */
#ifndef CHATD_PROBLEM_DETAILS_H
#define CHATD_PROBLEM_DETAILS_H

#include "http/request.h"

#define PROBLEM_TYPE "application/problem+json"

/*
 * Whether the client accepts problems (Accept), and this body is that of an error: others have what is left of a
 * deleted message, or the outcomes of items.
 */
extern bool problem_details_are_wanted(const Request *request, unsigned status, const char *body);

/*
 * Makes a problem of the body of an error, which is freed. The text of {"error": ...} becomes the member
 * detail; an object of invalid fields becomes the member errors. Returns NULL if out of memory.
 */
extern char *problem_details_body(unsigned status, char *body);

#endif
