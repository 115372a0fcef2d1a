/*
 * problems.c
 *	  What is wrong, and the statement that mends it; and the state of everything
 *	  as one JSON, for the console of chatd.
 *
 * Both say what the views of status do, for people who have not learnt to read
 * them. Like those, they must work when much is wrong.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"

#include "common/spi_plan.h"
#include "core/sql_function.h"

PG_FUNCTION_INFO_V1(chat_problems);
PG_FUNCTION_INFO_V1(chat_status_json);

/* Settings that could lose what was acknowledged. */
#define SETTING(name, problem) \
	" UNION ALL SELECT 20, '" problem "', 'ALTER SYSTEM SET " name " = on; SELECT pg_reload_conf();'" \
	" WHERE current_setting('" name "') = 'off'"

/* The owner of the tables may lack the right to see which libraries there are already. */
#define PRELOAD \
	"CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN" \
	" format('ALTER SYSTEM SET shared_preload_libraries = %s; -- then restart PostgreSQL'," \
	" concat_ws(', ', NULLIF(current_setting('shared_preload_libraries'), ''), 'pg_chat'))" \
	" ELSE 'SHOW shared_preload_libraries; -- ALTER SYSTEM SET it to these and pg_chat, then restart PostgreSQL' END"

/*
 * The worker stands still in one of these ways: it does not fit the schema, is
 * not there, or is there until the next restart only.
 */
#define WORKER_PROBLEMS \
	"SELECT 1 AS place, 'The worker is idle: ' || w.problem AS problem, 'ALTER EXTENSION pg_chat UPDATE;' AS remedy" \
	" FROM worker AS w WHERE w.problem IS NOT NULL" \
	" UNION ALL SELECT 2, 'There is no worker: nothing recounts after direct changes, and Redis and Elasticsearch are left behind.'," \
	" CASE WHEN w.preloaded THEN format('ALTER SYSTEM SET max_worker_processes = %s; -- then restart PostgreSQL, if its log says that all background workers are in use'," \
	" current_setting('max_worker_processes')::integer + 8) ELSE 'SELECT chat.start_worker();' END" \
	" FROM worker AS w WHERE w.pid IS NULL AND w.problem IS NULL AND NOT pg_is_in_recovery()" \
	" UNION ALL SELECT 3, 'PostgreSQL does not start the worker, as pg_chat is not in shared_preload_libraries.', " PRELOAD \
	" FROM worker AS w WHERE NOT w.preloaded"

/* Whoever may have kept an index from being used since before it was there. */
#define OLDER_TRANSACTIONS \
	"'SELECT pid, xact_start, state, query FROM pg_stat_activity WHERE xact_start IS NOT NULL ORDER BY xact_start;" \
	" SELECT gid, prepared, owner FROM pg_prepared_xacts ORDER BY prepared; -- the older ones have to end'"

/* A job whose last run failed. It is tried again by itself, and what it says itself is what to do, unless more is known. */
#define JOB_PROBLEMS \
	" UNION ALL SELECT 10, format('The job %s fails: %s', j.job, j.last_error), CASE" \
	" WHEN j.job = 'search' AND j.last_error LIKE '%all transactions have ended%' THEN " OLDER_TRANSACTIONS \
	" WHEN j.job = 'redis' THEN 'SHOW pg_chat.redis_url; -- is that the Redis, and does it run?'" \
	" WHEN j.job IN ('search', 'verify search') THEN 'SHOW pg_chat.elasticsearch_url; -- is that Elasticsearch, and does it run?'" \
	" WHEN j.job = 'reconcile' THEN 'SELECT * FROM chat.reconcile();'" \
	" WHEN j.job = 'trigram index' THEN 'SELECT chat.add_trigram_index(); -- once what failed is mended'" \
	" ELSE format('SELECT last_error, hint FROM chat.worker_status WHERE job = %L; -- the job is tried again by itself', j.job) END" \
	" FROM jobs AS j WHERE j.last_error_at >= COALESCE(j.last_run_at, '-infinity')"

/*
 * An index that is not used waits for something: to be found in Elasticsearch since the server's start, to be
 * verified, or for older transactions. The worker sees to it; a new index would wait for the same.
 */
#define INDEX_PROBLEMS \
	" UNION ALL SELECT 11, format('Elasticsearch has refused %s messages, which are searched without it.', i.failed)," \
	" 'SELECT chat.retry_failed_documents();' FROM indexes AS i WHERE i.failed > 0" \
	" UNION ALL SELECT 12, format('The index %s is not used yet: searches are answered by PostgreSQL.', i.index)," \
	" 'SELECT job, last_run_at, last_error FROM chat.worker_status WHERE job IN (''search'', ''verify search'');" \
	" -- the worker uses it once it is verified; what keeps it from that is there'" \
	" FROM indexes AS i WHERE i.state = 'current' AND NOT i.usable"

