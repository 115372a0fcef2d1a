/*
 * json_string.h
 *		Decodes a JSON string as it arrives.
 */
#ifndef CHATD_JSON_STRING_H
#define CHATD_JSON_STRING_H

#include <stddef.h>

#include "common/utf8.h"

#define JSON_STRING_DECODED 4	/* bytes that one byte can complete, at most */

/* A string that has begun; zeroed behind its opening quote. */
typedef struct JsonString
{
	enum
	{
		STRING_PLAIN,
		STRING_ESCAPE,			/* after a backslash */
		STRING_CODE				/* in \uXXXX */
	}			state;
	Utf8		utf8;
	int			code_digits;	/* of \uXXXX, read so far */
	unsigned	code;
	unsigned	high_surrogate; /* awaits its other half, or 0 */
} JsonString;

typedef enum JsonStringResult
{
	JSON_STRING_MORE,
	JSON_STRING_END,			/* that was the closing quote */
	JSON_STRING_MALFORMED
} JsonStringResult;

/* How many of the next bytes stand for themselves and need no decoding: 0 to length. */
extern size_t json_string_plain(const JsonString *string, const char *bytes, size_t length);

/* Takes a byte, and sets decoded and length to what it adds to the text, maybe nothing. */
extern JsonStringResult json_string_take(JsonString *string, char byte,
										 char decoded[JSON_STRING_DECODED], size_t *length);

#endif
