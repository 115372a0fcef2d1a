# The index in Elasticsearch comes to hold what the table holds, by whatever way that changed, from
# when it is turned on until it is turned off, and after a restart and a promotion.
use strict;
use warnings;

use ChatSearch;
use ChatTest;
use ChatWorker;
use Elasticsearch;
use File::Path qw(rmtree);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'no Java or Maven' unless Elasticsearch->available;

my $elasticsearch = Elasticsearch->new;
my $node = new_search_cluster('main', undef, allows_streaming => 1, conf => "max_prepared_transactions = 5\nwal_writer_delay = 10s\n");

sub holds { my ($what) = @_; return in_sync($node, 'postgres', $elasticsearch, $what); }

# The keys of what a search in application 1 finds.
sub found
{
	my ($query, $on) = @_;

	return ($on // $node)->safe_psql('postgres', "SELECT string_agg(chat_number || '.' || number, ' ') FROM chat.search_application(1, '$query')");
}

# A change that is sure to reach the index, whose document is compared with the table.
sub change
{
	my ($what, $statements) = @_;

	sql($statements);
	return holds($what);
}

# Turned on in a database that holds messages. Who changed something before may not have seen that the
# change is to be queued, so the index waits for him, prepared or not; searches do not.
fill($node, 'postgres');
is(sql('SELECT count(*) FROM chat.search_status'), '0', 'off: there is no index');
my $older = $node->background_psql('postgres');
$older->query_safe(q{BEGIN; UPDATE chat.messages SET body = 'edited before' WHERE (application_id, chat_number, number) = (1, 1, 5); DELETE FROM chat.messages WHERE (application_id, chat_number, number) = (1, 1, 6)});
sql(q{BEGIN; UPDATE chat.messages SET body = 'prepared before' WHERE (application_id, chat_number, number) = (1, 3, 7); PREPARE TRANSACTION 'older'});
set_url($node, $elasticsearch);
wait_until($node, 'postgres', q{SELECT last_error LIKE '%waits until all transactions have ended%' FROM chat.worker_status WHERE job = 'search'}, 'an open transaction: the index waits, and says so');
sql(q{SELECT chat.create_message(1, 2, 'Sent Meanwhile')});
is(found('sent meanwhile'), '1.2.1001' =~ s/^1\.//r, 'an open transaction: searches find what was sent');
$older->query_safe('COMMIT');
$older->quit;
is(sql(q{SELECT usable FROM chat.search_status}), 'f', 'a prepared transaction: it is not used');
sql(q{COMMIT PREPARED 'older'});
my $index = wait_for_index($node, 'postgres');
holds('turned on');
is(found('edited before'), '1.5', 'what an older transaction edited is found');
is(found('prepared before'), '3.7', 'what a prepared one edited is found');
asks_elasticsearch($node, 'postgres', 1, 'turned on');

# The example of OPERATION.md: there are no differences, so nothing is queued; the index is built anew.
is(sql(example('search-repair')), "0\n$index", 'verify, repair, reindex');
wait_until($node, 'postgres', qq{SELECT usable AND index <> '$index' FROM chat.search_status WHERE state = 'current'}, 'a new index takes its place');
$index = wait_for_index($node, 'postgres');
holds('reindexed');

# Every way to change a message.
change('functions', q{
	SELECT chat.create_message(1, 1, 'ÄÖÜ ß ' || i) FROM generate_series(1, 30) AS i;
	SELECT chat.create_messages(ARRAY[1, 2, 3, 3], '{1,1,4,4}', ARRAY['many', 'of', 'them', '']);
	SELECT chat.create_message(3, chat.create_chat(3), 'in a new chat')});
change('named numbers', q{
	DELETE FROM chat.messages WHERE (application_id, chat_number, number) = (2, 3, 7);
	SELECT chat.create_message(2, 3, 'below the highest', 7), chat.create_message(1, 2, 'far below', 500), chat.create_message(1, 3, 'far above', 100000), chat.create_message(1, 3, 'between', 50000)});
change('direct INSERT', q{
	INSERT INTO chat.messages (application_id, chat_number, body) SELECT 2, 1 + i % 4, 'direct ' || i FROM generate_series(1, 50) AS i;
	INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (3, 1, 4000, 'x'), (3, 1, 40, 'y'), (3, 1, 400, 'z'), (3, 1, 1, 'is there') ON CONFLICT DO NOTHING});
change('COPY', join("\n", 'COPY chat.messages (application_id, chat_number, number, body) FROM STDIN;',
	(map { "2\t2\t$_\tcopied $_" } 60 .. 1500, 50), "2\t2\t51\tI\x{cc}\x{87} \\\\ \" \\b\\f\\v", '\.', ''));
change('UPDATE of bodies', q{
	UPDATE chat.messages SET body = body || ' edited' WHERE number % 3 = 0;
	UPDATE chat.messages SET body = upper(body) WHERE (application_id, chat_number) = (1, 1);
	UPDATE chat.messages SET created_at = now() WHERE application_id = 3});
is(found('5 OF 1/1 EDITED'), '1.15', 'the edited body is found');
change('UPDATE of keys', q{
	UPDATE chat.messages SET number = number + 3000 WHERE (application_id, chat_number) = (2, 2) AND number > 1000;
	UPDATE chat.messages SET chat_number = 4, number = 77 WHERE (application_id, chat_number, number) = (1, 3, 100000);
	UPDATE chat.messages SET application_id = 1, number = 9000 WHERE (application_id, chat_number, number) = (3, 4, 3);
	SELECT chat.create_chat(1, 88), chat.create_message(1, 88, 'of a chat that gets another number');
	DELETE FROM chat.messages WHERE chat_number = 88;
	UPDATE chat.chats SET number = 99 WHERE number = 88});
change('DELETE of messages', q{DELETE FROM chat.messages WHERE number % 7 = 0});
change('DELETE of chats', q{DELETE FROM chat.chats WHERE (application_id, number) IN ((1, 4), (2, 2))});
change('a chat of the same number again', q{
	SELECT chat.create_chat(1, 4), chat.create_message(1, 4, 'the second of this number');
	BEGIN; DELETE FROM chat.chats WHERE (application_id, number) = (1, 4); SELECT chat.create_chat(1, 4), chat.create_message(1, 4, 'the third'); COMMIT});
is(found('of this number'), '', 'what a former chat of the number held is not found');
change('delete_chat', q{
	SELECT chat.create_message(1, chat.create_chat(1, 7), 'of a chat that is deleted'), chat.delete_chat(1, 7);
	SELECT chat.create_chat(1, 7);
	INSERT INTO chat.messages (application_id, chat_number, body) SELECT 1, 7, 'of a large chat that is deleted ' || i FROM generate_series(1, 1500) AS i;
	SELECT chat.delete_chat(1, 7)});
is(found('that is deleted'), '', 'what was deleted is not found');
change('purge', 'CALL chat.purge()');
change('DELETE of an application', q{DELETE FROM chat.applications WHERE id = 2});
change('highest numbers lowered', q{
	BEGIN; DELETE FROM chat.messages WHERE (application_id, chat_number) = (1, 2) AND number > 10;
	UPDATE chat.chats SET last_message_number = 10 WHERE (application_id, number) = (1, 2); COMMIT;
	SELECT chat.create_message(1, 2, 'a number that was given before')});

# A transaction that is rolled back leaves nothing; a prepared one is indexed when it is committed.
change('subtransactions', q{
	BEGIN;
	SELECT chat.create_message(1, 1, 'kept');
	SAVEPOINT s;
	UPDATE chat.messages SET body = 'rolled back' WHERE (application_id, chat_number) = (1, 1);
	SELECT chat.create_message(1, 1, 'rolled back');
	DELETE FROM chat.chats WHERE (application_id, number) = (1, 3);
	ROLLBACK TO s;
	UPDATE chat.messages SET body = 'kept, too' WHERE (application_id, chat_number, number) = (1, 1, 2);
	SAVEPOINT s;
	DELETE FROM chat.messages WHERE (application_id, chat_number, number) = (1, 1, 3);
	RELEASE s;
	COMMIT;
	BEGIN; TRUNCATE chat.applications CASCADE; ROLLBACK});
sql(q{
	BEGIN; SELECT chat.create_message(1, 1, 'prepared'); UPDATE chat.messages SET body = 'prepared' WHERE (application_id, chat_number, number) = (1, 1, 4); PREPARE TRANSACTION 'committed';
	BEGIN; UPDATE chat.messages SET body = 'prepared' WHERE (application_id, chat_number, number) = (1, 3, 4); PREPARE TRANSACTION 'rolled back'});
holds('prepared, not committed');
sql(q{COMMIT PREPARED 'committed'});
sql(q{ROLLBACK PREPARED 'rolled back'});
holds('committed prepared');

# A large backlog, many chats.
change('many chats', q{
	SELECT chat.create_chat(3) FROM generate_series(1, 1200);
	INSERT INTO chat.messages (application_id, chat_number, body) SELECT application_id, number, 'hello ' || i FROM chat.chats, generate_series(1, 3) AS i WHERE application_id = 3;
	UPDATE chat.messages SET body = 'edited' WHERE application_id = 3 AND number % 2 = 0});
is(index_name($node, 'postgres'), $index, 'all this with one index');

# TRUNCATE: another index, as the old one holds what nobody could name.
change('TRUNCATE of messages', 'TRUNCATE chat.messages');
isnt(index_name($node, 'postgres'), $index, 'TRUNCATE: there is a new index');
change('after TRUNCATE', q{INSERT INTO chat.messages (application_id, chat_number, body) SELECT application_id, number, 'again' FROM chat.chats});
change('TRUNCATE of chats', 'TRUNCATE chat.chats CASCADE');
change('TRUNCATE of applications', q{TRUNCATE chat.applications CASCADE; SELECT chat.create_message(id, chat.create_chat(id), 'first') FROM chat.create_application('shop')});
is(($elasticsearch->request('GET', '/pg_chat-*/_count'))[1]{count}, 1, 'replaced indexes are gone from Elasticsearch');

# Restarts: what came just before, while Elasticsearch was not there, is sent afterwards.
sql(q{TRUNCATE chat.applications RESTART IDENTITY CASCADE});
fill($node, 'postgres');
holds('filled again');
foreach my $mode (qw(fast immediate))
{
	$elasticsearch->pause;
	sql(qq{
		SELECT chat.create_message(1, 1, 'before the $mode shutdown') FROM generate_series(1, 500);
		UPDATE chat.messages SET body = 'edited before the $mode shutdown' WHERE number < 5;
		DELETE FROM chat.messages WHERE number = 5});
	$node->stop($mode);
	$elasticsearch->resume;
	$node->start;
	wait_for_worker($node, 'postgres');
	holds("$mode shutdown");
}

# A crash may lose what was committed asynchronously: the index does not hold it then.
sql(q{
	SET synchronous_commit = off;
	UPDATE chat.messages SET body = 'edited, and lost or not' WHERE number = 6;
	SELECT chat.create_message(1, 1, 'sent, and lost or not')});
$node->poll_query_until('postgres', q{SELECT s.queued + s.messages_behind = 0 FROM chat.search_status AS s}) or fail('asynchronous commits are indexed');
$node->stop('immediate');
$node->start;
holds('asynchronous commits, and a crash');

# A snapshot of the disk is restored, without a word to PostgreSQL: the index has a future that was
# undone, so it is not searched before it was verified. After a restart alone it is searched at once.
my $disk = "$PostgreSQL::Test::Utils::tmp_check/disk";
my $remembered = -s $node->logfile;
$node->restart;
wait_for_worker($node, 'postgres');
holds('restarted');
unlike(slurp_file($node->logfile, $remembered), qr/does not remember/, 'restarted: the index needs no verification');
asks_elasticsearch($node, 'postgres', 1, 'restarted');
sql(q{UPDATE chat.messages SET body = 'before the snapshot' WHERE number = 8; SELECT chat.create_message(1, 1, 'before the snapshot')});
holds('before the snapshot');
$node->stop;
system_or_bail('cp', '-R', $node->data_dir, $disk);
my $found = do { $node->start; found('before the SNAPSHOT') };
isnt($found, '', 'the snapshot has something to find');
sql(q{
	UPDATE chat.messages SET body = 'undone' WHERE body = 'before the snapshot' AND chat_number > 1;
	DELETE FROM chat.messages WHERE body = 'before the snapshot';
	SELECT chat.create_message(1, 1, 'undone')});
holds('after the snapshot');
$node->stop;
rmtree($node->data_dir);
rename $disk, $node->data_dir or die "rename: $!";
$remembered = -s $node->logfile;
$node->start;
is(found('before the SNAPSHOT'), $found, 'snapshot restored: found at once');
wait_for_worker($node, 'postgres');
$node->poll_query_until('postgres', 'SELECT bool_and(usable) FROM chat.search_status') or fail('snapshot restored: the index becomes usable');
is(found('before the SNAPSHOT'), $found, 'snapshot restored: found with the index');
like(slurp_file($node->logfile, $remembered), qr/does not remember/, 'snapshot restored: the index was verified');
is(found('undone'), '', 'snapshot restored: what was undone is not found');
holds('snapshot restored');

# A standby answers searches; promoted, it goes on. What the old primary had not sent to it is lost, in
# the index as well.
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
sql(q{SELECT chat.create_message(1, 1, 'just before the promotion') FROM generate_series(1, 50); UPDATE chat.messages SET body = 'edited just before' WHERE number = 7});
$node->wait_for_catchup($standby);
is(found('edited JUST', $standby), found('edited JUST'), 'a standby answers searches');
$standby->stop;
sql(q{SELECT chat.create_message(1, 1, 'never sent to the standby'); UPDATE chat.messages SET body = 'edit that was never sent' WHERE number = 7; DELETE FROM chat.messages WHERE number = 11});
holds('before the promotion');
$node->stop('immediate');
$standby->start;
$standby->promote;
$standby->safe_psql('postgres', q{SELECT chat.create_message(1, 1, 'promoted'); UPDATE chat.messages SET body = 'edited by the promoted' WHERE number = 8});
wait_for_worker($standby, 'postgres');
in_sync($standby, 'postgres', $elasticsearch, 'promoted');
asks_elasticsearch($standby, 'postgres', 1, 'promoted');

# Turned off: no rows, nothing is queued but by who began before. On again: all is as before.
$node = $standby;
use_cluster($node);
my $late = $node->background_psql('postgres');
$late->query_safe(q{BEGIN; UPDATE chat.messages SET body = 'edited before it was off' WHERE number = 2});
set_url($node, undef);
wait_until($node, 'postgres', q{SELECT NOT EXISTS (SELECT FROM chat_internal.search_indexes)}, 'turned off');
$late->query_safe('COMMIT');
$late->quit;
wait_until($node, 'postgres', q{SELECT NOT EXISTS (SELECT FROM chat_internal.search_indexes) AND NOT EXISTS (SELECT FROM chat_internal.search_watermarks) AND NOT EXISTS (SELECT FROM chat_internal.search_queue)}, 'turned off: no rows');
sql(q{SELECT chat.create_message(1, 1, 'while it is off'); UPDATE chat.messages SET body = 'edited while it is off' WHERE number = 9; DELETE FROM chat.messages WHERE number = 10});
is(sql('SELECT count(*) FROM chat_internal.search_queue'), '0', 'turned off: nothing is queued');
is(found('while it is OFF'), join(' ', map { "$_.9" } 1 .. 4) =~ s/1\.9\K/ 1.@{[ sql('SELECT last_message_number FROM chat.chats WHERE (application_id, number) = (1, 1)') ]}/r, 'turned off: searches find it');
my ($status, $stdout, $stderr) = $node->psql('postgres', 'SELECT chat.verify_search()');
like($stderr, qr/there is no search index/, 'turned off: nothing to verify');
set_url($node, $elasticsearch);
holds('turned on again');
$node->stop;
$elasticsearch->stop;
done_testing();
