\i setup.sql
-- Three lists page alike: applications by id, chats and messages by number. The forms by id and by
-- token are run against each other, and all against a plain query.
SELECT count(*) FROM generate_series(1, 10) AS i, chat.create_application('app ' || i);
SELECT count(*) FROM generate_series(1, 10) AS i, chat.create_chat(id('app 1'), i * 10);
SELECT count(*) FROM generate_series(1, 10) AS i, chat.create_message(id('app 1'), 10, 'body ' || i, i * 10);

CREATE FUNCTION test.page(arguments text) RETURNS TABLE (list text, numbers integer[]) LANGUAGE plpgsql AS $$
DECLARE
	call text;
BEGIN
	FOREACH call IN ARRAY ARRAY[
		'SELECT id * 10 FROM chat.list_applications(' || regexp_replace(arguments, '(\d+)0', '\1', 'g') || ')',
		'SELECT number FROM chat.list_chats(id(''app 1''), ' || arguments || ')',
		'SELECT number FROM chat.list_chats(token(''app 1''), ' || arguments || ')',
		'SELECT number FROM chat.list_messages(id(''app 1''), 10, ' || arguments || ')',
		'SELECT number FROM chat.list_messages(token(''app 1''), 10, ' || arguments || ')',
		'SELECT number FROM chat.search_messages(id(''app 1''), 10, ''BODY'', ' || arguments || ')',
		'SELECT number FROM chat.search_messages(token(''app 1''), 10, ''BODY'', ' || arguments || ')']
	LOOP
		list := substring(call FROM 'chat\.\w+');
		EXECUTE 'SELECT array_agg(n) FROM (' || call || ') AS page (n)' INTO numbers;
		RETURN NEXT;
	END LOOP;
END $$;
-- The distinct answers of all lists: more than one line if they differ.
CREATE FUNCTION test.pages(arguments text) RETURNS SETOF integer[] LANGUAGE sql AS
	$$ SELECT DISTINCT numbers FROM page(arguments) $$;

SELECT pages('NULL, NULL, NULL');
SELECT pages('after => NULL');
SELECT pages('"limit" => 3');
SELECT pages('after => 0, "limit" => 3');
SELECT pages('after => 30, "limit" => 3');
SELECT pages('after => 90');
SELECT pages('after => 100');
SELECT pages('after => 2147483647');

-- before alone: the last ones below it, still ascending.
SELECT pages('before => 2147483647, "limit" => 3');
SELECT pages('before => 50, "limit" => 3');
SELECT pages('before => 30, "limit" => 3');
SELECT pages('before => 10');
SELECT pages('before => 1');

-- both: from after upward, cut at before.
SELECT pages('after => 20, before => 60, "limit" => 2');
SELECT pages('after => 20, before => 60');
SELECT pages('after => 20, before => 30');
SELECT pages('after => 60, before => 20');
SELECT pages('after => 0, before => 2147483647, "limit" => 1');

-- Between the numbers there are.
SELECT number FROM chat.list_chats(id('app 1'), after => 15, before => 35);
SELECT number FROM chat.list_messages(id('app 1'), 10, after => 95);
SELECT number FROM chat.list_messages(token('app 1'), 10, before => 15);

-- The last messages, ascending.
SELECT number FROM chat.last_messages(id('app 1'), 10, 3);
SELECT number FROM chat.last_messages(token('app 1'), 10, 3);
SELECT number, body FROM chat.last_messages(token('app 1'), 10, "limit" => 1);
SELECT count(*) FROM chat.last_messages(token('app 1'), 10);
SELECT count(*) FROM chat.last_messages(id('app 1'), 10, NULL);

-- Lists of nothing.
SELECT * FROM chat.list_chats(token('app 2'));
SELECT * FROM chat.list_messages(token('app 1'), 20);
SELECT * FROM chat.last_messages(token('app 1'), 20);
SELECT * FROM chat.search_messages(token('app 1'), 20, 'x');

