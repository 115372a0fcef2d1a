\i setup.sql
SELECT id FROM chat.create_application('shop');
SELECT id FROM chat.create_application('bank');

-- Numbered 1, 2, 3, ... within each application, by id and by token alike.
SELECT chat.create_chat(id('shop'));
SELECT chat.create_chat(token('shop'));
SELECT chat.create_chat(token('bank'));
SELECT chat.create_chat(token('shop'), NULL);

-- A number of one's own: above the highest, later ones go on from there; below it, it fills the hole.
SELECT chat.create_chat(token('shop'), 77);
SELECT chat.create_chat(token('shop'));
SELECT chat.create_chat(id('shop'), 50);
SELECT chat.create_chat(id('shop'), number => 4);
SELECT chat.create_chat(id('shop'));
SELECT number FROM chat.list_chats(id('shop'));
SELECT chats_count FROM chat.get_application(id('shop'));

-- Refused: taken, not positive; nothing is counted.
SELECT error($$SELECT chat.create_chat(id('shop'), 1)$$);
SELECT error($$SELECT chat.create_chat(token('shop'), 77)$$);
SELECT error($$SELECT chat.create_chat(token('shop'), 0)$$);
SELECT error($$SELECT chat.create_chat(id('shop'), -5)$$);
SELECT error($$SELECT chat.create_chat(id('shop'), -2147483648)$$);
SELECT chats_count FROM chat.get_application(id('shop'));
SELECT chat.create_chat(id('shop'));

-- Shown by id and by token; a missing chat is no row.
SELECT number, messages_count, last_message_number, created_at <= clock_timestamp() FROM chat.get_chat(id('shop'), 77);
SELECT number, messages_count, last_message_number, created_at <= clock_timestamp() FROM chat.get_chat(token('shop'), 77);
SELECT * FROM chat.get_chat(id('shop'), 999);
SELECT * FROM chat.get_chat(token('shop'), 0);
SELECT * FROM chat.get_chat(token('shop'), NULL);
SELECT * FROM chat.get_chat(token('bank'), 77);

-- A missing application is an error.
SELECT error($$SELECT chat.create_chat(999)$$);
SELECT error($$SELECT chat.create_chat('nothing')$$);
SELECT error($$SELECT chat.create_chat(NULL::integer)$$);
SELECT error($$SELECT chat.create_chat(NULL::text)$$);
SELECT error($$SELECT chat.create_chat(999, 5)$$);
SELECT error($$SELECT chat.create_chat('nothing', 5)$$);
SELECT error($$SELECT chat.get_chat(999, 1)$$);
SELECT error($$SELECT chat.get_chat('nothing', 1)$$);
SELECT error($$SELECT chat.get_chat(999, NULL)$$);
SELECT error($$SELECT chat.get_chat(NULL::integer, 1)$$);
SELECT error($$SELECT chat.get_chat(NULL::text, 1)$$);
SELECT error($$SELECT chat.list_chats(999)$$);
SELECT error($$SELECT chat.list_chats('nothing')$$);
SELECT error($$SELECT chat.list_chats(NULL::integer)$$);
SELECT error($$SELECT chat.list_chats(NULL::text)$$);

-- The end of the numbers.
SELECT chat.create_chat(token('bank'), 2147483646);
SELECT chat.create_chat(token('bank'));
SELECT error($$SELECT chat.create_chat(id('bank'))$$);
SELECT error($$SELECT chat.create_chat(token('bank'))$$);
SELECT error($$SELECT chat.create_chat(token('bank'), 2147483647)$$);
SELECT chat.create_chat(token('bank'), 2);
SELECT number FROM chat.list_chats(token('bank'));
SELECT chats_count FROM chat.get_application(token('bank'));
SELECT * FROM wrong_counters();
