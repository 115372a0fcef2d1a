\i setup.sql
-- Changes of the tables by other ways than the functions: numbers are right at once; counts are, when
-- they were reconciled, which is done by hand here.
CREATE VIEW test.state AS
	SELECT c.number AS chat, c.messages_count AS count, c.last_message_number AS last,
		(SELECT string_agg(m.number::text, ' ' ORDER BY m.number) FROM chat.messages AS m
		WHERE (m.application_id, m.chat_number) = (c.application_id, c.number)) AS numbers
	FROM chat.chats AS c;
SELECT id FROM chat.create_application('shop');
SELECT chat.create_chat(1), chat.create_chat(1);
SELECT chat.create_message(1, 1, 'by the function');

-- Without a number, with one, and both in one statement.
INSERT INTO chat.messages (application_id, chat_number, body) VALUES (1, 1, 'a'), (1, 2, 'b'), (1, 1, 'c') RETURNING chat_number, number;
INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (1, 1, 10, 'd'), (1, 1, NULL, 'e'), (1, 1, 7, 'f') RETURNING number;
SELECT chat.create_message(1, 1, 'g'), chat.create_message(1, 2, 'h', 2);
COPY chat.messages (application_id, chat_number, body) FROM stdin;
1	2	copied
\.
SELECT * FROM state ORDER BY 1;
SELECT * FROM chat.reconcile();

-- Errors; none takes a number.
SELECT error($$INSERT INTO chat.messages (application_id, chat_number, body) VALUES (1, 3, 'x')$$);
SELECT error($$INSERT INTO chat.messages (application_id, chat_number, body) VALUES (1, 0, 'x')$$);
SELECT error($$INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (1, 1, 0, 'x')$$);
SELECT error($$INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (1, 1, 10, 'x')$$);
SELECT split_part(error($$INSERT INTO chat.messages (application_id, chat_number, body) VALUES (1, 1, 'x'), (1, 1, NULL)$$), ' | ', 2);
SELECT error($$INSERT INTO chat.chats (application_id) VALUES (2)$$);
SELECT error($$UPDATE chat.messages SET chat_number = 3$$);
SELECT error($$UPDATE chat.messages SET number = -1$$);
SELECT chat.create_message(1, 1, 'i');
INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (1, 1, 2147483647, 'last');
SELECT error($$INSERT INTO chat.messages (application_id, chat_number, body) VALUES (1, 1, 'x')$$);
SELECT error($$SELECT chat.create_message(1, 1, 'x')$$);
DELETE FROM chat.messages WHERE number = 2147483647;
SELECT error($$SELECT chat.create_message(1, 1, 'x')$$);

-- Savepoints: what is rolled back takes its numbers with it.
BEGIN;
INSERT INTO chat.messages (application_id, chat_number, body) VALUES (1, 2, 'kept') RETURNING number;
SAVEPOINT s;
INSERT INTO chat.messages (application_id, chat_number, body) VALUES (1, 2, 'lost'), (1, 2, 'lost') RETURNING number;
SELECT chat.create_message(1, 2, 'lost');
ROLLBACK TO s;
SELECT chat.create_message(1, 2, 'kept');
INSERT INTO chat.messages (application_id, chat_number, body) VALUES (1, 2, 'kept') RETURNING number;
COMMIT;
SELECT * FROM state WHERE chat = 2;

-- Chats; keys that are moved.
INSERT INTO chat.chats (application_id) VALUES (1) RETURNING number;
INSERT INTO chat.chats (application_id, number) VALUES (1, 9) RETURNING number;
SELECT chat.create_chat(1);
UPDATE chat.chats SET number = 20 WHERE number = 10;
SELECT chat.create_chat(1);
UPDATE chat.messages SET chat_number = 3, number = number + 100 WHERE chat_number = 2 AND number > 4;
SELECT chat.create_message(1, 3, 'after those that were moved');
SELECT * FROM chat.reconcile();
SELECT * FROM wrong_counters() WHERE chat <> 1 OR chat IS NULL;

-- Counters that are changed: what is queued follows what was changed.
DELETE FROM chat_internal.recount_queue;
UPDATE chat.chats SET messages_count = messages_count + 1, last_message_number = last_message_number + 1 WHERE number = 9;
UPDATE chat.chats SET last_message_number = last_message_number, created_at = created_at;
UPDATE chat.application_counters SET chats_count = chats_count;
SELECT application_id, chat_number FROM chat_internal.recount_queue;
UPDATE chat.application_counters SET chats_count = 100;
SELECT application_id, chat_number FROM chat_internal.recount_queue ORDER BY 1, 2;
SELECT chat.create_chat(1), chat.create_message(1, 9, 'the function') AS after_a_raised_number;
SELECT count(*) FROM chat_internal.recount_queue;
UPDATE chat.chats SET number = 30 WHERE number = 20;
SELECT DISTINCT application_id, chat_number FROM chat_internal.recount_queue ORDER BY 1, 2;
SELECT * FROM chat.reconcile();

