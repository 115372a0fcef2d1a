/*
 * lsn.c
 *		Positions in the write-ahead log, as PostgreSQL writes them: 16/B374D848.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/lsn.h"

#define DIGITS "0123456789ABCDEFabcdef"
#define DIGITS_MAX 8			/* of a half */

bool
lsn_parse(const char *text, uint64_t *lsn)
{
	size_t		high = strspn(text, DIGITS);
	size_t		low = text[high] == '/' ? strspn(text + high + 1, DIGITS) : 0;

	if (high == 0 || high > DIGITS_MAX || low == 0 || low > DIGITS_MAX || text[high + 1 + low])
		return false;
	*lsn = (uint64_t) strtoul(text, NULL, 16) << 32 | strtoul(text + high + 1, NULL, 16);
	return true;
}

void
lsn_print(char text[LSN_SIZE], uint64_t lsn)
{
	snprintf(text, LSN_SIZE, "%" PRIX32 "/%" PRIX32, (uint32_t) (lsn >> 32), (uint32_t) lsn);
}

uint64_t
lsn_of(const PGresult *result)
{
	uint64_t	lsn;

	return PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1 && lsn_parse(PQgetvalue(result, 0, 0), &lsn) ? lsn : 0;
}
