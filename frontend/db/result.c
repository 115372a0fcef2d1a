/*
 * result.c
 *		Failed results that are about the session, not the statement.
 */
#include <string.h>

#include "db/result.h"

bool
result_is_version_error(const PGresult *result)
{
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	const char *column = result ? PQresultErrorField(result, PG_DIAG_COLUMN_NAME) : NULL;

	return state && strcmp(state, "55000") == 0 && column && strcmp(column, "extversion") == 0;
}

bool
result_is_stale(const PGresult *result)
{
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;

	if (state == NULL)
		return false;
	if (strcmp(state, "25006") == 0 || result_is_version_error(result))
		return true;
	/* With a context, it is an error inside a function that the statement called. */
	return PQresultErrorField(result, PG_DIAG_CONTEXT) == NULL &&
		(strncmp(state, "42", 2) == 0 || strcmp(state, "0A000") == 0 || strcmp(state, "26000") == 0);
}
