# From a release to the present version: an upgraded catalogue and a fresh one are the same, object by
# object; every row, grant and number is kept; dumps and clusters of the release come over; and worker
# and chatd, which are idle before, go on by themselves.
use strict;
use warnings;

use ChatTest;
use ChatWorker;
use Cwd qw(abs_path);
use File::Basename;
use HTTP::Tiny;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RedisServer;
use Test::More;

# The releases that there are upgrades from.
my @releases = ('0.1');

my $upgrade = abs_path(dirname(__FILE__) . '/../../upgrade');
my $tmp = $PostgreSQL::Test::Utils::tmp_check;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE upgrade_monitor; CREATE ROLE second SUPERUSER LOGIN');
my $version = $node->safe_psql('postgres', q{SELECT default_version FROM pg_available_extensions WHERE name = 'pg_chat'});

# A database with a release of the extension, and with its rows.
sub create_release
{
	my ($server, $db, $release, $with_rows) = @_;

	$server->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE template0");
	$server->safe_psql($db, "CREATE EXTENSION pg_chat VERSION '$release'");
	$server->safe_psql($db, slurp_file("$upgrade/data-$release.sql")) if $with_rows;
	return;
}

# The objects of the extension in the catalogs, a line for each property of each object.
sub catalogue
{
	my ($db) = @_;

	return split /\n/, $node->safe_psql($db, slurp_file("$upgrade/catalogue.sql"));
}

# Check that two catalogues are the same; shows the lines that only the one or the other has.
sub same_catalogue
{
	my ($upgraded, $fresh, $what) = @_;
	my %count;

	$count{$_}++ foreach @$fresh;
	$count{$_}-- foreach @$upgraded;
	return is(join("\n", map { ($count{$_} > 0 ? 'only fresh:    ' : 'only upgraded: ') . $_ } sort grep { $count{$_} } keys %count), '', $what);
}

$node->safe_psql('postgres', 'CREATE DATABASE fresh TEMPLATE template0');
$node->safe_psql('fresh', 'CREATE EXTENSION pg_chat');
my @fresh = catalogue('fresh');
cmp_ok(scalar @fresh, '>', 5000, 'a fresh catalogue is not empty');
foreach my $release (@releases)
{
	my $name = $release =~ s/\W/_/gr;

	create_release($node, "catalogue_$name", $release);
	$node->safe_psql("catalogue_$name", 'ALTER EXTENSION pg_chat UPDATE');
	same_catalogue([ catalogue("catalogue_$name") ], \@fresh, "$release: an upgraded catalogue is as a fresh one");

	create_release($node, "second_$name", $release);
	$node->safe_psql("second_$name", 'ALTER EXTENSION pg_chat UPDATE', extra_params => [ '-U', 'second' ]);
	same_catalogue([ catalogue("second_$name") ], \@fresh, "$release: also where another superuser upgrades");
}

# It is found what differs: what each change adds.
my %known = map { $_ => 1 } @fresh;
foreach my $change (
	[ q{COMMENT ON COLUMN chat.chats.number IS 'x'}, 'column number of table chat.chats | comment | x' ],
	[ 'ALTER TABLE chat.chats SET (fillfactor = 20)', 'table chat.chats | reloptions | ["fillfactor=20"]' ],
	[ 'ALTER TABLE chat.chats ALTER number SET STATISTICS 7', 'table chat.chats | column 2: attstattarget | 7' ],
	[ 'ALTER FUNCTION chat.reindex() COST 7', 'function chat.reindex() | procost | 7' ],
	[ 'ALTER TABLE chat.chats DISABLE TRIGGER after_insert', 'trigger after_insert on table chat.chats | tgenabled | D' ],
	[ q{UPDATE pg_extension SET extconfig = extconfig[1:1] WHERE extname = 'pg_chat'}, 'extension pg_chat | extconfig | table chat.applications' ])
{
	$node->safe_psql('fresh', $change->[0]);
	ok((grep { !$known{$_} && $_ eq $change->[1] } catalogue('fresh')), "found: $change->[0]");
}

