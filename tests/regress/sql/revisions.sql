\i setup.sql
\i replica.sql
-- The order of changes: every way of changing messages takes the next revision of the chat, and whoever follows the
-- changes has the table.
SELECT id AS app FROM chat.create_application('shop') \gset
SELECT chat.create_chat(:app) FROM generate_series(1, 4);
CREATE FUNCTION test.last(app integer, chat integer DEFAULT 1) RETURNS text LANGUAGE sql AS
	$$ SELECT last_message_number || '.' || last_revision FROM chat.chats WHERE application_id = app AND number = chat $$;
CREATE FUNCTION test.revised(app integer, chat integer DEFAULT 1) RETURNS text LANGUAGE sql AS
	$$ SELECT string_agg(number || ':' || revision, ' ' ORDER BY revision) FROM chat.messages WHERE application_id = app AND chat_number = chat AND revision IS NOT NULL $$;

-- What is appended has none, by functions and directly.
SELECT count(chat.create_message(:app, 1, 'message ' || i)) FROM generate_series(1, 5) AS i;
INSERT INTO chat.messages (application_id, chat_number, body) VALUES (:app, 1, 'inserted') RETURNING number, revision;
INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (:app, 1, 10, 'tenth'), (:app, 1, 8, 'eighth') RETURNING number, revision;
COPY chat.messages (application_id, chat_number, number, body) FROM stdin;
1	1	12	copied
\.
SELECT last(:app), revised(:app);
SELECT followed(:app, 1);
SELECT followed(:app, 1);

-- Edits and deletions, by functions.
SELECT number, body, revision, edited_at BETWEEN created_at AND clock_timestamp() FROM chat.update_message(:app, 1, 2, 'edited');
SELECT chat.delete_message(:app, 1, 3);
SELECT (chat.update_message(:app, 1, 2, 'edited')).revision, chat.delete_message(:app, 1, 3), last(:app);
SELECT followed(:app, 1);

-- Filled in, by functions and directly. A number that was the highest until this statement is none.
SELECT chat.create_message(:app, 1, 'filled in', 7);
SELECT item, number, revision FROM chat.create_messages(array_fill(:app, ARRAY[4]), '{1,1,1,1}', '{a,b,c,d}', '{20,9,15,NULL}') AS o;
INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (:app, 1, 11, 'eleventh'), (:app, 1, 30, 'thirtieth'), (:app, 1, 25, 'x') RETURNING number, revision;
SELECT last(:app), revised(:app);
SELECT followed(:app, 1, 2);

-- Direct UPDATEs: of what shows, not of what is the same or does not show; whatever they say of the revision.
UPDATE chat.messages SET body = body WHERE (application_id, chat_number) = (:app, 1);
UPDATE chat.messages SET key = 'k' || number, key_digest = '' WHERE (application_id, chat_number) = (:app, 1);
UPDATE chat.messages SET revision = 999 WHERE (application_id, chat_number, number) = (:app, 1, 1);
SELECT last(:app);
UPDATE chat.messages SET body = 'by hand', revision = 999 WHERE (application_id, chat_number, number) = (:app, 1, 1) RETURNING revision, edited_at >= created_at;
UPDATE chat.messages SET sender = 'Ann', edited_at = '2026-01-01' WHERE (application_id, chat_number, number) = (:app, 1, 1) RETURNING revision, edited_at AT TIME ZONE 'UTC';
UPDATE chat.messages SET metadata = '{"a": 1.0}' WHERE (application_id, chat_number, number) = (:app, 1, 1) RETURNING revision;
UPDATE chat.messages SET metadata = '{"a": 1}' WHERE (application_id, chat_number, number) = (:app, 1, 1) RETURNING revision;
UPDATE chat.messages SET created_at = '2026-01-01' WHERE (application_id, chat_number, number) = (:app, 1, 1) RETURNING revision;
UPDATE chat.messages SET deleted_at = now(), body = '' WHERE (application_id, chat_number, number) = (:app, 1, 4) RETURNING revision, edited_at;
UPDATE chat.messages SET body = body || '!' WHERE (application_id, chat_number) = (:app, 1) AND number IN (5, 6, 10);
SELECT last(:app), revised(:app);
SELECT followed(:app, 1);

