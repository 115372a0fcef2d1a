\i setup.sql
-- Messages from elsewhere.
SELECT count(*) FROM unnest('{shop,copy}'::text[]) AS name, chat.create_application(name);
SELECT count(chat.create_chat(id(name))) FROM unnest('{shop,copy}'::text[]) AS name, generate_series(1, 3);
CREATE FUNCTION test.told(o chat.outcome) RETURNS text LANGUAGE sql AS
	$$ SELECT concat_ws(' ', o.item, o.number, o.sqlstate, o.field, o.message, 'r' || o.revision, CASE WHEN o.replayed THEN 'replayed' END) $$;
CREATE FUNCTION test.chat(app text, chat integer) RETURNS text LANGUAGE sql AS
	$$ SELECT concat_ws(' ', messages_count, last_message_number, last_revision) FROM chat.chats WHERE application_id = id(app) AND number = chat $$;
-- All that a chat has, byte for byte.
CREATE FUNCTION test.export(app text, chat integer) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(m::text, E'\n') FROM chat.export_messages(id(app), chat) AS m $$;
-- What there is of a chat, into another, so many at a time.
CREATE FUNCTION test.copy(size integer) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT told(o) FROM (
		SELECT array_agg(number ORDER BY number) AS numbers, array_agg(body ORDER BY number) AS bodies, array_agg(created_at ORDER BY number) AS created,
			array_agg(sender ORDER BY number) AS senders, array_agg(metadata ORDER BY number) AS metadata, array_agg(edited_at ORDER BY number) AS edited,
			array_agg(deleted_at ORDER BY number) AS deleted, array_agg(revision ORDER BY number) AS revisions, array_agg(key ORDER BY number) AS keys
		FROM (SELECT *, (row_number() OVER (ORDER BY number) - 1) / size AS page FROM chat.messages WHERE application_id = id('shop') AND chat_number = 1) AS m
		GROUP BY page ORDER BY page OFFSET 0) AS m,
		chat.import_messages(id('copy'), 1, numbers, bodies, created, senders, metadata, edited, deleted, revisions, keys) AS o $$;

SELECT count(*) FROM chat.create_messages(array_fill(id('shop'), ARRAY[6]), array_fill(1, ARRAY[6]), '{one,two,three,four,five,six}',
	senders => '{Ann,NULL,Bob,Ann,NULL,NULL}', metadata => ARRAY['{"b": 1.50, "a": "é"}', NULL, NULL, '{}', NULL, NULL]::jsonb[], keys => '{k1,NULL,NULL,NULL,k5,NULL}');
SELECT (chat.update_message(id('shop'), 1, 4, 'FOUR')).revision, chat.delete_message(id('shop'), 1, 3), (chat.update_message(id('shop'), 1, 1, 'ONE')).revision,
	chat.create_message(id('shop'), 1, 'ninth', 9), chat.create_message(id('shop'), 1, 'filled in', 8);
DELETE FROM chat.messages WHERE application_id = id('shop') AND number = 5;
SELECT count(*) FROM chat.reconcile();
SELECT chat('shop', 1);

-- As lists show it, but for keys; one after the other, from any on.
SELECT m ->> 'number' AS number, m ->> 'key' AS key FROM chat.export_messages(id('shop'), 1) AS m WHERE m::jsonb ? 'key';
SELECT '[' || replace(regexp_replace(export('shop', 1), ',"key":"[^"]*"', '', 'g'), E'\n', ',') || ']' = messages::text FROM chat.list_messages_json(ARRAY[token('shop')], '{1}', '{NULL}', '{NULL}', '{1000}', NULL, NULL, '{t}');
SELECT chat.create_message(id('shop'), 3, 'of three'), chat.create_message(id('shop'), 2, 'of two');
SELECT string_agg((m ->> 'chat_number') || '.' || (m ->> 'number'), ' ') FROM chat.export_application(token('shop')) AS m;
SELECT string_agg((m ->> 'chat_number') || '.' || (m ->> 'number'), ' ') FROM chat.export_application(id('shop'), 1, 8) AS m;
SELECT string_agg(m ->> 'number', ' ') FROM chat.export_messages(token('shop'), 1, 4) AS m;
SELECT string_agg(jsonb_object_keys, ' ') FROM chat.export_application(id('shop'), 2) AS m, jsonb_object_keys(m::jsonb) LIMIT 1;
SELECT count(*) FROM chat.export_messages(id('shop'), 1, 9), chat.export_application(id('copy'));
SELECT error(format('SELECT chat.%s', call)) FROM unnest(ARRAY[format('export_messages(%s, 9)', id('shop')), 'export_messages(999, 1)', 'export_messages(NULL::integer, 1)',
	format('export_messages(%s, NULL)', id('shop')), 'export_application(999)', $$export_application('none')$$]) AS call;
SELECT chat.delete_chat(id('shop'), 2);
SELECT count(*) FROM chat.export_application(id('shop')) AS m WHERE m ->> 'chat_number' = '2';

