# Faults between PostgreSQL and Elasticsearch, while messages are written, edited and deleted: writes and
# searches go on, each search is right, and after the fault the index and the table hold the same. Application 1 is written to; application 2 is quiet.
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
my $node = new_search_cluster('main', $elasticsearch, conf => "restart_after_crash = on\nmax_connections = 40\n");
my $writers;

sub request { return $elasticsearch->ask(@_); }
sub settings { my ($index, %settings) = @_; return request('PUT', "/$index/_settings", \%settings); }

sub reported { return shows_error('search', @_); }

# Check searches; what is wrong with them.
sub checked
{
	my ($count) = @_;
	my ($status, $stdout, $stderr) = $node->psql('postgres', "SELECT check_search(seed) FROM generate_series(1, $count) AS seed");

	return $stderr;
}

sub wrote { my ($what) = @_; return wait_for_writes($node, 'postgres', 30, $what); }

# One round: the fault begins and ends in the middle of writes.
sub round
{
	my ($what, $fault, %options) = @_;

	note("ROUND: $what");
	forget_errors();
	$writers = start_writers($node, 'postgres');
	wrote($what);
	$fault->($what, index_name($node, 'postgres'));
	wrote("$what, over") unless $options{kills};
	stop_writers($writers, $what, $options{kills});
	in_sync($node, 'postgres', $elasticsearch, $what);
	is(checked(40), '', "$what: searches are right");
	asks_elasticsearch($node, 'postgres', 1, $what);
	return;
}

# Kill a process of the server, which then restarts.
sub crash
{
	my ($query) = @_;

	kill_process(sql($query) || die 'nobody to kill');
	return wait_for_worker($node, 'postgres');
}

# An index that is built anew, under another name.
sub rebuilt
{
	my ($what, $index) = @_;

	return wait_until($node, 'postgres', "SELECT count(*) = 1 FROM chat_internal.search_indexes WHERE state = 'current' AND uuid IS NOT NULL AND name <> '$index'", "$what: another index is built");
}

make_checks($node, 'postgres');
sql(q{
	SELECT chat.create_application('busy'), chat.create_application('quiet');
	SELECT chat.create_chat(1), chat.create_chat(2) FROM generate_series(1, 5);
	SELECT chat.create_message(a, c, md5(i::text) || ' ' || i) FROM generate_series(1, 2) AS a, generate_series(1, 5) AS c, generate_series(1, 300) AS i;});
wait_for_index($node, 'postgres');
in_sync($node, 'postgres', $elasticsearch, 'at first');

round('the worker is killed', sub {
	crash(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_chat worker'});
}, kills => 1);

# The breaker: with far more searches than a pause between probes takes, few wait. What is waited for
# is counted, by what each search says.
round('Elasticsearch hangs', sub {
	my ($what) = @_;

	$elasticsearch->pause;
	wrote($what);
	my ($status, $stdout, $stderr);
	within(30, sub {
		($status, $stdout, $stderr) = $node->psql('postgres', q{SET client_min_messages = debug1; SET pg_chat.search_timeout = 1000;
			SELECT count(*) FROM generate_series(1, 300) AS seed, LATERAL (SELECT check_search(seed)) AS c});
	}, "$what: 300 searches");
	is($stdout, '300', "$what: they are answered");
	is(scalar(() = $stderr =~ /pg_chat: search by PostgreSQL alone/g), 300, "$what: by PostgreSQL alone");
	cmp_ok(scalar(() = $stderr =~ /pg_chat searches without Elasticsearch/g), '<', 10, "$what: few of them waited");
	reported($what, 'timeout|timed out|Timeout|no answer');
	$elasticsearch->resume;
});
like(slurp_file($node->logfile), qr/LOG:  pg_chat searches without Elasticsearch/, 'the log says that searches go without');

round('Elasticsearch is killed', sub {
	my ($what) = @_;

	$elasticsearch->kill9;
	wrote($what);
	reported($what, '[Cc]onnect');
	$elasticsearch->start;
});

round('a backend is killed', sub {
	crash(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() LIMIT 1});
}, kills => 1);

round('the index is deleted', sub {
	my ($what, $index) = @_;

	request('DELETE', "/$index");
	rebuilt($what, $index);
});

round('the alias points elsewhere', sub {
	my ($what, $index) = @_;
	my $alias = sql(q{SELECT alias FROM chat_internal.search_indexes WHERE state = 'current'});

	request('PUT', '/elsewhere', {});
	request('POST', '/_aliases', { actions => [ { remove => { index => $index, alias => $alias } }, { add => { index => 'elsewhere', alias => $alias } } ] });
	ok(poll(sub { join(' ', keys %{ ($elasticsearch->request('GET', "/_alias/$alias"))[1] }) eq $index }), "$what: it is repaired");
	is(request('GET', '/elsewhere/_count')->{count}, 0, "$what: nothing went there");
	request('DELETE', '/elsewhere');
});

