# The worker lets go of its database at once, also in the middle of a request to an Elasticsearch that
# hangs; chat.reindex() comes to an end through every interruption; a message that Elasticsearch
# refuses fails, and holds up no other; and passwords stay secret.
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
my $node = new_search_cluster('main', $elasticsearch, conf => "restart_after_crash = on\n");

# Start the engine anew, with settings of its own.
sub restart_with
{
	my (%settings) = @_;

	$elasticsearch->stop;
	$elasticsearch->{settings} = \%settings;
	$elasticsearch->start;
	return;
}


# A message that was sent to a database's index, by a request that does not come to an end.
sub hang_in
{
	my ($db) = @_;

	$elasticsearch->resume;
	wait_for_worker($node, $db);
	wait_until_idle($node, $db) or die "$db is never idle";
	$elasticsearch->pause;
	sql($db, q{SELECT chat.create_message(1, 1, 'in flight')});
	return wait_until($node, 'postgres', qq{
		SELECT wait_event IS NOT NULL AND state = 'idle' FROM pg_stat_activity WHERE datname = '$db' AND backend_type = 'pg_chat worker'}, "$db: a request hangs");
}

# Commands that need the database free of connections, or the worker to react.
sql('postgres', 'CREATE DATABASE one');
sql($_, q{CREATE EXTENSION IF NOT EXISTS pg_chat; SELECT chat.create_application('shop'); SELECT chat.create_chat(1)}) foreach qw(one postgres);
each_within(1, sub {
	my ($timed) = @_;

	hang_in('one');
	$timed->('CREATE DATABASE TEMPLATE', sub { sql('postgres', 'CREATE DATABASE copy TEMPLATE one') });
	hang_in('copy');
	$timed->('ALTER DATABASE RENAME', sub { sql('postgres', 'ALTER DATABASE copy RENAME TO renamed') });
	hang_in('renamed');
	$timed->('DROP DATABASE', sub { sql('postgres', 'DROP DATABASE renamed') });
	hang_in('one');
	$timed->('DROP EXTENSION', sub { sql('one', 'DROP EXTENSION pg_chat') });
	sql('one', q{CREATE EXTENSION pg_chat; SELECT chat.create_application('shop'); SELECT chat.create_chat(1)});
	hang_in('one');
	my $pid = workers($node, 'one');
	$timed->('pg_terminate_backend', sub {
		sql('one', "SELECT pg_terminate_backend($pid)");
		wait_until($node, 'postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)", 'pg_terminate_backend: gone');
	});
	hang_in('one');
	$timed->('a reload', sub {
		configure($node, 'pg_chat.elasticsearch_url', '');
		wait_until($node, 'one', 'SELECT NOT EXISTS (SELECT FROM chat_internal.search_indexes)', 'a reload: it is off');
	});
	set_url($node, $elasticsearch);
	hang_in('one');
	$timed->('fast shutdown', sub { $node->stop('fast') });
	$elasticsearch->resume;
	$node->start;
});
in_sync($node, $_, $elasticsearch, "$_ after all this") foreach qw(one postgres);

# chat.reindex() while messages are written: killed in between, the worker or Elasticsearch, it goes on
# or begins anew. In the end there is one index.
make_checks($node, 'postgres');
sql('postgres', q{
	SELECT chat.create_chat(1) FROM generate_series(1, 5);
	INSERT INTO chat.messages (application_id, chat_number, body) SELECT 1, 1 + i % 5, md5(i::text) FROM generate_series(1, 5000) AS i});
in_sync($node, 'postgres', $elasticsearch, 'before it is built anew');

# The indexes of this database that Elasticsearch has; those of before it was turned off stay there.
sub indexes_of
{
	my ($alias) = @_;

	return join(' ', sort keys %{ ($elasticsearch->request('GET', "/$alias-*"))[1] });
}

sub reindexed
{
	my ($what, $interrupt, $killed) = @_;
	my $before = index_name($node, 'postgres');
	my $alias = sql('postgres', 'SELECT alias FROM chat_internal.search_indexes');
	my $others = indexes_of($alias);
	my $writers = start_writers($node, 'postgres');

	wait_for_writes($node, 'postgres', 20, $what);
	is(sql('postgres', 'SELECT chat.reindex()'), $before, "$what: reindex() names the old index");
	wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM chat.search_status WHERE state = 'building'}, "$what: progress is seen") if $interrupt;
	$interrupt->() if $interrupt;
	wait_until($node, 'postgres', "SELECT count(*) = 1 AND bool_and(state = 'current' AND index <> '$before' AND usable) FROM chat.search_status", "$what: replaced");
	stop_writers($writers, $what, $killed);
	in_sync($node, 'postgres', $elasticsearch, $what);
	is(join(' ', keys %{ ($elasticsearch->request('GET', "/_alias/$alias"))[1] }), index_name($node, 'postgres'), "$what: the alias stands for it");
	my $now = index_name($node, 'postgres');
	is(indexes_of($alias), $others =~ s/\Q$before\E/$now/r, "$what: the old one is gone, and there is no other");
	asks_elasticsearch($node, 'postgres', 1, $what);
	return;
}

