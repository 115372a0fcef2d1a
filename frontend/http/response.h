/*
 * response.h
 *		The only ways to answer a request. Every body is JSON.
 *
 * Each puts the answer into the request; a request is answered once.
 */
#ifndef CHATD_RESPONSE_H
#define CHATD_RESPONSE_H

#include "http/request.h"

/* The text of {"error": ...} as a malloc'ed string. */
extern char *error_body(const char *text);

/* An object or an array; takes over the reference. */
extern void answer_json(Request *request, unsigned status, json_t *body);

/*
 * Answers 200 with a body that is JSON already; takes over body, NULL where
 * there was no memory for it. Answers 503 if too much is in memory already that
 * clients have not taken yet.
 */
extern void answer_found(Request *request, char *body);

/* The same with a Link header, if link is not NULL. */
extern void answer_page(Request *request, char *body, const char *link);

/* {"error": ...}. */
extern void answer_error(Request *request, unsigned status, const char *format,...)
			__attribute__((format(printf, 3, 4)));

#define UNSTORABLE_TEXT "has a character that the database cannot store"

/* 422 with {"field": ["predicate"]}; answer_faults takes over the reference. */
extern void answer_fault(Request *request, const char *field, const char *predicate);
extern void answer_faults(Request *request, json_t *faults);

/* 503 with Retry-After. */
extern void answer_unavailable(Request *request, const char *text);

/* Gives the answer's memory back, if there is an answer. */
extern void answer_free(Request *request);

/* Has the connection closed behind the answer that the request was given, if any. */
extern void answer_last(Request *request);

/* 405, or 204 for OPTIONS, with Allow. */
extern void answer_allow(Request *request, unsigned status, const char *methods);

/*
 * Answers with an error of the database, but for what does not exist; field is
 * the one at fault, or NULL. The hint, if not NULL, is given to the client of a
 * statement that took too long.
 */
extern void answer_sql_error(Request *request, const char *sqlstate, const char *field,
							 const char *message, const char *hint);

#endif