-- Upserts, and then MERGE: one revision for what happens, none for what does not.
INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (:app, 1, 5, 'not inserted') ON CONFLICT DO NOTHING;
INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (:app, 1, 13, 'once'), (:app, 1, 13, 'twice') ON CONFLICT DO NOTHING;
INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (:app, 1, 5, 'upserted'), (:app, 1, 14, 'upserted'), (:app, 1, 31, 'upserted')
	ON CONFLICT (application_id, chat_number, number) DO UPDATE SET body = excluded.body RETURNING number, revision;
SELECT last(:app), revised(:app);
SELECT followed(:app, 1);

DO $$ BEGIN
	IF current_setting('server_version_num')::integer >= 150000 THEN
		EXECUTE $m$ MERGE INTO chat.messages AS m USING (VALUES (5, 'merged'), (16, 'merged'), (32, 'merged'), (14, NULL)) AS n (number, body)
			ON (m.application_id, m.chat_number, m.number) = ((SELECT id FROM chat.applications), 1, n.number)
			WHEN MATCHED AND n.body IS NULL THEN DELETE
			WHEN MATCHED THEN UPDATE SET body = n.body
			WHEN NOT MATCHED THEN INSERT (application_id, chat_number, number, body) VALUES ((SELECT id FROM chat.applications), 1, n.number, n.body) $m$;
	ELSE
		UPDATE chat.messages SET body = 'merged' WHERE chat_number = 1 AND number = 5;
		INSERT INTO chat.messages (application_id, chat_number, number, body) SELECT id, 1, n, 'merged' FROM chat.applications, (VALUES (16), (32)) AS v (n);
		DELETE FROM chat.messages WHERE chat_number = 1 AND number = 14;
	END IF;
END $$;
SELECT last(:app), revised(:app);
SELECT followed(:app, 1);

-- Direct DELETEs: a row for consecutive ones. A key that changes is gone from its place.
DELETE FROM chat.messages WHERE (application_id, chat_number) = (:app, 1) AND number IN (5, 6, 7, 8, 12, 13);
SELECT revision, number, messages FROM chat_internal.deleted_messages WHERE (application_id, chat_number) = (:app, 1) ORDER BY revision;
SELECT followed(:app, 1, 2);
INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (:app, 1, 6, 'again') RETURNING revision;
UPDATE chat.messages SET number = 40 WHERE (application_id, chat_number, number) = (:app, 1, 31) RETURNING number, revision;
UPDATE chat.messages SET number = 8 WHERE (application_id, chat_number, number) = (:app, 1, 9) RETURNING number, revision;
UPDATE chat.messages SET chat_number = 2 WHERE (application_id, chat_number, number) = (:app, 1, 10) RETURNING number, revision;
SELECT last(:app), revised(:app), last(:app, 2), revised(:app, 2);
SELECT followed(:app, 1, 4);
SELECT followed(:app, 2);
-- Each moved on to the next one's place.
UPDATE chat.messages SET number = -number WHERE (application_id, chat_number) = (:app, 1);
BEGIN;
ALTER TABLE chat.messages DROP CONSTRAINT messages_pkey, ADD CONSTRAINT messages_pkey PRIMARY KEY (application_id, chat_number, number) DEFERRABLE;
UPDATE chat.messages SET number = number + 1 WHERE (application_id, chat_number) = (:app, 1);
SELECT followed(:app, 1, 100);
ROLLBACK;

-- A reader that begins now is told what there is, and of nothing that was before.
DELETE FROM test.positions; DELETE FROM test.copies;
SELECT followed(:app, 1, 5);

