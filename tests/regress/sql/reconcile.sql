\i setup.sql
-- chat.reconcile(): counts anew, repairs, and returns what was wrong.
SELECT id FROM chat.create_application('shop');
SELECT id FROM chat.create_application('bank');
SELECT chat.create_chat(a) FROM (VALUES (1), (1), (2)) AS t (a);
SELECT count(chat.create_message(a, c, 'hello')) FROM (VALUES (1, 1), (1, 2), (2, 1)) AS t (a, c), generate_series(1, 5);
SELECT * FROM chat.reconcile();

-- A chat, an application, everything; nothing else is touched.
CREATE PROCEDURE test.spoil() LANGUAGE sql AS $$
	UPDATE chat.chats SET messages_count = messages_count + 10 * number, last_message_number = 1;
	UPDATE chat.application_counters SET chats_count = 0, last_chat_number = 0;
	TRUNCATE chat.repaired_counts;
$$;
CALL spoil();
SELECT * FROM chat.reconcile(1, 2);
SELECT * FROM chat.reconcile(1);
SELECT * FROM chat.reconcile();
SELECT * FROM wrong_counters();
SELECT application_id, chat_number, counter, old_value, new_value FROM chat.repaired_counts ORDER BY 1, 2, 3;

-- A highest number is never lowered: the numbers below it were given.
DELETE FROM chat.messages WHERE number > 2;
SELECT * FROM chat.reconcile();
SELECT chat.create_message(1, 1, 'next');

-- It is rolled back with its transaction.
CALL spoil();
BEGIN;
SELECT count(*) FROM chat.reconcile();
ROLLBACK;
SELECT count(*) FROM chat.repaired_counts;
SELECT count(*) FROM chat.reconcile();

-- A counter that is missing, chats that are gone.
DELETE FROM chat.application_counters WHERE application_id = 2;
DELETE FROM chat.chats WHERE (application_id, number) = (1, 1);
SELECT * FROM chat.reconcile();
TRUNCATE chat.messages;
SELECT * FROM chat.reconcile();

-- Whom it cannot count; who may not.
SELECT error('SELECT chat.reconcile(99)');
SELECT error('SELECT chat.reconcile(-2147483648)');
SELECT error('SELECT chat.reconcile(1, 1)');
SELECT error('SELECT chat.reconcile(NULL, 1)');
SET ROLE chat_api;
SELECT chat.reconcile();
SELECT * FROM chat.worker_status;
SELECT chat.start_worker();
RESET ROLE;

-- Without a worker the view says how to get one.
SELECT job, pid, runs, last_error, backlog IS NULL, hint FROM chat.worker_status ORDER BY job;
