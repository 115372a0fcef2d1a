-- data-0.1.sql - a database of release 0.1 in use: rows in every table, queues that wait, a worker that
-- has worked. Written without the functions, which a later library refuses, and without the triggers.

SET session_replication_role = replica;

INSERT INTO chat.applications (id, token, name, created_at) VALUES
	(1, 'token-1', 'Один', '2026-01-01 10:00:00+00'),
	(2, 'token-2', 'two', '2026-01-02 10:00:00+00'),
	(7, 'token-7', 'empty', '2026-01-03 10:00:00+00');
SELECT setval('chat.applications_id_seq', 9);
INSERT INTO chat.application_counters (application_id, last_chat_number, chats_count) VALUES (1, 5, 3), (2, 1, 1), (7, 0, 0);
INSERT INTO chat.chats (application_id, number, last_number, messages_count, created_at) VALUES
	(1, 1, 300, 300, '2026-01-01 11:00:00+00'),
	(1, 2, 12, 2, '2026-01-01 12:00:00+00'),
	(1, 5, 0, 0, '2026-01-01 13:00:00+00'),
	(2, 1, 3, 7, '2026-01-02 11:00:00+00');
INSERT INTO chat.messages (application_id, chat_number, number, body, created_at)
SELECT 1, 1, i, format('message %s', i), '2026-01-01 11:00:00+00'::timestamptz + i * interval '1 second' FROM generate_series(1, 300) AS i
UNION ALL VALUES
	(1, 2, 4, E'quotes '' and \\ and \t and \n', '2026-01-01 12:00:01+00'::timestamptz),
	(1, 2, 12, repeat('ж', 5000), '2026-01-01 12:00:02+00'),
	(2, 1, 1, 'one', '2026-01-02 11:00:01+00'), (2, 1, 2, 'two', '2026-01-02 11:00:02+00'), (2, 1, 3, 'three', '2026-01-02 11:00:03+00');

-- Work in queues: a chat that has another count than messages, the keys of a rotated token, documents.
INSERT INTO chat.changed_chats VALUES (2, 1), (1, 0);
INSERT INTO chat.retired_tokens (token, chat_number, retired_at, due, done_at) VALUES
	('token-old', 0, '2026-01-02 10:00:00+00', true, NULL),
	('token-1', 3, '2026-01-02 10:00:01+00', false, '2026-01-02 10:00:02+00');
INSERT INTO chat.search_indexes (name, alias, home, proven_in, operations, uuid, server, state, last_version, created_at) VALUES
	('chat_1', 'chat', 'old 1', '2026-01-01 09:00:00+00', 305, 'uuid-1', 17, 'current', 99, '2026-01-01 09:30:00+00'),
	('chat_0', 'chat', 'old 1', NULL, 0, NULL, NULL, 'retired', 0, '2026-01-01 09:20:00+00');
INSERT INTO chat.indexed_chats VALUES (1, 1, 1, 290), (1, 2, 1, 3);
INSERT INTO chat.search_queue (index_id, application_id, chat_number, number, queued_at, reason) VALUES
	(1, 1, 1, 17, '2026-01-02 12:00:00+00', NULL),
	(1, 1, 2, 4, '2026-01-02 12:00:01+00', 'mapper_parsing_exception');

-- The worker's records.
INSERT INTO chat.mended_counts (mended_at, application_id, chat_number, counter, was, mended_to) VALUES
	('2026-01-02 13:00:00+00', 1, 1, 'messages_count', 299, 300),
	('2026-01-02 13:00:01+00', 1, NULL, 'redis', NULL, 5);
UPDATE chat.worker_duties SET passes = 40 + length(duty), last_pass_at = '2026-01-02 14:00:00+00', last_duration = '3 ms', last_done = 2,
	total_done = 80, total_mended = 2, errors = 1, last_error = 'once', last_error_at = '2026-01-02 13:30:00+00',
	application_id = 1, chat_number = 2, hurry = duty ~ '^scrub', home = CASE duty WHEN 'redis' THEN 'old 1' END;

-- Grants of its owner to a role that the cluster has already, and views on the extension's.
GRANT USAGE ON SCHEMA chat TO upgrade_monitor;
GRANT SELECT ON chat.worker_status, chat.search_status, chat.mended_counts, chat.chats TO upgrade_monitor;
GRANT EXECUTE ON FUNCTION chat.worker_process(), chat.pending_changes(), chat.search_lag(integer) TO upgrade_monitor;
GRANT EXECUTE ON FUNCTION chat.add_search_index() TO upgrade_monitor;
CREATE VIEW public.busy_chats AS SELECT application_id, number, last_number FROM chat.chats WHERE last_number > 2;
CREATE VIEW public.errors AS SELECT duty, last_error FROM chat.worker_status;
