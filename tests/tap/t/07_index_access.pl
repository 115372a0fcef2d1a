# With 1,000,000 messages in 10,000 chats, every function reaches its rows by an index: in a session
# that made its plans while the tables were empty, without statistics, and with them. And what
# changes with every message and chat is updated in place (HOT).
use strict;
use warnings;

use ChatTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', conf => "autovacuum = off\nmax_wal_size = 2GB\nshared_buffers = 256MB\npg_chat.direct_rows = off\n");

# A call of each function; A is the application, as id and as token.
my @both = (
	'chat.create_chat(A)', 'chat.create_chat(A, NUMBER)', 'chat.get_chat(A, 1)', 'chat.get_chat(A, 2147483647)',
	'chat.list_chats(A)', 'chat.list_chats(A, after => 50)', 'chat.list_chats(A, before => 50)',
	"chat.create_message(A, 1, 'x')", "chat.create_message(A, 1, 'x', NUMBER)",
	'chat.get_message(A, 1, 1)', 'chat.get_message(A, 1, 2147483647)',
	'chat.list_messages(A, 1)', 'chat.list_messages(A, 1, after => 50)', 'chat.list_messages(A, 1, before => 50)',
	'chat.last_messages(A, 1, 20)', "chat.search_messages(A, 1, 'x')", "chat.search_messages(A, 1, 'x', before => 50)",
	'chat.get_messages(ARRAY[A, A], ARRAY[1, 2], ARRAY[1, 2147483647])',
	"chat.list_messages(ARRAY[A, A], ARRAY[1, 2], '{NULL,50}', '{50,NULL}', '{NULL,NULL}')",
	"chat.create_messages(ARRAY[A, A], ARRAY[1, 1], ARRAY['x', 'y'])",
	"chat.create_messages(ARRAY[A, A], ARRAY[1, 1], ARRAY['x', 'y'], ARRAY[NULL, NUMBER])",
	"chat.update_message(A, 1, 1, 'edited NUMBER')", 'chat.delete_message(A, 1, 2)',
	'chat.list_messages(A, 1, deleted => true)', "chat.last_messages(A, 1, sender => 'x')",
	'chat.list_changes(A, 1)', 'chat.list_changes(A, 1, 2, 1)', 'chat.export_messages(A, 1, 10)', 'chat.export_application(A, 1, 10)',
	"chat.create_messages(ARRAY[A, A], ARRAY[1, 1], ARRAY['x', 'y'], keys => ARRAY['NUMBER', 'x'])",
	"chat.import_application(A, ARRAY[1, 2], ARRAY[1, 1], ARRAY['x', 'y'], '{2020-01-01,2020-01-01}', revisions => '{1,7}')",
	"chat.import_messages(A, 1, ARRAY[1, NUMBER], ARRAY['x', 'y'], '{2020-01-01,2020-01-01}', revisions => '{1,7}', keys => ARRAY['m', 'n NUMBER'])");
my @calls = (
	(map { (s/\bA\b/1/gr, s/\bA\b/'token 1'/gr) } @both),
	"chat.get_messages_json('{token 1,token 1}', ARRAY[1, 2], ARRAY[1, 2147483647])",
	"chat.list_messages_json('{token 1,token 1}', ARRAY[1, 2], '{NULL,50}', '{50,NULL}', '{NULL,NULL}')",
	"chat.last_messages_json('{token 1,token 1}', ARRAY[1, 2], '{20,NULL}', 1000)",
	"chat.list_messages_json('{token 1}', ARRAY[1], '{NULL}', '{50}', '{NULL}', 1000, '{x}', '{true}')",
	"chat.update_message_json('token 1', 1, 1, 'NUMBER')", "chat.delete_message_json('token 1', 1, 2)",
	"chat.list_changes_json('{token 1,token 1}', ARRAY[1, 2], '{0,1}', '{0,0}', '{NULL,1}')",
	"chat.export_json('token 1', 1, 0, 10, 1000)", "chat.export_json('token 1', NULL, 1, 10, 1000)",
	"chat.search_messages_json('token 1', 1, 'x')", "chat.search_messages_json('token 1', 1, 'x', before => 50)",
	"chat.create_application('new NUMBER')", 'chat.rotate_token(2)', "chat.rotate_token('token 3')",
	'chat.get_application(1)', "chat.get_application('token 1')",
	'chat.list_applications()', 'chat.list_applications(after => 5)', 'chat.list_applications(before => 5)');

