\i setup.sql
SELECT id FROM chat.create_application('shop');
SELECT id FROM chat.create_application('bank');
SELECT chat.create_chat(id('shop')), chat.create_chat(id('shop')), chat.create_chat(id('shop')), chat.create_chat(id('bank'));

-- An outcome for each, in the caller's order; several applications and chats in any order.
SELECT item, number, sqlstate, field, message FROM chat.create_messages(
	ARRAY[token('shop'), token('bank'), token('shop'), token('shop'), token('bank')],
	ARRAY[2, 1, 1, 2, 1], ARRAY['a', 'b', 'c', 'd', 'e']);
SELECT item, number, sqlstate, field, message FROM chat.create_messages(
	ARRAY[id('shop'), id('bank'), id('shop'), id('shop'), id('bank')],
	ARRAY[2, 1, 1, 2, 1], ARRAY['f', 'g', 'h', 'i', 'j']);
SELECT number, body FROM chat.list_messages(id('shop'), 1);
SELECT number, body FROM chat.list_messages(id('shop'), 2);
SELECT number, body FROM chat.list_messages(id('bank'), 1);

-- Every kind of refusal beside good ones, which it costs nothing.
CREATE TEMPORARY TABLE wishes AS SELECT * FROM (VALUES
	(1, 'shop', 1, 'good', NULL),
	(2, 'none', 1, 'no application', NULL),
	(3, NULL, 1, 'application NULL', NULL),
	(4, 'shop', 99, 'no chat', NULL),
	(5, 'shop', NULL, 'chat NULL', NULL),
	(6, 'shop', 1, NULL, NULL),
	(7, 'shop', 1, '', NULL),
	(8, 'shop', 1, E' \u3000 ', NULL),
	(9, 'shop', 1, repeat('x', 65537), NULL),
	(10, 'shop', 1, 'number 0', 0),
	(11, 'shop', 1, 'number -1', -1),
	(12, 'shop', 1, 'taken', 1),
	(13, 'shop', 1, 'good', NULL),
	(14, 'shop', 1, 'named', 10),
	(15, 'shop', 1, 'named twice', 10),
	(16, 'shop', 1, 'after the named one', NULL),
	(17, 'shop', 1, 'fills a hole', 6),
	(18, 'shop', 1, 'taken by the one before', 11),
	(19, 'shop', 3, 'at the end', 2147483647),
	(20, 'shop', 3, 'past the end', NULL),
	(21, 'shop', 3, 'in a hole', 1),
	(22, 'bank', 1, 'good', NULL),
	(23, 'shop', 1, repeat('y', 65536), NULL),
	(24, 'none', 1, '', NULL),
	(25, 'shop', 99, '', NULL)) AS w (item, application, chat, body, number);
SELECT o.item, o.number, o.sqlstate, o.field, o.message FROM (SELECT array_agg(coalesce(token(application), application) ORDER BY item) AS a, array_agg(chat ORDER BY item) AS c,
	array_agg(body ORDER BY item) AS b, array_agg(number ORDER BY item) AS n FROM wishes) AS w,
	chat.create_messages(w.a, w.c, w.b, w.n) AS o;
SELECT number, left(body, 30) FROM chat.list_messages(id('shop'), 1);
SELECT number, body FROM chat.list_messages(id('shop'), 3);
SELECT * FROM wrong_counters();

-- The same by id, again in another application, told the same.
SELECT id FROM chat.create_application('club');
SELECT chat.create_chat(id('club')), chat.create_chat(id('club'), 3);
SELECT o.item, o.number, o.sqlstate, o.field, o.message FROM (SELECT array_agg(CASE application WHEN 'none' THEN 999 ELSE id(replace(application, 'shop', 'club')) END ORDER BY item) AS a,
	array_agg(chat ORDER BY item) AS c, array_agg(body ORDER BY item) AS b, array_agg(number ORDER BY item) AS n FROM wishes) AS w,
	chat.create_messages(w.a, w.c, w.b, w.n) AS o;
SELECT number, left(body, 30) FROM chat.list_messages(id('club'), 1);
SELECT * FROM wrong_counters();

-- In a batch, an automatic number goes on from the highest so far; a name for it comes too late or makes it jump.
SELECT chat.create_chat(id('club'));
SELECT item, number, sqlstate, field, message FROM chat.create_messages(array_fill(id('club'), ARRAY[5]), array_fill(4, ARRAY[5]), ARRAY['a', 'b', 'c', 'd', 'e'], ARRAY[NULL, 1, 3, NULL, 2]);
SELECT number, body FROM chat.list_messages(id('club'), 4);

