# An Elasticsearch that answers what none should, or half, or without end, or not at all: a stand-in
# before the real one. What is not known to be found by searches counts as pending, every search is
# right meanwhile, the worker says what is wrong, once, and lets go of its database at once; and when
# the fault is over the index holds what the table holds.
use strict;
use warnings;

use ChatSearch;
use ChatTest;
use ChatWorker;
use Elasticsearch;
use FaultyElasticsearch;
use File::Basename qw(dirname);
use IPC::Open2;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'no Java or Maven' unless Elasticsearch->available;

# Far more than a worker takes on a busy machine, far less than a request waits for an answer.
my $soon = 10;

my $elasticsearch = Elasticsearch->new;
my $elsewhere = FaultyElasticsearch->new;
my $faulty = FaultyElasticsearch->new($elasticsearch->url, redirect_to => $elsewhere->url);

# An hour between runs that nothing calls for; each reload calls for one of each job.
my $node = new_search_cluster('main', $faulty, conf => "pg_chat.reconcile_interval = 3600\n");

# In one transaction: messages that are appended to each chat, and some that are edited and deleted.
my $writes = 0;

sub write_some
{
	my $place = ++$writes % 20;

	return sql(qq{
		BEGIN;
		SELECT chat.create_message(1, c, md5(random()::text) || ' ' || md5(random()::text)) FROM generate_series(1, 5) AS c, generate_series(1, 3);
		UPDATE chat.messages SET body = md5(random()::text) WHERE chat_number < 3 AND number % 20 = $place;
		DELETE FROM chat.messages WHERE chat_number = 4 AND number = $writes;
		COMMIT});
}

# What is held for indexed, and what is not.
sub state
{
	return sql(q{
		SELECT 'watermark', i.* FROM chat_internal.search_watermarks AS i ORDER BY i;
		SELECT 'queued', id, reason FROM chat_internal.search_queue ORDER BY id});
}

# What is held for indexed is found by searches, as it is now; what is deleted is not. To be asked
# while nothing is written.
sub no_false_claim
{
	my ($what) = @_;
	my ($claims, $others) = split /^others$/m, sql(q{
		CREATE TEMPORARY TABLE pending AS
			SELECT application_id, chat_number, number FROM chat_internal.search_queue JOIN chat_internal.search_indexes AS s ON s.id = index_id WHERE s.state = 'current';
		CREATE TEMPORARY VIEW claims AS
			SELECT m.* FROM chat.messages AS m
			JOIN chat_internal.search_watermarks AS i USING (application_id, chat_number) JOIN chat_internal.search_indexes AS s ON s.id = i.index_id
			WHERE s.state = 'current' AND m.number <= i.indexed_number
			AND NOT EXISTS (SELECT FROM pending AS p WHERE (p.application_id, p.chat_number, p.number) = (m.application_id, m.chat_number, m.number));
		SELECT format('%s.%s.%s %s', application_id, chat_number, number, chat_internal.search_checksum(application_id, chat_number, number, body)) FROM claims;
		SELECT 'others';
		SELECT format('%s.%s.%s', application_id, chat_number, number) FROM (SELECT * FROM pending UNION SELECT application_id, chat_number, number FROM chat.messages) AS o});
	my @documents = split /\n/, documents($elasticsearch, index_name($node, 'postgres'));
	my %found = map { $_ => 1 } @documents;
	my %other = map { $_ => 1 } split /\n/, $others;

	is(join("\n", grep { !$found{$_} } split /\n/, $claims), '', "$what: what counts as indexed is found");
	return is(join("\n", grep { !$other{ (split / /)[0] } } @documents), '', "$what: what was deleted is not");
}

# Searches are right. Returns what they said about how they were answered.
sub searches_right
{
	my ($what, $count) = @_;
	my ($status, $stdout, $stderr) = $node->psql('postgres', "SET client_min_messages = debug1; SELECT check_search(seed) FROM generate_series(1, $count) AS seed");

	ok($status == 0, "$what: searches are right") or diag($stderr);
	return $stderr;
}

sub reported { return shows_error('search', @_); }

