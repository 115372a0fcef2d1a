# A long queue: the worker takes from it in time that follows its length, on tables that were never analyzed, and its
# other jobs go on meanwhile.
use strict;
use warnings;

use ChatTest;
use ChatWorker;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RedisServer;
use Test::More;

my $redis = RedisServer->new;
my $node = new_worker_cluster('main', conf => "autovacuum = off\npg_chat.redis_url = 'unix://$redis->{socket}'\n");

# How many index entries of a queue were read since the last look.
sub entries_read
{
	my ($queue) = @_;

	return sql("SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelid = 'chat_internal.${queue}_pkey'::regclass");
}

fill($node, 'postgres');
wait_for_worker($node, 'postgres');
wait_until($node, 'postgres', q{SELECT bool_and(runs > 0) FROM chat.worker_status WHERE job IN ('reconcile', 'redis', 'scrub chats')}, 'the jobs have run');
is(sql(q{SELECT count(*) FROM pg_class WHERE relnamespace = 'chat_internal'::regnamespace AND relkind = 'r' AND reltuples >= 0}), '0', 'nothing is analyzed');

# Of chats that are gone, so that counting takes no time.
my $length = 50_000;
my $before = entries_read('recount_queue');
sql("INSERT INTO chat_internal.recount_queue SELECT 1, 1000000 + i FROM generate_series(1, $length) AS i");
sql('INSERT INTO chat_internal.recount_queue VALUES (-2147483648, 2147483647), (-1, -2147483648), (2147483647, 2147483647)');
wait_until($node, 'postgres', 'SELECT NOT EXISTS (SELECT FROM chat_internal.recount_queue)', 'counting: the queue is done');
cmp_ok(entries_read('recount_queue') - $before, '<', 10 * $length, 'counting: each row was read a few times, not again and again');

$before = entries_read('redis_key_queue');
sql("INSERT INTO chat_internal.redis_key_queue (token, chat_number) SELECT token, 1000000 + i FROM chat.applications, generate_series(1, $length) AS i WHERE id = 1");
wait_until($node, 'postgres', 'SELECT NOT EXISTS (SELECT FROM chat_internal.redis_key_queue WHERE due)', 'deleted keys: the queue is done');
cmp_ok(entries_read('redis_key_queue') - $before, '<', 10 * $length, 'deleted keys: the same');

# Repairs that are slow: the other jobs have their runs while there is something in the queue.
sql(q{
	SELECT chat.create_chat(1) FROM generate_series(1, 500);
	CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END$$;
	CREATE TRIGGER slow BEFORE UPDATE OF messages_count ON chat.chats FOR EACH ROW WHEN (NEW.messages_count = 1) EXECUTE FUNCTION slow()});
my %runs = map { split /\|/ } split /\n/, sql(q{SELECT job, runs FROM chat.worker_status WHERE job IN ('redis', 'scrub applications')});
sql(q{INSERT INTO chat.messages (application_id, chat_number, body) SELECT 1, number, 'direct' FROM chat.chats WHERE application_id = 1 AND messages_count = 0});
foreach my $job (sort keys %runs)
{
	wait_until($node, 'postgres', "SELECT runs > $runs{$job} + 3 AND EXISTS (SELECT FROM chat_internal.recount_queue) FROM chat.worker_status WHERE job = '$job'",
		"slow repairs: $job goes on meanwhile");
}
wait_until($node, 'postgres', 'SELECT NOT EXISTS (' . wrong_counts() . ')', 'slow repairs: all is counted');

# So do they while everything is counted.
sql(q{UPDATE chat_internal.worker_jobs SET (application_id, chat_number, full_scan) = (0, 0, true) WHERE job = 'scrub chats';
	SET session_replication_role = replica; UPDATE chat.chats SET messages_count = 0 WHERE messages_count = 1});
%runs = map { split /\|/ } split /\n/, sql(q{SELECT job, runs FROM chat.worker_status WHERE job IN ('redis', 'reconcile')});
foreach my $job (sort keys %runs)
{
	wait_until($node, 'postgres', "SELECT runs > $runs{$job} + 3 AND (SELECT full_scan FROM chat_internal.worker_jobs WHERE job = 'scrub chats') FROM chat.worker_status WHERE job = '$job'",
		"a full scan: $job goes on meanwhile");
}
wait_until($node, 'postgres', 'SELECT NOT EXISTS (' . wrong_counts() . ')', 'a full scan: all is counted');

# And while one chat is counted that takes long by itself: here each of its messages takes time to read.
sql(q{
	SELECT chat.create_message(2, 1, 'm') FROM generate_series(1, 3000);
	CREATE FUNCTION slow_to_read(number integer) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(0.002); RETURN true; END$$;
	ALTER TABLE chat.messages RENAME TO messages_kept;
	CREATE VIEW chat.messages AS SELECT * FROM chat.messages_kept WHERE (application_id, chat_number) <> (2, 1) OR slow_to_read(number)});
