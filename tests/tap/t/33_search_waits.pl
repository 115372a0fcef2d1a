# An Elasticsearch that does not answer: the worker's other jobs go on while one waits for it. That one waits is
# known by its request, which has arrived, and by its run, which has not been recorded.
use strict;
use warnings;

use ChatSearch;
use ChatTest;
use ChatWorker;
use Elasticsearch;
use FaultyElasticsearch;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RedisMirror;
use RedisServer;
use Test::More;

plan skip_all => 'no Java or Maven' unless Elasticsearch->available;

my $redis = RedisServer->new;
my $elasticsearch = Elasticsearch->new;
my $faulty = FaultyElasticsearch->new($elasticsearch->url);
my $node = new_search_cluster('main', $faulty, conf => "pg_chat.redis_url = 'unix://$redis->{socket}'\n");

# How many runs jobs had, in the order of their names.
sub runs { return split /\n/, sql('SELECT runs FROM chat_internal.worker_jobs WHERE job IN (' . join(', ', map { "'$_'" } @_) . ') ORDER BY job'); }

# While a job waits for the answer to a request whose path matches: messages are written and deleted, counters
# are made wrong, and all is counted and mirrored; a condition becomes true; other jobs, given by their names, have
# two runs each. Where the job's run ends before that, it is tried again.
sub goes_on
{
	my ($what, $job, $pattern, $condition, @others) = @_;

	foreach (1 .. 10)
	{
		$faulty->mode('hang', $pattern);
		poll(sub { grep { / $pattern/ } $faulty->requests }) or return fail("$what: there is no request");
		my %runs;
		@runs{ sort $job, @others } = runs($job, @others);
		my $before = delete $runs{$job};
		sql(q{
			SELECT chat.create_message(1, c, md5(random()::text)) FROM generate_series(1, 3) AS c;
			DELETE FROM chat.messages WHERE (application_id, chat_number) = (1, 3) AND number = (SELECT min(number) FROM chat.messages WHERE (application_id, chat_number) = (1, 3));
			UPDATE chat.chats SET messages_count = 7 WHERE number = 2});
		my $keys = expected_keys();
		my $ran = join(' OR ', map { "job = '$_' AND runs >= 2 + $runs{$_}" } keys %runs);
		my $query = qq{SELECT $condition
			AND (SELECT bool_and(messages_count = (SELECT count(*) FROM chat.messages AS m
				WHERE (m.application_id, m.chat_number) = (c.application_id, c.number))) FROM chat.chats AS c)
			AND (SELECT count(*) = @{[ scalar @others ]} FROM chat_internal.worker_jobs WHERE $ran),
			(SELECT runs = $before FROM chat_internal.worker_jobs WHERE job = '$job')};
		my ($is_done, $waits);
		poll(sub {
			my $mirrored = $redis->keys_and_values eq $keys;
			($is_done, $waits) = map { $_ eq 't' } split /\|/, sql($query);
			$is_done &&= $mirrored;
			return $is_done || !$waits;
		});
		return pass("$what: the others go on") if $is_done && $waits;
	}
	return fail("$what: the others go on");
}

sql(q{
	SELECT chat.create_application('shop'), chat.create_chat(1), chat.create_chat(1), chat.create_chat(1);
	SELECT chat.create_message(1, 1 + i % 3, md5(i::text)) FROM generate_series(1, 300) AS i});
my $worker = wait_for_worker($node, 'postgres');
wait_for_index($node, 'postgres');
in_sync($node, 'postgres', $elasticsearch, 'at first');
wait_until($node, 'postgres', q{SELECT runs > 0 FROM chat.worker_status WHERE job = 'verify search'}, 'the worker verifies');

my $indexed = q{(SELECT bool_and(indexed_number = last_message_number) FROM chat.chats AS c
	LEFT JOIN chat_internal.search_watermarks AS w ON (w.application_id, w.chat_number) = (c.application_id, c.number))};
goes_on('verification: a search', 'verify search', '/[^/]*/_search\?allow', $indexed, 'reconcile', 'scrub chats', 'redis');
shows_error('verify search', 'verification', 'could not read the search index');

goes_on('a check of the index', 'search', '/pg_chat-[^/]*$', 'true', 'reconcile', 'scrub chats', 'redis');
shows_error('search', 'a check of the index', 'Elasticsearch: ');

# The worker lets go of its database while runs of jobs are within one another.
$faulty->mode('hang');
poll(sub { scalar $faulty->requests }) or die 'there is no request';
$node->safe_psql('template1', 'ALTER DATABASE postgres RENAME TO other');
$node->safe_psql('template1', 'ALTER DATABASE other RENAME TO postgres');
pass('the database is renamed');

$faulty->free;
in_sync($node, 'postgres', $elasticsearch, 'in the end');
is(sql(wrong_counts()), '', 'in the end: the counts are right');
is_mirrored($redis, 'in the end');
$node->stop;
$elasticsearch->stop;
done_testing();