sub forget_errors { return sql('UPDATE chat_internal.worker_jobs SET errors = 0, last_error = NULL'); }

# Wait until the stand-in got a request like this.
sub requested
{
	my ($what, $pattern) = @_;

	return ok(poll(sub { grep { /$pattern/ } $faulty->requests }), "$what: the request is there");
}

# The fault ends, also for who waits for an answer.
sub free { $faulty->mode('refuse'); $faulty->mode('pass'); return; }

# The fault has ended, and leaves no trace.
sub over
{
	my ($what) = @_;

	$node->reload;
	in_sync($node, 'postgres', $elasticsearch, $what);
	return asks_elasticsearch($node, 'postgres', 1, $what);
}

my $worker;

# A fault of some requests: the worker fails with the error, and as often again, and searches fail with
# an error of their own, if any.
sub round
{
	my ($mode, $pattern, $error, $search_error) = @_;
	my $what = "$mode of $pattern";
	my $log = length slurp_file($node->logfile);

	note("ROUND: $what");
	forget_errors();
	$faulty->mode($mode, $pattern);
	write_some();
	my $state = state();
	foreach my $times (1 .. 2)
	{
		reported($what, $error, $times) or last;
		$node->reload;
	}
	is(state(), $state, "$what: nothing counts as indexed");
	no_false_claim($what);
	my $said = searches_right($what, 8);
	like($said, qr/DEBUG:  pg_chat searches without Elasticsearch\s+DETAIL:  .*(?:$search_error)|LOG:  pg_chat searches without/, "$what: searches go without") if $search_error;
	my ($status, $differences) = $node->psql('postgres', 'SELECT * FROM chat.verify_search()');
	is($differences, '', "$what: verify_search() shows no difference, where there is none");
	is(workers($node, 'postgres'), $worker, "$what: the worker lives");
	my $failed = sql("SELECT count(*) FROM chat_internal.worker_jobs WHERE last_error ~ '$error'");
	$faulty->mode('pass');
	over($what);
	my $logged = slurp_file($node->logfile, $log);
	# An error in between, as when a reload ends a request, has it logged anew.
	my $reloaded = () = $logged =~ /\[$worker\] ERROR:  the settings were reloaded/g;
	my $times = () = $logged =~ /\[$worker\] ERROR:  .*(?:$error)/g;
	ok($times >= $failed && $times <= $failed + $reloaded, "$what: the log has it once, for each job that failed")
	  || diag("$times times, for $failed jobs, and $reloaded reloads");
	if ($search_error)
	{
		my @lines = $logged =~ /LOG:  pg_chat searches without Elasticsearch\n.*DETAIL:  (.*)/g;

		is(scalar @lines, 1, "$what: and once for searches");
		like($lines[0], qr/$search_error/, "$what: with the reason");
	}
	return;
}

make_checks($node, 'postgres');
sql(q{
	SELECT chat.create_application('shop');
	SELECT chat.create_chat(1) FROM generate_series(1, 5);
	SELECT chat.create_message(1, c, md5(i::text) || ' ' || i) FROM generate_series(1, 5) AS c, generate_series(1, 60) AS i;});
$worker = wait_for_worker($node, 'postgres');
wait_for_index($node, 'postgres');
in_sync($node, 'postgres', $elasticsearch, 'at first');
asks_elasticsearch($node, 'postgres', 1, 'at first');

# What was acknowledged is not sent again, whatever else does not work: each message is one operation
# in the index. Of a refresh nothing is known when it fails; of how many operations the index has seen,
# too, but nothing waits for that.
sub operations
{
	my $index = index_name($node, 'postgres');
	my $shards = $elasticsearch->ask('GET', "/$index/_stats/docs?level=shards")->{indices}{$index}{shards};
	my $sum = 0;

	$sum += 1 + $_->{seq_no}{max_seq_no} foreach grep { $_->{routing}{primary} } map { @$_ } values %$shards;
	return $sum;
}

