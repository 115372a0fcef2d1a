\i setup.sql
-- Every privilege on anything of the schema that somebody other than the owner has. This list is
-- all that there may be: USAGE on the schema and EXECUTE on the forms by token, for chat_api.
CREATE VIEW test.objects AS
	SELECT 'schema' AS kind, oid::regnamespace::text AS name, nspowner AS owner, coalesce(nspacl, acldefault('n', nspowner)) AS acl
	FROM pg_namespace WHERE nspname IN ('chat', 'chat_internal')
	UNION ALL
	SELECT CASE relkind WHEN 'S' THEN 'sequence' ELSE 'relation' END, oid::regclass::text, relowner,
		coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))
	FROM pg_class WHERE relnamespace IN ('chat'::regnamespace, 'chat_internal'::regnamespace)
	UNION ALL
	SELECT 'column', attrelid::regclass || '.' || attname, relowner, attacl
	FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace IN ('chat'::regnamespace, 'chat_internal'::regnamespace) AND attacl IS NOT NULL
	UNION ALL
	SELECT 'function', oid::regprocedure::text, proowner, coalesce(proacl, acldefault('f', proowner))
	FROM pg_proc WHERE pronamespace IN ('chat'::regnamespace, 'chat_internal'::regnamespace)
	UNION ALL
	SELECT 'type', oid::regtype::text, typowner, coalesce(typacl, acldefault('T', typowner))
	FROM pg_type AS t WHERE typnamespace IN ('chat'::regnamespace, 'chat_internal'::regnamespace) AND typcategory <> 'A'
	-- A table's row type cannot be anything but usable by all, as far as pg_dump goes; the table itself is above.
	AND NOT EXISTS (SELECT FROM pg_class WHERE oid = t.typrelid AND relkind <> 'c');
SELECT kind, name, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END, privilege_type, is_grantable
FROM objects, aclexplode(acl) WHERE grantee <> owner ORDER BY kind, name COLLATE "C", 3, 4;
SELECT count(*) FROM pg_default_acl;
SELECT DISTINCT kind FROM objects ORDER BY kind;

-- Elsewhere in the database chat_api can do no more than PUBLIC.
SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolcanlogin FROM pg_roles WHERE rolname = 'chat_api';
SELECT count(*) FROM pg_auth_members WHERE member = 'chat_api'::regrole;
-- (From PostgreSQL 17, the privileges that the extension began with are listed a second time, as "i".)
SELECT deptype, classid::regclass, count(*) FROM pg_shdepend WHERE refobjid = 'chat_api'::regrole AND deptype <> 'i' GROUP BY 1, 2 ORDER BY 2::text COLLATE "C";

-- No function has the rights of the role that created the extension, and none changes settings.
SELECT oid::regprocedure, prosecdef, proconfig FROM pg_proc
WHERE pronamespace IN ('chat'::regnamespace, 'chat_internal'::regnamespace) AND (prosecdef OR proconfig IS NOT NULL);

-- A role that has only chat_api's rights can use all forms by token.
SELECT id FROM chat.create_application('shop');
CREATE ROLE chat_test_user IN ROLE chat_api;
GRANT USAGE ON SCHEMA test TO chat_test_user;
SELECT token FROM chat.get_application(id('shop')) \gset
SET ROLE chat_test_user;
SELECT id, token ~ '^[0-9a-f]{32}$' FROM chat.create_application('bank');
SELECT chat.rotate_token(:'token') AS token \gset
SELECT id, name, chats_count FROM chat.get_application(:'token');
SELECT id, name FROM chat.list_applications();
SELECT chat.create_chat(:'token'), chat.create_chat(:'token', 7);
SELECT number FROM chat.get_chat(:'token', 7);
SELECT number FROM chat.list_chats(:'token');
SELECT chat.create_message(:'token', 1, 'hello'), chat.create_message(:'token', 1, 'there', 5);
SELECT item, number FROM chat.create_messages(ARRAY[:'token'], '{1}', '{batch}', '{NULL}');
SELECT body FROM chat.get_message(:'token', 1, 1);
SELECT item, body FROM chat.get_messages(ARRAY[:'token'], '{1}', '{1}');
SELECT body FROM chat.list_messages(:'token', 1);
SELECT item, body FROM chat.list_messages(ARRAY[:'token'], '{1}', '{NULL}', '{NULL}', '{1}');
SELECT body FROM chat.last_messages(:'token', 1, 1);
SELECT body FROM chat.search_messages(:'token', 1, 'HELL');

