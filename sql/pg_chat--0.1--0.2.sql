-- pg_chat: from 0.1 to 0.2.
--
-- Queues, triggers and bookkeeping move to the schema chat_internal, and get
-- the names that sql/CHANGELOG.md lists. Everything keeps its identity, and so
-- its rows, its owner, and what was granted on it: nothing is created anew but
-- the schema. ALTER TABLE locks chat.chats and the queues until the end.

\echo Use "ALTER EXTENSION pg_chat UPDATE TO '0.2'" to load this file. \quit

---------------------------------------------------------------------------
-- The schema; it belongs to whom chat belongs to
---------------------------------------------------------------------------

CREATE SCHEMA chat_internal;
COMMENT ON SCHEMA chat_internal IS 'pg_chat: queues, triggers and bookkeeping, for nobody but the extension itself';
CREATE FUNCTION chat_internal.own_schema() RETURNS void
	AS 'MODULE_PATHNAME', 'chat_own_schema' LANGUAGE C;
SELECT chat_internal.own_schema();
DROP FUNCTION chat_internal.own_schema();
REVOKE ALL ON SCHEMA chat_internal FROM PUBLIC;

---------------------------------------------------------------------------
-- Tables
---------------------------------------------------------------------------

ALTER TABLE chat.chats RENAME COLUMN last_number TO last_message_number;
COMMENT ON TABLE chat.chats IS 'Chats, numbered within their application. last_message_number is the highest message number given, messages_count how many messages there are.';

ALTER TABLE chat.changed_chats RENAME TO recount_queue;
ALTER TABLE chat.recount_queue SET SCHEMA chat_internal;
ALTER INDEX IF EXISTS chat_internal.changed_chats_key RENAME TO recount_queue_key;

ALTER TABLE chat.retired_tokens RENAME TO redis_key_queue;
ALTER TABLE chat.redis_key_queue SET SCHEMA chat_internal;
ALTER INDEX IF EXISTS chat_internal.retired_tokens_due RENAME TO redis_key_queue_due;
ALTER INDEX IF EXISTS chat_internal.retired_tokens_done RENAME TO redis_key_queue_done;

ALTER TABLE chat.search_indexes SET SCHEMA chat_internal;
ALTER TABLE chat_internal.search_indexes RENAME COLUMN home TO owner_database;
ALTER TABLE chat_internal.search_indexes RENAME COLUMN proven_in TO verified_start;
COMMENT ON TABLE chat_internal.search_indexes IS 'This database''s indexes in Elasticsearch: the one that is searched (current), one that will take its place (building), and those to be deleted (retired). owner_database is the database and the cluster that it was built for: a copy of the database has the row, and not the index. verified_start: when the server started that last knew it to be in sync; operations: how many it had seen then, in Elasticsearchs count. uuid is what Elasticsearch calls it; null before it is there. server: a hash of the URL that it was last found at. rebuild: it is to be replaced by a new one. last_version: the latest version that a document was given, at the least. Empty where Elasticsearch is not used.';

ALTER TABLE chat.indexed_chats RENAME TO search_watermarks;
ALTER TABLE chat.search_watermarks SET SCHEMA chat_internal;
ALTER TABLE chat_internal.search_watermarks RENAME CONSTRAINT indexed_chats_pkey TO search_watermarks_pkey;
COMMENT ON TABLE chat_internal.search_watermarks IS 'Watermarks: the messages of the chat up to this number are found in the index, but for those in chat_internal.search_queue. A chat that is missing has none.';

ALTER TABLE chat.search_queue SET SCHEMA chat_internal;
COMMENT ON TABLE chat_internal.search_queue IS 'Queue: messages that were changed, deleted, or inserted below their chat''s highest number, and are to be indexed anew. One with a reason is failed: Elasticsearch refused it, and the worker does not try again before chat.retry_failed_documents().';

ALTER TABLE chat.mended_counts RENAME TO repaired_counts;
ALTER TABLE chat.repaired_counts RENAME COLUMN mended_at TO repaired_at;
ALTER TABLE chat.repaired_counts RENAME COLUMN was TO old_value;
ALTER TABLE chat.repaired_counts RENAME COLUMN mended_to TO new_value;
ALTER INDEX IF EXISTS chat.mended_counts_mended_at RENAME TO repaired_counts_repaired_at;
ALTER TABLE IF EXISTS chat.repaired_counts_repaired_at RENAME COLUMN mended_at TO repaired_at;
COMMENT ON TABLE chat.repaired_counts IS 'What reconciliation found wrong and repaired, the newest 10,000: when, of which chat (of the application, where chat_number is null), which counter (redis: its key there), from what (null: no number) to what.';

