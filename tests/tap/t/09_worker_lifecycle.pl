# The worker's life: when it is started, that there is one for each database and never two, and that
# it lets go of its database at once, also in the middle of a request to a Redis that hangs.
use strict;
use warnings;

use ChatTest;
use ChatWorker;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RedisServer;
use Test::More;

my $redis = RedisServer->new;
my $node = new_worker_cluster('main', allows_streaming => 1);

sub status { my ($columns, $db, $on) = @_; return ($on // $node)->safe_psql($db // 'postgres', "SELECT DISTINCT $columns FROM chat.worker_status"); }

# All workers, as a list of databases: a database that has two is there twice.
sub all_workers
{
	return join(' ', split /\n/, sql('postgres', q{
		SELECT coalesce(datname, '?') FROM pg_stat_activity WHERE backend_type = 'pg_chat worker' ORDER BY 1}));
}

# Exactly these databases have a worker, or come to have one.
sub workers_are
{
	my ($databases, $what) = @_;

	wait_until($node, 'postgres', qq{
		SELECT coalesce(string_agg(datname, ' ' ORDER BY datname), '') = '$databases' FROM pg_stat_activity
		WHERE backend_type = 'pg_chat worker'}, $what)
	  or diag('there are: ' . all_workers());
}

# Preloaded: CREATE EXTENSION is enough.
my $pid = wait_for_worker($node, 'postgres');
is(status('database, pid, hint IS NULL'), "postgres|$pid|t", 'worker_status shows the worker');
is(status('running_since > now() - interval $$1 hour$$'), 't', 'and since when it runs');
sql('postgres', 'CREATE DATABASE one; CREATE DATABASE two; CREATE DATABASE without; CREATE DATABASE closed');
sql($_, 'CREATE EXTENSION pg_chat') foreach qw(one two closed);
workers_are('closed one postgres two', 'each database with the extension gets its worker');
sql('postgres', 'ALTER DATABASE closed ALLOW_CONNECTIONS false; ALTER DATABASE template0 ALLOW_CONNECTIONS true');
$node->restart;
workers_are('one postgres two', 'after a restart; not where connections are not allowed');
sql('postgres', 'ALTER DATABASE template0 ALLOW_CONNECTIONS false');
is(sql('one', q{SELECT chat.start_worker()}), 't', 'started by hand where there is one: it runs');
workers_are('one postgres two', 'and is not there twice');

# Often in succession: the wait before a restart is for workers that fail.
each_within(1, sub {
	my ($timed) = @_;

	foreach my $round (1 .. 6)
	{
		sql('two', 'DROP EXTENSION pg_chat; CREATE EXTENSION pg_chat') if $round % 2;
		sql('two', 'DROP EXTENSION pg_chat');
		$timed->("round $round: DROP EXTENSION", sub { workers_are('one postgres', "round $round: the worker leaves") });
		sql('two', 'CREATE EXTENSION pg_chat');
		$timed->("round $round: CREATE EXTENSION", sub { workers_are('one postgres two', "round $round: it comes") });
	}
});
sql('without', 'BEGIN; CREATE EXTENSION pg_chat; ROLLBACK');
sql('postgres', 'CREATE DATABASE three TEMPLATE one');
workers_are('one postgres three two', 'a copy of a database has a worker, and its template keeps its own');

# Commands that need the database free of connections, idle and with a request in flight.
sub lets_go
{
	my ($how, $timed) = @_;
	my $prepare = sub {
		my ($db) = @_;
		my $worker = wait_for_worker($node, $db);

		return $worker if $how eq 'idle';
		wait_until($node, $db, q{SELECT last_run_at IS NOT NULL AND (last_error IS NULL OR errors > 0) FROM chat_internal.worker_jobs WHERE job = 'redis'}, "$how: at work in $db");
		sql($db, q{SELECT chat.create_message(1, 1, 'in flight')});
		return $worker;
	};

	$prepare->('one');
	$timed->("$how: CREATE DATABASE TEMPLATE", sub { sql('postgres', 'CREATE DATABASE copy TEMPLATE one') });
	workers_are('copy one postgres three two', "$how: both have a worker");
	$prepare->('copy');
	$timed->("$how: ALTER DATABASE RENAME", sub { sql('postgres', 'ALTER DATABASE copy RENAME TO renamed') });
	workers_are('one postgres renamed three two', "$how: the worker comes back");
	$prepare->('renamed');
	$timed->("$how: ALTER DATABASE SET TABLESPACE", sub { sql('postgres', 'ALTER DATABASE renamed SET TABLESPACE elsewhere') });
	$prepare->('renamed');
	$timed->("$how: DROP DATABASE", sub { sql('postgres', 'DROP DATABASE renamed') });
	workers_are('one postgres three two', "$how: no other was disturbed");

	my $worker = $prepare->('one');
	$timed->("$how: pg_terminate_backend", sub {
		sql('postgres', "SELECT pg_terminate_backend($worker)");
		wait_until($node, 'postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $worker)", "$how: terminated");
	});
	workers_are('one postgres three two', "$how: it comes back by itself");

	$prepare->('two');
	$timed->("$how: DROP EXTENSION", sub {
		sql('two', 'DROP EXTENSION pg_chat');
		workers_are('one postgres three', "$how: gone");
	});
	sql('two', q{CREATE EXTENSION pg_chat; SELECT chat.create_application('two'); SELECT chat.create_chat(1)});
	workers_are('one postgres three two', "$how: CREATE EXTENSION again");

	$prepare->('one');
	$timed->("$how: fast shutdown", sub { $node->stop('fast') });
	$node->start;
	workers_are('one postgres three two', "$how: started again");
}

sql($_, q{SELECT chat.create_application('shop'); SELECT chat.create_chat(1)}) foreach qw(one two three);
mkdir $node->basedir . '/elsewhere';
sql('postgres', sprintf q{CREATE TABLESPACE elsewhere LOCATION '%s/elsewhere'}, $node->basedir);
each_within(1, sub { lets_go('idle', @_) });
$node->append_conf('postgresql.conf', "pg_chat.redis_url = 'unix://$redis->{socket}'");
$node->reload;
wait_until($node, 'one', q{SELECT runs > 0 FROM chat_internal.worker_jobs WHERE job = 'redis'}, 'mirroring begins');
$redis->hang;

# It waits for Redis outside of any transaction, and counts what it writes for autovacuum.
is($node->safe_psql('one', q{
	SELECT chat.create_message(1, 1, 'in flight') \gset
	CREATE FUNCTION busy() RETURNS float LANGUAGE plpgsql AS $$
	DECLARE looks integer := 0; busy integer := 0; until timestamptz := clock_timestamp() + interval '1.5 s';
	BEGIN
		WHILE clock_timestamp() < until LOOP
			PERFORM pg_stat_clear_snapshot();
			looks := looks + 1;
			busy := busy + (SELECT count(*) FROM pg_stat_activity
				WHERE datname = 'one' AND backend_type = 'pg_chat worker' AND (xact_start IS NOT NULL OR backend_xmin IS NOT NULL));
		END LOOP;
		RETURN busy::float / looks;
	END $$;
	SELECT busy() < 0.3}), 't', 'Redis hangs: no transaction is open meanwhile');
wait_until($node, 'one', q{SELECT n_tup_upd > 0 FROM pg_stat_user_tables WHERE relid = 'chat_internal.worker_jobs'::regclass}, 'what it writes is counted');

each_within(1, sub { lets_go('hanging Redis', @_) });
sql('postgres', 'DROP TABLESPACE elsewhere');
wait_until($node, 'one', q{SELECT last_error LIKE 'no answer from Redis%' FROM chat_internal.worker_jobs WHERE job = 'redis'},
	'Redis did hang meanwhile');
$redis->go_on;

# A command that fails, or that somebody may not give, leaves the worker.
$pid = wait_for_worker($node, 'one');
my ($status, $stdout, $stderr) = $node->psql('postgres', 'CREATE ROLE nobody LOGIN; SET ROLE nobody; DROP DATABASE one');
like($stderr, qr/must be owner of database one/, 'DROP DATABASE by somebody else is refused');
is(workers($node, 'one'), $pid, 'and does not disturb the worker');
my $session = $node->background_psql('one');
$session->query_safe('SELECT 1');
($status, $stdout, $stderr) = $node->psql('postgres', 'DROP DATABASE one');
like($stderr, qr/is being accessed by other users/, 'DROP DATABASE fails for another session');
$session->quit;
workers_are('one postgres three two', 'and the worker comes back');

# kill -9 of launcher or worker restarts the cluster, and there is one worker for each again.
$node->append_conf('postgresql.conf', "restart_after_crash = on\n");
$node->reload;
foreach my $round (1 .. 3)
{
	foreach my $type ('pg_chat launcher', 'pg_chat worker')
	{
		my $before = sql('postgres', 'SELECT pg_postmaster_start_time()');
		my $victim = sql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = '$type' LIMIT 1");

		system_or_bail('pg_ctl', 'kill', 'KILL', $victim);
		wait_until($node, 'postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $victim)", "$type, round $round: killed");
		workers_are('one postgres three two', "$type, round $round: one worker for each database");
		is(sql('one', 'SELECT chat.start_worker()'), 't', "$type, round $round: by hand too");
		workers_are('one postgres three two', "$type, round $round: still one");
	}
}
my $launcher = sql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_chat launcher'});
sql('postgres', "SELECT pg_terminate_backend($launcher)");
wait_until($node, 'postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_chat launcher' AND pid <> $launcher",
	'a launcher that is terminated comes back');
is(all_workers(), 'one postgres three two', 'and starts no second worker');

# A standby has no worker; it has one when it is promoted, without a restart.
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_chat%'}), '0', 'standby: idle');
is(status('pid, hint', 'one', $standby), '|A standby has no worker; it starts after the promotion.', 'standby: the hint');
($status, $stdout, $stderr) = $standby->psql('one', 'SELECT chat.start_worker()');
like($stderr, qr/a standby has no worker/, 'standby: none by hand');
$node->stop('fast');
$standby->promote;
wait_for_worker($standby, $_) foreach qw(one two three postgres);
is(status('hint IS NULL', 'one', $standby), 't', 'promoted: its workers run');
$standby->stop;

# Not preloaded: all works, the view says what is missing, and a worker is started by hand.
my $plain = new_cluster('plain', conf => "pg_chat.reconcile_interval = 1\n");
fill($plain, 'postgres');
like(status('pid, hint', 'postgres', $plain), qr/^\|No worker\. Add pg_chat to shared_preload_libraries and restart; until then: SELECT chat\.start_worker\(\)$/,
	'not preloaded: the hint');
is($plain->safe_psql('postgres', 'SELECT chat.start_worker()'), 't', 'not preloaded: started by hand');
$pid = wait_for_worker($plain, 'postgres');
is($plain->safe_psql('postgres', "SELECT chat.start_worker() FROM generate_series(1, 5)"), "t\nt\nt\nt\nt", 'not preloaded: again');
is(workers($plain, 'postgres'), $pid, 'not preloaded: there is one');
like(status('pid, hint', 'postgres', $plain), qr/^$pid\|The worker runs until the next restart/, 'not preloaded: the hint says how long');
$plain->safe_psql('postgres', q{DELETE FROM chat.messages WHERE (chat_number, number) = (1, 7)});
wait_until($plain, 'postgres', 'SELECT bool_and(messages_count = 19) FROM chat.chats WHERE number = 1', 'not preloaded: it counts');
$plain->restart;
is(workers($plain, 'postgres'), '', 'not preloaded: gone after a restart');
$plain->stop;
done_testing();
