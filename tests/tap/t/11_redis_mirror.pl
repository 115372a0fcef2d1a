# The mirror in Redis: right within a second of a commit, right again after whatever happens to
# Redis, and a hindrance to nobody. Numbers are never taken from it.
use strict;
use warnings;

use ChatTest;
use ChatWorker;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RedisMirror;
use RedisServer;
use Test::More;

my $redis = RedisServer->new;
my $node = new_worker_cluster('main', conf => "pg_chat.redis_url = 'unix://$redis->{socket}'\nmax_connections = 60\n");
my $out = "$PostgreSQL::Test::Utils::tmp_check/out";

sub mirrored { return is_mirrored($redis, @_); }

fill($node, 'postgres');
wait_for_worker($node, 'postgres');
mirrored('at first');
is(repaired($node, 'postgres', q{counter <> 'redis'}), '', 'nothing was miscounted');

# Pushed, not found by comparing: within a second or so, with an hour between comparisons.
$node->append_conf('postgresql.conf', 'pg_chat.reconcile_interval = 3600');
$node->restart;
wait_for_worker($node, 'postgres');
mirrored('restarted');
wait_until($node, 'postgres', q{SELECT backlog = 0 FROM chat.worker_status WHERE job = 'redis'}, 'nothing is waiting');
sql('DELETE FROM chat.repaired_counts');
foreach my $change (
	[ 'create_message' => q{SELECT chat.create_message(1, 1, 'pushed')} ],
	[ 'create_messages' => q{SELECT chat.create_messages(ARRAY[1, 2, 3], '{2,2,2}', '{a,b,c}')} ],
	[ 'create_application' => q{SELECT chat.create_application('pushed')} ],
	[ 'create_chat' => 'SELECT chat.create_chat(2)' ],
	[ 'direct INSERT' => q{INSERT INTO chat.messages (application_id, chat_number, body) VALUES (2, 1, 'x'), (2, 3, 'x')} ],
	[ 'direct INSERT of a number' => q{INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (3, 4, 4444, 'x')} ],
	[ 'direct INSERT of a chat' => q{INSERT INTO chat.chats (application_id, number) VALUES (3, 33)} ],
	[ 'UPDATE of a number' => q{UPDATE chat.messages SET number = 900 WHERE (application_id, chat_number, number) = (3, 1, 5)} ],
	[ 'UPDATE of a chat\'s last number' => q{UPDATE chat.chats SET last_message_number = 5000 WHERE (application_id, number) = (3, 4)} ],
	[ 'UPDATE of a chat\'s number' => q{UPDATE chat.chats SET number = 34 WHERE (application_id, number) = (3, 33)} ],
	[ 'UPDATE of the last chat number' => q{UPDATE chat.application_counters SET last_chat_number = 5000 WHERE application_id = 2} ],
	[ 'delete_chat' => 'SELECT chat.delete_chat(1, 3)' ],
	[ 'delete_chat, a large one' => q{INSERT INTO chat.messages (application_id, chat_number, body) SELECT 1, 4, 'x' FROM generate_series(1, 1001); SELECT chat.delete_chat(1, 4)} ],
	[ 'delete_application' => q{SELECT chat.delete_application(id) FROM chat.create_application('short'), chat.create_chat(id)} ],
	[ 'deleted chat' => 'DELETE FROM chat.chats WHERE (application_id, number) = (2, 2)' ],
	[ 'deleted application' => 'DELETE FROM chat.applications WHERE id = 3' ])
{
	sql($change->[1]);
	within(10, sub { mirrored($change->[0]) }, $change->[0]);
}
sql(q{BEGIN; SELECT chat.create_message(1, 1, 'x'); SELECT chat.create_chat(1); ROLLBACK});
mirrored('rollback');
is(repaired($node, 'postgres'), '', 'all that was pushed, not repaired');
each_within(1, sub {
	my ($step) = @_;

	$step->("a number that rises is pushed", sub {
		my $number = sql(q{SELECT chat.create_message(1, 1, 'pushed')});
		my $key = sql(q{SELECT format('application:%s:chat:1:number', token) FROM chat.applications WHERE id = 1});

		ok(poll(sub { $redis->command('GET', $key) eq $number }), "number $number is there");
	});
});

