# A library that is newer or older than the schema: functions and triggers refuse, saying why, and
# write nothing; the worker is idle, and says why; all of it goes on once both are of one version,
# without anybody connecting again.
#
# The schema is older where a database still has release 0.1. It is newer where the test says so in
# the catalog, and alters a function, as an upgrade script would.
use strict;
use warnings;

use ChatTest;
use ChatWorker;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_chat'\npg_chat.reconcile_interval = 1\n");
$node->start;

# Set the version in the catalog: the library's, unless another is given.
my $version = $node->safe_psql('postgres', q{SELECT default_version FROM pg_available_extensions WHERE name = 'pg_chat'});

sub claim
{
	my ($claimed) = @_;

	return "UPDATE pg_extension SET extversion = '$claimed' WHERE extname = 'pg_chat'; ALTER FUNCTION chat.fold(text) COST 10";
}

# Whatever knows the tables, and may be called or set off: functions with arguments of their types,
# and changes of the tables. A line for each that is not refused for the version, with what it did.
# Each is undone.
my $not_refused = q{
	CREATE FUNCTION pg_temp.not_refused() RETURNS SETOF text LANGUAGE plpgsql AS $$
	DECLARE
		statement text;
		state text;
		field text;
	BEGIN
		FOR statement IN
			SELECT format('%s %s(%s)', CASE p.prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT count(*) FROM' END, p.oid::regproc, (
				SELECT string_agg(CASE t WHEN 'integer'::regtype THEN '1' WHEN 'boolean'::regtype THEN 'true' WHEN 'text'::regtype THEN $q$'x'::text$q$
					WHEN 'integer[]'::regtype THEN $q$'{1}'::integer[]$q$ WHEN 'text[]'::regtype THEN $q$'{x}'::text[]$q$
					WHEN 'timestamptz'::regtype THEN 'now()' ELSE format('NULL::%s', t::regtype) END, ', ' ORDER BY n)
				FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, n)))
			FROM pg_proc AS p JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
			JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'pg_chat'
			WHERE p.prolang = (SELECT oid FROM pg_language WHERE lanname = 'c') AND p.prorettype <> 'trigger'::regtype
			UNION ALL
			SELECT * FROM unnest(ARRAY[
				'INSERT INTO chat.chats (application_id) VALUES (1)',
				'UPDATE chat.chats SET messages_count = 7',
				'UPDATE chat.chats SET number = 2 WHERE application_id = 2',
				'DELETE FROM chat.chats',
				'TRUNCATE chat.chats CASCADE',
				$q$INSERT INTO chat.messages (application_id, chat_number, body) VALUES (1, 1, 'direct')$q$,
				$q$UPDATE chat.messages SET body = 'changed'$q$,
				'UPDATE chat.messages SET number = 2',
				'DELETE FROM chat.messages',
				'TRUNCATE chat.messages',
				$q$INSERT INTO chat.applications (id, name, token) VALUES (3, 'three', 'w'); INSERT INTO chat.application_counters VALUES (3)$q$,
				'UPDATE chat.application_counters SET chats_count = 7',
				'DELETE FROM chat.application_counters',
				'TRUNCATE chat.application_counters',
				$q$UPDATE chat.applications SET token = 'y' WHERE id = 1$q$,
				'DELETE FROM chat.applications WHERE id = 1'])
		LOOP
			BEGIN
				EXECUTE statement;
				RAISE EXCEPTION USING ERRCODE = 'ZZ999';
			EXCEPTION WHEN OTHERS THEN
				GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, field = COLUMN_NAME;
				IF (state, field) IS DISTINCT FROM ('55000', 'extversion') THEN
					RETURN NEXT statement || CASE state WHEN 'ZZ999' THEN '' ELSE ': ' || SQLERRM END;
				END IF;
			END;
		END LOOP;
	END $$;
	SELECT * FROM pg_temp.not_refused() AS line ORDER BY line COLLATE "C"};

# Functions that do not access the tables work on any: search_path does not matter, since every name has a schema.
sub works
{
	my ($internal, @more) = @_;

	return join("\n", sort(
			'SELECT count(*) FROM chat.contains(\'x\'::text, \'x\'::text)',
			'SELECT count(*) FROM chat.fold(\'x\'::text)',
			"SELECT count(*) FROM $internal.pending_changes()",
			"SELECT count(*) FROM $internal.search_checksum(1, 1, 1, 'x'::text)",
			@more));
}

# Rows, set without the triggers; and all that the database holds.
my $rows = q{
	SET session_replication_role = replica;
	INSERT INTO chat.applications (id, name, token) VALUES (1, 'one', 'x'), (2, 'two', 'z');
	INSERT INTO chat.application_counters VALUES (1, 1, 1), (2, 1, 1);
	INSERT INTO chat.chats VALUES (1, 1, 1, 1), (2, 1, 0, 0);
	INSERT INTO chat.messages VALUES (1, 1, 1, 'first');
	RESET session_replication_role};

sub everything
{
	my ($db) = @_;
	my @tables = split /\n/, $node->safe_psql($db, q{
		SELECT oid::regclass FROM pg_class WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^chat(_internal)?$')
		AND relkind = 'r' ORDER BY 1});

	return $node->safe_psql($db, join(';', map { "SELECT '$_', t.* FROM $_ AS t ORDER BY t" } @tables));
}

# The error of a statement.
sub error_of
{
	my ($db, $statement) = @_;
	my ($status, $out, $err) = $node->psql($db, "\\set VERBOSITY verbose\n$statement");

	return $err =~ /ERROR: +(\w+: .*?)\n(?:HINT: +(.*?)\n)?/ ? "$1 $2" : "no error: $out";
}

