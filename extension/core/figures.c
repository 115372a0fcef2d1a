/*
 * figures.c
 *	  What is there and what was done, in numbers, for monitoring.
 *
 * All have one form, name, label and value, for chatd shows them as metrics. They
 * are what the views of status have, and how many rows there are: by the counters,
 * which are exact. What was done to rows is in the server's statistics, which
 * count what was rolled back, too.
 *
 * Each chat has the count of its own messages alone: one for all of them would be
 * a row that every writer waits for. So a sum takes all chats, and it is there as
 * long as they are not too many; beyond that the server's statistics have an estimate.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"

#include "common/spi_plan.h"
#include "core/sql_function.h"

PG_FUNCTION_INFO_V1(chat_figures);

/* A number of each job, or of each index in Elasticsearch. */
#define JOB(name, value) " UNION ALL SELECT '" name "', j.job, (" value ")::float8 FROM jobs AS j"
#define INDEX(name, value) " UNION ALL SELECT '" name "', i.state, max((" value ")::float8) FROM indexes AS i GROUP BY i.state"

/* So many chats are added up at most. */
#define SUMMED_CHATS "100000"

/* A number of each of the tables that callers see. */
#define TABLE(name, function) \
	" UNION ALL SELECT '" name "', t.relname::text, " function "(t.oid)::float8 FROM pg_class AS t" \
	" WHERE t.relnamespace = (SELECT n.oid FROM pg_namespace AS n WHERE n.nspname = 'chat')" \
	" AND t.relname IN ('applications', 'chats', 'messages')"

/*
 * chat.figures() returns setof (name, label, value)
 *
 * Looks at every application, and at up to SUMMED_CHATS chats. Numbers that are not known have no row.
 */
Datum
chat_figures(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_RETURNS_ROWS(TEXTOID, TEXTOID, FLOAT8OID)};
	static SavedPlan plan = {.sql =
		"WITH jobs AS MATERIALIZED (SELECT * FROM chat_internal.job_status(" SUMMED_CHATS ")),"
		" indexes AS MATERIALIZED (SELECT * FROM chat_internal.search_status(" SUMMED_CHATS ")),"
		" total AS MATERIALIZED (SELECT count(*) AS applications, COALESCE(sum(chats_count), 0) AS chats FROM chat.application_counters),"
		" found (name, label, value) AS ("
		"SELECT 'applications', NULL::text, t.applications::float8 FROM total AS t"
		" UNION ALL SELECT 'chats', NULL, t.chats::float8 FROM total AS t"
		" UNION ALL SELECT 'messages', NULL, CASE WHEN t.chats <= " SUMMED_CHATS " THEN"
		" (SELECT COALESCE(sum(c.messages_count), 0)::float8 FROM chat.chats AS c WHERE c.deleted_at IS NULL) END FROM total AS t"
		TABLE("rows_live", "pg_stat_get_live_tuples")
		TABLE("rows_inserted_total", "pg_stat_get_tuples_inserted")
		TABLE("rows_updated_total", "pg_stat_get_tuples_updated")
		TABLE("rows_deleted_total", "pg_stat_get_tuples_deleted")
		" UNION ALL SELECT 'worker_running', NULL, (w.pid IS NOT NULL)::integer::float8 FROM chat_internal.worker_process() AS w"
		JOB("job_runs_total", "j.runs")
		JOB("job_done_total", "j.total_done")
		JOB("job_repaired_total", "j.total_repaired")
		JOB("job_errors_total", "j.errors")
		JOB("job_failing", "COALESCE(j.last_error_at >= COALESCE(j.last_run_at, '-infinity'), false)::integer")
		JOB("job_last_seconds", "extract(epoch FROM j.last_duration)")
		JOB("job_last_run_timestamp_seconds", "extract(epoch FROM j.last_run_at)")
		JOB("job_backlog", "CASE j.job WHEN 'redis' THEN chat_internal.pending_changes() ELSE j.backlog END")
		INDEX("search_messages_behind", "i.messages_behind")
		INDEX("search_queued", "i.queued")
		INDEX("search_failed", "i.failed")
		INDEX("search_seconds_behind", "i.seconds_behind")
		INDEX("search_usable", "i.usable::integer")
	") SELECT f.name::text, f.label::text, f.value FROM found AS f WHERE f.value IS NOT NULL"};

	return sql_function_rows(fcinfo, &signature, &plan, OWNER_SEES_ALL);
}
