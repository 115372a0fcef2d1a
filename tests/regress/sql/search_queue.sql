\i setup.sql
-- Changes that are queued for a search index. The rows of chat_internal.search_indexes are written by hand here, and no
-- worker reads what is queued.
CREATE FUNCTION test.queued() RETURNS TABLE (messages text) LANGUAGE sql AS $$
	WITH taken AS (DELETE FROM chat_internal.search_queue RETURNING *)
	SELECT format('index %s, application %s, chat %s: %s', index_id, application_id, chat_number,
		string_agg(number::text, ' ' ORDER BY number))
	FROM taken GROUP BY index_id, application_id, chat_number ORDER BY index_id, application_id, chat_number
$$;
CREATE VIEW test.watermarks AS
	SELECT index_id, application_id, chat_number, indexed_number FROM chat_internal.search_watermarks ORDER BY 1, 2, 3;
SELECT id FROM chat.create_application('shop');
SELECT chat.create_chat(1), chat.create_chat(1), chat.create_chat(1);
SELECT count(chat.create_message(1, chat, 'hello')) FROM generate_series(1, 3) AS chat, generate_series(1, 5);

-- Without an index, nothing is queued.
DELETE FROM chat.messages WHERE (chat_number, number) = (1, 2);
UPDATE chat.messages SET body = 'changed' WHERE (chat_number, number) = (1, 3);
INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (1, 1, 2, 'again');
SELECT * FROM queued();

-- The indexes of another database, which a copy or a subscription brought, are told nothing.
INSERT INTO chat_internal.search_indexes (id, name, alias, owner_database, state) VALUES (1, 'one', 'search', owner_database(), 'current'), (2, 'zero', 'search', owner_database(), 'retired'),
	(101, 'its one', 'search', 'another', 'current'), (102, 'its two', 'search', 'another', 'building');
INSERT INTO chat_internal.search_watermarks SELECT 1, 1, number, 5 FROM chat.chats;

-- An appended message is not queued, whoever appends it.
SELECT chat.create_message(1, 1, 'next'), chat.create_message(1, 1, 'named', 10);
INSERT INTO chat.messages (application_id, chat_number, body) VALUES (1, 1, 'next') RETURNING number;
INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (1, 1, 20, 'named'), (1, 1, 15, 'in the same statement');
SELECT * FROM queued();

-- Inserts below the highest number are queued: by the functions, one and many,
SELECT chat.create_message(1, 1, 'named', 7);
SELECT number, sqlstate FROM chat.create_messages(ARRAY[1, 1, 1, 1, 1], ARRAY[1, 1, 1, 2, 9], ARRAY['a', 'b', 'c', 'd', 'e'], ARRAY[8, NULL, 7, 30, 1]);
SELECT number, sqlstate FROM chat.create_messages(ARRAY[1, 1], ARRAY[2, 2], ARRAY['a', 'b'], ARRAY[29, NULL]);
SELECT * FROM queued();
-- directly,
INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (1, 1, 12, 'd'), (1, 1, NULL, 'e'), (1, 2, 9, 'f');
SELECT * FROM queued();
-- and by COPY.
COPY chat.messages (application_id, chat_number, number, body) FROM stdin;
1	2	10	below
1	2	40	above
1	2	11	below
1	1	13	below
\.
SELECT * FROM queued();
-- One that was there already may be queued in vain.
INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (1, 1, 13, 'taken'), (1, 1, 14, 'free') ON CONFLICT DO NOTHING;
SELECT * FROM queued();
INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (1, 1, 14, 'taken') ON CONFLICT (application_id, chat_number, number) DO UPDATE SET body = EXCLUDED.body;
SELECT DISTINCT number FROM chat_internal.search_queue;
DELETE FROM chat_internal.search_queue;
-- More than are kept in memory.
INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (1, 3, 5000, 'high');
INSERT INTO chat.messages (application_id, chat_number, number, body) SELECT 1, 3, n, 'below' FROM generate_series(1000, 4499) AS n;
SELECT count(*), count(DISTINCT number), min(number), max(number) FROM chat_internal.search_queue;
DELETE FROM chat_internal.search_queue;

-- Each index that is not retired is told.
INSERT INTO chat_internal.search_indexes (id, name, alias, owner_database, state) VALUES (3, 'two', 'search', owner_database(), 'building');
SELECT chat.create_message(1, 1, 'named', 16);
UPDATE chat.messages SET body = 'changed' WHERE (chat_number, number) = (1, 16);
DELETE FROM chat.messages WHERE (chat_number, number) = (1, 17);
SELECT * FROM queued();
DELETE FROM chat_internal.search_indexes WHERE name = 'two';