# Ten thousand chats at once: shared memory has room for them, so that none is to be looked for.
my $burst = sql(q{SELECT id FROM chat.create_application('burst')});
my $log_position = length slurp_file($node->logfile);
sql("SELECT count(chat.create_chat($burst)) FROM generate_series(1, 10000)");
mirrored('a burst');
sql("SELECT count(*) FROM generate_series(1, 10000) AS n, chat.create_message($burst, n, 'burst')");
mirrored('a burst of messages');
unlike(slurp_file($node->logfile, $log_position), qr/keys that Redis did not have/, 'all that was pushed, none found by comparing');
sql("DELETE FROM chat.applications WHERE id = $burst");
mirrored('after the burst');
sql('SELECT chat.rotate_token(1)');
within(10, sub { mirrored('rotate_token') }, 'rotate_token');

# A lying Redis: nothing is taken from it, and each wrong value is repaired and reported.
$node->append_conf('postgresql.conf', 'pg_chat.reconcile_interval = 1');
my ($token) = sql('SELECT token FROM chat.applications WHERE id = 1');
my $key = "application:$token:chat:1:number";
foreach my $lie ([ 'too high', 'SET', $key, '100000' ], [ 'too low', 'SET', $key, '3' ], [ 'not a number', 'SET', $key, 'x1' ],
	[ 'beyond integers', 'SET', $key, '99999999999999999999' ], [ 'missing', 'DEL', $key ], [ 'a list', 'RPUSH', "application:$token:number", 'x' ],
	[ 'empty', 'SET', $key, '' ], [ 'a zero first', 'SET', $key, '030' ], [ 'a space first', 'SET', $key, ' 30' ],
	[ 'larger than all that is read', 'SETRANGE', $key, '100000000', 'x' ],
	[ 'larger than all that is read, of an application', 'SETRANGE', "application:$token:number", '100000000', 'x' ])
{
	my ($what, @command) = @$lie;

	sql('DELETE FROM chat.repaired_counts');
	$redis->command('DEL', $command[1]);
	$redis->command(@command);
	is(sql(q{SELECT chat.create_message(1, 2, 'x') + 1 = chat.create_message(1, 2, 'x')}), 't', "$what: numbers go on");
	$node->reload;
	mirrored($what);
	wait_until($node, 'postgres', q{SELECT count(*) > 0 FROM chat.repaired_counts WHERE counter = 'redis'}, "$what: reported");
}
is(sql('SELECT chat.create_message(1, 1, $$after all$$) = last_message_number FROM chat.chats WHERE (application_id, number) = (1, 1)'), 'f', 'the number is PostgreSQL\'s');
like(slurp_file($node->logfile), qr/pg_chat repaired the Redis key of chat 1 of application 1: it was 100000, and is 2\d/, 'logged');

# Faults, each while 16 writers are at work: it begins, the writers have gone on, it ends.
sql(q{SELECT chat.create_application('load'); SELECT chat.create_chat(id) FROM chat.applications, generate_series(1, 50) WHERE name = 'load'});
my $load = sql(q{SELECT id FROM chat.applications WHERE name = 'load'});
append_to_file("$out.load", "\\set c random(1, 50)\nSELECT chat.create_message($load, :c, 'load');\n");
my $writers = start_program("$out.pgbench", 'pgbench', '-n', '-c', '16', '-j', '2', '-T', '600', '--rate', '800', '-f', "$out.load", $node->connstr('postgres'));

sub written { return sql("SELECT sum(last_message_number) FROM chat.chats WHERE application_id = $load"); }

