-- pg_chat: from 0.1 to 0.2.
--
-- Queues, triggers and bookkeeping move to the schema chat_internal, and get
-- the names that sql/CHANGELOG.md lists. Everything keeps its identity, and so
-- its rows, its owner, and what was granted on it: of what there was, nothing is
-- created anew. ALTER TABLE locks chat.chats and the queues until the end.

\echo Use "ALTER EXTENSION pg_chat UPDATE TO '0.2'" to load this file. \quit

---------------------------------------------------------------------------
-- The schema; it belongs to whom chat belongs to, and the tables' owner uses it
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

ALTER TABLE chat.applications ADD COLUMN deleted_at timestamptz, ADD COLUMN deleted_in text COLLATE "C",
	ADD COLUMN key text COLLATE "C";
CREATE UNIQUE INDEX applications_key_key ON chat.applications (key) WHERE key IS NOT NULL;
CREATE INDEX applications_deleted ON chat.applications (id) WHERE deleted_at IS NOT NULL;
COMMENT ON TABLE chat.applications IS 'Applications: who owns chats. The token is a secret that names the application to its callers. key: what its creator named it by, to create it once, until its token is rotated. One with deleted_at is gone for all functions, has neither its token nor its name nor its key any more, and waits for its rows to be purged, by the worker of the database that deleted_in names.';

ALTER TABLE chat.chats RENAME COLUMN last_number TO last_message_number;
ALTER TABLE chat.chats ADD COLUMN last_revision integer NOT NULL DEFAULT 0,
	ADD COLUMN deleted_at timestamptz, ADD COLUMN deleted_in text COLLATE "C",
	ADD COLUMN key text COLLATE "C";
CREATE UNIQUE INDEX chats_key_key ON chat.chats (application_id, key) WHERE key IS NOT NULL;
CREATE INDEX chats_deleted ON chat.chats (application_id, number) WHERE deleted_at IS NOT NULL;
COMMENT ON TABLE chat.chats IS 'Chats, numbered within their application. last_message_number is the highest message number given, messages_count how many messages there are, last_revision the last revision given to a change of them. key: what its creator named it by, to create it once. One with deleted_at is gone for all functions, and waits for its messages to be purged, by the worker of the database that deleted_in names.';

-- Messages that are there have no revision, that is null.
ALTER TABLE chat.messages ADD COLUMN sender text, ADD COLUMN metadata jsonb,
	ADD COLUMN edited_at timestamptz, ADD COLUMN deleted_at timestamptz, ADD COLUMN revision integer,
	ADD COLUMN key text COLLATE "C", ADD COLUMN key_digest bytea;
ALTER TABLE chat.messages ALTER COLUMN revision SET DEFAULT 0;
CREATE UNIQUE INDEX messages_revision_key ON chat.messages (application_id, chat_number, revision) WHERE revision > 0;
CREATE UNIQUE INDEX messages_key_key ON chat.messages (application_id, chat_number, key) WHERE key IS NOT NULL;
COMMENT ON TABLE chat.messages IS 'Messages, numbered within their chat. revision: of the last change, in the order of the chat''s changes, null or 0 where there was none; a row inserted with it named, null too, is restored as it is. deleted_at: of a deleted message, of which nothing else is left. key: what its creator named it by, to create it once; key_digest: SHA-256 of what was sent with the key.';

CREATE TABLE chat_internal.deleted_messages (
	application_id integer NOT NULL,
	chat_number integer NOT NULL,
	revision integer NOT NULL,
	number integer NOT NULL,
	deleted_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	messages integer NOT NULL DEFAULT 1,
	CONSTRAINT deleted_messages_pkey PRIMARY KEY (application_id, chat_number, revision)
);
COMMENT ON TABLE chat_internal.deleted_messages IS 'Messages that a direct DELETE, a TRUNCATE or a change of their key took away, so that no row of chat.messages tells of it: the revision that each took, and its number; or the last of so many with consecutive numbers, which took consecutive revisions. They go with their chat.';
SELECT pg_catalog.pg_extension_config_dump('chat_internal.deleted_messages', '');

ALTER TABLE chat.changed_chats RENAME TO recount_queue;
ALTER TABLE chat.recount_queue SET SCHEMA chat_internal;
ALTER TABLE chat_internal.recount_queue ADD COLUMN id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
	ADD CONSTRAINT recount_queue_pkey PRIMARY KEY (application_id, chat_number, id);
DROP INDEX IF EXISTS chat_internal.changed_chats_key;

ALTER TABLE chat.retired_tokens RENAME TO redis_key_queue;
ALTER TABLE chat.redis_key_queue SET SCHEMA chat_internal;
ALTER TABLE chat_internal.redis_key_queue ADD COLUMN id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
	ADD CONSTRAINT redis_key_queue_pkey PRIMARY KEY (token, chat_number, id);
ALTER INDEX IF EXISTS chat_internal.retired_tokens_due RENAME TO redis_key_queue_due;
ALTER INDEX IF EXISTS chat_internal.retired_tokens_done RENAME TO redis_key_queue_done;

ALTER TABLE chat.search_indexes SET SCHEMA chat_internal;
ALTER TABLE chat_internal.search_indexes RENAME COLUMN home TO owner_database;
ALTER TABLE chat_internal.search_indexes RENAME COLUMN proven_in TO verified_start;
ALTER TABLE chat_internal.search_indexes ALTER COLUMN id DROP IDENTITY,
	ALTER COLUMN id SET DEFAULT 1 + pg_catalog.floor(2147483647 * pg_catalog.random())::integer;
DROP INDEX IF EXISTS chat_internal.search_indexes_current_key;
CREATE UNIQUE INDEX search_indexes_current_key ON chat_internal.search_indexes (owner_database, state) WHERE state <> 'retired';
COMMENT ON TABLE chat_internal.search_indexes IS 'Indexes in Elasticsearch: the one that is searched (current), one that will take its place (building), and those to be deleted (retired). id is random. owner_database: the database and the cluster that it is of; rows of others come with a copy of a database, or by a subscription, and are not used. verified_start: when the server started that last knew it to be in sync; operations: how many it had seen then, in Elasticsearchs count. uuid is what Elasticsearch calls it; null before it is there. server: a hash of the URL that it was last found at. rebuild: it is to be replaced by a new one. last_version: the latest version that a document was given, at the least. Empty where Elasticsearch is not used.';

ALTER TABLE chat.indexed_chats RENAME TO search_watermarks;
ALTER TABLE chat.search_watermarks SET SCHEMA chat_internal;
ALTER TABLE chat_internal.search_watermarks RENAME CONSTRAINT indexed_chats_pkey TO search_watermarks_pkey;
COMMENT ON TABLE chat_internal.search_watermarks IS 'Watermarks: the messages of the chat up to this number are found in the index, but for those in chat_internal.search_queue. A chat that is missing has none.';

ALTER TABLE chat.search_queue SET SCHEMA chat_internal;
ALTER TABLE chat_internal.search_queue DROP CONSTRAINT search_queue_pkey,
	ADD CONSTRAINT search_queue_pkey PRIMARY KEY (index_id, application_id, chat_number, number, id);
DROP INDEX IF EXISTS chat_internal.search_queue_key;
COMMENT ON TABLE chat_internal.search_queue IS 'Queue: messages that were changed, deleted, or inserted below their chat''s highest number, and are to be indexed anew. One with a reason has failed: Elasticsearch refused it, and the worker does not try again before chat.retry_failed_documents().';

-- Ids of indexes were small numbers, the same in each database. Rows are changed as their tables' owner.
CREATE FUNCTION chat_internal.upgrade_index_ids() RETURNS void
	AS 'MODULE_PATHNAME', 'chat_upgrade_index_ids' LANGUAGE C;
SELECT chat_internal.upgrade_index_ids();
DROP FUNCTION chat_internal.upgrade_index_ids();

ALTER TABLE chat.mended_counts RENAME TO repaired_counts;
ALTER TABLE chat.repaired_counts RENAME COLUMN mended_at TO repaired_at;
ALTER TABLE chat.repaired_counts RENAME COLUMN was TO old_value;
ALTER TABLE chat.repaired_counts RENAME COLUMN mended_to TO new_value;
ALTER TABLE chat.repaired_counts ADD COLUMN id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
	ADD CONSTRAINT repaired_counts_pkey PRIMARY KEY (application_id, id);
ALTER INDEX IF EXISTS chat.mended_counts_mended_at RENAME TO repaired_counts_repaired_at;
ALTER TABLE IF EXISTS chat.repaired_counts_repaired_at RENAME COLUMN mended_at TO repaired_at;
COMMENT ON TABLE chat.repaired_counts IS 'What reconciliation found wrong and repaired, the newest 10,000: when, of which chat (of the application, where chat_number is null), which counter (redis: its key there), from what (null: no number) to what.';

ALTER TABLE chat.worker_duties RENAME TO worker_jobs;
ALTER TABLE chat.worker_jobs SET SCHEMA chat_internal;
ALTER TABLE chat_internal.worker_jobs RENAME COLUMN duty TO job;
ALTER TABLE chat_internal.worker_jobs RENAME COLUMN passes TO runs;
ALTER TABLE chat_internal.worker_jobs RENAME COLUMN last_pass_at TO last_run_at;
ALTER TABLE chat_internal.worker_jobs RENAME COLUMN total_mended TO total_repaired;
ALTER TABLE chat_internal.worker_jobs RENAME COLUMN hurry TO full_scan;
ALTER TABLE chat_internal.worker_jobs RENAME COLUMN home TO owner_database;

-- Rows name the database that they are of, and are made when a job runs. Those
-- that are there are changed as the tables' owner, whose triggers fire.
ALTER TABLE chat_internal.worker_jobs ADD COLUMN claimed boolean;
CREATE FUNCTION chat_internal.upgrade_jobs() RETURNS void
	AS 'MODULE_PATHNAME', 'chat_upgrade_jobs' LANGUAGE C;
SELECT chat_internal.upgrade_jobs();
DROP FUNCTION chat_internal.upgrade_jobs();
ALTER TABLE chat_internal.worker_jobs ALTER COLUMN claimed SET DEFAULT false,
	DROP CONSTRAINT worker_duties_pkey, ADD CONSTRAINT worker_jobs_pkey PRIMARY KEY (owner_database, job);
COMMENT ON TABLE chat_internal.worker_jobs IS 'What the worker did, a row for each of its jobs that ever ran, and where a job stands that goes through everything; kept over its restarts. owner_database: the database and the cluster that the row is of; rows of others come with a copy of a database, or by a subscription. full_scan: the job goes through everything at once. claimed, of redis: the keys there are this database''s. Read it through chat.worker_status.';

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

ALTER TYPE chat.message ADD ATTRIBUTE sender text, ADD ATTRIBUTE metadata jsonb,
	ADD ATTRIBUTE edited_at timestamptz, ADD ATTRIBUTE deleted_at timestamptz, ADD ATTRIBUTE revision integer;
ALTER TYPE chat.application_message ADD ATTRIBUTE sender text, ADD ATTRIBUTE metadata jsonb,
	ADD ATTRIBUTE edited_at timestamptz, ADD ATTRIBUTE deleted_at timestamptz, ADD ATTRIBUTE revision integer;
ALTER TYPE chat.found_message ADD ATTRIBUTE sender text, ADD ATTRIBUTE metadata jsonb,
	ADD ATTRIBUTE edited_at timestamptz, ADD ATTRIBUTE deleted_at timestamptz, ADD ATTRIBUTE revision integer;
COMMENT ON TYPE chat.message IS 'A message of a chat: sender, who sent it, and metadata, a JSON object, as the sender named them; edited_at, when it was last edited; deleted_at, when it was deleted; revision, that of the last change. Null where there is none.';

CREATE TYPE chat_internal.change AS (position text, event text, number integer, body text, created_at timestamptz, sender text, metadata jsonb, edited_at timestamptz, deleted_at timestamptz, revision integer);
COMMENT ON TYPE chat_internal.change IS 'A change of a chat: position, N.R, the highest number and the highest revision that a reader has seen who has come so far; event, created, updated or deleted; and the message as it is now. Of one that is gone there is but number, deleted_at and revision.';

ALTER TYPE chat.outcome ADD ATTRIBUTE created_at timestamptz, ADD ATTRIBUTE revision integer, ADD ATTRIBUTE replayed boolean;
COMMENT ON TYPE chat.outcome IS 'What became of one message of create_messages: its number, when it was created, its revision if it has one, and whether it was there already; or else the SQLSTATE, the argument at fault and the error''s message.';

ALTER TYPE chat.mended RENAME TO repaired_count;
ALTER TYPE chat.repaired_count RENAME ATTRIBUTE was TO old_value;
ALTER TYPE chat.repaired_count RENAME ATTRIBUTE mended_to TO new_value;
COMMENT ON TYPE chat.repaired_count IS 'A counter that was wrong and was repaired: of a chat or, where chat_number is null, of an application.';

