\i setup.sql
-- Created once: keys of messages, chats and applications; and conditions.
SELECT id AS app, token FROM chat.create_application('shop') \gset
SELECT chat.create_chat(:app), chat.create_chat(:app);

-- One message: the same number again, nothing written, no hole.
SELECT chat.create_message(:app, 1, 'one', key => 'a');
SELECT chat.create_message(:app, 1, 'one', key => 'a'), chat.create_message(:'token'::text, 1, 'one', key => 'a');
SELECT chat.create_message(:app, 1, 'two', key => 'b');
SELECT number, messages_count, last_message_number FROM chat.get_chat(:app, 1);
-- Keys are the chat's, and differ in every byte; a message without one is always new.
SELECT chat.create_message(:app, 2, 'other chat', key => 'a'), chat.create_message(:app, 1, 'one', key => 'A'), chat.create_message(:app, 1, 'one', key => 'a '), chat.create_message(:app, 1, 'one');
-- Another content: body, sender, metadata, or the number that is named.
SELECT error(format('SELECT chat.create_message(%s, 1, %s, key => ''a'')', :app, content))
FROM (VALUES ('''One'''), ('''one'', NULL, ''ann'''), ('''one'', NULL, NULL, ''{"a": 1}'''), ('''one'', 1'), ('''one''')) AS c (content);
SELECT chat.create_message(:app, 1, 'full', 40, 'ann', '{"b": [1, 2.50], "a": null}', 'full'), chat.create_message(:app, 1, 'full', 40, 'ann', '{"a":null,"b":[1,2.50]}', 'full');
SELECT error(format('SELECT chat.create_message(%s, 1, ''full'', %s, ''full'')', :app, content))
FROM (VALUES ('40, ''ann'', ''{"a": null}'''), ('40, NULL, ''{"a":null,"b":[1,2.50]}'''), ('41, ''ann'', ''{"a":null,"b":[1,2.50]}'''), ('NULL, ''ann'', ''{"a":null,"b":[1,2.50]}''')) AS c (content);
-- Not so near: the parts of a content are kept apart.
SELECT chat.create_message(:app, 1, 'ab', sender => 'c', key => 'parts');
SELECT error(format('SELECT chat.create_message(%s, 1, ''a'', sender => ''bc'', key => ''parts'')', :app));

-- An edit, and a deletion, leave the key: what was sent is not sent once more.
SELECT (chat.update_message(:app, 1, 1, 'edited')).body, chat.create_message(:app, 1, 'one', key => 'a');
SELECT chat.delete_message(:app, 1, 1), chat.create_message(:app, 1, 'one', key => 'a');
SELECT number, body, deleted_at IS NOT NULL AS deleted FROM chat.get_message(:app, 1, 1);
-- One of which no digest is left, as of a direct insertion, is taken for the same.
INSERT INTO chat.messages (application_id, chat_number, body, key) VALUES (:app, 1, 'direct', 'direct');
SELECT chat.create_message(:app, 1, 'whatever', key => 'direct') = last_message_number FROM chat.get_chat(:app, 1);

-- Bad keys; a key does not excuse a bad message, nor a missing chat.
SELECT error(format('SELECT chat.create_message(%s, 1, ''x'', key => %L)', :app, key))
FROM (VALUES (''), (E' \t'), (E'\u3000'), (repeat('ä', 255)), (repeat('ä', 256)), (repeat('x', 2000))) AS k (key);
SELECT error(format('SELECT chat.create_message(%s, 1, '' '', key => ''a'')', :app)), error(format('SELECT chat.create_message(%s, 9, ''one'', key => ''a'')', :app));
-- Without a chat, as they were sent: a replay of what is in a deleted one finds nothing.
SELECT chat.create_chat(:app, 3), chat.create_message(:app, 3, 'gone', key => 'a'), chat.delete_chat(:app, 3);
SELECT error(format('SELECT chat.create_message(%s, 3, ''gone'', key => ''a'')', :app));

-- Many: twins within one call, whatever their order; and others between them.
SELECT item, number, sqlstate, field, message, replayed FROM chat.create_messages(array_fill(:app, ARRAY[9]), '{2,2,1,2,2,2,2,1,2}',
	'{t,u,x,t,U,v,t,x,w}', keys => '{t,u,t,t,u,NULL,a,t,w}', numbers => NULL);
SELECT item, number, sqlstate, replayed FROM chat.create_messages(array_fill(:app, ARRAY[5]), '{2,2,2,2,2}', '{t,n,n,o,w}', keys => '{t,n,n,NULL,w}', numbers => '{NULL,77,77,77,NULL}');
SELECT item, number, sqlstate, replayed FROM chat.create_messages(array_fill(:'token'::text, ARRAY[3]), '{2,9,2}', '{t,x,x}', keys => '{t,x,xx}');
SELECT item, sqlstate, field, message FROM chat.create_messages(array_fill(:app, ARRAY[2]), '{2,2}', '{x,x}', keys => ARRAY['', repeat('x', 256)]);
-- A thousand, half of which are there, in one call and its repetition.
SELECT chat.create_chat(:app, 10);
SELECT count(*), count(*) FILTER (WHERE replayed), min(number), max(number) FROM chat.create_messages(array_fill(:app, ARRAY[500]), array_fill(10, ARRAY[500]),
	ARRAY(SELECT 'body ' || i FROM generate_series(1, 1000, 2) AS i), keys => ARRAY(SELECT 'key ' || i FROM generate_series(1, 1000, 2) AS i));
