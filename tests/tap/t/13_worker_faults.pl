# Trouble around the worker: it is cancelled; a role without rights to do so tries to keep it away; the extension
# appears without an announcement; background workers are few; changes are many; the tables' owner is no superuser.
use strict;
use warnings;

use ChatTest;
use ChatWorker;
use List::Util qw(min);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RedisServer;
use Test::More;

my $redis = RedisServer->new;
my $node = new_worker_cluster('main', conf => qq{
max_prepared_transactions = 2
max_worker_processes = 5
restart_after_crash = on
pg_chat.redis_url = 'unix://$redis->{socket}'
});


sub still_there
{
	my ($on, $pid, $what) = @_;

	return is(workers($on, 'postgres'), $pid, $what);
}

# Cancelled, idle or at work.
my $pid = wait_for_worker($node, 'postgres');
foreach (1 .. 20)
{
	sql('postgres', "SELECT pg_cancel_backend($pid)");
	$node->reload;
}
sql('postgres', q{SELECT chat.create_application('shop'); SELECT chat.create_chat(1); SELECT chat.create_message(1, 1, 'x'); DELETE FROM chat.messages});
wait_until($node, 'postgres', 'SELECT messages_count = 0 FROM chat.chats', 'cancelled: it goes on');
still_there($node, $pid, 'cancelled: it is the same');

# Roles that may not copy the database do not make its worker leave; one that may has it back when the command failed.
sql('postgres', 'CREATE ROLE nobody; CREATE ROLE creator CREATEDB; CREATE DATABASE other');
foreach my $role (qw(nobody creator))
{
	my ($status, $stdout, $stderr) = $node->psql('postgres', "SET ROLE $role; CREATE DATABASE copy TEMPLATE postgres");
	like($stderr, qr/permission denied/, "$role: refused");
	still_there($node, $pid, "$role: does not disturb the worker");
}
sql('other', 'CREATE EXTENSION pg_chat');
my $other = wait_for_worker($node, 'other');
my $session = $node->background_psql('postgres', on_error_stop => 0);
$session->query('BEGIN');
$session->query('SAVEPOINT s');
$session->query('DROP DATABASE other');
$session->query('ROLLBACK TO s');
is(workers($node, 'other'), $other, 'what must fail in a transaction block does not disturb the worker');
$session->query('ALTER DATABASE other RENAME TO template1');
$session->query('ROLLBACK TO s');
$other = wait_for_worker($node, 'other', $other);
is($session->query('SELECT 1'), '1', 'failed in a savepoint: the worker is back while the transaction is open');
$session->quit;

# A command that waits for a worker to exit can be cancelled.
kill 'STOP', $other;
within(4, sub {
	my ($status, $stdout, $stderr) = $node->psql('postgres', "SET statement_timeout = '300ms'; ALTER DATABASE other RENAME TO another");
	like($stderr, qr/statement timeout/, 'a worker that does not leave: cancelled');
}, 'a worker that does not leave');
kill 'CONT', $other;
$other = wait_for_worker($node, 'other', $other);

# The extension comes by COMMIT PREPARED: no hook sees that, the next round of probes does.
sql('postgres', 'CREATE DATABASE prepared');
wait_until($node, 'postgres', q{SELECT xact_commit > 0 AND numbackends = 0 FROM pg_stat_database WHERE datname = 'prepared'}, 'prepared: probed');
sql('prepared', q{BEGIN; CREATE EXTENSION pg_chat; PREPARE TRANSACTION 'extension'});
sql('prepared', q{COMMIT PREPARED 'extension'});
sql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_chat launcher'});
wait_for_worker($node, 'prepared');
is(sql('prepared', 'SELECT DISTINCT hint IS NULL FROM chat.worker_status'), 't', 'prepared: it has a worker');
sql('postgres', 'DROP DATABASE prepared');