---------------------------------------------------------------------------
-- Functions
---------------------------------------------------------------------------

ALTER FUNCTION chat.before_insert() SET SCHEMA chat_internal;
ALTER FUNCTION chat.before_update_messages() SET SCHEMA chat_internal;
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
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION chat.add_trigram_index() IS
'Has a background process build an index (CREATE INDEX CONCURRENTLY: nobody waits for it) that makes searches without Elasticsearch fast in large chats and across applications; needs the extension pg_trgm. Returns at once and tells how it is with the index: being built, there, or why the last build failed; see also the job "trigram index" in chat.worker_status. Every message costs more to write with it. A dump does not contain it: call this again after a restore. Build it anew after an upgrade of the operating system that changes the locale. Errors: 55000 pg_trgm is missing, 53400 no background worker is free, 25006 on a standby.';

ALTER FUNCTION chat.drop_search_index() RENAME TO drop_trigram_index;
CREATE OR REPLACE FUNCTION chat.drop_trigram_index() RETURNS boolean
	AS 'MODULE_PATHNAME', 'chat_drop_trigram_index'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION chat.drop_trigram_index() IS
'Drops what add_trigram_index built, in the present transaction; returns whether there was anything. It locks chat.messages: set lock_timeout where long transactions run. Errors: 55006 it is being built.';

ALTER FUNCTION chat.retry_parked(integer, integer) RENAME TO retry_failed_documents;
CREATE OR REPLACE FUNCTION chat.retry_failed_documents(application integer DEFAULT NULL, chat integer DEFAULT NULL) RETURNS bigint
	AS 'MODULE_PATHNAME', 'chat_retry_failed_documents'
	LANGUAGE C VOLATILE;

COMMENT ON FUNCTION chat.reconcile(integer, integer) IS
'Counts everything, the chats of an application, or the messages of a chat, repairs the counters that are wrong, and returns them. Nobody waits while it counts; what it repaired is locked until the transaction ends. Errors: P0002 no such application or chat, 42501 a policy hides rows from the tables'' owner, 25006 on a standby.';

-- No command gives a function one more OUT parameter, and leaves it what was
-- granted on it.
UPDATE pg_catalog.pg_proc
SET proallargtypes = ARRAY['integer'::regtype, 'timestamptz'::regtype, 'boolean'::regtype, 'text'::regtype]::oid[],
	proargmodes = ARRAY['o', 'o', 'o', 'o']::"char"[],
	proargnames = ARRAY['pid', 'running_since', 'preloaded', 'problem']
WHERE oid = 'chat.worker_process()'::regprocedure;

ALTER FUNCTION chat.worker_process() SET SCHEMA chat_internal;
CREATE OR REPLACE FUNCTION chat_internal.worker_process(OUT pid integer, OUT running_since timestamptz, OUT preloaded boolean, OUT problem text)
	AS 'MODULE_PATHNAME', 'chat_worker_status'
	LANGUAGE C STABLE;
COMMENT ON FUNCTION chat_internal.worker_process() IS
'This database''s worker: its process, null if there is none, and since when it runs; whether the server was started with pg_chat in shared_preload_libraries; and, where the library does not fit the version of the schema, which each has and what to do.';

-- The functions reach the tables as the tables' owner, and run with the
-- caller's rights and settings otherwise.
ALTER FUNCTION chat.create_application(text) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.rotate_token(integer) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.rotate_token(text) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.get_application(integer) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.get_application(text) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.list_applications(integer, integer, integer) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.create_chat(integer, integer) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.create_chat(text, integer) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.get_chat(integer, integer) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.get_chat(text, integer) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.list_chats(integer, integer, integer, integer) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.list_chats(text, integer, integer, integer) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.create_message(integer, integer, text, integer) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.create_message(text, integer, text, integer) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.create_messages(integer[], integer[], text[], integer[], boolean) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.create_messages(text[], integer[], text[], integer[], boolean) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.get_message(integer, integer, integer) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.get_message(text, integer, integer) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.list_messages(integer, integer, integer, integer, integer) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.list_messages(text, integer, integer, integer, integer) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.get_messages(integer[], integer[], integer[]) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.get_messages(text[], integer[], integer[]) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.list_messages(integer[], integer[], integer[], integer[], integer[]) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.list_messages(text[], integer[], integer[], integer[], integer[]) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.last_messages(integer, integer, integer) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.last_messages(text, integer, integer) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.search_messages(integer, integer, text, integer, integer, integer) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.search_messages(text, integer, text, integer, integer, integer) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.search_application(integer, text, integer[], integer[], integer) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.search_application(text, text, integer[], integer[], integer) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.reconcile(integer, integer) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.verify_search(integer, integer) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.repair_search(integer, integer) SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat_internal.worker_process() SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.add_trigram_index() SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.drop_trigram_index() SECURITY INVOKER RESET ALL;
ALTER FUNCTION chat.retry_failed_documents(integer, integer) SECURITY INVOKER RESET ALL;

-- No command gives a function more arguments and leaves it what was granted on it,
-- and what depends on it: it takes over those of one that is there for this alone.
CREATE FUNCTION chat_internal.create_application(name text, key text DEFAULT NULL, OUT id integer, OUT token text)
	AS 'MODULE_PATHNAME', 'chat_create_application'
	LANGUAGE C VOLATILE;
CREATE FUNCTION chat_internal.create_chat(application integer, number integer DEFAULT NULL, key text DEFAULT NULL) RETURNS integer
	AS 'MODULE_PATHNAME', 'chat_create_chat_by_id'
	LANGUAGE C VOLATILE;
CREATE FUNCTION chat_internal.create_chat(token text, number integer DEFAULT NULL, key text DEFAULT NULL) RETURNS integer
	AS 'MODULE_PATHNAME', 'chat_create_chat_by_token'
	LANGUAGE C VOLATILE;
CREATE FUNCTION chat_internal.create_message(application integer, chat integer, body text, number integer DEFAULT NULL, sender text DEFAULT NULL, metadata jsonb DEFAULT NULL, key text DEFAULT NULL, if_last integer DEFAULT NULL, move_cursor boolean DEFAULT false) RETURNS integer
	AS 'MODULE_PATHNAME', 'chat_create_message_by_id'
	LANGUAGE C VOLATILE;
CREATE FUNCTION chat_internal.create_message(token text, chat integer, body text, number integer DEFAULT NULL, sender text DEFAULT NULL, metadata jsonb DEFAULT NULL, key text DEFAULT NULL, if_last integer DEFAULT NULL, move_cursor boolean DEFAULT false) RETURNS integer
	AS 'MODULE_PATHNAME', 'chat_create_message_by_token'
	LANGUAGE C VOLATILE;
CREATE FUNCTION chat_internal.create_messages(applications integer[], chats integer[], bodies text[], numbers integer[] DEFAULT NULL, wait boolean DEFAULT true, senders text[] DEFAULT NULL, metadata jsonb[] DEFAULT NULL, keys text[] DEFAULT NULL, if_last integer[] DEFAULT NULL, atomic boolean DEFAULT false, move_cursors boolean[] DEFAULT NULL)
	RETURNS SETOF chat.outcome
	AS 'MODULE_PATHNAME', 'chat_create_messages_by_id'
	LANGUAGE C VOLATILE ROWS 100;
CREATE FUNCTION chat_internal.create_messages(tokens text[], chats integer[], bodies text[], numbers integer[] DEFAULT NULL, wait boolean DEFAULT true, senders text[] DEFAULT NULL, metadata jsonb[] DEFAULT NULL, keys text[] DEFAULT NULL, if_last integer[] DEFAULT NULL, atomic boolean DEFAULT false, move_cursors boolean[] DEFAULT NULL)
	RETURNS SETOF chat.outcome
	AS 'MODULE_PATHNAME', 'chat_create_messages_by_token'
	LANGUAGE C VOLATILE ROWS 100;
CREATE FUNCTION chat_internal.list_messages(application integer, chat integer, after integer DEFAULT NULL, before integer DEFAULT NULL, "limit" integer DEFAULT 100, sender text DEFAULT NULL, deleted boolean DEFAULT false)
	RETURNS SETOF chat.message
	AS 'MODULE_PATHNAME', 'chat_list_messages_by_id'
	LANGUAGE C STABLE ROWS 100;
CREATE FUNCTION chat_internal.list_messages(token text, chat integer, after integer DEFAULT NULL, before integer DEFAULT NULL, "limit" integer DEFAULT 100, sender text DEFAULT NULL, deleted boolean DEFAULT false)
	RETURNS SETOF chat.message
	AS 'MODULE_PATHNAME', 'chat_list_messages_by_token'
	LANGUAGE C STABLE ROWS 100;
CREATE FUNCTION chat_internal.last_messages(application integer, chat integer, "limit" integer DEFAULT 100, sender text DEFAULT NULL, deleted boolean DEFAULT false)
	RETURNS SETOF chat.message
	AS 'MODULE_PATHNAME', 'chat_last_messages_by_id'
	LANGUAGE C STABLE ROWS 100;
CREATE FUNCTION chat_internal.last_messages(token text, chat integer, "limit" integer DEFAULT 100, sender text DEFAULT NULL, deleted boolean DEFAULT false)
	RETURNS SETOF chat.message
	AS 'MODULE_PATHNAME', 'chat_last_messages_by_token'
	LANGUAGE C STABLE ROWS 100;
UPDATE pg_catalog.pg_proc AS p
SET (pronargs, pronargdefaults, proargtypes, proallargtypes, proargmodes, proargnames, proargdefaults) =
	(SELECT n.pronargs, n.pronargdefaults, n.proargtypes, n.proallargtypes, n.proargmodes, n.proargnames, n.proargdefaults FROM pg_catalog.pg_proc AS n WHERE n.oid = f.new)
FROM (VALUES
	('chat.create_application(text)'::regprocedure, 'chat_internal.create_application(text, text)'::regprocedure),
	('chat.create_chat(integer, integer)'::regprocedure, 'chat_internal.create_chat(integer, integer, text)'::regprocedure),
	('chat.create_chat(text, integer)'::regprocedure, 'chat_internal.create_chat(text, integer, text)'::regprocedure),
	('chat.create_message(integer, integer, text, integer)'::regprocedure, 'chat_internal.create_message(integer, integer, text, integer, text, jsonb, text, integer, boolean)'::regprocedure),
	('chat.create_message(text, integer, text, integer)'::regprocedure, 'chat_internal.create_message(text, integer, text, integer, text, jsonb, text, integer, boolean)'::regprocedure),
	('chat.create_messages(integer[], integer[], text[], integer[], boolean)'::regprocedure, 'chat_internal.create_messages(integer[], integer[], text[], integer[], boolean, text[], jsonb[], text[], integer[], boolean, boolean[])'::regprocedure),
	('chat.create_messages(text[], integer[], text[], integer[], boolean)'::regprocedure, 'chat_internal.create_messages(text[], integer[], text[], integer[], boolean, text[], jsonb[], text[], integer[], boolean, boolean[])'::regprocedure),
	('chat.list_messages(integer, integer, integer, integer, integer)'::regprocedure, 'chat_internal.list_messages(integer, integer, integer, integer, integer, text, boolean)'::regprocedure),
	('chat.list_messages(text, integer, integer, integer, integer)'::regprocedure, 'chat_internal.list_messages(text, integer, integer, integer, integer, text, boolean)'::regprocedure),
	('chat.last_messages(integer, integer, integer)'::regprocedure, 'chat_internal.last_messages(integer, integer, integer, text, boolean)'::regprocedure),
	('chat.last_messages(text, integer, integer)'::regprocedure, 'chat_internal.last_messages(text, integer, integer, text, boolean)'::regprocedure)) AS f (old, new)
WHERE p.oid = f.old;
DROP FUNCTION
	chat_internal.create_application(text, text),
	chat_internal.create_chat(integer, integer, text),
	chat_internal.create_chat(text, integer, text),
	chat_internal.create_message(integer, integer, text, integer, text, jsonb, text, integer, boolean),
	chat_internal.create_message(text, integer, text, integer, text, jsonb, text, integer, boolean),
	chat_internal.create_messages(integer[], integer[], text[], integer[], boolean, text[], jsonb[], text[], integer[], boolean, boolean[]),
	chat_internal.create_messages(text[], integer[], text[], integer[], boolean, text[], jsonb[], text[], integer[], boolean, boolean[]),
	chat_internal.list_messages(integer, integer, integer, integer, integer, text, boolean),
	chat_internal.list_messages(text, integer, integer, integer, integer, text, boolean),
	chat_internal.last_messages(integer, integer, integer, text, boolean),
	chat_internal.last_messages(text, integer, integer, text, boolean);