-- What is rolled back takes nothing.
SELECT last(:app) AS before \gset
BEGIN;
SAVEPOINT a;
UPDATE chat.messages SET body = 'lost' WHERE (application_id, chat_number) = (:app, 1);
SELECT chat.delete_message(:app, 1, 1), (chat.update_message(:app, 1, 2, 'lost')).revision > 0;
DELETE FROM chat.messages WHERE (application_id, chat_number) = (:app, 1);
INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (:app, 1, 1, 'lost');
TRUNCATE chat.messages;
ROLLBACK TO a;
SELECT last(:app) = :'before';
UPDATE chat.messages SET body = 'kept' WHERE (application_id, chat_number, number) = (:app, 1, 2) RETURNING revision;
ROLLBACK;
SELECT last(:app) = :'before';
-- Also within a statement: of what a trigger did and took back.
CREATE FUNCTION test.try_and_fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (NEW.application_id, NEW.chat_number, 16, 'lost'), (NEW.application_id, NEW.chat_number, NULL, 'lost');
		UPDATE chat.messages SET body = 'lost' WHERE application_id = NEW.application_id AND chat_number = NEW.chat_number AND number = 2;
		RAISE 'no';
	EXCEPTION WHEN raise_exception THEN
	END;
	RETURN NEW;
END $$;
CREATE TRIGGER try BEFORE INSERT ON chat.messages FOR EACH ROW WHEN (NEW.body LIKE 'tried%') EXECUTE FUNCTION test.try_and_fail();
INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (:app, 1, 17, 'tried'), (:app, 1, NULL, 'tried'), (:app, 1, 18, 'tried'), (:app, 1, NULL, 'tried') RETURNING number, revision;
DROP TRIGGER try ON chat.messages;
SELECT last(:app);
SELECT followed(:app, 1);

-- A trigger of the owner that comes after ours.
CREATE FUNCTION test.shout() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.body := upper(NEW.body); RETURN NEW; END';
CREATE TRIGGER zz BEFORE UPDATE ON chat.messages FOR EACH ROW EXECUTE FUNCTION test.shout();
UPDATE chat.messages SET key = 'y' || number WHERE (application_id, chat_number) = (:app, 1) AND number <= 2;
SELECT (chat.update_message(:app, 1, 40, 'loud')).body;
DROP TRIGGER zz ON chat.messages;
SELECT followed(:app, 1);

-- A restore puts messages back as they were: with their revisions, and without any.
CREATE TABLE test.kept AS SELECT * FROM chat.messages WHERE application_id = :app;
CREATE TABLE test.kept_chats AS SELECT * FROM chat.chats WHERE application_id = :app;
CREATE TABLE test.kept_deleted AS SELECT * FROM chat_internal.deleted_messages;
DELETE FROM chat.chats WHERE application_id = :app;
SELECT count(*) FROM chat_internal.deleted_messages;
INSERT INTO chat.chats TABLE test.kept_chats;
INSERT INTO chat.messages TABLE test.kept;
INSERT INTO chat_internal.deleted_messages TABLE test.kept_deleted;
SELECT count(*) FROM (SELECT * FROM chat.messages EXCEPT TABLE test.kept) AS d;
SELECT count(*) FROM (SELECT application_id, number, last_message_number, last_revision FROM chat.chats EXCEPT SELECT application_id, number, last_message_number, last_revision FROM test.kept_chats) AS d;
SELECT copy_differs(:app, 1);
SELECT followed(:app, 1);

-- TRUNCATE: all are gone; with the chats, nothing is left of it.
TRUNCATE chat.messages;
SELECT followed(:app, 1, 7);
SELECT chat_number, revision - messages AS above, revision, number - messages AS above, number FROM chat_internal.deleted_messages WHERE revision > 40 ORDER BY 1, 2;
SELECT chat.create_message(:app, 1, 'after');
SELECT followed(:app, 1);
TRUNCATE chat.chats CASCADE;
SELECT count(*) FROM chat_internal.deleted_messages;
SELECT chat.create_chat(:app), chat.create_message(:app, 5, 'x');
TRUNCATE chat.messages, chat.chats CASCADE;
SELECT count(*) FROM chat_internal.deleted_messages;