/* Row-level security that hides rows from the owner of the tables. */
#define HIDDEN_ROWS \
	" UNION ALL SELECT 4, format('Row-level security hides rows of %I.%I from the owner of the tables.', n.nspname, c.relname)," \
	" format('ALTER TABLE %I.%I NO FORCE ROW LEVEL SECURITY;', n.nspname, c.relname)" \
	" FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_roles AS o ON o.oid = c.relowner" \
	" WHERE n.nspname IN ('chat', 'chat_internal') AND c.relkind IN ('r', 'p')" \
	" AND c.relrowsecurity AND c.relforcerowsecurity AND NOT o.rolsuper AND NOT o.rolbypassrls"

#define OLD_VERSION \
	" UNION ALL SELECT 0, format('The extension is of version %s, and %s is installed.', e.extversion, a.default_version)," \
	" 'ALTER EXTENSION pg_chat UPDATE;' FROM pg_extension AS e JOIN pg_available_extensions AS a ON a.name = e.extname" \
	" WHERE e.extname = 'pg_chat' AND e.extversion <> a.default_version"

#define SOURCES \
	"worker AS MATERIALIZED (SELECT * FROM chat_internal.worker_process())," \
	" jobs AS MATERIALIZED (SELECT * FROM chat_internal.job_status())," \
	" indexes AS MATERIALIZED (SELECT * FROM chat_internal.search_status())," \
	" problems AS (" WORKER_PROBLEMS JOB_PROBLEMS INDEX_PROBLEMS HIDDEN_ROWS OLD_VERSION \
	SETTING("fsync", "fsync is off: a crash of the machine may lose or damage what was acknowledged.") \
	SETTING("full_page_writes", "full_page_writes is off: a crash of the machine may damage what was stored.") \
	")"

/*
 * chat.problems() returns setof (problem, remedy)
 *
 * Those that stand in the way of others come first.
 */
Datum
chat_problems(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_RETURNS_ROWS(TEXTOID, TEXTOID), .any_version = true};
	static SavedPlan plan = {.sql = "WITH " SOURCES
	" SELECT p.problem::text, p.remedy::text FROM problems AS p ORDER BY p.place, p.problem COLLATE \"C\""};

	return sql_function_rows(fcinfo, &signature, &plan, OWNER_SEES_BY_POLICY);
}

/*
 * chat.status_json() returns text
 *
 * No secret is in it: of keys there are the names.
 */
Datum
chat_status_json(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_RETURNS(TEXTOID)};
	static SavedPlan plan = {.sql = "WITH " SOURCES
		" SELECT json_build_object("
		"'problems', (SELECT COALESCE(json_agg(json_build_object('problem', p.problem, 'remedy', p.remedy)"
		" ORDER BY p.place, p.problem COLLATE \"C\"), '[]') FROM problems AS p),"
		" 'worker', (SELECT json_build_object('pid', w.pid, 'running_since', w.running_since, 'preloaded', w.preloaded) FROM worker AS w),"
		" 'jobs', (SELECT json_agg(json_build_object('job', j.job, 'runs', j.runs, 'last_run_at', j.last_run_at,"
		" 'last_seconds', extract(epoch FROM j.last_duration), 'total_done', j.total_done, 'total_repaired', j.total_repaired,"
		" 'errors', j.errors, 'last_error', j.last_error, 'backlog', CASE j.job WHEN 'redis' THEN chat_internal.pending_changes() ELSE j.backlog END)) FROM jobs AS j),"
		" 'indexes', (SELECT COALESCE(json_agg(json_build_object('index', i.index, 'state', i.state, 'usable', i.usable,"
		" 'messages', i.messages, 'messages_behind', i.messages_behind, 'queued', i.queued, 'failed', i.failed,"
		" 'seconds_behind', i.seconds_behind)), '[]') FROM indexes AS i),"
		" 'keys', (SELECT COALESCE(json_agg(json_build_object('id', k.id, 'name', k.name, 'scope', k.scope,"
		" 'application_id', k.application_id, 'created_at', k.created_at, 'last_used_at', k.last_used_at,"
		" 'expires_at', k.expires_at, 'revoked_at', k.revoked_at) ORDER BY k.id), '[]')"
		" FROM (SELECT * FROM chat.api_keys ORDER BY id DESC LIMIT 100) AS k)"
	")::text AS status"};
	TableOwnerSwitch caller;
	Datum		result = (Datum) 0;
	bool		isnull = true;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	caller = table_owner_become(OWNER_SEES_BY_POLICY);
	if (spi_plan_read(&plan, NULL) > 0)
		result = spi_result(0, spi_column("status"), TEXTOID, &isnull);
	if (!isnull)
		result = SPI_datumTransfer(result, false, -1);
	table_owner_leave(caller);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result);
}
