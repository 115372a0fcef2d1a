/*
 * uri.h
 *		Strict percent-decoding, and numbers in paths, queries and forms.
 *
 * All of it works on the bytes as the client sent them.
 */
#ifndef CHATD_URI_H
#define CHATD_URI_H

#include <stdbool.h>
#include <stddef.h>

/* A decoded text, malloc'ed and owned by the caller; a NUL follows its end. */
typedef struct Text
{
	char	   *bytes;			/* NULL: none */
	size_t		length;
} Text;

/*
 * Decodes percent-encoding and, in a form or a query, plus as space. A NUL is decoded like
 * any other byte. Returns false if the encoding or the decoded UTF-8 is invalid, or out of
 * memory; text is then unchanged.
 */
extern bool uri_decode(const char *raw, size_t length, bool form, Text *text);

/*
 * Calls take with each name=value pair of a query or a form, decoded; take owns
 * both texts. Stops and returns false if a pair cannot be decoded or take returns
 * false.
 */
extern bool uri_each_pair(const char *raw, size_t length,
						  bool (*take) (void *owner, Text name, Text value), void *owner);

/*
 * The path and query of a request's target, without the scheme and host that a target may
 * begin with; "/" if there is no path.
 */
extern const char *uri_path(const char *target);

/* Percent-encodes all but unreserved characters; malloc'ed, NULL if out of memory. */
extern char *uri_encode(const char *bytes, size_t length);

/*
 * Parses a number from minimum to 2^31 - 1: digits only, without a leading zero.
 * Returns false for anything else; number is then unchanged.
 */
extern bool uri_number(const char *text, size_t length, int minimum, int *number);

#endif
