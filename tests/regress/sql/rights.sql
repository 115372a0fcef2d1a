\i setup.sql
-- Code that the owner of the tables put on them runs with the owner's rights at most, whoever calls
-- the functions. eve owns the tables, and is no superuser.
CREATE ROLE eve;
CREATE ROLE chat_test_caller IN ROLE chat_api;
CREATE SCHEMA eve AUTHORIZATION eve;
GRANT USAGE ON SCHEMA test, eve TO chat_test_caller;
SELECT id FROM chat.create_application('shop');
SELECT chat.create_chat(1), chat.create_message(1, 1, 'one'), chat.create_message(1, 1, 'two');
SELECT token FROM chat.get_application(1) \gset

-- Tables of several owners: an error that says how to repair it.
ALTER TABLE chat.messages OWNER TO eve;
SELECT error($$SELECT chat.create_message(1, 1, 'x')$$);
SELECT error('SELECT * FROM chat.list_applications()');
SELECT error('SELECT * FROM chat.worker_status');
SELECT error('DELETE FROM chat.messages');

CREATE PROCEDURE test.give_to(new_owner text) LANGUAGE plpgsql AS $$
DECLARE
	relation regclass;
BEGIN
	FOR relation IN SELECT oid FROM pg_class WHERE relnamespace IN ('chat'::regnamespace, 'chat_internal'::regnamespace) AND relkind IN ('r', 'v') LOOP
		EXECUTE format('ALTER TABLE %s OWNER TO %I', relation, new_owner);
	END LOOP;
END $$;
CALL give_to('eve');
SELECT error($$SELECT chat.create_message(1, 1, 'x')$$);
ALTER SCHEMA chat OWNER TO eve;
SELECT error($$SELECT chat.create_message(1, 1, 'x')$$);
ALTER SCHEMA chat_internal OWNER TO eve;
SELECT error($$SELECT chat.create_message(1, 1, 'x')$$);
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA chat, chat_internal TO eve;
SELECT chat.create_message(1, 1, 'three');