# More databases without the extension than background workers: they do not need them at once.
sql('postgres', join(';', map { "CREATE DATABASE empty$_" } 1 .. 8));
sql('postgres', q{UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'empty1'});
my $log = -s $node->logfile;
$node->restart;
wait_for_worker($node, $_) foreach qw(postgres other);
wait_until($node, 'postgres', q{SELECT count(*) = 2 FROM pg_stat_activity WHERE backend_type = 'pg_chat worker'}, 'few background workers: all probed');
unlike(slurp_file($node->logfile, $log), qr/all background workers are in use/, 'few background workers: enough');
unlike(slurp_file($node->logfile, $log), qr/invalid database/, 'what an interrupted DROP DATABASE left is not probed');
sql('postgres', join(';', map { "DROP DATABASE empty$_" } 1 .. 8));

# The first run over the network waits, also after a crash.
sql('postgres', q{ALTER SYSTEM SET pg_chat.reconcile_interval = '1h'; SELECT pg_reload_conf()});
$pid = wait_for_worker($node, 'postgres');
kill_process($pid);
wait_for_worker($node, 'postgres', $pid);
wait_until($node, 'postgres', q{SELECT last_run_at > running_since FROM chat.worker_status WHERE job = 'redis'}, 'crash: mirroring goes on');
is(sql('postgres', q{SELECT last_run_at > running_since + interval '0.5 s' FROM chat.worker_status WHERE job = 'redis'}), 't', 'crash: but not at once');