# Documents are written through an alias of the index's own, which may point elsewhere, too.
round('the alias for writes points elsewhere', sub {
	my ($what, $index) = @_;

	request('PUT', '/elsewhere', {});
	request('POST', '/_aliases', { actions => [ { remove => { index => $index, alias => "$index-write" } }, { add => { index => 'elsewhere', alias => "$index-write" } } ] });
	ok(poll(sub { join(' ', keys %{ ($elasticsearch->request('GET', "/_alias/$index-write"))[1] }) eq $index }), "$what: it is repaired");
	request('DELETE', '/elsewhere');
});

round('the alias for writes is removed', sub {
	my ($what, $index) = @_;

	request('POST', '/_aliases', { actions => [ { remove => { index => $index, alias => "$index-write" } } ] });
	ok(poll(sub { join(' ', keys %{ ($elasticsearch->request('GET', "/_alias/$index-write"))[1] }) eq $index }), "$what: it is repaired");
});

# A disk that is full: what Elasticsearch does above the flood stage.
round('the disk is full', sub {
	my ($what, $index) = @_;

	settings($index, 'index.blocks.read_only_allow_delete' => JSON::PP::true);
	reported($what, '(429|403) cluster_block_exception');
	wrote($what);
	settings($index, 'index.blocks.read_only_allow_delete' => undef);
});

# Mapping conflicts: said, not used, not overwritten, nothing failed.
sub unusable
{
	my ($what) = @_;

	reported($what, 'has another mapping or other settings than it was created with');
	is(sql('SELECT bool_or(usable) FROM chat.search_status'), 'f', "$what: it is not used");
	wrote($what);
	is(sql('SELECT count(*) FROM chat_internal.search_queue WHERE reason IS NOT NULL'), '0', "$what: nothing failed");
	return;
}

round('a field is added', sub {
	my ($what, $index) = @_;

	request('PUT', "/$index/_mapping", { properties => { extra => { type => 'keyword' } } });
	unusable($what);
	ok(request('GET', "/$index/_mapping")->{$index}{mappings}{properties}{extra}, "$what: the mapping is not overwritten");
	sql('SELECT chat.reindex()');
	rebuilt($what, $index);
});

round('an index of the same name with another mapping', sub {
	my ($what, $index) = @_;

	# The worker does not see it missing in between.
	my $worker = sql('SELECT DISTINCT pid FROM chat.worker_status');
	kill STOP => $worker;
	request('DELETE', "/$index");
	request('PUT', "/$index", { mappings => { properties => { number => { type => 'text' } } } });
	kill CONT => $worker;
	unusable($what);
	is(request('GET', "/$index/_mapping")->{$index}{mappings}{properties}{number}{type}, 'text', "$what: it is not overwritten");
	is(request('GET', "/$index/_count")->{count}, 0, "$what: nothing went there");
	request('DELETE', "/$index");
});

# A template that has text analyzed in another way: what is left out nobody would find.
round('a template', sub {
	my ($what, $index) = @_;

	request('PUT', '/_template/tokens', { index_patterns => ['pg_chat-*'], order => 1,
		settings => { analysis => { tokenizer => { trigrams => { type => 'ngram', min_gram => 3, max_gram => 3 } },
			analyzer => { trigrams => { type => 'custom', tokenizer => 'trigrams', filter => ['stop'] } } } } });
	sql('SELECT chat.reindex()');
	reported($what, 'a template');
	is(index_name($node, 'postgres'), $index, "$what: the index stays that was right");
	wait_for_writes($node, 'postgres', 10, $what);
	request('DELETE', '/_template/tokens');
	request('DELETE', '/' . sql(q{SELECT name FROM chat_internal.search_indexes WHERE state = 'building'}));
	rebuilt($what, $index);
});

# There is no room for a new index: the current one goes on, and is replaced when there is.
round('a new index is refused', sub {
	my ($what, $index) = @_;

	request('PUT', '/_cluster/settings', { persistent => { 'cluster.max_shards_per_node' => 1 } });
	sql('SELECT chat.reindex()');
	reported($what, 'maximum');
	sql(q{SELECT chat.create_message(2, 1, 'while it is refused')});
	wait_until($node, 'postgres', q{SELECT indexed_number = last_message_number FROM chat.chats AS c
		JOIN chat_internal.search_watermarks AS i ON (i.application_id, i.chat_number) = (c.application_id, c.number)
		JOIN chat_internal.search_indexes AS s ON s.id = i.index_id AND s.state = 'current'
		WHERE c.application_id = 2 AND c.number = 1}, "$what: what is written reaches the index");
	request('PUT', '/_cluster/settings', { persistent => { 'cluster.max_shards_per_node' => undef } });
	rebuilt($what, $index);
});