COMMENT ON FUNCTION chat.create_application(text, text) IS
'Creates an application. name: 1 to 255 characters, not only white space, unique without regard to letter case. key: 1 to 255 characters, not only white space: called again with the same key and the same name, the function creates nothing, and returns the application that it created first, as long as it has its first token. Returns its id and its token, 32 random hex digits. Errors: 23502 name or key blank, 22001 too long, 23505 name taken, or key used with another name.';
COMMENT ON FUNCTION chat.create_chat(integer, integer, text) IS
'Creates a chat and returns its number: the next after the highest or, where number is given, that one. number: 1 to 2147483647, free. key: 1 to 255 characters, not only white space, which the application keeps with the chat: called again with the same key, the function creates nothing, and returns the number of the chat that it created first. Errors: P0002 no such application, 23502 key blank, 22001 key too long, 23505 number taken, or key used with another number, 22003 below 1, 54000 no number left.';
COMMENT ON FUNCTION chat.create_chat(text, integer, text) IS
'As create_chat(integer, ...), by the application''s token.';
COMMENT ON FUNCTION chat.create_message(integer, integer, text, integer, text, jsonb, text, integer, boolean) IS
'Creates a message and returns its number: the next after the highest or, where number is given, that one. body: 1 byte to pg_chat.max_body_size, not only white space. number: 1 to 2147483647, free. sender: who sends it, 1 to 255 characters, not only white space. metadata: a JSON object of at most pg_chat.max_metadata_size as text. key: 1 to 255 characters, not only white space, which the chat keeps with the message: called again with the same key and the same content, the function creates nothing, and returns the number of the message that it created first. if_last: create it only if the chat''s last number is this one, 0 for none yet. move_cursor: move the sender''s cursor to the message, forward only, in the same transaction. Errors: P0002 no such application or chat, 23502 body, sender or key blank, or no sender whose cursor could be moved, 22001 body, sender, metadata or key too long, 23514 metadata no object, 23505 number taken, or key used with other content, 55000 if_last is not the last number, 22003 number below 1, 54000 no number left.';
COMMENT ON FUNCTION chat.create_messages(integer[], integer[], text[], integer[], boolean, text[], jsonb[], text[], integer[], boolean, boolean[]) IS
'Creates many messages, of any applications and chats, from arrays of equal length; all other arrays may be NULL, whole or by element: for the next number, for none. Returns an outcome for each, in the caller''s order (item 1, 2, 3, ...): its number, when it was created, and replayed, whether it was there by its key already; or the SQLSTATE that create_message would have raised, with field and message, and in number the chat''s last, where if_last is not. A refused message costs the others nothing, unless atomic is true: then all are created, or none, and 40000 is the SQLSTATE of those for which nothing else stands in the way. move_cursors: as for create_message. wait: whether to wait for chats, and cursors that are to be moved, that other transactions have locked; if not, their messages are refused with 55P03, to be tried again. Errors: 22023 arrays of different length or shape.';

COMMENT ON FUNCTION chat.list_messages(integer, integer, integer, integer, integer, text, boolean) IS
'A page of the chat''s messages, ascending by number. after: numbers above this one; before: numbers below it (alone: the last ones below it); limit: rows at most, 1 to 1000; sender: those of this sender alone; deleted: deleted ones, too. Errors: P0002 no such application or chat, 22023 with the argument''s name.';
COMMENT ON FUNCTION chat.last_messages(integer, integer, integer, text, boolean) IS
'The last messages of the chat, ascending by number; limit, sender and deleted are as for list_messages. Errors: P0002 no such application or chat, 22023 limit.';
COMMENT ON FUNCTION chat.get_message(integer, integer, integer) IS
'The message with this number, also if it was deleted; no row if there is none. Errors: P0002 no such application or chat.';
COMMENT ON FUNCTION chat.get_messages(integer[], integer[], integer[]) IS
'Many messages, of any applications and chats, from arrays of equal length. Returns those that exist, deleted ones, too, in the caller''s order, each with its place in the arrays (item 1, 2, 3, ...); a missing application, chat or message gives no row and costs the others nothing. Errors: 22023 arrays of different length or shape.';
COMMENT ON FUNCTION chat.list_messages(integer[], integer[], integer[], integer[], integer[]) IS
'Many pages of messages, of any applications and chats, from arrays of equal length; after, before and limit are as for one page and may be NULL by element; deleted messages are left out. Returns the pages in the caller''s order, each row with its page''s place in the arrays (item 1, 2, 3, ...). A page without messages gives one row with nothing but its item; a missing application or chat gives none and costs the others nothing. Errors: 22023 arrays of different length or shape, or with the argument''s name.';

CREATE FUNCTION chat_internal.after_insert_applications() RETURNS trigger
	AS 'MODULE_PATHNAME', 'chat_after_insert_applications' LANGUAGE C;
COMMENT ON FUNCTION chat_internal.after_insert_applications() IS
'Trigger: has the sequence of applications'' ids go on after those that a direct insertion named.';

-- Changes of messages have an order.
COMMENT ON FUNCTION chat_internal.before_insert() IS
'Trigger: numbers a chat or message that is inserted directly; a message below the highest number takes the next revision of its chat. Errors: 23503 no such parent, 22003 number below 1, 54000 no number or revision left.';
COMMENT ON FUNCTION chat_internal.before_update_messages() IS
'Trigger: gives a message that is changed directly the next revision of its chat, and a key that it gets what before_insert gives it. Errors: as there, and 54000 no revision left.';
COMMENT ON FUNCTION chat_internal.after_update_messages() IS
'Trigger: queues what is to be counted after an UPDATE of messages, records keys that are gone as deleted, and writes highest numbers and last revisions.';
COMMENT ON FUNCTION chat_internal.after_delete_messages() IS
'Trigger: records messages as deleted after a DELETE, each with a revision of its chat, and queues what is to be counted.';
COMMENT ON FUNCTION chat_internal.before_truncate() IS
'Trigger: queues everything, to be counted after a TRUNCATE, and records messages as deleted, each with a revision of its chat, unless all chats go, too.';
DROP TRIGGER before_key_update ON chat.messages;
CREATE TRIGGER before_update BEFORE UPDATE ON chat.messages
	FOR EACH ROW EXECUTE FUNCTION chat_internal.before_update_messages();
CREATE FUNCTION chat_internal.after_truncate_chats() RETURNS trigger
	AS 'MODULE_PATHNAME', 'chat_after_truncate_chats' LANGUAGE C;
COMMENT ON FUNCTION chat_internal.after_truncate_chats() IS
'Trigger: forgets after a TRUNCATE of chats which of their messages were deleted.';
CREATE TRIGGER after_truncate AFTER TRUNCATE ON chat.chats
	FOR EACH STATEMENT EXECUTE FUNCTION chat_internal.after_truncate_chats();

-- Where a table has a trigger before each update, PostgreSQL locks the row first.
DROP TRIGGER before_update ON chat.chats;
DROP FUNCTION chat.before_update_chats();
CREATE FUNCTION chat_internal.after_update_chats() RETURNS trigger
	AS 'MODULE_PATHNAME', 'chat_after_update_chats' LANGUAGE C;
COMMENT ON FUNCTION chat_internal.after_update_chats() IS
'Trigger: queues a chat whose counters or key are updated directly, and has the application''s highest number go on after its number if its key is. Errors: 23503 no such application, 22003 number below 1.';
CREATE TRIGGER after_update AFTER UPDATE ON chat.chats
	FOR EACH ROW EXECUTE FUNCTION chat_internal.after_update_chats();

DROP TRIGGER before_update ON chat.application_counters;
DROP TRIGGER after_insert_or_delete ON chat.application_counters;
DROP FUNCTION chat.before_update_application_counters();
COMMENT ON FUNCTION chat_internal.after_application_counters() IS
'Trigger: queues an application whose counters are inserted, updated or deleted directly.';
CREATE TRIGGER after_change AFTER INSERT OR UPDATE OR DELETE ON chat.application_counters
	FOR EACH ROW EXECUTE FUNCTION chat_internal.after_application_counters();

CREATE TRIGGER after_insert AFTER INSERT ON chat.applications
	REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION chat_internal.after_insert_applications();

CREATE FUNCTION chat_internal.search_status(
		max_chats integer DEFAULT NULL,
		OUT index text, OUT alias text, OUT state text, OUT usable boolean, OUT created_at timestamptz,
		OUT messages bigint, OUT messages_behind bigint, OUT queued bigint, OUT failed bigint, OUT seconds_behind double precision)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'chat_search_status'
	LANGUAGE C STABLE ROWS 2;
COMMENT ON FUNCTION chat_internal.search_status(integer) IS
'The indexes in Elasticsearch, and how far each is behind the tables: messages, all there are; messages_behind, the numbers given above the watermarks of their chats; queued, those to be indexed anew; failed, those that Elasticsearch refused; seconds_behind, the age of the oldest that waits. Looks at every chat; if there are more than max_chats, which is not null, at none: then messages, messages_behind and seconds_behind are null.';

CREATE FUNCTION chat_internal.job_status(
		max_chats integer DEFAULT NULL,
		OUT job text, OUT runs bigint, OUT last_run_at timestamptz, OUT last_duration interval, OUT last_done bigint, OUT total_done bigint,
		OUT total_repaired bigint, OUT errors bigint, OUT last_error text, OUT last_error_at timestamptz, OUT backlog bigint)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'chat_job_status'
	LANGUAGE C STABLE ROWS 8;
COMMENT ON FUNCTION chat_internal.job_status(integer) IS
'What the worker did, a row for each of its jobs, and what waits in the tables to be counted or to be indexed, which looks at every chat where there are indexes; if there are more than max_chats, which is not null, at none: then that is null.';

CREATE FUNCTION chat_internal.write_paths(OUT "table" text, OUT step text, OUT direct boolean, OUT reason text) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'chat_write_paths'
	LANGUAGE C VOLATILE ROWS 7;

CREATE FUNCTION chat_internal.disable_redundant_checks() RETURNS integer
	AS 'MODULE_PATHNAME', 'chat_disable_redundant_checks'
	LANGUAGE C VOLATILE STRICT;

CREATE FUNCTION chat_internal.get_messages_json(tokens text[], chats integer[], numbers integer[], OUT item integer, OUT message json, OUT revision integer, OUT deleted boolean)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'chat_get_messages_json'
	LANGUAGE C STABLE ROWS 100;
COMMENT ON FUNCTION chat_internal.get_messages_json(text[], integer[], integer[]) IS
'As get_messages(text[], ...), each message as {"number": ..., "body": ..., "created_at": ...} and, where they are set, sender, metadata, edited_at, deleted_at and revision; times as by rfc3339. revision is 0 where none is set. Errors: as there.';

CREATE FUNCTION chat_internal.list_messages_json(tokens text[], chats integer[], after integer[], before integer[], "limit" integer[], max_size integer DEFAULT NULL, senders text[] DEFAULT NULL, deleted boolean[] DEFAULT NULL,
		OUT item integer, OUT messages json, OUT messages_count integer, OUT cut boolean, OUT first integer, OUT last integer)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'chat_list_messages_json'
	LANGUAGE C STABLE ROWS 100;
COMMENT ON FUNCTION chat_internal.list_messages_json(text[], integer[], integer[], integer[], integer[], integer, text[], boolean[]) IS
'As list_messages(text[], ...), one row for each page: messages, an array of what get_messages_json returns, ascending; how many they are, and the numbers of the first and the last, null if there is none. max_size: bytes of messages, 1 or more, null for any; a page ends before the message that would make it larger, but not before its nearest one (the last, where the page is of the last ones), and then is cut. What it leaves out is not read. A page ends, and is cut, too, where messages that it does not have (deleted ones, those of other senders) are many: 10,000 in a call, of which each page has an equal share and 100; it may be empty then, and last (first, where the page is of the last ones) is where it ended. senders, deleted: as sender and deleted of list_messages(text, ...), NULL, whole or by element, for any, and for false. Errors: as there, and 22023 max_size.';

CREATE FUNCTION chat_internal.last_messages_json(tokens text[], chats integer[], "limit" integer[], max_size integer DEFAULT NULL, senders text[] DEFAULT NULL, deleted boolean[] DEFAULT NULL,
		OUT item integer, OUT messages json, OUT messages_count integer, OUT cut boolean, OUT first integer, OUT last integer)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'chat_last_messages_json'
	LANGUAGE C STABLE ROWS 100;
COMMENT ON FUNCTION chat_internal.last_messages_json(text[], integer[], integer[], integer, text[], boolean[]) IS
'As list_messages_json, of the last messages of each chat. Errors: as there.';

CREATE FUNCTION chat_internal.search_messages_json(token text, chat integer, query text, after integer DEFAULT NULL, before integer DEFAULT NULL, "limit" integer DEFAULT 100, max_size integer DEFAULT NULL,
		OUT messages json, OUT messages_count integer, OUT cut boolean, OUT first integer, OUT last integer)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'chat_search_messages_json'
	LANGUAGE C STABLE ROWS 1;
