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
in_sync($node, 'postgres', $elasticsearch, 'at first');
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
is(sql('SELECT state, messages, messages_behind, queued, failed, seconds_behind IS NULL FROM chat.search_status'), 'current|100|0|8|0|t', 'search_status shows what can be counted');
is(sql(q{SELECT backlog FROM chat.worker_status WHERE job = 'search'}), '8', 'so does worker_status');
like(sql('SELECT DISTINCT hint FROM chat.worker_status'), qr/Row-level security.* ALTER TABLE chat\.messages NO FORCE ROW LEVEL SECURITY;$/, 'and says what to do');
is(sql('SELECT count(*) FROM chat_internal.search_queue'), '8', 'what was edited waits');
is(documents($elasticsearch, $index), $before, 'the index has what it had');
is(index_name($node, 'postgres'), $index, 'it is the same index');

# Other tables are hidden, too: the views answer, and change their minds.
sub hide { my ($table, $hidden) = @_; return sql("ALTER TABLE $table " . ($hidden ? 'ENABLE ROW LEVEL SECURITY, FORCE' : 'DISABLE ROW LEVEL SECURITY, NO FORCE') . ' ROW LEVEL SECURITY'); }
foreach my $case ([ 'chat.chats', 'current|||8|0|', '' ], [ 'chat_internal.search_queue', 'current|||||', '' ], [ 'chat_internal.search_indexes', '', '' ], [ 'chat_internal.worker_jobs', 'current|||||', '' ])
{
	my ($table, $status, $backlog) = @$case;

	hide($table, 1);
	is(sql('SELECT state, messages, messages_behind, queued, failed, seconds_behind FROM chat.search_status'), $status, "$table: search_status");
	is(sql(q{SELECT count(*) OVER (), backlog FROM chat.worker_status WHERE job = 'search'}), "1|$backlog", "$table: worker_status");
	like(sql('SELECT DISTINCT hint FROM chat.worker_status'), qr/ALTER TABLE \Q$table\E NO FORCE ROW LEVEL SECURITY;/, "$table: the hint");
	hide($table, 0);
}
is(sql('SELECT messages, queued FROM chat.search_status'), '100|8', 'they count again');
sql('ALTER TABLE chat.messages NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY');
is(sql('SELECT DISTINCT seconds_behind IS NULL, hint IS NULL FROM chat.search_status, chat.worker_status'), 'f|t', 'nothing is hidden');
in_sync($node, 'postgres', $elasticsearch, 'seen again');
isnt(documents($elasticsearch, $index), $before, 'seen again: what was edited is indexed');
$node->stop;
$elasticsearch->stop;
done_testing();
