/*
 * refusal.h
 *		Responses to callers that are refused: RFC 6750 and 9110.
 */
#ifndef CHATD_ACCESS_REFUSAL_H
#define CHATD_ACCESS_REFUSAL_H

#include "access/grant.h"
#include "http/request.h"

/* Responds with 401: there is no credential. */
extern void refuse_missing(Request *request);

/* Responds with 400: the Authorization header is malformed. */
extern void refuse_malformed(Request *request);

/* Responds with 401, after a pause: the credential is not valid, for the reason in the text. */
extern void refuse_invalid(Request *request, const char *text);

/* Responds with 403: the credential does not give the right. */
extern void refuse_insufficient(Request *request, Scope needed, const char *text);

#endif