COMMENT ON FUNCTION chat_internal.search_messages_json(text, integer, text, integer, integer, integer, integer) IS
'As search_messages(text, ...), one row, a page as of list_messages_json. With max_size, the search ends with the page. Errors: as there, and 22023 max_size.';

CREATE FUNCTION chat_internal.search_application_json(token text, query text, after integer[] DEFAULT NULL, before integer[] DEFAULT NULL, "limit" integer DEFAULT 100, max_size integer DEFAULT NULL,
		OUT messages json, OUT messages_count integer, OUT cut boolean, OUT first integer[], OUT last integer[])
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'chat_search_application_json'
	LANGUAGE C STABLE ROWS 1;
COMMENT ON FUNCTION chat_internal.search_application_json(text, text, integer[], integer[], integer, integer) IS
'As search_application(text, ...), one row, a page as of list_messages_json: messages also have "chat_number", first and last are ARRAY[chat_number, number]. Errors: as there, and 22023 max_size.';

CREATE FUNCTION chat_internal.delete_chat(application integer, chat integer) RETURNS boolean
	AS 'MODULE_PATHNAME', 'chat_delete_chat_by_id'
	LANGUAGE C VOLATILE;

CREATE FUNCTION chat_internal.delete_chat(token text, chat integer) RETURNS boolean
	AS 'MODULE_PATHNAME', 'chat_delete_chat_by_token'
	LANGUAGE C VOLATILE;

CREATE FUNCTION chat_internal.delete_application(application integer) RETURNS boolean
	AS 'MODULE_PATHNAME', 'chat_delete_application_by_id'
	LANGUAGE C VOLATILE;

