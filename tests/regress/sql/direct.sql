\i setup.sql
-- Changes of the tables by other ways than the functions: numbers are right at once; counts are, when
-- they were reconciled, which is done by hand here.
CREATE VIEW test.state AS
	SELECT c.number AS chat, c.messages_count AS count, c.last_number AS last,
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
DELETE FROM chat.changed_chats;
UPDATE chat.chats SET messages_count = messages_count + 1, last_number = last_number + 1 WHERE number = 9;
UPDATE chat.chats SET last_number = last_number, created_at = created_at;
UPDATE chat.application_counters SET chats_count = chats_count;
SELECT * FROM chat.changed_chats;
UPDATE chat.application_counters SET chats_count = 100;
SELECT * FROM chat.changed_chats ORDER BY 1, 2;
SELECT chat.create_chat(1), chat.create_message(1, 9, 'the function') AS after_a_raised_number;
SELECT count(*) FROM chat.changed_chats;
UPDATE chat.chats SET number = 30 WHERE number = 20;
SELECT DISTINCT * FROM chat.changed_chats ORDER BY 1, 2;
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
SELECT counter, mended_to FROM chat.reconcile(77, :chat);
SELECT * FROM wrong_counters() WHERE application = 77 AND highest <> top;