-- A chat that gets another number takes with it what was deleted.
SELECT chat.create_chat(:app), chat.create_message(:app, 6, 'x');
DELETE FROM chat.messages;
UPDATE chat.chats SET number = 60 WHERE number = 6;
SELECT chat_number, revision, number FROM chat_internal.deleted_messages;

-- Bad positions.
SELECT error(format('SELECT * FROM chat.list_changes(%s, 60, 2)', :app));
SELECT error(format('SELECT * FROM chat.list_changes(%s, 60, 1, 2)', :app));
SELECT error(format('SELECT * FROM chat.list_changes(%s, 60, -1)', :app));
SELECT error(format('SELECT * FROM chat.list_changes(%s, 60, 1, -1)', :app));
SELECT error(format('SELECT * FROM chat.list_changes(%s, 60, 1, 1, 0)', :app));
SELECT error(format('SELECT * FROM chat.list_changes(%s, 61)', :app));
SELECT error('SELECT * FROM chat.list_changes(''none'', 61)');

-- No revision is left.
SELECT chat.create_message(:app, 60, 'x'), chat.create_message(:app, 60, 'y');
UPDATE chat.chats SET last_revision = 2147483646 WHERE number = 60;
UPDATE chat.messages SET body = 'z' WHERE number = 2 RETURNING revision;
SELECT error('UPDATE chat.messages SET body = ''u'' WHERE number = 2');
SELECT error('DELETE FROM chat.messages WHERE number = 2');
SELECT error(format('SELECT chat.update_message(%s, 60, 2, ''u'')', :app));
SELECT error(format('SELECT chat.delete_message(%s, 60, 2)', :app));
SELECT error(format('SELECT chat.create_message(%s, 60, ''u'', 1)', :app));
SELECT chat.create_message(:app, 60, 'appended');

-- A last revision that is too low is repaired.
UPDATE chat.chats SET last_revision = 0 WHERE number = 60;
SELECT chat_number, counter, old_value, new_value FROM chat.reconcile(:app, 60);

-- Gone and made again within a statement: by a part of it, by a function, by a trigger of the owner. It is there.
SELECT id AS again FROM chat.create_application('again') \gset
SELECT chat.create_chat(:again);
SELECT count(chat.create_message(:again, 1, 'message ' || i)) FROM generate_series(1, 6) AS i;
SELECT followed(:again, 1);
WITH gone AS (DELETE FROM chat.messages WHERE (application_id, chat_number) = (:again, 1) AND number IN (1, 6) RETURNING *)
	INSERT INTO chat.messages (application_id, chat_number, number, body) SELECT application_id, chat_number, number, 'again' FROM gone WHERE number = 1;
DELETE FROM chat.messages WHERE (application_id, chat_number, number) = (:again, 1, 2) RETURNING chat.create_message(:again, 1, 'again', 2);
WITH moved AS (UPDATE chat.messages SET number = 9 WHERE (application_id, chat_number, number) = (:again, 1, 3) RETURNING *)
	INSERT INTO chat.messages (application_id, chat_number, number, body) SELECT application_id, chat_number, 3, 'again' FROM moved;
CREATE FUNCTION test.again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	PERFORM chat.create_message(OLD.application_id, OLD.chat_number, 'again', OLD.number);
	RETURN NULL;
END $$;
CREATE TRIGGER again AFTER DELETE ON chat.messages FOR EACH ROW WHEN (OLD.number = 4) EXECUTE FUNCTION test.again();
DELETE FROM chat.messages WHERE (application_id, chat_number) = (:again, 1) AND number IN (4, 5);
DROP TRIGGER again ON chat.messages;
SELECT number, body FROM chat.messages WHERE (application_id, chat_number) = (:again, 1) ORDER BY 1;
SELECT position, event, number FROM chat.list_changes(:again, 1, 6, 0);
SELECT followed(:again, 1);
