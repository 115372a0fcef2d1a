\i setup.sql
-- Editing and deleting messages, by the functions.
SELECT count(*) FROM unnest('{shop,bank}'::text[]) AS name, chat.create_application(name);
SELECT count(chat.create_chat(id('shop'))) FROM generate_series(1, 3);
SELECT item, number FROM chat.create_messages(array_fill(id('shop'), ARRAY[6]), '{1,1,1,1,1,2}', '{one,two,three,four,five,other}',
	senders => '{Ann,Bob,Ann,NULL,Bob,Ann}', metadata => ARRAY['{"a": 1}', NULL, NULL, '{"b": 2}', NULL, NULL]::jsonb[]);
CREATE FUNCTION test.told(m chat.message) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', m.number, m.body, m.sender, m.metadata, 'edited ' || (m.edited_at BETWEEN m.created_at AND clock_timestamp()),
		'deleted ' || (m.deleted_at BETWEEN m.created_at AND clock_timestamp()), 'r' || m.revision) $$;
CREATE FUNCTION test.shown(m json) RETURNS text LANGUAGE sql AS
	$$ SELECT regexp_replace(m::text, '_at":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"', '_at":"..."', 'g') $$;
CREATE FUNCTION test.chat(app text, chat integer) RETURNS text LANGUAGE sql AS
	$$ SELECT concat_ws(' ', messages_count, last_message_number, last_revision) FROM chat.chats WHERE application_id = id(app) AND number = chat $$;

-- Body, metadata, both; what stays stays; what is the same takes nothing.
SELECT told(chat.update_message(id('shop'), 1, 1, 'ONE'));
SELECT told(chat.update_message(token('shop'), 1, 1, metadata => '{"a": 2}'));
SELECT told(chat.update_message(id('shop'), 1, 2, 'TWO', '{}'));
SELECT told(chat.update_message(id('shop'), 1, 4, metadata => 'null'));
SELECT told(chat.update_message(id('shop'), 1, 4, metadata => 'null'));
SELECT told(chat.update_message(id('shop'), 1, 1, 'ONE', '{"a": 2}'));
SELECT told(chat.update_message(id('shop'), 1, 1, metadata => '{"a": 2.0}'));
SELECT told(m) FROM chat.list_messages(id('shop'), 1) AS m;
SELECT chat('shop', 1), chat('shop', 2);

-- If it is as it was: the revision, 0 for none.
SELECT told(chat.update_message(id('shop'), 1, 3, 'THREE', if_revision => 0));
SELECT error($$SELECT chat.update_message(id('shop'), 1, 3, 'drei', if_revision => 0)$$);
SELECT error($$SELECT chat.update_message(id('shop'), 1, 3, 'drei', if_revision => 7)$$);
SELECT told(chat.update_message(id('shop'), 1, 3, 'drei', if_revision => 6));
SELECT error($$SELECT chat.delete_message(id('shop'), 1, 3, 6)$$);
SELECT error($$SELECT chat.delete_message(id('shop'), 1, 5, -1)$$);

-- A deleted one: nothing is left of what it said; it is not counted, its number stays taken, lists and searches leave it out.
SELECT chat.delete_message(id('shop'), 1, 3, 7), chat.delete_message(token('shop'), 1, 1), chat.delete_message(id('shop'), 1, 1, 99);
SELECT body = '', sender, metadata, edited_at, deleted_at IS NOT NULL, revision FROM chat.messages WHERE chat_number = 1 AND number IN (1, 3) ORDER BY number;
SELECT chat('shop', 1);
SELECT * FROM chat.reconcile();
SELECT told(m) FROM chat.list_messages(id('shop'), 1) AS m;
SELECT told(m) FROM chat.list_messages(id('shop'), 1, "limit" => 2, deleted => true) AS m;
SELECT told(m) FROM chat.list_messages(token('shop'), 1, before => 5, "limit" => 2) AS m;
SELECT told(m) FROM chat.last_messages(id('shop'), 1, 3) AS m;
SELECT told(m) FROM chat.last_messages(token('shop'), 1, 3, deleted => true) AS m;
SELECT item, number, body FROM chat.list_messages(ARRAY[id('shop')], '{1}', '{NULL}', '{NULL}', '{NULL}') AS m;
SELECT told(m) FROM chat.get_message(id('shop'), 1, 3) AS m;
SELECT item, number, deleted_at IS NOT NULL FROM chat.get_messages(ARRAY[id('shop'), id('shop')], '{1,1}', '{3,2}') AS m;
SELECT item, shown(message) FROM chat.get_messages_json(ARRAY[token('shop'), token('shop')], '{1,1}', '{3,2}') AS m;
SELECT item, shown(messages), messages_count, first, last FROM chat.list_messages_json(ARRAY[token('shop'), token('shop')], '{1,2}', '{NULL,NULL}', '{NULL,NULL}', '{2,2}') AS m;
SELECT item, shown(messages), messages_count, first, last FROM chat.list_messages_json(ARRAY[token('shop'), NULL, token('shop')], '{1,1,2}', '{NULL,NULL,NULL}', '{NULL,NULL,NULL}', '{3,1,2}', deleted => '{t,t,NULL}') AS m;
SELECT item, shown(messages) FROM chat.last_messages_json(ARRAY[token('shop'), token('shop')], '{1,1}', '{1,9}', NULL, '{NULL,Bob}', '{f,t}') AS m;
SELECT item, shown(messages) FROM chat.last_messages_json(ARRAY[token('shop')], '{1}', '{9}', senders => '{Ann}') AS m;
SELECT count(*) FROM chat.search_messages(id('shop'), 1, 'drei');
-- Also not if it was deleted by hand, and has its body still.
UPDATE chat.messages SET deleted_at = now() WHERE chat_number = 1 AND number = 5;
SELECT count(*) FROM chat.search_messages(id('shop'), 1, 'five');
SELECT count(*) FROM chat.search_application(id('shop'), 'five');
SELECT chat_number, counter, old_value, new_value FROM chat.reconcile();
SELECT error($$SELECT chat.create_message(id('shop'), 1, 'x', 3)$$);
SELECT chat.create_message(id('shop'), 1, 'six');