-- limit, after and before out of range, in every list that takes them.
CREATE FUNCTION test.refusals(arguments text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT DISTINCT error('SELECT ' || call || arguments || ')') FROM unnest(ARRAY[
		'chat.list_applications(', 'chat.list_chats(id(''app 1''), ', 'chat.list_chats(token(''app 1''), ',
		'chat.list_messages(id(''app 1''), 10, ', 'chat.list_messages(token(''app 1''), 10, ',
		'chat.search_messages(id(''app 1''), 10, ''b'', ', 'chat.search_messages(token(''app 1''), 10, ''b'', ']) AS call $$;
SELECT refusals('"limit" => 0');
SELECT refusals('"limit" => -1');
SELECT refusals('"limit" => 1001');
SELECT refusals('"limit" => 2147483647');
SELECT refusals('"limit" => 1000');
SELECT refusals('after => -1');
SELECT refusals('before => 0');
SELECT refusals('before => -2147483648');
SELECT refusals('after => 5, before => 0');
SELECT error($$SELECT chat.last_messages(id('app 1'), 10, 0)$$);
SELECT error($$SELECT chat.last_messages(token('app 1'), 10, 1001)$$);

-- Many messages in one call: those that exist, each with its item, in the caller's order.
SELECT item, number, body = (SELECT body FROM chat.get_message(id('app 1'), 10, g.number)) AS same
FROM chat.get_messages(ARRAY[id('app 1'), id('app 1'), 999, id('app 1'), NULL, id('app 1'), id('app 1')], ARRAY[10, 10, 10, 99, 10, NULL, 10], ARRAY[30, 10, 10, 10, 10, 10, 10]) AS g;
SELECT item, number, body = (SELECT body FROM chat.get_message(id('app 1'), 10, g.number)) AS same
FROM chat.get_messages(ARRAY[token('app 1'), 'none', token('app 1'), token('app 1')], ARRAY[10, 10, 10, 10], ARRAY[20, 10, 2147483647, 40]) AS g;
SELECT * FROM chat.get_messages('{}'::integer[], '{}', '{}');
SELECT * FROM chat.get_messages('{}'::text[], '{}', '{}');

-- Many pages in one call: as each by itself; an empty page is a row with its item alone, a missing chat is none.
CREATE TEMPORARY TABLE pages AS SELECT * FROM (VALUES
	(1, 10, NULL, NULL, 2), (2, 10, 20, NULL, 2), (3, 10, NULL, 50, 2), (4, 10, 10, 40, 10), (5, 99, NULL, NULL, 2),
	(6, 20, NULL, NULL, 2), (7, NULL, NULL, NULL, 2), (8, 10, 2147483647, NULL, NULL), (9, 10, NULL, 1, NULL),
	(10, 10, NULL, 2147483647, 1), (11, 10, NULL, NULL, NULL)) AS p (item, chat, after, before, "limit");
CREATE FUNCTION test.pages_match(item integer[], number integer[]) RETURNS boolean LANGUAGE sql AS $$
	SELECT array_agg((s.item, s.number) ORDER BY s.item, s.number) = (SELECT array_agg((i, n) ORDER BY place) FROM unnest($1, $2) WITH ORDINALITY AS l (i, n, place))
	FROM (SELECT p.item, m.number FROM pg_temp.pages AS p LEFT JOIN LATERAL chat.list_messages(id('app 1'), p.chat, p.after, p.before, p."limit") AS m ON true
		WHERE p.chat IN (10, 20)) AS s $$;
SELECT count(*) > 10 AS some, count(DISTINCT l.item), test.pages_match(array_agg(l.item), array_agg(l.number)) FROM (SELECT array_agg(id('app 1') ORDER BY item) AS a, array_agg(chat ORDER BY item) AS c, array_agg(after ORDER BY item) AS f,
	array_agg(before ORDER BY item) AS b, array_agg("limit" ORDER BY item) AS l FROM pages) AS p, chat.list_messages(p.a, p.c, p.f, p.b, p.l) AS l;
SELECT item, number FROM chat.list_messages(ARRAY[token('app 1'), 'none', NULL, token('app 1'), token('app 1')], ARRAY[10, 10, 10, 20, 10], '{NULL,NULL,NULL,NULL,10}', '{40,NULL,NULL,NULL,NULL}', '{2,2,2,2,2}');
SELECT * FROM chat.list_messages('{}'::integer[], '{}', '{}', '{}', '{}');

-- Errors of the whole call.
SELECT error($$SELECT chat.get_messages(NULL::integer[], '{1}', '{1}')$$);
SELECT error($$SELECT chat.get_messages('{{a}}'::text[], '{1}', '{1}')$$);
SELECT error($$SELECT chat.get_messages('{a,b}'::text[], '{1}', '{1,2}')$$);
SELECT error($$SELECT chat.get_messages('{1}'::integer[], '{1}', '{1,2}')$$);
SELECT error($$SELECT chat.list_messages('{a,b}'::text[], '{1}', '{1,2}', '{1,2}', '{1,2}')$$);
SELECT error($$SELECT chat.list_messages('{1}'::integer[], '{1}', NULL, '{1}', '{1}')$$);
SELECT error($$SELECT chat.list_messages('{1}'::integer[], '{1}', '{1}', '{}', '{1}')$$);
SELECT error($$SELECT chat.list_messages('{1}'::integer[], '{1}', '{1}', '{1}', '{{1}}')$$);
SELECT error($$SELECT chat.list_messages('{1}'::integer[], '{1}', '{-1}', '{NULL}', '{NULL}')$$);
SELECT error($$SELECT chat.list_messages('{1}'::integer[], '{1}', '{NULL}', '{0}', '{NULL}')$$);
SELECT error($$SELECT chat.list_messages('{1}'::integer[], '{1}', '{NULL}', '{NULL}', '{1001}')$$);

-- The default is 100, the most 1000; pages joined are the whole list.
SELECT count(*) FROM chat.create_messages(array_fill(token('app 1'), ARRAY[1005]), array_fill(30, ARRAY[1005]), array_fill('x'::text, ARRAY[1005]));
SELECT count(*), min(number), max(number) FROM chat.list_messages(token('app 1'), 30);
SELECT count(*), min(number), max(number) FROM chat.list_messages(token('app 1'), 30, "limit" => 1000);
SELECT count(*), min(number), max(number) FROM chat.last_messages(token('app 1'), 30);
SELECT count(*), min(number), max(number) FROM chat.last_messages(token('app 1'), 30, 1000);
WITH RECURSIVE page AS (
	SELECT ARRAY(SELECT number FROM chat.list_messages(token('app 1'), 30, "limit" => 100)) AS numbers
	UNION ALL
	SELECT ARRAY(SELECT number FROM chat.list_messages(token('app 1'), 30, after => numbers[cardinality(numbers)], "limit" => 100))
	FROM page WHERE numbers <> '{}')
SELECT count(*), array_agg(number) = ARRAY(SELECT generate_series(1, 1005)) FROM page, unnest(numbers) AS number;
WITH RECURSIVE page AS (
	SELECT ARRAY(SELECT number FROM chat.list_messages(token('app 1'), 30, before => 2147483647, "limit" => 100)) AS numbers
	UNION ALL
	SELECT ARRAY(SELECT number FROM chat.list_messages(token('app 1'), 30, before => numbers[1], "limit" => 100))
	FROM page WHERE numbers <> '{}')
SELECT count(*), array_agg(number ORDER BY number) = ARRAY(SELECT generate_series(1, 1005)) FROM page, unnest(numbers) AS number;

-- A cursor goes back, also in what is too much for work_mem.
SET work_mem = '64kB';
SELECT count(*) FROM generate_series(1, 300) AS i, chat.create_message(id('app 1'), 20, repeat('x', 1000 + i));
BEGIN;
DECLARE list SCROLL CURSOR FOR SELECT number, length(body) FROM chat.list_messages(id('app 1'), 20, "limit" => 1000);
MOVE 260 IN list;
FETCH BACKWARD 2 FROM list;
FETCH LAST FROM list;
FETCH FIRST FROM list;
DECLARE search SCROLL CURSOR FOR SELECT number, length(body) FROM chat.search_messages(id('app 1'), 20, 'x', "limit" => 1000);
MOVE 299 IN search;
FETCH BACKWARD 2 FROM search;
FETCH FIRST FROM search;
COMMIT;