-- The same in pages for servers, with the size behind them; by a cursor, without a snapshot afterwards.
CREATE FUNCTION test.pages(chat integer, after_chat integer, after_number integer, max_size integer) RETURNS TABLE (pages text, longest integer, size text) LANGUAGE sql AS $$
	SELECT string_agg(p, '' ORDER BY n) FILTER (WHERE n < last), max(octet_length(p)) FILTER (WHERE n < last), max(p) FILTER (WHERE n = last)
	FROM (SELECT p, row_number() OVER () AS n, count(*) OVER () AS last FROM chat.export_json(token('shop'), chat, after_chat, after_number, max_size) AS p) AS p $$;
SELECT s.max_size, p.pages = export('shop', 1) || E'\n' AS same, p.longest, p.size::integer = octet_length(p.pages) AS measured
FROM unnest('{0,1,200,400,100000}'::integer[]) AS s (max_size), pages(1, NULL, NULL, s.max_size) AS p;
SELECT s.max_size, p.pages = string_agg(m::text || E'\n', '' ORDER BY n) AS same, p.size::integer = octet_length(p.pages) AS measured
FROM unnest('{NULL,300}'::integer[]) AS s (max_size), pages(NULL, 1, 8, s.max_size) AS p, chat.export_application(id('shop'), 1, 8) WITH ORDINALITY AS m (m, n) GROUP BY s.max_size, p.pages, p.size ORDER BY 1;
SELECT * FROM pages(1, NULL, 9, 100);
DECLARE held SCROLL CURSOR WITH HOLD FOR SELECT chat.export_json(token('shop'), 1, NULL, NULL, 1);
BEGIN;
UPDATE chat.messages SET body = 'changed since' WHERE application_id = id('shop') AND chat_number = 1 AND number = 9;
FETCH LAST FROM held \gset
SELECT :export_json > 500 AS measured;
FETCH RELATIVE -1 FROM held \gset
SELECT :'export_json'::json ->> 'body' AS as_it_was;
ROLLBACK;
CLOSE held;
SELECT p::json ->> 'body' AS first FROM (SELECT chat.export_json(token('shop'), 1, NULL, NULL, 1) AS p LIMIT 1) AS p;
SELECT error(format('SELECT chat.export_json(%s, NULL, NULL, 1)', call)) FROM unnest(ARRAY[$$'none', 1$$, $$'none', NULL$$, $$NULL, NULL$$, format('%L, 9', token('shop'))]) AS call;

-- The same, in pages of whatever size; a second time, nothing is left to do.
SELECT copy(2);
SELECT export('copy', 1) = export('shop', 1), chat('copy', 1);
SELECT copy(3);
SELECT chat('copy', 1);
SELECT * FROM chat.reconcile();
SELECT chat.delete_chat(id('copy'), 1), chat.create_chat(id('copy'), 1);
SELECT count(*) FROM copy(1000);
SELECT export('copy', 1) = export('shop', 1), chat('copy', 1);
SELECT string_agg(position || event, ' ') FROM chat.list_changes(id('copy'), 1);
-- A key holds.
SELECT chat.create_message(id('copy'), 1, 'one', sender => 'Ann', key => 'k1'), chat.create_message(id('copy'), 1, 'next');

-- What is wrong with one costs the others nothing.
SELECT told(o) FROM chat.import_messages(id('copy'), 2, '{1,NULL,0,2,3,4,5,6,7,8,9,10,11,12,13,1,14}',
	ARRAY['good', 'x', 'x', '', NULL, repeat('x', 70000), 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'content', '', 'twice', 'last'],
	array_fill('2020-01-01 00:00:00.123456+00'::timestamptz, ARRAY[6]) || ARRAY[NULL, 'infinity']::timestamptz[] || array_fill('2020-01-02 00:00:00+00'::timestamptz, ARRAY[9]),
	senders => array_fill(NULL::text, ARRAY[8]) || ARRAY[' ', repeat('x', 256)] || array_fill(NULL::text, ARRAY[7]),
	metadata => array_fill(NULL::jsonb, ARRAY[10]) || '{[1]}'::jsonb[] || array_fill(NULL::jsonb, ARRAY[6]),
	deleted_at => array_fill(NULL::timestamptz, ARRAY[13]) || ARRAY['2020-01-03 00:00:00+00', '2020-01-03 00:00:00+00', NULL, NULL]::timestamptz[],
	revisions => array_fill(NULL::integer, ARRAY[11]) || '{0,NULL,NULL,NULL,NULL,3}'::integer[],
	keys => array_fill(NULL::text, ARRAY[12]) || ARRAY[' ', NULL, NULL, NULL, 'k']) AS o;
