\i setup.sql
-- Texts that are hostile to a search, in three chats, each many times and between others. Another application has the same.
CREATE TABLE test.texts (body text);
INSERT INTO test.texts SELECT unnest(ARRAY['100%', '%', '%%', '_', 'a_b', 'axb', '\', '\\', 'a\%b', 'C:\new\temp', '''', 'it''s "quoted"', '"', '*', '(.*)?[a-z]+', '$1', '{"json": null}', ' ', E'two\nlines',
	E'\t', 'aaaa', 'aaa', 'abcabc', 'abcab', 'Hello World', 'LLO W', 'e', 'é', E'e\u0301', E'e\u0301e\u0301e', 'i', 'I', 'İ', E'i\u0307', 'İİİ', 'ıııı', 'istanbul', 'İSTANBUL', 'ß', 'ẞ', 'ss', 'Straße', 'STRASSE', 'ſſſ',
	'ΟΔΥΣΣΕΥΣ', 'οδυσσευς', 'ςςς', 'ΣΣΣ', 'ᏣᎳᎩ', 'ꮳꮃꭹ', 'ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ', 'Ёжик в тумане', 'ЁЖИК', 'ﬁsh', 'FISH', 'ǅǅǅ', '日本語', '日本語の本', 'עברית', 'हिन्दी', '👍', '👍🏽', '👍🏽👍🏽👍🏽', '👩‍👩‍👧', '𐐀𐐁𐐂', '𐐨𐐩𐐪', 'ŉŉ', E'\u00a0', repeat('x', 5000), repeat('ab', 3000) || 'needle']);
SELECT count(*) FROM unnest(ARRAY['shop', 'other']) AS name, chat.create_application(name), LATERAL (SELECT chat.create_chat(id), chat.create_chat(id), chat.create_chat(id)) AS chats;
SELECT count(*), count(sqlstate) FROM (SELECT array_agg(id(app)) AS ids, array_agg(chat) AS chats, array_agg(body || suffix) AS bodies
	FROM unnest(ARRAY['shop', 'other']) AS app, unnest(ARRAY[1, 2, 3]) AS chat, unnest(ARRAY['', ' and more']) AS suffix, test.texts WHERE (body || suffix) ~ '[^\s\u00a0]') AS m, chat.create_messages(ids, chats, bodies);

-- Queries: each text, and its beginnings, ends and inner parts of one, three and four characters, in three cases.
CREATE TABLE test.queries AS SELECT DISTINCT query FROM test.texts CROSS JOIN unnest(ARRAY[1, 3, 4]) AS length, LATERAL (
	SELECT unnest(ARRAY[left(body, length), right(body, length), substr(body, 2, length)]) AS part) AS p, unnest(ARRAY[part, upper(part), lower(part)]) AS query WHERE query <> '' AND length(query) < 100;
SELECT count(*) > 300 FROM test.queries;

-- The specification: position in the folded texts. Differences of a chat's and an application's pages, up and down, from anywhere.
CREATE FUNCTION test.matches(query text) RETURNS TABLE (key integer[]) LANGUAGE sql AS $$
	SELECT ARRAY[chat_number, number] FROM chat.messages WHERE application_id = id('shop') AND position(chat.fold(query) IN chat.fold(body)) > 0 $$;
CREATE FUNCTION test.page(keys integer[], after integer[], before integer[], rows integer) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(key::text, ' ' ORDER BY key), '') FROM (SELECT key FROM (SELECT keys[i:i] AS part, ARRAY[keys[i][1], keys[i][2]] AS key FROM generate_subscripts(keys, 1) AS i) AS k
		WHERE (after IS NULL OR key > after) AND (before IS NULL OR key < before)
		ORDER BY CASE WHEN after IS NULL AND before IS NOT NULL THEN -key[1] ELSE key[1] END, CASE WHEN after IS NULL AND before IS NOT NULL THEN -key[2] ELSE key[2] END LIMIT rows) AS page $$;
CREATE FUNCTION test.differences() RETURNS TABLE (query text, after integer[], before integer[], rows integer, found text, expected text) LANGUAGE sql AS $$
	WITH m AS MATERIALIZED (SELECT q.query, coalesce((SELECT array_agg(key ORDER BY key) FROM test.matches(q.query)), '{}') AS keys FROM test.queries AS q)
	SELECT m.query, p.*, f.found, test.page(m.keys, p.after, p.before, p.rows)
	FROM m, (VALUES (NULL::integer[], NULL::integer[], 1000), ('{1,100}', NULL, 5), (NULL, '{3,2}', 5), ('{1,100}', '{2,50}', 1000)) AS p (after, before, rows),
		LATERAL (SELECT coalesce(string_agg(ARRAY[chat_number, number]::text, ' ' ORDER BY place), '') FROM chat.search_application(id('shop'), m.query, p.after, p.before, p.rows) WITH ORDINALITY AS s (chat_number, number, body, created_at, place)) AS f (found)
	WHERE f.found <> test.page(m.keys, p.after, p.before, p.rows)
	UNION ALL
	SELECT m.query, ARRAY[1, p.after], ARRAY[1, p.before], p.rows, f.found, test.page(ARRAY(SELECT ARRAY[keys[i][1], keys[i][2]] FROM generate_subscripts(m.keys, 1) AS i WHERE m.keys[i][1] = 1), ARRAY[1, p.after], ARRAY[1, p.before], p.rows)
	FROM m, (VALUES (0, 2147483647, 1000), (50, 100, 3)) AS p (after, before, rows),
		LATERAL (SELECT coalesce(string_agg(ARRAY[1, number]::text, ' ' ORDER BY place), '') FROM chat.search_messages(token('shop'), 1, m.query, p.after, p.before, p.rows) WITH ORDINALITY AS s (number, body, created_at, place)) AS f (found)
	WHERE f.found <> test.page(ARRAY(SELECT ARRAY[keys[i][1], keys[i][2]] FROM generate_subscripts(m.keys, 1) AS i WHERE m.keys[i][1] = 1), ARRAY[1, p.after], ARRAY[1, p.before], p.rows) $$;
SELECT * FROM test.differences();
-- So the test finds what differs.
SELECT count(*) > 0 FROM test.queries, LATERAL test.matches(query);
SELECT test.page('{{1,2},{1,3},{2,1},{3,1}}', NULL, NULL, 3), test.page('{{1,2},{1,3},{2,1},{3,1}}', NULL, '{3,1}', 2), test.page('{{1,2},{1,3},{2,1},{3,1}}', '{1,2}', '{3,1}', 9), test.page('{}', NULL, NULL, 9);

-- Both forms; the rows are the messages.
SELECT count(*), bool_and((SELECT g FROM chat.get_message(id('shop'), s.chat_number, s.number) AS g) = (s.number, s.body, s.created_at, s.sender, s.metadata, s.edited_at, s.deleted_at, s.revision)::chat.message)
FROM chat.search_application(token('shop'), 'hello') AS s;
SELECT chat_number, number, body FROM chat.search_application(id('shop'), 'HELLO WORLD AND', after => '{1,100}', before => '{3,1}');
SELECT * FROM chat.search_application(id('shop'), 'nowhere');
SELECT * FROM chat.search_application(id('shop'), repeat('x', 10000));
SELECT count(*) FROM chat.search_application(id('shop'), 'x');
SELECT count(*) FROM chat.search_application(id('shop'), 'x', after => '{0,0}', before => '{2147483647,2147483647}', "limit" => 1000);
SELECT count(*) FROM chat.search_application(id('shop'), 'x', before => '{1,0}');

-- Errors of an argument.
SELECT error('SELECT * FROM chat.search_application(' || arguments || ')') FROM unnest(ARRAY[
	$$999, 'x'$$, $$'none', 'x'$$, $$NULL::integer, 'x'$$, $$NULL::text, 'x'$$, $$id('shop'), ''$$, $$token('shop'), NULL$$, $$id('shop'), 'x', '{1}'$$, $$id('shop'), 'x', '{1,2,3}'$$, $$id('shop'), 'x', '{{1,2}}'$$,
	$$id('shop'), 'x', '{1,NULL}'$$, $$id('shop'), 'x', '{-1,1}'$$, $$id('shop'), 'x', '{1,-1}'$$, $$id('shop'), 'x', NULL, '{}'$$, $$id('shop'), 'x', NULL, '{1}'$$, $$id('shop'), 'x', NULL, NULL, 0$$, $$id('shop'), 'x', NULL, NULL, 1001$$]) AS arguments;

-- The index for searches without Elasticsearch. It needs pg_trgm.
SELECT error('SELECT chat.add_trigram_index()');
SELECT chat.drop_trigram_index();
CREATE SCHEMA "trigrams'";
CREATE EXTENSION pg_trgm SCHEMA "trigrams'";
-- Wait until it is there, or what is asked for has failed. Each look has a transaction of its own, as the build waits for older ones.
CREATE PROCEDURE test.wait_for_build(runs bigint) LANGUAGE plpgsql AS $$
DECLARE
	deadline timestamptz := clock_timestamp() + interval '60 s';
BEGIN
	WHILE (SELECT d.runs <> wait_for_build.runs FROM chat.worker_status AS d WHERE job = 'trigram index') OR chat.add_trigram_index() LIKE '%is being built. %' LOOP
		IF clock_timestamp() > deadline THEN
			RAISE EXCEPTION 'no end: %', chat.add_trigram_index();
		END IF;
		COMMIT;
	END LOOP;
END $$;
SELECT chat.add_trigram_index();
CALL test.wait_for_build(1);
SELECT chat.add_trigram_index();
SELECT last_done, errors, last_error FROM chat.worker_status WHERE job = 'trigram index';
SELECT pg_get_indexdef(indexrelid), indisvalid FROM pg_index WHERE indexrelid = 'chat.messages_body_trgm'::regclass;

-- The same answers: with the plans that are the best here, and with the index used wherever it can be.
SELECT * FROM test.differences();
SET jit = off;
SET enable_indexscan = off;
SET enable_seqscan = off;
SET gin_fuzzy_search_limit = 1;
DELETE FROM test.queries WHERE query !~ '[a-z]{3}';
SELECT * FROM test.differences();
RESET enable_indexscan;
RESET enable_seqscan;
RESET gin_fuzzy_search_limit;
RESET jit;
SET client_min_messages = debug1;
SELECT count(*) FROM chat.search_application(id('shop'), 'needle');
SELECT count(*) FROM chat.search_messages(id('shop'), 1, 'ne');
SET client_min_messages = warning;

-- In a transaction that is rolled back it is dropped for that alone.
BEGIN;
SELECT chat.drop_trigram_index();
SELECT count(*) FROM chat.search_application(id('shop'), 'needle');
ROLLBACK;
SELECT chat.add_trigram_index();
-- It goes when it is told to; pg_trgm, only after it.
SELECT error('DROP EXTENSION pg_trgm');
SELECT chat.drop_trigram_index(), chat.drop_trigram_index();
SELECT * FROM test.differences();
DROP EXTENSION pg_trgm;
DROP SCHEMA "trigrams'";
