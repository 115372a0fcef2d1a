# The tables' owner, who is no superuser, changes their columns: rename, drop, another type, a view in
# a table's place. What is called then works or gives an error, and no memory is read as what it is not.
use strict;
use warnings;

use ChatTest;
use ChatWorker;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RedisServer;
use Test::More;

sub no_crash
{
	my ($node, $what) = @_;

	return unlike(slurp_file($node->logfile), qr/terminated by signal|invalid memory alloc|PANIC/, "$what: no crash");
}

my $redis = RedisServer->new;

# Without a worker: every change of every column, and after each of them, one by one and undone, all
# that reads or writes the tables, in one session that has its plans already.
my $plain = new_cluster('plain', conf => "pg_chat.redis_url = 'unix://$redis->{socket}'\n");
fill($plain, 'postgres');
give_away($plain);
my $before = contents($plain, 'postgres');
my @calls = (
	(map { "SELECT $_" }
		q{chat.create_application('new')}, q{chat.create_chat(1)}, q{chat.create_chat(1, 77)},
		q{chat.create_message(1, 1, 'm')}, q{chat.create_message(1, 1, 'm', 500)},
		q{chat.create_messages(ARRAY[1, 1, 99], ARRAY[1, 2, 3], ARRAY['a', 'b', 'c'], ARRAY[NULL, 700, NULL])},
		q{chat.get_messages(ARRAY[1, 2], ARRAY[1, 2], ARRAY[3, 4])},
		q{chat.list_messages(ARRAY[1, 2], ARRAY[1, 2], ARRAY[0, NULL], ARRAY[NULL, 9], ARRAY[3, 3])},
		q{chat.get_message(1, 1, 1)}, q{chat.list_messages(1, 1)}, q{chat.list_messages(1, 1, before => 5)}, q{chat.last_messages(1, 1)},
		q{chat.search_messages(1, 1, 'message')}, q{chat.search_messages(1, 1, 'message', before => 9)},
		q{chat.search_application(1, 'message')}, q{chat.search_application(1, 'message', before => ARRAY[3, 9])},
		q{chat.get_application(1)}, q{chat.list_applications()}, q{chat.get_chat(1, 1)}, q{chat.list_chats(1)},
		q{chat.reconcile()}, q{chat.reconcile(1, 1)}, q{chat.retry_failed_documents()}, q{chat.rotate_token(1)},
		q{chat.export_messages(1, 1)}, q{chat.export_application(1)},
		q{chat.import_application(1, '{1,1}', '{1,98}', '{x,y}', '{2020-01-01,2020-01-01}')},
		q{chat.import_messages(1, 1, '{1,99}', '{x,y}', '{2020-01-01,2020-01-01}', revisions => '{1,2}', keys => '{k,l}')},
		q{chat.create_message(1, 1, 'm', key => 'k')}),
	(map { my $call = $_; $call =~ s/TOKEN/current_setting('test.token')/; "SELECT $call" }
		q{chat.get_application(TOKEN)}, q{chat.get_message(TOKEN, 1, 1)}, q{chat.create_message(TOKEN, 1, 'm')},
		q{chat.create_messages(ARRAY[TOKEN], ARRAY[1], ARRAY['a'])}, q{chat.get_messages(ARRAY[TOKEN], ARRAY[1], ARRAY[1])},
		q{chat.get_messages_json(ARRAY[TOKEN], ARRAY[1], ARRAY[1])}, q{chat.list_messages_json(ARRAY[TOKEN], ARRAY[1], '{0}', '{9}', '{3}', 9)},
		q{chat.last_messages_json(ARRAY[TOKEN], ARRAY[1], '{3}')}, q{chat.search_messages_json(TOKEN, 1, 'message')},
		q{chat.search_application_json(TOKEN, 'message', before => ARRAY[3, 9])},
		q{chat.export_json(TOKEN, 1, 0, 0, 100)}, q{chat.export_json(TOKEN, NULL, 0, 0, 100)}),
	'SELECT FROM chat.worker_status', 'SELECT FROM chat.search_status',
	q{INSERT INTO chat.messages VALUES ('1', '1', '900', '8')}, q{INSERT INTO chat.messages VALUES ('1', '1', NULL, '8')},
	q{INSERT INTO chat.chats VALUES ('1', '900')}, q{INSERT INTO chat.chats VALUES ('1', NULL)});
