\i setup.sql
-- Consumers: each change once, in the order of its chat, and a position that is committed with what was made of them.
SELECT id FROM chat.create_application('shop');
SELECT chat.create_chat(id('shop')) FROM generate_series(1, 3);
SELECT count(o) FROM generate_series(1, 2) AS c, chat.create_messages(array_fill(id('shop'), ARRAY[3]), array_fill(c, ARRAY[3]), ARRAY['one', 'two', 'three']) AS o;

SELECT chat_number, position, event, number, body FROM chat.consume(id('shop'), 'mailer');
SELECT * FROM chat.consume(id('shop'), 'mailer');
SELECT chat.create_message(token('shop'), 3, 'first');
SELECT (chat.update_message(id('shop'), 1, 2, 'TWO')).revision;
SELECT chat.delete_message(id('shop'), 2, 3);
SELECT chat_number, position, event, number, body FROM chat.consume(token('shop'), 'mailer') ORDER BY chat_number;
SELECT * FROM chat.consume(token('shop'), 'mailer');

-- Rolled back with what was made of them.
SELECT chat.create_message(id('shop'), 3, 'second');
BEGIN;
SELECT position FROM chat.consume(id('shop'), 'mailer');
SELECT position FROM chat.consume(id('shop'), 'mailer');
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT position FROM chat.consume(id('shop'), 'mailer');
ROLLBACK TO s;
SELECT position FROM chat.consume(id('shop'), 'mailer');
COMMIT;
SELECT position FROM chat.consume(id('shop'), 'mailer');

-- Pages: calls in turn come to all chats, none keeps another from it.
SELECT array_agg(chat_number || ':' || position) FROM chat.consume(id('shop'), 'pages', 2);
SELECT array_agg(chat_number || ':' || position) FROM chat.consume(id('shop'), 'pages', 2);
SELECT array_agg(chat_number || ':' || position) FROM chat.consume(id('shop'), 'pages', 2);
SELECT array_agg(chat_number || ':' || position) FROM chat.consume(id('shop'), 'pages', 2);
SELECT array_agg(chat_number || ':' || position) FROM chat.consume(id('shop'), 'pages', 2);
SELECT array_agg(chat_number || ':' || position) FROM chat.consume(id('shop'), 'pages', 2);

-- Of some chats alone.
SELECT array_agg(chat_number || ':' || position) FROM chat.consume(id('shop'), 'some', chats => '{3,2,9,NULL,3}');
SELECT array_agg(chat_number || ':' || position) FROM chat.consume(id('shop'), 'some', chats => '{}');
SELECT array_agg(chat_number || ':' || position) FROM chat.consume(id('shop'), 'some', chats => '{1}');

-- A consumer that begins now, those that there are, and one that is forgotten.
SELECT chat.skip_changes(id('shop'), 'late');
SELECT chat.skip_changes(id('shop'), 'late');
SELECT chat.create_message(id('shop'), 1, 'four');
SELECT chat_number, position, body FROM chat.consume(id('shop'), 'late');
SELECT * FROM chat.list_consumers(id('shop'));
SELECT * FROM chat.list_consumers(token('shop'));
SELECT chat.skip_changes(token('shop'), 'mailer');
SELECT chat.delete_consumer(id('shop'), 'pages');
SELECT chat.delete_consumer(token('shop'), 'pages');
SELECT * FROM chat.list_consumers(id('shop'));
SELECT consumer, chat_number, number, revision FROM chat.consumer_positions ORDER BY consumer, chat_number;

-- A chat that is deleted takes its positions along, and another of its number is begun with anew.
DELETE FROM chat.chats WHERE application_id = id('shop') AND number = 3;
INSERT INTO chat.chats (application_id, number) VALUES (id('shop'), 3);
SELECT chat.create_message(id('shop'), 3, 'anew');
SELECT chat_number, position, event, body FROM chat.consume(id('shop'), 'late');

-- What is refused.
SELECT error($$SELECT chat.consume(id('shop'), ' ')$$);
SELECT error($$SELECT chat.consume(id('shop'), NULL)$$);
SELECT error($$SELECT chat.consume(id('shop'), repeat('ж', 256))$$);
SELECT error($$SELECT chat.consume(id('shop'), 'c', 0)$$);
SELECT error($$SELECT chat.consume(id('shop'), 'c', 1001)$$);
SELECT error($$SELECT chat.consume(0, 'c')$$);
SELECT error($$SELECT chat.consume('none'::text, 'c')$$);
SELECT error($$SELECT chat.skip_changes(0, 'c')$$);
SELECT error($$SELECT chat.skip_changes(id('shop'), '')$$);
SELECT error($$SELECT chat.delete_consumer(0, 'c')$$);
SELECT error($$SELECT chat.delete_consumer(token('shop'), '')$$);
SELECT error($$SELECT chat.list_consumers(0)$$);
SELECT error($$SELECT chat.list_consumers('none'::text)$$);