# A script that makes the calls, each announced by its name; number makes names and numbers its own.
sub script
{
	my ($number) = @_;
	my $script = '';

	foreach my $i (0 .. $#calls)
	{
		my $call = $calls[$i] =~ s/NUMBER/$number + $i/er;
		$script .= "DO \$\$BEGIN RAISE LOG 'call %', \$_\$$call\$_\$; END\$\$;\nSELECT * FROM $call;\n";
	}
	return $script;
}

my $explain = q{
	LOAD 'auto_explain';
	SET auto_explain.log_min_duration = 0;
	SET auto_explain.log_nested_statements = on;
	SET auto_explain.log_verbose = on;
	SET log_statement = none;
	SET client_min_messages = log;
	DO $$ BEGIN RAISE LOG 'measured'; END $$;
};

# The condition on the index that a table's scan must have, so that it does not read the whole index.
my %keys = (
	applications => qr/\b(id|token) [=>]/,
	application_counters => qr/application_id =/,
	chats => qr/application_id =/,
	messages => qr/application_id =.*(?:chat_number =|ROW\((?:\w+\.)?chat_number, (?:\w+\.)?number\) >)/,
	deleted_messages => qr/application_id =.*chat_number =/);

# The scans in a plan that do not reach their rows by the key.
sub bad_scans
{
	my ($plan) = @_;
	my @lines = split /\n/, $plan;
	my @bad;

	my $table_name = qr/ on (?:chat\.|chat_internal\.(?=deleted_messages))(\w+)/;

	foreach my $i (grep { $lines[$_] =~ /Scan.*$table_name/ } 0 .. $#lines)
	{
		my ($table) = $lines[$i] =~ $table_name;
		my ($condition) = grep { /Index Cond:|TID Cond:/ } @lines[ $i + 1 .. $i + 2 ];

		# Rows that were locked before are reached by where they are.
		next if ($condition // '') =~ /TID Cond: \((?:\w+\.)?ctid = (?:k\.tid|\$\d+)\)/;
		push @bad, $lines[$i] if $lines[$i] =~ /Seq Scan/ || ($condition // '') !~ $keys{$table};
	}
	return @bad;
}

# Look at the plans that a session reported after the word "measured".
sub check
{
	my ($what, $stderr) = @_;
	my ($measured) = $stderr =~ /LOG:  measured\n(.*)/s;
	my ($before, @parts) = split /LOG:  call /, $measured;
	my (@without, @bad);

	is(scalar @parts, scalar @calls, "$what: all calls were made");
	is_deeply([ $measured =~ /ERROR:.*/g ], [], "$what: without an error");
	foreach my $part (@parts)
	{
		my ($call) = $part =~ /^(.*)/;
		push @without, $call unless $part =~ /Index (?:Only )?Scan|Conflict Resolution/;
		push @bad, map { "$call: $_" } bad_scans($part =~ s/^.*Function Scan.*$//gmr);
	}
	is_deeply(\@without, [], "$what: each call uses an index");
	is(join("\n", @bad), '', "$what: no sequential scan, and none of a whole index");
}

# Generate the applications of the given ids, each of five chats of 100 messages.
sub load
{
	my ($from, $to) = @_;

	return qq{
		INSERT INTO chat.applications (id, token, name) SELECT a, 'token ' || a, 'name ' || a FROM generate_series($from, $to) AS a;
		INSERT INTO chat.application_counters SELECT a, 5, 5 FROM generate_series($from, $to) AS a;
		INSERT INTO chat.chats (application_id, number, last_message_number, messages_count)
			SELECT a, c, 100, 100 FROM generate_series($from, $to) AS a, generate_series(1, 5) AS c;
		INSERT INTO chat.messages (application_id, chat_number, number, body)
			SELECT a, c, m, 'message ' || m FROM generate_series($from, $to) AS a, generate_series(1, 5) AS c, generate_series(1, 100) AS m;
		SELECT setval('chat.applications_id_seq', 10000);
	};
}

# The first session makes its plans while the tables have next to no rows, and are known to have
# none, and keeps them: nothing that invalidates plans happens before it is measured.
$node->safe_psql('postgres', q{
	INSERT INTO chat.applications (id, token, name) VALUES (1, 'token 1', 'a'), (2, 'token 2', 'b'), (3, 'token 3', 'c');
	INSERT INTO chat.application_counters SELECT id FROM chat.applications;
	SELECT chat.create_message(1, chat.create_chat(1), 'x');
	VACUUM ANALYZE chat.applications, chat.application_counters, chat.chats, chat.messages});
my ($status, $stdout, $stderr) = $node->psql('postgres',
	script(1000) . "UPDATE chat.applications SET token = 'token 3' WHERE id = 3;" . load(5, 2004) . $explain . script(2000),
	on_error_stop => 0);
check('planned while empty', $stderr);
is($node->safe_psql('postgres', q{SELECT count(*) >= 10000, (SELECT count(*) >= 1000000 FROM chat.messages) FROM chat.chats}), 't|t', 'the tables are large');

sub fresh_session
{
	my ($what, $number) = @_;
	my ($status, $stdout, $stderr) = $node->psql('postgres',
		"UPDATE chat.applications SET token = 'token 3' WHERE id = 3;" . $explain . script($number), on_error_stop => 0);

	check($what, $stderr);
}
fresh_session('without statistics', 3000);
$node->safe_psql('postgres', 'ANALYZE');
fresh_session('with statistics', 4000);

# HOT. pgbench's sessions have ended and reported their statistics when it is done.
$node->safe_psql('postgres', q{SELECT pg_stat_reset()});
$node->pgbench('--no-vacuum --client=8 --transactions=500', 0, [qr/4000\/4000/], [qr/^$/], 'load',
	{ hot => q{
		\set application random(5, 9)
		\set chat random(1, 5)
		SELECT chat.create_message(:application, :chat, 'hot');
		SELECT chat.create_chat(:application);
	} });
foreach my $table (qw(chats application_counters))
{
	ok($node->poll_query_until('postgres', qq{
		SELECT n_tup_upd >= 4000 FROM pg_stat_user_tables WHERE relid = 'chat.$table'::regclass}), "$table: 4,000 updates were counted");
	my $share = $node->safe_psql('postgres', qq{
		SELECT round(n_tup_hot_upd / n_tup_upd::numeric, 4) FROM pg_stat_user_tables WHERE relid = 'chat.$table'::regclass});
	cmp_ok($share, '>=', 0.99, "$table: $share of the updates were HOT");
}

$node->stop;
done_testing();
