# Answers of Elasticsearch that were changed at random: the server goes on, the worker lives or leaves
# an error, no search fails; and when answers are right again the index comes to hold what the table
# holds. The seed is in the output: CHAT_FUZZ_SEED takes it, CHAT_FUZZ_ROUNDS how long it goes on.
use strict;
use warnings;

use ChatSearch;
use ChatTest;
use ChatWorker;
use Elasticsearch;
use FaultyElasticsearch;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'no Java or Maven' unless Elasticsearch->available;

my $seed = $ENV{CHAT_FUZZ_SEED} // int rand 1_000_000_000;
my $rounds = $ENV{CHAT_FUZZ_ROUNDS} // 12;

note("CHAT_FUZZ_SEED=$seed");
srand $seed;

my $elasticsearch = Elasticsearch->new;
my $faulty = FaultyElasticsearch->new($elasticsearch->url, seed => $seed);
my $node = new_search_cluster('main', $faulty, conf => "restart_after_crash = off\n");

# Text of the kinds that case folding and JSON stumble over, in SQL.
my @pieces = ('abc', 'ß', 'İ', 'ǰ', 'ΐ', 'ﬃ', '𐐀', "\x{1}", "\x{202e}", '"', '\\\\', '%', '_', '日本', "e\x{301}", ' ', "\x{fffd}");

sub random_text
{
	my $text = join '', map { $pieces[ rand @pieces ] } 1 .. 3 + rand 20;

	utf8::encode($text);
	return "E'" . $text =~ s/'/''/gr . "'";
}

# Nothing failed that must not.
sub no_failure
{
	my ($what, $script) = @_;
	my ($status, $stdout, $stderr) = $node->psql('postgres', $script, on_error_stop => 0);

	return unlike($stderr, qr/ERROR|FATAL|PANIC|server closed/, $what);
}

sql(q{
	SELECT chat.create_application('shop');
	SELECT chat.create_chat(1) FROM generate_series(1, 5);
	SELECT chat.create_message(1, c, md5(i::text) || ' ' || i) FROM generate_series(1, 5) AS c, generate_series(1, 60) AS i;});
wait_for_worker($node, 'postgres');
wait_for_index($node, 'postgres');
in_sync($node, 'postgres', $elasticsearch, 'at first');
my $started = sql('SELECT pg_postmaster_start_time()');

foreach my $round (1 .. $rounds)
{
	# The search that ends a round asks all that can be asked; its circuit breaker is closed again.
	$faulty->mode('mutate', ('/_bulk', '/_search', '/_refresh|/_stats', '')[ $round % 4 ]);
	no_failure("round $round: writes and searches", join(";\n",
		'SET pg_chat.search_timeout = 5000',
		(map { 'SELECT chat.create_message(1, ' . int(1 + rand 5) . ', ' . random_text() . ')' } 1 .. 10),
		'UPDATE chat.messages SET body = ' . random_text() . ' WHERE number % 30 = ' . int(rand 30),
		'DELETE FROM chat.messages WHERE chat_number = 4 AND number = ' . $round,
		(map { 'SELECT count(*) FROM chat.search_application(1, ' . random_text() . ')' } 1 .. 10),
		(map { "SELECT count(*) FROM chat.search_messages(1, 1, '$_', \"limit\" => 5)" } 'abc', 'a1', '123', 'e1f'),
		'SELECT count(*) FROM chat.search_status', 'SELECT count(*) FROM chat.worker_status'));
	my ($status, $stdout, $stderr) = $node->psql('postgres', "SET statement_timeout = '60s'; SELECT count(*) FROM chat.verify_search()");
	unlike($stderr, qr/server closed|FATAL|PANIC/, "round $round: verify_search()");
	ok(poll(sub { scalar $faulty->requests >= 5 }), "round $round: answers were changed");
}

$faulty->mode('pass');
is(sql('SELECT pg_postmaster_start_time()'), $started, 'the server did not restart');
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|TRAP|AddressSanitizer/, 'nothing crashed');
$node->reload;
sql('SELECT chat.retry_failed_documents()');
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM chat.verify_search()'), 'in the end: the worker finds what was not true, and repairs it');
in_sync($node, 'postgres', $elasticsearch, 'in the end');
$node->stop;
$elasticsearch->stop;
done_testing();