# The tables of release 0.1 with their present names, and their rows as they should be after the upgrade:
# columns have other names and the same order, some tables have further ones, one job has another name.
my %table = map { $_ => "chat.$_" } qw(applications application_counters chats messages);
$table{$_->[0]} = $_->[1] foreach [ 'changed_chats', 'chat_internal.recount_queue' ], [ 'retired_tokens', 'chat_internal.redis_key_queue' ],
  [ 'search_indexes', 'chat_internal.search_indexes' ], [ 'indexed_chats', 'chat_internal.search_watermarks' ],
  [ 'search_queue', 'chat_internal.search_queue' ], [ 'mended_counts', 'chat.repaired_counts' ], [ 'worker_duties', 'chat_internal.worker_jobs' ];

# Columns that are compared, the first so many, where there are others now: a row's id, what a message can have; or
# where they are another thing: whose the row of a job is.
my %compared = (applications => 4, chats => 5, messages => 5, changed_chats => 2, retired_tokens => 5, mended_counts => 6, worker_duties => 13);

sub columns_of
{
	my ($server, $db, $name, $table) = @_;

	return 't.*' unless $compared{$table};
	return $server->safe_psql($db, qq{SELECT string_agg('t.' || attname, ', ' ORDER BY attnum) FROM pg_attribute
		WHERE attrelid = '$name'::regclass AND attnum BETWEEN 1 AND $compared{$table}});
}

sub rows_of
{
	my ($server, $db, $upgraded) = @_;
	my $rows = $server->safe_psql($db, join(';', (map {
			my $name = $upgraded ? $table{$_} : "chat.$_";
			my $columns = columns_of($server, $db, $name, $_);
			"SELECT '$_', t.ctid, $columns FROM $name AS t ORDER BY ROW ($columns)::text COLLATE \"C\"" } sort keys %table),
		"SELECT 'applications_id_seq', last_value, is_called FROM chat.applications_id_seq",
		"SELECT 'search_queue_id_seq', last_value, is_called FROM @{[ $upgraded ? 'chat_internal' : 'chat' ]}.search_queue_id_seq"));

	# Ids of search indexes are random, so that two databases have no two alike; their order is kept.
	if ($upgraded)
	{
		my @ids = split /\n/, $server->safe_psql($db, 'SELECT id FROM chat_internal.search_indexes ORDER BY id');
		my %place = map { $ids[$_] => $_ + 1 } 0 .. $#ids;

		$rows =~ s/^((?:search_indexes|search_queue\|[^|]*|indexed_chats)\|[^|]*\|)(\d+)/$1 . ($place{$2} \/\/ $2)/gme;
	}
	return $upgraded ? $rows : $rows =~ s/^(worker_duties\|[^|]*\|)search index\|/$1trigram index|/mr;
}

# The same without where they lie, sorted.
sub unplaced { my ($rows) = @_; return join("\n", sort split /\n/, $rows =~ s/\|\(\d+,\d+\)\|/|/gr); }

my @tables = split /\n/, $node->safe_psql('catalogue_0_1', q{
	SELECT oid::regclass FROM pg_class WHERE relnamespace IN ('chat'::regnamespace, 'chat_internal'::regnamespace) AND relkind = 'r'});
my @new_tables = ('chat.api_keys', 'chat.consumer_positions', 'chat.cursors', 'chat_internal.deleted_messages', 'chat_internal.signing_keys', 'chat_internal.tickets');
is(join("\n", sort @tables), join("\n", sort values %table, @new_tables), 'these are all tables');

create_release($node, 'rows', '0.1', 1);
my $rows = rows_of($node, 'rows');
command_ok([ 'pg_dump', '-f', "$tmp/dump", $node->connstr('rows') ], 'a dump of 0.1');
$node->safe_psql('rows', 'ALTER EXTENSION pg_chat UPDATE');
my $upgraded = rows_of($node, 'rows', 1);
is(unplaced($upgraded), unplaced($rows), 'every row is kept');
my $rewritten = qr/^(?:worker_duties|search_indexes|indexed_chats|search_queue)\|/;
is(join("\n", grep { $_ !~ $rewritten } split /\n/, $upgraded), join("\n", grep { $_ !~ $rewritten } split /\n/, $rows), 'in its place');
cmp_ok($node->safe_psql('rows', 'SELECT min(id) FROM chat_internal.search_indexes'), '>', 2, 'but search indexes, which have other ids');
is($node->safe_psql('rows', q{SET ROLE upgrade_monitor; SELECT job, last_error FROM chat.worker_status WHERE job = 'trigram index';
		SELECT count(*), min(failed) FROM chat.search_status; SELECT max(old_value) FROM chat.repaired_counts}),
	"trigram index|once\n0|\n299", 'grants are kept, also on what was replaced; indexes of another database are not shown');
