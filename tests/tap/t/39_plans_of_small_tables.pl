# A session makes its plans while a table has a row or two, and statistics that say so, and the table is large by the
# time they are used: they go by an index all the same.
use strict;
use warnings;

use ChatTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', conf => "autovacuum = off\n");

sql(q{
	SELECT chat.create_application('app ' || i) FROM generate_series(1, 3) AS i;
	UPDATE chat.applications SET token = 'token ' || id;
	SELECT chat.create_chat(1) FROM generate_series(1, 5);
	INSERT INTO chat_internal.search_indexes (id, name, alias, owner_database, state)
		SELECT 1, 'i', 'i', d.oid || '-' || c.system_identifier, 'current' FROM pg_database AS d, pg_control_system() AS c WHERE d.datname = current_database();
	INSERT INTO chat_internal.search_watermarks SELECT 1, 1, i, 0 FROM generate_series(1, 5) AS i;
	SELECT chat.create_key('key', 'read');
	ANALYZE});

# What is called, for a table and how many of its rows it may read, at the first time and once the table is large.
my @calls = (
	[ 'search_watermarks', 2000, q{DELETE FROM chat.chats WHERE application_id = 1 AND number = 1}, q{DELETE FROM chat.chats WHERE application_id = 1 AND number BETWEEN 101 AND 600} ],
	[ 'search_watermarks', 2000, q{SELECT count(*) FROM chat.worker_status} ],
	[ 'api_keys', 100, q{SELECT chat.note_key_use(ARRAY(SELECT id FROM chat.api_keys WHERE id > 0 LIMIT 1))} ],
	[ 'tickets', 100, q{SELECT chat.create_ticket('token 1', sha256(random()::text::bytea), 'content')} ],
	[ 'application_counters', 200, q{SELECT count(*) FROM chat.list_applications("limit" => 10)} ],
	[ 'chats', 5000, q{SELECT chat.delete_application(2)}, q{SELECT chat.delete_application(3)} ]);

my $grow = q{
	INSERT INTO chat_internal.search_watermarks SELECT 1, 1, 1000000 + i, 0 FROM generate_series(1, 50000) AS i;
	INSERT INTO chat.chats (application_id, number) SELECT 1, 100 + i FROM generate_series(1, 500) AS i;
	INSERT INTO chat_internal.search_watermarks SELECT 1, 1, 100 + i, 0 FROM generate_series(1, 500) AS i;
	INSERT INTO chat.api_keys (id, name, scope, digest) SELECT -i, 'key', 'read', sha256(i::text::bytea) FROM generate_series(1, 10000) AS i;
	INSERT INTO chat_internal.tickets (application_id, digest, content, expires_at) SELECT 1, sha256(i::text::bytea), 'content', now() + '1 hour' FROM generate_series(1, 10000) AS i;
	UPDATE chat_internal.tickets SET expires_at = now() - interval '1 hour' WHERE digest < '\x01';
	INSERT INTO chat.applications (id, name, token) SELECT 1000 + i, 'more ' || i, 'more ' || i FROM generate_series(1, 3000) AS i;
	INSERT INTO chat.application_counters (application_id) SELECT 1000 + i FROM generate_series(1, 3000) AS i ON CONFLICT DO NOTHING;
	INSERT INTO chat.chats (application_id) SELECT 3 FROM generate_series(1, 20000)};

# Before and after each, since these figures may have something of earlier transactions.
my $script = join "\n", (map { "$_->[2];" } @calls), "$grow;", map {
	my $read = "SELECT 'read', idx_tup_fetch + coalesce(seq_tup_read, 0) FROM pg_stat_xact_user_tables WHERE relname = '$_->[0]';";
	"BEGIN; $read " . ($_->[3] // $_->[2]) . "; $read COMMIT;" } @calls;
my @counts = sql($script) =~ /^read\|(\d+)/mg;
my @read = map { $counts[2 * $_ + 1] - $counts[2 * $_] } 0 .. $#counts / 2;

is(scalar @read, scalar @calls, 'all were called');
foreach my $call (@calls)
{
	cmp_ok(shift @read, '<', $call->[1], ($call->[3] // $call->[2]) . " reads few rows of $call->[0]");
}
# The keys of a deleted application, of which there are none, are looked for by an index, too.
my ($before, $after) = sql(q{
	ANALYZE chat.api_keys; BEGIN; SELECT 'read', coalesce(idx_tup_fetch, 0) + seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'api_keys';
	SELECT chat.delete_application(1001); SELECT 'read', coalesce(idx_tup_fetch, 0) + seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'api_keys'; COMMIT}) =~ /^read\|(\d+)/mg;
cmp_ok($after - $before, '<', 100, 'a deleted application: few keys are read');
is(sql('SELECT count(*) FROM chat_internal.search_watermarks WHERE chat_number <= 600'), 4, 'watermarks of deleted chats are gone');
is(sql('SELECT count(*) FROM chat.chats WHERE application_id = 3 AND deleted_at IS NOT NULL'), 1000, 'chats are marked');
cmp_ok(sql('SELECT count(*) FROM chat_internal.tickets WHERE expires_at < now()'), '>', 0, 'and expired tickets go few at a time');
$node->stop;
done_testing();