my $all = q{
	SET test.token = 'TOKEN';
	SET ROLE keeper;
	DO $do$
	DECLARE
		target record; change text; call text; freed boolean; done int := 0; changed int := 0;
		-- Some of what is referred to cannot be changed before what refers to it is gone.
		free text := (SELECT string_agg(format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname), ';')
			FROM pg_constraint WHERE connamespace IN ('chat'::regnamespace, 'chat_internal'::regnamespace) AND contype = 'f')
			|| '; DROP INDEX chat.applications_name_key;'
			|| (SELECT string_agg(format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass), ';') FROM pg_trigger WHERE tgattr <> '' AND NOT tgisinternal);
		calls text[] := ARRAY[CALLS] || (
			SELECT array_agg(format('DELETE FROM %s', oid::regclass) ORDER BY relname) || array_agg(format('TRUNCATE %s CASCADE', oid::regclass) ORDER BY relname)
			FROM pg_class WHERE relnamespace IN ('chat'::regnamespace, 'chat_internal'::regnamespace) AND relname IN ('messages', 'chats', 'applications', 'application_counters'));
	BEGIN
		FOREACH call IN ARRAY calls LOOP
			BEGIN EXECUTE call; RAISE EXCEPTION 'undo'; EXCEPTION WHEN raise_exception THEN END;
		END LOOP;
		FOR target IN
			SELECT c.relnamespace::regnamespace AS schema, c.relname AS table, a.attname AS column, format_type(a.atttypid, a.atttypmod) AS type,
				(SELECT string_agg(CASE WHEN o.attname = a.attname THEN format('%L::bigint AS %I', 140000000000, o.attname) ELSE quote_ident(o.attname) END, ', ' ORDER BY o.attnum)
				FROM pg_attribute AS o WHERE o.attrelid = c.oid AND o.attnum > 0) AS columns
			FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
			WHERE c.relnamespace IN ('chat'::regnamespace, 'chat_internal'::regnamespace) AND c.relkind = 'r' ORDER BY 1, 2, a.attnum
		LOOP
			FOREACH change IN ARRAY ARRAY[
				'ALTER TABLE %4$s.%1$I RENAME COLUMN %2$I TO other',
				'ALTER TABLE %4$s.%1$I DROP COLUMN %2$I CASCADE',
				'ALTER TABLE %4$s.%1$I ALTER COLUMN %2$I DROP DEFAULT, ALTER COLUMN %2$I TYPE bigint USING 8000',
				'ALTER TABLE %4$s.%1$I ALTER COLUMN %2$I DROP DEFAULT, ALTER COLUMN %2$I TYPE bigint USING 140000000000',
				'ALTER TABLE %4$s.%1$I ALTER COLUMN %2$I DROP DEFAULT, ALTER COLUMN %2$I TYPE text',
				'ALTER TABLE %4$s.%1$I ALTER COLUMN %2$I DROP DEFAULT, ALTER COLUMN %2$I TYPE name',
				'ALTER TABLE %4$s.%1$I RENAME TO other; CREATE VIEW %4$s.%1$I AS SELECT %3$s FROM %4$s.other',
				'ALTER TABLE %4$s.%1$I RENAME TO other; CREATE VIEW %4$s.%1$I AS SELECT *, 140000000000 AS ctid FROM %4$s.other']
			LOOP
				change := format(change, target.table, target.column, target.columns, target.schema);
				FOREACH freed IN ARRAY ARRAY[false, true] LOOP
					BEGIN
						IF freed THEN EXECUTE free; END IF;
						EXECUTE change;
						changed := changed + 1;
						FOREACH call IN ARRAY calls || (
							SELECT array_agg(format('UPDATE %s SET %I = (CASE WHEN %I IS NULL THEN NULL ELSE %I::text || ''1'' END)::%s',
								attrelid::regclass, attname, attname, attname, format_type(atttypid, atttypmod)) ORDER BY attrelid, attnum)
							FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid
							WHERE attnum > 0 AND NOT attisdropped AND atttypid IN ('integer'::regtype, 'bigint'::regtype, 'text'::regtype)
							AND relnamespace IN ('chat'::regnamespace, 'chat_internal'::regnamespace) AND relname IN ('messages', 'chats', 'applications', 'application_counters') AND relkind = 'r')
						LOOP
							done := done + 1;
							BEGIN
								EXECUTE call;
								RAISE EXCEPTION 'undo';
							EXCEPTION
								WHEN raise_exception THEN NULL;
								WHEN OTHERS THEN
									IF SQLSTATE !~ '^(42|23|22|P0002|39P01|54000|55000|0A000)' THEN
										RAISE WARNING '% then %: % %', change, call, SQLSTATE, SQLERRM;
									END IF;
							END;
						END LOOP;
						RAISE EXCEPTION 'undo';
					EXCEPTION
						WHEN raise_exception THEN EXIT;
						WHEN OTHERS THEN NULL;	-- refused
					END;
				END LOOP;
			END LOOP;
		END LOOP;
		RAISE NOTICE '% changes, % calls', changed, done;
	END $do$};