ALTER TABLE chat.worker_duties RENAME TO worker_jobs;
ALTER TABLE chat.worker_jobs SET SCHEMA chat_internal;
ALTER TABLE chat_internal.worker_jobs RENAME CONSTRAINT worker_duties_pkey TO worker_jobs_pkey;
ALTER TABLE chat_internal.worker_jobs RENAME COLUMN duty TO job;
ALTER TABLE chat_internal.worker_jobs_pkey RENAME COLUMN duty TO job;
ALTER TABLE chat_internal.worker_jobs RENAME COLUMN passes TO runs;
ALTER TABLE chat_internal.worker_jobs RENAME COLUMN last_pass_at TO last_run_at;
ALTER TABLE chat_internal.worker_jobs RENAME COLUMN total_mended TO total_repaired;
ALTER TABLE chat_internal.worker_jobs RENAME COLUMN hurry TO full_scan;
ALTER TABLE chat_internal.worker_jobs RENAME COLUMN home TO owner_database;
UPDATE chat_internal.worker_jobs SET job = 'trigram index' WHERE job = 'search index';
COMMENT ON TABLE chat_internal.worker_jobs IS 'What the worker did, a row for each of its jobs, and where a scrub stands; kept over its restarts. owner_database, of redis: whose the keys there are, the database and the cluster; null: nobody''s yet. Read it through chat.worker_status.';

-- From PostgreSQL 18 on, NOT NULL has a name, which was the former table's or column's.
UPDATE pg_catalog.pg_constraint AS k SET conname = c.relname || '_' || a.attname || '_not_null'
FROM pg_catalog.pg_class AS c, pg_catalog.pg_attribute AS a
WHERE k.contype = 'n' AND c.oid = k.conrelid AND a.attrelid = c.oid AND a.attnum = k.conkey[1]
	AND c.oid IN ('chat.chats'::regclass, 'chat.repaired_counts'::regclass,
		'chat_internal.recount_queue'::regclass, 'chat_internal.redis_key_queue'::regclass,
		'chat_internal.search_indexes'::regclass, 'chat_internal.search_watermarks'::regclass,
		'chat_internal.worker_jobs'::regclass);

---------------------------------------------------------------------------
-- Types
---------------------------------------------------------------------------

ALTER TYPE chat.chat RENAME ATTRIBUTE last_number TO last_message_number;

ALTER TYPE chat.mended RENAME TO repaired_count;
ALTER TYPE chat.repaired_count RENAME ATTRIBUTE was TO old_value;
ALTER TYPE chat.repaired_count RENAME ATTRIBUTE mended_to TO new_value;
COMMENT ON TYPE chat.repaired_count IS 'A counter that was wrong and was repaired: of a chat or, where chat_number is null, of an application.';

---------------------------------------------------------------------------
-- Functions
---------------------------------------------------------------------------

ALTER FUNCTION chat.before_insert() SET SCHEMA chat_internal;
ALTER FUNCTION chat.before_update_messages() SET SCHEMA chat_internal;
ALTER FUNCTION chat.before_update_chats() SET SCHEMA chat_internal;
ALTER FUNCTION chat.before_update_application_counters() SET SCHEMA chat_internal;
ALTER FUNCTION chat.after_application_counters() SET SCHEMA chat_internal;
ALTER FUNCTION chat.after_insert() SET SCHEMA chat_internal;
ALTER FUNCTION chat.after_update_messages() SET SCHEMA chat_internal;
ALTER FUNCTION chat.after_delete_messages() SET SCHEMA chat_internal;
ALTER FUNCTION chat.after_delete_chats() SET SCHEMA chat_internal;
ALTER FUNCTION chat.before_truncate() SET SCHEMA chat_internal;
ALTER FUNCTION chat.after_token() SET SCHEMA chat_internal;
ALTER FUNCTION chat.pending_changes() SET SCHEMA chat_internal;
ALTER FUNCTION chat.search_checksum(integer, integer, integer, text) SET SCHEMA chat_internal;

