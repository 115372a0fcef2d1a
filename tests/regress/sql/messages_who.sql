\i setup.sql
-- Sender, time and metadata of messages: from the functions that create to those that read.
SELECT count(*) FROM unnest('{shop,bank}'::text[]) AS name, chat.create_application(name);
SELECT count(chat.create_chat(id('shop'))) FROM generate_series(1, 3);
SELECT chat.create_message(id('shop'), 1, 'plain');
SELECT chat.create_message(id('shop'), 1, 'by Ann', sender => 'Ann');
SELECT chat.create_message(token('shop'), 1, 'with more', NULL, 'Ann', '{"b": [1, {"c": "\u00e4"}], "a": 1.50, "a": 2}');
SELECT chat.create_message(token('shop'), 1, 'named', 9, sender => 'Bob', metadata => '{}');
SELECT item, number, sqlstate, field, revision, replayed, created_at BETWEEN now() AND clock_timestamp()
FROM chat.create_messages(array_fill(id('shop'), ARRAY[4]), '{1,2,1,2}', '{a,b,c,d}', '{NULL,NULL,20,NULL}', senders => '{Ann,NULL,Bob,NULL}',
	metadata => ARRAY[NULL, '{"x": 1}', '{"y": 2}', NULL]::jsonb[]);
SELECT item, number FROM chat.create_messages(ARRAY[token('shop'), token('shop')], '{2,2}', '{e,f}', senders => '{Eve,Eve}');
SELECT item, number FROM chat.create_messages(ARRAY[token('shop'), token('shop')], '{2,2}', '{g,h}', metadata => ARRAY['{"z": 3}', NULL]::jsonb[]);

-- All ways to read show them.
CREATE FUNCTION test.told(m anyelement) RETURNS text LANGUAGE sql AS
	$$ SELECT jsonb_strip_nulls(to_jsonb(m) - 'created_at') || jsonb_build_object('timely', (to_jsonb(m) ->> 'created_at')::timestamptz BETWEEN now() - interval '1 minute' AND clock_timestamp()) $$;
SELECT told(m) FROM chat.list_messages(id('shop'), 1) AS m;
SELECT told(m) FROM chat.list_messages(token('shop'), 2, before => 9) AS m;
SELECT told(m) FROM chat.last_messages(id('shop'), 1, 2) AS m;
SELECT told(m) FROM chat.get_message(id('shop'), 1, 3) AS m;
SELECT told(m) FROM chat.get_messages(ARRAY[id('shop'), id('shop')], '{1,2}', '{9,2}') AS m;
SELECT told(m) FROM chat.list_messages(ARRAY[token('shop'), token('shop')], '{1,2}', '{9,NULL}', '{NULL,3}', '{2,2}') AS m;
SELECT told(m) FROM chat.search_messages(id('shop'), 1, 'BY') AS m;
SELECT told(m) FROM chat.search_application(id('shop'), 'm') AS m;

-- As JSON: members that are set, in their order, with the value that a row has.
CREATE FUNCTION test.shown(m json) RETURNS text LANGUAGE sql AS
	$$ SELECT regexp_replace(m::text, '"created_at":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"', '"created_at":"..."', 'g') $$;
SELECT item, shown(message) FROM chat.get_messages_json(array_fill(token('shop'), ARRAY[4]), '{1,1,1,1}', '{1,2,3,9}');
SELECT shown(messages) FROM chat.list_messages_json(ARRAY[token('shop')], '{2}', '{NULL}', '{NULL}', '{3}');
SELECT shown(messages) FROM chat.last_messages_json(ARRAY[token('shop')], '{1}', '{2}');
SELECT shown(messages) FROM chat.search_messages_json(token('shop'), 1, 'BY');
SELECT shown(messages) FROM chat.search_application_json(token('shop'), 'm', after => '{1,3}');
SELECT bool_and((j.message ->> 'created_at')::timestamptz = m.created_at AND j.message ->> 'sender' IS NOT DISTINCT FROM m.sender
	AND (j.message ->> 'metadata')::jsonb IS NOT DISTINCT FROM m.metadata)
