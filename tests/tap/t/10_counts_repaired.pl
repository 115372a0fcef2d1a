# Counts after changes by other ways than the functions: right within a run of the worker, shown and
# kept; numbers right at once; and that counting a large chat hinders nobody who posts to it.
use strict;
use warnings;

use ChatTest;
use ChatWorker;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_worker_cluster('main', conf => "max_connections = 60\n");
my $out = "$PostgreSQL::Test::Utils::tmp_check/out";

sub job { my ($job, $columns) = @_; return sql("SELECT $columns FROM chat.worker_status WHERE job = '$job'"); }

# All counts come to be right, and nothing is left in the queue.
sub becomes_right
{
	my ($what) = @_;

	wait_until($node, 'postgres', 'SELECT NOT EXISTS (' . wrong_counts() . ') AND NOT EXISTS (SELECT FROM chat_internal.recount_queue)', "$what: counted")
	  or diag(sql(wrong_counts()));
}

# After a statement, what was repaired is exactly this.
sub repairs
{
	my ($what, $statement, @expected) = @_;

	sql('DELETE FROM chat.repaired_counts');
	sql($statement);
	becomes_right($what);
	is(join("\n", sort split /\n/, repaired($node, 'postgres')), join("\n", sort @expected), "$what: what was repaired");
}

# Have the scrubs stand at the end of everything, unless they are in a full scan: a small database they
# would count whole in each run, and repair what the queue should have named. Or have them go on.
sub scrubs
{
	my ($go) = @_;

	sql($go ? 'ALTER TABLE chat_internal.worker_jobs DISABLE TRIGGER stand_still'
		: 'ALTER TABLE chat_internal.worker_jobs ENABLE TRIGGER stand_still; UPDATE chat_internal.worker_jobs SET full_scan = full_scan');
	return;
}

# Begin a transaction with a statement. Returns what ends it.
sub holding
{
	my ($statement) = @_;
	my $session = $node->background_psql('postgres');

	$session->query_safe("BEGIN; $statement");
	return sub { $session->query_safe('COMMIT'); $session->quit; };
}

fill($node, 'postgres');
wait_for_worker($node, 'postgres');
becomes_right('functions alone');
is(repaired($node, 'postgres'), '', 'functions alone: nothing to repair');
sql(q{
	CREATE FUNCTION stand_still() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.application_id := 2147483647; RETURN NEW; END$$;
	CREATE TRIGGER stand_still BEFORE UPDATE ON chat_internal.worker_jobs FOR EACH ROW WHEN (NEW.job LIKE 'scrub%' AND NOT NEW.full_scan) EXECUTE FUNCTION stand_still()});
scrubs(0);

repairs('INSERT', q{INSERT INTO chat.messages (application_id, chat_number, body) SELECT 1, 1, 'direct' FROM generate_series(1, 5)},
	'1|1|messages_count|20|25');
my $release = holding('ANALYZE chat_internal.recount_queue');
repairs('maintenance of the queue', q{DELETE FROM chat.messages WHERE (application_id, chat_number, number) = (1, 1, 25)}, '1|1|messages_count|25|24');
$release->();
repairs('a message again', q{INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (1, 1, 25, 'direct')}, '1|1|messages_count|24|25');
repairs('COPY', qq{COPY chat.messages (application_id, chat_number, number, body) FROM stdin;\n1\t1\t50\tcopied\n1\t2\t7000\tcopied\n\\.\n},
	'1|1|messages_count|25|26', '1|2|messages_count|21|22');
is(sql(q{SELECT chat.create_message(1, 1, 'next'), chat.create_message(1, 2, 'next')}), '51|7001', 'COPY: the next numbers');
repairs('UPDATE of bodies', q{UPDATE chat.messages SET body = 'edited' WHERE application_id = 1});
repairs('UPDATE of numbers', q{UPDATE chat.messages SET number = 90 WHERE (application_id, chat_number, number) = (1, 1, 51)});
is(sql(q{SELECT chat.create_message(1, 1, 'next')}), '91', 'UPDATE of numbers: the next number');
repairs('UPDATE of chats', q{UPDATE chat.messages SET chat_number = 3, number = number + 1000 WHERE (application_id, chat_number) = (1, 4)},
	'1|3|messages_count|20|40', '1|4|messages_count|20|0');
