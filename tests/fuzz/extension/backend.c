/*
 * backend.c
 *	  What stands in for the server where a part of the extension is fuzzed without it.
 *
 * Memory comes from malloc, each piece by itself, so that ASan sees what is
 * read beyond it. An error ends the process: none may be raised.
 */
#include "postgres.h"

#include <signal.h>

#include "catalog/namespace.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "backend.h"
#include "common/sql_signature.h"

int			fuzz_encoding = PG_UTF8;

MemoryContext CurrentMemoryContext = NULL;
volatile sig_atomic_t InterruptPending = false;

int
GetDatabaseEncoding(void)
{
	return fuzz_encoding;
}

/* Encodings are not converted: the server's conversions are not fuzzed here. */
Oid
FindDefaultConversionProc(int32 from, int32 to)
{
	return InvalidOid;
}

int
pg_do_encoding_conversion_buf(Oid proc, int from, int to, unsigned char *source, int length,
							  unsigned char *target, int size, bool no_error)
{
	abort();
}

/* Allocated pieces, freed together like a memory context. */
static void *pieces[64];
static int	pieces_count = 0;

void *
palloc(Size size)
{
	void	   *memory = malloc(size);

	if (memory == NULL || pieces_count == lengthof(pieces))
		abort();
	return pieces[pieces_count++] = memory;
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

void
pfree(void *memory)
{
	for (int i = 0; i < pieces_count; i++)
		if (pieces[i] == memory)
		{
			pieces[i] = pieces[--pieces_count];
			free(memory);
			return;
		}
	abort();
}

/* Free all that is left, at the end of an input. */
void
fuzz_free_all(void)
{
	while (pieces_count > 0)
		free(pieces[--pieces_count]);
}

void *
MemoryContextAllocHuge(MemoryContext context, Size size)
{
	return palloc(size);
}

void *
MemoryContextAllocZero(MemoryContext context, Size size)
{
	return palloc0(size);
}

text *
cstring_to_text_with_len(const char *bytes, int length)
{
	text	   *result = palloc(length + VARHDRSZ);

	SET_VARSIZE(result, length + VARHDRSZ);
	memcpy(VARDATA(result), bytes, length);
	return result;
}

struct varlena *
pg_detoast_datum_packed(struct varlena *datum)
{
	return datum;
}

/* How a function is called is the server's to check. */
void
sql_signature_check(FunctionCallInfo fcinfo, SqlSignature *signature, Oid application_type)
{
}

void
ProcessInterrupts(void)
{
}

bool
errstart(int level, const char *domain)
{
	abort();
}

bool
errstart_cold(int level, const char *domain)
{
	abort();
}

void
ExceptionalCondition(const char *condition, const char *type, const char *file, int line)
{
	abort();
}
