\i setup.sql
SELECT extversion = default_version, extnamespace::regnamespace, extrelocatable
FROM pg_extension JOIN pg_available_extensions ON name = extname WHERE extname = 'pg_chat';
SELECT count(*) FROM pg_depend JOIN pg_extension AS e ON refobjid = e.oid AND refclassid = 'pg_extension'::regclass
WHERE deptype = 'n' AND classid = 'pg_extension'::regclass AND objid = (SELECT oid FROM pg_extension WHERE extname = 'pg_chat');

-- Whatever is there has a comment.
SELECT 'schema chat' WHERE obj_description('chat'::regnamespace, 'pg_namespace') IS NULL;
SELECT oid::regprocedure FROM pg_proc WHERE pronamespace IN ('chat'::regnamespace, 'chat_internal'::regnamespace) AND obj_description(oid, 'pg_proc') IS NULL;
SELECT oid::regclass FROM pg_class WHERE relnamespace IN ('chat'::regnamespace, 'chat_internal'::regnamespace) AND relkind = 'r' AND obj_description(oid, 'pg_class') IS NULL;
SELECT oid::regtype FROM pg_type WHERE typnamespace IN ('chat'::regnamespace, 'chat_internal'::regnamespace) AND typcategory <> 'A'
AND obj_description(coalesce(nullif(typrelid, 0), oid), CASE typrelid WHEN 0 THEN 'pg_type' ELSE 'pg_class' END) IS NULL
AND obj_description(oid, 'pg_type') IS NULL;
SELECT obj_description(oid, 'pg_extension') IS NOT NULL FROM pg_extension WHERE extname = 'pg_chat';

-- Whatever is there belongs to the extension, and what holds data is dumped.
SELECT classid::regclass, objid FROM (
	SELECT 'pg_class'::regclass, oid FROM pg_class WHERE relnamespace IN ('chat'::regnamespace, 'chat_internal'::regnamespace) AND relkind NOT IN ('i', 'c')
	UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE pronamespace IN ('chat'::regnamespace, 'chat_internal'::regnamespace)) AS o (classid, objid)
WHERE NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = o.classid AND d.objid = o.objid AND d.deptype = 'e')
AND objid <> 'chat.applications_id_seq'::regclass;
SELECT oid::regclass FROM pg_class WHERE relnamespace IN ('chat'::regnamespace, 'chat_internal'::regnamespace) AND relkind IN ('r', 'S')
AND oid <> ALL ((SELECT extconfig FROM pg_extension WHERE extname = 'pg_chat')::oid[]) ORDER BY oid::regclass::text COLLATE "C";

-- Not installed twice, not moved.
SELECT error('CREATE EXTENSION pg_chat');
SELECT error('ALTER EXTENSION pg_chat SET SCHEMA public');

-- Dropping it leaves nothing in the database.
SELECT count(*) FROM chat.create_application('shop');
SELECT chat.create_message(id('shop'), chat.create_chat(id('shop')), 'hello');
CREATE FUNCTION test.everything() RETURNS TABLE (catalog regclass, object text) LANGUAGE sql AS $$
	SELECT 'pg_class'::regclass, relname FROM pg_class
	UNION ALL SELECT 'pg_proc', proname FROM pg_proc
	UNION ALL SELECT 'pg_type', typname FROM pg_type
	UNION ALL SELECT 'pg_namespace', nspname FROM pg_namespace
	UNION ALL SELECT 'pg_constraint', conname FROM pg_constraint
	UNION ALL SELECT 'pg_trigger', tgname FROM pg_trigger
	UNION ALL SELECT 'pg_operator', oprname FROM pg_operator
	UNION ALL SELECT 'pg_cast', castsource::regtype::text FROM pg_cast
	UNION ALL SELECT 'pg_collation', collname FROM pg_collation
	UNION ALL SELECT 'pg_event_trigger', evtname FROM pg_event_trigger
	UNION ALL SELECT 'pg_default_acl', defaclnamespace::text FROM pg_default_acl
	UNION ALL SELECT 'pg_init_privs', objoid::text FROM pg_init_privs
	UNION ALL SELECT 'pg_description', objoid::text FROM pg_description
	UNION ALL SELECT 'pg_extension', extname FROM pg_extension
	UNION ALL SELECT 'pg_shdepend', objid::text FROM pg_shdepend WHERE refobjid = 'chat_api'::regrole
	UNION ALL SELECT 'pg_db_role_setting', setrole::text FROM pg_db_role_setting $$;
DROP EXTENSION pg_chat;
CREATE TEMPORARY TABLE before AS SELECT * FROM everything();
CREATE EXTENSION pg_chat;
SELECT count(*) > 30 FROM (SELECT * FROM everything() EXCEPT ALL SELECT * FROM before) AS new;
SELECT id FROM chat.create_application('shop');
DROP EXTENSION pg_chat;
SELECT * FROM everything() EXCEPT ALL SELECT * FROM before;
SELECT * FROM before EXCEPT ALL SELECT * FROM everything();
SELECT rolname FROM pg_roles WHERE rolname = 'chat_api';

-- Anything that depends on it keeps it from being dropped unasked.
CREATE EXTENSION pg_chat;
CREATE VIEW test.mine AS SELECT * FROM chat.messages;
SELECT split_part(error('DROP EXTENSION pg_chat'), ' | ', 2);
DROP VIEW mine;

-- Somebody else's schema chat is left alone.
DROP EXTENSION pg_chat;
CREATE SCHEMA chat;
CREATE TABLE chat.applications (mine integer);
SELECT error('CREATE EXTENSION pg_chat');
SELECT count(*) FROM pg_class WHERE relnamespace = 'chat'::regnamespace;
DROP TABLE chat.applications;
DROP SCHEMA chat;

-- Only whoever may.
CREATE ROLE chat_test_user;
GRANT CREATE ON DATABASE :"DBNAME" TO chat_test_user;
GRANT USAGE ON SCHEMA test TO chat_test_user;
SET ROLE chat_test_user;
SELECT error('CREATE EXTENSION pg_chat');
RESET ROLE;
DROP OWNED BY chat_test_user;
DROP ROLE chat_test_user;