is(sql(q{SELECT chat.create_message(1, 3, 'next')}), '1021', 'UPDATE of chats: the next number');
repairs('DELETE', q{DELETE FROM chat.messages WHERE (application_id, chat_number) = (1, 2)}, '1|2|messages_count|23|0');
repairs('DELETE of chats', q{DELETE FROM chat.chats WHERE (application_id, number) IN ((2, 1), (2, 2))}, '2||chats_count|4|2');
is(sql('SELECT count(*) FROM chat.messages WHERE application_id = 2 AND chat_number < 3'), '0', 'DELETE of chats: their messages are gone');
repairs('INSERT of chats', q{INSERT INTO chat.chats (application_id, number) VALUES (3, NULL), (3, 77), (3, NULL)}, '3||chats_count|4|7');
is(sql('SELECT string_agg(number::text, $$ $$ ORDER BY number) FROM chat.list_chats(3)'), '1 2 3 4 5 77 78', 'INSERT of chats: numbers');
repairs('UPDATE of chat numbers', q{UPDATE chat.chats SET number = 200 WHERE (application_id, number) = (3, 78)});
is(sql('SELECT chat.create_chat(3)'), '201', 'UPDATE of chat numbers: the next number');
repairs('UPDATE of counters', q{UPDATE chat.chats SET messages_count = 5, last_message_number = 3 WHERE (application_id, number) = (3, 1);
	UPDATE chat.application_counters SET chats_count = -1 WHERE application_id = 1},
	'1||chats_count|-1|5', '3|1|last_message_number|3|20', '3|1|messages_count|5|20');
repairs('INSERT of counters', q{INSERT INTO chat.chats (application_id, number, last_message_number, messages_count) VALUES (3, 300, 0, 50)},
	'3||chats_count|8|9', '3|300|messages_count|50|0');
repairs('DELETE of counters', q{DELETE FROM chat.application_counters WHERE application_id = 3}, '3||chats_count|0|9', '3||last_chat_number|0|300');
repairs('DELETE of the chat', q{DELETE FROM chat.chats WHERE (application_id, number) = (3, 300)}, '3||chats_count|9|8');
scrubs(1);
repairs('triggers off', q{SET session_replication_role = replica; DELETE FROM chat.messages WHERE (application_id, chat_number, number) = (3, 2, 20);
	INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (3, 4, 500, 'unseen'); DELETE FROM chat.application_counters WHERE application_id = 2},
	'2||chats_count|0|2', '2||last_chat_number|0|4', '3|2|messages_count|20|19', '3|4|last_message_number|20|500', '3|4|messages_count|20|21');
scrubs(0);
repairs('TRUNCATE', 'TRUNCATE chat.messages', map { my $a = $_; map { "$a->[0]|$_->[0]|messages_count|$_->[1]|0" } @{ $a->[1] } } (
	[ 1, [ [ 1, 28 ], [ 3, 41 ] ] ], [ 2, [ [ 3, 20 ], [ 4, 20 ] ] ], [ 3, [ [ 1, 20 ], [ 2, 19 ], [ 3, 20 ], [ 4, 21 ] ] ]));
is(sql(q{SELECT chat.create_message(1, 1, 'next')}), '92', 'TRUNCATE: the next number');
like(job('reconcile', 'total_repaired > 5, runs > 5, last_duration < $$10 s$$, last_error IS NULL, backlog'), qr/^t\|t\|t\|t\|0$/, 'worker_status: reconcile');
is(job('scrub chats', 'total_repaired > 0, total_done > 20'), 't|t', 'worker_status: the scrub');
like(slurp_file($node->logfile), qr/pg_chat repaired $_/, "logged: $_")
  foreach 'messages_count of chat 1 of application 1: it was 20, and is 25', 'chats_count of application 1: it was -1, and is 5';

# Errors of direct changes, and the key that they cannot break.
foreach my $case (
	[ q{INSERT INTO chat.messages (application_id, chat_number, body) VALUES (1, 999, 'x')}, qr/chat 999 of application 1 does not exist/ ],
	[ q{UPDATE chat.messages SET chat_number = 999}, qr/chat 999 of application 1 does not exist/ ],
	[ q{UPDATE chat.messages SET number = 0}, qr/message number must be greater than 0/ ])
{
	my ($status, $stdout, $stderr) = $node->psql('postgres', $case->[0]);
	like($stderr, $case->[1], "refused: $case->[0]");
}

