# Shared by the TAP tests: a cluster with the extension, psql in the background, and what must hold
# whatever has happened to the cluster. A deep comparison is of texts, so that a failure shows rows.
package ChatTest;

use strict;
use warnings;

use Carp;
use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(new_cluster use_cluster sql configure poll poll_query fill contents grants next_numbers wrong_chats start_program start_psql start_chatd
  wait_for_end kill_process give_away write_secret new_certificate example run_example);

# The test's cluster: the first that new_cluster() makes, until use_cluster() names another.
my $main;

# A running cluster with the extension in the database postgres. conf is appended to its
# configuration; the other parameters are those of init().
sub new_cluster
{
	my ($name, %params) = @_;
	my $conf = delete $params{conf} // '';
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(%params);
	$node->append_conf('postgresql.conf', "pg_chat.direct_rows = $ENV{DIRECT_ROWS}\n$conf");
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_chat');
	$main //= $node;
	return $node;
}

sub use_cluster
{
	($main) = @_;
	return;
}

# sql([DATABASE,] STATEMENTS): run them in the test's cluster, in the database postgres unless said.
# Their result; an error ends the test, and so does a wait without end.
sub sql
{
	my $statements = pop;
	my ($db) = @_;

	return $main->safe_psql($db // 'postgres', $statements, timeout => $PostgreSQL::Test::Utils::timeout_default);
}

# Change a setting of a running cluster.
sub configure
{
	my ($node, $name, $value) = @_;

	$node->append_conf('postgresql.conf', "$name = '$value'");
	$node->reload;
	return;
}

# Poll until the code is true. Returns whether it became so.
sub poll
{
	my ($code) = @_;

	my $end = time + $PostgreSQL::Test::Utils::timeout_default;

	until ($code->())
	{
		return 0 if time >= $end;
		select(undef, undef, undef, 0.1);
	}
	return 1;
}

# Poll until a query's result is true, also while the server is starting: poll_query_until hands psql the query by a
# pipe, which breaks if psql has ended by then.
sub poll_query
{
	my ($node, $db, $query) = @_;
	my ($out, $err);

	return 1 if poll(sub {
		IPC::Run::run([ 'psql', '-XAtqw', '-d', $node->connstr($db), '-c', $query ], '<', '/dev/null', '>', \$out, '2>', \$err);
		return $out eq "t\n";
	});
	diag("poll_query timed out: $query\n$out$err");
	return 0;
}

# Fill a database: three applications of four chats of 20 messages, some with numbers of their own,
# some that were rolled back.
sub fill
{
	my ($node, $db) = @_;

	$node->safe_psql($db, q{
		SELECT chat.create_application('app ' || i) FROM generate_series(1, 3) AS i;
		SELECT chat.create_chat(a) FROM generate_series(1, 3) AS a, generate_series(1, 4);
		SELECT chat.create_message(a, c, format('message %s of %s/%s', i, a, c))
		FROM generate_series(1, 3) AS a, generate_series(1, 4) AS c, generate_series(1, 20) AS i;
		SELECT chat.create_chat(1, 10), chat.create_message(1, 2, E'ЁЖ \\\\ \t\n', 1000);
		SELECT chat.rotate_token(2);
		BEGIN;
		SELECT chat.create_chat(1), chat.create_message(1, 1, 'rolled back'), chat.create_application('rolled back');
		ROLLBACK;
	});
}

# All rows of all tables, one a line.
sub contents
{
	my ($node, $db) = @_;

	return $node->safe_psql($db, join(';', map { "SELECT '$_', t.* FROM chat.$_ AS t ORDER BY t" }
		  qw(applications application_counters chats messages)));
}

# The privileges in the schema, one a line.
sub grants
{
	my ($node, $db) = @_;

	return $node->safe_psql($db, q{
		SELECT name, coalesce(r.rolname, 'PUBLIC'), privilege_type
		FROM (SELECT nspname::text, coalesce(nspacl, acldefault('n', nspowner)) FROM pg_namespace WHERE nspname IN ('chat', 'chat_internal')
			UNION ALL SELECT oid::regclass::text, coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))
			FROM pg_class WHERE relnamespace IN ('chat'::regnamespace, 'chat_internal'::regnamespace) AND relkind <> 'i'
			UNION ALL SELECT oid::regprocedure::text, coalesce(proacl, acldefault('f', proowner)) FROM pg_proc WHERE pronamespace IN ('chat'::regnamespace, 'chat_internal'::regnamespace)) AS o (name, acl)
		CROSS JOIN aclexplode(acl) LEFT JOIN pg_roles AS r ON r.oid = grantee
		ORDER BY 1, 2, 3});
}

# The numbers that would be given next: id of an application, chat and message, for the chats that
# fill() makes. Takes none of them.
sub next_numbers
{
	my ($node, $db) = @_;

	return $node->safe_psql($db, q{
		SELECT 'id', last_value, is_called FROM chat.applications_id_seq;
		BEGIN;
		SELECT 'chat', a, chat.create_chat(a) FROM generate_series(1, 3) AS a;
		SELECT 'message', a.id, c.number, chat.create_message(a.id, c.number, 'next')
		FROM chat.list_applications() AS a, chat.list_chats(a.id) AS c;
		ROLLBACK});
}

