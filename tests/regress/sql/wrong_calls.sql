\i setup.sql
-- Functions of the library called as what they are not: an error, and no crash.
SELECT id FROM chat.create_application('shop');
SELECT chat.create_chat(1), chat.create_message(1, 1, 'one'), (chat.set_cursor(1, 1, 'ann', 0)).number;
SELECT token FROM chat.get_application(1) \gset
SET test.token = :'token';

-- Run statements, undo them, and return the last one's SQLSTATE, 00000 if there was no error.
CREATE FUNCTION test.state(VARIADIC statements text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	statement text;
BEGIN
	FOREACH statement IN ARRAY statements LOOP
		EXECUTE statement;
	END LOOP;
	RAISE EXCEPTION USING ERRCODE = '00001';
EXCEPTION WHEN OTHERS THEN
	RETURN CASE SQLSTATE WHEN '00001' THEN '00000' ELSE SQLSTATE END;
END $$;

-- Trigger functions without a trigger.
SELECT error('SELECT chat_internal.before_insert()');
CREATE TABLE test.functions AS
	SELECT oid::regprocedure AS function, prosrc AS symbol, prorettype = 'trigger'::regtype AS is_trigger
	FROM pg_proc WHERE pronamespace IN ('chat'::regnamespace, 'chat_internal'::regnamespace) AND prolang = (SELECT oid FROM pg_language WHERE lanname = 'c');
SELECT count(*) > 50 FROM test.functions;

-- Declared anew: other arguments, other results, other kinds. Each is called with nulls and with values.
CREATE TABLE test.declared (arguments text, results text, calls text[]);
INSERT INTO test.declared SELECT a.arguments, r.results, a.calls
FROM (VALUES ('', ARRAY['']), ('text', ARRAY['NULL', '''x''']), ('bigint', ARRAY['NULL', '7']), ('integer', ARRAY['NULL', '7']),
	('text, text', ARRAY['NULL, NULL', '''x'', ''y''']), ('integer, integer, text', ARRAY['NULL, NULL, NULL', '1, 1, ''x''']),
	('text, integer, integer', ARRAY['''x'', 1, NULL']), ('name, integer, text, integer', ARRAY['''x'', 1, ''x'', NULL']),
	('point[], float8', ARRAY['NULL, 1', '''{}'', 1e300']), ('bigint, bigint, bigint, bigint, bigint, bigint', ARRAY['1, 2, 3, 4, 5, 6'])) AS a (arguments, calls),
	(VALUES ('text'), ('integer'), ('bigint'), ('boolean'), ('void'), ('SETOF text'), ('SETOF integer'), ('chat.message'), ('SETOF chat.outcome'), ('record'), ('SETOF record')) AS r (results);
CREATE FUNCTION test.declare_anew() RETURNS TABLE (state text, count bigint) LANGUAGE sql AS $$
	SELECT test.state(
		format('CREATE FUNCTION test.wrong(%s) RETURNS %s AS ''$libdir/pg_chat'', %L LANGUAGE C', d.arguments, d.results, f.symbol),
		CASE WHEN d.results LIKE '%record' THEN format('SELECT * FROM test.wrong(%s) AS r (a text, b bigint)', c.call)
			ELSE format('SELECT test.wrong(%s)', c.call) END), count(*)
	FROM (SELECT DISTINCT symbol FROM test.functions) AS f, test.declared AS d, unnest(d.calls) AS c (call)
	-- Those that are declared as they should be.
	WHERE (f.symbol, d.arguments, d.results) NOT IN (('chat_fold', 'text', 'text'), ('chat_contains', 'text, text', 'boolean'), ('chat_reindex', '', 'text'), ('chat_status_json', '', 'text'), ('chat_current_user_name', '', 'text'), ('chat_revoke_key', 'integer', 'boolean'),
		('chat_add_trigram_index', '', 'text'), ('chat_drop_trigram_index', '', 'boolean'), ('chat_start_worker', '', 'boolean'), ('chat_disable_redundant_checks', '', 'integer'), ('chat_pending_changes', '', 'bigint'),
		('chat_rotate_token_by_id', 'integer', 'text'), ('chat_rotate_token_by_token', 'text', 'text'),
		('chat_create_chat_by_id', 'integer, integer, text', 'integer'))
	GROUP BY 1 ORDER BY 1
$$;
SELECT state FROM declare_anew();
SELECT state('CREATE FUNCTION test.wrong(integer, integer, text, integer) RETURNS integer AS ''$libdir/pg_chat'', ''chat_create_message_by_id'' LANGUAGE C WINDOW',
	'SELECT test.wrong(1, 1, ''x'', NULL) OVER ()');
SELECT state('CREATE PROCEDURE test.wrong(integer, integer, text, integer) AS ''$libdir/pg_chat'', ''chat_create_message_by_id'' LANGUAGE C',
	'CALL test.wrong(1, 1, ''x'', NULL)');
SELECT state('CREATE AGGREGATE test.wrong(text) (SFUNC = chat.fold, STYPE = text)');
SELECT state('CREATE FUNCTION test.wrong(cstring) RETURNS integer AS ''$libdir/pg_chat'', ''chat_rotate_token_by_id'' LANGUAGE C', 'SELECT test.wrong(''x'')');
SELECT state('CREATE FUNCTION test.wrong() RETURNS event_trigger AS ''$libdir/pg_chat'', ''chat_before_insert'' LANGUAGE C',
	'CREATE EVENT TRIGGER wrong ON ddl_command_start EXECUTE FUNCTION test.wrong()', 'CREATE TABLE test.other ()');
SELECT state('CREATE FUNCTION test.wrong() RETURNS trigger AS ''$libdir/pg_chat'', ''chat_list_applications'' LANGUAGE C',
	'CREATE TRIGGER wrong BEFORE INSERT ON chat.messages FOR EACH ROW EXECUTE FUNCTION test.wrong()', 'SELECT chat.create_message(1, 1, ''x'')');
SELECT state(format('ALTER FUNCTION %s CALLED ON NULL INPUT', f), format('SELECT %s(%s)', split_part(f, '(', 1), c))
FROM (VALUES ('chat.fold(text)', 'NULL'), ('chat.contains(text,text)', 'NULL, NULL'), ('chat.contains(text,text)', '''x'', NULL'),
	('chat_internal.search_checksum(integer,integer,integer,text)', 'NULL, NULL, NULL, NULL')) AS v (f, c);
SELECT state(format('ALTER FUNCTION %s STRICT', function), 'SELECT 1') FROM test.functions WHERE NOT is_trigger AND function::text LIKE 'chat.create_%' ORDER BY 1 LIMIT 1;

-- Triggers on another table, event or level, and with other names of transition tables. A table that
-- looks like one of ours, and ours.
CREATE TABLE test.likeness (application_id integer, chat_number integer, number integer, body text, id integer, token text,
	last_message_number integer, messages_count integer, last_chat_number integer, chats_count integer);
INSERT INTO test.likeness VALUES (1, 1, 1, 'x', 1, 'x', 1, 1, 1, 1);
CREATE TABLE test.uses AS
	SELECT f.function, t.target, w.timing, e.event, l.level, r.referencing
	FROM test.functions AS f, (VALUES ('test.likeness'), ('chat.messages'), ('chat.chats'), ('chat.applications'), ('chat.application_counters'), ('chat.repaired_counts')) AS t (target),
		(VALUES ('BEFORE'), ('AFTER')) AS w (timing), (VALUES ('INSERT'), ('UPDATE'), ('DELETE'), ('TRUNCATE')) AS e (event), (VALUES ('ROW'), ('STATEMENT')) AS l (level),
		(VALUES (''), ('REFERENCING OLD TABLE AS old_rows'), ('REFERENCING NEW TABLE AS new_rows'), ('REFERENCING OLD TABLE AS other_rows')) AS r (referencing)
	WHERE f.is_trigger;
CREATE FUNCTION test.fire(u test.uses) RETURNS text LANGUAGE sql AS $$
	SELECT test.state(
		'SET LOCAL session_replication_role = replica',
		format('INSERT INTO %s DEFAULT VALUES', u.target),
		format('CREATE TRIGGER wrong %s %s ON %s %s FOR EACH %s EXECUTE FUNCTION %s', u.timing, u.event, u.target, u.referencing, u.level, u.function),
		format('ALTER TABLE %s ENABLE ALWAYS TRIGGER wrong', u.target),
		CASE u.event WHEN 'INSERT' THEN format('INSERT INTO %s DEFAULT VALUES', u.target)
			WHEN 'UPDATE' THEN format('UPDATE %1$s SET (%2$s) = ROW(%2$s)', u.target, (SELECT string_agg(attname, ', ') FROM pg_attribute
				WHERE attrelid = u.target::regclass AND attnum > 0 AND attidentity = ''))
			WHEN 'DELETE' THEN format('DELETE FROM %s', u.target)
			ELSE format('TRUNCATE %s CASCADE', u.target) END)
$$;
-- On a table that only looks like ours: never anything but the protocol's error, or none where the trigger cannot be made.
SELECT DISTINCT fire(u) FROM test.uses AS u WHERE target = 'test.likeness' ORDER BY 1;
-- On ours: whatever it says, it does not crash.
SELECT count(fire(u)) = count(*) FROM test.uses AS u WHERE target <> 'test.likeness';

-- Row types that were changed.
CREATE TABLE test.returning (type text, call text);
INSERT INTO test.returning VALUES
	('chat.application', 'chat.get_application(1)'), ('chat.application', 'chat.get_application(current_setting(''test.token''))'), ('chat.application', 'chat.list_applications()'),
	('chat.chat', 'chat.get_chat(1, 1)'), ('chat.chat', 'chat.list_chats(1)'),
	('chat.message', 'chat.get_message(1, 1, 1)'), ('chat.message', 'chat.list_messages(1, 1)'), ('chat.message', 'chat.last_messages(1, 1)'), ('chat.message', 'chat.search_messages(1, 1, ''o'')'),
	('chat.application_message', 'chat.search_application(1, ''o'')'),
	('chat.found_message', 'chat.get_messages(ARRAY[1], ARRAY[1], ARRAY[1])'), ('chat.found_message', 'chat.list_messages(ARRAY[1], ARRAY[1], ARRAY[0], ARRAY[9], ARRAY[1])'),
	('chat.outcome', 'chat.create_messages(ARRAY[1, 7], ARRAY[1, 1], ARRAY[''a'', ''b''])'), ('chat.outcome', 'chat.create_messages(ARRAY[current_setting(''test.token'')], ARRAY[1], ARRAY[''a''])'),
	('chat.outcome', 'chat.import_messages(1, 1, ARRAY[7], ARRAY[''a''], ''{2020-01-01}'')'),
	('chat.message', 'chat.update_message(1, 1, 1, ''edited'')'),
	('chat.cursor', 'chat.get_cursor(1, 1, ''ann'')'), ('chat.cursor', 'chat.set_cursor(1, 1, ''ann'', 1)'), ('chat.unread_chat', 'chat.list_unread(1, ''ann'')'),
	('chat.change', 'chat.list_changes(1, 1)'), ('chat.consumed_change', 'chat.consume(1, ''mailer'')'),
	('chat.repaired_count', 'chat.reconcile()'), ('chat.search_difference', 'chat.verify_search()');
-- No type is left out.
SELECT relname FROM pg_class WHERE relnamespace = 'chat'::regnamespace AND relkind = 'c' AND oid NOT IN (SELECT typrelid FROM pg_type, test.returning WHERE pg_type.oid = type::regtype);
CREATE TABLE test.alterations AS
	SELECT r.type, r.call, a.attname || ' ' || c.change AS what, format(c.statement, r.type, a.attname) AS statement
	FROM test.returning AS r JOIN pg_attribute AS a ON a.attrelid = r.type::regclass AND a.attnum > 0,
		(VALUES ('text', 'ALTER TYPE %1$s ALTER ATTRIBUTE %2$I TYPE text'), ('bigint', 'ALTER TYPE %1$s ALTER ATTRIBUTE %2$I TYPE bigint'), ('integer', 'ALTER TYPE %1$s ALTER ATTRIBUTE %2$I TYPE integer'),
			('point', 'ALTER TYPE %1$s ALTER ATTRIBUTE %2$I TYPE point'), ('dropped', 'ALTER TYPE %1$s DROP ATTRIBUTE %2$I'),
			('replaced', 'ALTER TYPE %1$s DROP ATTRIBUTE %2$I, ADD ATTRIBUTE %2$I text'), ('added', 'ALTER TYPE %1$s ADD ATTRIBUTE other integer')) AS c (change, statement);
UPDATE chat.chats SET messages_count = 9;
SELECT call, state('SELECT * FROM ' || call) FROM test.returning ORDER BY call COLLATE "C";
-- 00000 is left where the attribute has the type already.
SELECT state(statement, 'SELECT * FROM ' || call) AS s, state(statement, 'SELECT ' || call), count(*) FROM test.alterations GROUP BY 1, 2 ORDER BY 1, 2;

-- The transaction goes on, and nothing was written.
SELECT number, body FROM chat.list_messages(1, 1);
DROP EXTENSION pg_chat CASCADE;