# An Elasticsearch that has little room for requests.
round('too many requests', sub {
	my ($what) = @_;

	$elasticsearch->stop;
	$elasticsearch->{settings} = { 'indexing_pressure.memory.limit' => '20kb' };
	sql('INSERT INTO chat.messages (application_id, chat_number, body) SELECT 2, 1 + i % 5, repeat(md5(i::text), 3) FROM generate_series(1, 500) AS i');
	$elasticsearch->start;
	reported($what, '429');
	wrote($what);
	ok($node->poll_query_until('postgres', q{
		SELECT bool_and(indexed_number = last_message_number)
		FROM chat.chats AS c LEFT JOIN chat_internal.search_watermarks AS i ON (i.application_id, i.chat_number) = (c.application_id, c.number)
		WHERE c.application_id = 2}),
		"$what: all gets there, in smaller parts");
	is(sql('SELECT count(*) FROM chat_internal.search_queue WHERE reason IS NOT NULL'), '0', "$what: nothing failed");
	$elasticsearch->{settings} = {};
	$elasticsearch->restart;
});

# Changes of the index behind our back, in the quiet application, are found and repaired. The worker
#  verifies by itself, so it is kept from that at first.
sub tamper
{
	my ($index) = @_;
	my %document = (scope => [ '2', '2.2' ], application => 2, chat => 2, checksum => 1, grams => 'tampered with');

	request('DELETE', "/$index/_doc/2.1.$_?routing=2") foreach 1, 150, 300;
	request('PUT', "/$index/_doc/2.2.7?routing=2", { %document, number => 7 });
	request('PUT', "/$index/_doc/2.2.999999?routing=2", { %document, number => 999999 });
	request('PUT', "/$index/_doc/77.1.1?routing=77", { %document, scope => [ '77', '77.1' ], application => 77, chat => 1, number => 1 });
	return;
}

my @differences = ('2|1|1|missing', '2|1|150|missing', '2|1|300|missing', '2|2|7|stale', '2|2|999999|surplus', '77|1|1|surplus');
my @of_chat = grep { /^2\|2\|/ } @differences;
round('documents are changed', sub {
	my ($what, $index) = @_;

	# A new worker compares first, and then not for an hour.
	my $worker = workers($node, 'postgres');
	configure($node, 'pg_chat.reconcile_interval', 3600);
	sql("SELECT pg_terminate_backend($worker)");
	wait_for_worker($node, 'postgres', $worker);
	wait_until($node, 'postgres', q{SELECT last_run_at > running_since FROM chat.worker_status WHERE job = 'verify search'}, "$what: the worker has verified");
	sql(q{SELECT chat.create_message(2, 5, 'indexed after the first look')});
	wait_until($node, 'postgres', q{SELECT indexed_number = last_message_number FROM chat.chats AS c
		JOIN chat_internal.search_watermarks AS i ON (i.application_id, i.chat_number) = (c.application_id, c.number)
		WHERE (c.application_id, c.number) = (2, 5)}, "$what: the worker has looked");
	tamper($index);
	is(sql('SELECT * FROM chat.verify_search() ORDER BY 1, 2, 3'), join("\n", @differences), "$what: verify_search() shows them, and nothing else");
	is(sql('SELECT * FROM chat.verify_search(2, 2) ORDER BY 1, 2, 3'), join("\n", @of_chat), "$what: in a chat");
	is(sql('SELECT * FROM chat.verify_search(1)'), '', "$what: none in the other application");
	is(sql('SELECT chat.repair_search(2, 2)'), '2', "$what: repair_search() of a chat");
	is(sql('SELECT chat.repair_search()'), '4', "$what: repair_search() of the others");
	ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM chat.verify_search()'), "$what: repaired");
	my $repaired = sql(q{SELECT total_repaired FROM chat_internal.worker_jobs WHERE job = 'verify search'});
	tamper($index);
	configure($node, 'pg_chat.reconcile_interval', 1);
	wait_until($node, 'postgres', "SELECT total_repaired >= $repaired + 6 FROM chat_internal.worker_jobs WHERE job = 'verify search'", "$what: the worker finds them by itself");
	ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM chat.verify_search()'), "$what: and repairs them");
});
like(slurp_file($node->logfile), qr/pg_chat found message 150 of chat 1 of application 2 missing in the search index; it is indexed anew/, 'and says so');

is(sql(q{SELECT count(*) FROM chat_internal.search_queue}), '0', 'in the end: nothing is queued');
in_sync($node, 'postgres', $elasticsearch, 'in the end');
$node->stop;
$elasticsearch->stop;
done_testing();
