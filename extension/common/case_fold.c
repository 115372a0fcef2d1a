/*
 * case_fold.c
 *	  Letter case and white space, the same in every database.
 *
 * To fold a text is to remove its differences of letter case, by Unicode's
 * full case folding (The Unicode Standard, section 3.13, toCasefold, without
 * normalization), from utf8proc. Full means that a character may become
 * several: sharp s becomes ss, and capital I with dot becomes i and a
 * combining dot. Folding depends neither on the database's locale nor on ICU.
 *
 * A text in another encoding than UTF-8 is folded character by character by
 * way of UTF-8; a character whose folded form the encoding lacks stays as it
 * is. In SQL_ASCII, where bytes above 127 have no meaning, only ASCII is
 * folded.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include <string.h>
#include <utf8proc.h>

#include "catalog/namespace.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "common/case_fold.h"
#include "common/sql_signature.h"
#include "common/compat.h"

/* The most bytes that the folded form of a text has for each of its bytes. */
#define FOLD_MAX_GROWTH 3

/* Room for a character in any encoding, as pg_do_encoding_conversion_buf() requires it. */
#define FOLD_CHARACTER_SIZE (MAX_CONVERSION_GROWTH * 16 + 1)

/* A text, folded. */
typedef struct FoldedText
{
	unsigned char *data;
	size_t		length;			/* in bytes */
	size_t		capacity;
} FoldedText;

PG_FUNCTION_INFO_V1(chat_fold);
PG_FUNCTION_INFO_V1(chat_contains);

static inline unsigned char
fold_ascii_byte(unsigned char byte)
{
	return byte + ((unsigned char) (byte - 'A') < 26 ? 'a' - 'A' : 0);
}

/*
 * Fold ASCII letters, and leave other bytes as they are. Returns whether all
 * bytes were ASCII. Written so that the compiler can vectorize it.
 */
static bool
fold_ascii(const unsigned char *source, size_t length, unsigned char *target)
{
	unsigned char seen = 0;

	for (size_t i = 0; i < length; i++)
	{
		seen |= source[i];
		target[i] = fold_ascii_byte(source[i]);
	}
	return (seen & 0x80) == 0;
}

/*
 * Fold one character of UTF-8. Returns the length of the folded form, and
 * the length of the character in *consumed. A byte that begins no character
 * stands for itself.
 */
static size_t
fold_utf8_character(const unsigned char *source, size_t length,
					unsigned char *target, size_t *consumed)
{
	utf8proc_int32_t codepoint;
	utf8proc_int32_t folded[4];
	utf8proc_ssize_t size;
	utf8proc_ssize_t count;
	int			boundclass = 0;
	size_t		written = 0;

	size = utf8proc_iterate(source, length, &codepoint);
	if (size <= 0)
	{
		*consumed = 1;
		target[0] = source[0];
		return 1;
	}
	*consumed = size;

	count = utf8proc_decompose_char(codepoint, folded, lengthof(folded),
									UTF8PROC_CASEFOLD, &boundclass);
	if (count < 0 || count > (utf8proc_ssize_t) lengthof(folded))
	{
		memcpy(target, source, size);
		return size;
	}
	for (utf8proc_ssize_t i = 0; i < count; i++)
		written += utf8proc_encode_char(folded[i], target + written);
	return written;
}

static size_t
fold_utf8(const unsigned char *source, size_t length, unsigned char *target)
{
	size_t		written = 0;
	size_t		position = 0;

	while (position < length)
	{
		size_t		consumed = 1;

		if (source[position] < 0x80)
			target[written++] = fold_ascii_byte(source[position]);
		else
			written += fold_utf8_character(source + position, length - position,
										   target + written, &consumed);
		position += consumed;
	}
	return written;
}

/*
 * Convert one character between encodings. Returns its new length, or 0
 * where the target encoding lacks it.
 */
static size_t
convert_character(Oid conversion, int from, int to,
				  const unsigned char *source, size_t length, unsigned char *target)
{
	int			consumed;

	consumed = pg_do_encoding_conversion_buf(conversion, from, to,
											 (unsigned char *) source, length,
											 target, FOLD_CHARACTER_SIZE, true);
	return consumed == (int) length ? strlen((char *) target) : 0;
}

