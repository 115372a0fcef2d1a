/*
 * json_string.c
 *		Decodes a JSON string as it arrives.
 */
#include <ctype.h>
#include <string.h>

#include "common/json_writer.h"
#include "http/json_string.h"

size_t
json_string_plain(const JsonString *string, const char *bytes, size_t length)
{
	if (string->state != STRING_PLAIN || string->utf8.remaining > 0 || string->high_surrogate)
		return 0;
	return json_plain_length(bytes, length);
}

/* Takes the character after a backslash. */
static JsonStringResult
take_escape(JsonString *string, char byte, char *decoded, size_t *length)
{
	static const char names[] = "\"\\/bfnrt";
	static const char characters[] = "\"\\/\b\f\n\r\t";
	const char *name = byte ? strchr(names, byte) : NULL;

	if (byte == 'u')
	{
		string->code = 0;
		string->code_digits = 0;
		string->state = STRING_CODE;
		return JSON_STRING_MORE;
	}
	if (name == NULL || string->high_surrogate)
		return JSON_STRING_MALFORMED;
	string->state = STRING_PLAIN;
	decoded[0] = characters[name - names];
	*length = 1;
	return JSON_STRING_MORE;
}

/* Ends \uXXXX: it is a character, or one half of a surrogate pair. */
static JsonStringResult
end_code(JsonString *string, char *decoded, size_t *length)
{
	bool		is_high = string->code >= 0xd800 && string->code < 0xdc00;
	bool		is_low = string->code >= 0xdc00 && string->code < 0xe000;
	unsigned	high = string->high_surrogate;

	string->state = STRING_PLAIN;
	if (is_low != (high != 0))
		return JSON_STRING_MALFORMED;
	string->high_surrogate = is_high ? string->code : 0;
	if (is_high)
		return JSON_STRING_MORE;
	if (high)
		string->code = 0x10000 + ((high - 0xd800) << 10) + (string->code - 0xdc00);
	*length = (size_t) utf8_encode(string->code, decoded);
	return JSON_STRING_MORE;
}

/* Takes a digit of \uXXXX. */
static JsonStringResult
take_digit(JsonString *string, char byte, char *decoded, size_t *length)
{
	if (!isxdigit((unsigned char) byte))
		return JSON_STRING_MALFORMED;
	string->code = string->code * 16 + (isdigit((unsigned char) byte) ? byte - '0' : (byte | 0x20) - 'a' + 10);
	return ++string->code_digits < 4 ? JSON_STRING_MORE : end_code(string, decoded, length);
}

JsonStringResult
json_string_take(JsonString *string, char byte, char decoded[JSON_STRING_DECODED], size_t *length)
{
	*length = 0;
	if (string->state == STRING_ESCAPE)
		return take_escape(string, byte, decoded, length);
	if (string->state == STRING_CODE)
		return take_digit(string, byte, decoded, length);
	if (byte == '\\' && string->utf8.remaining == 0)
	{
		string->state = STRING_ESCAPE;
		return JSON_STRING_MORE;
	}
	if (byte == '"' && string->utf8.remaining == 0 && !string->high_surrogate)
		return JSON_STRING_END;
	if ((unsigned char) byte < 0x20 || string->high_surrogate ||
		!utf8_accept(&string->utf8, (unsigned char) byte))
		return JSON_STRING_MALFORMED;
	decoded[0] = byte;
	*length = 1;
	return JSON_STRING_MORE;
}