-- By sender.
SELECT chat.create_message(id('shop'), 1, 'seven', sender => 'Ann'), chat.create_message(id('shop'), 1, 'eight', sender => 'Bob'), chat.create_message(id('shop'), 1, 'nine', sender => 'Ann');
SELECT told(m) FROM chat.list_messages(id('shop'), 1, sender => 'Ann') AS m;
SELECT told(m) FROM chat.list_messages(id('shop'), 1, sender => 'Ann', "limit" => 1, before => 9) AS m;
SELECT told(m) FROM chat.last_messages(id('shop'), 1, 1, 'Bob') AS m;
SELECT count(*) FROM chat.list_messages(id('shop'), 1, sender => 'nobody') AS m;
SELECT count(*) FROM chat.list_messages(id('shop'), 1, sender => '') AS m;

-- What is refused: the same as an error and as an outcome.
CREATE TABLE test.refused (call text);
INSERT INTO test.refused VALUES ($$update_message%s(token('shop'), 1, 2)$$), ($$update_message%s(token('shop'), 1, 2, ' ')$$),
	($$update_message%s(token('shop'), 1, 2, repeat('x', 65537))$$), ($$update_message%s(token('shop'), 1, 2, metadata => '[]')$$),
	($$update_message%s(token('shop'), 1, 2, 'x', '"x"')$$), ($$update_message%s(token('shop'), 1, 2, ' ', '[]')$$),
	($$update_message%s(token('shop'), 1, 2, metadata => jsonb_build_object('a', repeat('x', 16384)))$$),
	($$update_message%s('none', 1, 2, 'x')$$), ($$update_message%s(NULL::text, 1, 2, 'x')$$), ($$update_message%s(token('shop'), 9, 2, 'x')$$),
	($$update_message%s(token('shop'), NULL, 2, 'x')$$), ($$update_message%s(token('shop'), 1, 99, 'x')$$), ($$update_message%s(token('shop'), 1, NULL, 'x')$$),
	($$update_message%s(token('shop'), 1, -1, 'x')$$), ($$update_message%s(token('shop'), 1, 3, 'x')$$), ($$update_message%s(token('shop'), 1, 3, 'x', if_revision => 5)$$),
	($$update_message%s(token('shop'), 1, 2, 'x', if_revision => 5)$$),
	($$delete_message%s('none', 1, 2)$$), ($$delete_message%s(token('shop'), 9, 2)$$), ($$delete_message%s(token('shop'), 1, 99)$$),
	($$delete_message%s(token('shop'), 1, NULL)$$), ($$delete_message%s(token('shop'), 1, 2, 5)$$);
SELECT format(call, ''), error('SELECT chat.' || format(call, '')) FROM test.refused;
CREATE FUNCTION test.outcome(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	o record;
BEGIN
	EXECUTE 'SELECT * FROM chat.' || format(call, '_json') INTO o;
	RETURN concat_ws(' | ', trim(o.sqlstate || ' ' || coalesce(o.field, '')), o.message, 'now ' || shown(o.current));
END $$;
SELECT outcome(call) FROM test.refused;
SELECT outcome($$update_message%s(token('shop'), 1, 2, 'zwei', if_revision => 3)$$);
SELECT outcome($$update_message%s(token('shop'), 1, 2, 'zwei')$$);
SELECT outcome($$delete_message%s(token('shop'), 1, 2)$$);
SELECT outcome($$delete_message%s(token('shop'), 1, 2)$$);

-- In a transaction: seen at once, and taken back.
SELECT chat('shop', 1) AS before \gset
BEGIN;
SELECT told(chat.update_message(id('shop'), 1, 6, 'a')), told(chat.update_message(id('shop'), 1, 6, 'b'));
SAVEPOINT s;
SELECT chat.delete_message(id('shop'), 1, 6);
SELECT count(*) FROM chat.list_messages(id('shop'), 1, 5, 7);
ROLLBACK TO s;
SELECT body FROM chat.list_messages(id('shop'), 1, 5, 7);
SELECT told(chat.update_message(id('shop'), 1, chat.create_message(id('shop'), 1, 'new'), 'newer'));
ROLLBACK;
SELECT chat('shop', 1) = :'before', (SELECT body FROM chat.get_message(id('shop'), 1, 6));
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT told(chat.update_message(id('shop'), 1, 6, 'a')), chat.delete_message(id('shop'), 1, 6), chat.delete_message(id('shop'), 1, 6);
COMMIT;

-- Long ones, which are stored beside the row.
SELECT chat.create_message(id('shop'), 3, string_agg(md5(i::text), ''), metadata => jsonb_build_object('long', string_agg(md5(i::text), ''))) FROM generate_series(1, 400) AS i;
SELECT revision, length(body), length(metadata::text) FROM chat.update_message(id('shop'), 3, 1, metadata => '{"short": true}');
SELECT revision, length(body) FROM chat.update_message(id('shop'), 3, 1, (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 400) AS i));
UPDATE chat.messages SET metadata = '{"short": false}' WHERE chat_number = 3 RETURNING revision, length(body);
SELECT length(body), metadata, revision FROM chat.get_message(id('shop'), 3, 1);

