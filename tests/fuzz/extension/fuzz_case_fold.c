/*
 * fuzz_case_fold.c
 *	  Folding, containing and blank, of any text that a database can hold.
 *
 * Input: a byte that chooses the encoding, then a body and, after the first NUL,
 * a query.
 */
#include "common/case_fold.c"

#include "backend.h"

/* Those that differ in how characters are found: of one byte, of several, and of none. */
static const int encodings[] = {PG_UTF8, PG_SQL_ASCII, PG_LATIN1, PG_EUC_JP, PG_EUC_TW, PG_MULE_INTERNAL};

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static bool
is_same(const text *a, const text *b)
{
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

/* chat.contains, called as the executor does, for two bodies. */
static void
contains(text *bodies[2], text *query, bool found[2])
{
	FmgrInfo	function = {0};
	LOCAL_FCINFO(fcinfo, 2);

	InitFunctionCallInfoData(*fcinfo, &function, 2, InvalidOid, NULL, NULL);
	for (int i = 0; i < 2; i++)
	{
		fcinfo->args[0] = (NullableDatum) {.value = PointerGetDatum(bodies[i])};
		fcinfo->args[1] = (NullableDatum) {.value = PointerGetDatum(query)};
		found[i] = DatumGetBool(chat_contains(fcinfo));
	}
}

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *separator = size < 2 ? NULL : memchr(data + 1, '\0', size - 1);
	int			body_length;
	int			query_length;
	text	   *body;
	text	   *query;
	text	   *both;
	text	   *folded;
	text	   *again;
	bool		found[2];
	bool		again_found[2];

	if (separator == NULL)
		return -1;
	fuzz_encoding = encodings[data[0] % lengthof(encodings)];
	body_length = separator - data - 1;
	query_length = size - body_length - 2;
	if (query_length == 0 ||
		memchr(separator + 1, '\0', query_length) != NULL ||
		pg_encoding_verifymbstr(fuzz_encoding, (const char *) data + 1, body_length) != body_length ||
		pg_encoding_verifymbstr(fuzz_encoding, (const char *) separator + 1, query_length) != query_length)
		return -1;

	body = cstring_to_text_with_len((const char *) data + 1, body_length);
	query = cstring_to_text_with_len((const char *) separator + 1, query_length);
	both = palloc(VARHDRSZ + body_length + query_length);
	SET_VARSIZE(both, VARHDRSZ + body_length + query_length);
	memcpy(VARDATA(both), VARDATA(body), body_length);
	memcpy(VARDATA(both) + body_length, VARDATA(query), query_length);

	folded = text_fold(body);
	require(VARSIZE_ANY_EXHDR(folded) <= body_length * FOLD_MAX_GROWTH);
	require(pg_encoding_verifymbstr(fuzz_encoding, VARDATA_ANY(folded), VARSIZE_ANY_EXHDR(folded)) ==
			VARSIZE_ANY_EXHDR(folded));
	again = text_fold(folded);
	require(is_same(folded, again));

	/* A text contains its end; and a body contains what it contains folded. */
	contains((text *[2]) {both, folded}, query, found);
	require(found[0]);
	contains((text *[2]) {body, body}, query, again_found);
	require(again_found[0] == found[1] && again_found[1] == found[1]);
	(void) text_is_blank(body);
	fuzz_free_all();
	return 0;
}