is($node->safe_psql('rows', q{SELECT duty FROM public.errors WHERE duty ~ 'index'; SELECT max(last_number) FROM public.busy_chats}), "trigram index\n300",
	"so are others' views");
is($node->safe_psql('rows', q{
		SELECT chat.create_message('token-1', 1, 'next'), chat.create_chat(1), chat.create_message(1, 5, 'first');
		SELECT id FROM chat.create_application('new');
		SELECT number, messages_count, last_message_number FROM chat.get_chat(1, 2);
		SELECT count(*) FROM chat.search_application(1, 'MESSAGE 29')}), "301|6|1\n10\n2|2|12\n11", 'numbers go on');

# A dump of the release names its columns: it is restored into the release, whose triggers refuse this
# library, without them.
$node->safe_psql('postgres', 'CREATE DATABASE restored TEMPLATE template0');
$node->safe_psql('restored', "CREATE EXTENSION pg_chat VERSION '0.1'");
{
	local $ENV{PGOPTIONS} = '-c session_replication_role=replica';
	command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$tmp/dump", $node->connstr('restored') ], 'the dump is restored into 0.1');
}
$node->safe_psql('restored', 'ALTER EXTENSION pg_chat UPDATE');
my ($restored, $dumped) = map { join("\n", grep { /^(?:applications|application_counters|chats|messages|applications_id_seq)\|/ } split /\n/, unplaced($_)) }
  rows_of($node, 'restored', 1), $rows;
is($restored, $dumped, 'and upgraded: every row that a dump has');
is($node->safe_psql('restored', q{SELECT chat.create_message('token-1', 1, 'next')}), 301, 'and goes on');

# They have the tokens of the database that is mirrored to Redis below, and so its keys.
$node->safe_psql('postgres', "DROP DATABASE $_") foreach 'rows', 'restored';
$node->stop;

# pg_upgrade takes a cluster of the release as it is.
my $old = PostgreSQL::Test::Cluster->new('old');
my $new = PostgreSQL::Test::Cluster->new('new');
$_->init foreach $old, $new;
$old->start;
$old->safe_psql('postgres', 'CREATE ROLE upgrade_monitor');
create_release($old, 'rows', '0.1', 1);
$old->stop;
my $bindir = $old->config_data('--bindir');
chdir $tmp;
command_ok([ 'pg_upgrade', '--no-sync', '-b', $bindir, '-B', $bindir, '-d', $old->data_dir, '-D', $new->data_dir,
		'-s', $new->host, '-p', $old->port, '-P', $new->port ], 'pg_upgrade');
$new->start;
$new->safe_psql('rows', 'ALTER EXTENSION pg_chat UPDATE');
is(rows_of($new, 'rows', 1), $upgraded, 'upgraded after pg_upgrade: every row in its place');
$new->stop;

# With a worker that mirrors to Redis, and with clients of chatd.
my $redis = RedisServer->new;
$node->append_conf('postgresql.conf', qq{
shared_preload_libraries = 'pg_chat'
pg_chat.reconcile_interval = 1
pg_chat.redis_url = 'unix://$redis->{socket}'
});
$node->start;
create_release($node, 'live', '0.1', 1);
my $worker = wait_for_worker($node, 'live');
my ($chatd, $port) = start_chatd($node, 'live');
my $http = HTTP::Tiny->new(timeout => 60, http_proxy => undef);

# An answer of chatd: its status and its body.
sub answer
{
	my ($method, $path, $body) = @_;
	my $answer = $http->request($method, "http://127.0.0.1:$port$path",
		$body ? { headers => { 'content-type' => 'application/json' }, content => $body } : {});

	return "$answer->{status} $answer->{content}";
}

