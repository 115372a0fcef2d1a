# chat.wait_for_changes(): who waits is told of each committed change, holds back nothing meanwhile, and is never left with
# a position that means nothing.
use strict;
use warnings;

use ChatTest;
use ChatWorker;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = $PostgreSQL::Test::Utils::tmp_check;
my $node = new_cluster('main', allows_streaming => 'logical', conf => "shared_preload_libraries = 'pg_chat'\nmax_prepared_transactions = 5\n");
my $waits = q{state = 'active' AND query ~ '^CALL chat.wait' AND wait_event IS NOT NULL};
my $waiters = 0;
my @stay;

# Where changes that are told from now on begin.
sub position
{
	my ($where, $db) = @_;

	return ($where->safe_psql($db // 'postgres', 'CALL chat.wait_for_changes()') =~ /^(-?\d+)/)[0];
}

# What changed since a position, which it waits for.
sub changes
{
	my ($position, $where, $db) = @_;

	return ($where // $node)->safe_psql($db // 'postgres', "CALL chat.wait_for_changes($position, 20000)") =~ s/^-?\d+\|//r;
}

# Begin to wait for changes since a position. Returns a function that returns what was told.
sub start_waiting
{
	my ($position, $db) = @_;
	my $out = "$dir/waiter" . ++$waiters;
	my $timeout = 1000 * $PostgreSQL::Test::Utils::timeout_default;
	my $psql = start_psql($node, "CALL chat.wait_for_changes($position, $timeout);\n", $out, $db);

	return sub {
		wait_for_end($psql);
		return (slurp_file($out) . slurp_file("$out.err")) =~ s/^-?\d+\|//r =~ s/\n//r;
	};
}

sub wait_for_waiters
{
	my ($count) = @_;

	return wait_until($node, 'postgres', "SELECT count(*) = $count FROM pg_stat_activity WHERE $waits", "$count wait");
}

sub error_of
{
	my ($statements) = @_;
	my ($status, $stdout, $stderr) = $node->psql('postgres', "\\set VERBOSITY verbose\n$statements");

	return $stderr =~ /ERROR:  (\S+): (.*)/ ? "$1 $2" : "none: $stdout";
}

fill($node, 'postgres');
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION pg_chat');
fill($node, 'other');

# As long as nobody waits nothing is kept: the next who does has to look everywhere. Then somebody stays.
my $before = position($node);
sql(q{SELECT chat.create_message(1, 1, 'unheard')});
is(changes($before), '||t', 'nobody waited meanwhile');
$before = position($node);
sql(q{SELECT chat.create_message(1, 1, 'unheard')});
configure($node, 'pg_chat.redis_url', "unix://$dir/none");
wait_until($node, 'postgres', q{SELECT last_error ~ 'No such file' FROM chat.worker_status WHERE job = 'redis'}, 'now the worker reads changes');
is(changes($before), '||t', 'which it did not meanwhile');
configure($node, 'pg_chat.redis_url', '');
foreach my $db ('postgres', 'other')
{
	my $stays = $node->background_psql($db);
	$stays->query_safe('CALL chat.wait_for_changes()');
	push @stay, $stays;
}

# Several wait, in two databases: each is told of its own database's changes, of every kind.
my $here = position($node);
my $there = position($node, 'other');
my @told = (start_waiting($here), start_waiting($here), start_waiting($there, 'other'));
wait_for_waiters(3);
sql(q{BEGIN; SELECT chat.create_message(2, 3, 'x'); SELECT chat.create_message(1, 4, 'x'), chat.create_message(2, 3, 'y'); COMMIT});
is($told[$_]->(), '{1,2}|{4,3}|f', "waiter $_ is told of a commit") foreach 0, 1;
wait_for_waiters(1);
$node->safe_psql('other', q{SELECT chat.create_message(3, 1, 'x')});
is($told[2]->(), '{3}|{1}|f', 'and the one in the other database of its own');

foreach my $change (
	[ 'a batch', q{SELECT chat.create_messages('{1,1,2}'::integer[], '{1,2,1}', '{a,b,c}')}, '{1,1,2}|{1,2,1}|f' ],
	[ 'a new chat', 'SELECT chat.create_chat(3)', '{3,3}|{0,5}|f' ],
	[ 'INSERT', q{INSERT INTO chat.messages (application_id, chat_number, body) VALUES (1, 3, 'x')}, '{1}|{3}|f' ],
	[ 'what is rolled back tells nothing', q{BEGIN; SELECT chat.create_message(3, 3, 'x'); ROLLBACK; SELECT chat.create_message(1, 1, 'x')}, '{1}|{1}|f' ],
	[ 'an asynchronous commit', q{SET synchronous_commit = off; SELECT chat.create_message(1, 1, 'x')}, '{1}|{1}|f' ],
	[ 'a transaction of more chats than are told at once', q{SELECT count(chat.create_chat(3)) FROM generate_series(1, 5000)}, '||t' ],
	[ 'of more than are noted', q{SELECT count(chat.create_chat(3)) FROM generate_series(1, 17000)}, '||t' ],
	[ 'COMMIT PREPARED', q{BEGIN; SELECT chat.create_message(1, 1, 'x'); PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p'}, '||t' ],
	[ 'without triggers', q{SET session_replication_role = replica; DELETE FROM chat.messages WHERE chat_number = 3 AND number = 1}, '||t' ])
{
	my ($what, $statements, $expected) = @$change;
	my $position = position($node);

	sql($statements);
	is(changes($position), $expected, $what);
}
my $position = position($node);
sql(q{SET session_replication_role = replica; SELECT count(*) FROM chat.messages});
is(sql("CALL chat.wait_for_changes($position, 0)"), "$position|{}|{}|f", 'who only reads tells nothing');

# A chat that changed again after it was told of is told of again, though another reader has not come so far.
$position = position($node);
foreach (1 .. 3)
{
	sql(q{SELECT chat.create_message(1, 1, 'again')});
	my ($next, $rest) = sql("CALL chat.wait_for_changes($position, 20000)") =~ /^(\d+)\|(.*)/;
	is($rest, '{1}|{1}|f', "change $_ of the same chat");
	is(changes($here), '||t', 'and whose position was left behind looks everywhere') if $_ == 1;
	$position = $next;
}

# While they wait: no snapshot, so a row that changes again and again leaves no dead versions behind.
sql(q{CREATE TABLE counter AS SELECT 0 AS value});
@told = map { start_waiting($position) } 1 .. 3;
wait_for_waiters(3);
is(sql("SELECT count(backend_xmin), count(backend_xid) FROM pg_stat_activity WHERE $waits"), '0|0', 'who waits has no snapshot and no transaction id');
sql('DO $$BEGIN FOR i IN 1 .. 5000 LOOP UPDATE counter SET value = value + 1; COMMIT; END LOOP; END$$');
cmp_ok(sql(q{SELECT pg_relation_size('counter')}), '<', 80_000, 'a row that was updated 5000 times stays small');
my $reader = $node->background_psql('postgres');
$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM counter');
sql('DO $$BEGIN FOR i IN 1 .. 5000 LOOP UPDATE counter SET value = value + 1; COMMIT; END LOOP; END$$');
cmp_ok(sql(q{SELECT pg_relation_size('counter')}), '>', 80_000, 'unlike with a snapshot');
$reader->quit;
sql(q{SELECT chat.create_message(1, 2, 'x')});
is($_->(), '{1}|{2}|f', 'they still waited') foreach @told;

# Where it would wait with a snapshot, it refuses.
my $refused = '25001 wait_for_changes cannot be called in a transaction block or a function';
is(error_of('BEGIN; CALL chat.wait_for_changes()'), $refused, 'refused: a transaction block');
is(error_of(q{CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS 'DECLARE p bigint; a integer[]; c integer[]; e boolean; BEGIN CALL chat.wait_for_changes(p, 0, a, c, e); END'; SELECT f()}), $refused, 'refused: a function');
is(error_of(q{DECLARE c CURSOR WITH HOLD FOR SELECT 1; CALL chat.wait_for_changes(1); FETCH c}) =~ s/\|.*//sr =~ s/\d+/N/r, 'none: N', 'a cursor that is held is left alone');
is(error_of("SET default_transaction_isolation = 'repeatable read'; CALL chat.wait_for_changes($position, 0)") =~ s/\d+/N/r, 'none: N|{1}|{2}|f', 'any isolation level');
foreach my $timeout (-1, 3600001, 'NULL')
{
	is(error_of("CALL chat.wait_for_changes(1, $timeout)"), '22023 timeout must be from 0 to 3600000 milliseconds', "timeout $timeout");
}
is(sql(q{DO $$DECLARE p bigint; a integer[]; c integer[]; e boolean; BEGIN
	CALL chat.wait_for_changes(p, 0, a, c, e);
	PERFORM chat.create_message(1, 3, 'x');
	CALL chat.wait_for_changes(p, 60000, a, c, e);
	INSERT INTO counter VALUES (c[1]);
	END$$; SELECT value FROM counter ORDER BY value LIMIT 1}), '3', 'in a procedure it commits, and tells of that');
my $waiting = start_waiting(position($node));
wait_for_waiters(1);
sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE $waits");
like($waiting->(), qr/canceling statement/, 'waiting can be canceled');

# Changes that arrive by logical replication.
$node->safe_psql('other', 'CREATE PUBLICATION p FOR TABLE chat.applications, chat.chats, chat.messages');
$node->safe_psql('other', q{SELECT pg_create_logical_replication_slot('s', 'pgoutput')});
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->safe_psql('copy', 'CREATE EXTENSION pg_chat');
$node->safe_psql('copy', 'CREATE SUBSCRIPTION s CONNECTION ' . "'" . ($node->connstr('other') =~ s{'}{}gr) . "'" . ' PUBLICATION p WITH (create_slot = false)');
wait_until($node, 'copy', q{SELECT count(*) = 3 AND bool_and(srsubstate = 'r') FROM pg_subscription_rel}, 'the subscriber has all');
my $stays = $node->background_psql('copy');
$stays->query_safe('CALL chat.wait_for_changes()');
$position = position($node, 'copy');
$node->safe_psql('other', q{SELECT chat.create_message(1, 1, 'replicated')});
is(changes($position, $node, 'copy'), '||t', 'a replicated change');
$node->safe_psql('copy', 'DROP SUBSCRIPTION s');
$stays->quit;

# A database that is dropped and made anew, under load of what its waiters had to know.
$position = position($node, 'copy');
$node->safe_psql('postgres', 'DROP DATABASE copy');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->safe_psql('copy', 'CREATE EXTENSION pg_chat');
is(changes($position, $node, 'copy'), '||t', 'a database that was made anew');

# A crash, and a prepared transaction from before it.
$position = position($node);
sql(q{BEGIN; SELECT chat.create_message(1, 1, 'x'); PREPARE TRANSACTION 'p'});
$waiting = start_waiting($position);
wait_for_waiters(1);
$node->stop('immediate');
eval { $_->quit } foreach @stay;
like($waiting->(), qr/terminat|closed/, 'the server crashes under a waiter');
$node->start;
is(changes($position), '||t', 'a position of before the crash');
wait_for_worker($node, 'postgres');
wait_until($node, 'postgres', q{SELECT runs > 0 FROM chat.worker_status WHERE job = 'reconcile'}, 'the worker has looked for prepared transactions');
$stays = $node->background_psql('postgres');
$stays->query_safe('CALL chat.wait_for_changes()');
$position = position($node);
sql(q{COMMIT PREPARED 'p'});
is(changes($position), '||t', 'COMMIT PREPARED of a transaction from before it');

# A standby follows what is replayed, and its promotion.
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
$position = position($standby);
cmp_ok($position, '<', 0, 'a standby has positions of its own');
sql(q{SELECT chat.create_message(1, 1, 'streamed')});
$node->wait_for_catchup($standby);
is(changes($position, $standby), '||t', 'a replayed change');
is($standby->safe_psql('postgres', q{SELECT body FROM chat.last_messages(1, 1, 1)}), 'streamed', 'which is there');
$position = position($standby);
$stays->quit;
$node->stop;
$standby->promote;
is(changes($position, $standby), '||t', 'a promotion');
$stays = $standby->background_psql('postgres');
$stays->query_safe('CALL chat.wait_for_changes()');
$position = position($standby);
$standby->safe_psql('postgres', q{SELECT chat.create_message(1, 1, 'promoted')});
is(changes($position, $standby), '{1}|{1}|f', 'and then it tells which chats');
$stays->quit;

# Without the library preloaded.
$standby->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$standby->restart;
is(changes($position, $standby), '||t', 'without preloading, a position of before');
$position = position($standby);
$standby->safe_psql('postgres', q{SELECT chat.create_message(1, 1, 'polled')});
is(changes($position, $standby), '||t', 'without preloading, any chat may have changed');
ok(poll(sub {
	$position = position($standby);
	return $standby->safe_psql('postgres', "CALL chat.wait_for_changes($position, 0)") eq "$position|{}|{}|f";
}), 'without preloading, when nothing is written');
$standby->stop;
done_testing();