-- A record of what eve tried, and as whom she ran at the time.
SET ROLE eve;
CREATE TABLE eve.seen (what text, who name, is_super boolean);
CREATE TABLE eve.armed ();
GRANT ALL ON eve.seen, eve.armed TO PUBLIC;
CREATE FUNCTION eve.attack(what text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	attempt text;
BEGIN
	-- Not while the test itself acts as eve, and could become a superuser again.
	IF NOT EXISTS (SELECT FROM eve.armed) THEN RETURN true; END IF;
	FOREACH attempt IN ARRAY ARRAY['ALTER ROLE eve SUPERUSER', 'SET ROLE NONE', 'SET SESSION AUTHORIZATION DEFAULT', 'SET search_path = eve',
		'SET LOCAL row_security = on', 'DECLARE later CURSOR WITH HOLD FOR SELECT eve.attack(''cursor'')', 'CREATE TEMPORARY TABLE messages (number integer)']
	LOOP
		BEGIN EXECUTE attempt; EXCEPTION WHEN OTHERS THEN END;
	END LOOP;
	INSERT INTO eve.seen SELECT what, current_user, rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user;
	RETURN true;
END $$;
CREATE FUNCTION eve.on_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	PERFORM eve.attack(concat_ws(' ', TG_WHEN, TG_OP, TG_TABLE_NAME, TG_LEVEL));
	RETURN coalesce(NEW, OLD);
END $$;
CREATE FUNCTION eve.attack_in(what text, value anyelement) RETURNS anyelement LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
	PERFORM eve.attack(what);
	RETURN value;
END $$;
DO $$ DECLARE target text; BEGIN
	FOR target IN SELECT oid::regclass FROM pg_class WHERE relnamespace IN ('chat'::regnamespace, 'chat_internal'::regnamespace) AND relkind = 'r' LOOP
		EXECUTE format('CREATE TRIGGER zz_before BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION eve.on_row()', target);
		EXECUTE format('CREATE TRIGGER zz_after AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH STATEMENT EXECUTE FUNCTION eve.on_row()', target);
		EXECUTE format('ALTER TABLE %s ADD COLUMN extra boolean DEFAULT eve.attack(%L)', target, 'default ' || target);
		EXECUTE format('ALTER TABLE %s ADD COLUMN made boolean GENERATED ALWAYS AS (eve.attack_in(%L, true)) STORED', target, 'generated ' || target);
		EXECUTE format('ALTER TABLE %s ADD CHECK (eve.attack_in(%L, true))', target, 'check ' || target);
		EXECUTE format('CREATE INDEX ON %s ((eve.attack_in(%L, %I)))', target, 'index ' || target,
			(SELECT attname FROM pg_attribute WHERE attrelid = target::regclass AND attnum = 1));
	END LOOP;
END $$;
ALTER TABLE chat.applications ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY all_rows ON chat.applications USING (eve.attack('policy')) WITH CHECK (eve.attack('policy'));
RESET ROLE;
INSERT INTO eve.armed DEFAULT VALUES;

-- By token, as a role that is nobody.
SET ROLE chat_test_caller;
SELECT id FROM chat.create_application('bank');
SELECT chat.create_chat(:'token'), chat.create_chat(:'token', 9);
SELECT chat.create_message(:'token', 1, 'four'), chat.create_message(:'token', 1, 'eight', 8), chat.create_message(:'token', 1, 'five', 5);
SELECT item, number FROM chat.create_messages(ARRAY[:'token', :'token'], '{1, 2}', '{a, b}', '{NULL, 3}');
SELECT chat.rotate_token(:'token') AS token \gset
SELECT name FROM chat.get_application(:'token');
SELECT number FROM chat.list_messages(:'token', 1);
SELECT number FROM chat.search_messages(:'token', 1, 'E');
SELECT body FROM chat.update_message(:'token', 1, 1, 'edited');
SELECT chat.delete_message(:'token', 1, 2), chat.set_cursor(:'token', 1, 'ann', 1);
SELECT chat.create_message(:'token', 1, 'once', NULL, NULL, NULL, 'key'), chat.create_chat(:'token', 3), chat.delete_chat(:'token', 3);
SELECT chat.create_ticket(:'token', 'ticket', 'ann'), chat.use_ticket(:'token', 'ticket');
SHOW search_path;
RESET ROLE;

-- As a superuser: by id, and what monitors and repairs.
SELECT id FROM chat.create_application('club');
SELECT chat.create_chat(1), chat.create_message(1, 1, 'twenty', 20), chat.rotate_token(1) <> '', chat.create_message(1, 1, 'next');
SELECT item, number FROM chat.create_messages('{1, 1}'::integer[], '{1, 2}', '{a, b}');
SELECT chat.create_key('all', 'admin') <> chat.create_key('some', 'read', 1), (chat.create_signing_key(1, 'k')).kid;
SELECT chat.note_key_use(ARRAY(SELECT id FROM chat.list_keys())), chat.revoke_key(min(id)), chat.revoke_signing_key(1, 'k') FROM chat.list_keys();
-- What cannot be seen is not removed, whatever the policy says.
SELECT error(format('SELECT chat.delete_application(%s)', id)) FROM chat.list_applications() WHERE name = 'club';
SELECT count(*) FROM chat.list_applications();
SELECT count(*) FROM chat.worker_status;
SELECT count(*) FROM chat.search_status;
ALTER TABLE chat.applications NO FORCE ROW LEVEL SECURITY;
SELECT chat.delete_application(id) FROM chat.list_applications() WHERE name = 'club';
TRUNCATE eve.armed;
SET session_replication_role = replica;
UPDATE chat.chats SET messages_count = 100 WHERE number = 1;
RESET session_replication_role;
INSERT INTO eve.armed DEFAULT VALUES;
SELECT * FROM chat.reconcile();
CALL chat.purge();
SHOW search_path;
SELECT DISTINCT who, is_super FROM eve.seen;
SELECT DISTINCT what COLLATE "C" FROM eve.seen ORDER BY 1;
SELECT rolsuper FROM pg_roles WHERE rolname = 'eve';
SELECT count(*) FROM pg_cursors;
SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relname = 'messages';

-- Code that is deferred to the commit would run with the caller's rights: it is refused.
SET ROLE eve;
CREATE CONSTRAINT TRIGGER zz_later AFTER INSERT ON chat.messages DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION eve.on_row();
RESET ROLE;
SELECT error($$SELECT chat.create_message(1, 1, 'x')$$);
DROP TRIGGER zz_later ON chat.messages;

-- A view in the place of a table.
TRUNCATE eve.armed, eve.seen;
SET ROLE eve;
ALTER TABLE chat_internal.worker_jobs RENAME TO hidden;
CREATE VIEW chat_internal.worker_jobs AS SELECT * FROM chat_internal.hidden WHERE eve.attack('view of jobs');
ALTER TABLE chat_internal.search_indexes RENAME TO hidden_indexes;
CREATE VIEW chat_internal.search_indexes AS SELECT * FROM chat_internal.hidden_indexes WHERE eve.attack('view of indexes');
ALTER TABLE chat_internal.recount_queue RENAME TO hidden_queue;
CREATE VIEW chat_internal.recount_queue AS SELECT * FROM chat_internal.hidden_queue WHERE eve.attack('view of queue');
ALTER TABLE chat.messages RENAME TO hidden;
CREATE VIEW chat.messages AS SELECT * FROM chat.hidden WHERE eve.attack('view of messages');
INSERT INTO chat_internal.hidden_indexes (name, alias, owner_database, state) SELECT 'i', 'i', d.oid || '-' || c.system_identifier, 'current' FROM pg_database AS d, pg_control_system() AS c WHERE d.datname = current_database();
INSERT INTO chat_internal.hidden_queue VALUES (1, 1);
INSERT INTO chat_internal.hidden (owner_database, job) SELECT d.oid || '-' || c.system_identifier, 'redis' FROM pg_database AS d, pg_control_system() AS c WHERE d.datname = current_database();
RESET ROLE;
INSERT INTO eve.armed DEFAULT VALUES;
SELECT count(*) FROM chat.worker_status;
SELECT count(*) FROM chat.search_status;
SELECT number FROM chat.get_message(1, 1, 1);
SELECT error($$SELECT chat.create_message(1, 1, 'eleven')$$);
SELECT chat.reindex();
SELECT DISTINCT what COLLATE "C", who, is_super FROM eve.seen WHERE what LIKE 'view %' ORDER BY 1;
SELECT rolsuper FROM pg_roles WHERE rolname = 'eve';
TRUNCATE eve.armed;
SET ROLE eve;
DROP VIEW chat_internal.worker_jobs, chat_internal.search_indexes, chat_internal.recount_queue, chat.messages;
ALTER TABLE chat_internal.hidden RENAME TO worker_jobs;
ALTER TABLE chat_internal.hidden_indexes RENAME TO search_indexes;
ALTER TABLE chat_internal.hidden_queue RENAME TO recount_queue;
ALTER TABLE chat.hidden RENAME TO messages;
DELETE FROM chat_internal.search_indexes;
RESET ROLE;

-- TRIGGER granted to somebody: the same.
CREATE ROLE mallory;
GRANT USAGE ON SCHEMA chat, eve TO mallory;
GRANT TRIGGER ON chat.messages TO mallory;
GRANT CREATE ON SCHEMA eve TO mallory;
SET ROLE mallory;
CREATE FUNCTION eve.grasp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO eve.seen SELECT 'granted', current_user, rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user;
	BEGIN ALTER ROLE mallory SUPERUSER; EXCEPTION WHEN insufficient_privilege THEN END;
	RETURN NULL;
END $$;
CREATE TRIGGER zz_grasp AFTER INSERT ON chat.messages FOR EACH STATEMENT EXECUTE FUNCTION eve.grasp();
RESET ROLE;
SELECT chat.create_message(1, 1, 'twelve') > 0;
SELECT who, is_super FROM eve.seen WHERE what = 'granted';
SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory';
DROP TRIGGER zz_grasp ON chat.messages;

-- Rows that the owner may not see are not taken for absent, nor passed over or removed.
SELECT chat.create_chat(1, 50), chat.create_chat(1, 51);
SELECT count(chat.create_message(1, chat, 'x')) FROM generate_series(50, 51) AS chat, generate_series(1, 3);
SELECT chat.delete_message(1, 51, 3);
SET ROLE eve;
ALTER TABLE chat.messages ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
RESET ROLE;
SELECT messages_count > 0 FROM chat.get_chat(1, 1);
SELECT error('SELECT * FROM chat.reconcile()');
SELECT error('SELECT * FROM chat.reconcile(1, 1)');
SELECT error('SELECT * FROM chat.search_status'), error('SELECT * FROM chat.verify_search()');
SELECT messages_count > 0 FROM chat.get_chat(1, 1);
SELECT count(*) FROM chat.list_messages(1, 1);
SELECT error($$SELECT chat.create_message(1, 1, 'x')$$);
SELECT error('SELECT chat.export_messages(1, 50)'), error('SELECT chat.export_application(1)');
SELECT DISTINCT error(format('SELECT chat.export_json(%L, %s, 0, 0, 1)', token, chat)) FROM chat.applications, unnest('{50,NULL::integer}'::text[]) AS chat WHERE id = 1;
SELECT error($$SELECT chat.consume(1, 'mailer', 1000, '{50}')$$), error('SELECT chat.delete_chat(1, 50)'), error('SELECT chat.delete_application(1)');
-- The unread are counted among those that it sees, whether a message of the chat was deleted or not.
SELECT (chat.set_cursor(1, chat, 'ann', 1)).unread_count FROM generate_series(50, 51) AS chat;
SELECT chat_number, unread_count FROM chat.list_unread(1, 'ann');
ALTER TABLE chat.messages NO FORCE ROW LEVEL SECURITY;
SELECT count(*) FROM chat.consume(1, 'mailer', 1000, '{50}');
SELECT chat_number, unread_count FROM chat.list_unread(1, 'ann');
SELECT count(*) FROM chat.export_messages(1, 50);
SELECT chat.delete_chat(1, 50), chat.delete_chat(1, 51);
SELECT count(*) FROM chat.reconcile();
ALTER TABLE chat_internal.search_queue ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SELECT error($$SELECT chat.create_message(1, 1, 'x')$$);
ALTER TABLE chat_internal.search_queue DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
SELECT chat.create_message(1, 1, 'thirteen') > 0;

-- An owner's trigger that changes the tables itself, while a row is numbered.
SET ROLE eve;
CREATE FUNCTION eve.chain() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO chat.chats (application_id) SELECT 1 FROM generate_series(1, 3);
	INSERT INTO chat.messages (application_id, chat_number, body) VALUES (1, 1, 'by a trigger');
	RETURN NULL;
END $$;
CREATE TRIGGER zz_chain AFTER INSERT ON chat.application_counters FOR EACH ROW EXECUTE FUNCTION eve.chain();
INSERT INTO chat.applications (name, token) VALUES ('bare', 'bare') RETURNING id AS bare \gset
INSERT INTO chat.chats (application_id) SELECT a FROM unnest(ARRAY[1, :bare, 1, :bare]) AS a;
RESET ROLE;
SELECT count(*) FROM chat.reconcile();
SELECT * FROM test.wrong_counters();

DROP EXTENSION pg_chat CASCADE;
DROP OWNED BY eve, mallory, chat_test_caller CASCADE;
DROP ROLE eve, mallory, chat_test_caller;