# Ask until the answer is as it should.
sub comes_to_answer
{
	my ($expected, $request, $what) = @_;
	my $answer;

	poll(sub { ($answer = answer(@$request)) =~ $expected });
	return like($answer, $expected, "$what: $request->[0] $request->[1]");
}

my @list = ('GET', '/applications/token-1/chats/1/messages?limit=1');
my @post = ('POST', '/applications/token-1/chats/1/messages', '{"data":{"body":"over HTTP"}}');
my $unfit = qr/^503 .*the version of the extension pg_chat does not fit chatd \Q$version\E/;
foreach my $request (\@list, \@post, [ 'GET', '/readyz' ])
{
	comes_to_answer($unfit, $request, 'before, with the reason');
}

# Somebody tries all the time. What is answered with 201 is stored, and the numbers go on.
my $answers = "$PostgreSQL::Test::Utils::tmp_check/answers";
my $client = start_program($answers, $^X, '-MHTTP::Tiny', '-e', q{
	my ($url, $last) = @ARGV;
	my $http = HTTP::Tiny->new(timeout => 60, http_proxy => undef);
	$| = 1;
	for (my $created = 0; $created < $last;)
	{
		my $answer = $http->request('POST', $url, { headers => { 'content-type' => 'application/json' }, content => '{"data":{"body":"over HTTP"}}' });
		print "$answer->{status} ", $answer->{content} =~ /"number":(\d+)/, "\n";
		$created++ if $answer->{status} == 201;
	}}, "http://127.0.0.1:$port/applications/token-1/chats/1/messages", 50);
ok(poll(sub { slurp_file($answers) =~ /503/ }), 'not upgraded: chatd refuses');
$node->safe_psql('live', 'ALTER EXTENSION pg_chat UPDATE');
ok(wait_for_end($client), 'upgraded: the client is done') or diag(slurp_file("$answers.err"));
$answers = slurp_file($answers);
is(join(' ', sort { $a <=> $b } $answers =~ /^201 (\d+)$/mg), join(' ', 301 .. 350), 'upgraded: chatd goes on, with the next numbers');
is(join(' ', grep { !/^(201 \d+|503 )$/ } split /\n/, $answers), '', 'and has answered 503 or 201 only');
is($node->safe_psql('live', 'SELECT count(*), max(number) FROM chat.messages WHERE (application_id, chat_number) = (1, 1)'), '350|350', 'they are stored');
wait_until($node, 'live', 'SELECT NOT EXISTS (' . wrong_counts() . ')', 'upgraded: the worker counts what had waited');
is($node->safe_psql('live', q{SELECT old_value, new_value FROM chat.repaired_counts WHERE (application_id, chat_number, counter) = (2, 1, 'messages_count')}), '7|3',
	'and says what it repaired');
is(workers($node, 'live'), $worker, 'the same worker');

# Redis: the release's keys were those of a database of another name, as a copy's would be; given up, they are written.
$node->safe_psql('live', q{UPDATE chat_internal.worker_jobs SET claimed = false WHERE job = 'redis'});
poll(sub { ($redis->command('GET', 'application:token-1:chat:1:number') // '') eq '350' });
is($redis->command('GET', 'application:token-1:chat:1:number'), 350, 'Redis has the numbers');
wait_until($node, 'live', q{SELECT count(*) = 0 FROM chat_internal.redis_key_queue WHERE due}, 'what waited to be deleted there is done');

# The schema becomes newer than the library, and chatd is connected: it answers with the reason, and
# serves again.
my $claim = q{UPDATE pg_extension SET extversion = '%s' WHERE extname = 'pg_chat'; ALTER FUNCTION chat.fold(text) COST 10};
my $reason = qr/^503 .*the library of pg_chat has version \Q$version\E, and the schema in this database version \Q$version\E\.99/;
$node->safe_psql('live', sprintf($claim, "$version.99"));
foreach my $request (\@post, \@list, [ 'GET', '/readyz' ])
{
	comes_to_answer($reason, $request, 'newer schema, with the reason');
}
$node->safe_psql('live', sprintf($claim, $version));
comes_to_answer(qr/^201 .*"number":351/, \@post, 'both of one version');
comes_to_answer(qr/^200 /, \@list, 'both of one version');
$chatd->signal('TERM');
wait_for_end($chatd);
$node->stop;
done_testing();
