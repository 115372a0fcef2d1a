\i setup.sql
-- An upgrade from 0.1 runs what the tables' owner put on them with the owner's rights at most. eve owns the
-- tables, and is no superuser.
DROP EXTENSION pg_chat CASCADE;
CREATE EXTENSION pg_chat VERSION '0.1';
CREATE ROLE eve;
CREATE SCHEMA eve AUTHORIZATION eve;
INSERT INTO chat.changed_chats VALUES (1, 1);
INSERT INTO chat.retired_tokens (token) VALUES ('x');
INSERT INTO chat.mended_counts (application_id, chat_number, counter, was, mended_to) VALUES (1, 1, 'x', 1, 1);
UPDATE chat.worker_duties SET home = 'another' WHERE duty = 'redis';
DO $$ DECLARE relation regclass; BEGIN
	FOR relation IN SELECT oid FROM pg_class WHERE relnamespace = 'chat'::regnamespace AND relkind = 'r' LOOP
		EXECUTE format('ALTER TABLE %s OWNER TO eve', relation);
	END LOOP;
END $$;
GRANT USAGE ON SCHEMA chat TO eve;

SET ROLE eve;
CREATE TABLE eve.seen (what text, who name, is_super boolean);
CREATE TABLE eve.armed ();
GRANT ALL ON eve.seen, eve.armed TO PUBLIC;
CREATE FUNCTION eve.attack(what text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
	IF NOT EXISTS (SELECT FROM eve.armed) THEN RETURN true; END IF;
	INSERT INTO eve.seen SELECT what, current_user, rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user;
	RETURN true;
END $$;
CREATE FUNCTION eve.attack_in(what text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
	RETURN eve.attack(what);
END $$;
CREATE FUNCTION eve.on_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	PERFORM eve.attack(concat_ws(' ', TG_WHEN, TG_OP));
	RETURN coalesce(NEW, OLD);
END $$;
RESET ROLE;
GRANT CREATE ON SCHEMA chat TO eve;
SET ROLE eve;
DO $$ DECLARE target text; BEGIN
	FOREACH target IN ARRAY ARRAY['changed_chats', 'retired_tokens', 'search_indexes', 'indexed_chats', 'search_queue', 'mended_counts', 'worker_duties', 'chats', 'messages'] LOOP
		EXECUTE format('CREATE TRIGGER zz_before BEFORE INSERT OR UPDATE OR DELETE ON chat.%I FOR EACH ROW EXECUTE FUNCTION eve.on_row()', target);
		EXECUTE format('CREATE TRIGGER zz_after AFTER INSERT OR UPDATE OR DELETE ON chat.%I FOR EACH STATEMENT EXECUTE FUNCTION eve.on_row()', target);
		EXECUTE format('ALTER TABLE chat.%I ADD COLUMN extra boolean DEFAULT eve.attack(%L)', target, 'default');
		EXECUTE format('ALTER TABLE chat.%I ADD COLUMN made boolean GENERATED ALWAYS AS (eve.attack_in(%L)) STORED', target, 'generated');
		EXECUTE format('ALTER TABLE chat.%I ADD CHECK (eve.attack_in(%L))', target, 'check');
		EXECUTE format('CREATE INDEX ON chat.%I ((eve.attack_in(%L)))', target, 'index');
	END LOOP;
END $$;
RESET ROLE;
REVOKE CREATE ON SCHEMA chat FROM eve;
INSERT INTO eve.armed DEFAULT VALUES;

ALTER EXTENSION pg_chat UPDATE;
SELECT DISTINCT what COLLATE "C", who, is_super FROM eve.seen ORDER BY 1;
SELECT job, owner_database = d.oid || '-' || c.system_identifier AS this, claimed FROM chat_internal.worker_jobs, pg_database AS d, pg_control_system() AS c
WHERE d.datname = current_database() ORDER BY job COLLATE "C";

DROP EXTENSION pg_chat CASCADE;
DROP OWNED BY eve CASCADE;
DROP ROLE eve;