# By hand: of a chat, an application, everything; before the worker can see it.
scrubs(1);
is(sql(q{
	BEGIN;
	SET LOCAL session_replication_role = replica;
	UPDATE chat.chats SET messages_count = messages_count + number WHERE number IN (1, 3);
	UPDATE chat.application_counters SET last_chat_number = 1;
	SELECT 'chat', * FROM chat.reconcile(1, 3);
	SELECT 'application', * FROM chat.reconcile(1);
	SELECT 'all', * FROM chat.reconcile();
	SELECT 'nothing', * FROM chat.reconcile();
	COMMIT}), join("\n",
	'chat|1|3|messages_count|3|0', 'application|1|1|messages_count|2|1', 'application|1||last_chat_number|1|10',
	'all|2|3|messages_count|3|0', 'all|3|1|messages_count|1|0', 'all|3|3|messages_count|3|0',
	'all|2||last_chat_number|1|4', 'all|3||last_chat_number|1|201'), 'by hand: a chat, an application, everything');
like(($node->psql('postgres', "SELECT chat.reconcile($_->[0])"))[2], $_->[1], "by hand: $_->[0] is refused")
  foreach [ '99', qr/application not found/i ], [ '1, 99', qr/chat.* not found/ ], [ 'NULL, 1', qr/application not found/i ];

# A chat that somebody has locked when the scrub comes by: it is counted when he lets go.
scrubs(0);
sql(q{INSERT INTO chat.messages (application_id, chat_number, body) VALUES (1, 1, 'x'), (1, 3, 'x')});
becomes_right('before a chat is locked');
$release = holding('SELECT FROM chat.chats WHERE (application_id, number) = (1, 3) FOR UPDATE');
sql(q{
	SET session_replication_role = replica;
	TRUNCATE chat.messages;
	UPDATE chat_internal.worker_jobs SET (application_id, chat_number, full_scan) = (0, 0, true) WHERE job = 'scrub chats'});
wait_until($node, 'postgres', q{SELECT messages_count = 0 FROM chat.chats WHERE (application_id, number) = (1, 1)}, 'a locked chat: the others are counted');
wait_until($node, 'postgres', q{SELECT NOT bool_or(full_scan) FROM chat_internal.worker_jobs}, 'a locked chat: the scrub went past it');
is(sql('SELECT DISTINCT application_id, chat_number FROM chat_internal.recount_queue'), '1|3', 'a locked chat: it is queued');
$release->();
becomes_right('a locked chat');
scrubs(1);

# The list of what was repaired has an end, whoever filled it.
sql('INSERT INTO chat.repaired_counts (application_id, counter, new_value) SELECT 1, $$by hand$$, 0 FROM generate_series(1, 10010)');
wait_until($node, 'postgres', 'SELECT count(*) BETWEEN 10000 AND 10005 FROM chat.repaired_counts', 'the newest of what was repaired are kept');
sql('DELETE FROM chat.repaired_counts');

# Statistics and the place of the scrub outlive the worker: with runs an hour apart, a worker's first
# one shows where it begins.
sql(q{INSERT INTO chat.chats (application_id) SELECT 1 FROM generate_series(1, 2000)});
becomes_right('many chats');
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\npg_chat.reconcile_interval = 3600");
$node->restart;
sql(q{UPDATE chat_internal.worker_jobs SET (application_id, chat_number) = (1, 1100) WHERE job = 'scrub chats';
	SET session_replication_role = replica; UPDATE chat.chats SET messages_count = messages_count + 1 WHERE application_id = 1 AND number IN (1000, 1101)});
my %before = map { split /\|/, $_, 2 } split /\n/, sql('SELECT job, runs, total_done, total_repaired FROM chat_internal.worker_jobs');
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_chat'");
$node->restart;
wait_until($node, 'postgres', "SELECT runs > split_part('$before{'scrub chats'}', '|', 1)::integer FROM chat_internal.worker_jobs WHERE job = 'scrub chats'", 'the first run');
is(sql('SELECT number, messages_count FROM chat.chats WHERE application_id = 1 AND number IN (1000, 1101) ORDER BY 1'), "1000|1\n1101|0",
	'a new worker goes on where the old one was');