reindexed('reindex');
reindexed('reindex, the worker is killed', sub {
	my $worker = workers($node, 'postgres');

	kill_process($worker);
	wait_for_worker($node, 'postgres');
}, 1);
reindexed('reindex, Elasticsearch is killed', sub { $elasticsearch->kill9; $elasticsearch->start });
reindexed('reindex, the new index is deleted', sub {
	$elasticsearch->request('DELETE', '/' . sql('postgres', q{SELECT coalesce((SELECT name FROM chat_internal.search_indexes WHERE state = 'building'), 'none')}));
});

# Called again while an index is being built, here one that waits for an older transaction, it begins anew.
my $older = $node->background_psql('postgres');
my $replaced = index_name($node, 'postgres');
$older->query_safe('BEGIN; SELECT pg_current_xact_id()');
sql('postgres', 'SELECT chat.reindex()');
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM chat.search_status WHERE state = 'building'}, 'reindex, again: one is built');
my $begun = sql('postgres', q{SELECT name FROM chat_internal.search_indexes WHERE state = 'building'});
is(sql('postgres', 'SELECT chat.reindex()'), $replaced, 'reindex, again: it names the old index');
wait_until($node, 'postgres', "SELECT count(*) = 1 FROM chat.search_status WHERE state = 'building' AND index <> '$begun'", 'reindex, again: another is built');
$older->query_safe('COMMIT');
$older->quit;
wait_until($node, 'postgres', "SELECT count(*) = 1 AND bool_and(state = 'current' AND index NOT IN ('$replaced', '$begun') AND usable) FROM chat.search_status", 'reindex, again: replaced');

# A message that is larger than what Elasticsearch accepts fails; others flow, searches find it, and
# an Elasticsearch that accepts it gets it when somebody says so.
restart_with('http.max_content_length' => '200kb');
sql('postgres', q{
	BEGIN;
	SELECT chat.create_message(1, 1 + i % 3, 'before the large one') FROM generate_series(1, 500) AS i;
	INSERT INTO chat.messages (application_id, chat_number, body) SELECT 1, 2, 'needle ' || string_agg(md5(i::text), ' ') FROM generate_series(1, 8000) AS i;
	SELECT chat.create_message(1, 1 + i % 3, 'after the large one') FROM generate_series(1, 500) AS i;
	COMMIT});
wait_until($node, 'postgres', q{SELECT failed = 1 AND queued = 0 AND messages_behind = 0 FROM chat.search_status}, 'too large: one message failed, others flow');
my $large = sql('postgres', q{SELECT chat_number || '.' || number FROM chat_internal.search_queue WHERE reason ~ '413'});
is($large, sql('postgres', q{SELECT chat_number || '.' || number FROM chat.messages WHERE body LIKE 'needle%'}), 'too large: it is named, with the reason');
is(sql('postgres', q{SELECT chat_number || '.' || number FROM chat.search_application(1, 'NEEDLE')}), $large, 'too large: a search finds it');
no_difference($node, 'postgres', 'too large');
is(sql('postgres', 'SELECT chat.retry_failed_documents()'), '1', 'too large: tried again');
wait_until($node, 'postgres', q{SELECT failed = 1 AND queued = 0 FROM chat.search_status}, 'too large: refused again');
restart_with();
is(sql('postgres', 'SELECT chat.retry_failed_documents(1, 1)'), '0', 'accepted: none in another chat');
is(sql('postgres', 'SELECT chat.retry_failed_documents(1, 2)'), '1', 'accepted: tried again');
in_sync($node, 'postgres', $elasticsearch, 'accepted');
is(sql('postgres', q{SELECT chat_number || '.' || number FROM chat.search_application(1, 'NEEDLE')}), $large, 'accepted: a search finds it');

# One that is longer than any that the functions take is not even sent.
sql('postgres', q{INSERT INTO chat.messages (application_id, chat_number, body) VALUES (1, 2, 'haystack' || repeat('-', 17000000)), (1, 2, 'behind it')});
wait_until($node, 'postgres', q{SELECT failed = 1 AND queued = 0 AND messages_behind = 0 FROM chat.search_status}, 'too long: it failed, others flow');
is(sql('postgres', q{SELECT reason FROM chat_internal.search_queue}), 'its body is too long', 'too long: with the reason');
is(sql('postgres', q{SELECT count(*) FROM chat.search_application(1, 'HAYSTACK')}), '1', 'too long: a search finds it');
sql('postgres', q{DELETE FROM chat.messages WHERE length(body) > 16777216});
in_sync($node, 'postgres', $elasticsearch, 'too long, deleted');

