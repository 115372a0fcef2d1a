\i setup.sql
-- Messages as JSON are the rows that the other functions return, and pages of them end before they are too large.
SELECT count(*) FROM unnest('{shop,bank}'::text[]) AS name, chat.create_application(name);
SELECT count(chat.create_chat(id('shop'))) FROM generate_series(1, 3);
ALTER TABLE chat.messages ALTER created_at SET DEFAULT '2026-01-02 03:04:05.1+00';
-- Each character of ASCII and some others, alone, and at each place of a word of eight bytes.
SELECT count(o.number) FROM (SELECT array_agg(repeat('x', place) || letter || repeat('y', 20 - place)) AS bodies
	FROM (SELECT chr(code) AS letter FROM generate_series(1, 127) AS code UNION ALL VALUES ('ä'), ('€'), ('😀'), (E'\u2028')) AS l,
		generate_series(0, 7) AS place) AS b,
	chat.create_messages(array_fill(id('shop'), ARRAY[cardinality(bodies)]), array_fill(1, ARRAY[cardinality(bodies)]), bodies) AS o;
SELECT count(o.number) FROM chat.create_messages(array_fill(id('shop'), ARRAY[10]), array_fill(2, ARRAY[10]), ARRAY(SELECT 'body ' || i FROM generate_series(1, 10) AS i)) AS o;

-- A page as PostgreSQL's own functions make it of rows.
CREATE FUNCTION test.page_of(app text, chat integer, numbers integer[]) RETURNS text LANGUAGE sql AS $$
	SELECT '[' || coalesce(string_agg('{"number":' || number || ',"body":' || to_json(body) || ',"created_at":"2026-01-02T03:04:05.100000Z"}', ',' ORDER BY number), '') || ']'
	FROM chat.messages WHERE application_id = id(app) AND chat_number = chat AND number = ANY (numbers) $$;
SELECT count(*), bool_and(p.messages_count = 100 AND p.messages::text = page_of('shop', 1, ARRAY(SELECT generate_series(first, last)))) FROM generate_series(0, 800, 100) AS above,
	chat.list_messages_json(ARRAY[token('shop')], '{1}', ARRAY[above], '{NULL}', '{NULL}') AS p;
SELECT count(*), bool_and(message::text = trim('[]' FROM page_of('shop', 1, ARRAY[item]))) FROM
	(SELECT array_agg(n ORDER BY n) AS numbers FROM generate_series(1, 1048) AS n) AS n,
	chat.get_messages_json(array_fill(token('shop'), ARRAY[1048]), array_fill(1, ARRAY[1048]), numbers) AS m;

-- Those that exist, with their items; pages from the start and from the end in one call; a missing chat is no row, an empty one is.
SELECT * FROM chat.get_messages_json(ARRAY[token('shop'), 'none', token('shop'), NULL, token('bank'), token('shop'), token('shop'), token('shop')],
	'{2,2,2,2,2,NULL,2,9}', '{10,1,11,1,1,1,1,1}');
SELECT * FROM chat.list_messages_json(ARRAY[token('shop'), token('shop'), token('shop'), 'none', token('shop'), NULL, token('shop'), token('shop'), token('bank')],
	'{2,2,2,2,9,2,3,2,2}', '{NULL,NULL,7,NULL,NULL,NULL,NULL,10,NULL}', '{NULL,5,9,NULL,NULL,NULL,NULL,NULL,NULL}', '{2,2,9,2,2,2,2,2,2}');
SELECT * FROM chat.last_messages_json(ARRAY[token('shop'), token('shop'), token('shop'), 'none'], '{2,3,2,2}', '{2,2,NULL,1}');
SELECT * FROM chat.search_messages_json(token('shop'), 2, 'BODY 1');
SELECT * FROM chat.search_messages_json(token('shop'), 2, 'BODY', before => 9, "limit" => 2);
SELECT * FROM chat.search_messages_json(token('shop'), 3, 'x');
SELECT * FROM chat.search_application_json(token('shop'), 'BODY 1');
SELECT * FROM chat.search_application_json(token('shop'), 'BODY', before => ARRAY[2, 9], "limit" => 2);
SELECT * FROM chat.search_application_json(token('bank'), 'x');
SELECT * FROM chat.get_messages_json('{}', '{}', '{}');
SELECT * FROM chat.list_messages_json('{}', '{}', '{}', '{}', '{}');