SELECT number, body, created_at AT TIME ZONE 'UTC' AS created_at, deleted_at AT TIME ZONE 'UTC' AS deleted_at, revision FROM chat.list_messages(id('copy'), 2, deleted => true);
SELECT chat('copy', 2);
SELECT told(o) FROM chat.import_messages(token('copy'), 2, '{1,20,21,22}', '{other,a,b,c}', array_fill('2020-01-01 00:00:00+00'::timestamptz, ARRAY[4]), keys => '{NULL,k,new,new}') AS o;
-- Below what readers have seen, it is a change; a revision that is free and higher is kept.
SELECT told(o) FROM chat.import_messages(id('copy'), 2, '{15,16,17,18,30}', '{a,b,c,d,e}', array_fill('2020-01-01 00:00:00+00'::timestamptz, ARRAY[5]), revisions => '{NULL,3,100,2,3}') AS o;
SELECT position, event, number, body FROM chat.list_changes(id('copy'), 2, 21, 3);
SELECT chat('copy', 2);
SELECT * FROM chat.reconcile();
-- Rolled back; and behind direct changes of the same transaction.
BEGIN;
SAVEPOINT s;
SELECT told(o) FROM chat.import_messages(id('copy'), 3, '{7}', '{x}', '{2020-01-01}') AS o;
ROLLBACK TO s;
INSERT INTO chat.messages (application_id, chat_number, body) VALUES (id('copy'), 3, 'direct');
SELECT told(o) FROM chat.import_messages(id('copy'), 3, '{1,2}', '{x,y}', '{2020-01-01,2020-01-01}') AS o;
SELECT chat.create_message(id('copy'), 3, 'z');
COMMIT;
SELECT chat('copy', 3);
-- The last number and revision.
SELECT told(o) FROM chat.import_messages(id('copy'), 3, '{2147483647}', '{x}', '{2020-01-01}', revisions => '{2147483647}') AS o;
SELECT told(o) FROM chat.import_messages(id('copy'), 3, '{10}', '{x}', '{2020-01-01}') AS o;
SELECT chat('copy', 3);

-- Of many chats: those that are missing are created, for messages that are valid.
SELECT count(*) FROM chat.create_application('third');
SELECT told(o) FROM chat.import_application(id('third'), '{5,NULL,0,2,5,7,5,2}', '{2,1,1,1,1,NULL,2,1}', '{a,b,c,d,e,f,other,d}', array_fill('2020-01-01 00:00:00+00'::timestamptz, ARRAY[8]),
	keys => '{k,NULL,NULL,k,NULL,NULL,NULL,k}') AS o;
SELECT told(o) FROM chat.import_application(token('third'), '{5,2,9}', '{2,1,1}', '{a,d,new}', array_fill('2020-01-01 00:00:00+00'::timestamptz, ARRAY[3]), keys => '{k,k,NULL}') AS o;
SELECT string_agg(c.number || ': ' || chat('third', c.number), ', ' ORDER BY c.number) FROM chat.list_chats(id('third')) AS c;
SELECT chats_count, chat.create_chat(id('third')) FROM chat.get_application(id('third'));
UPDATE chat.chats SET deleted_at = now(), deleted_in = 'elsewhere' WHERE application_id = id('third') AND number = 9;
SELECT told(o) FROM chat.import_application(id('third'), '{9,8}', '{1,1}', '{x,y}', '{2020-01-01,2020-01-01}') AS o;
SELECT count(*) FROM chat.import_application(id('third'), '{}', '{}', '{}', '{}');
SELECT error(format('SELECT chat.import_application(%s)', arguments)) FROM unnest(ARRAY[$$999, '{1}', '{1}', '{x}', '{2020-01-01}'$$, $$'none', '{1}', '{1}', '{x}', '{2020-01-01}'$$,
	format($$%s, '{1,2}', '{1}', '{x}', '{2020-01-01}'$$, id('third')), format($$%s, NULL, '{1}', '{x}', '{2020-01-01}'$$, id('third'))]) AS arguments;

SELECT count(*) FROM chat.import_messages(id('copy'), 1, '{}', '{}', '{}');
SELECT error(format('SELECT chat.import_messages(%s, %s, %s)', application, chat, arrays)) FROM (VALUES
	(id('copy')::text, '9', $$'{1}', '{x}', '{2020-01-01}'$$), ('999', '1', $$'{1}', '{x}', '{2020-01-01}'$$), ('NULL', '1', $$'{1}', '{x}', '{2020-01-01}'$$),
	(id('copy')::text, 'NULL', $$'{1}', '{x}', '{2020-01-01}'$$), (id('copy')::text, '1', $$'{1}', '{x}', NULL$$), (id('copy')::text, '1', $$'{1}', '{x,y}', '{2020-01-01}'$$),
	(id('copy')::text, '1', $$NULL, '{x}', '{2020-01-01}'$$), (id('copy')::text, '1', $$'{{1}}', '{x}', '{2020-01-01}'$$),
	(id('copy')::text, '1', $$'{1}', '{x}', '{2020-01-01}', keys => '{}'$$)) AS c (application, chat, arrays);
-- Not for everybody.
SELECT DISTINCT has_function_privilege('chat_api', oid, 'EXECUTE') FROM pg_proc WHERE proname IN ('import_messages', 'import_application');