SELECT count(*), count(*) FILTER (WHERE replayed), min(number), max(number) FROM chat.create_messages(array_fill(:app, ARRAY[1000]), array_fill(10, ARRAY[1000]),
	ARRAY(SELECT 'body ' || i FROM generate_series(1, 1000) AS i), keys => ARRAY(SELECT 'key ' || i FROM generate_series(1, 1000) AS i));
SELECT count(*) FILTER (WHERE replayed), count(DISTINCT number) FROM chat.create_messages(array_fill(:app, ARRAY[1000]), array_fill(10, ARRAY[1000]),
	ARRAY(SELECT 'body ' || i FROM generate_series(1, 1000) AS i), keys => ARRAY(SELECT 'key ' || i FROM generate_series(1, 1000) AS i));
SELECT messages_count, last_message_number FROM chat.get_chat(:app, 10);
-- In one transaction, with savepoints.
BEGIN;
SELECT chat.create_message(:app, 10, 'kept', key => 'kept');
SAVEPOINT s;
SELECT chat.create_message(:app, 10, 'rolled back', key => 'back'), chat.create_message(:app, 10, 'kept', key => 'kept');
ROLLBACK TO s;
SELECT chat.create_message(:app, 10, 'after', key => 'back'), chat.create_message(:app, 10, 'kept', key => 'kept');
SELECT count(chat.create_message(:app, 10, 'same', key => 'same')) FROM generate_series(1, 3);
COMMIT;
SELECT number, body FROM chat.list_messages(:app, 10, 1000);
SELECT messages_count, last_message_number FROM chat.get_chat(:app, 10);
-- Called by a trigger of others on the chat, while its own row waits for checks.
CREATE FUNCTION test.greet() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM chat.create_message(NEW.application_id, NEW.number, 'welcome', key => 'welcome') FROM generate_series(1, 2);
	RETURN NULL;
END $$;
CREATE TRIGGER greet AFTER INSERT ON chat.chats FOR EACH ROW EXECUTE FUNCTION test.greet();
INSERT INTO chat.chats (application_id) VALUES (:app) RETURNING number AS greeted \gset
DROP TRIGGER greet ON chat.chats;
SELECT messages_count, last_message_number FROM chat.get_chat(:app, :greeted);
-- A chat without room: what is there is found, and the rest refused.
SELECT chat.create_chat(:app, 20), chat.create_message(:app, 20, 'last', 2147483646, key => 'last');
SELECT item, number, sqlstate, replayed FROM chat.create_messages(array_fill(:app, ARRAY[5]), array_fill(20, ARRAY[5]), '{last,x,y,x,y}', numbers => '{2147483646,NULL,NULL,NULL,NULL}', keys => '{last,x,y,x,y}');
SELECT item, number, sqlstate, replayed FROM chat.create_messages(array_fill(:app, ARRAY[2]), array_fill(20, ARRAY[2]), '{x,y}', keys => '{x,y}');

-- A condition: only behind this message.
SELECT chat.create_chat(:app, 30), chat.create_message(:app, 30, 'first', if_last => 0), chat.create_message(:app, 30, 'second', if_last => 1);
SELECT error(format('SELECT chat.create_message(%s, 30, ''x'', if_last => %s)', :app, last)) FROM unnest(ARRAY[0, 1, 3, -1, 2147483647]) AS last;
SELECT error(format('SELECT chat.create_message(%s, 31, ''x'', if_last => 0)', :app));
-- A replay comes first: of what was behind a message once, and is there.
SELECT chat.create_message(:app, 30, 'third', key => 'third', if_last => 2), chat.create_message(:app, 30, 'third', key => 'third', if_last => 2), chat.create_message(:app, 30, 'third', key => 'third');
-- Of many, each counts on those before it; what is refused is told the chat's last.
SELECT item, number, sqlstate, field, message FROM chat.create_messages(array_fill(:app, ARRAY[6]), array_fill(30, ARRAY[6]), '{a,b,c,d,e,f}', if_last => '{3,4,3,NULL,6,7}');
SELECT item, number, sqlstate FROM chat.create_messages(array_fill(:app, ARRAY[4]), array_fill(30, ARRAY[4]), '{a,b,c,d}', numbers => '{20,NULL,15,NULL}', if_last => '{8,20,21,21}');
SELECT messages_count, last_message_number FROM chat.get_chat(:app, 30);
-- All are refused, or there.
SELECT sqlstate, count(*) FROM chat.create_messages(array_fill(:app, ARRAY[3]), array_fill(30, ARRAY[3]), '{a,b,c}', if_last => '{1,1,1}') GROUP BY 1;
SELECT sqlstate, replayed, count(*) FROM chat.create_messages(array_fill(:app, ARRAY[2]), array_fill(30, ARRAY[2]), '{third,third}', keys => '{third,third}') GROUP BY 1, 2;