# Chats whose messages are not numbered 1 to n, or whose counters are not n; and applications of
# which the same is true. Nothing if all is well.
sub wrong_chats
{
	my ($node, $db) = @_;

	return $node->safe_psql($db, q{
		SELECT 'chat', c.application_id, c.number, c.last_message_number, c.messages_count, count(m.number), max(m.number)
		FROM chat.chats AS c LEFT JOIN chat.messages AS m ON (m.application_id, m.chat_number) = (c.application_id, c.number)
		GROUP BY c.application_id, c.number
		HAVING (c.last_message_number, c.messages_count) <> (count(m.number), count(m.number)) OR coalesce(max(m.number), 0) <> count(m.number);
		SELECT 'application', a.application_id, a.last_chat_number, a.chats_count, count(c.number), max(c.number)
		FROM chat.application_counters AS a LEFT JOIN chat.chats AS c USING (application_id)
		GROUP BY a.application_id
		HAVING (a.last_chat_number, a.chats_count) <> (count(c.number), count(c.number)) OR coalesce(max(c.number), 0) <> count(c.number)});
}

# Start a program in the background. Its standard output goes to the file out, its errors to "$out.err", since a pipe
# that nobody reads would stop it. Returns its harness, for wait_for_end().
sub start_program
{
	my ($out, @command) = @_;

	return IPC::Run::start(\@command, '<', '/dev/null', '>', $out, '2>', "$out.err");
}

# The same for psql with a script, in the database postgres unless said.
sub start_psql
{
	my ($node, $script, $out, $db) = @_;
	my $file = "$out.sql";

	append_to_file($file, $script);
	return start_program($out, 'psql', '-XAtq', '-d', $node->connstr($db // 'postgres'), '-f', $file);
}

# The same for a chatd on a database. Returns its harness, and its port.
sub start_chatd
{
	my ($node, $db) = @_;
	my $log = $node->logfile =~ s/\.log\z/_chatd.log/r;
	my $chatd = start_program($log, $ENV{CHATD}, '--port', '0', '--database', $node->connstr($db) . ' user=chat_api');
	my $port;

	poll(sub { ($port) = slurp_file("$log.err") =~ / listening on .*port (\d+)/ }) or die 'chatd: ' . slurp_file("$log.err");
	return ($chatd, $port);
}

# Wait for a program in the background to end. Returns whether it did well; one that does not end ends the test.
sub wait_for_end
{
	my ($harness) = @_;

	return $harness->finish if poll(sub { !$harness->pumpable });
	$harness->kill_kill;
	croak 'a program in the background did not end';
}

# The text of the example of this name in one of the READMEs.
sub example
{
	my ($name) = @_;
	my $text = qx('$ENV{TESTDIR}/../examples.sh' '$name');

	die "no example $name" if $?;
	return $text;
}

# Run an example of the shell's on a node, in the directory where files of this test lie. Names are
# replaced: example's => test's.
sub run_example
{
	my ($node, $name, %names) = @_;
	my $script = example($name);

	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	$script =~ s/\b\Q$_\E\b/$names{$_}/g foreach keys %names;
	command_ok([ 'bash', '-euc', "cd '$PostgreSQL::Test::Utils::tmp_check'\n$script" ], "the example $name");
	return;
}

# Kill a process of the test's cluster, which restarts if the configuration says so, and wait until it is gone.
sub kill_process
{
	my ($pid) = @_;

	system_or_bail('pg_ctl', 'kill', 'KILL', $pid);
	return poll_query($main, 'postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)") || die 'no restart';
}

# Make a role keeper, who is no superuser: it owns the tables in the database postgres, and may call the functions.
sub give_away
{
	my ($node) = @_;

	return $node->safe_psql('postgres', q{
		BEGIN;
		CREATE ROLE keeper;
		ALTER SCHEMA chat OWNER TO keeper;
		ALTER SCHEMA chat_internal OWNER TO keeper;
		GRANT ALL ON ALL FUNCTIONS IN SCHEMA chat, chat_internal TO keeper;
		DO $$ DECLARE t regclass; BEGIN
			FOR t IN SELECT oid FROM pg_class WHERE relnamespace IN ('chat'::regnamespace, 'chat_internal'::regnamespace) AND relkind IN ('r', 'v') LOOP
				EXECUTE format('ALTER TABLE %s OWNER TO keeper', t);
			END LOOP;
		END $$;
		COMMIT});
}

# Write a file of the test's cluster that the server alone can read, unless a mode is given.
sub write_secret
{
	my ($name, $content, $mode) = @_;
	my $path = $main->data_dir . "/$name";

	unlink $path;
	append_to_file($path, $content);
	chmod $mode // 0600, $path;
	return;
}

# Make a certificate for names as OpenSSL has them, like DNS:localhost, that is an authority of its own:
# the files $path.crt and $path.key.
sub new_certificate
{
	my ($path, $names) = @_;

	run_log([ 'openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=test',
		'-addext', "subjectAltName=$names", '-keyout', "$path.key", '-out', "$path.crt" ]) or die 'no certificate';
	return;
}

1;
