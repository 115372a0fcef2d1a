\i setup.sql
-- Who deletes, and what is left of it.
CREATE FUNCTION fill(app integer, chats integer, messages integer) RETURNS void LANGUAGE sql AS $$
	SELECT count(chat.create_chat(app)) FROM generate_series(1, chats);
	SELECT count(*) FROM generate_series(1, chats) AS c, generate_series(1, messages) AS m, chat.create_message(app, c, 'message ' || m);
$$;
CREATE FUNCTION left_over() RETURNS TABLE (app integer, chat integer, deleted boolean, messages bigint) LANGUAGE sql AS $$
	SELECT c.application_id, c.number, c.deleted_at IS NOT NULL, count(m) FROM chat.chats AS c
	LEFT JOIN chat.messages AS m ON (m.application_id, m.chat_number) = (c.application_id, c.number) GROUP BY 1, 2, 3 ORDER BY 1, 2;
$$;
SELECT id FROM chat.create_application('shop');
SELECT id FROM chat.create_application('bank');
SELECT fill(id('shop'), 4, 3);
SELECT fill(id('bank'), 1, 3);

-- A small chat goes with the transaction, by id and by token; a rollback brings it back.
BEGIN;
SELECT chat.delete_chat(id('shop'), 2);
SELECT * FROM left_over();
ROLLBACK;
SELECT chat.delete_chat(id('shop'), 2);
SELECT chat.delete_chat(token('shop'), 3);
SELECT * FROM left_over();
SELECT number FROM chat.list_chats(id('shop'));
SELECT chats_count FROM chat.get_application(id('shop'));
SELECT * FROM wrong_counters();

-- Its number is free to be named; the next automatic one is above it.
SELECT chat.create_chat(id('shop'), 2);
SELECT chat.create_chat(id('shop'));
SELECT chat.create_message(id('shop'), 2, 'first of another');
SELECT number, body FROM chat.list_messages(id('shop'), 2);

-- What is not there cannot be deleted.
SELECT error($$SELECT chat.delete_chat(id('shop'), 3)$$);
SELECT error($$SELECT chat.delete_chat(id('shop'), 0)$$);
SELECT error($$SELECT chat.delete_chat(id('shop'), NULL)$$);
SELECT error($$SELECT chat.delete_chat(token('shop'), 3)$$);
SELECT error($$SELECT chat.delete_chat(999, 1)$$);
SELECT error($$SELECT chat.delete_chat('nothing', 1)$$);
SELECT error($$SELECT chat.delete_chat(NULL::text, 1)$$);
SELECT error($$SELECT chat.delete_application(999)$$);
SELECT error($$SELECT chat.delete_application('nothing')$$);
SELECT error($$SELECT chat.delete_application(NULL::integer)$$);