sub sent_once
{
	my ($mode, $pattern, $error) = @_;
	my $what = "$mode of $pattern";
	my $before = operations();

	note("ROUND: $what");
	forget_errors();
	$faulty->mode($mode, $pattern);
	sql(q{INSERT INTO chat.messages (application_id, chat_number, body) SELECT 1, 1 + i % 5, md5(i::text) FROM generate_series(1, 300) AS i});
	if ($pattern =~ /_refresh/)
	{
		foreach my $times (1 .. 2)
		{
			reported($what, $error, $times) or last;
			$node->reload;
		}
	}
	else
	{
		ok(wait_until_idle($node, 'postgres'), "$what: searches find what was sent");
		reported($what, $error) if $error;
		asks_elasticsearch($node, 'postgres', 1, $what);
	}
	$faulty->mode($mode eq 'hang' ? 'refuse' : 'pass');
	$faulty->mode('pass');
	over($what);
	is(operations(), $before + 300, "$what: each message was sent once");
	wait_until($node, 'postgres', 'SELECT operations = ' . operations() . q{ FROM chat_internal.search_indexes}, "$what: what the index has seen is noted");
	return;
}

sent_once('reset', '/_refresh', 'Elasticsearch: .*(reset|closed|ecv failure)');
sent_once('fail_shards', '/_refresh', 'could not refresh all shards');
sent_once('not_json', '/_stats', 'Elasticsearch.s answer is not JSON');
sent_once('hang', '/_stats');
my $restarted = length slurp_file($node->logfile);
$node->restart;
$worker = wait_for_worker($node, 'postgres');
over('restarted');
unlike(slurp_file($node->logfile, $restarted), qr/does not remember/, 'restarted: the index needs no verification');

# Answers that are none.
my $broken = 'Elasticsearch: .*(?:reset|closed|Recv|ecv failure)';
my $endless = 'Elasticsearch: the answer is larger than';
foreach my $pattern ('/_bulk|/_search', '/_refresh')
{
	my $searched = $pattern =~ /_search/;

	foreach my $fault (
		[ 'reset', $broken, $broken ],
		[ 'truncated', 'Elasticsearch.s answer is not JSON', 'Elasticsearch.s answer is not JSON' ],
		[ 'endless', $endless, "$endless|Elasticsearch: .*[Tt]imed? ?out" ],
		[ 'redirect', 'Elasticsearch answered 307', 'Elasticsearch answered 307' ],
		[ 'not_json', 'Elasticsearch.s answer is not JSON', 'Elasticsearch.s answer is not JSON' ],
		[ 'deep', 'Elasticsearch.s answer nests too deeply', 'Elasticsearch.s answer nests too deeply' ],
		[ 'wide', 'Elasticsearch.s answer has too many values', 'Elasticsearch.s answer has too many values|[Tt]imed? ?out' ],
		[ 'headers', 'Elasticsearch: the headers are larger than', 'Elasticsearch: the headers are larger than' ])
	{
		my ($mode, $error, $search_error) = @$fault;

		round($mode, $pattern, $error, $searched ? $search_error : undef);
		is(join("\n", $elsewhere->requests), '', 'redirects are not followed') if $mode eq 'redirect';
	}
}

# Answers that are not to what was asked.
my $other_items = 'Elasticsearch.s answer to _bulk has other items than the request';
round('drop_items', '/_bulk', $other_items);
round('reorder_items', '/_bulk|/_search', $other_items, 'Elasticsearch.s answer to the search is not what was asked for');
round('fail_shards', '/_refresh', 'Elasticsearch could not refresh all shards');

# Searches that were not finished, or take too long.
foreach my $fault ([ 'fail_shards', 'did not finish the search' ], [ 'drip', '[Tt]imed? ?out' ])
{
	my ($mode, $error) = @$fault;

	$faulty->mode($mode, '/_search');
	like(searches_right("$mode of searches", 8), qr/pg_chat searches without Elasticsearch\s+DETAIL:  .*$error/, "$mode of searches: they go without");
	$faulty->mode('pass');
	over("$mode of searches");
}

# Lies. An answer without errors has items that failed: they are tried again.
sub blocked
{
	my ($blocked) = @_;

	return $elasticsearch->ask('PUT', '/' . index_name($node, 'postgres') . '/_settings', { 'index.blocks.write' => $blocked });
}

