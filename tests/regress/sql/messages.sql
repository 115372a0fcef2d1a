\i setup.sql
SELECT id FROM chat.create_application('shop');
SELECT chat.create_chat(id('shop')), chat.create_chat(id('shop'));

-- Numbered 1, 2, 3, ... within each chat, by id and by token alike.
SELECT chat.create_message(id('shop'), 1, 'first');
SELECT chat.create_message(token('shop'), 1, 'second');
SELECT chat.create_message(token('shop'), 2, 'elsewhere');
SELECT chat.create_message(token('shop'), 1, 'third', NULL);

-- A number of one's own: above the highest, later ones go on from there; below it, it fills the hole.
SELECT chat.create_message(token('shop'), 1, 'a hundred', 100);
SELECT chat.create_message(id('shop'), 1, 'after it');
SELECT chat.create_message(id('shop'), 1, 'in the hole', 50);
SELECT chat.create_message(token('shop'), 1, 'next to the third', number => 4);
SELECT chat.create_message(token('shop'), 1, 'after it');
SELECT number, body FROM chat.list_messages(id('shop'), 1);
SELECT number, messages_count, last_message_number FROM chat.get_chat(id('shop'), 1);
SELECT chat.create_message(id('shop'), 2, 'one', 3), chat.create_message(id('shop'), 2, 'two');

-- Refused: taken, not positive, blank; nothing is counted.
SELECT error($$SELECT chat.create_message(id('shop'), 1, 'again', 1)$$);
SELECT error($$SELECT chat.create_message(token('shop'), 1, 'again', 100)$$);
SELECT error($$SELECT chat.create_message(token('shop'), 1, 'none', 0)$$);
SELECT error($$SELECT chat.create_message(id('shop'), 1, 'none', -5)$$);
SELECT error($$SELECT chat.create_message(id('shop'), 1, NULL)$$);
SELECT error($$SELECT chat.create_message(token('shop'), 1, '')$$);
SELECT error($$SELECT chat.create_message(token('shop'), 1, E' \n\t\r\f\x0b ')$$);
SELECT error($$SELECT chat.create_message(token('shop'), 1, E'\u3000\u00a0\u2028\u0085')$$);
SELECT messages_count, last_message_number FROM chat.get_chat(id('shop'), 1);
SELECT body FROM chat.get_message(id('shop'), 1, 1);

-- Shown by id and by token; a missing message is no row.
SELECT number, body, created_at <= clock_timestamp() FROM chat.get_message(id('shop'), 1, 50);
SELECT number, body, created_at <= clock_timestamp() FROM chat.get_message(token('shop'), 1, 50);
SELECT * FROM chat.get_message(id('shop'), 1, 51);
SELECT * FROM chat.get_message(token('shop'), 1, 0);
SELECT * FROM chat.get_message(token('shop'), 1, NULL);

-- A missing application or chat is an error, in every function.
CREATE FUNCTION test.missing(arguments text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT statement || ': ' || error('SELECT ' || statement) FROM (
		SELECT replace(call, '$', arguments) AS statement FROM unnest(ARRAY[
			'chat.create_message($, ''x'')', 'chat.create_message($, ''x'', 7)', 'chat.get_message($, 1)',
			'chat.get_message($, NULL)', 'chat.list_messages($)', 'chat.last_messages($)',
			'chat.search_messages($, ''x'')']) AS call) AS calls $$;
SELECT missing('999, 1');
SELECT missing('''nothing'', 1');
SELECT missing('NULL::integer, 1');
SELECT missing('NULL::text, 1');
SELECT missing('id(''shop''), 99');
SELECT missing('token(''shop''), 99');
SELECT missing('id(''shop''), NULL');
SELECT missing('token(''shop''), 0');

-- Errors of the message come before those of its chat.
SELECT error($$SELECT chat.create_message(id('shop'), 99, '')$$);

-- The end of the numbers.
SELECT chat.create_message(token('shop'), 2, 'last but one', 2147483646);
SELECT chat.create_message(token('shop'), 2, 'last');
SELECT error($$SELECT chat.create_message(id('shop'), 2, 'one more')$$);
SELECT error($$SELECT chat.create_message(token('shop'), 2, 'one more')$$);
SELECT error($$SELECT chat.create_message(token('shop'), 2, 'one more', 2147483647)$$);
SELECT chat.create_message(token('shop'), 2, 'in a hole', 2);
SELECT number, body FROM chat.list_messages(token('shop'), 2);
SELECT messages_count, last_message_number FROM chat.get_chat(token('shop'), 2);

-- Bodies: up to 65536 bytes, not characters.
SELECT chat.create_chat(id('shop'));
SELECT chat.create_message(id('shop'), 3, repeat('x', 65536));
SELECT error($$SELECT chat.create_message(id('shop'), 3, repeat('x', 65537))$$);
SELECT chat.create_message(token('shop'), 3, repeat('я', 32768));
SELECT error($$SELECT chat.create_message(token('shop'), 3, repeat('я', 32768) || 'x')$$);
SELECT error($$SELECT chat.create_message(token('shop'), 3, repeat(' ', 65537))$$);
SELECT chat.create_message(token('shop'), 3, 'x');

-- pg_chat.max_body_size, at the byte; stored messages stay. Only who may sets it.
SHOW pg_chat.max_body_size;
SET pg_chat.max_body_size = 5;
SELECT chat.create_message(id('shop'), 3, '12345');
SELECT error($$SELECT chat.create_message(id('shop'), 3, '123456')$$);
SELECT error($$SELECT chat.create_message(token('shop'), 3, 'яяя')$$);
SELECT number, length(body) FROM chat.list_messages(id('shop'), 3);
SELECT left(error('SET pg_chat.max_body_size = 0'), 5);
SELECT left(error('SET pg_chat.max_body_size = ''17MB'''), 5);
SELECT error('SET pg_chat.unknown = 1');
SET pg_chat.max_body_size = '1MB';
SELECT chat.create_message(id('shop'), 3, repeat('x', 1024 * 1024));
SELECT error($$SELECT chat.create_message(id('shop'), 3, repeat('x', 1024 * 1024 + 1))$$);
RESET pg_chat.max_body_size;
SET ROLE chat_api;
SET pg_chat.max_body_size = 10;
RESET ROLE;

-- Kept byte for byte.
SELECT chat.create_chat(id('shop'));
CREATE TEMPORARY TABLE texts AS SELECT ordinality::integer AS number, body FROM unnest(ARRAY[
	$$'; DROP TABLE chat.messages; --$$, '$1 $2 %s %d %n', E'\\ \\\\ \\n', E'a\tb\r\nc\n', '  kept  ',
	E'\u202e bidi \u2066', E'👩‍👩‍👧 \u200d', 'e' || repeat(E'\u0301', 1000), '{"json": "\u0000"}', '<b>&amp;', E'\x01\x7f',
	E'\ufeff', E'\U0010ffff', 'ß ẞ İ ı ς Σ']) WITH ORDINALITY AS t (body, ordinality);
SELECT count(*) FROM texts, chat.create_message(token('shop'), 4, body);
SELECT count(*) FILTER (WHERE m.body = t.body), count(*) FROM texts AS t, chat.get_message(token('shop'), 4, t.number) AS m;

-- Another application's chats are not there.
SELECT id FROM chat.create_application('bank');
SELECT chat.create_chat(id('bank'));
SELECT error($$SELECT chat.get_message(token('bank'), 2, 1)$$);
SELECT * FROM chat.get_message(token('bank'), 1, 1);
SELECT * FROM wrong_counters();
