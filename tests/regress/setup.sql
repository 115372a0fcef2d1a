\set ECHO none
-- Every script starts with this: a newly created extension, and helpers in the schema test.
-- Results come as bare lines, columns divided by |.

SET client_min_messages = warning;
DROP EXTENSION IF EXISTS pg_chat CASCADE;
DROP SCHEMA IF EXISTS test CASCADE;
CREATE EXTENSION pg_chat;
CREATE SCHEMA test;
SET search_path = test, public;

-- Run a statement and tell its error: SQLSTATE and column | message | detail | hint.
CREATE FUNCTION test.error(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	field text;
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS field = COLUMN_NAME, message = MESSAGE_TEXT,
		detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', trim(SQLSTATE || ' ' || field), message, nullif(detail, ''), nullif(hint, ''));
END $$;

-- The id and the token of an application, by its name.
CREATE FUNCTION test.id(app text) RETURNS integer LANGUAGE sql AS
	$$ SELECT id FROM chat.applications WHERE name = app $$;
CREATE FUNCTION test.token(app text) RETURNS text LANGUAGE sql AS
	$$ SELECT token FROM chat.applications WHERE name = app $$;

-- The mark of rows that are this database's own.
CREATE FUNCTION test.owner_database() RETURNS text LANGUAGE sql AS
	$$ SELECT d.oid || '-' || c.system_identifier FROM pg_database AS d, pg_control_system() AS c WHERE d.datname = current_database() $$;

-- Counters that are not what the rows say: no row if all is well.
CREATE FUNCTION test.wrong_counters()
	RETURNS TABLE (counted text, application integer, chat integer, count integer, highest integer, rows bigint, top integer)
	LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY
	SELECT 'chats', c.application_id, NULL::integer, c.chats_count, c.last_chat_number, r.*
	FROM chat.application_counters AS c CROSS JOIN LATERAL (SELECT count(*), coalesce(max(h.number), 0)
		FROM chat.chats AS h WHERE h.application_id = c.application_id) AS r (rows, top)
	WHERE (c.chats_count, c.last_chat_number) IS DISTINCT FROM (r.rows, r.top)
	UNION ALL
	SELECT 'messages', c.application_id, c.number, c.messages_count, c.last_message_number, r.*
	FROM chat.chats AS c CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE m.deleted_at IS NULL), coalesce(max(m.number), 0)
		FROM chat.messages AS m WHERE m.application_id = c.application_id AND m.chat_number = c.number) AS r (rows, top)
	WHERE (c.messages_count, c.last_message_number) IS DISTINCT FROM (r.rows, r.top)
	UNION ALL
	SELECT 'changes', c.application_id, c.number, NULL, c.last_revision, NULL, r.top
	FROM chat.chats AS c CROSS JOIN LATERAL (SELECT max(d.revision) FROM (SELECT 0 AS revision
		UNION ALL SELECT m.revision FROM chat.messages AS m WHERE m.application_id = c.application_id AND m.chat_number = c.number
		UNION ALL SELECT d.revision FROM chat_internal.deleted_messages AS d WHERE d.application_id = c.application_id AND d.chat_number = c.number) AS d) AS r (top)
	WHERE c.last_revision IS DISTINCT FROM r.top;
END $$;

\pset format unaligned
\pset tuples_only on
\pset null NULL
\set ECHO all
