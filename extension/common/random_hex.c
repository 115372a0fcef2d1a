/*
 * random_hex.c
 *	  Secrets that nobody can guess, and ids that no two databases choose alike.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "common/random_hex.h"

static void
fill_at_random(void *bytes, size_t length)
{
	if (!pg_strong_random(bytes, length))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random bytes")));
}

/*
 * Returns random hexadecimal digits, of four bits each, in the current memory
 * context. Their number must be even.
 */
char *
random_hex(int digits)
{
	uint8	   *random = palloc(digits / 2);
	char	   *text = palloc(digits + 1);

	fill_at_random(random, digits / 2);
	hex_encode((char *) random, digits / 2, text);
	text[digits] = '\0';
	explicit_bzero(random, digits / 2);
	pfree(random);
	return text;
}

/* A random number from 1 to 2147483647. */
int32
random_id(void)
{
	uint32		random;

	fill_at_random(&random, sizeof(random));
	return 1 + (int32) (random % PG_INT32_MAX);
}
