# What was deleted goes whatever happens: the worker purges it, and goes on after an error and after a crash. Meanwhile
# nobody sees it.
use strict;
use warnings;

use ChatTest;
use ChatWorker;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dump = "$PostgreSQL::Test::Utils::tmp_check/dump";
my $node = new_worker_cluster('main');
fill($node, 'postgres');
sql(q{INSERT INTO chat.messages (application_id, chat_number, body) SELECT 1, 1, 'of many' FROM generate_series(1, 30000);
	INSERT INTO chat.messages (application_id, chat_number, body) SELECT 2, 2, 'of many' FROM generate_series(1, 2000)});
wait_until($node, 'postgres', 'SELECT NOT EXISTS (SELECT FROM chat_internal.recount_queue)', 'counted');

# The purge of one chat stops half-way: who holds a lock that an owner's trigger wants.
sql(q{CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN OLD; END $$;
	CREATE TRIGGER hold BEFORE DELETE ON chat.messages FOR EACH ROW WHEN (OLD.chat_number = 1 AND OLD.number = 20000) EXECUTE FUNCTION hold()});
my $holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(1)');
is(sql('SELECT chat.delete_chat(1, 1), chat.delete_application(2)'), 'f|f', 'both are left to the worker');
sub left_of_chat { return sql('SELECT count(*) FROM chat.messages WHERE (application_id, chat_number) = (1, 1)'); }

shows_error('purge', 'an error', 'lock timeout');
wait_until($node, 'postgres', 'SELECT NOT EXISTS (SELECT FROM chat.applications WHERE id = 2)', 'the rest is purged all the same');
my $left = left_of_chat();
cmp_ok($left, '<', 30020, 'some of the chat is gone');
cmp_ok($left, '>=', 10021, 'some is there');
is(sql('SELECT number FROM chat.list_chats(1) LIMIT 1'), 2, 'the chat is not');
is(sql(q{SELECT count(*) FROM chat.search_application(1, 'of many')}), 0, 'and not searched');
is(sql('SELECT * FROM chat.reconcile()'), '', 'counts are right');

# A dump has it, with what others refer to it by. Where that is restored, it is still gone, and purged by hand alone: a
# worker that purged it might be there before its messages.
sql('CREATE TABLE refers (app integer, chat integer, number integer, FOREIGN KEY (app, chat, number) REFERENCES chat.messages ON DELETE CASCADE);
	INSERT INTO refers VALUES (1, 1, 25000), (1, 2, 1)');
command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres') ], 'a dump meanwhile');
sql('CREATE DATABASE restored TEMPLATE template0');
command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('restored'), $dump ], 'restored');
is($node->safe_psql('restored', $_), sql($_), "the same: $_") foreach 'SELECT number FROM chat.list_chats(1)', 'SELECT count(*) FROM refers',
  'SELECT application_id, chat_number, number, body FROM chat.messages ORDER BY 1, 2, 3';
wait_until($node, 'restored', q{SELECT runs > 0 FROM chat.worker_status WHERE job = 'purge'}, 'its worker has looked');
is($node->safe_psql('restored', 'SELECT count(*) FROM chat.messages WHERE (application_id, chat_number) = (1, 1)'), $left, 'and left it');
$node->safe_psql('restored', 'CALL chat.purge()');
is($node->safe_psql('restored', 'SELECT count(*) FROM chat.chats WHERE deleted_at IS NOT NULL'), 0, 'it is purged by hand');
is($node->safe_psql('restored', 'SELECT * FROM refers'), '1|2|1', 'with what referred to it');

# After a crash the worker goes on. What was purged does not come back beyond what a crash may take from the worker.
$node->stop('immediate');
$node->start;
wait_until($node, 'postgres', 'SELECT NOT EXISTS (SELECT FROM chat.chats WHERE deleted_at IS NOT NULL)', 'after a crash all is purged');
is(left_of_chat(), 0, 'nothing is left');
is(sql('SELECT * FROM chat.reconcile()'), '', 'counts are right');
is(sql('SELECT chat.create_chat(1, 1), chat.create_message(1, 1, $$first$$)'), '1|1', 'the number is free');
$holder->{run}->kill_kill;
$node->stop;
done_testing();