# A prepared transaction's changes are mirrored when it is committed, not an hour later.
my ($token) = sql('postgres', 'SELECT token FROM chat.applications');
sub mirrored
{
	my ($number, $what) = @_;

	return ok(poll(sub { ($redis->command('GET', "application:$token:chat:1:number") // '') eq $number }), $what);
}
wait_until($node, 'postgres', 'SELECT chat_internal.pending_changes() = 0', 'mirrored before');
my $last = sql('postgres', q{BEGIN; SELECT chat.create_message(1, 1, 'prepared'); PREPARE TRANSACTION 'message'});
sql('postgres', q{COMMIT PREPARED 'message'});
mirrored($last, 'prepared: mirrored after its commit');

# One that changed nothing costs nothing.
wait_until($node, 'other', 'SELECT chat_internal.pending_changes() = 0', 'other: mirrored before');
$redis->hang;
sql('other', q{BEGIN; CREATE TABLE business (); PREPARE TRANSACTION 'business'});
sql('other', q{COMMIT PREPARED 'business'});
is(sql('other', 'SELECT chat_internal.pending_changes()'), '0', 'a prepared transaction without changes: there is nothing to look for');
$redis->go_on;

# One database with many changes does not take the room of others, and does not keep it.
wait_until($node, $_, 'SELECT chat_internal.pending_changes() = 0', "$_: nothing pending") foreach qw(postgres other);
$redis->hang;
sql('postgres', q{SELECT chat.create_chat(1)});
wait_until($node, 'postgres', q{SELECT last_error LIKE 'no answer from Redis%' FROM chat.worker_status WHERE job = 'redis'}, 'Redis hangs');
sql('postgres', 'SELECT chat.create_chat(1) FROM generate_series(1, 17000)');
is(sql('postgres', 'SELECT chat_internal.pending_changes() IS NULL'), 't', 'many changes: more than its share is not kept');
$redis->go_on;
wait_until($node, 'postgres', 'SELECT chat_internal.pending_changes() = 0', 'many changes: mirrored');

# The grants in sql/README.md suffice for a role that watches the worker.
sql('postgres', example('monitor'));
$pid = wait_for_worker($node, 'postgres');
is(sql('postgres', q{SET ROLE monitor; SELECT DISTINCT pid, running_since IS NOT NULL, hint IS NULL FROM chat.worker_status}), "$pid|t|t", 'a role that watches');

# Triggers of the tables' owner run with the owner's rights, also when the worker sets them off.
give_away($node);
sql('postgres', q{
	GRANT CREATE ON SCHEMA public TO keeper;
	SET ROLE keeper;
	DELETE FROM chat.messages;
	CREATE TABLE public.seen (who text, is_super text);
	CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		BEGIN
			SET ROLE NONE;
		EXCEPTION WHEN insufficient_privilege THEN
		END;
		INSERT INTO public.seen SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user;
		RETURN NULL;
	END $$;
	CREATE TRIGGER see AFTER UPDATE ON chat.chats FOR EACH ROW EXECUTE FUNCTION public.see();
	CREATE CONSTRAINT TRIGGER see_later AFTER UPDATE ON chat.chats DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.see();
	RESET ROLE;
	ALTER SYSTEM SET pg_chat.reconcile_interval = '1s';
	SELECT pg_reload_conf()});
wait_until($node, 'postgres', 'SELECT messages_count = 0 FROM chat.chats WHERE (application_id, number) = (1, 1)', 'another owner: it counts');
is(sql('postgres', 'SELECT who, is_super FROM public.seen'), "keeper|false\nkeeper|false", 'another owner: triggers have the owner\'s rights, deferred ones too');
is(sql('postgres', 'SELECT count(*) FROM chat.worker_status WHERE last_error NOT LIKE $$%Redis%$$'), '0', 'another owner: no errors');

# Nor do they change how the worker goes on: its settings, and that it is the only one.
sql('postgres', q{
	SET ROLE keeper;
	CREATE FUNCTION public.spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		PERFORM set_config('default_transaction_read_only', 'on', false), set_config('lock_timeout', '0', false), pg_advisory_unlock_all();
		RETURN NULL;
	END $$;
	CREATE TRIGGER spoil AFTER UPDATE ON chat.chats FOR EACH ROW EXECUTE FUNCTION public.spoil();
	CREATE CONSTRAINT TRIGGER spoil_later AFTER UPDATE ON chat.chats DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.spoil()});
foreach my $count (7, 8)
{
	sql('postgres', "SET session_replication_role = replica; UPDATE chat.chats SET messages_count = $count WHERE (application_id, number) = (1, 1)");
	$node->reload;
	wait_until($node, 'postgres', 'SELECT messages_count = 0 FROM chat.chats WHERE (application_id, number) = (1, 1)', "a trigger that spoils the worker: it repairs $count");
}
wait_until($node, 'postgres', "SELECT count(*) = 1 FROM pg_locks WHERE pid = $pid AND locktype = 'advisory'", 'a trigger that gives up its lock: it has it again');
sql('postgres', 'SELECT chat.start_worker(); SELECT chat.start_worker()');
still_there($node, $pid, 'a trigger that gives up its lock: it is the only one');
sql('postgres', 'DROP FUNCTION public.spoil() CASCADE');

# Errors are shown with their place, even if the worker cannot begin.
sub fails
{
	my ($job, $error, $what) = @_;

	# The view asks which version of the extension there is, too.
	wait_until($node, 'postgres', "SELECT errors >= 3 AND last_error LIKE '$error' FROM chat_internal.worker_jobs WHERE job = '$job'", "$what: it is shown");
	my @lines = grep { /^.*ERROR:/ } split /\n(?!\t)/, slurp_file($node->logfile, $log);
	my ($like) = map { s/%/.*/gr } $error;
	is(scalar(grep { /$like/ } @lines), 1, "$what: logged once");
	like(slurp_file($node->logfile, $log), qr/CONTEXT:  job "$job"\n\tpg_chat worker of database "postgres"/, "$what: with its place");
}
# The worker has to have seen the version again, after the function was dropped.
sql('postgres', q{UPDATE chat_internal.worker_jobs SET errors = 0, last_error = NULL, last_run_at = '2000-01-01'; SELECT pg_reload_conf()});
wait_until($node, 'postgres', q{SELECT last_run_at > '2000-01-01' FROM chat_internal.worker_jobs WHERE job = 'scrub applications'}, 'its jobs run');
$log = -s $node->logfile;
my $blocker = $node->background_psql('postgres');
$blocker->query('BEGIN; LOCK TABLE pg_catalog.pg_extension IN ACCESS EXCLUSIVE MODE');
fails('watch', '%lock timeout%', 'pg_extension is locked');
$blocker->quit;
sql('postgres', 'ALTER TABLE chat.chats RENAME TO rooms');
wait_until($node, 'postgres', q{SELECT bool_or(last_error = 'relation "chat.chats" does not exist') FROM chat.worker_status WHERE job = 'scrub chats'}, 'chat.chats is renamed: it is shown');
sql('postgres', 'ALTER TABLE chat.rooms RENAME TO chats');
still_there($node, $pid, 'errors: it is the same');

# exit_on_error does not end it, and who installed the extension may give it away.
sql('postgres', 'CREATE ROLE installer SUPERUSER; CREATE DATABASE given');
sql('given', 'SET ROLE installer; CREATE EXTENSION pg_chat; RESET ROLE; REASSIGN OWNED BY installer TO keeper; ALTER DATABASE given SET exit_on_error = on');
my $given = wait_for_worker($node, 'given');
is(sql('given', q{SELECT DISTINCT pid, running_since IS NOT NULL, hint IS NULL FROM chat.worker_status}), "$given|t|t", 'given away: the status is shown');
sql('given', "SELECT pg_terminate_backend($given)");
$given = wait_for_worker($node, 'given', $given);
$blocker = $node->background_psql('given');
$blocker->query('SET exit_on_error = off; BEGIN; LOCK TABLE chat.chats');
wait_until($node, 'given', q{SELECT errors > 0 FROM chat_internal.worker_jobs WHERE job = 'scrub chats'}, 'exit_on_error: an error');
$blocker->quit;
is(workers($node, 'given'), $given, 'exit_on_error: it is the same');

# In the end the workers have not grown: what a run allocates ends with it.
sub memory_used
{
	my $before = -s $node->logfile;

	sql('postgres', "SELECT pg_log_backend_memory_contexts($pid)");
	$node->wait_for_log(qr/Grand total: .* used/, $before);
	return slurp_file($node->logfile, $before) =~ /Grand total: .* (\d+) used/ ? $1 : undef;
}
sub runs
{
	my ($count) = @_;
	my $done = q{min(runs) FROM chat_internal.worker_jobs WHERE job <> 'watch' AND job <> 'trigram index' AND job NOT LIKE '%search%'};
	my $target = sql('postgres', "SELECT $done") + $count;

	$node->poll_query_until('postgres', "SELECT pg_reload_conf() AND $target <= $done");
	return;
}
runs(5);
my $used = memory_used();
my $grown;
for (1 .. 5)	# a leak grows in each stretch, a cache does not
{
	runs(40);
	my $now = memory_used();
	$grown = $now - $used;
	last if $grown < 8192;
	$used = $now;
}
cmp_ok($grown, '<', 8192, 'its memory does not grow');
$node->stop;

# Not preloaded: it survives, too.
my $plain = new_cluster('plain');
is($plain->safe_psql('postgres', 'SELECT chat.start_worker()'), 't', 'not preloaded: started');
$pid = wait_for_worker($plain, 'postgres');
foreach (1 .. 20)
{
	$plain->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
}
$plain->safe_psql('postgres', q{SELECT chat.create_application('shop'); SELECT chat.create_chat(1); SELECT chat.create_message(1, 1, 'x'); DELETE FROM chat.messages});
$plain->reload;
wait_until($plain, 'postgres', 'SELECT messages_count = 0 FROM chat.chats', 'not preloaded, cancelled: it goes on');
still_there($plain, $pid, 'not preloaded, cancelled: it is the same');
$plain->stop;
done_testing();
