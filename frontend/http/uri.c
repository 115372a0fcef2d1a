/*
 * uri.c
 *		Strict percent-decoding, and numbers in paths, queries and forms.
 */
#include <ctype.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/utf8.h"
#include "http/uri.h"

static int
hex_value(char digit)
{
	if (isdigit((unsigned char) digit))
		return digit - '0';
	if (isxdigit((unsigned char) digit))
		return tolower((unsigned char) digit) - 'a' + 10;
	return -1;
}

bool
uri_decode(const char *raw, size_t length, bool form, Text *text)
{
	char	   *bytes = malloc(length + 1);
	size_t		used = 0;

	if (bytes == NULL)
		return false;
	for (size_t i = 0; i < length; i++)
	{
		if (raw[i] == '%')
		{
			int			high = i + 2 < length ? hex_value(raw[i + 1]) : -1;
			int			low = i + 2 < length ? hex_value(raw[i + 2]) : -1;

			if (high < 0 || low < 0)
			{
				free(bytes);
				return false;
			}
			bytes[used++] = (char) (high * 16 + low);
			i += 2;
		}
		else
			bytes[used++] = form && raw[i] == '+' ? ' ' : raw[i];
	}
	bytes[used] = '\0';
	if (!utf8_is_valid(bytes, used))
	{
		free(bytes);
		return false;
	}
	*text = (Text) {bytes, used};
	return true;
}

bool
uri_each_pair(const char *raw, size_t length,
			  bool (*take) (void *owner, Text name, Text value), void *owner)
{
	const char *end = raw + length;

	while (raw < end)
	{
		const char *pair_end = memchr(raw, '&', end - raw);
		const char *equals;
		Text		name = {0};
		Text		value = {0};

		if (pair_end == NULL)
			pair_end = end;
		equals = memchr(raw, '=', pair_end - raw);
		if (equals == NULL)
			equals = pair_end;
		if (pair_end > raw)
		{
			const char *start = equals < pair_end ? equals + 1 : pair_end;

			if (!uri_decode(raw, equals - raw, true, &name))
				return false;
			if (!uri_decode(start, pair_end - start, true, &value))
			{
				free(name.bytes);
				return false;
			}
			if (!take(owner, name, value))
				return false;
		}
		raw = pair_end + 1;
	}
	return true;
}

const char *
uri_path(const char *target)
{
	const char *host = target;

	if (strncasecmp(target, "http://", 7) == 0)
		host = target + 7;
	else if (strncasecmp(target, "https://", 8) == 0)
		host = target + 8;
	if (host == target)
		return target;
	host += strcspn(host, "/?");
	return *host ? host : "/";
}

char *
uri_encode(const char *bytes, size_t length)
{
	static const char digits[] = "0123456789ABCDEF";
	char	   *encoded = malloc(length * 3 + 1);
	char	   *end = encoded;

	if (encoded == NULL)
		return NULL;
	for (size_t i = 0; i < length; i++)
	{
		unsigned char byte = bytes[i];

		if (isalnum(byte) || (byte && strchr("-._~", byte)))
			*end++ = byte;
		else
		{
			*end++ = '%';
			*end++ = digits[byte >> 4];
			*end++ = digits[byte & 15];
		}
	}
	*end = '\0';
	return encoded;
}

bool
uri_number(const char *text, size_t length, int minimum, int *number)
{
	int64_t		value = 0;

	if (length == 0 || length > 10 || (text[0] == '0' && length > 1))
		return false;
	for (size_t i = 0; i < length; i++)
	{
		if (!isdigit((unsigned char) text[i]))
			return false;
		value = value * 10 + (text[i] - '0');
	}
	if (value < minimum || value > INT_MAX)
		return false;
	*number = (int) value;
	return true;
}