# Check that the writers go on: so many more messages, in far less than a wait for Redis would take.
sub goes_on
{
	my ($what) = @_;
	my $before = written();

	within(10, sub { wait_until($node, 'postgres', "SELECT sum(last_message_number) > $before + 500 FROM chat.chats WHERE application_id = $load", "$what: written") },
		"$what: the writers go on");
}

sub error_shown { return shows_error('redis', @_); }

# The keys of what nobody writes to are right again, while the writers go on.
sub recovers
{
	my ($what) = @_;
	my $quiet = join("\n", grep { /:$token:/ } split /\n/, expected_keys());

	ok(poll(sub { join("\n", grep { /:$token:/ } split /\n/, $redis->keys_and_values) eq $quiet }), "$what: the keys of others are right again");
	goes_on("after $what");
}


sub fault
{
	my ($what, $begin, $error, $end) = @_;

	forget_errors();
	$begin->();
	goes_on($what);
	error_shown($what, $error) if $error;
	sql('SELECT chat.create_message(1, 1, $$meanwhile$$); SELECT chat.create_chat(1)');
	$end->();
	recovers($what);
}

goes_on('all well');
fault('hung', sub { $redis->hang }, 'no answer from Redis', sub { $redis->go_on });
fault('flushed', sub { $redis->command('FLUSHALL') }, undef, sub { });
fault('out of memory', sub { $redis->command('CONFIG', 'SET', 'maxmemory', '1') }, 'OOM', sub { $redis->command('CONFIG', 'SET', 'maxmemory', '0') });
my $master = RedisServer->new;
fault('read-only', sub { $redis->command('REPLICAOF', '127.0.0.1', $master->{port}) }, 'READONLY|LOADING|MASTERDOWN', sub { $redis->command('REPLICAOF', 'NO', 'ONE') });
fault('dead', sub { $redis->kill9 }, 'connect|write|read', sub { $redis->start });

# Gone while Redis was not there: the keys go when it is back.
$redis->hang;
my $second = sql(q{SELECT id FROM chat.create_application('second')});
sql("SELECT chat.create_chat($second) FROM generate_series(1, 3)");
sql('DELETE FROM chat.chats WHERE (application_id, number) IN ((1, 1), (1, 3)); SELECT chat.rotate_token(2)');
forget_errors();
error_shown('hung again', 'no answer from Redis');
sql("DELETE FROM chat.applications WHERE id = $second");
$redis->go_on;

$writers->signal('TERM');
wait_for_end($writers);
unlike(slurp_file("$out.pgbench.err"), qr/ERROR|FATAL|aborted/, 'no writer met an error');
mirrored('in the end');
wait_until($node, 'postgres', 'SELECT NOT EXISTS (' . wrong_counts() . ')', 'in the end: counts are right');
is(sql("SELECT count(*) FROM chat.chats AS c WHERE application_id = $load AND (SELECT (count(*), max(number)) FROM chat.messages AS m
	WHERE (m.application_id, m.chat_number) = (c.application_id, c.number)) IS DISTINCT FROM (last_message_number::bigint, last_message_number)"), '0', 'in the end: numbers have no gap');
is(sql('SELECT count(*) FROM chat_internal.redis_key_queue WHERE due'), '0', 'in the end: no key is to be deleted');
sql('TRUNCATE chat.chats CASCADE');
mirrored('TRUNCATE');
sql('TRUNCATE chat.applications CASCADE');
mirrored('TRUNCATE of applications');

# Off again: nothing is waited for.
configure($node, 'pg_chat.redis_url', '');
wait_until($node, 'postgres', q{SELECT bool_and(backlog IS NULL) FROM chat.worker_status WHERE job = 'redis'}, 'off: no backlog');
is(sql(q{SELECT chat.create_chat(id) FROM chat.create_application('shop')}), '1', 'off: writing goes on');
$node->stop;
done_testing();