CREATE FUNCTION chat_internal.delete_application(token text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'chat_delete_application_by_token'
	LANGUAGE C VOLATILE;

CREATE PROCEDURE chat_internal.purge()
	AS 'MODULE_PATHNAME', 'chat_purge'
	LANGUAGE C;

CREATE TABLE chat_internal.cursors (
	application_id integer NOT NULL,
	chat_number integer NOT NULL,
	reader text COLLATE "C" NOT NULL,
	number integer NOT NULL,
	CONSTRAINT cursors_pkey PRIMARY KEY (application_id, chat_number, reader),
	CONSTRAINT cursors_chat_fkey
		FOREIGN KEY (application_id, chat_number) REFERENCES chat.chats ON DELETE CASCADE
) WITH (fillfactor = 50);
CREATE INDEX cursors_reader ON chat_internal.cursors (application_id, reader, chat_number);
COMMENT ON TABLE chat_internal.cursors IS 'Cursors: the number through which a reader has read a chat, 0 for nothing. A reader is whom the application calls so.';

CREATE TYPE chat_internal.cursor AS (reader text, number integer, unread_count integer);
COMMENT ON TYPE chat_internal.cursor IS 'A cursor: the number through which a reader has read a chat, and how many messages are above it, without deleted ones.';

CREATE TYPE chat_internal.unread_chat AS (chat_number integer, cursor integer, unread_count integer, number integer, body text, created_at timestamptz, sender text, metadata jsonb, edited_at timestamptz, deleted_at timestamptz, revision integer);
COMMENT ON TYPE chat_internal.unread_chat IS 'A chat of a reader: the cursor, how many messages are above it, without deleted ones, and from number on the last message that is not deleted, null if there is none.';

CREATE FUNCTION chat_internal.set_cursor(application integer, chat integer, reader text, number integer, back boolean DEFAULT false) RETURNS chat_internal.cursor
	AS 'MODULE_PATHNAME', 'chat_set_cursor_by_id'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION chat_internal.set_cursor(integer, integer, text, integer, boolean) IS
'Notes that a reader has read the chat through a number, 0 for nothing, and returns the cursor as it is then: it moves forward only, unless back is true. reader: 1 to 255 characters, not only white space. Errors: P0002 no such application or chat, 23502 reader or number blank, 22001 reader too long, 22003 number below 0 or above the chat''s last.';

CREATE FUNCTION chat_internal.set_cursor(token text, chat integer, reader text, number integer, back boolean DEFAULT false) RETURNS chat_internal.cursor
	AS 'MODULE_PATHNAME', 'chat_set_cursor_by_token'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION chat_internal.set_cursor(text, integer, text, integer, boolean) IS
'As set_cursor(integer, ...), by the application''s token.';

CREATE FUNCTION chat_internal.get_cursor(application integer, chat integer, reader text) RETURNS SETOF chat_internal.cursor
	AS 'MODULE_PATHNAME', 'chat_get_cursor_by_id'
	LANGUAGE C STABLE ROWS 1;
COMMENT ON FUNCTION chat_internal.get_cursor(integer, integer, text) IS
'The cursor of a reader in the chat; no row if there is none. Errors: P0002 no such application or chat, 23502 reader blank, 22001 too long.';

CREATE FUNCTION chat_internal.get_cursor(token text, chat integer, reader text) RETURNS SETOF chat_internal.cursor
	AS 'MODULE_PATHNAME', 'chat_get_cursor_by_token'
	LANGUAGE C STABLE ROWS 1;
COMMENT ON FUNCTION chat_internal.get_cursor(text, integer, text) IS
'As get_cursor(integer, ...), by the application''s token.';

CREATE FUNCTION chat_internal.list_cursors(application integer, chat integer, after text DEFAULT NULL, "limit" integer DEFAULT 100, OUT reader text, OUT number integer)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'chat_list_cursors_by_id'
	LANGUAGE C STABLE ROWS 100;
COMMENT ON FUNCTION chat_internal.list_cursors(integer, integer, text, integer) IS
'The cursors of the chat, ascending by reader (bytewise): who has read through which number. after: readers above this one; limit: rows at most, 1 to 1000. Errors: P0002 no such application or chat, 22023 limit.';

CREATE FUNCTION chat_internal.list_cursors(token text, chat integer, after text DEFAULT NULL, "limit" integer DEFAULT 100, OUT reader text, OUT number integer)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'chat_list_cursors_by_token'
	LANGUAGE C STABLE ROWS 100;
COMMENT ON FUNCTION chat_internal.list_cursors(text, integer, text, integer) IS
'As list_cursors(integer, ...), by the application''s token.';

CREATE FUNCTION chat_internal.list_unread(application integer, reader text, after integer DEFAULT NULL, before integer DEFAULT NULL, "limit" integer DEFAULT 100, chats integer[] DEFAULT NULL)
	RETURNS SETOF chat_internal.unread_chat
	AS 'MODULE_PATHNAME', 'chat_list_unread_by_id'
	LANGUAGE C STABLE ROWS 100;
COMMENT ON FUNCTION chat_internal.list_unread(integer, text, integer, integer, integer, integer[]) IS
'The chats in which a reader has a cursor, ascending by number, each with what is unread and its last message. after: chats above this one; before: below this one; limit: rows at most, 1 to 1000, with before alone the last ones; chats: of these alone, null: all. Errors: P0002 no such application, 23502 reader blank, 22001 too long, 22023 with the argument''s name.';

CREATE FUNCTION chat_internal.list_unread(token text, reader text, after integer DEFAULT NULL, before integer DEFAULT NULL, "limit" integer DEFAULT 100, chats integer[] DEFAULT NULL)
	RETURNS SETOF chat_internal.unread_chat
	AS 'MODULE_PATHNAME', 'chat_list_unread_by_token'
	LANGUAGE C STABLE ROWS 100;
COMMENT ON FUNCTION chat_internal.list_unread(text, text, integer, integer, integer, integer[]) IS
'As list_unread(integer, ...), by the application''s token.';

CREATE FUNCTION chat_internal.list_unread_json(token text, reader text, after integer DEFAULT NULL, before integer DEFAULT NULL, "limit" integer DEFAULT 100, max_size integer DEFAULT NULL, chats integer[] DEFAULT NULL,
		OUT chats json, OUT chats_count integer, OUT cut boolean, OUT first integer, OUT last integer)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'chat_list_unread_json'
	LANGUAGE C STABLE ROWS 1;
COMMENT ON FUNCTION chat_internal.list_unread_json(text, text, integer, integer, integer, integer, integer[]) IS
'As list_unread(text, ...), one row, a page as of list_messages_json: chats, an array of {"chat_number": ..., "number": ..., "unread_count": ..., "last_message": ...}, where number is the cursor; first and last are chats. Errors: as there, and 22023 max_size.';

CREATE TABLE chat_internal.consumer_positions (
	application_id integer NOT NULL,
	consumer text COLLATE "C" NOT NULL,
	chat_number integer NOT NULL,
	number integer NOT NULL,
	revision integer NOT NULL,
	CONSTRAINT consumer_positions_pkey PRIMARY KEY (application_id, consumer, chat_number),
	CONSTRAINT consumer_positions_chat_fkey
		FOREIGN KEY (application_id, chat_number) REFERENCES chat.chats ON DELETE CASCADE
) WITH (fillfactor = 50);
CREATE INDEX consumer_positions_chat ON chat_internal.consumer_positions (application_id, chat_number);
COMMENT ON TABLE chat_internal.consumer_positions IS 'How far consumers are: the highest number and the highest revision of a chat that a consumer, a program that processes changes, has processed. A chat that is missing has yet to be begun with.';

CREATE TYPE chat_internal.consumed_change AS (chat_number integer, position text, event text, number integer, body text, created_at timestamptz, sender text, metadata jsonb, edited_at timestamptz, deleted_at timestamptz, revision integer);
COMMENT ON TYPE chat_internal.consumed_change IS 'A change of a chat, as of chat.list_changes(), and which chat.';

CREATE FUNCTION chat_internal.consume(application integer, consumer text, "limit" integer DEFAULT 100, chats integer[] DEFAULT NULL)
	RETURNS SETOF chat_internal.consumed_change
	AS 'MODULE_PATHNAME', 'chat_consume_by_id'
	LANGUAGE C VOLATILE ROWS 100;
COMMENT ON FUNCTION chat_internal.consume(integer, text, integer, integer[]) IS
'The next changes of the application''s chats for a consumer, a program that processes each once: those of a chat in their order, and at most limit in all, 1 to 1000. The consumer is moved behind them in the same transaction: what the caller does with the changes and the position are committed together, or neither is. Workers of the same consumer, in transactions of their own, share the chats: one that a worker has taken changes of is passed over by the others until its transaction ends. consumer: 1 to 255 characters, not only white space; a new one begins at the beginning, or where skip_changes put it. chats: look at these alone, such as those that wait_for_changes returned; null: all, which takes a look at each. No row: there is nothing, or others have it. Errors: P0002 no such application, 23502 consumer blank, 22001 too long, 22023 limit, 42501 row-level security hides rows from the tables'' owner.';

CREATE FUNCTION chat_internal.consume(token text, consumer text, "limit" integer DEFAULT 100, chats integer[] DEFAULT NULL)
	RETURNS SETOF chat_internal.consumed_change
	AS 'MODULE_PATHNAME', 'chat_consume_by_token'
	LANGUAGE C VOLATILE ROWS 100;
COMMENT ON FUNCTION chat_internal.consume(text, text, integer, integer[]) IS
'As consume(integer, ...), by the application''s token.';

CREATE FUNCTION chat_internal.skip_changes(application integer, consumer text) RETURNS bigint
	AS 'MODULE_PATHNAME', 'chat_skip_changes_by_id'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION chat_internal.skip_changes(integer, text) IS
'Moves a consumer, which may be new, behind all changes that there are now; returns of how many chats. Errors: P0002 no such application, 23502 consumer blank, 22001 too long.';

CREATE FUNCTION chat_internal.skip_changes(token text, consumer text) RETURNS bigint
	AS 'MODULE_PATHNAME', 'chat_skip_changes_by_token'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION chat_internal.skip_changes(text, text) IS
'As skip_changes(integer, text), by the application''s token.';

CREATE FUNCTION chat_internal.delete_consumer(application integer, consumer text) RETURNS bigint
	AS 'MODULE_PATHNAME', 'chat_delete_consumer_by_id'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION chat_internal.delete_consumer(integer, text) IS
'Forgets a consumer; returns in how many chats it had a position. Errors: P0002 no such application, 23502 consumer blank, 22001 too long.';

CREATE FUNCTION chat_internal.delete_consumer(token text, consumer text) RETURNS bigint
	AS 'MODULE_PATHNAME', 'chat_delete_consumer_by_token'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION chat_internal.delete_consumer(text, text) IS
'As delete_consumer(integer, text), by the application''s token.';

CREATE FUNCTION chat_internal.list_consumers(application integer, OUT consumer text, OUT chats_behind bigint)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'chat_list_consumers_by_id'
	LANGUAGE C STABLE ROWS 10;
COMMENT ON FUNCTION chat_internal.list_consumers(integer) IS
'The consumers of the application, and in how many chats each has changes before it. Looks at every chat for each. Errors: P0002 no such application.';

CREATE FUNCTION chat_internal.list_consumers(token text, OUT consumer text, OUT chats_behind bigint)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'chat_list_consumers_by_token'
	LANGUAGE C STABLE ROWS 10;
COMMENT ON FUNCTION chat_internal.list_consumers(text) IS
'As list_consumers(integer), by the application''s token.';

CREATE FUNCTION chat_internal.get_positions(applications integer[], chats integer[],
		OUT item integer, OUT application_id integer, OUT number integer, OUT revision integer)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'chat_get_positions_by_id'
	LANGUAGE C STABLE ROWS 100;
COMMENT ON FUNCTION chat_internal.get_positions(integer[], integer[]) IS
'How far the changes of many chats have come, from arrays of equal length. Returns a row for each chat that exists: its place in the arrays (item 1, 2, 3, ...), its application, the highest number of its messages, and the last revision. Errors: 22023 arrays of different length or shape.';

CREATE FUNCTION chat_internal.get_positions(tokens text[], chats integer[],
		OUT item integer, OUT application_id integer, OUT number integer, OUT revision integer)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'chat_get_positions_by_token'
	LANGUAGE C STABLE ROWS 100;
COMMENT ON FUNCTION chat_internal.get_positions(text[], integer[]) IS
'As get_positions(integer[], integer[]), by the applications'' tokens.';

CREATE PROCEDURE chat_internal.wait_for_changes(INOUT "position" bigint DEFAULT NULL, timeout integer DEFAULT 1000,
		INOUT applications integer[] DEFAULT NULL, INOUT chats integer[] DEFAULT NULL, INOUT everything boolean DEFAULT NULL)
	AS 'MODULE_PATHNAME', 'chat_wait_for_changes'
	LANGUAGE C;

CREATE TABLE chat_internal.api_keys (
	application_id integer NOT NULL DEFAULT 0,
	id integer NOT NULL,
	name text NOT NULL,
	scope text COLLATE "C" NOT NULL,
	digest bytea NOT NULL,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	expires_at timestamptz,
	revoked_at timestamptz,
	last_used_at timestamptz,
	bound_to integer GENERATED ALWAYS AS (NULLIF(application_id, 0)) STORED,
	CONSTRAINT api_keys_pkey PRIMARY KEY (application_id, id),
	CONSTRAINT api_keys_bound_to_fkey FOREIGN KEY (bound_to) REFERENCES chat.applications ON DELETE CASCADE,
	CONSTRAINT api_keys_scope_check CHECK (scope IN ('read', 'write', 'admin'))
) WITH (fillfactor = 50);
CREATE INDEX api_keys_id ON chat_internal.api_keys (id);
CREATE INDEX api_keys_bound_to ON chat_internal.api_keys (bound_to) WHERE bound_to IS NOT NULL;
COMMENT ON TABLE chat_internal.api_keys IS 'Keys of the REST API. application_id: the application that the key is bound to, 0 for none, and bound_to the same, null for none. id is random. digest: the SHA-256 of the key, which nobody has but its owner. last_used_at is a minute behind at most.';

CREATE TABLE chat_internal.signing_keys (
	application_id integer NOT NULL,
	kid text COLLATE "C" NOT NULL,
	algorithm text COLLATE "C" NOT NULL,
	material bytea NOT NULL,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	CONSTRAINT signing_keys_pkey PRIMARY KEY (application_id, kid),
	CONSTRAINT signing_keys_application_id_fkey
		FOREIGN KEY (application_id) REFERENCES chat.applications ON DELETE CASCADE,
	CONSTRAINT signing_keys_algorithm_check CHECK (algorithm IN ('HS256', 'ES256', 'EdDSA'))
);
COMMENT ON TABLE chat_internal.signing_keys IS 'Keys by which applications sign tokens of their users. material: of HS256 the secret, which signs, too; else the public key, a SubjectPublicKeyInfo.';

CREATE TABLE chat_internal.tickets (
	application_id integer NOT NULL,
	digest bytea NOT NULL,
	expires_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp() + interval '30 seconds',
	content text NOT NULL,
	CONSTRAINT tickets_pkey PRIMARY KEY (application_id, digest),
	CONSTRAINT tickets_application_id_fkey
		FOREIGN KEY (application_id) REFERENCES chat.applications ON DELETE CASCADE
);
CREATE INDEX tickets_expires_at ON chat_internal.tickets (expires_at);
COMMENT ON TABLE chat_internal.tickets IS 'Tickets that were given and not used yet. digest: the SHA-256 of the ticket; content: what it stands for, in the words of who made it. A dump leaves them out.';

CREATE FUNCTION chat_internal.create_key(name text, scope text, application integer DEFAULT NULL, expires_at timestamptz DEFAULT NULL) RETURNS text
	AS 'MODULE_PATHNAME', 'chat_create_key'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION chat_internal.create_key(text, text, integer, timestamptz) IS
'Creates a key of the REST API and returns it: pgc_ID_SECRET. It is shown this once, and only its SHA-256 is kept. name: 1 to 255 characters, not only white space, for people. scope: read, write, or admin, each of which may do what those before it may. application: its id, where the key is for this one alone; null: for all. expires_at: when it becomes void; null: never. Errors: 23502 name blank, 22001 name too long, 22023 scope or expires_at, P0002 no such application.';

CREATE FUNCTION chat_internal.revoke_key(id integer) RETURNS boolean
	AS 'MODULE_PATHNAME', 'chat_revoke_key'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION chat_internal.revoke_key(integer) IS
'Makes the key with this id void, within a second of the commit. Returns false if it was revoked before. Errors: P0002 no such key.';

CREATE FUNCTION chat_internal.list_keys(application integer DEFAULT NULL,
		OUT id integer, OUT application_id integer, OUT name text, OUT scope text, OUT created_at timestamptz, OUT expires_at timestamptz, OUT revoked_at timestamptz, OUT last_used_at timestamptz)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'chat_list_keys'
	LANGUAGE C STABLE ROWS 10;
COMMENT ON FUNCTION chat_internal.list_keys(integer) IS
'The keys of the REST API, those of an application, or all; ascending by application (null: bound to none) and age. last_used_at is a minute behind at most; null: never. Errors: P0002 no such application.';

CREATE FUNCTION chat_internal.check_keys(digests bytea[], ids integer[], OUT item integer, OUT application_id integer, OUT token text, OUT scope text)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'chat_check_keys'
	LANGUAGE C STABLE ROWS 10;
COMMENT ON FUNCTION chat_internal.check_keys(bytea[], integer[]) IS
'What the keys are for that have these SHA-256 and ids, from arrays of equal length: for a server, as chatd is. Returns a row for each that counts, with its place in the arrays (item 1, 2, 3, ...), its application and that one''s token (0 and null: all applications), and its scope; a key that is unknown, revoked or expired has no row. Remember a row for a second at most.';

CREATE FUNCTION chat_internal.note_key_use(ids integer[]) RETURNS void
	AS 'MODULE_PATHNAME', 'chat_note_key_use'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION chat_internal.note_key_use(integer[]) IS
'Notes that the keys with these ids were used; once a minute is enough. One that was noted less than a minute ago, or that another transaction has locked, is left alone.';

CREATE FUNCTION chat_internal.create_signing_key(application integer, INOUT kid text DEFAULT NULL, OUT secret text)
	AS 'MODULE_PATHNAME', 'chat_create_signing_key'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION chat_internal.create_signing_key(integer, text) IS
'Creates a key by which the application signs tokens of its users (JWT, HS256). Returns its kid, which tokens carry: the one given (1 to 64 letters, digits, dots, hyphens, underscores) or a random one; and the secret, 64 characters, which are themselves the key. It is shown this once. Any number of keys are valid at a time. Errors: P0002 no such application, 22023 kid, 23505 kid taken.';

CREATE FUNCTION chat_internal.register_public_key(application integer, public_key text, kid text DEFAULT NULL) RETURNS text
	AS 'MODULE_PATHNAME', 'chat_register_public_key'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION chat_internal.register_public_key(integer, text, text) IS
'Adds the public key to one by which the application signs tokens of its users (JWT). public_key: PEM; of P-256, for ES256, or Ed25519, for EdDSA. Returns its kid, as create_signing_key does. Errors: as there, and 22023 public_key.';

CREATE FUNCTION chat_internal.revoke_signing_key(application integer, kid text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'chat_revoke_signing_key'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION chat_internal.revoke_signing_key(integer, text) IS
'Deletes a key of the application: tokens that are signed by it are void, within a second of the commit. Returns whether there was one. Errors: P0002 no such application.';

CREATE FUNCTION chat_internal.list_signing_keys(application integer DEFAULT NULL, OUT application_id integer, OUT kid text, OUT algorithm text, OUT created_at timestamptz)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'chat_list_signing_keys'
	LANGUAGE C STABLE ROWS 10;
COMMENT ON FUNCTION chat_internal.list_signing_keys(integer) IS
'The keys by which an application, or all, sign tokens of their users; ascending by application and age. Errors: P0002 no such application.';

CREATE FUNCTION chat_internal.get_verification_keys(tokens text[], kids text[], OUT item integer, OUT application_id integer, OUT algorithm text, OUT material bytea)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'chat_get_verification_keys'
	LANGUAGE C STABLE ROWS 10;
COMMENT ON FUNCTION chat_internal.get_verification_keys(text[], text[]) IS
'What verifies the tokens that applications sign, by the applications'' tokens and kids, from arrays of equal length: for a server, as chatd is. algorithm HS256: material is the secret; ES256 or EdDSA: the public key, a SubjectPublicKeyInfo. A key that is not there has no row. Remember a row for a second at most.';

CREATE FUNCTION chat_internal.get_tokens(applications integer[], OUT item integer, OUT token text)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'chat_get_tokens'
	LANGUAGE C STABLE ROWS 10;
COMMENT ON FUNCTION chat_internal.get_tokens(integer[]) IS
'The tokens of the applications with these ids; one that is missing has no row.';

CREATE FUNCTION chat_internal.create_ticket(token text, digest bytea, content text) RETURNS void
	AS 'MODULE_PATHNAME', 'chat_create_ticket'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION chat_internal.create_ticket(text, bytea, text) IS
'Keeps a ticket for 30 seconds: digest, its SHA-256, and content, what it stands for. Errors: P0002 no such application, 22004 null.';

CREATE FUNCTION chat_internal.use_ticket(token text, digest bytea) RETURNS text
	AS 'MODULE_PATHNAME', 'chat_use_ticket'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION chat_internal.use_ticket(text, bytea) IS
'Takes a ticket of the application, which is then used up, and returns its content; null if there is none that counts. Errors: P0002 no such application.';

CREATE FUNCTION chat_internal.current_user_name() RETURNS text
	AS 'MODULE_PATHNAME', 'chat_current_user_name'
	LANGUAGE C STABLE;
COMMENT ON FUNCTION chat_internal.current_user_name() IS
'The user that the session works for, pg_chat.user_name: for row-level policies of your own. Null where that is empty.';

CREATE FUNCTION chat_internal.rfc3339(value timestamptz) RETURNS text
	AS 'MODULE_PATHNAME', 'chat_rfc3339'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION chat_internal.rfc3339(timestamptz) IS
'The time as JSON and REST show it: RFC 3339, UTC, with microseconds, as in 2026-01-02T03:04:05.123456Z, whatever the settings TimeZone and DateStyle. A year beyond 9999 has more digits, one before 1 ends in " BC"; infinity and -infinity are these words.';

CREATE FUNCTION chat_internal.create_application_json(name text, key text DEFAULT NULL, OUT id integer, OUT application json, OUT replayed boolean)
	AS 'MODULE_PATHNAME', 'chat_create_application_json'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION chat_internal.create_application_json(text, text) IS
'As create_application, and returns, besides the id, the application as REST shows it: {"token": ..., "name": ..., "chats_count": 0, "created_at": ...}, as it was then; and replayed, whether it was there by its key already. Errors: as there.';

CREATE FUNCTION chat_internal.create_chat_json(token text, number integer DEFAULT NULL, key text DEFAULT NULL, OUT chat json, OUT replayed boolean)
	AS 'MODULE_PATHNAME', 'chat_create_chat_json'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION chat_internal.create_chat_json(text, integer, text) IS
'As create_chat(text, ...), and returns the chat as REST shows it: {"number": ..., "messages_count": 0, "created_at": ...}, as it was then; and replayed, whether it was there by its key already. Errors: as there.';

CREATE FUNCTION chat_internal.export_messages(application integer, chat integer, after integer DEFAULT 0) RETURNS SETOF json
	AS 'MODULE_PATHNAME', 'chat_export_messages_by_id'
	LANGUAGE C STABLE ROWS 1000;
COMMENT ON FUNCTION chat_internal.export_messages(integer, integer, integer) IS
'All messages of a chat, deleted ones, too, ascending by number, above after; a row for each, as get_messages_json shows it, with its "key", if it has one: all that import_messages takes. They are of one snapshot, and take no more memory than work_mem. Errors: P0002 no such application or chat, 42501 row-level security hides rows from the tables'' owner.';

CREATE FUNCTION chat_internal.export_messages(token text, chat integer, after integer DEFAULT 0) RETURNS SETOF json
	AS 'MODULE_PATHNAME', 'chat_export_messages_by_token'
	LANGUAGE C STABLE ROWS 1000;
COMMENT ON FUNCTION chat_internal.export_messages(text, integer, integer) IS
'As export_messages(integer, ...), by the application''s token.';

CREATE FUNCTION chat_internal.export_application(application integer, after_chat integer DEFAULT 0, after_number integer DEFAULT 0) RETURNS SETOF json
	AS 'MODULE_PATHNAME', 'chat_export_application_by_id'
	LANGUAGE C STABLE ROWS 1000;
COMMENT ON FUNCTION chat_internal.export_application(integer, integer, integer) IS
'As export_messages, of all chats of an application, ascending by chat and number, after this message of this chat; each also has "chat_number". Errors: P0002 no such application, 42501 row-level security hides rows from the tables'' owner.';

CREATE FUNCTION chat_internal.export_application(token text, after_chat integer DEFAULT 0, after_number integer DEFAULT 0) RETURNS SETOF json
	AS 'MODULE_PATHNAME', 'chat_export_application_by_token'
	LANGUAGE C STABLE ROWS 1000;
COMMENT ON FUNCTION chat_internal.export_application(text, integer, integer) IS
'As export_application(integer, ...), by the application''s token.';

CREATE FUNCTION chat_internal.export_json(token text, chat integer, after_chat integer, after_number integer, max_size integer) RETURNS SETOF text
	AS 'MODULE_PATHNAME', 'chat_export_json'
	LANGUAGE C STABLE ROWS 1000;
COMMENT ON FUNCTION chat_internal.export_json(text, integer, integer, integer, integer) IS
'For servers: the lines of export_messages or, if chat is NULL, of export_application, each with a line feed behind it, in pages of at most max_size bytes, but at least a line; and last, as a row of its own, the number of bytes of all pages in the client''s encoding. A cursor for it reads page by page by its one snapshot; WITH HOLD, it keeps the pages in a temporary file, and no snapshot. Errors: P0002 no such application or chat, 42501 row-level security hides rows from the tables'' owner.';

CREATE FUNCTION chat_internal.import_messages(application integer, chat integer, numbers integer[], bodies text[], created_at timestamptz[], senders text[] DEFAULT NULL, metadata jsonb[] DEFAULT NULL, edited_at timestamptz[] DEFAULT NULL, deleted_at timestamptz[] DEFAULT NULL, revisions integer[] DEFAULT NULL, keys text[] DEFAULT NULL)
	RETURNS SETOF chat.outcome
	AS 'MODULE_PATHNAME', 'chat_import_messages_by_id'
	LANGUAGE C VOLATILE ROWS 100;
COMMENT ON FUNCTION chat_internal.import_messages(integer, integer, integer[], text[], timestamptz[], text[], jsonb[], timestamptz[], timestamptz[], integer[], text[]) IS
'Imports messages into a chat as they are elsewhere, from arrays of equal length; those with a default may be NULL, whole or by element. Each keeps its number, times, sender, metadata and key, and its revision, unless readers of the chat would miss it by that: then it takes the next. One with deleted_at is a tombstone, without body, sender, metadata and edited_at. Returns an outcome for each, as create_messages does: replayed is true for one that is there already as it is, which is left alone, so that an import may be repeated. Errors of an item: 23502 number, created_at or body blank, 22001 too long, 23514 metadata no object or content of a tombstone, 22003 number or revision below 1, 22008 a time that is not finite, 23505 number of another message, or key taken, 54000 no revision left. Errors: P0002 no such application or chat, 22023 arrays of different length or shape.';

CREATE FUNCTION chat_internal.import_messages(token text, chat integer, numbers integer[], bodies text[], created_at timestamptz[], senders text[] DEFAULT NULL, metadata jsonb[] DEFAULT NULL, edited_at timestamptz[] DEFAULT NULL, deleted_at timestamptz[] DEFAULT NULL, revisions integer[] DEFAULT NULL, keys text[] DEFAULT NULL)
	RETURNS SETOF chat.outcome
	AS 'MODULE_PATHNAME', 'chat_import_messages_by_token'
	LANGUAGE C VOLATILE ROWS 100;
COMMENT ON FUNCTION chat_internal.import_messages(text, integer, integer[], text[], timestamptz[], text[], jsonb[], timestamptz[], timestamptz[], integer[], text[]) IS
'As import_messages(integer, ...), by the application''s token. The role chat_api may not execute it, unless it is granted that: who may import may say who has written what, and when.';

CREATE FUNCTION chat_internal.import_application(application integer, chats integer[], numbers integer[], bodies text[], created_at timestamptz[], senders text[] DEFAULT NULL, metadata jsonb[] DEFAULT NULL, edited_at timestamptz[] DEFAULT NULL, deleted_at timestamptz[] DEFAULT NULL, revisions integer[] DEFAULT NULL, keys text[] DEFAULT NULL)
	RETURNS SETOF chat.outcome
	AS 'MODULE_PATHNAME', 'chat_import_application_by_id'
	LANGUAGE C VOLATILE ROWS 100;
COMMENT ON FUNCTION chat_internal.import_application(integer, integer[], integer[], text[], timestamptz[], text[], jsonb[], timestamptz[], timestamptz[], integer[], text[]) IS
'As import_messages, of any chats of an application, whose numbers are chats. A chat that is not there is created. Further errors of an item, with field chat_number: 23502 chat blank, 22003 chat below 1, 23505 the chat was deleted, and its rows are still there. Errors: P0002 no such application, 22023 arrays of different length or shape.';

CREATE FUNCTION chat_internal.import_application(token text, chats integer[], numbers integer[], bodies text[], created_at timestamptz[], senders text[] DEFAULT NULL, metadata jsonb[] DEFAULT NULL, edited_at timestamptz[] DEFAULT NULL, deleted_at timestamptz[] DEFAULT NULL, revisions integer[] DEFAULT NULL, keys text[] DEFAULT NULL)
	RETURNS SETOF chat.outcome
	AS 'MODULE_PATHNAME', 'chat_import_application_by_token'
	LANGUAGE C VOLATILE ROWS 100;
COMMENT ON FUNCTION chat_internal.import_application(text, integer[], integer[], text[], timestamptz[], text[], jsonb[], timestamptz[], timestamptz[], integer[], text[]) IS
'As import_application(integer, ...), by the application''s token. The role chat_api may not execute it, unless it is granted that, as import_messages.';

CREATE FUNCTION chat_internal.update_message(application integer, chat integer, number integer, body text DEFAULT NULL, metadata jsonb DEFAULT NULL, if_revision integer DEFAULT NULL)
	RETURNS chat.message
	AS 'MODULE_PATHNAME', 'chat_update_message_by_id'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION chat_internal.update_message(integer, integer, integer, text, jsonb, integer) IS
'Edits a message, and returns it as it is then, with the next revision of its chat and the present as edited_at; what is the same already takes none. body, metadata: as for create_message, null to leave what there is; metadata ''null''::jsonb takes it away. if_revision: the revision that the message is to have, 0 standing for none; null for any. Errors: P0002 no such application, chat or message, or it was deleted, 22023 neither body nor metadata, 55000 another revision, 23502 body blank, 22001 too long, 23514 metadata no object, 54000 no revision left.';

CREATE FUNCTION chat_internal.update_message(token text, chat integer, number integer, body text DEFAULT NULL, metadata jsonb DEFAULT NULL, if_revision integer DEFAULT NULL)
	RETURNS chat.message
	AS 'MODULE_PATHNAME', 'chat_update_message_by_token'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION chat_internal.update_message(text, integer, integer, text, jsonb, integer) IS
'As update_message(integer, ...), by the application''s token.';

CREATE FUNCTION chat_internal.delete_message(application integer, chat integer, number integer, if_revision integer DEFAULT NULL) RETURNS boolean
	AS 'MODULE_PATHNAME', 'chat_delete_message_by_id'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION chat_internal.delete_message(integer, integer, integer, integer) IS
'Deletes a message: its body becomes empty, sender, metadata and edited_at null, deleted_at the present; it takes the next revision of its chat, is not counted any more, and its number stays taken. Returns whether it was there; false if it was deleted already. if_revision: as for update_message. Errors: P0002 no such application, chat or message, 55000 another revision, 54000 no revision left.';

CREATE FUNCTION chat_internal.delete_message(token text, chat integer, number integer, if_revision integer DEFAULT NULL) RETURNS boolean
	AS 'MODULE_PATHNAME', 'chat_delete_message_by_token'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION chat_internal.delete_message(text, integer, integer, integer) IS
'As delete_message(integer, ...), by the application''s token.';

CREATE FUNCTION chat_internal.update_message_json(token text, chat integer, number integer, body text DEFAULT NULL, metadata jsonb DEFAULT NULL, if_revision integer DEFAULT NULL, if_sender text DEFAULT NULL,
		OUT sqlstate text, OUT field text, OUT message text, OUT current json, OUT revision integer, OUT deleted boolean)
	AS 'MODULE_PATHNAME', 'chat_update_message_json'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION chat_internal.update_message_json(text, integer, integer, text, jsonb, integer, text) IS
'As update_message(text, ...); instead of an error of those listed there, it returns its SQLSTATE, the argument at fault and the message; and current, the message as it is then, if there is one, with its revision, and whether it is deleted, as of get_messages_json. if_sender: the sender that the message is to have, null for any. Errors, as outcomes: as there, and 42501 another sender.';

CREATE FUNCTION chat_internal.delete_message_json(token text, chat integer, number integer, if_revision integer DEFAULT NULL, if_sender text DEFAULT NULL,
		OUT sqlstate text, OUT field text, OUT message text, OUT current json, OUT revision integer, OUT deleted boolean)
	AS 'MODULE_PATHNAME', 'chat_delete_message_json'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION chat_internal.delete_message_json(text, integer, integer, integer, text) IS
'As delete_message(text, ...), with an outcome as of update_message_json.';

CREATE FUNCTION chat_internal.list_changes(application integer, chat integer, after_number integer DEFAULT 0, after_revision integer DEFAULT 0, "limit" integer DEFAULT 100)
	RETURNS SETOF chat_internal.change
	AS 'MODULE_PATHNAME', 'chat_list_changes_by_id'
	LANGUAGE C STABLE ROWS 100;
COMMENT ON FUNCTION chat_internal.list_changes(integer, integer, integer, integer, integer) IS
'What came to the chat after a position, the highest number and the highest revision that a reader has seen: first what was changed below, in the order of revisions, then what was appended, in the order of numbers, each message as it is now. limit: rows at most, 1 to 1000; go on after the last row''s position. Whoever puts each row into a table, by number, ends with the chat''s. Errors: P0002 no such application or chat, 22023 with the argument''s name, also for a position that the chat has not reached.';

CREATE FUNCTION chat_internal.list_changes(token text, chat integer, after_number integer DEFAULT 0, after_revision integer DEFAULT 0, "limit" integer DEFAULT 100)
	RETURNS SETOF chat_internal.change
	AS 'MODULE_PATHNAME', 'chat_list_changes_by_token'
	LANGUAGE C STABLE ROWS 100;
COMMENT ON FUNCTION chat_internal.list_changes(text, integer, integer, integer, integer) IS
'As list_changes(integer, ...), by the application''s token.';

CREATE FUNCTION chat_internal.list_changes_json(tokens text[], chats integer[], after_number integer[], after_revision integer[], "limit" integer[], max_size integer DEFAULT NULL,
		OUT item integer, OUT changes json, OUT changes_count integer, OUT cut boolean, OUT "position" text, OUT field text)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'chat_list_changes_json'
	LANGUAGE C STABLE ROWS 100;
COMMENT ON FUNCTION chat_internal.list_changes_json(text[], integer[], integer[], integer[], integer[], integer) IS
'Many pages as of list_changes(text, ...), from arrays of equal length; after_number, after_revision and limit may be NULL by element. One row for each, in the caller''s order, with its place in the arrays (item 1, 2, 3, ...): changes, an array of {"position": ..., "event": ..., "message": ...}, the message as of get_messages_json; how many they are; the position to go on after. max_size: bytes of changes, 1 or more, null for any; a page ends before the change that would make it larger, but has one, and then is cut. A missing application or chat gives no row and costs the others nothing. A position that the chat has not reached gives field, the argument''s name, no changes, and the chat''s own position. Errors: 22023 arrays of different length or shape, or with the argument''s name.';

CREATE FUNCTION chat_internal.figures(OUT name text, OUT label text, OUT value double precision)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'chat_figures'
	LANGUAGE C STABLE ROWS 60;

CREATE FUNCTION chat_internal.problems(OUT problem text, OUT remedy text)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'chat_problems'
	LANGUAGE C STABLE ROWS 5;

CREATE FUNCTION chat_internal.status_json() RETURNS text
	AS 'MODULE_PATHNAME', 'chat_status_json'
	LANGUAGE C STABLE;

CREATE FUNCTION chat_internal.own_functions() RETURNS void
	AS 'MODULE_PATHNAME', 'chat_own_functions' LANGUAGE C;
SELECT chat_internal.own_functions();
DROP FUNCTION chat_internal.own_functions();
CREATE FUNCTION chat_internal.own_tables() RETURNS void
	AS 'MODULE_PATHNAME', 'chat_own_tables' LANGUAGE C;
SELECT chat_internal.own_tables();
DROP FUNCTION chat_internal.own_tables();
ALTER FUNCTION chat_internal.figures() SET SCHEMA chat;
ALTER FUNCTION chat_internal.problems() SET SCHEMA chat;
ALTER FUNCTION chat_internal.status_json() SET SCHEMA chat;
COMMENT ON FUNCTION chat.figures() IS
'What is there and what was done, in numbers, as chatd shows them in GET /metrics: applications, chats and messages by the counters, messages, and how far indexes are behind, up to 100,000 chats only; rows alive (an estimate), inserted, updated and deleted, by the server''s statistics; what chat.worker_status says of each job, and chat.search_status of each state of an index. label is the table, the job or the state, and null where there is one number only. Numbers that are not known have no row. Looks at every application, and at up to 100,000 chats. Errors: 42501 row-level security hides rows from the tables'' owner.';
COMMENT ON FUNCTION chat.problems() IS
'What is wrong, a row for each, those first that stand in the way of others; and remedy, the statement that mends it, or that shows where to look. No rows: all is well.';
COMMENT ON FUNCTION chat.status_json() IS
'An object for the console of chatd: problems, as chat.problems() has them; worker and jobs, as chat.worker_status; indexes, as chat.search_status; keys, the newest 100 of the REST API without what they consist of.';
ALTER FUNCTION chat_internal.write_paths() SET SCHEMA chat;
COMMENT ON FUNCTION chat.write_paths() IS
'Which way create_chat, create_message, create_messages, update_message and delete_message, and get_messages_json, list_messages_json and last_messages_json take, for each step that they do with a table: step, find by token, refer to (an application, from a new chat), count chats, create chats, count messages, create messages, read messages or change messages; direct, whether rows are accessed without a statement; reason, why not. A call takes the direct way if all of its steps can; a chat of which create_messages names a number goes by statements alone, and so does what turns out to change nothing. Both give the same results; the direct one takes less than half of the CPU. What keeps a table from it: whatever pg_chat did not define there and a statement would heed, such as triggers, rules, row-level security, checks, partitions, columns with defaults, indexes other than btrees of columns (and chat.add_trigram_index()). Modules that look at each statement do not see rows accessed directly; pg_chat.direct_rows = off, which a superuser sets, has all done by statements.';
ALTER FUNCTION chat_internal.disable_redundant_checks() SET SCHEMA chat;
ALTER FUNCTION chat_internal.rfc3339(timestamptz) SET SCHEMA chat;
ALTER FUNCTION chat_internal.create_application_json(text, text) SET SCHEMA chat;
ALTER FUNCTION chat_internal.create_chat_json(text, integer, text) SET SCHEMA chat;
ALTER FUNCTION chat_internal.export_messages(integer, integer, integer) SET SCHEMA chat;
ALTER FUNCTION chat_internal.export_messages(text, integer, integer) SET SCHEMA chat;
ALTER FUNCTION chat_internal.export_application(integer, integer, integer) SET SCHEMA chat;
ALTER FUNCTION chat_internal.export_application(text, integer, integer) SET SCHEMA chat;
ALTER FUNCTION chat_internal.import_messages(integer, integer, integer[], text[], timestamptz[], text[], jsonb[], timestamptz[], timestamptz[], integer[], text[]) SET SCHEMA chat;
ALTER FUNCTION chat_internal.export_json(text, integer, integer, integer, integer) SET SCHEMA chat;
ALTER FUNCTION chat_internal.import_messages(text, integer, integer[], text[], timestamptz[], text[], jsonb[], timestamptz[], timestamptz[], integer[], text[]) SET SCHEMA chat;
ALTER FUNCTION chat_internal.import_application(integer, integer[], integer[], text[], timestamptz[], text[], jsonb[], timestamptz[], timestamptz[], integer[], text[]) SET SCHEMA chat;
ALTER FUNCTION chat_internal.import_application(text, integer[], integer[], text[], timestamptz[], text[], jsonb[], timestamptz[], timestamptz[], integer[], text[]) SET SCHEMA chat;
ALTER FUNCTION chat_internal.update_message(integer, integer, integer, text, jsonb, integer) SET SCHEMA chat;
ALTER FUNCTION chat_internal.update_message(text, integer, integer, text, jsonb, integer) SET SCHEMA chat;
ALTER FUNCTION chat_internal.delete_message(integer, integer, integer, integer) SET SCHEMA chat;
ALTER FUNCTION chat_internal.delete_message(text, integer, integer, integer) SET SCHEMA chat;
ALTER FUNCTION chat_internal.update_message_json(text, integer, integer, text, jsonb, integer, text) SET SCHEMA chat;
ALTER FUNCTION chat_internal.delete_message_json(text, integer, integer, integer, text) SET SCHEMA chat;
ALTER FUNCTION chat_internal.list_changes(integer, integer, integer, integer, integer) SET SCHEMA chat;
ALTER FUNCTION chat_internal.list_changes(text, integer, integer, integer, integer) SET SCHEMA chat;
ALTER FUNCTION chat_internal.list_changes_json(text[], integer[], integer[], integer[], integer[], integer) SET SCHEMA chat;
ALTER FUNCTION chat_internal.get_messages_json(text[], integer[], integer[]) SET SCHEMA chat;
ALTER FUNCTION chat_internal.list_messages_json(text[], integer[], integer[], integer[], integer[], integer, text[], boolean[]) SET SCHEMA chat;
ALTER FUNCTION chat_internal.last_messages_json(text[], integer[], integer[], integer, text[], boolean[]) SET SCHEMA chat;
ALTER FUNCTION chat_internal.search_messages_json(text, integer, text, integer, integer, integer, integer) SET SCHEMA chat;
ALTER FUNCTION chat_internal.search_application_json(text, text, integer[], integer[], integer, integer) SET SCHEMA chat;
ALTER FUNCTION chat_internal.delete_chat(integer, integer) SET SCHEMA chat;
ALTER FUNCTION chat_internal.delete_chat(text, integer) SET SCHEMA chat;
ALTER FUNCTION chat_internal.delete_application(integer) SET SCHEMA chat;
ALTER FUNCTION chat_internal.delete_application(text) SET SCHEMA chat;
ALTER PROCEDURE chat_internal.purge() SET SCHEMA chat;
COMMENT ON FUNCTION chat.delete_chat(integer, integer) IS
'Deletes a chat with its messages. From the commit on it is gone for all functions, and not counted. Returns whether its rows go with this transaction: those of a chat of 1,000 messages at most do; otherwise the worker purges them afterwards, or CALL chat.purge(). Until then its number is not free. Errors: P0002 no such application or chat, 42501 row-level security hides rows from the tables'' owner.';
COMMENT ON FUNCTION chat.delete_chat(text, integer) IS
'As delete_chat(integer, integer), by the application''s token.';
COMMENT ON FUNCTION chat.delete_application(integer) IS
'Deletes an application with its chats and messages. From the commit on its token is void, its name is free, and it is gone for all functions; by its id, chats beyond the first 1,000 are found until the worker has come to them. Returns whether its rows go with this transaction: those of one with 1,000 chats and 1,000 messages at most do; otherwise the worker purges them afterwards, or CALL chat.purge(). Errors: P0002 no such application, 42501 row-level security hides rows from the tables'' owner.';
COMMENT ON FUNCTION chat.delete_application(text) IS
'As delete_application(integer), by the application''s token.';
COMMENT ON PROCEDURE chat.purge() IS
'Purges the rows of what was deleted, as the worker does by itself, and also those that came deleted from another database, by a dump or pg_upgrade: in transactions of 1,000 rows, each of which it commits, so that it can be stopped at any time and called again. It passes over what others have locked. Errors: 2D000 called within a transaction.';
REVOKE ALL ON FUNCTION chat.delete_chat(integer, integer), chat.delete_chat(text, integer), chat.delete_application(integer), chat.delete_application(text) FROM PUBLIC;
REVOKE ALL ON PROCEDURE chat.purge() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION chat.delete_chat(text, integer), chat.delete_application(text) TO chat_api;
ALTER TABLE chat_internal.api_keys SET SCHEMA chat;
ALTER FUNCTION chat_internal.create_key(text, text, integer, timestamptz) SET SCHEMA chat;
ALTER FUNCTION chat_internal.revoke_key(integer) SET SCHEMA chat;
ALTER FUNCTION chat_internal.list_keys(integer) SET SCHEMA chat;
ALTER FUNCTION chat_internal.check_keys(bytea[], integer[]) SET SCHEMA chat;
ALTER FUNCTION chat_internal.note_key_use(integer[]) SET SCHEMA chat;
ALTER FUNCTION chat_internal.create_signing_key(integer, text) SET SCHEMA chat;
ALTER FUNCTION chat_internal.register_public_key(integer, text, text) SET SCHEMA chat;
ALTER FUNCTION chat_internal.revoke_signing_key(integer, text) SET SCHEMA chat;
ALTER FUNCTION chat_internal.list_signing_keys(integer) SET SCHEMA chat;
ALTER FUNCTION chat_internal.get_verification_keys(text[], text[]) SET SCHEMA chat;
ALTER FUNCTION chat_internal.get_tokens(integer[]) SET SCHEMA chat;
ALTER FUNCTION chat_internal.create_ticket(text, bytea, text) SET SCHEMA chat;
ALTER FUNCTION chat_internal.use_ticket(text, bytea) SET SCHEMA chat;
ALTER FUNCTION chat_internal.current_user_name() SET SCHEMA chat;
SELECT pg_catalog.pg_extension_config_dump('chat.api_keys', '');
SELECT pg_catalog.pg_extension_config_dump('chat_internal.signing_keys', '');
COMMENT ON FUNCTION chat.disable_redundant_checks() IS
'Switches off the check of each inserted message by the foreign key messages_chat_fkey, which the functions and triggers do anyway; it is off from the start, and on again after pg_upgrade, or ALTER TABLE ... ENABLE TRIGGER ALL as by pg_restore --disable-triggers. Foreign keys and triggers of others stay as they are. Returns how many triggers it disabled: 2 or 0. Locks chat.messages for a moment. Errors: 42501 not a superuser.';
ALTER PROCEDURE chat_internal.wait_for_changes(bigint, integer, integer[], integer[], boolean) SET SCHEMA chat;
COMMENT ON PROCEDURE chat.wait_for_changes(bigint, integer, integer[], integer[], boolean) IS
'Waits until chats change, and returns which: CALL chat.wait_for_changes(position, timeout). position: what the last call returned, null at first; timeout: milliseconds, 0 to 3600000, after which it returns without any. Returns one row: the position to go on from; applications and chats, the keys of those that committed transactions changed since position, each once, where chat 0 stands for the chats of the application; everything, true where any chat may have changed, and these are null, as at first, after a restart, after COMMIT PREPARED or replicated changes, or if more than some thousands changed. A change is a hint, and may turn out to be none: what it is, chat.list_changes() tells. It returns in the moment after the commit; where many chats change, 100 times a second. It holds no snapshot while it waits, so it cannot be called in a transaction block or a function. Without pg_chat in shared_preload_libraries, and on a standby, it looks every 10 ms whether anything at all was written, and then everything is true. What a role wrote with triggers disabled is never told: look at what you watch once in a while, chatd does so each second. Errors: 22023 timeout, 25001 in a transaction block or a function.';
ALTER TABLE chat_internal.cursors SET SCHEMA chat;
ALTER TYPE chat_internal.change SET SCHEMA chat;
ALTER TYPE chat_internal.cursor SET SCHEMA chat;
ALTER TYPE chat_internal.unread_chat SET SCHEMA chat;
SELECT pg_catalog.pg_extension_config_dump('chat.cursors', '');
ALTER FUNCTION chat_internal.set_cursor(integer, integer, text, integer, boolean) SET SCHEMA chat;
ALTER FUNCTION chat_internal.set_cursor(text, integer, text, integer, boolean) SET SCHEMA chat;
ALTER FUNCTION chat_internal.get_cursor(integer, integer, text) SET SCHEMA chat;
ALTER FUNCTION chat_internal.get_cursor(text, integer, text) SET SCHEMA chat;
ALTER FUNCTION chat_internal.list_cursors(integer, integer, text, integer) SET SCHEMA chat;
ALTER FUNCTION chat_internal.list_cursors(text, integer, text, integer) SET SCHEMA chat;
ALTER FUNCTION chat_internal.list_unread(integer, text, integer, integer, integer, integer[]) SET SCHEMA chat;
ALTER FUNCTION chat_internal.list_unread(text, text, integer, integer, integer, integer[]) SET SCHEMA chat;
ALTER FUNCTION chat_internal.list_unread_json(text, text, integer, integer, integer, integer, integer[]) SET SCHEMA chat;
REVOKE ALL ON TABLE chat.cursors FROM PUBLIC;
REVOKE ALL ON TYPE chat.change, chat.cursor, chat.unread_chat FROM PUBLIC;
REVOKE ALL ON FUNCTION
	chat.set_cursor(integer, integer, text, integer, boolean),
	chat.set_cursor(text, integer, text, integer, boolean),
	chat.get_cursor(integer, integer, text),
	chat.get_cursor(text, integer, text),
	chat.list_cursors(integer, integer, text, integer),
	chat.list_cursors(text, integer, text, integer),
	chat.list_unread(integer, text, integer, integer, integer, integer[]),
	chat.list_unread(text, text, integer, integer, integer, integer[]),
	chat.list_unread_json(text, text, integer, integer, integer, integer, integer[])
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	chat.set_cursor(text, integer, text, integer, boolean),
	chat.get_cursor(text, integer, text),
	chat.list_cursors(text, integer, text, integer),
	chat.list_unread(text, text, integer, integer, integer, integer[]),
	chat.list_unread_json(text, text, integer, integer, integer, integer, integer[])
TO chat_api;
ALTER TABLE chat_internal.consumer_positions SET SCHEMA chat;
ALTER TYPE chat_internal.consumed_change SET SCHEMA chat;
SELECT pg_catalog.pg_extension_config_dump('chat.consumer_positions', '');
ALTER FUNCTION chat_internal.consume(integer, text, integer, integer[]) SET SCHEMA chat;
ALTER FUNCTION chat_internal.consume(text, text, integer, integer[]) SET SCHEMA chat;
ALTER FUNCTION chat_internal.skip_changes(integer, text) SET SCHEMA chat;
ALTER FUNCTION chat_internal.skip_changes(text, text) SET SCHEMA chat;
ALTER FUNCTION chat_internal.delete_consumer(integer, text) SET SCHEMA chat;
ALTER FUNCTION chat_internal.delete_consumer(text, text) SET SCHEMA chat;
ALTER FUNCTION chat_internal.list_consumers(integer) SET SCHEMA chat;
ALTER FUNCTION chat_internal.list_consumers(text) SET SCHEMA chat;
REVOKE ALL ON TABLE chat.consumer_positions FROM PUBLIC;
REVOKE ALL ON TYPE chat.consumed_change FROM PUBLIC;
REVOKE ALL ON FUNCTION
	chat.consume(integer, text, integer, integer[]),
	chat.consume(text, text, integer, integer[]),
	chat.skip_changes(integer, text),
	chat.skip_changes(text, text),
	chat.delete_consumer(integer, text),
	chat.delete_consumer(text, text),
	chat.list_consumers(integer),
	chat.list_consumers(text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	chat.consume(text, text, integer, integer[]),
	chat.skip_changes(text, text),
	chat.delete_consumer(text, text),
	chat.list_consumers(text)
TO chat_api;
ALTER FUNCTION chat_internal.get_positions(integer[], integer[]) SET SCHEMA chat;
ALTER FUNCTION chat_internal.get_positions(text[], integer[]) SET SCHEMA chat;
REVOKE ALL ON FUNCTION chat.get_positions(integer[], integer[]), chat.get_positions(text[], integer[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION chat.get_positions(text[], integer[]) TO chat_api;
REVOKE ALL ON PROCEDURE chat.wait_for_changes(bigint, integer, integer[], integer[], boolean) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE chat.wait_for_changes(bigint, integer, integer[], integer[], boolean) TO chat_api;
REVOKE ALL ON FUNCTION chat.disable_redundant_checks() FROM PUBLIC;
REVOKE ALL ON FUNCTION
	chat.rfc3339(timestamptz),
	chat.export_messages(integer, integer, integer),
	chat.export_messages(text, integer, integer),
	chat.export_application(integer, integer, integer),
	chat.export_application(text, integer, integer),
	chat.export_json(text, integer, integer, integer, integer),
	chat.import_messages(integer, integer, integer[], text[], timestamptz[], text[], jsonb[], timestamptz[], timestamptz[], integer[], text[]),
	chat.import_messages(text, integer, integer[], text[], timestamptz[], text[], jsonb[], timestamptz[], timestamptz[], integer[], text[]),
	chat.import_application(integer, integer[], integer[], text[], timestamptz[], text[], jsonb[], timestamptz[], timestamptz[], integer[], text[]),
	chat.import_application(text, integer[], integer[], text[], timestamptz[], text[], jsonb[], timestamptz[], timestamptz[], integer[], text[]),
	chat.list_changes(integer, integer, integer, integer, integer),
	chat.list_changes(text, integer, integer, integer, integer),
	chat.list_changes_json(text[], integer[], integer[], integer[], integer[], integer),
	chat.update_message(integer, integer, integer, text, jsonb, integer),
	chat.update_message(text, integer, integer, text, jsonb, integer),
	chat.delete_message(integer, integer, integer, integer),
	chat.delete_message(text, integer, integer, integer),
	chat.update_message_json(text, integer, integer, text, jsonb, integer, text),
	chat.delete_message_json(text, integer, integer, integer, text),
	chat.create_application_json(text, text),
	chat.create_chat_json(text, integer, text),
	chat.get_messages_json(text[], integer[], integer[]),
	chat.list_messages_json(text[], integer[], integer[], integer[], integer[], integer, text[], boolean[]),
	chat.last_messages_json(text[], integer[], integer[], integer, text[], boolean[]),
	chat.search_messages_json(text, integer, text, integer, integer, integer, integer),
	chat.search_application_json(text, text, integer[], integer[], integer, integer)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	chat.rfc3339(timestamptz),
	chat.list_changes(text, integer, integer, integer, integer),
	chat.list_changes_json(text[], integer[], integer[], integer[], integer[], integer),
	chat.update_message(text, integer, integer, text, jsonb, integer),
	chat.delete_message(text, integer, integer, integer),
	chat.export_messages(text, integer, integer),
	chat.export_application(text, integer, integer),
	chat.export_json(text, integer, integer, integer, integer),
	chat.update_message_json(text, integer, integer, text, jsonb, integer, text),
	chat.delete_message_json(text, integer, integer, integer, text),
	chat.create_application_json(text, text),
	chat.create_chat_json(text, integer, text),
	chat.get_messages_json(text[], integer[], integer[]),
	chat.list_messages_json(text[], integer[], integer[], integer[], integer[], integer, text[], boolean[]),
	chat.last_messages_json(text[], integer[], integer[], integer, text[], boolean[]),
	chat.search_messages_json(text, integer, text, integer, integer, integer, integer),
	chat.search_application_json(text, text, integer[], integer[], integer, integer)
TO chat_api;
REVOKE ALL ON TABLE chat_internal.deleted_messages, chat.api_keys, chat_internal.signing_keys, chat_internal.tickets FROM PUBLIC;
REVOKE ALL ON FUNCTION
	chat.create_key(text, text, integer, timestamptz),
	chat.revoke_key(integer),
	chat.list_keys(integer),
	chat.check_keys(bytea[], integer[]),
	chat.note_key_use(integer[]),
	chat.create_signing_key(integer, text),
	chat.register_public_key(integer, text, text),
	chat.revoke_signing_key(integer, text),
	chat.list_signing_keys(integer),
	chat.get_verification_keys(text[], text[]),
	chat.get_tokens(integer[]),
	chat.create_ticket(text, bytea, text),
	chat.use_ticket(text, bytea),
	chat.current_user_name()
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	chat.check_keys(bytea[], integer[]),
	chat.note_key_use(integer[]),
	chat.get_verification_keys(text[], text[]),
	chat.get_tokens(integer[]),
	chat.create_ticket(text, bytea, text),
	chat.use_ticket(text, bytea)
TO chat_api;
GRANT EXECUTE ON FUNCTION chat.current_user_name() TO PUBLIC;
REVOKE ALL ON FUNCTION chat_internal.after_insert_applications(), chat_internal.after_update_chats(), chat_internal.after_truncate_chats(), chat_internal.search_status(integer), chat_internal.job_status(integer), chat.write_paths() FROM PUBLIC;

-- Readers of the views may call these two, which the views use instead of search_lag.
UPDATE pg_catalog.pg_proc
SET proacl = (SELECT l.proacl FROM pg_catalog.pg_proc AS l WHERE l.oid = 'chat.search_lag(integer)'::regprocedure)
WHERE oid IN ('chat_internal.search_status(integer)'::regprocedure, 'chat_internal.job_status(integer)'::regprocedure);
INSERT INTO pg_catalog.pg_shdepend
SELECT d.dbid, d.classid, f.oid, d.objsubid, d.refclassid, d.refobjid, d.deptype
FROM pg_catalog.pg_shdepend AS d,
	(VALUES ('chat_internal.search_status(integer)'::regprocedure), ('chat_internal.job_status(integer)'::regprocedure)) AS f (oid)
WHERE d.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
	AND d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = 'chat.search_lag(integer)'::regprocedure AND d.deptype = 'a';

---------------------------------------------------------------------------
-- Views
---------------------------------------------------------------------------

ALTER VIEW chat.search_status RENAME COLUMN parked TO failed;
CREATE OR REPLACE VIEW chat.search_status AS
	SELECT
		s.index COLLATE "C" AS index,
		s.alias COLLATE "C" AS alias,
		s.state COLLATE "C" AS state,
		s.usable,
		s.created_at,
		s.messages,
		s.messages_behind,
		s.queued,
		s.failed,
		s.seconds_behind
	FROM chat_internal.search_status() AS s;
COMMENT ON VIEW chat.search_status IS 'This database''s indexes in Elasticsearch, and how far each is behind. usable: it is fed and, if it is current, searched; if not, see last_error of the jobs search and verify search in chat.worker_status. What row-level security hides from the tables'' owner is null; hint in chat.worker_status says what to do. No rows: Elasticsearch is not used.';

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
		CASE d.job WHEN 'redis' THEN chat_internal.pending_changes() ELSE d.backlog END AS backlog,
		CASE
			WHEN w.problem IS NOT NULL THEN 'The worker is idle: ' || w.problem
			WHEN h.remedy IS NOT NULL THEN 'Row-level security hides rows from the tables'' owner; what cannot be counted is null. ' || h.remedy
			WHEN w.pid IS NOT NULL AND w.preloaded THEN NULL
			WHEN pg_catalog.pg_is_in_recovery() THEN 'A standby has no worker; it starts after the promotion.'
			WHEN w.pid IS NOT NULL THEN 'The worker runs until the next restart. Add pg_chat to shared_preload_libraries and restart, to have it started always.'
			WHEN NOT w.preloaded THEN 'No worker. Add pg_chat to shared_preload_libraries and restart; until then: SELECT chat.start_worker()'
			ELSE 'No worker; the launcher starts it within a minute. If not, see the server''s log, and max_worker_processes.'
		END AS hint
	FROM chat_internal.job_status() AS d
	CROSS JOIN chat_internal.worker_process() AS w
	CROSS JOIN (
		SELECT pg_catalog.string_agg(pg_catalog.format('ALTER TABLE %I.%I NO FORCE ROW LEVEL SECURITY;', n.nspname, c.relname) COLLATE pg_catalog."default", ' ' ORDER BY n.nspname, c.relname) AS remedy
		FROM pg_catalog.pg_class AS c
		JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
		JOIN pg_catalog.pg_roles AS o ON o.oid = c.relowner
		WHERE n.nspname IN ('chat', 'chat_internal') AND c.relkind IN ('r', 'p')
			AND c.relrowsecurity AND c.relforcerowsecurity AND NOT o.rolsuper AND NOT o.rolbypassrls) AS h;
COMMENT ON VIEW chat.worker_status IS 'This database''s worker, a row for each of its jobs: its process, what the last run did and how long it took, the last error, and what is waiting; null where row-level security hides it. hint says what is missing or to be done, if anything.';

DROP FUNCTION chat.search_lag(integer);

REVOKE ALL ON FUNCTION chat.figures(), chat.problems(), chat.status_json() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION chat.figures(), chat.status_json() TO chat_api;
