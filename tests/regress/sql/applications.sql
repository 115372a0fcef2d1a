\i setup.sql

-- Created: an id, a token of 32 hex digits that nothing derives from the name.
SELECT id, token ~ '^[0-9a-f]{32}$', token <> md5('shop') FROM chat.create_application('shop');
SELECT id FROM chat.create_application('bank');
SELECT token('shop') <> token('bank');

-- The same by id and by token.
SELECT id, token = token('shop'), name, chats_count, created_at <= clock_timestamp() FROM chat.get_application(id('shop'));
SELECT id, token = token('shop'), name, chats_count, created_at <= clock_timestamp() FROM chat.get_application(token('shop'));

-- A missing application is no row.
SELECT * FROM chat.get_application(999);
SELECT * FROM chat.get_application('nothing');
SELECT * FROM chat.get_application(NULL::integer);
SELECT * FROM chat.get_application(NULL::text);
SELECT * FROM chat.get_application(upper(token('shop')) || '0');

-- Names: blank, too long by one character, taken.
SELECT error($$SELECT chat.create_application(NULL)$$);
SELECT error($$SELECT chat.create_application('')$$);
SELECT error($$SELECT chat.create_application(E' \t\r\n ')$$);
SELECT id FROM chat.create_application(repeat('a', 255));
SELECT error($$SELECT chat.create_application(repeat('b', 256))$$);
SELECT id FROM chat.create_application(repeat('я', 255));
SELECT error($$SELECT chat.create_application(repeat('ж', 256))$$);
SELECT id FROM chat.create_application('x');
SELECT error($$SELECT chat.create_application('shop')$$);
SELECT error($$SELECT chat.create_application('SHOP')$$);

-- Kept byte for byte, not trimmed; a name with space around it is another name.
SELECT id FROM chat.create_application(E' shop\t');
SELECT '[' || name || ']' FROM chat.get_application(id(E' shop\t'));

-- A refusal takes no id that a caller could see missing a row.
SELECT count(*), count(DISTINCT id) FROM chat.applications;
SELECT count(*) FROM chat.application_counters;

-- A rotated token works at once, the old one no more.
CREATE TEMPORARY TABLE old AS SELECT token('shop') AS token;
SELECT chat.rotate_token(id('shop')) = token('shop');
SELECT token('shop') ~ '^[0-9a-f]{32}$', token('shop') <> token FROM old;
SELECT count(*) FROM old, chat.get_application(old.token);
SELECT name FROM chat.get_application(token('shop'));
TRUNCATE old;
INSERT INTO old SELECT token('shop');
SELECT chat.rotate_token(token('shop')) = token('shop');
SELECT token('shop') <> token FROM old;
SELECT error($$SELECT chat.rotate_token(token) FROM old$$);
SELECT error($$SELECT chat.create_chat(token) FROM old$$);
SELECT error($$SELECT chat.rotate_token(999)$$);
SELECT error($$SELECT chat.rotate_token('nothing')$$);
SELECT error($$SELECT chat.rotate_token(NULL::integer)$$);
SELECT error($$SELECT chat.rotate_token(NULL::text)$$);

-- The count of chats.
SELECT chat.create_chat(id('bank')), chat.create_chat(token('bank'));
SELECT chats_count FROM chat.get_application(id('bank'));
SELECT chats_count FROM chat.list_applications() WHERE name = 'bank';
SELECT * FROM wrong_counters();