-- What triggers of the owner do: one that keeps a message as it is takes no revision.
CREATE FUNCTION test.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN CASE WHEN NEW.body = ''kept'' THEN NULL ELSE NEW END; END';
CREATE TRIGGER keep BEFORE UPDATE ON chat.messages FOR EACH ROW EXECUTE FUNCTION test.keep();
SELECT chat('shop', 3) AS before \gset
SELECT length(body), revision FROM chat.update_message(id('shop'), 3, 1, 'kept');
SELECT chat('shop', 3) = :'before', (SELECT length(body) FROM chat.get_message(id('shop'), 3, 1));
DROP TRIGGER keep ON chat.messages;

-- Changes as JSON, in pages.
SELECT item, shown(changes), changes_count, cut, "position", field FROM chat.list_changes_json(array_fill(token('shop'), ARRAY[6]) || ARRAY['none'],
	'{1,2,1,9,1,3,1}', '{5,NULL,10,NULL,9,0,0}', '{8,NULL,11,NULL,99,NULL,0}', '{2,2,2,2,2,2,2}', 300) AS c;
SELECT item, changes_count, cut, "position", field FROM chat.list_changes_json(ARRAY[token('shop'), token('shop')], '{1,1}', '{10,9}', '{0,12}', '{1,9}') AS c;
SELECT error($$SELECT chat.list_changes_json('{x}', '{1}', '{-1}', '{0}', '{1}')$$);
SELECT error($$SELECT chat.list_changes_json('{x}', '{1}', '{1}', '{-1}', '{1}')$$);
SELECT error($$SELECT chat.list_changes_json('{x}', '{1}', '{1}', '{1}', '{0}')$$);
SELECT error($$SELECT chat.list_changes_json('{x}', '{1}', '{1}', '{1}', '{1,1}')$$);
SELECT error($$SELECT chat.list_changes_json('{x}', '{1}', '{1}', '{1}', '{1}', 0)$$);
-- Each page, one after the other, of whatever size, is the same as all in one.
CREATE FUNCTION test.in_pages(page integer, size integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	number integer := 0;
	revision integer := 0;
	all_changes text := '';
	c record;
BEGIN
	LOOP
		SELECT * INTO c FROM chat.list_changes_json(ARRAY[token('shop')], '{1}', ARRAY[number], ARRAY[revision], ARRAY[page], size);
		all_changes := all_changes || trim('[]' FROM c.changes::text) || CASE WHEN c.changes_count > 0 THEN ',' ELSE '' END;
		EXIT WHEN c.changes_count < page AND NOT c.cut;
		number := split_part(c.position, '.', 1);
		revision := split_part(c.position, '.', 2);
	END LOOP;
	RETURN all_changes;
END $$;
SELECT count(DISTINCT in_pages(page, size)) FROM generate_series(1, 5) AS page, unnest('{1,100,300,500,NULL}'::integer[]) AS size;
SELECT * FROM chat.reconcile();

-- Only if it is from a sender.
SELECT chat.create_message(id('bank'), chat.create_chat(id('bank')), 'hello', sender => 'Ann'), chat.create_message(id('bank'), 1, 'from nobody');
SELECT sqlstate, field, message, revision, deleted FROM chat.update_message_json(token('bank'), 1, 1, 'x', if_sender => 'Bob');
SELECT sqlstate, field, message, revision, deleted FROM chat.delete_message_json(token('bank'), 1, 2, if_sender => 'Bob');
SELECT sqlstate, shown(current), revision, deleted FROM chat.update_message_json(token('bank'), 1, 1, 'hi', NULL, 0, 'Ann');
SELECT sqlstate, shown(current), revision, deleted FROM chat.delete_message_json(token('bank'), 1, 1, 1, 'Ann');
SELECT sqlstate, shown(current), revision, deleted FROM chat.delete_message_json(token('bank'), 1, 1, 1, 'Ann');