/* Fold a text in an encoding that is neither UTF-8 nor SQL_ASCII. */
static size_t
fold_other_encoding(int encoding, const unsigned char *source, size_t length,
					unsigned char *target)
{
	Oid			to_utf8 = FindDefaultConversionProc(encoding, PG_UTF8);
	Oid			from_utf8 = FindDefaultConversionProc(PG_UTF8, encoding);
	size_t		written = 0;
	size_t		position = 0;

	while (position < length)
	{
		const unsigned char *character = source + position;
		size_t		size = pg_encoding_mblen_bounded(encoding, (const char *) character);
		unsigned char utf8[FOLD_CHARACTER_SIZE];
		unsigned char folded[FOLD_CHARACTER_SIZE];
		unsigned char result[FOLD_CHARACTER_SIZE];
		size_t		count = 0;

		size = Min(size, length - position);
		position += size;
		if (size == 1 && *character < 0x80)
		{
			target[written++] = fold_ascii_byte(*character);
			continue;
		}

		if (OidIsValid(to_utf8) && OidIsValid(from_utf8))
		{
			count = convert_character(to_utf8, encoding, PG_UTF8, character, size, utf8);
			if (count > 0)
				count = fold_utf8(utf8, count, folded);
			if (count > 0)
				count = convert_character(from_utf8, PG_UTF8, encoding, folded, count, result);
		}
		if (count > 0 && count <= size * FOLD_MAX_GROWTH)
			memcpy(target + written, result, count);
		else
			memcpy(target + written, character, count = size);
		written += count;
	}
	return written;
}

/* Fold a text into folded, whose buffer is enlarged in context as needed. */
static void
fold_text(const text *value, FoldedText *folded, MemoryContext context)
{
	const unsigned char *source = (const unsigned char *) VARDATA_ANY(value);
	size_t		length = VARSIZE_ANY_EXHDR(value);
	size_t		needed = length * FOLD_MAX_GROWTH + 1;
	int			encoding = GetDatabaseEncoding();

	if (folded->capacity < needed)
	{
		if (folded->data != NULL)
			pfree(folded->data);
		folded->data = MemoryContextAllocHuge(context, needed);
		folded->capacity = needed;
	}

	if (fold_ascii(source, length, folded->data) || encoding == PG_SQL_ASCII)
		folded->length = length;
	else if (encoding == PG_UTF8)
		folded->length = fold_utf8(source, length, folded->data);
	else
		folded->length = fold_other_encoding(encoding, source, length, folded->data);
}

/* The folded form of a text, in the current memory context. */
text *
text_fold(const text *value)
{
	FoldedText	folded = {0};

	fold_text(value, &folded, CurrentMemoryContext);
	return cstring_to_text_with_len((char *) folded.data, folded.length);
}

/*
 * chat.fold(value text) returns text
 *
 * The folded form of value.
 */
Datum
chat_fold(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_ARGS(TEXTOID), SQL_RETURNS(TEXTOID), .any_version = true};

	sql_signature_check(fcinfo, &signature, InvalidOid);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(text_fold(PG_GETARG_TEXT_PP(0)));
}

/*
 * Whether a folded text contains another. In UTF-8 and in single-byte
 * encodings, equal bytes are equal characters. In other encodings they may also
 * be the end of one character and the beginning of the next, which does not
 * count.
 */
static bool
folded_contains(const FoldedText *body, const FoldedText *query)
{
	int			encoding = GetDatabaseEncoding();
	const unsigned char *end = body->data + body->length;
	const unsigned char *from = body->data;
	const unsigned char *hit;

	while ((hit = memmem(from, end - from, query->data, query->length)) != NULL)
	{
		if (encoding == PG_UTF8 || pg_encoding_max_length(encoding) == 1)
			return true;
		while (from < hit)
			from += Min(pg_encoding_mblen_bounded(encoding, (const char *) from), end - from);
		if (from == hit)
			return true;
	}
	return false;
}

