/*
 * preparation.c
 *		What a new session needs before its first statement.
 *
 * Settings of the role or the database must not make a response untrue: 201 means
 * committed and, unless the server has fsync off, on disk; and the functions have
 * to see what others have committed.
 */
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/settings.h"
#include "db/preparation.h"
#include "db/statements.h"

#define WRITE_LOCK_TIMEOUT "200ms"	/* other writes wait for the session meanwhile */

bool
preparation_send(PGconn *connection, bool writes)
{
	char		timeout[16];
	const char *values[2] = {timeout, writes ? WRITE_LOCK_TIMEOUT : timeout};

	snprintf(timeout, sizeof(timeout), "%ds", settings.statement_timeout);
	if (PQsetnonblocking(connection, 1) != 0 || !PQenterPipelineMode(connection) ||
		!PQsendQueryParams(connection,
						   "SELECT (SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'pg_chat'),"
						   " durability = 'off',"
						   " pg_catalog.set_config('synchronous_commit',"
						   " CASE durability WHEN 'off' THEN 'on' ELSE durability END, false),"
						   " pg_catalog.set_config('default_transaction_isolation', 'read committed', false),"
						   " pg_catalog.set_config('default_transaction_read_only', 'off', false),"
						   " pg_catalog.set_config('statement_timeout', $1::text, false),"
						   " pg_catalog.set_config('lock_timeout', $2::text, false),"
						   " pg_catalog.set_config('idle_in_transaction_session_timeout', $1::text, false)"
						   " FROM pg_catalog.current_setting('synchronous_commit') AS durability",
						   2, NULL, values, NULL, NULL, 0))
		return false;
	/* Finds nothing, unless the extension's library does not fit the schema: then it fails. */
	if (!PQsendQueryParams(connection, "SELECT FROM chat.get_application(''::text)", 0, NULL, NULL, NULL, NULL, 0))
		return false;
	for (int i = 0; i < STATEMENT_COUNT; i++)
		if (!PQsendPrepare(connection, statements[i].name, statements[i].text, 0, NULL))
			return false;
	return PQpipelineSync(connection) == 1;
}

/* Do the statements fit this version of the extension? */
static bool
version_fits(const char *version)
{
	size_t		length = strlen(CHATD_VERSION);

	return strncmp(version, CHATD_VERSION, length) == 0 &&
		(version[length] == '\0' || version[length] == '.');
}

const char *
preparation_check(const PGresult *result, bool *versions)
{
	*versions = false;
	switch (PQresultStatus(result))
	{
		case PGRES_TUPLES_OK:
			if (PQnfields(result) == 0)
				return NULL;
			if (PQgetisnull(result, 0, 0))
				return "the extension pg_chat is not in this database";
			*versions = !version_fits(PQgetvalue(result, 0, 0));
			if (*versions)
				return "the version of the extension pg_chat does not fit chatd " CHATD_VERSION;
			if (*PQgetvalue(result, 0, 1) == 't')
				log_event("database: synchronous_commit was off, and is on for this connection");
			return NULL;
		case PGRES_COMMAND_OK:
		case PGRES_PIPELINE_SYNC:
			return NULL;
		default:
			*versions = result_is_version_error(result);
			return *versions ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : "cannot prepare the statements";
	}
}

bool
result_is_version_error(const PGresult *result)
{
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	const char *column = result ? PQresultErrorField(result, PG_DIAG_COLUMN_NAME) : NULL;

	return state && strcmp(state, "55000") == 0 && column && strcmp(column, "extversion") == 0;
}
