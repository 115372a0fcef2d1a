\i setup.sql
-- Cursors: forward only, and what is unread is what count(*) says, however the chat was changed.
SELECT id FROM chat.create_application('shop');
SELECT chat.create_chat(id('shop')) FROM generate_series(1, 3);
SELECT count(o) FROM generate_series(1, 3) AS c, chat.create_messages(array_fill(id('shop'), ARRAY[10]), array_fill(c, ARRAY[10]), array_fill('hello'::text, ARRAY[10])) AS o;

SELECT * FROM chat.set_cursor(id('shop'), 1, 'ann', 4);
SELECT * FROM chat.set_cursor(id('shop'), 1, 'ann', 3);
SELECT * FROM chat.set_cursor(id('shop'), 1, 'ann', 3, back => true);
SELECT * FROM chat.set_cursor(id('shop'), 1, 'ann', 7, back => true);
SELECT * FROM chat.set_cursor(token('shop'), 1, 'bob', 0);
SELECT * FROM chat.set_cursor(token('shop'), 1, 'bob', 10);
SELECT * FROM chat.get_cursor(id('shop'), 1, 'ann');
SELECT * FROM chat.get_cursor(token('shop'), 1, 'bob');
SELECT * FROM chat.get_cursor(id('shop'), 1, 'eve');
SELECT * FROM chat.get_cursor(id('shop'), 1, 'Ann');
SELECT * FROM chat.list_cursors(id('shop'), 1);
SELECT * FROM chat.list_cursors(token('shop'), 1, 'ann');
SELECT * FROM chat.list_cursors(token('shop'), 1, NULL, 1);
SELECT * FROM chat.list_cursors(id('shop'), 2);

-- What is refused.
SELECT error($$SELECT chat.set_cursor(id('shop'), 1, 'ann', 11)$$);
SELECT error($$SELECT chat.set_cursor(id('shop'), 1, 'new', 11)$$);
SELECT error($$SELECT chat.set_cursor(id('shop'), 1, 'ann', -1)$$);
SELECT error($$SELECT chat.set_cursor(id('shop'), 1, 'ann', NULL)$$);
SELECT error($$SELECT chat.set_cursor(id('shop'), 1, ' ', 1)$$);
SELECT error($$SELECT chat.set_cursor(id('shop'), 1, NULL, 1)$$);
SELECT error($$SELECT chat.set_cursor(id('shop'), 1, repeat('ж', 256), 1)$$);
SELECT error($$SELECT chat.set_cursor(id('shop'), 4, 'ann', 1)$$);
SELECT error($$SELECT chat.set_cursor(id('shop'), NULL, 'ann', 1)$$);
SELECT error($$SELECT chat.set_cursor(0, 1, 'ann', 1)$$);
SELECT error($$SELECT chat.set_cursor('none'::text, 1, 'ann', 1)$$);
SELECT error($$SELECT chat.get_cursor(id('shop'), 4, 'ann')$$);
SELECT error($$SELECT chat.list_cursors(id('shop'), 4)$$);
SELECT error($$SELECT chat.list_cursors(id('shop'), 1, NULL, 1001)$$);
SELECT error($$SELECT chat.list_unread(0, 'ann')$$);
SELECT error($$SELECT chat.list_unread(id('shop'), '')$$);
SELECT error($$SELECT chat.list_unread(id('shop'), 'ann', -1)$$);
SELECT error($$SELECT chat.list_unread_json('none', 'ann')$$);
SELECT error($$SELECT chat.list_unread_json(token('shop'), 'ann', max_size => 0)$$);
SELECT number FROM chat.set_cursor(id('shop'), 1, repeat('ж', 255), 1);

