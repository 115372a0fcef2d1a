/*
 * uri.h
 *		Request targets: strict percent decoding, numbers, queries.
 *
 * Everything is looked at in the bytes that the client sent.
 */
#ifndef CHATD_URI_H
#define CHATD_URI_H

#include <stdbool.h>
#include <stddef.h>

/* A decoded text; owned by whoever asked for it, always ends in a NUL too. */
typedef struct Text
{
	char	   *bytes;			/* NULL: not there */
	size_t		length;
} Text;

/* Is it UTF-8, without overlong forms, surrogates and the like? */
extern bool utf8_is_valid(const char *bytes, size_t length);

/*
 * Decodes percent-encoding, with plus as space if it is a form or a query.
 * Returns false when the encoding or the UTF-8 in it is wrong; text is then
 * untouched. A NUL is decoded like any other byte.
 */
extern bool uri_decode(const char *raw, size_t length, bool form, Text *text);

/*
 * Calls take for each name=value pair of a query or a form, decoded; take owns
 * the two texts. Stops and returns false when one cannot be decoded or take
 * returns false.
 */
extern bool uri_each_pair(const char *raw, size_t length,
						  bool (*take) (void *owner, Text name, Text value), void *owner);

/* Percent-encodes all but unreserved characters; returns a malloc'ed string. */
extern char *uri_encode(const char *bytes, size_t length);

/*
 * Reads digits only, without a leading zero (but for 0 itself): a number from
 * minimum to 2^31 - 1. Returns false when it is anything else.
 */
extern bool uri_number(const char *text, size_t length, int minimum, int *number);

#endif
