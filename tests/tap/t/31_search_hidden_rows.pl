# Row-level security that the tables' owner is subject to hides messages. What is hidden is not gone: the
# worker and the functions that compare say so, and change nothing, until they see it again.
use strict;
use warnings;

use ChatSearch;
use ChatTest;
use ChatWorker;
use Elasticsearch;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'no Java or Maven' unless Elasticsearch->available;

my $elasticsearch = Elasticsearch->new;
my $node = new_search_cluster('main', $elasticsearch);

sql(q{
	SELECT chat.create_application('shop'), chat.create_chat(1), chat.create_chat(1);
	SELECT chat.create_message(1, 1 + i % 2, md5(i::text)) FROM generate_series(1, 100) AS i});
wait_for_worker($node, 'postgres');
wait_for_index($node, 'postgres');
in_step($node, 'postgres', $elasticsearch, 'at first');
give_away($node);

my $index = index_name($node, 'postgres');
my $before = documents($elasticsearch, $index);

# The messages of chat 2 are changed and deleted by a superuser, who sees them; so is one of chat 1.
sql(q{
	ALTER TABLE chat.messages ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
	CREATE POLICY first_chat ON chat.messages USING (chat_number = 1) WITH CHECK (true);
	UPDATE chat_internal.worker_jobs SET last_error = NULL;
	UPDATE chat.messages SET body = 'edited' WHERE number < 5});
wait_until($node, 'postgres', q{SELECT last_error ~ 'row-level security' FROM chat_internal.worker_jobs WHERE job = 'search'}, 'the worker says what hides messages');
wait_until($node, 'postgres', q{SELECT last_error ~ 'row-level security' FROM chat_internal.worker_jobs WHERE job = 'verify search'}, 'and so when it verifies');
foreach my $call ('SELECT * FROM chat.verify_search()', 'SELECT * FROM chat.verify_search(1, 2)', 'SELECT chat.repair_search()')
{
	my ($status, $stdout, $stderr) = $node->psql('postgres', $call);

	like($stderr, qr/row-level security/, "$call: an error");
	is($stdout, '', "$call: no difference");
}
is(sql('SELECT count(*) FROM chat_internal.search_queue'), '8', 'what was edited waits');
is(documents($elasticsearch, $index), $before, 'the index has what it had');
is(index_name($node, 'postgres'), $index, 'it is the same index');

sql('ALTER TABLE chat.messages DISABLE ROW LEVEL SECURITY');
in_step($node, 'postgres', $elasticsearch, 'seen again');
isnt(documents($elasticsearch, $index), $before, 'seen again: what was edited is indexed');
$node->stop;
$elasticsearch->stop;
done_testing();