-- An UPDATE: what has another body or key, by its old and its new key, once.
UPDATE chat.messages SET body = body, created_at = created_at - interval '1 day';
SELECT * FROM queued();
UPDATE chat.messages SET body = 'changed again' WHERE chat_number = 1 AND number < 4;
SELECT * FROM queued();
UPDATE chat.messages SET number = number + 1000 WHERE chat_number = 2 AND number < 3;
SELECT * FROM queued();
UPDATE chat.messages SET chat_number = 1, number = 500 WHERE chat_number = 2 AND number = 3;
UPDATE chat.messages SET body = 'nothing' WHERE chat_number = 99;
SELECT * FROM queued();
-- A DELETE.
DELETE FROM chat.messages WHERE chat_number = 1 AND number IN (4, 5, 6, 77);
SELECT * FROM queued();

-- A message whose insertion is rolled back is not queued; those around it are.
BEGIN;
INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (1, 1, 4, 'kept');
SAVEPOINT s;
INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (1, 1, 5, 'lost');
SELECT chat.create_message(1, 1, 'lost', 6);
DELETE FROM chat.messages WHERE (chat_number, number) = (1, 7);
ROLLBACK TO s;
SAVEPOINT t;
INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (1, 1, 6, 'kept');
RELEASE t;
COMMIT;
SELECT * FROM queued();
-- The same within one statement, where a trigger tries in vain.
CREATE FUNCTION test.try() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.body = 'try' THEN
		BEGIN
			INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (1, 2, NEW.number, 'lost');
			RAISE 'changed its mind';
		EXCEPTION WHEN raise_exception THEN
		END;
		BEGIN
			INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (1, 3, NEW.number, 'kept');
		EXCEPTION WHEN raise_exception THEN
		END;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER try BEFORE INSERT ON chat.messages FOR EACH ROW EXECUTE FUNCTION test.try();
INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (1, 1, 600, 'high'), (1, 1, 101, 'try'), (1, 1, 102, 'try');
SELECT * FROM queued();
DROP TRIGGER try ON chat.messages;

-- Watermarks: of a chat whose highest number was lowered, that got another key, or is gone.
SELECT * FROM watermarks;
UPDATE chat.chats SET messages_count = messages_count, last_message_number = last_message_number + 1 WHERE number = 1;
SELECT chat_number FROM watermarks;
UPDATE chat.chats SET last_message_number = last_message_number - 1 WHERE number = 1;
SELECT chat_number FROM watermarks;
SELECT chat.create_chat(1), chat.create_chat(1);
INSERT INTO chat_internal.search_watermarks SELECT id, 1, number, 5 FROM chat_internal.search_indexes, chat.chats WHERE id = 1 ON CONFLICT DO NOTHING;
UPDATE chat.chats SET number = 40 WHERE number = 4;
SELECT chat_number FROM watermarks;
DELETE FROM chat.chats WHERE number = 2;
SELECT chat_number FROM watermarks;
SELECT * FROM queued();
DELETE FROM chat.chats WHERE number = 3;
SELECT count(*) FROM chat_internal.search_queue;
DELETE FROM chat_internal.search_queue;
DELETE FROM chat.applications;
SELECT chat_number FROM watermarks;
SELECT * FROM queued();

-- TRUNCATE: everything is forgotten, and the indexes are to be replaced.
SELECT id FROM chat.create_application('after') \gset
SELECT chat.create_chat(:id);
SELECT chat.create_message(:id, 1, 'hello');
UPDATE chat.messages SET body = 'changed';
INSERT INTO chat_internal.search_watermarks VALUES (1, :id, 1, 1);
BEGIN;
TRUNCATE chat.messages;
SELECT count(*) FROM watermarks;
SELECT name, rebuild FROM chat_internal.search_indexes ORDER BY id;
ROLLBACK;
SELECT count(*) FROM watermarks;
SELECT count(*) FROM chat_internal.search_queue;
TRUNCATE chat.chats CASCADE;
SELECT count(*) FROM watermarks;
SELECT count(*) FROM chat_internal.search_queue;
SELECT name, rebuild FROM chat_internal.search_indexes ORDER BY id;

-- Rows of another database's index are neither used, shown nor changed.
INSERT INTO chat_internal.search_watermarks VALUES (101, :id, 1, 1);
INSERT INTO chat_internal.search_queue (index_id, application_id, chat_number, number, reason) VALUES (101, :id, 1, 1, 'refused'), (1, :id, 1, 1, 'refused');
SELECT index, state, queued, failed FROM chat.search_status ORDER BY index;
SELECT chat.retry_failed_documents();
SELECT chat.reindex();
SELECT index_id, reason FROM chat_internal.search_queue ORDER BY index_id;
SELECT backlog FROM chat.worker_status WHERE job = 'search';
TRUNCATE chat.applications CASCADE;
SELECT index_id FROM chat_internal.search_watermarks;
SELECT index_id FROM chat_internal.search_queue;
SELECT name, rebuild FROM chat_internal.search_indexes ORDER BY id;
-- Rows that the other database owns do not collide with those here.
INSERT INTO chat_internal.search_indexes (id, name, alias, owner_database, state) VALUES (103, 'a third one', 'search', 'a third', 'current');
DELETE FROM chat_internal.search_indexes WHERE id = 1;
SELECT chat.reindex();
