\i setup.sql
-- The functions inside a caller's transaction, beside the caller's own table.
CREATE TABLE test.orders (id integer PRIMARY KEY, chat integer, message integer);
SELECT id FROM chat.create_application('shop');
SELECT chat.create_chat(id('shop'));

-- Committed together.
BEGIN;
INSERT INTO orders VALUES (1, 1, chat.create_message(token('shop'), 1, 'order 1'));
COMMIT;
SELECT o.*, m.body FROM orders AS o, chat.get_message(id('shop'), o.chat, o.message) AS m;

-- Rolled back together: the number is given again, and so are the chat's and the count's.
BEGIN;
SELECT chat.create_chat(id('shop'));
INSERT INTO orders VALUES (2, 1, chat.create_message(token('shop'), 1, 'order 2'));
INSERT INTO orders VALUES (3, 2, chat.create_message(token('shop'), 2, 'order 3'));
SELECT messages_count FROM chat.get_chat(token('shop'), 1);
ROLLBACK;
SELECT * FROM orders;
SELECT number, messages_count, last_message_number FROM chat.list_chats(id('shop'));
SELECT chats_count FROM chat.get_application(id('shop'));
SELECT * FROM wrong_counters();

-- Back to a savepoint, several times and nested: what was before it stays.
BEGIN;
INSERT INTO orders VALUES (4, 1, chat.create_message(token('shop'), 1, 'before'));
SAVEPOINT one;
INSERT INTO orders VALUES (5, 1, chat.create_message(token('shop'), 1, 'lost'));
SELECT item, number FROM chat.create_messages(ARRAY[token('shop'), token('shop')], '{1,1}', '{lost,lost}', '{NULL,40}');
SELECT chat.create_chat(token('shop'));
SAVEPOINT two;
SELECT chat.create_message(token('shop'), 1, 'lost');
ROLLBACK TO SAVEPOINT two;
SELECT chat.create_message(token('shop'), 1, 'lost');
ROLLBACK TO SAVEPOINT one;
SELECT chat.create_message(token('shop'), 1, 'after');
SELECT item, number FROM chat.create_messages(ARRAY[token('shop'), token('shop')], '{1,1}', '{batch,batch}');
SELECT chat.create_chat(token('shop'));
RELEASE SAVEPOINT one;
COMMIT;
SELECT number, body FROM chat.list_messages(id('shop'), 1);
SELECT * FROM orders ORDER BY id;
SELECT number, messages_count, last_message_number FROM chat.list_chats(id('shop'));
SELECT * FROM wrong_counters();

-- After an error, back to the savepoint, and on.
BEGIN;
SAVEPOINT one;
SELECT chat.create_message(token('shop'), 1, '');
ROLLBACK TO SAVEPOINT one;
SELECT chat.create_message(token('shop'), 1, 'again', 1);
ROLLBACK TO SAVEPOINT one;
SELECT chat.create_chat(token('shop'), 1);
ROLLBACK TO SAVEPOINT one;
SELECT chat.create_message(token('shop'), 1, 'goes on');
COMMIT;
SELECT * FROM wrong_counters();

-- A refusal by the caller's own table takes the message back.
INSERT INTO orders VALUES (1, 1, chat.create_message(token('shop'), 1, 'order 1 again'));
SELECT number, body FROM chat.last_messages(id('shop'), 1, 1);

-- Within one statement: chat and message, several messages, a message for each row of the caller's.
SELECT chat.create_message(token('shop'), chat.create_chat(token('shop')), 'in a new chat');
SELECT chat.create_message(id('shop'), 3, 'a'), chat.create_message(id('shop'), 3, 'b'), chat.create_message(token('shop'), 3, 'c');
SELECT array_agg(chat.create_message(id('shop'), 3, 'order ' || id) ORDER BY id) FROM orders;

-- A subtransaction of the server's own: plpgsql's.
DO $$
BEGIN
	PERFORM chat.create_message(id('shop'), 3, 'kept');
	BEGIN
		PERFORM chat.create_message(id('shop'), 3, 'lost');
		RAISE division_by_zero;
	EXCEPTION WHEN division_by_zero THEN
		PERFORM chat.create_message(id('shop'), 3, 'instead');
	END;
END $$;
SELECT number, body FROM chat.last_messages(id('shop'), 3, 3);

-- Reads see what the transaction did, and a cursor what there was when it was opened.
BEGIN;
DECLARE page CURSOR FOR SELECT count(*) FROM chat.list_messages(token('shop'), 3);
SELECT chat.create_message(token('shop'), 3, 'seen by the next statement');
SELECT body FROM chat.last_messages(token('shop'), 3, 1);
FETCH page;
ROLLBACK;

-- REPEATABLE READ and SERIALIZABLE, alone: as always. READ ONLY: clear refusals, reads work.
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT chat.create_message(token('shop'), 3, 'serializable');
COMMIT;
BEGIN READ ONLY;
SELECT body FROM chat.last_messages(token('shop'), 3, 1);
SELECT count(*) FROM chat.list_applications();
SELECT error($$SELECT chat.create_message(token('shop'), 3, 'x')$$);
SELECT error($$SELECT chat.create_messages(ARRAY[token('shop')], '{3}', '{x}')$$);
SELECT error($$SELECT chat.create_chat(token('shop'))$$);
SELECT error($$SELECT chat.rotate_token(token('shop'))$$);
ROLLBACK;

-- Plans that the session keeps survive a change to the tables, and the extension's re-creation.
ALTER TABLE chat.messages ADD COLUMN note text;
SELECT chat.create_message(token('shop'), 3, 'x') > 0, count(*) > 0 FROM chat.list_messages(token('shop'), 3);
ALTER TABLE chat.messages DROP COLUMN note;
SELECT chat.create_message(token('shop'), 3, 'x') > 0, count(*) > 0 FROM chat.list_messages(token('shop'), 3);
DROP EXTENSION pg_chat;
CREATE EXTENSION pg_chat;
SELECT id FROM chat.create_application('shop');
SELECT chat.create_message(token('shop'), chat.create_chat(token('shop')), 'anew');
SELECT number, body FROM chat.list_messages(token('shop'), 1);

-- An owner's trigger that creates messages of the same chat itself, and takes one back, for each of many: the chat's
-- row has versions in many pages then, and on each a change that was rolled back.
CREATE FUNCTION test.echo() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.body = 'call' THEN
		PERFORM chat.create_message(NEW.application_id, NEW.chat_number, 'echo');
		BEGIN
			PERFORM chat.create_message(NEW.application_id, NEW.chat_number, 'lost');
			RAISE division_by_zero;
		EXCEPTION WHEN division_by_zero THEN
		END;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER echo BEFORE INSERT ON chat.messages FOR EACH ROW EXECUTE FUNCTION test.echo();
SELECT chat.create_chat(id('shop')) AS chat \gset
SELECT max(chat.create_message(id('shop'), :chat, 'call')) FROM generate_series(1, 300);
DROP TRIGGER echo ON chat.messages;
SELECT body, count(*) FROM chat.messages WHERE application_id = id('shop') AND chat_number = :chat GROUP BY body ORDER BY body;
SELECT * FROM wrong_counters();
