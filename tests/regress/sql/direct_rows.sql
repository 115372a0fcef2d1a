\i setup.sql
-- Rows written directly and by statements: each change of the tables that one can make, which way is
-- taken then, and that both give the same.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
SELECT id FROM chat.create_application('shop');
SELECT chat.create_chat(id('shop')) FROM generate_series(1, 3);

-- Which steps take statements, and why.
CREATE FUNCTION test.by_statements() RETURNS SETOF text LANGUAGE sql AS
	$$ SELECT "table" || ', ' || step || ': ' || reason FROM chat.write_paths() WHERE NOT direct $$;

-- Do one of everything, and tell what came of it. Of rows that are made twice the numbers are not told.
CREATE FUNCTION test.work(app integer, token text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	made integer;
BEGIN
	RETURN NEXT 'create_chat ' || chat.create_chat(app) || ' ' || chat.create_chat(token);
	RETURN NEXT 'create_message ' || chat.create_message(app, 1, 'one') || ' ' || chat.create_message(token, 1, 'two');
	RETURN QUERY SELECT 'create_message ' || chat.create_message(app, 2, 'who', sender => 'Ann', metadata => '{"a": [1, "x"]}');
	RETURN QUERY SELECT 'by id ' || (o.item, o.number, o.sqlstate, o.field, o.message, o.revision, o.replayed,
		o.created_at BETWEEN now() AND clock_timestamp()) FROM chat.create_messages(
		ARRAY[app, app, app, app, app, app], '{2,1,2,99,3,3}', ARRAY['a', 'b', 'c', 'd', ' ', 'f'], '{NULL,NULL,NULL,NULL,NULL,50}',
		senders => '{Bob,NULL,NULL,Bob,Bob,Bob}', metadata => ARRAY[NULL, '{"b": null}', NULL, NULL, NULL, '{}']::jsonb[]) AS o;
	RETURN QUERY SELECT 'by token ' || (o.item, o.number, o.sqlstate, o.field, o.message) FROM chat.create_messages(
		ARRAY[token, 'none', token, NULL], '{1,1,3,1}', '{g,h,i,j}') AS o;
	BEGIN
		made := chat.create_message(app, 3, 'to be edited', metadata => '{"e": 1}');
		RETURN QUERY SELECT 'update ' || (u.number, u.body, u.metadata, u.edited_at BETWEEN now() AND clock_timestamp(), u.revision)
			FROM chat.update_message(app, 3, made, 'edited') AS u;
		RETURN QUERY SELECT 'update ' || (u.number, u.body, u.metadata, u.edited_at BETWEEN now() AND clock_timestamp(), u.revision)
			FROM chat.update_message(token, 3, made, metadata => 'null', if_revision => (SELECT last_revision FROM chat.chats WHERE application_id = app AND number = 3)) AS u;
		RETURN NEXT 'delete ' || chat.delete_message(token, 3, made) || ' ' || chat.delete_message(app, 3, made);
	EXCEPTION WHEN OTHERS THEN
		RETURN NEXT 'refused ' || SQLSTATE || ': ' || SQLERRM;
	END;
	RETURN QUERY SELECT concat_ws(' ', 'chat', c.number, c.messages_count, c.last_message_number, c.last_revision)
		FROM chat.chats AS c WHERE c.application_id = app ORDER BY c.number;
	RETURN QUERY SELECT concat_ws(' ', 'message', m.chat_number, m.number, m.body, m.created_at BETWEEN now() AND clock_timestamp(),
			m.sender, m.metadata, m.edited_at IS NULL, m.deleted_at IS NULL, m.revision, m.key, m.key_digest)
		FROM chat.messages AS m WHERE m.application_id = app ORDER BY m.chat_number, m.number;
	RETURN QUERY SELECT 'read ' || string_agg(concat_ws(' ', item, regexp_replace(json, '(?<=_at")(:"[^"]*")', '', 'g')), ', ')
		FROM (SELECT item, message::text AS json FROM chat.get_messages_json(ARRAY[token, token, 'none'], '{1,1,1}', '{1,9,1}')
			UNION ALL SELECT item, concat_ws(' ', messages, messages_count, cut, first, last)
				FROM chat.list_messages_json(ARRAY[token, token, token, 'none'], '{2,9,4,1}', '{NULL,0,0,0}', '{3,9,9,9}', '{2,2,2,2}')
			UNION ALL SELECT item, concat_ws(' ', messages, messages_count, cut, first, last)
				FROM chat.last_messages_json(ARRAY[token, token], '{1,4}', '{2,2}', 200)
			UNION ALL SELECT item, concat_ws(' ', messages, messages_count, cut, first, last)
				FROM chat.list_messages_json(ARRAY[token, token, token, token], '{3,3,2,3}', '{0,0,0,0}', '{99,99,99,99}', '{9,9,9,9}', NULL, '{NULL,Bob,Ann,Zoe}', '{f,t,NULL,t}')
			UNION ALL SELECT item, concat_ws(' ', messages, messages_count, cut, first, last)
				FROM chat.last_messages_json(ARRAY[token, token], '{3,3}', '{1,1}', NULL, NULL, '{t,f}')) AS r (item, json);
	RETURN QUERY SELECT concat_ws(' ', 'wrong', w.*) FROM test.wrong_counters() AS w ORDER BY 1;
EXCEPTION WHEN OTHERS THEN
	RETURN NEXT 'error ' || SQLSTATE || ': ' || SQLERRM;
END $$;

-- Make a change, work both ways, each undone, and compare; then undo the change.
CREATE FUNCTION test.both_ways(app integer, token text, OUT direct text[], OUT by_statement text[]) LANGUAGE plpgsql AS $$
DECLARE
	way text;
BEGIN
	FOREACH way IN ARRAY ARRAY['on', 'off'] LOOP
		BEGIN
			PERFORM set_config('pg_chat.direct_rows', way, true);
			IF way = 'on' THEN
				direct := ARRAY(SELECT test.work(app, token));
			ELSE
				by_statement := ARRAY(SELECT test.work(app, token));
			END IF;
			RAISE SQLSTATE 'UNDO0';
		EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
		END;
	END LOOP;
END $$;
CREATE FUNCTION test.changed(change text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	done record;
	steps text[];
	app integer := test.id('shop');
	token text := test.token('shop');
BEGIN
	BEGIN
		IF change <> '' THEN
			EXECUTE change;
		END IF;
		PERFORM set_config('pg_chat.direct_rows', 'on', true);
		steps := ARRAY(SELECT test.by_statements());
		done := test.both_ways(app, token);
		RAISE SQLSTATE 'UNDO1';
	EXCEPTION WHEN SQLSTATE 'UNDO1' THEN
	END;
	RETURN QUERY SELECT unnest(steps);
	IF done.direct IS DISTINCT FROM done.by_statement THEN
		RETURN QUERY SELECT 'direct: ' || unnest(done.direct) UNION ALL SELECT 'statement: ' || unnest(done.by_statement);
	ELSIF done.direct[cardinality(done.direct)] LIKE 'error %' THEN
		RETURN NEXT 'the same ' || done.direct[cardinality(done.direct)];
	ELSE
		RETURN NEXT 'the same';
	END IF;
END $$;

SET pg_chat.direct_rows = on;
SELECT * FROM chat.write_paths();
SELECT work(id('shop'), token('shop'));
SELECT changed('');
SET pg_chat.direct_rows = off;
SELECT by_statements();
SET pg_chat.direct_rows = on;

-- Changes after which rows are still written directly: columns that may be null, dropped ones, more btrees, ours of trigrams.
SELECT changed('ALTER TABLE chat.messages ADD COLUMN author text, ADD COLUMN gone integer; ALTER TABLE chat.messages DROP COLUMN gone; ALTER TABLE chat.messages ADD COLUMN after_it integer');
SELECT changed('ALTER TABLE chat.chats ADD COLUMN title text, ADD COLUMN gone integer; UPDATE chat.chats SET title = repeat(number::text, 3000), gone = 1; ALTER TABLE chat.chats DROP COLUMN gone; ALTER TABLE chat.chats ADD COLUMN later integer');
SELECT changed('ALTER TABLE chat.messages DROP COLUMN created_at; ALTER TABLE chat.messages ADD COLUMN created_at timestamptz NOT NULL DEFAULT clock_timestamp()');
SELECT changed('CREATE INDEX ON chat.messages (created_at); CREATE INDEX ON chat.messages (number) INCLUDE (body)');
SELECT changed('CREATE INDEX ON chat.chats (last_message_number); CREATE UNIQUE INDEX ON chat.chats (number, application_id)');
SELECT changed('CREATE INDEX messages_body_trgm ON chat.messages USING gin (chat.fold(body) gin_trgm_ops)');
SELECT changed('CREATE UNIQUE INDEX ON chat.messages (application_id, body)');
SELECT changed('CREATE INDEX ON chat.messages (application_id, sender, body); CREATE INDEX ON chat.messages (revision, deleted_at)');
SELECT changed('ALTER TABLE chat.messages ADD COLUMN kind text DEFAULT ''plain''; ALTER TABLE chat.messages ALTER COLUMN kind DROP DEFAULT');
SELECT changed('ALTER TABLE chat.chats REPLICA IDENTITY NOTHING');
SELECT changed('ALTER TABLE chat.messages SET UNLOGGED');
SELECT changed('CREATE TABLE t (a integer, c integer, FOREIGN KEY (a, c) REFERENCES chat.chats); INSERT INTO t SELECT application_id, number FROM chat.chats');
SELECT changed('CREATE FUNCTION test.none() RETURNS trigger LANGUAGE plpgsql AS ''BEGIN RETURN NULL; END''; CREATE TRIGGER t AFTER DELETE ON chat.messages FOR EACH ROW EXECUTE FUNCTION test.none()');
SELECT changed('UPDATE chat.chats SET last_message_number = 2147483645, messages_count = 3 WHERE number = 1');
SELECT changed('UPDATE chat.chats SET messages_count = 2147483646 WHERE number = 1');
SELECT changed('UPDATE chat.application_counters SET last_chat_number = 2147483646');
SELECT changed('DELETE FROM chat.application_counters');
SELECT changed('DELETE FROM chat.chats');
SELECT changed('INSERT INTO chat.messages (application_id, chat_number, body) VALUES (1, 1, ''before'')');

-- A column that a new row leaves out is null, also where rows that were there before have something.
BEGIN;
SELECT chat.create_message(id('shop'), 1, 'before');
ALTER TABLE chat.messages ADD COLUMN kind text DEFAULT 'plain';
ALTER TABLE chat.messages ALTER COLUMN kind DROP DEFAULT;
CREATE INDEX ON chat.messages (kind, body);
SELECT chat.create_message(id('shop'), 1, 'after');
SELECT chat.update_message(id('shop'), 1, 1, 'edited') IS NULL;
SET LOCAL enable_seqscan = off;
SELECT body, kind FROM chat.messages WHERE kind IS NULL OR kind = 'plain' ORDER BY number;
ROLLBACK;

-- Changes after which they are not.
CREATE FUNCTION test.upper_body() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.body := upper(NEW.body); RETURN NEW; END $$;
CREATE FUNCTION test.same() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
SELECT changed('CREATE TRIGGER t BEFORE INSERT ON chat.messages FOR EACH ROW EXECUTE FUNCTION test.upper_body()');
SELECT changed('CREATE TRIGGER t AFTER INSERT ON chat.messages REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION test.same()');
SELECT changed('CREATE TRIGGER t AFTER UPDATE ON chat.chats FOR EACH ROW EXECUTE FUNCTION test.same()');
SELECT changed('CREATE TRIGGER t BEFORE INSERT ON chat.chats FOR EACH ROW EXECUTE FUNCTION test.same()');
SELECT changed('CREATE TRIGGER t BEFORE UPDATE ON chat.application_counters FOR EACH ROW EXECUTE FUNCTION test.same()');
SELECT changed('CREATE TRIGGER t BEFORE INSERT ON chat.messages FOR EACH ROW WHEN (NEW.body = ''a'') EXECUTE FUNCTION chat_internal.before_insert()');
SELECT changed('CREATE CONSTRAINT TRIGGER t AFTER INSERT ON chat.messages DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION test.same()');
SELECT changed('ALTER TABLE chat.messages ENABLE TRIGGER ALL');
SELECT changed('CREATE TABLE rooms (id integer PRIMARY KEY); ALTER TABLE chat.chats ADD COLUMN room integer REFERENCES rooms');
SELECT changed('ALTER TABLE chat.chats DROP CONSTRAINT chats_application_id_fkey; ALTER TABLE chat.chats ADD FOREIGN KEY (application_id) REFERENCES chat.applications DEFERRABLE INITIALLY DEFERRED');
SELECT changed('CREATE RULE r AS ON INSERT TO chat.messages DO ALSO NOTIFY said');
SELECT changed('CREATE RULE r AS ON UPDATE TO chat.chats DO ALSO NOTIFY said');
SELECT changed('ALTER TABLE chat.messages ENABLE ROW LEVEL SECURITY');
SELECT changed('ALTER TABLE chat.applications ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY');
SELECT changed('ALTER TABLE chat.messages ADD CHECK (body <> ''g'') NOT VALID');
SELECT changed('ALTER TABLE chat.chats ADD CHECK (messages_count < 3) NOT VALID');
SELECT changed('ALTER TABLE chat.messages ADD COLUMN length integer GENERATED ALWAYS AS (length(body)) STORED');
SELECT changed('ALTER TABLE chat.messages ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY');
SELECT changed('ALTER TABLE chat.messages ADD COLUMN kind text DEFAULT ''plain''');
SELECT changed('ALTER TABLE chat.messages ADD COLUMN kind text; UPDATE chat.messages SET kind = ''x''; ALTER TABLE chat.messages ALTER COLUMN kind SET NOT NULL');
SELECT changed('CREATE DOMAIN test.kind AS text CHECK (value IS NOT NULL); ALTER TABLE chat.messages ADD COLUMN kind test.kind DEFAULT ''x''; ALTER TABLE chat.messages ALTER COLUMN kind DROP DEFAULT');
SELECT changed('ALTER TABLE chat.messages ALTER COLUMN created_at SET DEFAULT ''2000-01-01''');
SELECT changed('ALTER TABLE chat.messages ALTER COLUMN created_at DROP NOT NULL');
SELECT changed('ALTER TABLE chat.messages ALTER COLUMN created_at TYPE timestamp');
SELECT changed('ALTER TABLE chat.messages ALTER COLUMN edited_at TYPE timestamptz(0)');
SELECT changed('ALTER TABLE chat.messages ADD UNIQUE (application_id, chat_number, number, sender); CREATE TABLE test.quotes (a integer, c integer, n integer, s text, FOREIGN KEY (a, c, n, s) REFERENCES chat.messages (application_id, chat_number, number, sender))');
SELECT changed('ALTER TABLE chat.messages ALTER COLUMN body TYPE varchar(3)');
SELECT changed('ALTER TABLE chat.messages RENAME COLUMN body TO content');
SELECT changed('ALTER TABLE chat.chats ALTER COLUMN messages_count SET DEFAULT 5');
SELECT changed('ALTER TABLE chat.chats ALTER COLUMN last_message_number TYPE bigint');
SELECT changed('CREATE INDEX ON chat.messages (lower(body))');
SELECT changed('CREATE INDEX ON chat.messages (number) WHERE number > 5');
SELECT changed('CREATE INDEX ON chat.messages USING hash (body)');
SELECT changed('CREATE INDEX ON chat.messages USING brin (created_at)');
SELECT changed('CREATE INDEX ON chat.messages USING gin (body gin_trgm_ops)');
SELECT changed('ALTER TABLE chat.messages ADD UNIQUE (application_id, chat_number, body) DEFERRABLE');
SELECT changed('ALTER TABLE chat.messages ADD EXCLUDE USING btree (body WITH =)');
SELECT changed('ALTER TABLE chat.messages DROP CONSTRAINT messages_pkey');
SELECT changed('ALTER TABLE chat.chats DROP CONSTRAINT chats_pkey CASCADE');
SELECT changed('ALTER TABLE chat.chats DROP CONSTRAINT chats_pkey CASCADE; ALTER TABLE chat.chats ADD PRIMARY KEY (number, application_id)');
SELECT changed('ALTER TABLE chat.applications DROP CONSTRAINT applications_token_key');
SELECT changed('DO $d$ BEGIN FOR i IN 1..8 LOOP EXECUTE format(''CREATE INDEX ON chat.messages (number, application_id)''); END LOOP; END $d$');
SELECT changed('CREATE TABLE test.child () INHERITS (chat.messages)');
SELECT changed('CREATE TABLE test.parent (LIKE chat.messages); ALTER TABLE chat.messages INHERIT test.parent');
SELECT changed('CREATE TABLE test.parent (LIKE chat.messages) PARTITION BY LIST (application_id); ALTER TABLE test.parent ATTACH PARTITION chat.messages DEFAULT');
SELECT changed('ALTER TABLE chat.messages RENAME TO messages_kept; CREATE VIEW chat.messages AS SELECT * FROM chat.messages_kept');
SELECT changed('CREATE TABLE test.copy (LIKE chat.messages INCLUDING ALL) PARTITION BY HASH (application_id); CREATE TABLE test.copy0 PARTITION OF test.copy FOR VALUES WITH (MODULUS 1, REMAINDER 0); ALTER TABLE chat.messages RENAME TO messages_kept; ALTER TABLE test.copy SET SCHEMA chat; ALTER TABLE chat.copy RENAME TO messages');
SELECT changed('CREATE OR REPLACE FUNCTION chat_internal.after_update_chats() RETURNS trigger LANGUAGE plpgsql AS ''BEGIN PERFORM 1; RETURN NULL; END''');
SELECT changed('CREATE INDEX messages_body_trgm ON chat.messages USING gin (chat.fold(body) gin_trgm_ops); CREATE OR REPLACE FUNCTION chat.fold(value text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS ''BEGIN RETURN value; END''');

-- A reference to or from a column that changes do change is heeded.
BEGIN;
SELECT chat.create_message(id('shop'), 1, 'quoted', 7001, sender => 'bob'), chat.create_message(id('shop'), 1, 'listed', 7002);
CREATE TABLE test.quotes (a integer, c integer, n integer, s text);
INSERT INTO quotes VALUES (id('shop'), 1, 7001, 'bob');
CREATE TABLE test.listed (body text PRIMARY KEY);
INSERT INTO listed SELECT DISTINCT body FROM chat.messages;
SAVEPOINT s;
ALTER TABLE chat.messages ADD UNIQUE (application_id, chat_number, number, sender);
ALTER TABLE quotes ADD FOREIGN KEY (a, c, n, s) REFERENCES chat.messages (application_id, chat_number, number, sender);
SELECT chat.update_message(id('shop'), 1, 7001, 'edited') IS NULL;
SELECT chat.delete_message(id('shop'), 1, 7001);
ROLLBACK TO s;
ALTER TABLE chat.messages ADD FOREIGN KEY (body) REFERENCES listed;
SELECT chat.update_message(id('shop'), 1, 7002, 'quoted') IS NULL;
SELECT chat.update_message(id('shop'), 1, 7002, 'another text') IS NULL;
ROLLBACK;

-- Without a privilege the owner's statements fail, and so does this.
CREATE ROLE regress_keeper;
CREATE FUNCTION test.give_away() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	t regclass;
BEGIN
	ALTER SCHEMA chat OWNER TO regress_keeper;
	ALTER SCHEMA chat_internal OWNER TO regress_keeper;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA chat, chat_internal TO regress_keeper;
	FOR t IN SELECT oid FROM pg_class WHERE relnamespace IN ('chat'::regnamespace, 'chat_internal'::regnamespace) AND relkind IN ('r', 'v') LOOP
		EXECUTE format('ALTER TABLE %s OWNER TO regress_keeper', t);
	END LOOP;
END $$;
SELECT changed('SELECT test.give_away()');
SELECT changed('SELECT test.give_away(); REVOKE INSERT ON chat.messages FROM regress_keeper');
SELECT changed('SELECT test.give_away(); REVOKE UPDATE ON chat.applications FROM regress_keeper');
SELECT changed('ALTER TABLE chat.messages OWNER TO regress_keeper');
DROP ROLE regress_keeper;

-- A publication of updates needs a replica identity.
SET client_min_messages = error;
SELECT changed('ALTER TABLE chat.chats REPLICA IDENTITY NOTHING; CREATE PUBLICATION regress_all FOR TABLE chat.chats');

-- A reference whose check waits is not skipped by updating the row that it is about.
BEGIN;
ALTER TABLE chat.chats DROP CONSTRAINT chats_application_id_fkey;
ALTER TABLE chat.chats ADD CONSTRAINT later FOREIGN KEY (application_id) REFERENCES chat.applications DEFERRABLE INITIALLY DEFERRED;
SET LOCAL session_replication_role = origin;
ALTER TABLE chat.chats DISABLE TRIGGER before_insert;
INSERT INTO chat.chats (application_id, number) VALUES (1234, 1);
SELECT chat.create_message(1234, 1, 'of nobody');
SELECT error('SET CONSTRAINTS ALL IMMEDIATE');
ROLLBACK;

-- Earlier changes are seen, also those of the same statement.
WITH made AS (UPDATE chat.chats SET created_at = created_at WHERE number = 3 RETURNING chat.create_message(application_id, number, 'in an update') AS number)
SELECT count(number) FROM made;
SELECT * FROM wrong_counters();

-- Both ways count alike: rows inserted, updated, and updated in their page.
CREATE FUNCTION test.counts() RETURNS TABLE (name text, inserted bigint, updated bigint, in_page bigint) LANGUAGE sql AS $$
	SELECT t::text, pg_stat_get_xact_tuples_inserted(t), pg_stat_get_xact_tuples_updated(t), pg_stat_get_xact_tuples_hot_updated(t)
	FROM unnest(ARRAY['chat.application_counters', 'chat.chats', 'chat.messages']::regclass[]) AS t
$$;
CREATE FUNCTION test.counted(way text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('pg_chat.direct_rows', way, true);
	CREATE TEMPORARY TABLE before ON COMMIT DROP AS SELECT * FROM test.counts();
	PERFORM chat.create_chat(id('shop')), chat.create_message(id('shop'), 1, 'm') FROM generate_series(1, 20);
	PERFORM chat.create_messages(array_fill(id('shop'), ARRAY[100]), ARRAY(SELECT i % 20 + 1 FROM generate_series(1, 100) AS i),
		array_fill('m'::text, ARRAY[100]));
	RETURN QUERY SELECT format('%s: %s inserted, %s updated, %s of them in the page',
		name, c.inserted - b.inserted, c.updated - b.updated, c.in_page - b.in_page) FROM test.counts() AS c JOIN before AS b USING (name);
END $$;
BEGIN;
SELECT counted('on');
ROLLBACK;
BEGIN;
SELECT counted('off');
ROLLBACK;

-- A transaction that updates a row again and again, in subtransactions, does not look at all it made before,
-- whichever way it writes, and whatever is taken back.
CREATE FUNCTION test.say(what text, times integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	before bigint := pg_stat_get_xact_blocks_fetched('chat.chats'::regclass) + pg_stat_get_xact_blocks_fetched('chat.application_counters'::regclass);
BEGIN
	FOR i IN 1..times LOOP
		BEGIN
			EXECUTE what USING id('shop');
			IF i % 3 = 0 THEN
				RAISE division_by_zero;
			END IF;
		EXCEPTION WHEN division_by_zero THEN
		END;
	END LOOP;
	RETURN pg_stat_get_xact_blocks_fetched('chat.chats'::regclass) + pg_stat_get_xact_blocks_fetched('chat.application_counters'::regclass) - before;
END $$;
CREATE FUNCTION test.say_much(way text, what text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	few bigint;
	more bigint;
BEGIN
	PERFORM set_config('pg_chat.direct_rows', way, true);
	few := test.say(what, 100);
	PERFORM test.say(what, 600);
	more := test.say(what, 100);
	IF more > 2 * few THEN
		RAISE NOTICE '% blocks at first, % at the end', few, more;
	END IF;
	RETURN more <= 2 * few;
END $$;
CREATE SEQUENCE test.numbers START 1000000 INCREMENT 10000;
BEGIN;
SELECT way, what FROM unnest('{on,off}'::text[]) AS way, unnest(ARRAY[
	'SELECT chat.create_message($1, 1, $$m$$)',
	'SELECT chat.create_message($1, 1, $$m$$, nextval($$test.numbers$$)::integer)',
	'SELECT chat.create_messages(ARRAY[$1, $1], $${1,2}$$, $${m,m}$$)',
	'SELECT chat.create_messages(ARRAY[$1, $1], $${1,2}$$, $${m,m}$$, wait => false)',
	'SELECT chat.create_chat($1)']) AS what
WHERE NOT say_much(way, what);
SELECT * FROM wrong_counters();
ROLLBACK;
BEGIN;
SELECT way, what FROM unnest('{on,off}'::text[]) AS way, unnest(ARRAY[
	'INSERT INTO chat.messages (application_id, chat_number, body) VALUES ($1, 1, $$m$$)',
	'INSERT INTO chat.chats (application_id) VALUES ($1)']) AS what
WHERE NOT say_much(way, what);
ROLLBACK;

-- A row in the table's way of storing it: large, and long beside it.
SELECT chat.create_message(id('shop'), 2, repeat(md5('a'), 1800));
SELECT item, number, field FROM chat.create_messages(ARRAY[id('shop'), id('shop'), id('shop')], '{2,2,2}',
	ARRAY[repeat(md5('b'), 1800), 'c', repeat('d', 70000)]);
SELECT number, length(body), left(body, 3) FROM chat.last_messages(id('shop'), 2, 3);
SELECT * FROM wrong_counters();

-- Where rows may be on other machines.
SELECT changed('UPDATE pg_extension SET extname = ''citus'' WHERE extname = ''pg_trgm''; ALTER TABLE chat.messages SET (fillfactor = 90); ALTER TABLE chat.chats SET (fillfactor = 20); ALTER TABLE chat.applications SET (fillfactor = 90); ALTER TABLE chat.application_counters SET (fillfactor = 20)');