-- All chats of a reader.
SELECT number FROM chat.set_cursor(id('shop'), 3, 'ann', 9);
SELECT chat_number, cursor, unread_count, number, body FROM chat.list_unread(id('shop'), 'ann');
SELECT chat_number, cursor, unread_count, number, body FROM chat.list_unread(token('shop'), 'ann', 1);
SELECT chat_number FROM chat.list_unread(id('shop'), 'ann', "limit" => 1);
SELECT chat_number FROM chat.list_unread(id('shop'), 'ann', before => 3);
SELECT chat_number FROM chat.list_unread(id('shop'), 'ann', before => 4, "limit" => 1);
SELECT chat_number FROM chat.list_unread(id('shop'), 'ann', 1, 3);
SELECT chat_number FROM chat.list_unread(id('shop'), 'ann', chats => '{3,1,NULL,7}');
SELECT chat_number FROM chat.list_unread(id('shop'), 'ann', chats => '{}');
SELECT * FROM chat.list_unread(id('shop'), 'eve');
SELECT regexp_replace(chats::text, '"created_at":"[^"]*"', '"created_at":"..."', 'g'), chats_count, cut, first, last FROM chat.list_unread_json(token('shop'), 'ann');
SELECT chats_count, cut, first, last FROM chat.list_unread_json(token('shop'), 'ann', max_size => 1);
SELECT chats_count, cut, first, last FROM chat.list_unread_json(token('shop'), 'ann', max_size => 200);
SELECT regexp_replace(chats::text, '"created_at":"[^"]*"', '"created_at":"..."', 'g'), chats_count, cut, first, last FROM chat.list_unread_json(token('shop'), 'ann', before => 100);
SELECT chats_count, cut, first, last FROM chat.list_unread_json(token('shop'), 'ann', before => 100, max_size => 1);
SELECT chats_count, cut, first, last FROM chat.list_unread_json(token('shop'), 'ann', chats => '{2}');
SELECT chats, chats_count, cut, first, last FROM chat.list_unread_json(token('shop'), 'eve');

-- Whose count differs from count(*).
CREATE VIEW test.wrong_unread AS
	SELECT c.chat_number, c.reader, u.unread_count, counted FROM chat.cursors AS c
	CROSS JOIN LATERAL chat.get_cursor(c.application_id, c.chat_number, c.reader) AS u
	CROSS JOIN LATERAL (SELECT count(*) AS counted FROM chat.messages AS m
		WHERE (m.application_id, m.chat_number) = (c.application_id, c.chat_number) AND m.number > c.number AND m.deleted_at IS NULL) AS m
	CROSS JOIN LATERAL (SELECT unread_count AS listed FROM chat.list_unread(c.application_id, c.reader) AS l WHERE l.chat_number = c.chat_number) AS l
	WHERE unread_count <> counted OR listed <> counted;
SELECT count(chat.set_cursor(id('shop'), c, 'reader ' || n, n)) FROM generate_series(1, 3) AS c, generate_series(0, 10, 3) AS n;
SELECT * FROM wrong_unread;
-- A hole above some cursors; the count is stale until it is reconciled.
DELETE FROM chat.messages WHERE chat_number = 1 AND number = 8;
SELECT * FROM wrong_unread;
SELECT counter, old_value, new_value FROM chat.reconcile(id('shop'), 1);
DELETE FROM chat_internal.recount_queue;
SELECT * FROM wrong_unread;
-- The hole is filled: the message is new, and below some cursors.
SELECT chat.create_message(id('shop'), 1, 'filled', 8);
SELECT * FROM wrong_unread;
-- Numbers are left out, and the last message is taken away.
SELECT chat.create_message(id('shop'), 2, 'far', 100);
SELECT * FROM wrong_unread;
SELECT unread_count FROM chat.set_cursor(id('shop'), 2, 'ann', 50);
DELETE FROM chat.messages WHERE chat_number = 2 AND number >= 10;
SELECT * FROM wrong_unread;
SELECT chat_number, cursor, unread_count, number FROM chat.list_unread(id('shop'), 'ann') WHERE chat_number = 2;
-- Direct insertion, and a TRUNCATE.
INSERT INTO chat.messages (application_id, chat_number, body) SELECT id('shop'), 3, 'direct' FROM generate_series(1, 5);
SELECT * FROM wrong_unread;
BEGIN;
TRUNCATE chat.messages;
SELECT * FROM wrong_unread;
SELECT chat_number, cursor, unread_count, number FROM chat.list_unread(id('shop'), 'ann');
ROLLBACK;

-- A cursor that is set again writes nothing, and one that moves stays in its page.
SELECT chat.set_cursor(id('shop'), 3, 'ann', 10);
SELECT ctid AS before FROM chat.cursors WHERE chat_number = 3 AND reader = 'ann' \gset
SELECT chat.set_cursor(id('shop'), 3, 'ann', 10), chat.set_cursor(id('shop'), 3, 'ann', 9);
SELECT ctid = :'before' FROM chat.cursors WHERE chat_number = 3 AND reader = 'ann';

