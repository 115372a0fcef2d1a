/*
 * header_value.h
 *		The values of headers: strings of structured fields (RFC 8941), entity tags, media types.
 */
#ifndef CHATD_HEADER_VALUE_H
#define CHATD_HEADER_VALUE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Decodes a string in double quotes, of printable ASCII, into text, which has room for size
 * bytes and a NUL. Returns false if it is anything else, or longer, or empty, or if parameters follow.
 */
extern bool header_string(const char *value, char *text, size_t size);

/*
 * The number in an entity tag, as in "101": strong, alone, from 0 to 2^31 - 1. Returns false if
 * it is anything else: a list, a weak one, or an asterisk.
 */
extern bool header_tag_number(const char *value, int *number);

/*
 * Does the value of Accept name a media type, in any letter case, and not refuse it by q=0? Ranges such as of all texts
 * do not name it. value may be NULL: no.
 */
extern bool header_accepts(const char *value, const char *type);

#endif
