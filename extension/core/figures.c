/*
 * figures.c
 *	  What is there and what was done, in numbers, for monitoring.
 *
 * All have one form, name, label and value, for chatd shows them as metrics. They
 * are what the views of status have, and how many rows there are: by the counters,
 * which are exact. What was done to rows is in the server's statistics, which
 * count what was rolled back, too.
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

/* A number of each of the tables that callers see. */
#define TABLE(name, function) \
	" UNION ALL SELECT '" name "', t.relname::text, " function "(t.oid)::float8 FROM pg_class AS t" \
	" WHERE t.relnamespace = (SELECT n.oid FROM pg_namespace AS n WHERE n.nspname = 'chat')" \
	" AND t.relname IN ('applications', 'chats', 'messages')"

/*
 * chat.figures() returns setof (name, label, value)
 *
 * Looks at every application and chat. Numbers that are not known have no row.
 */
Datum
chat_figures(PG_FUNCTION_ARGS)
{
	static SqlSignature signature = {SQL_RETURNS_ROWS(TEXTOID, TEXTOID, FLOAT8OID)};
	static SavedPlan plan = {.sql =
		"WITH jobs AS MATERIALIZED (SELECT * FROM chat_internal.job_status()),"
		" indexes AS MATERIALIZED (SELECT * FROM chat_internal.search_status()),"
		" found (name, label, value) AS ("
		"SELECT 'applications', NULL::text, count(*)::float8 FROM chat.application_counters"
		" UNION ALL SELECT 'chats', NULL, COALESCE(sum(chats_count), 0)::float8 FROM chat.application_counters"
		" UNION ALL SELECT 'messages', NULL, COALESCE(sum(messages_count), 0)::float8 FROM chat.chats"
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
	RowStore	store;
	TableOwnerSwitch caller;

	sql_signature_check(fcinfo, &signature, InvalidOid);
	store = sql_function_result_store(fcinfo, &signature);
	caller = table_owner_become(OWNER_SEES_ALL);
	spi_plan_read_into_replanned(&plan, NULL, store);
	table_owner_leave(caller);
	return (Datum) 0;
}