FROM chat.messages AS m, chat.get_messages_json(ARRAY[token('shop')], ARRAY[m.chat_number], ARRAY[m.number]) AS j;
SELECT shown((chat.create_application_json(E'a "quoted" \\ name')).application)::jsonb - 'token', (SELECT count(*) FROM chat.list_applications());
SELECT shown((chat.create_chat_json(token('shop'))).chat), shown((chat.create_chat_json(token('shop'), 77)).chat), (SELECT number FROM chat.get_chat(id('shop'), 77));

-- Bad input: the same error from one and from many; a sender and metadata have their limits.
CREATE TEMPORARY TABLE bad AS SELECT * FROM (VALUES
	('body', NULL, NULL::text, NULL::jsonb), ('number', 'x', NULL, NULL), ('empty', 'x', '', NULL), ('white', 'x', E' \t\n', NULL), ('U+3000', 'x', E'\u3000', NULL),
	('256', 'x', repeat('ä', 256), NULL), ('255', 'x', repeat('ä', 255), NULL), ('array', 'x', 'Ann', '[]'), ('string', 'x', 'Ann', '"x"'),
	('number', 'x', 'Ann', '1'), ('null', 'x', 'Ann', 'null'), ('16384', 'x', 'Ann', jsonb_build_object('a', repeat('x', 16384 - 9))),
	('16385', 'x', 'Ann', jsonb_build_object('a', repeat('x', 16384 - 8))), ('both', ' ', '', '[]'), ('two', 'x', '', '[]')) AS b (name, body, sender, metadata);
SELECT name, error(format('SELECT chat.create_message(id(''shop''), 3, %L, NULL, %L, %L)', body, sender, metadata)) FROM bad;
SELECT name, o.number, o.sqlstate, o.field, o.message, o.created_at IS NOT NULL FROM bad,
	chat.create_messages(ARRAY[id('shop')], '{3}', ARRAY[body], senders => ARRAY[sender], metadata => ARRAY[metadata]) AS o;
SET pg_chat.max_metadata_size = 8;
SELECT error($$SELECT chat.create_message(id('shop'), 3, 'x', metadata => '{"a": 12}')$$);
SELECT chat.create_message(id('shop'), 3, 'x', metadata => '{"a": 1}');
RESET pg_chat.max_metadata_size;
SELECT error($$SELECT chat.create_message(id('shop'), 3, 'x', metadata => '{"a": "\u0000"}')$$);
SELECT error($$SELECT chat.create_message(id('shop'), 3, 'x', metadata => '{"a": "\ud800"}')$$);
SELECT error($$SELECT chat.create_messages(ARRAY[id('shop')], '{3}', '{x}', senders => '{a,b}')$$);
SELECT error($$SELECT chat.create_messages(ARRAY[id('shop')], '{3}', '{x}', metadata => '{}')$$);
SELECT error($$SELECT chat.create_messages(ARRAY[id('shop')], '{3}', '{x}', metadata => '{{null}}')$$);

-- Times as JSON has them.
SELECT chat.rfc3339(t) FROM unnest('{2026-01-02 03:04:05.123456+00,2026-01-02 03:04:05+02,0001-01-01 00:00:00+00,0001-12-31 23:59:59.9 BC,4713-11-24 00:00:00 BC,12345-06-07 00:00:00+00,294276-12-31 23:59:59.999999+00,infinity,-infinity,NULL}'::timestamptz[]) AS t;
SELECT count(*), bool_and(chat.rfc3339(t) = to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) FROM generate_series('1583-01-01'::timestamptz, '9999-12-01', '100 days 23:59:59.987654') AS t;

-- A row that is inserted directly has what it was given, and no revision.
INSERT INTO chat.messages (application_id, chat_number, body, sender) VALUES (id('shop'), 2, 'direct', 'Zoe') RETURNING number, sender, revision;