-- A large one is gone for all functions at once, though its messages are still there.
INSERT INTO chat.messages (application_id, chat_number, body) SELECT id('shop'), 1, 'needle ' || i FROM generate_series(1, 1001) AS i;
SELECT chat.create_message(id('shop'), 4, 'needle of another');
SELECT count(*) FROM chat.reconcile();
SELECT chat.delete_chat(token('shop'), 1);
SELECT * FROM left_over();
SELECT * FROM chat.get_chat(id('shop'), 1);
SELECT number FROM chat.list_chats(token('shop'));
SELECT chats_count FROM chat.get_application(id('shop'));
SELECT error($$SELECT chat.get_message(id('shop'), 1, 1)$$);
SELECT error($$SELECT chat.list_messages(token('shop'), 1)$$);
SELECT error($$SELECT chat.list_messages(token('shop'), 1, before => 5)$$);
SELECT error($$SELECT chat.last_messages(id('shop'), 1)$$);
SELECT error($$SELECT chat.search_messages(id('shop'), 1, 'needle')$$);
SELECT error($$SELECT chat.search_messages_json(token('shop'), 1, 'needle')$$);
SELECT error($$SELECT chat.create_message(id('shop'), 1, 'x')$$);
SELECT error($$SELECT chat.create_message(token('shop'), 1, 'x', 5000)$$);
SELECT error($$SELECT chat.delete_chat(id('shop'), 1)$$);
SELECT error($$SELECT chat.create_chat(id('shop'), 1)$$);
SELECT item, number, sqlstate FROM chat.create_messages(ARRAY[id('shop'), id('shop'), id('shop')], '{1,4,1}', '{a,b,c}', '{NULL,NULL,7000}');
SELECT item, number, sqlstate FROM chat.create_messages(ARRAY[token('shop'), token('shop')], '{1,4}', '{a,b}', wait => false);
SELECT item, number FROM chat.get_messages(ARRAY[id('shop'), id('shop')], '{1,4}', '{1,1}');
SELECT item, number FROM chat.get_messages(ARRAY[token('shop'), token('shop')], '{1,4}', '{1,1}');
SELECT item FROM chat.get_messages_json(ARRAY[token('shop'), token('shop')], '{1,4}', '{1,1}');
SELECT DISTINCT item FROM chat.list_messages(ARRAY[id('shop'), id('shop')], '{1,4}', '{NULL,NULL}', '{NULL,NULL}', '{5,5}');
SELECT item FROM chat.list_messages_json(ARRAY[token('shop'), token('shop')], '{1,4}', '{NULL,NULL}', '{NULL,NULL}', '{5,5}');
SELECT item FROM chat.last_messages_json(ARRAY[token('shop'), token('shop')], '{1,4}', '{5,5}');
SELECT chat_number, body FROM chat.search_application(id('shop'), 'needle');
SELECT chat_number, body FROM chat.search_application(token('shop'), 'needle', before => '{100,1}');
SELECT messages_count FROM chat.search_application_json(token('shop'), 'needle');
SELECT * FROM chat.reconcile();

-- The owner may write into it, as a restore does; that goes with it.
INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (id('shop'), 1, 5000, 'late');
CALL chat.purge();
SELECT * FROM left_over();
SELECT * FROM chat.reconcile();
SELECT * FROM wrong_counters();
SELECT chat.create_chat(id('shop'), 1);
CALL chat.purge();

-- A chat that the owner marks is deleted as by the function, and counted by the worker.
UPDATE chat.chats SET deleted_at = now() WHERE (application_id, number) = (id('shop'), 4);
SELECT * FROM chat.get_chat(id('shop'), 4);
SELECT count(*) FROM chat_internal.recount_queue WHERE (application_id, chat_number) = (id('shop'), 0);
SELECT * FROM chat.reconcile();
CALL chat.purge();
SELECT * FROM wrong_counters();

-- A small application goes with the transaction; its name is free.
BEGIN;
SELECT chat.delete_application(id('bank'));
SELECT name FROM chat.applications;
ROLLBACK;
SELECT id('bank') AS bank, token('bank') AS bank_token \gset
SELECT chat.delete_application(token('bank'));
SELECT id, name FROM chat.applications;
SELECT * FROM left_over();
SELECT count(*) FROM chat.application_counters;
SELECT id <> :bank FROM chat.create_application('BANK');

-- A large one: token and name are gone, and so is it by its id, for all functions.
SELECT id AS big, token AS big_token FROM chat.create_application('big') \gset
SELECT fill(:big, 2, 501);
SELECT chat.delete_application(:big);
SELECT id = :big, deleted_at IS NOT NULL, token <> :'big_token', name = token FROM chat.applications WHERE id = :big;
SELECT count(*) FROM chat.chats WHERE application_id = :big AND deleted_at IS NOT NULL;
SELECT id FROM chat.create_application('Big') \gset
SELECT * FROM chat.get_application(:big);
SELECT * FROM chat.get_application(:'big_token');
SELECT count(*) FROM chat.list_applications() WHERE id = :big;
SELECT error(format('SELECT chat.rotate_token(%s)', :big));
SELECT error(format('SELECT chat.create_chat(%s)', :big));
SELECT error(format('SELECT chat.create_chat(%s, 77)', :big));
SELECT error(format('SELECT chat.list_chats(%s)', :big));
SELECT error(format('SELECT chat.get_chat(%s, 1)', :big));
SELECT error(format('SELECT chat.list_messages(%s, 1)', :big));
SELECT error(format('SELECT chat.create_message(%s, 1, ''x'')', :big));
SELECT error(format('SELECT chat.search_application(%s, ''message'')', :big));
SELECT error(format('SELECT chat.delete_application(%s)', :big));
SELECT error(format('SELECT chat.reconcile(%s)', :big));
SELECT * FROM chat.reconcile();