-- The largest page that fits, from either side; one message at least. No byte more than allowed, and none less than possible.
SELECT count(*), count(DISTINCT p.messages_count), bool_and(
	CASE WHEN p.messages_count > 1 THEN octet_length(p.messages::text) <= size ELSE true END
	AND p.cut = (p.messages_count < 10) AND p.messages::text = page_of('shop', 2, ARRAY(SELECT generate_series(p.first, p.last)))
	AND p.messages_count = p.last - p.first + 1 AND CASE WHEN from_end THEN p.last ELSE p.first END = CASE WHEN from_end THEN 10 ELSE 1 END
	AND (NOT p.cut OR octet_length(page_of('shop', 2, ARRAY(SELECT generate_series(p.first - from_end::integer, p.last + 1 - from_end::integer)))) > size))
FROM generate_series(1, 1000, 3) AS size, unnest('{t,f}'::boolean[]) AS from_end,
	LATERAL (SELECT * FROM chat.list_messages_json(ARRAY[token('shop')], '{2}', '{NULL}', '{NULL}', '{NULL}', size) WHERE NOT from_end
		UNION ALL SELECT * FROM chat.last_messages_json(ARRAY[token('shop')], '{2}', '{NULL}', size) WHERE from_end) AS p;
-- Searches of what is in all messages give the same pages; across chats, each message is longer by 16 bytes.
SELECT count(DISTINCT p.messages_count), bool_and((s.messages::text, s.messages_count, s.cut, s.first, s.last) = (p.messages::text, p.messages_count, p.cut, p.first, p.last)),
	bool_and(a.messages_count <= p.messages_count AND (a.messages_count = 1 OR octet_length(a.messages::text) <= size) AND a.cut = (a.messages_count < 10)
		AND a.messages::text = replace(page_of('shop', 2, ARRAY(SELECT generate_series(1, a.last[2]))), '{', '{"chat_number":2,'))
FROM generate_series(1, 1200, 7) AS size,
	chat.list_messages_json(ARRAY[token('shop')], '{2}', '{NULL}', '{NULL}', '{NULL}', size) AS p,
	chat.search_messages_json(token('shop'), 2, 'body', max_size => size) AS s,
	chat.search_application_json(token('shop'), 'body', max_size => size) AS a;
SELECT item, messages_count, cut, first, last FROM chat.list_messages_json(array_fill(token('shop'), ARRAY[4]), '{2,2,3,2}', '{NULL,NULL,NULL,8}', '{NULL,11,NULL,NULL}', '{5,5,5,5}', 100);

-- Rows outside a page are not detoasted: a call touches far fewer blocks than reading all bodies does.
INSERT INTO chat.messages (application_id, chat_number, body)
	SELECT id('shop'), 3, (SELECT string_agg(md5(i || ' ' || part), '') FROM generate_series(1, 1000) AS part) FROM generate_series(1, 100) AS i;
