/*
 * error_body.h
 *		The body of an error response.
 */
#ifndef CHATD_ERROR_BODY_H
#define CHATD_ERROR_BODY_H

/* The JSON {"error": text}, malloc'ed; NULL if out of memory. */
extern char *error_body(const char *text);

#endif