-- All or none.
SELECT item, number, sqlstate, field, message FROM chat.create_messages(array_fill(:app, ARRAY[3]), '{30,2,30}', '{a,b,c}', atomic => true);
SELECT item, number, sqlstate, field, message FROM chat.create_messages(array_fill(:app, ARRAY[3]), '{30,9,30}', '{a,b,c}', atomic => true);
SELECT item, number, sqlstate, field, message FROM chat.create_messages(array_fill(:app, ARRAY[3]), '{30,2,30}', ARRAY['a', '', 'c'], atomic => true);
SELECT item, number, sqlstate, field, message FROM chat.create_messages(array_fill(:app, ARRAY[3]), '{30,2,30}', '{a,b,c}', numbers => '{NULL,NULL,1}', atomic => true);
SELECT item, number, sqlstate, field, message FROM chat.create_messages(array_fill(:'token'::text, ARRAY[2]), '{30,30}', '{a,b}', if_last => '{1,NULL}', atomic => true);
SELECT item, number, sqlstate, replayed, created_at IS NULL AS no_time FROM chat.create_messages(array_fill(:app, ARRAY[2]), '{30,30}', ARRAY['third', ''], keys => '{third,x}', atomic => true);
SELECT item, number, sqlstate, replayed FROM chat.create_messages(array_fill(:app, ARRAY[2]), '{30,30}', '{third,fourth}', keys => '{third,fourth}', atomic => true);
SELECT number, messages_count, last_message_number FROM chat.list_chats(:app);
SELECT count(*) FROM chat.create_messages('{}'::integer[], '{}', '{}', atomic => true);
BEGIN;
SELECT count(*) FILTER (WHERE sqlstate IS NULL) FROM chat.create_messages(array_fill(:app, ARRAY[2]), '{30,9}', '{a,b}', atomic => true);
SELECT chat.create_message(:app, 30, 'after a refusal');
COMMIT;

-- Chats.
SELECT chat.create_chat(:app, key => 'c') AS c \gset
SELECT chat.create_chat(:app, key => 'c') = :c, chat.create_chat(:'token'::text, key => 'c') = :c, chat.create_chat(:app, :c, 'c') = :c, chat.create_chat(:app) = :c + 1;
SELECT (j).chat::jsonb - 'created_at', (j).replayed FROM (SELECT chat.create_chat_json(:'token', key => 'c') AS j UNION ALL SELECT chat.create_chat_json(:'token', key => 'j')) AS j;
SELECT error(format('SELECT chat.create_chat(%s, %s, ''c'')', :app, :c + 1)), error(format('SELECT chat.create_chat(%s, 200, ''c'')', :app));
SELECT error(format('SELECT chat.create_chat(%s, key => %L)', :app, key)) FROM (VALUES (''), (repeat('x', 256))) AS k (key);
SELECT error('SELECT chat.create_chat(999, key => ''c'')');
SELECT chat.create_chat(:app, 300, 'named'), chat.create_chat(:app, 300, 'named'), chat.create_chat(:app, key => 'named');
SELECT error(format('SELECT chat.create_chat(%s, 300, ''another'')', :app)), error(format('SELECT chat.create_chat(%s, 0, ''zero'')', :app));
-- A deleted one frees its key.
SELECT chat.delete_chat(:app, 300), chat.create_chat(:app, key => 'named') > 300;

-- Applications.
SELECT id AS bank, token AS bank_token FROM chat.create_application('bank', 'key of the bank') \gset
SELECT id = :bank, token = :'bank_token' FROM chat.create_application('bank', 'key of the bank');
SELECT id = :bank, application ->> 'token' = :'bank_token', replayed FROM chat.create_application_json('bank', 'key of the bank');
SELECT replayed FROM chat.create_application_json('other', 'key of another');
SELECT error($$SELECT chat.create_application('Bank', 'key of the bank')$$), error($$SELECT chat.create_application('bank', 'another')$$), error($$SELECT chat.create_application('bank')$$);
SELECT error(format('SELECT chat.create_application(''x'', %L)', key)) FROM (VALUES (' '), (repeat('x', 256))) AS k (key);
-- It leads to the first token alone.
SELECT length(chat.rotate_token(:bank));
SELECT error($$SELECT chat.create_application('bank', 'key of the bank')$$);
SELECT chat.delete_application(:bank);
SELECT replayed FROM chat.create_application_json('bank', 'key of the bank');
SELECT key IS NULL, count(*) FROM chat.applications GROUP BY 1 ORDER BY 1;