my $token = $plain->safe_psql('postgres', 'SELECT token FROM chat.applications WHERE id = 1');
my $calls = join(', ', map { "\$call\$$_\$call\$" } @calls);
$all =~ s/TOKEN/$token/;
$all =~ s/CALLS/$calls/;
my ($status, $stdout, $stderr) = $plain->psql('postgres', $all);
is($status, 0, 'all changes: the session survives');
like($stderr, qr/\d{3} changes, \d{4,} calls/, 'all changes: most could be made');
unlike($stderr, qr/WARNING/, 'all changes: no error that does not say what is wrong');
no_crash($plain, 'all changes');
is(contents($plain, 'postgres'), $before, 'all changes: undone');
$plain->stop;

# With a worker, changes that are committed: each call says what is wrong with the columns; the worker
# goes on, though Redis has lost all keys, and is well when the change is undone.
my $node = new_worker_cluster('main', conf => "restart_after_crash = on\npg_chat.redis_url = 'unix://$redis->{socket}'\n");
fill($node, 'postgres');
give_away($node);
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
my $pid = wait_for_worker($node, 'postgres');
$before = contents($node, 'postgres');

sub keeper
{
	my ($sql) = @_;
	my ($result, $out, $err) = $node->psql('postgres', "\\set VERBOSITY sqlstate\nSET ROLE keeper;\n$sql");

	return $err =~ /ERROR:  (\w{5})/ ? $1 : $err;
}

# Each job has passed, well or with an error, since the change.
sub worker_passes
{
	my ($what) = @_;
	my $since = $node->safe_psql('postgres', 'SELECT clock_timestamp()');

	return wait_until($node, 'postgres', qq{
		SELECT pg_reload_conf() AND bool_and(greatest(last_run_at, last_error_at) > '$since')
		FROM chat_internal.worker_jobs WHERE job IN ('redis', 'reconcile')}, "$what: the worker runs");
}

