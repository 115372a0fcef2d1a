# Row-level security that hides rows from the tables' owner, who is no superuser: the worker and chat.reconcile() take
# no hidden row for a missing one. They fail, and say why, and change nothing.
use strict;
use warnings;

use ChatTest;
use ChatWorker;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RedisServer;
use Test::More;

my $redis = RedisServer->new;
my $node = new_worker_cluster('main', conf => "pg_chat.redis_url = 'unix://$redis->{socket}'\n");

fill($node, 'postgres');
wait_for_worker($node, 'postgres');
give_away($node);
wait_until($node, 'postgres', q{SELECT bool_and(last_run_at > clock_timestamp() - interval '10 s') FROM chat.worker_status WHERE job IN ('reconcile', 'redis')}, 'the jobs go on');
my $counters = 'SELECT application_id, number, messages_count, last_message_number FROM chat.chats UNION ALL SELECT application_id, 0, chats_count, last_chat_number FROM chat.application_counters ORDER BY 1, 2';
my $before = sql($counters);
my $keys;
ok(poll(sub { $keys = $redis->keys_and_values; return 16 == split /\n/, $keys }), 'all is mirrored');
sql('DELETE FROM chat.repaired_counts');

foreach my $case ([ 'chat.messages', 'reconcile', 'scrub chats' ], [ 'chat.chats', 'reconcile', 'scrub chats', 'scrub applications', 'redis' ], [ 'chat.applications', 'scrub applications', 'redis' ])
{
	my ($table, @jobs) = @$case;

	sql("ALTER TABLE $table ENABLE ROW LEVEL SECURITY; ALTER TABLE $table FORCE ROW LEVEL SECURITY; UPDATE chat_internal.worker_jobs SET last_error = NULL");
	sql('INSERT INTO chat_internal.recount_queue VALUES (1, 1), (1, 0); SELECT pg_reload_conf()');
	wait_until($node, 'postgres', "SELECT last_error ~ 'row-level security policy' FROM chat.worker_status WHERE job = '$_'", "$table: $_ says so") foreach @jobs;
	foreach my $call ('chat.reconcile()', 'chat.reconcile(1)', 'chat.reconcile(1, 1)')
	{
		my ($status, $stdout, $stderr) = $node->psql('postgres', "SELECT $call");

		like($stderr, qr/row-level security policy/, "$table: $call says so");
	}
	is(sql($counters), $before, "$table: no counter is changed");
	is($redis->keys_and_values, $keys, "$table: no key is changed");
	sql("ALTER TABLE $table DISABLE ROW LEVEL SECURITY; ALTER TABLE $table NO FORCE ROW LEVEL SECURITY; SELECT pg_reload_conf()");
	wait_until($node, 'postgres', 'SELECT NOT EXISTS (SELECT FROM chat_internal.recount_queue)', "$table: it goes on");
}
is(repaired($node, 'postgres'), '', 'nothing is repaired that was right');
is(sql($counters), $before, 'nor changed');
sql('DELETE FROM chat.messages WHERE (application_id, chat_number, number) = (1, 1, 1)');
wait_until($node, 'postgres', q{SELECT messages_count = 19 FROM chat.chats WHERE (application_id, number) = (1, 1)}, 'it counts again');
$node->stop;
done_testing();
