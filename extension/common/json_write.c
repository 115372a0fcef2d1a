/*
 * json_write.c
 *	  Writing JSON.
 *
 * JSON is written piece by piece behind what is there, without making a tree of it first.
 */
#include "postgres.h"

#include "common/json_write.h"

/* Whether a byte cannot stand in a JSON string as it is. */
static bool
needs_escape(char byte)
{
	return (unsigned char) byte < ' ' || byte == '"' || byte == '\\';
}

#define EACH_BYTE(byte) (~UINT64CONST(0) / 255 * (byte))

/* Nonzero if one of eight bytes is below a limit of at most 128. */
static uint64
any_below(uint64 bytes, uint8 limit)
{
	return (bytes - EACH_BYTE(limit)) & ~bytes & EACH_BYTE(128);
}

/* The first of the bytes that needs an escape; the end if none does. */
static const char *
find_escape(const char *bytes, const char *end)
{
	uint64		eight;

	for (; end - bytes >= sizeof(eight); bytes += sizeof(eight))
	{
		memcpy(&eight, bytes, sizeof(eight));
		if (any_below(eight, ' ') | any_below(eight ^ EACH_BYTE('"'), 1) | any_below(eight ^ EACH_BYTE('\\'), 1))
			break;
	}
	while (bytes < end && !needs_escape(*bytes))
		bytes++;
	return bytes;
}

/*
 * Append a JSON string, with its quotes, of length bytes of text.
 */
void
json_append_string(StringInfo target, const char *bytes, int length)
{
	static const char digits[] = "0123456789abcdef";
	static const char short_escapes[' '] = {
		['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'
	};
	const char *end = bytes + length;

	enlargeStringInfo(target, length + 2);
	json_append_literal(target, "\"");
	while (bytes < end)
	{
		const char *run = bytes;

		bytes = find_escape(bytes, end);
		json_append_bytes(target, run, bytes - run);
		if (bytes == end)
			break;
		if ((unsigned char) *bytes >= ' ')
			json_append_bytes(target, (char[]) {'\\', *bytes}, 2);
		else if (short_escapes[(int) *bytes] != 0)
			json_append_bytes(target, (char[]) {'\\', short_escapes[(int) *bytes]}, 2);
		else
			json_append_bytes(target, (char[]) {
				'\\', 'u', '0', '0', digits[*bytes >> 4], digits[*bytes & 15]
			}, 6);
		bytes++;
	}
	json_append_literal(target, "\"");
}