foreach my $case (
	[ 'a token by another name', 'ALTER TABLE chat.applications RENAME token TO tok', 'ALTER TABLE chat.applications RENAME tok TO token',
		q{UPDATE chat.applications SET tok = 'yyyy' WHERE id = 1} => '42703', 'SELECT chat.get_application(1)' => '42703' ],
	[ 'a body that is a large number', 'ALTER TABLE chat.messages RENAME body TO kept; ALTER TABLE chat.messages ADD body bigint DEFAULT 140000000000',
		'ALTER TABLE chat.messages DROP body; ALTER TABLE chat.messages RENAME kept TO body',
		'SELECT chat.get_message(1, 1, 1)' => '42804', 'SELECT chat.last_messages(1, 1)' => '42804',
		q{SELECT chat.last_messages_json((SELECT array_agg(token) FROM chat.applications WHERE id = 1), '{1}', '{1}')} => '42804' ],
	[ 'a body that is a small number', 'ALTER TABLE chat.messages RENAME body TO kept; ALTER TABLE chat.messages ADD body bigint DEFAULT 8000',
		'ALTER TABLE chat.messages DROP body; ALTER TABLE chat.messages RENAME kept TO body',
		'SELECT chat.get_message(1, 1, 1)' => '42804', 'SELECT chat.get_messages(ARRAY[1], ARRAY[1], ARRAY[1])' => '42804' ],
	[ 'wide counts', 'ALTER TABLE chat.chats ALTER last_message_number TYPE bigint, ALTER messages_count TYPE bigint', 'ALTER TABLE chat.chats ALTER last_message_number TYPE integer, ALTER messages_count TYPE integer',
		'SELECT chat.get_chat(1, 1)' => '42804', q{INSERT INTO chat.messages (application_id, chat_number, body) VALUES (1, 1, 'x')} => '42804',
		'UPDATE chat.chats SET messages_count = 0' => '42804', q{SELECT chat.create_messages(ARRAY[1], ARRAY[1], ARRAY['x'])} => '42804' ],
	[ 'a chat number by another name', 'ALTER TABLE chat.chats RENAME number TO numero', 'ALTER TABLE chat.chats RENAME numero TO number',
		q{INSERT INTO chat.chats VALUES (1, 99)} => '42703', 'UPDATE chat.chats SET numero = numero + 1000' => '42703|23503' ],
	[ 'a queue of texts', 'ALTER TABLE chat_internal.recount_queue ALTER application_id TYPE text', 'ALTER TABLE chat_internal.recount_queue ALTER application_id TYPE integer USING application_id::integer',
		'DELETE FROM chat.messages' => '42804|' ],
	[ 'times that are texts', 'ALTER TABLE chat_internal.redis_key_queue ALTER retired_at DROP DEFAULT, ALTER retired_at TYPE text',
		'ALTER TABLE chat_internal.redis_key_queue ALTER retired_at TYPE timestamptz USING retired_at::timestamptz, ALTER retired_at SET DEFAULT pg_catalog.clock_timestamp()',
		'SELECT chat.get_message(1, 1, 1)' => '' ],
	[ 'a view of applications', 'ALTER TABLE chat.applications RENAME TO real; CREATE VIEW chat.applications AS SELECT id, 140000000000 AS token, name, created_at, deleted_at, key FROM chat.real',
		'DROP VIEW chat.applications; ALTER TABLE chat.real RENAME TO applications',
		'SELECT chat.get_application(1)' => '42804', 'SELECT chat.list_applications()' => '42804' ],
	[ 'an application with many rows', 'ALTER TABLE chat.applications RENAME TO real; CREATE VIEW chat.applications AS SELECT real.* FROM chat.real, generate_series(1, 2000)',
		'DROP VIEW chat.applications; ALTER TABLE chat.real RENAME TO applications', 'SELECT chat.get_chat(1, 1)' => '' ])
{
	my ($what, $change, $undo, %says) = @$case;

	is(keeper($change), '', "$what: changed");
	like(keeper("BEGIN; $_; ROLLBACK"), qr/^(?:$says{$_})$/, "$what: $_") foreach sort keys %says;
	$redis->command('FLUSHALL');
	worker_passes($what);
	is(keeper($undo), '', "$what: undone");
}
no_crash($node, 'worker');
is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'worker: the server is the same');
is(workers($node, 'postgres'), $pid, 'worker: it is the same');
is(contents($node, 'postgres'), $before, 'worker: the data is as it was');
wait_until($node, 'postgres', q{
	SELECT pg_reload_conf() AND bool_and(last_run_at > last_error_at) FROM chat_internal.worker_jobs WHERE last_error_at IS NOT NULL}, 'worker: no job fails');
$node->safe_psql('postgres', 'DELETE FROM chat.messages WHERE (application_id, chat_number, number) = (1, 1, 5)');
wait_until($node, 'postgres', 'SELECT messages_count = 19 FROM chat.chats WHERE (application_id, number) = (1, 1)', 'worker: it counts');
my $last = $node->safe_psql('postgres', q{SELECT chat.create_message(1, 1, 'x')});
$token = $node->safe_psql('postgres', 'SELECT token FROM chat.applications WHERE id = 1');
wait_until($node, 'postgres', 'SELECT chat_internal.pending_changes() = 0', 'worker: it mirrors');
is($redis->command('GET', "application:$token:chat:1:number"), $last, 'worker: Redis is right');
$node->stop;
done_testing();
