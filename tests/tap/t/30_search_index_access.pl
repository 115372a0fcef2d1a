# The worker reaches the rows of its tables by their keys, also where it made its plans while they were
# empty, and nobody has analyzed them since: with a long queue and many chats.
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
my $node = new_search_cluster('main', $elasticsearch, conf => join("\n",
	q{shared_preload_libraries = 'pg_chat,auto_explain'}, 'autovacuum = off',
	'auto_explain.log_min_duration = 0', 'auto_explain.log_nested_statements = on', ''));

# The plans of the worker's statements that name a table: the statement, and what follows.
sub plans
{
	my ($log, $worker, $table) = @_;

	return grep { /\A.*\n?.*\b$table\b/ }
	  map { s/\n\d{4}-\d\d-\d\d .*//sr } $log =~ /\[$worker\] LOG:  duration: [\d.]+ ms  plan:\n\s*Query Text: (.*?)(?=\n\d{4}-|\z)/sg;
}

sql(q{SELECT chat.create_application('shop'); SELECT chat.create_message(1, chat.create_chat(1), 'first')});
my $worker = wait_for_worker($node, 'postgres');
wait_for_index($node, 'postgres');
in_sync($node, 'postgres', $elasticsearch, 'at first');

# Each statement has its plan from here on.
sql(q{UPDATE chat.messages SET body = 'edited'});
in_sync($node, 'postgres', $elasticsearch, 'edited');
my $offset = length slurp_file($node->logfile);
sql(q{
	SELECT chat.create_chat(1) FROM generate_series(1, 300);
	INSERT INTO chat.messages (application_id, chat_number, body) SELECT 1, 1 + i % 300, md5(i::text) FROM generate_series(1, 6000) AS i;
	UPDATE chat.messages SET body = body || ' edited'});
in_sync($node, 'postgres', $elasticsearch, 'many edits');
is(workers($node, 'postgres'), $worker, 'with the plans that the worker made first');
my $log = slurp_file($node->logfile, $offset);

foreach my $table (qw(search_queue search_watermarks))
{
	my @plans = plans($log, $worker, $table);

	cmp_ok(scalar @plans, '>', 0, "$table: there are plans");
	is(join("\n", grep { /Join Filter|Seq Scan on \S*$table/ } @plans), '', "$table: none joins all rows with all, or reads the table");
}
my @deletions = grep { /\ADELETE FROM chat_internal.search_queue WHERE ctid/ } plans($log, $worker, 'search_queue');
ok(@deletions > 0 && !grep({ !/Tid Scan on search_queue/ } @deletions), 'what is done leaves the queue by where it is') or diag(@deletions);
$node->stop;
$elasticsearch->stop;
done_testing();