foreach my $job (sort keys %before)
{
	my ($runs, $done, $repaired) = split /\|/, $before{$job};
	is(job($job, "runs >= $runs AND total_done >= $done AND total_repaired >= $repaired"), 't', "$job: its statistics went on");
}
$node->append_conf('postgresql.conf', 'pg_chat.reconcile_interval = 1');
$node->reload;
becomes_right('the scrub comes round');

# One chat that cannot be counted does not stop the others, is logged once, and shown.
sql(q{
	CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'this one is broken'; END$$;
	CREATE TRIGGER refuse BEFORE UPDATE ON chat.chats FOR EACH ROW WHEN (OLD.application_id = 2 AND OLD.number = 3) EXECUTE FUNCTION refuse();
	BEGIN;
	INSERT INTO chat.messages (application_id, chat_number, number, body) SELECT a, c, 1, 'x' FROM (VALUES (1, 4), (2, 4), (3, 2)) AS t (a, c);
	SET session_replication_role = replica;
	INSERT INTO chat.messages (application_id, chat_number, number, body) SELECT a, c, 2, 'x' FROM (VALUES (2, 3), (3, 3)) AS t (a, c);
	INSERT INTO chat_internal.recount_queue VALUES (2, 3);
	COMMIT});
wait_until($node, 'postgres', q{SELECT bool_and(messages_count = 1) FROM chat.chats WHERE (application_id, number) IN ((1, 4), (2, 4), (3, 2), (3, 3))},
	'a broken chat: the others are counted');
wait_until($node, 'postgres', q{SELECT bool_and(last_error LIKE '%chat 3 of application 2: this one is broken%' AND errors > 2)
	FROM chat.worker_status WHERE job IN ('reconcile', 'scrub chats')}, 'a broken chat: worker_status shows it');
is(() = slurp_file($node->logfile) =~ /could not count chat 3 of application 2/g, 1, 'a broken chat: logged once');
is(() = slurp_file($node->logfile) =~ /repaired messages_count of chat 4 of application 1: it was 0, and is 1\n/g, 1, 'a broken chat: what others had repaired is logged once');
is(job('reconcile', 'backlog'), '1', 'a broken chat: it stays queued');
sql('DROP TRIGGER refuse ON chat.chats');
becomes_right('repaired chat');

# Direct changes of all kinds and the functions, all at a time: chats 1 to 3 only grow, by automatic
# numbers; chat 4 has named ones, too; in 5 and 6 each writer changes what it wrote itself.
scrubs(0);
sql(q{DELETE FROM chat.applications; SELECT chat.create_application('mixed'); SELECT chat.create_chat(id) FROM chat.applications, generate_series(1, 6)});
my $app = sql('SELECT id FROM chat.applications');
sql("INSERT INTO chat.messages (application_id, chat_number, body) SELECT $app, 6, 'a writer''s own' FROM generate_series(1, 8)");

my $has_merge = sql('SHOW server_version_num') >= 150000;

