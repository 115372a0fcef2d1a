/*
 * utf8.h
 *		UTF-8, validated and decoded.
 *
 * Valid means: no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#ifndef CHATD_UTF8_H
#define CHATD_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A validator that is given byte by byte; zeroed at the start. */
typedef struct Utf8
{
	unsigned char remaining;	/* continuation bytes to come; 0: between characters */
	unsigned char low;			/* range of the next one */
	unsigned char high;
} Utf8;

/* Takes a byte. Returns false if it makes the text invalid. */
extern bool utf8_accept(Utf8 *utf8, unsigned char byte);

/* Is all of it valid? */
extern bool utf8_is_valid(const char *bytes, size_t length);

/*
 * Decodes the character at the start of bytes. Returns its length, or 0 if there
 * is no valid one.
 */
extern int	utf8_decode(const char *bytes, size_t length, uint32_t *character);

/* Encodes a character into at most 4 bytes; returns how many. */
extern int	utf8_encode(uint32_t character, char *bytes);

#endif