-- An application of somebody's own has no counter until it has a chat.
INSERT INTO chat.applications (id, token, name) VALUES (77, 'own', 'own');
INSERT INTO chat.chats (application_id) VALUES (77) RETURNING number;
SELECT chat.create_chat(77);
SELECT * FROM chat.reconcile(77);

-- Triggers of the user that insert, directly or by the function, whatever inserted the first.
CREATE FUNCTION test.reply() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.body = 'ask directly' THEN
		INSERT INTO chat.messages (application_id, chat_number, body) VALUES (NEW.application_id, NEW.chat_number, 'reply to ' || NEW.number);
	ELSIF NEW.body = 'ask the function' THEN
		PERFORM chat.create_message(NEW.application_id, NEW.chat_number, 'reply to ' || NEW.number);
	ELSIF NEW.body = 'ask in vain' THEN
		BEGIN
			PERFORM chat.create_message(NEW.application_id, NEW.chat_number, 'lost');
			RAISE 'changed its mind';
		EXCEPTION WHEN OTHERS THEN
			INSERT INTO chat.messages (application_id, chat_number, body) VALUES (NEW.application_id, NEW.chat_number, 'sorry, ' || NEW.number);
		END;
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER reply AFTER INSERT ON chat.messages FOR EACH ROW EXECUTE FUNCTION test.reply();
SELECT chat.create_chat(77) AS chat \gset
SELECT chat.create_message(77, :chat, 'ask directly');
SELECT chat.create_message(77, :chat, 'ask the function');
SELECT chat.create_message(77, :chat, 'ask in vain');
INSERT INTO chat.messages (application_id, chat_number, body) VALUES (77, :chat, 'ask directly'), (77, :chat, 'ask the function'), (77, :chat, 'ask in vain');
SELECT number FROM chat.create_messages(ARRAY[77, 77, 77], ARRAY[:chat, :chat, :chat], ARRAY['ask directly', 'ask the function', 'ask in vain']);
SELECT number, body FROM chat.list_messages(77, :chat);
SELECT * FROM chat.reconcile(77, :chat);
SELECT * FROM wrong_counters() WHERE application = 77;
DROP TRIGGER reply ON chat.messages;
-- Before the row, in a subtransaction that is rolled back: what the statement did before stays.
CREATE FUNCTION test.try() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.body LIKE 'try%' THEN
		BEGIN
			PERFORM chat.create_message(77, NEW.chat_number, 'lost') WHERE NEW.body = 'try here';
			PERFORM chat.create_message(77, 1, 'lost') WHERE NEW.body = 'try elsewhere';
			RAISE 'changed its mind';
		EXCEPTION WHEN raise_exception THEN
		END;
		BEGIN
			PERFORM chat.create_message(77, NEW.chat_number, 'kept') WHERE NEW.body = 'try here';
		EXCEPTION WHEN raise_exception THEN
		END;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER try BEFORE INSERT ON chat.messages FOR EACH ROW EXECUTE FUNCTION test.try();
SELECT chat.create_chat(77) AS chat \gset
INSERT INTO chat.messages (application_id, chat_number, body) VALUES (77, :chat, 'a'), (77, :chat, 'try elsewhere'), (77, :chat, 'b') RETURNING number;
INSERT INTO chat.messages (application_id, chat_number, body) VALUES (77, :chat, 'c'), (77, :chat, 'try elsewhere') RETURNING number;
SELECT chat.create_message(77, :chat, 'next');
DROP TRIGGER try ON chat.messages;
-- Before the row has its number.
CREATE TRIGGER a_try BEFORE INSERT ON chat.messages FOR EACH ROW EXECUTE FUNCTION test.try();
INSERT INTO chat.messages (application_id, chat_number, body) VALUES (77, :chat, 'h'), (77, :chat, 'try here'), (77, :chat, 'i') RETURNING number;
SELECT number, body FROM chat.list_messages(77, :chat);
DROP TRIGGER a_try ON chat.messages;
SELECT counter, new_value FROM chat.reconcile(77, :chat);
SELECT * FROM wrong_counters() WHERE application = 77 AND highest <> top;

