/*
 * utf8.c
 *		UTF-8, validated and decoded.
 */
#include <string.h>

#include "common/utf8.h"

bool
utf8_accept(Utf8 *utf8, unsigned char byte)
{
	if (utf8->remaining > 0)
	{
		if (byte < utf8->low || byte > utf8->high)
			return false;
		utf8->remaining--;
		utf8->low = 0x80;
		utf8->high = 0xbf;
		return true;
	}
	if (byte < 0x80)
		return true;
	if (byte < 0xc2 || byte > 0xf4)
		return false;
	utf8->remaining = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
	/* Restricts the second byte, to exclude overlong forms, surrogates and what is too high. */
	utf8->low = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
	utf8->high = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
	return true;
}

/* Are eight bytes ASCII? */
static bool
are_ascii(const char *bytes)
{
	uint64_t	word;

	memcpy(&word, bytes, sizeof(word));
	return (word & UINT64_C(0x8080808080808080)) == 0;
}

bool
utf8_is_valid(const char *bytes, size_t length)
{
	Utf8		utf8 = {0};

	for (size_t i = 0; i < length; i++)
	{
		while (utf8.remaining == 0 && i + sizeof(uint64_t) <= length && are_ascii(bytes + i))
			i += sizeof(uint64_t);
		if (i < length && !utf8_accept(&utf8, (unsigned char) bytes[i]))
			return false;
	}
	return utf8.remaining == 0;
}

int
utf8_decode(const char *bytes, size_t length, uint32_t *character)
{
	static const unsigned char lead_bits[] = {0x7f, 0x1f, 0x0f, 0x07};
	Utf8		utf8 = {0};
	int			count;

	if (length == 0 || !utf8_accept(&utf8, (unsigned char) bytes[0]))
		return 0;
	count = utf8.remaining + 1;
	if ((size_t) count > length)
		return 0;
	*character = (unsigned char) bytes[0] & lead_bits[count - 1];
	for (int i = 1; i < count; i++)
	{
		if (!utf8_accept(&utf8, (unsigned char) bytes[i]))
			return 0;
		*character = *character << 6 | ((unsigned char) bytes[i] & 0x3f);
	}
	return count;
}

int
utf8_encode(uint32_t character, char *bytes)
{
	static const unsigned char lead_marks[] = {0, 0xc0, 0xe0, 0xf0};
	int			more = character < 0x80 ? 0 : character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;

	bytes[0] = (char) (lead_marks[more] | character >> (6 * more));
	for (int i = 1; i <= more; i++)
		bytes[i] = (char) (0x80 | (character >> (6 * (more - i)) & 0x3f));
	return more + 1;
}
