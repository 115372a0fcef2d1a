# Locks that others hold for long: the worker waits for none of them for long, so nobody waits for
# those that it holds, and it counts the rest meanwhile.
use strict;
use warnings;

use ChatTest;
use ChatWorker;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_worker_cluster('main');
sub count_of { my ($chat, $is) = @_; return "SELECT messages_count = $is FROM chat.chats WHERE number = $chat"; }

sql(q{CREATE EXTENSION IF NOT EXISTS pg_chat});
sql(q{SELECT chat.create_application('a')});
sql(q{SELECT chat.create_chat(1) FROM generate_series(1, 3)});
wait_for_worker($node, 'postgres');

# A transaction that is idle holds chat 2; chats 1 to 3 are wrong.
my $idle = $node->background_psql('postgres');
$idle->query_safe(q{BEGIN; SELECT chat.create_message(1, 2, 'held')});
sql(q{INSERT INTO chat.messages (application_id, chat_number, body) SELECT 1, c, 'direct' FROM generate_series(1, 3, 2) AS c});
sql(q{SET session_replication_role = replica; INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (1, 2, 100, 'unseen')});
sql(q{INSERT INTO chat_internal.recount_queue VALUES (1, 2)});
wait_until($node, 'postgres', q{SELECT bool_and(messages_count = 1) FROM chat.chats WHERE number <> 2}, 'the chats beside it are counted');
wait_until($node, 'postgres', q{SELECT last_error ~ 'lock timeout' FROM chat.worker_status WHERE job = 'reconcile'}, 'that one is shown as locked');
is(sql(q{SET statement_timeout = '5s'; SELECT chat.create_message(1, c, 'goes on') FROM generate_series(1, 3, 2) AS c}), "2\n2", 'who posts to them does not wait for it');
$idle->query_safe('COMMIT');
wait_until($node, 'postgres', count_of(2, 2), 'it is counted when it is free');
is(sql(q{SELECT last_message_number FROM chat.chats WHERE number = 2}), '100', 'and its highest number is right');

# Somebody reconciles by hand, and leaves the transaction open.
$idle->query_safe('BEGIN; SELECT chat.reconcile()');
sql(q{INSERT INTO chat.messages (application_id, chat_number, body) VALUES (1, 3, 'direct')});
wait_until($node, 'postgres', q{SELECT last_error = 'another reconciliation is under way' FROM chat.worker_status WHERE job = 'reconcile'},
	'another reconciliation is shown');
is(sql(count_of(3, 2)), "t", 'and nothing is counted twice');
$idle->query_safe('COMMIT');
wait_until($node, 'postgres', count_of(3, 3), 'it goes on afterwards');
$idle->quit;

# While it counts, as long as that takes, it lets go of what is dropped.
sql('CREATE ROLE installer SUPERUSER');
each_within(1, sub {
	my ($timed) = @_;

	foreach my $drop (
		[ 'DROP EXTENSION' => 'dropped', 'DROP EXTENSION pg_chat' ],
		[ 'DROP OWNED' => 'dropped', 'DROP OWNED BY installer' ],
		[ 'DROP DATABASE' => 'postgres', 'DROP DATABASE dropped' ])
	{
		my ($what, $db, $command) = @$drop;

		sql('DROP DATABASE IF EXISTS dropped');
		sql('CREATE DATABASE dropped');
		$node->safe_psql('dropped', q{
			SET ROLE installer;
			CREATE EXTENSION pg_chat;
			SELECT chat.create_application('a'), chat.create_chat(1);
			CREATE FUNCTION endless() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN LOOP PERFORM 1; END LOOP; END$$;
			CREATE TRIGGER endless BEFORE UPDATE ON chat.chats FOR EACH ROW WHEN (NEW.messages_count = 1) EXECUTE FUNCTION endless();
			INSERT INTO chat.messages (application_id, chat_number, body) VALUES (1, 1, 'not counted yet')});
		wait_until($node, 'dropped', q{SELECT count(*) > 0 FROM pg_locks WHERE relation = 'chat.chats'::regclass AND mode = 'RowExclusiveLock' AND granted},
			"$what: it counts");
		$timed->("at work: $what", sub { $node->safe_psql($db, "SET lock_timeout = '10s'; $command") });
	}
});

unlike(slurp_file($node->logfile), qr/TRAP|PANIC|signal 11/, 'nothing crashed');
$node->stop;
done_testing();