%runs = map { split /\|/ } split /\n/, sql(q{SELECT job, runs FROM chat.worker_status WHERE job IN ('redis', 'scrub applications')});
sql('UPDATE chat.chats SET messages_count = 77 WHERE (application_id, number) = (2, 1)');
foreach my $job (sort keys %runs)
{
	wait_until($node, 'postgres', "SELECT runs > $runs{$job} + 3 AND (SELECT messages_count = 77 FROM chat.chats WHERE (application_id, number) = (2, 1)) FROM chat.worker_status WHERE job = '$job'",
		"a large chat: $job goes on meanwhile");
}
wait_until($node, 'postgres', q{SELECT messages_count = last_message_number FROM chat.chats WHERE (application_id, number) = (2, 1)}, 'a large chat: it is counted');
is(sql(q{SELECT count(*) FROM chat.worker_status WHERE errors > 0}), '0', 'and nothing failed');

# What the functions add meanwhile, also below its highest number, is not taken for a difference: there is one
# repair, of what was made wrong. (Through the view only they can write, without the triggers.)
sql(q{
	ALTER TABLE chat.messages_kept DISABLE TRIGGER before_insert, DISABLE TRIGGER after_insert, DISABLE TRIGGER after_delete;
	DELETE FROM chat.messages_kept WHERE (application_id, chat_number) = (2, 1) AND number % 3 = 0;
	UPDATE chat.chats SET messages_count = 77 WHERE (application_id, number) = (2, 1)});
my $repaired = sql('SELECT count(*) FROM chat.repaired_counts WHERE (application_id, chat_number) = (2, 1)');
$node->pgbench('-n -c 2 -t 1000', 0, [qr{processed: 2000/2000}], [qr/^$/], 'a large chat grows while it is counted',
	{
		'appended' => q{SELECT chat.create_message(2, 1, 'm');},
		'named' => qq{\\set n random(1, 1000)\nSELECT * FROM chat.create_messages(ARRAY[2], ARRAY[1], ARRAY['named'], ARRAY[:n * 3]);}
	});
wait_until($node, 'postgres', q{SELECT messages_count > 2000 FROM chat.chats WHERE (application_id, number) = (2, 1)}, 'a growing chat: it is counted');
sql(q{DROP VIEW chat.messages; ALTER TABLE chat.messages_kept RENAME TO messages;
	ALTER TABLE chat.messages ENABLE TRIGGER before_insert, ENABLE TRIGGER after_insert, ENABLE TRIGGER after_delete});
is(sql(wrong_counts()), '', 'a growing chat: it is counted right');
is(sql('SELECT count(*) FROM chat.repaired_counts WHERE (application_id, chat_number) = (2, 1)') - $repaired, 1, 'a growing chat: by one repair');

# It is counted right where it changes meanwhile in all ways, and its counter is made wrong again and again. Its repair
# takes too long to be done at once.
sql(q{
	CREATE FUNCTION slow_to_repair() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(0.4); RETURN NEW; END$$;
	CREATE TRIGGER slow_to_repair BEFORE UPDATE ON chat.chats FOR EACH ROW
		WHEN ((NEW.application_id, NEW.number) = (2, 1) AND abs(NEW.messages_count - OLD.messages_count) > 10) EXECUTE FUNCTION slow_to_repair();
	DELETE FROM chat.messages WHERE (application_id, chat_number) = (2, 1) AND number % 3 = 0});
$repaired = sql('SELECT count(*) FROM chat.repaired_counts WHERE (application_id, chat_number) = (2, 1)');
$node->pgbench('-n -c 3 -t 300', 0, [qr{processed: 900/900}], [qr/^$/], 'changes of all kinds while it is counted',
	{
		'create@6' => q{SELECT chat.create_message(2, 1, 'm');},
		'below@3' => qq{\\set n random(1, 1000)\nSELECT * FROM chat.create_messages(ARRAY[2], ARRAY[1], ARRAY['named'], ARRAY[:n * 3]);},
		'delete@2' => qq{\\set n random(1, 3000)\nDELETE FROM chat.messages WHERE (application_id, chat_number, number) = (2, 1, :n);},
		'insert@1' => q{INSERT INTO chat.messages (application_id, chat_number, body) VALUES (2, 1, 'direct');},
		'move@1' => qq{\\set n random(1, 3000)\nUPDATE chat.messages SET chat_number = 2, number = 100000 + :n + (random() * 1000000)::integer WHERE (application_id, chat_number, number) = (2, 1, :n);},
		'wrong@1' => q{SET session_replication_role = replica; UPDATE chat.chats SET messages_count = messages_count + 1000 WHERE (application_id, number) = (2, 1); RESET session_replication_role; INSERT INTO chat_internal.recount_queue VALUES (2, 1);}
	});
wait_until($node, 'postgres', 'SELECT NOT EXISTS (SELECT FROM chat_internal.recount_queue)', 'a changing chat: it leaves the queue');
is(sql(wrong_counts()), '', 'a changing chat: all is counted');
cmp_ok(sql('SELECT count(*) FROM chat.repaired_counts WHERE (application_id, chat_number) = (2, 1)'), '>', $repaired, 'a changing chat: it was repaired meanwhile');
$node->stop;
done_testing();
