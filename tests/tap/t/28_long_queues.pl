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
is(sql(q{SELECT count(*) FROM chat.worker_status WHERE errors > 0}), '0', 'and nothing failed');
$node->stop;
done_testing();
