/*
 * header_value.c
 *		The values of headers: strings of structured fields (RFC 8941), entity tags, media types.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/header_value.h"
#include "http/uri.h"

/* Without spaces around it: where it begins, and its length. */
static const char *
trim(const char *value, size_t *length)
{
	value += strspn(value, " \t");
	*length = strlen(value);
	while (*length > 0 && strchr(" \t", value[*length - 1]))
		--* length;
	return value;
}

bool
header_string(const char *value, char *text, size_t size)
{
	size_t		length;
	size_t		used = 0;

	value = trim(value, &length);
	if (length < 2 || value[0] != '"')
		return false;
	for (size_t i = 1; i < length; i++)
	{
		char		byte = value[i];

		if (byte == '"')
		{
			text[used] = '\0';
			return used > 0 && i + 1 == length;
		}
		if (byte == '\\' && (++i == length || ((byte = value[i]) != '"' && byte != '\\')))
			return false;
		if (byte < 0x20 || byte > 0x7e || used == size)
			return false;
		text[used++] = byte;
	}
	return false;
}

bool
header_tag_number(const char *value, int *number)
{
	size_t		length;

	value = trim(value, &length);
	return length > 2 && value[0] == '"' && value[length - 1] == '"' && uri_number(value + 1, length - 2, 0, number);
}

/* Do the parameters of a media type, of this length, have q=0? */
static bool
is_refused(const char *parameters, size_t length)
{
	const char *end = parameters + length;

	for (const char *next = memchr(parameters, ';', length); next; next = memchr(next, ';', end - next))
	{
		next += 1 + strspn(next + 1, " \t");
		/* What is no number is not zero, as far as anybody knows. */
		if (strncasecmp(next, "q=0", 3) == 0)
			return strtod(next + 2, NULL) == 0;
	}
	return false;
}

bool
header_accepts(const char *value, const char *type)
{
	size_t		type_length = strlen(type);
	size_t		length;

	for (; value && *value; value += length + (value[length] == ','))
	{
		value += strspn(value, " \t");
		length = strcspn(value, ",");
		if (strcspn(value, ",; \t") == type_length && strncasecmp(value, type, type_length) == 0)
			return !is_refused(value, length);
	}
	return false;
}
