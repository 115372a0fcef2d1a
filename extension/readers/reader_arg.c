/*
 * reader_arg.c
 *	  The name of a reader or a consumer as an argument.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "mb/pg_wchar.h"

#include "common/case_fold.h"
#include "common/compat.h"
#include "core/arg_error.h"
#include "readers/reader_arg.h"

/* Characters of a name, at most. */
#define NAME_MAXIMUM 255

/* Argument n, text. Raises 23502 if it is null, empty or only white space, and 22001 if it is too long. */
static Datum
name_argument(FunctionCallInfo fcinfo, int n, const char *noun, const char *field)
{
	text	   *name = PG_ARGISNULL(n) ? NULL : PG_GETARG_TEXT_PP(n);

	if (name == NULL || text_is_blank(name))
		arg_error_raise(arg_error_blank(noun, field));
	if (pg_mbstrlen_with_len(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)) > NAME_MAXIMUM)
		arg_error_raise(arg_error_too_long(noun, field, NAME_MAXIMUM, "characters"));
	return PointerGetDatum(name);
}

/* The name of a reader. */
Datum
reader_argument(FunctionCallInfo fcinfo, int n)
{
	return name_argument(fcinfo, n, "cursor", "reader");
}

/* The name of a consumer. */
Datum
consumer_argument(FunctionCallInfo fcinfo, int n)
{
	return name_argument(fcinfo, n, "position", "consumer");
}

/* A hash of an application and the name of a reader or consumer of it. */
uint32
reader_hash(int32 application, Datum name)
{
	const text *value = DatumGetTextPP(name);

	return hash_combine(hash_bytes((const unsigned char *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)),
						murmurhash32(application));
}