-- The parents that each kind of statement queues: keys of chats, 0 for the chats of the application, 0/0 for all.
CREATE FUNCTION test.queued(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	keys text;
BEGIN
	DELETE FROM chat_internal.recount_queue;
	EXECUTE statement;
	SELECT string_agg(DISTINCT application_id || '/' || chat_number, ' ') INTO keys FROM chat_internal.recount_queue;
	RETURN coalesce(keys, 'nothing');
END $$;
SELECT id AS app FROM chat.create_application('queue') \gset
SELECT chat.create_chat(:app) FROM generate_series(1, 4);
SELECT queued($$SELECT chat.create_application('not direct'), chat.create_chat(test.id('queue')), chat.create_chat(test.id('queue'), 10)$$);
SELECT queued($$SELECT chat.create_message(test.id('queue'), 1, 'a'), chat.create_message(test.id('queue'), 1, 'b', 10)$$);
SELECT queued($$SELECT chat.create_messages(array_fill(test.id('queue'), ARRAY[5]), ARRAY[1, 2, 2, 3, 3], ARRAY['a', 'b', 'c', 'd', 'e'])$$);
SELECT queued($$INSERT INTO chat.messages (application_id, chat_number, body) SELECT test.id('queue'), c, 'x' FROM generate_series(1, 2) AS c$$);
SELECT queued($$INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (test.id('queue'), 3, 1, 'x') ON CONFLICT (application_id, chat_number, number) DO UPDATE SET body = 'y'$$);
SELECT queued($$UPDATE chat.messages SET body = 'edited', application_id = application_id WHERE application_id = test.id('queue')$$);
SELECT queued($$UPDATE chat.messages SET chat_number = 2, number = 50 WHERE (application_id, chat_number, number) = (test.id('queue'), 1, 10)$$);
SELECT queued($$DELETE FROM chat.messages WHERE application_id = test.id('queue') AND chat_number > 2$$);
SELECT queued($$INSERT INTO chat.chats (application_id) VALUES (test.id('queue'))$$);
SELECT queued($$INSERT INTO chat.chats (application_id, number, messages_count) VALUES (test.id('queue'), 50, 7)$$);
SELECT queued($$INSERT INTO chat.chats (application_id, number, last_message_number) VALUES (test.id('queue'), 51, 99), (test.id('queue'), 52, 0)$$);
SELECT queued($$DELETE FROM chat.chats WHERE application_id = test.id('queue') AND number IN (2, 50)$$);
DELETE FROM chat_internal.recount_queue;
COPY chat.messages (application_id, chat_number, body) FROM stdin;
77	1	copied
\.
SELECT DISTINCT application_id, chat_number FROM chat_internal.recount_queue;
SELECT queued('TRUNCATE chat.messages');
SELECT * FROM chat.reconcile(:app);

-- Counters of applications that are gone: numbers go on after the highest.
SELECT queued($$DELETE FROM chat.application_counters WHERE application_id = test.id('queue')$$);
SELECT chat.create_chat(:app);
DELETE FROM chat.application_counters WHERE application_id = :app;
SELECT chat.create_chat(:app, 60);
DELETE FROM chat.application_counters WHERE application_id = :app;
INSERT INTO chat.chats (application_id) VALUES (:app) RETURNING number;
SELECT * FROM chat.reconcile(:app);
SELECT queued($$UPDATE chat.application_counters SET chats_count = 0 WHERE application_id = test.id('queue')$$);
SELECT queued('TRUNCATE chat.application_counters');
SELECT queued($$INSERT INTO chat.application_counters (application_id, last_chat_number) VALUES (test.id('queue'), 70)$$);
SELECT chat.create_chat(:app), chat.create_chat(77) > 0;
SELECT queued($$DELETE FROM chat.applications WHERE name = 'queue'$$);
SELECT queued('TRUNCATE chat.chats CASCADE');

-- Counters that are off by more than an integer holds.
SELECT chat.create_chat(77) AS chat \gset
SELECT chat.create_message(77, :chat, 'a');
UPDATE chat.chats SET messages_count = -2147483648, last_message_number = -2147483648 WHERE (application_id, number) = (77, :chat);
SELECT counter, old_value, new_value FROM chat.reconcile(77, :chat);

-- Rows that come through a partitioned table, where no trigger of the statement fires.
CREATE TABLE test.everywhere (LIKE chat.messages INCLUDING DEFAULTS) PARTITION BY LIST (application_id);
ALTER TABLE test.everywhere ATTACH PARTITION chat.messages DEFAULT;
DELETE FROM chat_internal.recount_queue;
INSERT INTO test.everywhere (application_id, chat_number, number, body) VALUES (77, :chat, 50, 'b'), (77, :chat, NULL, 'c');
SELECT number FROM chat.list_messages(77, :chat);
SELECT application_id, chat_number = :chat FROM chat_internal.recount_queue;
BEGIN;
SAVEPOINT s;
INSERT INTO test.everywhere (application_id, chat_number, number, body) VALUES (77, :chat, 90, 'd');
ROLLBACK TO s;
INSERT INTO test.everywhere (application_id, chat_number, number, body) VALUES (77, :chat, 60, 'd');
SELECT chat.create_message(77, :chat, 'in the same transaction');
INSERT INTO test.everywhere (application_id, chat_number, number, body) VALUES (77, :chat, 70, 'e');
COMMIT;
SELECT chat.create_message(77, :chat, 'in the next one');
ALTER TABLE test.everywhere DETACH PARTITION chat.messages;
DROP TABLE test.everywhere;