-- And nothing else: no table, no form by id, no helper.
SELECT error('SELECT * FROM chat.applications');
SELECT error('SELECT * FROM chat.application_counters');
SELECT error('SELECT * FROM chat.chats');
SELECT error('SELECT * FROM chat.messages');
SELECT error($$INSERT INTO chat.messages VALUES (1, 1, 9, 'x')$$);
SELECT error('UPDATE chat.chats SET last_message_number = 0');
SELECT error('DELETE FROM chat.messages');
SELECT error('TRUNCATE chat.messages');
SELECT error('LOCK TABLE chat.messages IN ACCESS SHARE MODE');
SELECT error($$SELECT nextval('chat.applications_id_seq')$$);
SELECT error('SELECT chat.rotate_token(1)');
SELECT error('SELECT * FROM chat.get_application(1)');
SELECT error('SELECT chat.create_chat(1)');
SELECT error('SELECT * FROM chat.get_chat(1, 1)');
SELECT error('SELECT * FROM chat.list_chats(1)');
SELECT error($$SELECT chat.create_message(1, 1, 'x')$$);
SELECT error($$SELECT * FROM chat.create_messages('{1}'::integer[], '{1}', '{x}')$$);
SELECT error('SELECT * FROM chat.get_message(1, 1, 1)');
SELECT error('SELECT * FROM chat.list_messages(1, 1)');
SELECT error('SELECT * FROM chat.last_messages(1, 1)');
SELECT error($$SELECT * FROM chat.search_messages(1, 1, 'x')$$);
SELECT error($$SELECT chat.fold('x')$$);
SELECT error($$SELECT chat.contains('x', 'x')$$);
SELECT error('CREATE TABLE chat.mine ()');
SELECT error('ALTER FUNCTION chat.create_chat(text, integer, text) RESET ALL');
SELECT error('DROP EXTENSION pg_chat');
RESET ROLE;

-- A role without any rights can do nothing.
CREATE ROLE chat_test_nobody;
GRANT USAGE ON SCHEMA test TO chat_test_nobody;
SET ROLE chat_test_nobody;
SELECT error('SELECT * FROM chat.list_applications()');
SELECT error('SELECT * FROM chat.messages');
RESET ROLE;

-- Objects planted in a caller's schemas, found first by the caller's search_path, are not used: each
-- of them, if it were, would raise an error.
GRANT CREATE ON SCHEMA public TO chat_test_user;
SET ROLE chat_test_user;
CREATE FUNCTION public.trap() RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE 'hijacked'; END$$;
CREATE FUNCTION public.trap(integer, integer) RETURNS boolean LANGUAGE sql AS 'SELECT public.trap()';
CREATE FUNCTION public.trap(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT public.trap()';
CREATE OPERATOR public.= (LEFTARG = integer, RIGHTARG = integer, FUNCTION = public.trap);
CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = public.trap);
CREATE OPERATOR public.< (LEFTARG = integer, RIGHTARG = integer, FUNCTION = public.trap);
CREATE OPERATOR public.> (LEFTARG = integer, RIGHTARG = integer, FUNCTION = public.trap);
CREATE OPERATOR public.<= (LEFTARG = integer, RIGHTARG = integer, FUNCTION = public.trap);
CREATE FUNCTION public.unnest(integer[]) RETURNS SETOF integer LANGUAGE sql AS 'SELECT public.trap()::integer';
CREATE FUNCTION public.unnest(text[]) RETURNS SETOF text LANGUAGE sql AS 'SELECT public.trap()::text';
CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT pg_catalog.now() WHERE public.trap()';
CREATE FUNCTION public.contains(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT public.trap()';
CREATE FUNCTION public.fold(text) RETURNS text LANGUAGE sql AS 'SELECT public.trap()::text';
CREATE TEMPORARY TABLE applications (id integer, token text, name text, created_at timestamptz);
CREATE TEMPORARY TABLE application_counters (application_id integer, last_chat_number integer, chats_count integer);
CREATE TEMPORARY TABLE chats (application_id integer, number integer, last_message_number integer, messages_count integer, created_at timestamptz);
CREATE TEMPORARY TABLE messages (application_id integer, chat_number integer, number integer, body text, created_at timestamptz);
CREATE TYPE pg_temp.int4 AS (planted text);
CREATE TYPE pg_temp.text AS (planted pg_catalog.int4);
SET search_path = pg_temp, public, pg_catalog;
SELECT (chat.create_application('Planted')).id;
SELECT chat.rotate_token(:'token') AS token \gset
SELECT name, chats_count FROM chat.get_application(:'token');
SELECT name FROM chat.list_applications(before => 100);
SELECT chat.create_chat(:'token'), chat.create_chat(:'token', 20);
SELECT number FROM chat.get_chat(:'token', 20);
SELECT number FROM chat.list_chats(:'token', after => 7);
SELECT chat.create_message(:'token', 20, 'one'), chat.create_message(:'token', 20, 'five', 5);
SELECT item, number, sqlstate FROM chat.create_messages(ARRAY[:'token', :'token', 'x'], '{20,20,20}', '{a,b,c}', '{NULL,5,NULL}');
SELECT body FROM chat.get_message(:'token', 20, 1);
SELECT body FROM chat.list_messages(:'token', 20, before => 6);
SELECT body FROM chat.last_messages(:'token', 20, 1);
SELECT body FROM chat.search_messages(:'token', 20, 'FIVE');
SELECT (SELECT pg_catalog.count(*) FROM applications) , (SELECT pg_catalog.count(*) FROM application_counters),
	(SELECT pg_catalog.count(*) FROM chats), (SELECT pg_catalog.count(*) FROM messages);
DROP TYPE pg_temp.int4, pg_temp.text;
RESET ROLE;
SET search_path = test, public;

DROP OWNED BY chat_test_user, chat_test_nobody;
DROP ROLE chat_test_user, chat_test_nobody;