ALTER FUNCTION chat.add_search_index() RENAME TO add_trigram_index;
CREATE OR REPLACE FUNCTION chat.add_trigram_index() RETURNS text
	AS 'MODULE_PATHNAME', 'chat_add_trigram_index'
	LANGUAGE C VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION chat.add_trigram_index() IS
'Has a background process build an index (CREATE INDEX CONCURRENTLY: nobody waits for it) that makes searches without Elasticsearch fast in large chats and across applications; needs the extension pg_trgm. Returns at once and tells how it is with the index: being built, there, or why the last build failed; see also the job "trigram index" in chat.worker_status. Every message costs more to write with it. A dump does not contain it: call this again after a restore. Build it anew after an upgrade of the operating system that changes the locale. Errors: 55000 pg_trgm is missing, 53400 no background worker is free, 25006 on a standby.';

ALTER FUNCTION chat.drop_search_index() RENAME TO drop_trigram_index;
CREATE OR REPLACE FUNCTION chat.drop_trigram_index() RETURNS boolean
	AS 'MODULE_PATHNAME', 'chat_drop_trigram_index'
	LANGUAGE C VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION chat.drop_trigram_index() IS
'Drops what add_trigram_index built, in the present transaction; returns whether there was anything. It locks chat.messages: set lock_timeout where long transactions run. Errors: 55006 it is being built.';

ALTER FUNCTION chat.retry_parked(integer, integer) RENAME TO retry_failed_documents;
CREATE OR REPLACE FUNCTION chat.retry_failed_documents(application integer DEFAULT NULL, chat integer DEFAULT NULL) RETURNS bigint
	AS 'MODULE_PATHNAME', 'chat_retry_failed_documents'
	LANGUAGE C VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION chat.reconcile(integer, integer) IS
'Counts everything, the chats of an application, or the messages of a chat, repairs the counters that are wrong, and returns them. Nobody waits while it counts; what it repaired is locked until the transaction ends. Errors: P0002 no such application or chat.';

-- No command gives a function's OUT parameters other names, or one more, and
-- leaves it what was granted on it.
UPDATE pg_catalog.pg_proc
SET proargnames = ARRAY['index_id', 'messages', 'messages_behind', 'queued', 'failed', 'seconds_behind', 'verified']
WHERE oid = 'chat.search_lag(integer)'::regprocedure;
UPDATE pg_catalog.pg_proc
SET proallargtypes = ARRAY['integer'::regtype, 'timestamptz'::regtype, 'boolean'::regtype, 'text'::regtype]::oid[],
	proargmodes = ARRAY['o', 'o', 'o', 'o']::"char"[],
	proargnames = ARRAY['pid', 'running_since', 'preloaded', 'problem']
WHERE oid = 'chat.worker_process()'::regprocedure;

ALTER FUNCTION chat.search_lag(integer) SET SCHEMA chat_internal;
CREATE OR REPLACE FUNCTION chat_internal.search_lag(index_id integer,
		OUT messages bigint, OUT messages_behind bigint, OUT queued bigint, OUT failed bigint, OUT seconds_behind double precision,
		OUT verified boolean)
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$
		WITH chats AS MATERIALIZED (
			SELECT c.application_id, c.number, c.messages_count, coalesce(i.indexed_number, 0) AS indexed_number,
				c.last_message_number - coalesce(i.indexed_number, 0) AS behind
			FROM chat.chats AS c
			LEFT JOIN chat_internal.search_watermarks AS i ON i.index_id = search_lag.index_id
				AND i.application_id = c.application_id AND i.chat_number = c.number),
		waiting AS (
			SELECT m.created_at AS since
			FROM chats AS c
			CROSS JOIN LATERAL (
				SELECT m.created_at FROM chat.messages AS m
				WHERE m.application_id = c.application_id AND m.chat_number = c.number AND m.number > c.indexed_number
				ORDER BY m.number LIMIT 1) AS m
			WHERE c.behind > 0
			UNION ALL
			SELECT queued_at FROM chat_internal.search_queue AS q
			WHERE q.index_id = search_lag.index_id AND q.reason IS NULL)
		SELECT
			coalesce((SELECT sum(c.messages_count) FROM chats AS c), 0)::bigint,
			coalesce((SELECT sum(c.behind) FROM chats AS c WHERE c.behind > 0), 0)::bigint,
			(SELECT count(*) FROM chat_internal.search_queue AS q WHERE q.index_id = search_lag.index_id AND q.reason IS NULL),
			(SELECT count(*) FROM chat_internal.search_queue AS q WHERE q.index_id = search_lag.index_id AND q.reason IS NOT NULL),
			coalesce((SELECT greatest(extract(epoch FROM clock_timestamp() - min(w.since)), 0) FROM waiting AS w), 0)::double precision,
			coalesce((SELECT i.verified_start = pg_postmaster_start_time() FROM chat_internal.search_indexes AS i WHERE i.id = search_lag.index_id), false)
	$$;