blocked(JSON::PP::true);
forget_errors();
$faulty->mode('gloss_over', '/_bulk');
write_some();
my $state = state();
reported('"errors": false', 'Elasticsearch answered 403 cluster_block_exception');
is(state(), $state, '"errors": false: nothing counts as indexed');
no_false_claim('"errors": false');
searches_right('"errors": false', 8);
blocked(undef);
$faulty->mode('pass');
over('"errors": false');

# And items, too, that say they did not fail: the verification finds out.
blocked(JSON::PP::true);
$faulty->mode('deny_errors', '/_bulk');
write_some();
wait_until_idle($node, 'postgres');
my $differences = sql('SELECT difference, count(*) FROM chat.verify_search() GROUP BY 1 ORDER BY 1');
like($differences, qr/\Amissing\|15\nstale\|\d+\nsurplus\|1\z/, 'a lie: verify_search() shows what is missing, stale and surplus');
blocked(undef);
$faulty->mode('pass');
configure($node, 'pg_chat.reconcile_interval', 1);	# from here on, each second has its pass
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM chat.verify_search()'), 'a lie: the worker finds out, and repairs it');
over('a lie');

# A comparison comes to an end, whatever the index is said to hold.
$faulty->mode('repeat', '/_search');
my ($status, $stdout, $stderr) = $node->psql('postgres', q{SET statement_timeout = '170s'; SELECT count(*) FROM chat.verify_search()});
like($stderr, qr/ERROR:  the search index has more documents of a chat than there can be messages/, 'documents without end: verify_search() says so');
is(workers($node, 'postgres'), $worker, 'documents without end: the worker lives');
$faulty->mode('pass');
over('documents without end');

# 30 s of silence, and what holds meanwhile.
foreach my $pattern ('/_bulk', '/_refresh', '/_search', '/')
{
	my $what = "hang of $pattern";

	forget_errors();
	$faulty->mode('hang', $pattern);
	write_some();
	requested($what, $pattern);
	within($soon, sub { write_some() }, "$what: writes go on");
	within($soon, sub { searches_right($what, 20) }, "$what: searches");
	sql(q{INSERT INTO chat.messages (application_id, chat_number, body) VALUES (1, 5, 'direct')});
	within(30, sub { wait_until($node, 'postgres', 'SELECT NOT EXISTS (' . wrong_counts() . ')', "$what: counted") }, "$what: counts");
	no_false_claim($what);
	is(workers($node, 'postgres'), $worker, "$what: the worker lives");
	free();
	over($what);
}

# The worker lets go of its database, whatever it waits for.
sub hang_in
{
	my ($db, $what, $pattern) = @_;
	my $index = wait_for_index($node, $db);

	wait_until_idle($node, $db) or die "$db is never idle";
	$faulty->mode('hang', "/$index.*$pattern");
	$node->safe_psql($db, q{SELECT chat.create_message(1, 1, 'in flight')});
	return requested($what, "/$index.*$pattern");
}