-- Whoever cannot commit cannot purge, and nobody else but the owner may.
SELECT error('CALL chat.purge()');
BEGIN;
CALL chat.purge();
ROLLBACK;
CREATE ROLE regress_stranger;
GRANT USAGE ON SCHEMA chat TO regress_stranger;
SET ROLE regress_stranger;
CALL chat.purge();
SELECT chat.delete_chat(1, 1);
RESET ROLE;
REVOKE USAGE ON SCHEMA chat FROM regress_stranger;
DROP ROLE regress_stranger;
CALL chat.purge();
SELECT count(*) FROM chat.applications WHERE id = :big;
SELECT count(*) FROM chat.application_counters WHERE application_id = :big;
SELECT count(*) FROM left_over() WHERE app = :big;

-- An application with more chats than are marked at once.
SELECT id AS wide FROM chat.create_application('wide') \gset
SELECT count(chat.create_chat(:wide)) FROM generate_series(1, 1002);
SELECT chat.delete_application(:wide);
SELECT number FROM chat.list_chats(:wide);
CALL chat.purge();
SELECT count(*) FROM left_over() WHERE app = :wide;
SELECT count(*) FROM chat.applications WHERE id = :wide;

-- Positions of consumers, and cursors, are rows like messages: a chat that has many of them does not go at once.
SELECT chat.create_chat(id('shop'), 60), chat.create_chat(id('shop'), 61);
INSERT INTO chat.consumer_positions (application_id, consumer, chat_number, number, revision) SELECT id('shop'), 'consumer ' || i, 60, 0, 0 FROM generate_series(1, 1001) AS i;
INSERT INTO chat.cursors (application_id, chat_number, reader, number) SELECT id('shop'), 61, 'reader ' || i, 0 FROM generate_series(1, 1001) AS i;
SELECT chat.delete_chat(id('shop'), 60), chat.delete_chat(id('shop'), 61);
SELECT count(*) FROM chat.consumer_positions WHERE chat_number = 60;
CALL chat.purge();
SELECT (SELECT count(*) FROM chat.consumer_positions WHERE chat_number = 60), (SELECT count(*) FROM chat.cursors WHERE chat_number = 61);
SELECT * FROM left_over() WHERE chat >= 60;

-- What an owner's table refers to stays until it may go.
SELECT chat.create_message(id('shop'), 2, 'kept');
CREATE TABLE likes (app integer, chat integer, number integer, FOREIGN KEY (app, chat, number) REFERENCES chat.messages);
INSERT INTO likes VALUES (id('shop'), 2, 1);
SELECT error($$SELECT chat.delete_chat(id('shop'), 2)$$) LIKE '23503 |%';
SELECT number FROM chat.list_chats(id('shop'));
DROP TABLE likes;
SELECT chat.delete_chat(id('shop'), 2);

-- Triggers of an owner see what goes.
CREATE TABLE gone (number integer);
CREATE FUNCTION note_gone() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO test.gone VALUES (OLD.number); RETURN OLD; END $$;
CREATE TRIGGER note BEFORE DELETE ON chat.messages FOR EACH ROW EXECUTE FUNCTION note_gone();
SELECT chat.create_message(id('shop'), 5, 'noted');
SELECT chat.create_chat(id('shop'));
SELECT chat.delete_chat(id('shop'), 5);
SELECT * FROM gone;
DROP TRIGGER note ON chat.messages;
SELECT * FROM wrong_counters();
