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
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SearchFaults;
use Test::More;

plan skip_all => 'no Java or Maven' unless Elasticsearch->available;

# Far more than a worker takes on a busy machine, far less than a request waits for an answer.
my $soon = 10;

my $elsewhere = FaultyElasticsearch->new;
my ($node, $elasticsearch, $faulty) = new_faulty_search(redirect_to => $elsewhere->url);
my $worker = fill_faulty_search();

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
	my $state = indexed_state();
	foreach my $times (1 .. 2)
	{
		reported($what, $error, $times) or last;
		$node->reload;
	}
	is(indexed_state(), $state, "$what: nothing counts as indexed");
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

# Acknowledged messages are not sent again, whatever else fails: each message is one operation in the
# index. When a refresh fails, its outcome is unknown; so it is when the question for the operations fails, but
# nothing waits for that.
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
	$mode eq 'hang' ? $faulty->free : $faulty->mode('pass');
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
my $state = indexed_state();
reported('"errors": false', 'Elasticsearch answered 403 cluster_block_exception');
is(indexed_state(), $state, '"errors": false: nothing counts as indexed');
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
	$faulty->free;
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
$faulty->free;
wait_for_worker($node, 'victim', $pid);
in_sync($node, 'victim', $elasticsearch, 'pg_terminate_backend');
hang_in('victim', 'DROP DATABASE', '_refresh');
within($soon, sub { sql('DROP DATABASE victim') }, 'DROP DATABASE');
$faulty->free;
hang_in('postgres', 'fast shutdown', '_search');
within($soon, sub { $node->stop('fast') }, 'fast shutdown');
$faulty->free;
$node->start;
over('fast shutdown');

$node->stop;
$elasticsearch->stop;
done_testing();