sql('CREATE DATABASE victim');
$node->safe_psql('victim', q{CREATE EXTENSION pg_chat; SELECT chat.create_application('shop'), chat.create_chat(1)});
hang_in('victim', 'pg_terminate_backend', '_bulk');
my $pid = workers($node, 'victim');
within($soon, sub {
	sql("SELECT pg_terminate_backend($pid)");
	wait_until($node, 'postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)", 'pg_terminate_backend: gone');
}, 'pg_terminate_backend');
free();
wait_for_worker($node, 'victim', $pid);
in_sync($node, 'victim', $elasticsearch, 'pg_terminate_backend');
hang_in('victim', 'DROP DATABASE', '_refresh');
within($soon, sub { sql('DROP DATABASE victim') }, 'DROP DATABASE');
free();
hang_in('postgres', 'fast shutdown', '_search');
within($soon, sub { $node->stop('fast') }, 'fast shutdown');
free();
$node->start;
over('fast shutdown');

# Logging in: the header is what it should be, also when the secret changes; a server that does not like
# it is an error.
my @secrets = ('first-Secret', 'second-Secret', 'a2V5OnNlY3JldA==');

# What is sent to log in; one before it may have been under way.
sub logs_in
{
	my ($what, $login) = @_;

	$faulty->mode('pass');
	write_some();
	in_sync($node, 'postgres', $elasticsearch, $what);
	asks_elasticsearch($node, 'postgres', 1, $what);
	return is(($faulty->logins)[-1] // '', $login, "$what: the header");
}

sub basic { my ($secret) = @_; return 'Basic ' . encode_base64("elastic:$secret", ''); }

logs_in('nobody', '');
write_secret('password', "$secrets[0]\n");
$node->append_conf('postgresql.conf', "pg_chat.elasticsearch_user = 'elastic'");
configure($node, 'pg_chat.elasticsearch_password_file', 'password');
foreach my $fault ([ 'unauthorized', '401: security_exception: unable to authenticate' ], [ 'forbidden', '403: security_exception: action is unauthorized' ])
{
	my ($mode, $error) = @$fault;

	forget_errors();
	$faulty->mode($mode);
	write_some();
	my $state = state();
	reported($mode, "Elasticsearch answered $error");
	is(state(), $state, "$mode: nothing counts as indexed");
	like(searches_right($mode, 8), qr/pg_chat searches without Elasticsearch\s+DETAIL:  Elasticsearch answered $error/, "$mode: searches go without");
	is(join(', ', $faulty->logins), basic($secrets[0]), "$mode: the header");
	$faulty->mode('pass');
	over($mode);
}
write_secret('password', "$secrets[1]\n");
logs_in('another password', basic($secrets[1]));
write_secret('key', "$secrets[2]\n");
$node->append_conf('postgresql.conf', "pg_chat.elasticsearch_user = ''\npg_chat.elasticsearch_password_file = ''");
configure($node, 'pg_chat.elasticsearch_api_key_file', 'key');
logs_in('a key', "ApiKey $secrets[2]");

# TLS: the server must prove, by an authority that is known, that it is who the URL names.
my $directory = PostgreSQL::Test::Utils::tempdir('tls');
chmod 0755, $directory;
foreach my $name ('right', 'wrong')
{
	new_certificate("$directory/$name", 'DNS:localhost');
}
open2(my $tls_port, my $tls_life, dirname(__FILE__) . '/../lib/tls_proxy.py', "$directory/right.crt", "$directory/right.key", $faulty->port);
chomp(my $port = <$tls_port> // die 'no TLS');

foreach my $fault (
	[ 'an unknown authority', "https://localhost:$port", '', 'self.signed certificate' ],
	[ 'a wrong authority', "https://localhost:$port", "$directory/wrong.crt", 'self.signed certificate|unable to get local issuer' ],
	[ 'a name that it is not', "https://127.0.0.1:$port", "$directory/right.crt", 'SSL: .*(does not match|127.0.0.1)' ],
	[ 'no file of authorities', "https://localhost:$port", "$directory/none.crt", 'error (setting|adding|loading).*none.crt|none.crt' ])
{
	my ($what, $url, $authorities, $error) = @$fault;

	forget_errors();
	$node->append_conf('postgresql.conf', "pg_chat.elasticsearch_url = '$url'");
	configure($node, 'pg_chat.elasticsearch_ca_file', $authorities);
	reported($what, "Elasticsearch: .*($error)");

	# What was sent before has arrived; what follows is sent to where the URL leads now.
	$faulty->mode('pass');
	forget_errors();
	write_some();
	$node->reload;
	reported($what, "Elasticsearch: .*($error)");
	searches_right($what, 8);
	is(join("\n", $faulty->requests), '', "$what: nothing is sent");
}
configure($node, 'pg_chat.elasticsearch_ca_file', "$directory/right.crt");
logs_in('TLS', "ApiKey $secrets[2]");

my $log = slurp_file($node->logfile);
foreach my $secret (@secrets, map { encode_base64("elastic:$_", '') } @secrets)
{
	ok(index($log, $secret) < 0, 'a secret is not in the log');
	is(sql("SELECT count(*) FROM chat_internal.worker_jobs WHERE strpos(last_error, '$secret') > 0") , '0', 'nor in worker_status');
}
close $tls_life;
$node->stop;
$elasticsearch->stop;
done_testing();
