/*
 * json_writer.c
 *		Writes JSON.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_writer.h"
#include "common/utf8.h"

#define SIZE_FIRST 128
#define REPLACEMENT "\xEF\xBF\xBD"

/* Makes room for length bytes and a NUL. Returns where they go; NULL without memory. */
static char *
reserve(Json *json, size_t length)
{
	if (json->used + length + 1 > json->size && !json->failed)
	{
		size_t		size = json->size ? json->size * 2 : SIZE_FIRST;
		char	   *grown;

		if (size < json->used + length + 1)
			size = json->used + length + 1;
		grown = realloc(json->bytes, size);
		json->failed = grown == NULL;
		if (grown)
		{
			json->bytes = grown;
			json->size = size;
		}
	}
	return json->failed ? NULL : json->bytes + json->used;
}

static void
append(Json *json, const char *bytes, size_t length)
{
	char	   *place = reserve(json, length);

	if (place)
	{
		memcpy(place, bytes, length);
		json->used += length;
	}
}

/* Separates the value or member that follows from the one before it. */
static void
separate(Json *json)
{
	if (json->used > 0 && strchr("[{:", json->bytes[json->used - 1]) == NULL)
		append(json, ",", 1);
}

void
json_open(Json *json, char bracket)
{
	separate(json);
	append(json, &bracket, 1);
}

void
json_close(Json *json, char bracket)
{
	append(json, &bracket, 1);
}

void
json_name(Json *json, const char *name)
{
	separate(json);
	append(json, "\"", 1);
	append(json, name, strlen(name));
	append(json, "\":", 2);
}

/* Does an ASCII character stand for itself in a string? */
static bool
is_plain(unsigned char byte)
{
	return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

/* Do eight bytes, all of them? */
static bool
are_plain(const char *bytes)
{
	const uint64_t each = UINT64_C(0x0101010101010101);
	uint64_t	word;
	uint64_t	quotes;
	uint64_t	backslashes;

	/* The highest bit of a byte is set where it is not plain, and in some bytes above such a one. */
	memcpy(&word, bytes, sizeof(word));
	quotes = word ^ (each * '"');
	backslashes = word ^ (each * '\\');
	return ((word | (word - each * 0x20) | (quotes - each) | (backslashes - each)) & (each * 0x80)) == 0;
}

size_t
json_plain_length(const char *text, size_t length)
{
	size_t		i = 0;

	while (i + sizeof(uint64_t) <= length && are_plain(text + i))
		i += sizeof(uint64_t);
	while (i < length && is_plain((unsigned char) text[i]))
		i++;
	return i;
}

/* Writes the first character of a text, which is not plain ASCII. Returns its length. */
static size_t
append_other(Json *json, const char *text, size_t length)
{
	static const char characters[] = "\"\\\b\f\n\r\t";
	static const char names[] = "\"\\bfnrt";
	static const char digits[] = "0123456789abcdef";
	unsigned char byte = *text;
	const char *found;
	uint32_t	character;
	size_t		size;

	if (byte >= 0x80)
	{
		size = utf8_decode(text, length, &character);
		append(json, size ? text : REPLACEMENT, size ? size : strlen(REPLACEMENT));
		return size ? size : 1;
	}
	found = byte ? strchr(characters, byte) : NULL;
	if (found)
		append(json, (char[]) {'\\', names[found - characters]}, 2);
	else
		append(json, (char[]) {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15]}, 6);
	return 1;
}

void
json_text(Json *json, const char *text, size_t length)
{
	separate(json);
	append(json, "\"", 1);
	while (length > 0)
	{
		size_t		size = json_plain_length(text, length);

		if (size > 0)
			append(json, text, size);
		else
			size = append_other(json, text, length);
		text += size;
		length -= size;
	}
	append(json, "\"", 1);
}

void
json_number(Json *json, int number)
{
	char		digits[sizeof("-2147483648")];
	char	   *end = digits + sizeof(digits);
	char	   *start = end;
	unsigned	rest = number < 0 ? 0u - (unsigned) number : (unsigned) number;

	do
		*--start = (char) ('0' + rest % 10);
	while ((rest /= 10) > 0);
	if (number < 0)
		*--start = '-';
	json_value(json, start, end - start);
}

void
json_value(Json *json, const char *value, size_t length)
{
	separate(json);
	append(json, value, length);
}

void
json_member_text(Json *json, const char *name, const char *text, size_t length)
{
	json_name(json, name);
	json_text(json, text, length);
}

void
json_member_number(Json *json, const char *name, int number)
{
	json_name(json, name);
	json_number(json, number);
}

void
json_member_value(Json *json, const char *name, const char *value, size_t length)
{
	json_name(json, name);
	json_value(json, value, length);
}

char *
json_end(Json *json)
{
	char	   *text = reserve(json, 0);

	if (text)
	{
		*text = '\0';
		text = json->bytes;
		*json = (Json) {0};
	}
	else
		json_free(json);
	return text;
}

void
json_free(Json *json)
{
	free(json->bytes);
	*json = (Json) {0};
}