/* The state that chat.contains() keeps from call to call within a query. */
typedef struct ContainsState
{
	text	   *query;			/* the query last seen */
	FoldedText	folded_query;
	FoldedText	folded_body;	/* kept for its buffer */
} ContainsState;

/*
 * chat.contains(body text, query text) returns boolean
 *
 * Whether body contains query, regardless of letter case.
 */
Datum
chat_contains(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_ARGS(TEXTOID, TEXTOID), SQL_RETURNS(BOOLOID), .any_version = true};
	text	   *body;
	text	   *query;
	ContainsState *state;
	MemoryContext context;
	bool		found;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	body = PG_GETARG_TEXT_PP(0);
	query = PG_GETARG_TEXT_PP(1);
	state = fcinfo->flinfo->fn_extra;
	context = fcinfo->flinfo->fn_mcxt;
	if (state == NULL)
		state = fcinfo->flinfo->fn_extra =
			MemoryContextAllocZero(context, sizeof(ContainsState));

	if (state->query == NULL ||
		VARSIZE_ANY_EXHDR(state->query) != VARSIZE_ANY_EXHDR(query) ||
		memcmp(VARDATA_ANY(state->query), VARDATA_ANY(query), VARSIZE_ANY_EXHDR(query)) != 0)
	{
		MemoryContext caller = MemoryContextSwitchTo(context);

		if (state->query != NULL)
			pfree(state->query);
		state->query = cstring_to_text_with_len(VARDATA_ANY(query), VARSIZE_ANY_EXHDR(query));
		MemoryContextSwitchTo(caller);
		fold_text(query, &state->folded_query, context);
	}

	fold_text(body, &state->folded_body, context);
	found = folded_contains(&state->folded_body, &state->folded_query);

	PG_FREE_IF_COPY(body, 0);
	PG_FREE_IF_COPY(query, 1);
	PG_RETURN_BOOL(found);
}

/* Whether the character has Unicode's property White_Space. */
static bool
is_white_space(utf8proc_int32_t codepoint)
{
	if (codepoint < 0x80)
		return codepoint == ' ' || (codepoint >= '\t' && codepoint <= '\r');
	if (codepoint == 0x85)
		return true;
	switch (utf8proc_category(codepoint))
	{
		case UTF8PROC_CATEGORY_ZS:
		case UTF8PROC_CATEGORY_ZL:
		case UTF8PROC_CATEGORY_ZP:
			return true;
		default:
			return false;
	}
}

/*
 * Read the character at data, of at most length bytes. Returns its length in
 * bytes. *codepoint becomes its code point, or -1 if it has none.
 */
static int
read_character(const char *data, int length, utf8proc_int32_t *codepoint)
{
	int			encoding = GetDatabaseEncoding();
	int			size = Min(pg_encoding_mblen_bounded(encoding, data), length);

	*codepoint = -1;
	if (!IS_HIGHBIT_SET(*data))
		*codepoint = *data;
	else if (encoding == PG_UTF8)
		(void) utf8proc_iterate((const utf8proc_uint8_t *) data, size, codepoint);
	else if (encoding != PG_SQL_ASCII)
	{
		Oid			to_utf8 = FindDefaultConversionProc(encoding, PG_UTF8);
		unsigned char utf8[FOLD_CHARACTER_SIZE];
		size_t		count = 0;

		if (OidIsValid(to_utf8))
			count = convert_character(to_utf8, encoding, PG_UTF8,
									  (const unsigned char *) data, size, utf8);
		if (count > 0)
			(void) utf8proc_iterate(utf8, count, codepoint);
	}
	return size;
}

/* Whether the text is empty or consists of white space, in any script. */
bool
text_is_blank(const text *value)
{
	const char *data = VARDATA_ANY(value);
	int			length = VARSIZE_ANY_EXHDR(value);

	for (int position = 0; position < length;)
	{
		utf8proc_int32_t codepoint;

		position += read_character(data + position, length - position, &codepoint);
		if (codepoint < 0 || !is_white_space(codepoint))
			return false;
	}
	return true;
}
