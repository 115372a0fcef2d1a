/*
 * position.c
 *		Positions in the changes of a chat.
 */
#include <stdio.h>
#include <string.h>

#include "http/uri.h"
#include "streams/position.h"

bool
position_parse(const char *text, size_t length, Position *position)
{
	const char *dot = memchr(text, '.', length);
	size_t		number_length = dot ? (size_t) (dot - text) : length;
	Position	parsed = {0};

	if (!uri_number(text, number_length, 0, &parsed.number) ||
		(dot && !uri_number(dot + 1, length - number_length - 1, 0, &parsed.revision)))
		return false;
	*position = parsed;
	return true;
}

int
position_print(char *text, Position position)
{
	return sprintf(text, "%d.%d", position.number, position.revision);
}

bool
position_equal(Position a, Position b)
{
	return a.number == b.number && a.revision == b.revision;
}

bool
position_exceeds(Position position, Position other)
{
	return position.number > other.number || position.revision > other.revision;
}