-- Sending moves the sender's cursor, if asked: by rows and by statements, one message and many, forward only, and of
-- what is refused none.
CREATE FUNCTION test.senders(chat integer) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	app CONSTANT integer := id('shop');
	last CONSTANT integer := chat.create_message(app, chat, 'by nobody');
BEGIN
	RETURN NEXT 'one ' || chat.create_message(app, chat, 'a', sender => 'cay', move_cursor => true) - last;
	RETURN NEXT 'by token ' || chat.create_message(token('shop'), chat, 'b', sender => 'dan', move_cursor => true) - last;
	RETURN NEXT 'not asked ' || chat.create_message(app, chat, 'c', sender => 'cay') - last;
	RETURN NEXT 'null ' || chat.create_message(app, chat, 'd', sender => 'cay', move_cursor => NULL) - last;
	RETURN NEXT 'named ' || chat.create_message(app, chat, 'e', last + 10, sender => 'eve', move_cursor => true) - last;
	RETURN NEXT 'below ' || chat.create_message(app, chat, 'f', last + 8, sender => 'eve', move_cursor => true) - last;
	RETURN NEXT 'keyed ' || chat.create_message(app, chat, 'g', sender => 'fay', key => 'k' || last) - last;
	RETURN NEXT 'replayed ' || chat.create_message(app, chat, 'g', sender => 'fay', key => 'k' || last, move_cursor => true) - last;
	FOR asked IN 0..1 LOOP
		RETURN QUERY SELECT 'many ' || (o.item, o.number - last, o.sqlstate, o.field, o.message) FROM chat.create_messages(
			array_fill(token('shop'), ARRAY[7]), ARRAY[chat, chat, 99, chat, chat, chat, NULL], ARRAY['a', 'b', 'c', 'd', 'e', 'f', 'g'], wait => asked = 0,
			senders => ARRAY['gus', 'gus', 'gus', 'hal', NULL, ' ', 'gus'], move_cursors => '{true,true,true,NULL,true,true,true}') AS o;
	END LOOP;
	RETURN QUERY SELECT 'none ' || (o.item, o.number - last, o.sqlstate) FROM chat.create_messages(
		ARRAY[app, app], ARRAY[chat, 99], '{a,b}'::text[], senders => '{ida,ida}', atomic => true, move_cursors => '{true,true}') AS o;
	RETURN QUERY SELECT 'all ' || (o.item, o.number - last, o.sqlstate) FROM chat.create_messages(
		ARRAY[app, app], ARRAY[chat, chat], '{a,b}'::text[], senders => '{ida,joe}', atomic => true, move_cursors => '{true,false}') AS o;
	RETURN QUERY SELECT 'cursor ' || c.reader || ' ' || c.number - last FROM chat.list_cursors(app, chat) AS c WHERE c.reader > 'c' AND c.number > last;
END $$;
SELECT chat.create_chat(id('shop'), 20), chat.create_chat(id('shop'), 21);
SET pg_chat.direct_rows = on;
CREATE TABLE test.direct AS SELECT * FROM test.senders(20) WITH ORDINALITY AS t (line, n);
SELECT line FROM test.direct ORDER BY n;
SET pg_chat.direct_rows = off;
SELECT line FROM test.senders(21) WITH ORDINALITY AS t (line, n) EXCEPT SELECT line FROM test.direct;
RESET pg_chat.direct_rows;
SELECT * FROM wrong_unread WHERE chat_number >= 20;
SELECT error($$SELECT chat.create_message(id('shop'), 20, 'x', move_cursor => true)$$);
SELECT error($$SELECT chat.create_message(id('shop'), 99, 'x', sender => 'cay', move_cursor => true)$$);
SELECT error($$SELECT * FROM chat.create_messages(ARRAY[1], ARRAY[1], ARRAY['x'], move_cursors => '{true,true}')$$);
-- With the message, it is taken back.
BEGIN;
SELECT chat.create_message(id('shop'), 20, 'x', sender => 'kim', move_cursor => true) > 0;
ROLLBACK;
SELECT count(*) FROM chat.cursors WHERE reader = 'kim';
DELETE FROM chat.chats WHERE number >= 20;

-- They go with their chat, and with the application.
DELETE FROM chat.messages WHERE chat_number = 3;
DELETE FROM chat.chats WHERE number = 3;
SELECT DISTINCT chat_number FROM chat.cursors ORDER BY 1;
DELETE FROM chat.applications WHERE id = id('shop');
SELECT count(*) FROM chat.cursors;