# How often a worker has said in the server's log that it is idle, for this reason or for any.
sub said_idle
{
	my ($why) = @_;

	return scalar(() = slurp_file($node->logfile) =~ /WARNING:  the worker of pg_chat is idle: \Q$why\E/g);
}

# Wait until workers have said so; so often, if that is given.
sub says_idle
{
	my ($why, $what, $times) = @_;

	return ok(poll(sub { said_idle($why) >= ($times // 1) }), $what);
}

# The schema is older.
$node->safe_psql('postgres', 'CREATE DATABASE old');
$node->safe_psql('old', "CREATE EXTENSION pg_chat VERSION '0.1'; $rows");
my $before = everything('old');
my $reason = "the library of pg_chat has version $version, and the schema in this database version 0.1";
is($node->safe_psql('old', $not_refused), works('chat'), 'older schema: all that knows the tables refuses');
is(error_of('old', $_), "55000: $reason Run ALTER EXTENSION pg_chat UPDATE in this database.", "and says why: $_")
  foreach q{SELECT chat.create_message('x', 1, 'hello')}, 'SELECT * FROM chat.worker_status';
my $worker = wait_for_worker($node, 'old');
says_idle($reason, 'so does the worker, in the log');
is(everything('old'), $before, 'nothing was written');

# The schema is updated: a session that was refused goes on, and so does the worker.
my $other_session = '\! psql -Xq -d "' . $node->connstr('old') . '" -c "ALTER EXTENSION pg_chat UPDATE"';
my $create = q{SELECT chat.create_message('x', 1, 'hello')};
my ($status, $out, $err) = $node->psql('old', "$create;\n$other_session\n$create;\n$create;", on_error_stop => 0);
is($out, "2\n3", 'updated: a session goes on that had been refused');
$node->safe_psql('old', q{INSERT INTO chat.messages (application_id, chat_number, body) VALUES (1, 1, 'direct')});
wait_until($node, 'old', 'SELECT NOT EXISTS (' . wrong_counts() . ')', 'updated: the worker counts');
is(workers($node, 'old'), $worker, 'the same that was idle');
is($node->safe_psql('old', 'SELECT count(*) FROM chat.worker_status WHERE hint IS NOT NULL'), 0, 'and has nothing to say');
is(said_idle(''), 1, 'it had said so once');

# The schema is newer. A session that was served is refused, and served again.
$reason = "the library of pg_chat has version $version, and the schema in this database version 99.1";
($status, $out, $err) = $node->psql('old', join("\n", "$create;",
		'\! psql -Xq -d "' . $node->connstr('old') . '" -c "' . claim('99.1') . '"', "$create;",
		'\! psql -Xq -d "' . $node->connstr('old') . '" -c "' . claim($version) . '"', "$create;"), on_error_stop => 0);
is($out, "5\n6", 'newer schema: a session that was served is refused, and served again');
like($err, qr/ERROR:  \Q$reason\E\nHINT:  Reconnect or, where pg_chat is in shared_preload_libraries, restart the server/, 'and is told why');
$node->safe_psql('old', claim('99.1'));
$before = everything('old');
is($node->safe_psql('old', $not_refused), works('chat_internal', "SELECT count(*) FROM chat.rfc3339(now())", map { "SELECT count(*) FROM chat_internal.$_" } 'worker_process()', 'job_status(1)'), 'newer schema: all that knows the tables refuses');
wait_until($node, 'old', "SELECT bool_and(hint LIKE 'The worker is idle: $reason. Reconnect%') FROM chat.worker_status", 'the status says why the worker is idle');
says_idle($reason, 'so does the log');
$node->safe_psql('old', q{
	SET session_replication_role = replica;
	UPDATE chat.chats SET messages_count = 99;
	INSERT INTO chat_internal.recount_queue VALUES (1, 1)});
$node->safe_psql('postgres', "SELECT pg_terminate_backend($worker)");
$worker = wait_for_worker($node, 'old', $worker);
says_idle($reason, 'so does one that is started anew', 2);
like(everything('old'), qr/^chat\.chats\|1\|1\|\d+\|99\|/m, 'neither writes');
$node->safe_psql('old', claim($version));
wait_until($node, 'old', 'SELECT NOT EXISTS (' . wrong_counts() . ')', 'both of one version: it counts');
is(workers($node, 'old'), $worker, 'the same that was idle');

# A part of the transaction that updates: before, and after it is undone.
$node->safe_psql('postgres', 'CREATE DATABASE undone');
$node->safe_psql('undone', "CREATE EXTENSION pg_chat VERSION '0.1'; $rows");
($status, $out, $err) = $node->psql('undone', "BEGIN; ALTER EXTENSION pg_chat UPDATE; $create; ROLLBACK; $create;", on_error_stop => 0);
is($out, '2', 'in the transaction that updates, functions work');
like($err, qr/ERROR:  the library of pg_chat has version \Q$version\E, and the schema in this database version 0\.1\n/, 'and refuse when it is undone');

# Without preloading, each process loads the library that is on disk: a worker whose library is older
# leaves to another, once, since that on disk may be as old.
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
$node->safe_psql('old', 'SELECT chat.start_worker()');
$worker = wait_for_worker($node, 'old');
$node->safe_psql('old', claim('99.2'));
my $successor = wait_for_worker($node, 'old', $worker);
$node->safe_psql('old', 'UPDATE chat_internal.recount_queue SET chat_number = 1; ' . claim($version));
$node->safe_psql('old', q{INSERT INTO chat.messages (application_id, chat_number, body) VALUES (1, 1, 'direct')});
wait_until($node, 'old', 'SELECT NOT EXISTS (' . wrong_counts() . ')', 'not preloaded: the successor counts once it fits');
is(workers($node, 'old'), $successor, 'and is the only one');
$node->stop;
done_testing();
