/*
 * header_value.c
 *		The values of headers: strings of structured fields (RFC 8941), entity tags.
 */
#include <string.h>

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
