/*
 * preparation.c
 *		Preparing a new session for its first statement.
 *
 * Settings of the role or the database must not make a response untrue, nor end or
 * delay a session: 201 means committed and, unless the server has fsync off, on disk;
 * and the functions have to see what others have committed. Settings that are not
 * listed here change plans, formats that no statement returns, or the log of the
 * server. default_transaction_read_only stays as it is, since it may be set on purpose.
 *
 * A pooler that gives a session another backend for each transaction cannot be used,
 * since settings and prepared statements belong to a backend. So each session leaves a
 * mark in its backend. A session that finds a mark shares its backend with another. If
 * each has found a backend of its own at first, session_probe() notices it later.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/settings.h"
#include "db/preparation.h"
#include "db/result.h"
#include "db/statements.h"

#define TEXT_OID 25				/* of the type text */
#define WRITE_LOCK_TIMEOUT "200ms"	/* other writes wait for the session meanwhile */
#define EXPORT_CHECK "1s"		/* how soon a backend notices that its client has given up what
								 * takes long */

const char *const preparation_pooled =
"a pooler in transaction mode is in front of the database: it has to be in session mode";

/* Sets all settings that this version of PostgreSQL has. */
static const char set_all[] =
"SELECT FROM (SELECT pg_catalog.set_config(s.name, w.value, false)"
" FROM (VALUES ('chatd.session', 'here'),"
" ('client_connection_check_interval', $3::text),"
" ('client_min_messages', 'warning'),"
" ('default_transaction_isolation', 'read committed'),"
" ('exit_on_error', 'off'),"
" ('gin_fuzzy_search_limit', '0'),"
" ('idle_in_transaction_session_timeout', $1::text),"
" ('idle_session_timeout', '0'),"
" ('jit', 'off'),"
" ('lock_timeout', $2::text),"
" ('plan_cache_mode', 'auto'),"
" ('restrict_nonsystem_relation_kind', ''),"
" ('row_security', 'on'),"
" ('statement_timeout', $1::text),"
" ('synchronous_commit', CASE pg_catalog.current_setting('synchronous_commit') WHEN 'off' THEN 'on' END),"
" ('transaction_timeout', '0')) AS w (name, value)"
" JOIN (SELECT name FROM pg_catalog.pg_settings UNION ALL VALUES ('chatd.session')) AS s"
" ON s.name OPERATOR(pg_catalog.=) w.name WHERE w.value IS NOT NULL OFFSET 0) AS settings";

/* Sends a statement to be prepared, with one more parameter than its text names, see queries_label(). */
static bool
send_prepare(PGconn *connection, const Statement *statement)
{
	Oid			types[PARAMETERS_MAX + 1] = {0};
	int			count = statement_parameters(statement);

	types[count] = TEXT_OID;
	return PQsendPrepare(connection, statement->name, statement->text, count + 1, types) == 1;
}

bool
preparation_send(PGconn *connection, Pool pool)
{
	char		timeout[16];
	const char *values[3] = {timeout, pool == POOL_WRITE ? WRITE_LOCK_TIMEOUT : timeout, pool == POOL_EXPORT ? EXPORT_CHECK : NULL};

	snprintf(timeout, sizeof(timeout), "%ds", settings.statement_timeout);
	if (PQsetnonblocking(connection, 1) != 0 || !PQenterPipelineMode(connection))
		return false;
	/* By itself, since the present timeout could end any statement sent with it. */
	if (!PQsendQueryParams(connection, "SET statement_timeout = 0", 0, NULL, NULL, NULL, NULL, 0))
		return false;
	if (!PQsendQueryParams(connection,
						   "SELECT (SELECT extversion FROM pg_catalog.pg_extension WHERE extname OPERATOR(pg_catalog.=) 'pg_chat'),"
						   " pg_catalog.current_setting('synchronous_commit') OPERATOR(pg_catalog.=) 'off',"
						   " pg_catalog.current_setting('session_replication_role') OPERATOR(pg_catalog.=) 'replica',"
						   " pg_catalog.current_setting('chatd.session', true) OPERATOR(pg_catalog.=) 'here',"
						   " pg_catalog.pg_backend_pid()",
						   0, NULL, NULL, NULL, NULL, 0) ||
		!PQsendQueryParams(connection, set_all, 3, NULL, values, NULL, NULL, 0))
		return false;
	/* Fails if the extension's library does not fit the schema; else it finds nothing. */
	if (!PQsendQueryParams(connection, "SELECT FROM chat.get_application(''::text)", 0, NULL, NULL, NULL, NULL, 0))
		return false;
	for (int i = 0; i < STATEMENT_COUNT; i++)
		if (statement_is_of_exports(i) == (pool == POOL_EXPORT) && !send_prepare(connection, &statements[i]))
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

int
preparation_backend(const PGresult *result)
{
	return PQnfields(result) == 5 ? atoi(PQgetvalue(result, 0, 4)) : 0;
}

const char *
preparation_check(const PGresult *result, bool *versions)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

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
			if (*PQgetvalue(result, 0, 2) == 't')
				return "session_replication_role is replica: triggers would not fire";
			if (*PQgetvalue(result, 0, 3) == 't')
				return preparation_pooled;
			if (*PQgetvalue(result, 0, 1) == 't')
				log_event("database: synchronous_commit was off, and is on for this connection");
			return NULL;
		case PGRES_COMMAND_OK:
		case PGRES_PIPELINE_SYNC:
			return NULL;
		default:
			*versions = result_is_version_error(result);
			/* Only another session can have prepared a statement of this name. */
			if (state && strcmp(state, "42P05") == 0)
				return preparation_pooled;
			return *versions ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : "cannot prepare the statements";
	}
}
