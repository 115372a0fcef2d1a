# Shared by the tests of an Elasticsearch that fails: a cluster with a stand-in between it and a real
# Elasticsearch, and checks of what has to hold during a fault and after it.
package SearchFaults;

use strict;
use warnings;

use ChatSearch;
use ChatTest;
use ChatWorker;
use Elasticsearch;
use Exporter 'import';
use FaultyElasticsearch;
use Test::More;

our @EXPORT = qw(new_faulty_search fill_faulty_search write_some indexed_state no_false_claim searches_right reported requested over);

my ($node, $elasticsearch, $faulty);

# A running cluster, the real Elasticsearch, and the stand-in before it, which takes the options. An hour
# lies between runs of the worker that nothing asks for; each reload asks for one of each job.
sub new_faulty_search
{
	my (%options) = @_;

	$elasticsearch = Elasticsearch->new;
	$faulty = FaultyElasticsearch->new($elasticsearch->url, %options);
	$node = new_search_cluster('main', $faulty, conf => "pg_chat.reconcile_interval = 3600\n");
	return ($node, $elasticsearch, $faulty);
}

# Five chats with 60 messages each, in the index. Returns the worker's process.
sub fill_faulty_search
{
	make_checks($node, 'postgres');
	sql(q{
		SELECT chat.create_application('shop');
		SELECT chat.create_chat(1) FROM generate_series(1, 5);
		SELECT chat.create_message(1, c, md5(i::text) || ' ' || i) FROM generate_series(1, 5) AS c, generate_series(1, 60) AS i;});
	my $worker = wait_for_worker($node, 'postgres');
	wait_for_index($node, 'postgres');
	in_sync($node, 'postgres', $elasticsearch, 'at first');
	asks_elasticsearch($node, 'postgres', 1, 'at first');
	return $worker;
}

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

# Which messages count as indexed, and which are queued.
sub indexed_state
{
	return sql(q{
		SELECT 'watermark', i.* FROM chat_internal.search_watermarks AS i ORDER BY i;
		SELECT 'queued', id, reason FROM chat_internal.search_queue ORDER BY id});
}

# Check that searches of Elasticsearch find each message that counts as indexed, as it is now, and no deleted
# one. To be called while nothing is written.
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

# Check that searches are right. Returns how they say they were answered.
sub searches_right
{
	my ($what, $count) = @_;
	my ($status, $stdout, $stderr) = $node->psql('postgres', "SET client_min_messages = debug1; SELECT check_search(seed) FROM generate_series(1, $count) AS seed");

	ok($status == 0, "$what: searches are right") or diag($stderr);
	return $stderr;
}

sub reported { return shows_error('search', @_); }

# Wait for a request to the stand-in that matches.
sub requested
{
	my ($what, $pattern) = @_;

	return ok(poll(sub { grep { /$pattern/ } $faulty->requests }), "$what: the request is there");
}

# Check that a fault which has ended leaves no trace.
sub over
{
	my ($what) = @_;

	$node->reload;
	in_sync($node, 'postgres', $elasticsearch, $what);
	return asks_elasticsearch($node, 'postgres', 1, $what);
}

1;