COMMENT ON FUNCTION chat_internal.search_lag(integer) IS
'How far an index is behind the tables: messages, all there are; messages_behind, the numbers given above the watermarks of their chats; queued, those to be indexed anew; failed, those that Elasticsearch refused; seconds_behind, the age of the oldest that waits; verified, whether the index was verified to be in sync since this server started. Looks at every chat.';

ALTER FUNCTION chat.worker_process() SET SCHEMA chat_internal;
CREATE OR REPLACE FUNCTION chat_internal.worker_process(OUT pid integer, OUT running_since timestamptz, OUT preloaded boolean, OUT problem text)
	AS 'MODULE_PATHNAME', 'chat_worker_status'
	LANGUAGE C STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION chat_internal.worker_process() IS
'This database''s worker: its process, null if there is none, and since when it runs; whether the server was started with pg_chat in shared_preload_libraries; and, where the library does not fit the version of the schema, which each has and what to do.';

---------------------------------------------------------------------------
-- Views
---------------------------------------------------------------------------

ALTER VIEW chat.search_status RENAME COLUMN parked TO failed;
CREATE OR REPLACE VIEW chat.search_status AS
	SELECT
		i.name AS index,
		i.alias,
		i.state,
		i.uuid IS NOT NULL AND l.verified AS usable,
		i.created_at,
		l.messages,
		l.messages_behind,
		l.queued,
		l.failed,
		l.seconds_behind
	FROM chat_internal.search_indexes AS i
	CROSS JOIN LATERAL chat_internal.search_lag(i.id) AS l;
COMMENT ON VIEW chat.search_status IS 'This database''s indexes in Elasticsearch, and how far each is behind. usable: it is fed and, if it is current, searched; if not, see last_error of the jobs search and verify search in chat.worker_status. No rows: Elasticsearch is not used.';

ALTER VIEW chat.worker_status RENAME COLUMN duty TO job;
ALTER VIEW chat.worker_status RENAME COLUMN passes TO runs;
ALTER VIEW chat.worker_status RENAME COLUMN last_pass_at TO last_run_at;
ALTER VIEW chat.worker_status RENAME COLUMN total_mended TO total_repaired;
CREATE OR REPLACE VIEW chat.worker_status AS
	SELECT
		pg_catalog.current_database() AS database,
		w.pid,
		w.running_since,
		d.job,
		d.runs,
		d.last_run_at,
		d.last_duration,
		d.last_done,
		d.total_done,
		d.total_repaired,
		d.errors,
		d.last_error,
		d.last_error_at,
		CASE d.job
			WHEN 'reconcile' THEN (SELECT pg_catalog.count(*) FROM chat_internal.recount_queue)
			WHEN 'redis' THEN chat_internal.pending_changes()
			WHEN 'search' THEN (SELECT s.messages_behind + s.queued FROM chat.search_status AS s WHERE s.state = 'current')
		END AS backlog,
		CASE
			WHEN w.problem IS NOT NULL THEN 'The worker is idle: ' || w.problem
			WHEN w.pid IS NOT NULL AND w.preloaded THEN NULL
			WHEN pg_catalog.pg_is_in_recovery() THEN 'A standby has no worker; it starts after the promotion.'
			WHEN w.pid IS NOT NULL THEN 'The worker runs until the next restart. Add pg_chat to shared_preload_libraries and restart, to have it started always.'
			WHEN NOT w.preloaded THEN 'No worker. Add pg_chat to shared_preload_libraries and restart; until then: SELECT chat.start_worker()'
			ELSE 'No worker; the launcher starts it within a minute. If not, see the server''s log, and max_worker_processes.'
		END AS hint
	FROM chat_internal.worker_jobs AS d
	CROSS JOIN chat_internal.worker_process() AS w;
COMMENT ON VIEW chat.worker_status IS 'This database''s worker, a row for each of its jobs: its process, what the last pass did and how long it took, the last error, and what is waiting. hint says what is missing, if anything.';