CREATE FUNCTION test.blocks(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE query;
	EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ' || query INTO plan;
	RETURN (plan->0->'Plan'->>'Shared Hit Blocks')::bigint + (plan->0->'Plan'->>'Shared Read Blocks')::bigint;
END $$;
CREATE TABLE test.calls (name text, arguments text);
INSERT INTO test.calls VALUES ('list', $$list_messages_json(ARRAY[token('shop')], '{3}', '{NULL}', '{NULL}', '{NULL}'$$),
	('before', $$list_messages_json(ARRAY[token('shop')], '{3}', '{NULL}', '{99}', '{NULL}'$$), ('last', $$last_messages_json(ARRAY[token('shop')], '{3}', '{100}'$$);
SELECT name, test.blocks('SELECT messages FROM chat.' || arguments || ', max_size => 100000)') * 10 < test.blocks('SELECT messages FROM chat.' || arguments || ')') AS few FROM test.calls;
-- A search reads what it tries, and ends with its page.
SELECT test.blocks($$SELECT messages FROM chat.search_messages_json(token('shop'), 3, 'a', max_size => 100000)$$) * 10
	< test.blocks($$SELECT messages FROM chat.search_messages_json(token('shop'), 3, 'a')$$) AS few;
SELECT messages_count, cut, first, last FROM chat.last_messages_json(ARRAY[token('shop')], '{3}', '{100}', 100000);
SELECT messages_count, cut, first, last FROM chat.search_messages_json(token('shop'), 3, 'a', max_size => 100000);
SELECT messages_count, cut, first, last FROM chat.search_application_json(token('shop'), 'a', before => ARRAY[4, 1], max_size => 100000);

-- A page passes over so many messages that it does not have, and ends there; the next goes on, in either direction.
SELECT chat.create_chat(id('shop'));
SELECT count(o.number) FROM chat.create_messages(array_fill(id('shop'), ARRAY[10300]), array_fill(4, ARRAY[10300]), array_fill('x'::text, ARRAY[10300])) AS o;
SELECT count(chat.delete_message(id('shop'), 4, n)) FROM generate_series(2, 10299) AS n;
SELECT messages_count, cut, first, last FROM chat.list_messages_json(ARRAY[token('shop')], '{4}', '{NULL}', '{NULL}', '{5}');
SELECT messages_count, cut, first, last FROM chat.list_messages_json(ARRAY[token('shop')], '{4}', '{10105}', '{NULL}', '{5}');
SELECT messages_count, cut, first, last FROM chat.list_messages_json(ARRAY[token('shop')], '{4}', '{50}', '{NULL}', '{5}');
SELECT messages_count, cut, first, last FROM chat.last_messages_json(ARRAY[token('shop')], '{4}', '{5}');
SELECT messages_count, cut, first, last FROM chat.list_messages_json(ARRAY[token('shop')], '{4}', '{NULL}', '{10250}', '{5}');
SELECT messages_count, cut, first, last FROM chat.list_messages_json(ARRAY[token('shop')], '{4}', '{NULL}', '{145}', '{5}');
-- Messages of others, and deleted ones that are wanted; many pages share what they may pass over.
SELECT item, messages_count, cut, first, last FROM chat.list_messages_json(array_fill(token('shop'), ARRAY[4]), '{4,4,4,2}', '{NULL,NULL,NULL,NULL}', '{NULL,NULL,NULL,NULL}', '{3,3,3,3}', NULL,
	'{NULL,ann,NULL,NULL}', '{false,true,true,false}');
-- A call for few messages looks at few, however many are deleted.
SELECT messages_count, cut, first, last FROM chat.list_messages_json(ARRAY[token('shop')], '{4}', '{0}', '{NULL}', '{1}');
SELECT test.blocks($$SELECT messages FROM chat.list_messages_json(ARRAY[token('shop')], '{4}', '{NULL}', '{NULL}', '{1}')$$) < 100 AS few;

-- Errors.
SELECT error($$SELECT chat.list_messages_json('{a}', '{1}', '{NULL}', '{NULL}', '{NULL}', 0)$$);
SELECT error($$SELECT chat.last_messages_json('{a}', '{1}', '{NULL}', -1)$$);
SELECT error($$SELECT chat.search_messages_json(token('shop'), 1, 'x', max_size => 0)$$);
SELECT error($$SELECT chat.search_application_json(token('shop'), 'x', max_size => 0)$$);
SELECT error($$SELECT chat.list_messages_json('{a}', '{1}', '{-1}', '{NULL}', '{NULL}')$$);
SELECT error($$SELECT chat.list_messages_json('{a}', '{1}', '{NULL}', '{NULL}', '{1001}')$$);
SELECT error($$SELECT chat.last_messages_json('{a}', '{1}', '{0}')$$);
SELECT error($$SELECT chat.last_messages_json('{a}', '{1,2}', '{1}')$$);
SELECT error($$SELECT chat.last_messages_json('{a}', NULL, '{1}')$$);
SELECT error($$SELECT chat.get_messages_json(NULL, '{1}', '{1}')$$);
SELECT error($$SELECT chat.get_messages_json('{a}', '{1}', '{1,2}')$$);
SELECT error($$SELECT chat.search_messages_json('none', 1, 'x')$$);
SELECT error($$SELECT chat.search_messages_json(token('shop'), 9, 'x')$$);
SELECT error($$SELECT chat.search_application_json('none', 'x')$$);
SELECT error($$SELECT chat.search_application_json(token('shop'), '')$$);

-- A body that is null, where the owner allows that, is null.
ALTER TABLE chat.messages ALTER body DROP NOT NULL;
INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (id('shop'), 2, 11, NULL);
SELECT messages FROM chat.last_messages_json(ARRAY[token('shop')], '{2}', '{1}', 1);
SELECT message FROM chat.get_messages_json(ARRAY[token('shop')], '{2}', '{11}');
-- A column of another type is refused, not read as what it is not.
ALTER TABLE chat.messages ALTER body TYPE bytea USING 'x';
SELECT error(format('SELECT chat.%s)', arguments)) FROM test.calls;
SELECT error($$SELECT chat.get_messages_json(ARRAY[token('shop')], '{2}', '{1}')$$);