sub changes_of_its_own
{
	my ($writer, $i) = @_;
	my $in_5 = "application_id = $app AND chat_number = 5";
	my $number = $i * 1000000 + $writer * 10000;

	return ("INSERT INTO chat.messages (application_id, chat_number, body) VALUES ($app, 5, '$writer/$i'), ($app, 5, '$writer/$i, to go');",
		"UPDATE chat.messages SET body = body || ', edited' WHERE $in_5 AND body LIKE '$writer/$i%';",
		"UPDATE chat.messages SET number = $number WHERE $in_5 AND body = '$writer/$i, edited';",
		"UPDATE chat.messages SET chat_number = 6 WHERE $in_5 AND number = $number;",
		"DELETE FROM chat.messages WHERE $in_5 AND body LIKE '$writer/$i, to go%';",
		"INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES ($app, 6, $writer, 'again') ON CONFLICT (application_id, chat_number, number) DO UPDATE SET body = 'again $i';",
		"INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES ($app, 6, $number, 'taken') ON CONFLICT DO NOTHING;",
		$has_merge ? ("MERGE INTO chat.messages AS m USING (VALUES ($number + 5000), ($number - 995000)) AS s (number) ON $in_5 AND m.number = s.number
			WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (application_id, chat_number, number, body) VALUES ($app, 5, s.number, 'merged');") : (),
		"BEGIN; SAVEPOINT s; INSERT INTO chat.messages (application_id, chat_number, body) VALUES ($app, 5, 'lost'); SELECT chat.create_message($app, 5, 'lost'); ROLLBACK TO s;",
		"INSERT INTO chat.messages (application_id, chat_number, body) VALUES ($app, 5, 'kept'); COMMIT;",
		"BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM chat.chats;",
		"INSERT INTO chat.messages (application_id, chat_number, body) VALUES ($app, 6, 'repeatable'); SELECT chat.create_message($app, 6, 'repeatable'); COMMIT;");
}
my @writers = map {
	my $writer = $_;
	start_psql($node, join("\n", map {
		my $chat = 1 + ($writer + $_) % 3;
		("INSERT INTO chat.messages (application_id, chat_number, body) VALUES ($app, $chat, 'direct');",
			"SELECT chat.create_message($app, $chat, 'function');",
			"INSERT INTO chat.messages (application_id, chat_number, body) SELECT $app, $chat, 'many' FROM generate_series(1, 3);",
			"SELECT number FROM chat.create_messages(array_fill($app, ARRAY[3]), array_fill($chat, ARRAY[3]), ARRAY['a', 'b', 'c']);",
			"COPY chat.messages (application_id, chat_number, body) FROM stdin;\n$app\t$chat\tcopied\n\\.",
			"INSERT INTO chat.messages (application_id, chat_number, number, body) SELECT $app, 4, $_ * 100000 + $writer * 10000, 'named';",
			"SELECT chat.create_message($app, 4, 'after a named one');",
			$_ <= 30 ? changes_of_its_own($writer, $_) : ())
	} 1 .. 60), "$out.mixed.$writer")
} 1 .. 8;
wait_for_end($_) foreach @writers;
my @errors = map { grep { /ERROR/ } split /\n/, slurp_file("$out.mixed.$_.err") } 1 .. 8;
is(join("\n", grep { !/could not serialize access|current transaction is aborted/ } @errors), '', 'mixed: no writer met an error, but those with one snapshot');
is(sql("SELECT string_agg((last_message_number = n AND n = highest AND n = 8 * 60 * 9 / 3)::text, ' ') FROM chat.chats AS c,
	LATERAL (SELECT count(*) AS n, max(number) AS highest FROM chat.messages WHERE (application_id, chat_number) = ($app, c.number)) AS m
	WHERE application_id = $app AND number < 4"), 'true true true', 'mixed: automatic numbers have no gap');
is(sql("SELECT count(*) FROM chat.messages WHERE (application_id, chat_number) = ($app, 4)"), 8 * 60 * 2, 'mixed: nor is a named one lost');
is(sql("SELECT count(*) FILTER (WHERE chat_number = 5 AND body = 'kept'), count(*) FILTER (WHERE chat_number = 6 AND body LIKE '%, edited'),
	count(*) FILTER (WHERE chat_number = 6 AND body = 'again 30'), count(*) FILTER (WHERE body ~ 'lost|taken|to go') FROM chat.messages WHERE application_id = $app"),
	join('|', 8 * 30, 8 * 30, 8, 0), 'mixed: what was changed is what each writer made of it');
becomes_right('mixed');
scrubs(1);

# A large chat, counted again and again while 16 writers post to it. Its count stays exact, and writers
# do not wait for the counting.
$node->append_conf('postgresql.conf', 'pg_chat.reconcile_interval = 3600');
$node->reload;
sql("INSERT INTO chat.messages (application_id, chat_number, body) SELECT $app, 1, 'filler' FROM generate_series(1, 300000)");
sql("SELECT * FROM chat.reconcile($app, 1)");
sql('VACUUM chat.messages');

# Milliseconds that all but a twentieth of the writes in so many transactions of 16 clients stay below.
# A disk that stops for a moment makes a few wait, a chat that is locked while it is counted makes most wait.
sub usual_wait
{
	my ($name) = @_;
	my $script = "$out.$name.script";

	append_to_file($script, "SELECT chat.create_message($app, 1, 'while counted');\n");
	mkdir "$out.$name";
	chdir "$out.$name";
	command_ok([ 'pgbench', '-n', '-c', '16', '-j', '2', '-t', '400', '-f', $script, '-l', $node->connstr('postgres') ], "$name: 16 writers");
	my @waits = sort { $a <=> $b } map { (split)[2] / 1000 } map { split /\n/, slurp_file($_) } glob("$out.$name/pgbench_log.*");
	chdir '/';
	return $waits[@waits * 0.95];
}

my $undisturbed = usual_wait('alone');
sql('CREATE TABLE counted (n integer)');
my $one_count = 1000 * seconds(sub { sql("SELECT * FROM chat.reconcile($app, 1)") });
my $counting = start_psql($node, qq{
	DO \$\$ BEGIN
		WHILE NOT EXISTS (SELECT FROM counted WHERE n = 0) LOOP
			PERFORM chat.reconcile($app, 1); INSERT INTO counted VALUES (1); COMMIT;
		END LOOP;
	END \$\$}, "$out.counting");
wait_until($node, 'postgres', 'SELECT count(*) > 0 FROM counted', 'counting goes on');
sql("SET session_replication_role = replica; UPDATE chat.chats SET messages_count = messages_count + 1000 WHERE (application_id, number) = ($app, 1)");
my $disturbed = usual_wait('counted');
sql('INSERT INTO counted VALUES (0)');
wait_for_end($counting);
is(slurp_file("$out.counting.err"), '', 'counting met no error');
cmp_ok(sql('SELECT count(*) FROM counted WHERE n = 1'), '>', 3, 'the chat was counted some times meanwhile');
is(sql(wrong_counts()), '', 'the counts are exact');
is(repaired($node, 'postgres', "repaired_at > now() - interval '1 hour' AND old_value - new_value = 1000") =~ tr/\n// + 1, 1, 'the error was repaired once');
cmp_ok($disturbed, '<', 3 * $undisturbed + $one_count / 2, "the usual wait: $disturbed ms, alone $undisturbed ms, a count takes $one_count ms");

# Repaired rows are not locked while the rest is counted: counting waits for a lock here, and somebody
# posts to a chat that was found wrong.
sql("SET session_replication_role = replica; UPDATE chat.chats SET messages_count = messages_count + 1 WHERE (application_id, number) = ($app, 2)");
my $lock = $node->background_psql('postgres');
$lock->query_safe('BEGIN; LOCK TABLE chat.applications IN ACCESS EXCLUSIVE MODE');
my $waiting = start_psql($node, 'SELECT chat_number, old_value - new_value FROM chat.reconcile();', "$out.waiting");
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query ~ 'FROM chat.reconcile' AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()},
	'counting waits');
is(sql("SET lock_timeout = '10s'; SELECT chat.create_message($app, 2, 'meanwhile') > 0"), 't', 'nobody waits for what was found wrong');
$lock->query_safe('COMMIT');
$lock->quit;
wait_for_end($waiting);
is(slurp_file("$out.waiting"), "2|1\n", 'and it is repaired');
is(sql(wrong_counts()), '', 'all is right again');

# A dump is restored with its counts, and with data only and triggers disabled they are found wrong.
command_ok([ 'pg_dump', '-Fc', '-f', "$out.dump", $node->connstr('postgres') ], 'dump');
sql('CREATE DATABASE restored TEMPLATE template0');
command_ok([ 'pg_restore', '--no-owner', '-d', $node->connstr('restored'), '--exit-on-error', "$out.dump" ], 'restore');
$node->append_conf('postgresql.conf', 'pg_chat.reconcile_interval = 1');
$node->reload;
wait_for_worker($node, 'restored');
wait_until($node, 'restored', 'SELECT NOT EXISTS (' . wrong_counts() . ')', 'restored: counts are right');
$node->safe_psql('restored', "SET session_replication_role = replica; DELETE FROM chat.messages WHERE chat_number = 2");
wait_until($node, 'restored', 'SELECT NOT EXISTS (' . wrong_counts() . ')', 'restored: counted again');

$node->stop;
done_testing();