-- Errors that a batch returns are those that create_message raises. Each is tried alone; good ones are left out.
SELECT w.item, error(format('SELECT chat.create_message(%L::text, %L, %L, %L)', token(w.application), w.chat, w.body, w.number))
	LIKE concat(o.sqlstate, ' ' || o.field, ' | ', o.message, '%')
FROM wishes AS w, chat.create_messages(ARRAY[token(w.application)], ARRAY[w.chat], ARRAY[w.body], ARRAY[w.number]) AS o
WHERE o.sqlstate IS NOT NULL AND w.application = 'shop' ORDER BY w.item;
SELECT error($$SELECT chat.create_message('none', 1, '')$$), error($$SELECT chat.create_message(999, 1, '')$$);

-- No message at all; numbers left out, NULL, all NULL.
SELECT item, number, sqlstate, field, message FROM chat.create_messages('{}'::text[], '{}', '{}');
SELECT item, number, sqlstate, field, message FROM chat.create_messages('{}'::integer[], '{}', '{}', '{}');
SELECT item, number, sqlstate, field, message FROM chat.create_messages(ARRAY[token('bank')], '{1}', '{x}', NULL);
SELECT item, number, sqlstate, field, message FROM chat.create_messages(ARRAY[token('bank')], '{1}', '{x}', '{NULL}');
SELECT item, number, sqlstate, field, message FROM chat.create_messages('{NULL,NULL}'::text[], '{1,1}', '{x,y}');
SELECT item, number, sqlstate, field, message FROM chat.create_messages(tokens => ARRAY[token('bank')], chats => '{1}', bodies => '{x}', numbers => '{20}');
SELECT item, number, sqlstate, field, message FROM chat.create_messages(applications => ARRAY[id('bank')], chats => '{1}', bodies => '{x}');

-- An array's lower bound does not matter.
SELECT item, number, sqlstate, field, message FROM chat.create_messages(ARRAY[token('bank'), token('bank')], '[5:6]={1,99}', '[0:1]={x,y}', '[-1:0]={NULL,NULL}');

-- Wrong shapes.
SELECT error($$SELECT chat.create_messages(NULL::text[], '{1}', '{x}')$$);
SELECT error($$SELECT chat.create_messages(NULL::integer[], '{1}', '{x}')$$);
SELECT error($$SELECT chat.create_messages('{a}'::text[], NULL, '{x}')$$);
SELECT error($$SELECT chat.create_messages('{a}'::text[], '{1}', NULL)$$);
SELECT error($$SELECT chat.create_messages('{{a}}'::text[], '{1}', '{x}')$$);
SELECT error($$SELECT chat.create_messages('{{1}}'::integer[], '{1}', '{x}')$$);
SELECT error($$SELECT chat.create_messages('{a}'::text[], '{{1}}', '{x}')$$);
SELECT error($$SELECT chat.create_messages('{a}'::text[], '{1}', '{{x}}')$$);
SELECT error($$SELECT chat.create_messages('{a}'::text[], '{1}', '{x}', '{{1}}')$$);
SELECT error($$SELECT chat.create_messages('{a,b}'::text[], '{1}', '{x,y}')$$);
SELECT error($$SELECT chat.create_messages('{a,b}'::text[], '{1,2}', '{x}')$$);
SELECT error($$SELECT chat.create_messages('{a,b}'::text[], '{1,2}', '{x,y}', '{}')$$);
SELECT error($$SELECT chat.create_messages('{a,b}'::text[], '{1,2}', '{x,y}', '{1,2,3}')$$);
SELECT error($$SELECT chat.create_messages('{}'::integer[], '{1}', '{}')$$);

-- A thousand at once, over 2 chats.
SELECT chat.create_chat(id('bank'), 50), chat.create_chat(id('bank'), 51);
SELECT count(*), count(sqlstate), bool_and(number = (item + 1) / 2)
FROM chat.create_messages(array_fill(token('bank'), ARRAY[1000]), (SELECT array_agg(50 + i % 2 ORDER BY i) FROM generate_series(1, 1000) AS i),
	(SELECT array_agg('body ' || i ORDER BY i) FROM generate_series(1, 1000) AS i));
SELECT number, messages_count, last_message_number FROM chat.list_chats(token('bank'), after => 49);
SELECT bool_and(body = 'body ' || number * 2 - 1) FROM chat.list_messages(token('bank'), 51, "limit" => 1000);
SELECT * FROM wrong_counters();

-- Refused messages left nothing behind, and counters and rows agree.
SELECT count(*) FROM chat.messages AS m WHERE NOT EXISTS (SELECT FROM chat.chats AS c WHERE c.application_id = m.application_id AND c.number = m.chat_number);
SELECT count(*) FROM chat.messages WHERE number < 1;
SELECT * FROM chat.reconcile();