# Bytes that are no text, in a database without an encoding.
sql('postgres', q{CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'});
sql('bytes', q{CREATE EXTENSION pg_chat; SELECT chat.create_application('shop'); SELECT chat.create_chat(1);
	SELECT chat.create_message(1, 1, 'text'); SELECT chat.create_message(1, 1, 'Bytes ' || E'\xe4\xff'); SELECT chat.create_message(1, 1, 'more text')});
wait_until($node, 'bytes', q{SELECT failed = 1 AND queued = 0 AND messages_behind = 0 FROM chat.search_status WHERE usable}, 'bytes: failed');
is(sql('bytes', q{SELECT number, reason FROM chat_internal.search_queue}), '2|its body is not UTF-8', 'bytes: with the reason');
is(sql('bytes', q{SELECT string_agg(number::text, ' ') FROM chat.search_messages(1, 1, 'bytes')}), '2', 'bytes: found');
is(sql('bytes', q{SELECT * FROM chat.verify_search()}), '', 'bytes: verify_search() finds nothing');
sql('bytes', q{UPDATE chat.messages SET body = 'text after all' WHERE number = 2});
in_sync($node, 'bytes', $elasticsearch, 'text after all');
sql('postgres', 'DROP DATABASE bytes');

# Secrets: in files that the server alone can read, sent, and shown nowhere.
sub login_fails { return shows_error('search', @_); }

write_secret('password', "topsecret\n");
configure($node, 'pg_chat.elasticsearch_user', 'elastic');
configure($node, 'pg_chat.elasticsearch_password_file', 'password');
sql('postgres', q{SELECT chat.create_message(1, 1, 'sent with a password')});
in_sync($node, 'postgres', $elasticsearch, 'with a password');
write_secret('password', "topsecret\n", 0644);
sql('postgres', q{SELECT chat.create_message(1, 1, 'sent with an open file')});
login_fails('a file that others can read', 'can be accessed by others');
is(sql('postgres', q{SELECT count(*) FROM chat.search_application(1, 'with a password')}), '1', 'searches go on');
write_secret('password', "topsecret\n");
configure($node, 'pg_chat.elasticsearch_api_key_file', 'password');
sql('postgres', q{SELECT chat.create_message(1, 1, 'sent with two')});
login_fails('a user and a key', 'both pg_chat.elasticsearch_user and pg_chat.elasticsearch_api_key_file');
configure($node, 'pg_chat.elasticsearch_user', '');
configure($node, 'pg_chat.elasticsearch_password_file', '');
in_sync($node, 'postgres', $elasticsearch, 'with a key');

my ($status, $stdout, $stderr);
foreach my $bad ('http://elastic:topsecret@host', 'ftp://host/topsecret', 'http://host/?topsecret', 'topsecret', 'http://')
{
	($status, $stdout, $stderr) = $node->psql('postgres', "ALTER SYSTEM SET pg_chat.elasticsearch_url = '$bad'");
	like($stderr, qr/ERROR:\s+invalid value for parameter "pg_chat.elasticsearch_url"/, "refused: $bad");
	unlike($stderr =~ s/^STATEMENT.*//mr, qr/topsecret/, 'and not shown') if $bad =~ /@/;
}
sql('postgres', 'CREATE ROLE reader; GRANT chat_api TO reader');
foreach my $role ('reader', 'chat_api')
{
	foreach my $setting (map { "pg_chat.elasticsearch_$_" } qw(url user password_file api_key_file ca_file))
	{
		($status, $stdout, $stderr) = $node->psql('postgres', "SET ROLE $role; SHOW $setting");
		like($stderr, qr/must be superuser|permission denied/, "$role cannot read $setting");
		is(sql('postgres', "SET ROLE $role; SELECT count(*) FROM pg_settings WHERE name = '$setting'"), '0', "$role does not see it");
	}
}
is(sql('postgres', q{SELECT count(*) FROM chat.worker_status WHERE last_error ~ 'topsecret'}), '0', 'no password in worker_status');
# But for the statements above, which the tests' clusters log.
unlike(slurp_file($node->logfile) =~ s/(STATEMENT: |statement: ).*//gr, qr/topsecret/, 'no password in the log');
$node->stop;
$elasticsearch->stop;
done_testing();
