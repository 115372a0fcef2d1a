# Rows written directly and by statements at the same time, while others change the tables in every way
# that leaves them usable: all numbers are there, all indexes agree with their tables, and a standby and a
# subscriber have the same.
use strict;
use warnings;

use ChatTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $chats = 6;
my $node = new_cluster('main', allows_streaming => 'logical', conf => "max_connections = 40\ndeadlock_timeout = 100ms\nallow_in_place_tablespaces = on\n");

$node->safe_psql('postgres', q{CREATE TABLESPACE elsewhere LOCATION ''});
$node->safe_psql('postgres', qq{
	CREATE EXTENSION amcheck;
	CREATE EXTENSION pg_trgm;
	CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
	SELECT chat.create_application('storm');
	UPDATE chat.applications SET token = 'storm';
	SELECT chat.create_chat(1) FROM generate_series(1, $chats);
	SELECT chat.create_message(1, c, 'first') FROM generate_series(1, $chats) AS c});

# Scripts of writers: one message; batches whose chats cross, with a number that is taken and an unknown
# token among them; and transactions that roll back.
my @scripts = (
	q{SELECT chat.create_message('storm', :c, 'm');},
	q{SELECT chat.create_message(1, :c, repeat('long ', 2000));},
	q{SELECT chat.create_messages(ARRAY[1, 1, 1, 1], ARRAY[:c, :d, :e, :c]::integer[], '{a,b,c,d}');},
	q{SELECT chat.create_messages(ARRAY['storm', 'storm', 'nobody', 'storm'], ARRAY[:d, :c, :e, :e]::integer[], '{a,b,c,d}', '{NULL,1,NULL,NULL}');},
	q{SELECT chat.create_messages(ARRAY[1, 1, 1], ARRAY[:e, :d, :c]::integer[], '{a,b,c}', wait => false);},
	q{BEGIN; SELECT chat.create_message(1, :c, 'lost'); SAVEPOINT s; SELECT chat.create_message(1, :c, 'lost'); ROLLBACK TO s;
SELECT chat.create_message(1, :c, 'lost'); ROLLBACK;},
	q{SELECT chat.create_chat(1);},
	q{DO $$ BEGIN
FOR i IN 1..5 LOOP BEGIN PERFORM chat.create_message(1, i, 'kept'); IF i > 3 THEN RAISE division_by_zero; END IF;
EXCEPTION WHEN division_by_zero THEN PERFORM chat.create_message(1, i, 'instead'); END; END LOOP; END $$;});

# What they read, where nothing is truncated; it divides by zero if anything is missing.
my @reads = (
	q{SELECT 1 / count(*) FROM chat.get_messages_json(ARRAY['storm'], ARRAY[:c]::integer[], '{1}');
SELECT 1 / bool_and(last - first + 1 = messages_count)::integer FROM chat.last_messages_json(ARRAY['storm', 'storm'], ARRAY[:c, :d]::integer[], '{20,20}');
SELECT 1 / bool_and(first = 2)::integer FROM chat.list_messages_json(ARRAY['storm', 'storm'], ARRAY[:c, :d]::integer[], '{1,1}', '{NULL,NULL}', '{5,5}') WHERE messages_count > 0;});

# Start clients. Returns their harness and the file that has what they say.
sub start_clients
{
	my ($name, $way, $transactions) = @_;
	my $output = "$PostgreSQL::Test::Utils::log_path/$name.out";
	my @all = (@scripts, $name =~ /^truncation/ ? () : @reads);
	my @files;

	foreach my $i (0 .. $#all)
	{
		my $file = "$PostgreSQL::Test::Utils::tmp_check/$name.$i.sql";
		my $script = $all[$i];

		$script =~ s/\n/ /g;
		append_to_file($file, "\\set c random(1, $chats)\n\\set d random(1, $chats)\n\\set e random(1, $chats)\n"
			  . join("\n", $script =~ /^DO/ ? $script : map { "$_;" } split(/; */, $script)) . "\n");
		push @files, '-f', $file;
	}
	local $ENV{PGOPTIONS} = "-c pg_chat.direct_rows=$way";
	return (start_program($output,
			'pgbench', '-n', '-c', 4, '-t', $transactions, '-M', $way eq 'on' ? 'prepared' : 'simple', @files, '-d', $node->connstr('postgres')), $output);
}

# Have clients of both ways do so many transactions each, and meanwhile the changes, again and again.
sub storm
{
	my ($name, $transactions, @changes) = @_;
	my @clients = map { [ start_clients("$name-$_", $_, $transactions) ] } qw(on off);
	my $rounds = 0;
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;

	while (time < $end && grep { $_->[0]->pumpable } @clients)
	{
		foreach my $change (@changes)
		{
			my ($status, $out, $err) = $node->psql('postgres', $change, on_error_stop => 1, timeout => $PostgreSQL::Test::Utils::timeout_default);

			is($status, 0, "$name: $change") or diag($err) if $rounds == 0 || $status != 0;
		}
		$rounds++;
	}
	foreach my $client (@clients)
	{
		ok(wait_for_end($client->[0]), "$name: clients met no error") or diag(map { slurp_file($_) } $client->[1], "$client->[1].err");
	}
	cmp_ok($rounds, '>', 0, "$name: $rounds rounds");
	return;
}

sub sound
{
	my ($name) = @_;

	is($node->safe_psql('postgres', q{
		SELECT bt_index_check(c.oid, true), bt_index_parent_check(c.oid, true) FROM pg_class AS c JOIN pg_am AS a ON a.oid = c.relam
		WHERE c.relnamespace = 'chat'::regnamespace AND c.relkind = 'i' AND a.amname = 'btree'}) =~ tr/|\n//cdr,
		$node->safe_psql('postgres', q{
		SELECT '', '' FROM pg_class AS c JOIN pg_am AS a ON a.oid = c.relam
		WHERE c.relnamespace = 'chat'::regnamespace AND c.relkind = 'i' AND a.amname = 'btree'}) =~ tr/|\n//cdr, "$name: indexes are sound");
	is($node->safe_psql('postgres', q{
		SELECT c.relname, v.* FROM pg_class AS c, verify_heapam(c.oid) AS v
		WHERE c.relnamespace = 'chat'::regnamespace AND c.relkind IN ('r', 't')}), '', "$name: tables are sound");
	return;
}

# A standby and a subscriber, from before the storms.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
my $subscriber = new_cluster('subscriber');
my $tables = join(', ', map { "chat.$_" } qw(applications application_counters chats messages));
$node->safe_psql('postgres', "CREATE PUBLICATION all_of_chat FOR TABLE $tables");
my $connection = $node->connstr('postgres') =~ s/'/''/gr;
$subscriber->safe_psql('postgres', 'ALTER TABLE chat.messages ADD COLUMN extra text');
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION s CONNECTION '$connection' PUBLICATION all_of_chat");
ok($subscriber->poll_query_until('postgres', "SELECT count(*) = 4 AND bool_and(srsubstate = 'r') FROM pg_subscription_rel"), 'the subscriber has all');

storm('changes', 300,
	'CREATE TRIGGER t BEFORE INSERT ON chat.messages FOR EACH ROW EXECUTE FUNCTION nothing()',
	'CREATE INDEX CONCURRENTLY ON chat.messages (created_at)',
	'DROP TRIGGER t ON chat.messages',
	'ALTER TABLE chat.chats ADD CONSTRAINT positive CHECK (messages_count >= 0)',
	'REINDEX TABLE CONCURRENTLY chat.chats',
	'ALTER TABLE chat.chats DROP CONSTRAINT positive',
	'ALTER TABLE chat.messages ADD COLUMN extra text',
	'REINDEX TABLE chat.messages',
	'VACUUM FULL chat.chats',
	'CREATE INDEX messages_body_trgm ON chat.messages USING gin (chat.fold(body) gin_trgm_ops)',
	'CLUSTER chat.messages USING messages_pkey',
	'CREATE INDEX CONCURRENTLY ON chat.chats (last_message_number)',
	'ALTER TABLE chat.messages DROP COLUMN extra',
	'VACUUM FULL chat.messages',
	'ALTER INDEX chat.messages_pkey SET TABLESPACE elsewhere',
	'ALTER TABLE chat.chats SET TABLESPACE elsewhere',
	'REINDEX INDEX CONCURRENTLY chat.messages_pkey',
	'VACUUM chat.chats, chat.messages, chat.application_counters',
	'DROP INDEX CONCURRENTLY chat.chats_last_message_number_idx',
	'DROP INDEX chat.messages_body_trgm',
	'DROP INDEX chat.messages_created_at_idx',
	'ALTER TABLE chat.chats SET TABLESPACE pg_default',
	'ALTER TABLE chat.application_counters SET (fillfactor = 50)',
	'ALTER TABLE chat.messages ALTER COLUMN created_at SET DEFAULT clock_timestamp()',
	'ANALYZE chat.chats');
is(wrong_chats($node, 'postgres'), '', 'changes: numbers gapless, counts exact');
is($node->safe_psql('postgres', q{SELECT count(*) FROM chat.messages WHERE body = 'lost'}), '0', 'changes: what was rolled back is not there');
is($node->safe_psql('postgres', q{SELECT count(*) FROM chat.write_paths() WHERE NOT direct}), '0', 'changes: at the end the tables are plain');
sound('changes');

$node->wait_for_catchup($standby, 'replay');
is(contents($standby, 'postgres'), contents($node, 'postgres'), 'the standby has the same');
$node->wait_for_catchup('s');
$subscriber->safe_psql('postgres', 'ALTER TABLE chat.messages DROP COLUMN extra');
is(contents($subscriber, 'postgres'), contents($node, 'postgres'), 'the subscriber has the same');
like(($standby->psql('postgres', q{SELECT chat.create_message(1, 1, 'm')}))[2], qr/read-only transaction/, 'the standby writes nothing');
my $pages = q{SELECT md5(string_agg(messages::text, ',' ORDER BY item)), count(*) FROM chat.last_messages_json(ARRAY['storm', 'storm', 'storm'], '{1,2,99}', '{1000,1000,1}')};
my $page = $node->safe_psql('postgres', $pages);
is($standby->safe_psql('postgres', "SET pg_chat.direct_rows = $_; $pages"), $page, "the standby reads the same, with pg_chat.direct_rows = $_") foreach qw(on off);
is($standby->safe_psql('postgres', q{SELECT reason FROM chat.write_paths() WHERE step = 'read messages'}), '', 'the standby reads without statements');

# Promoted, it goes on where the other ended.
$standby->promote;
is($standby->safe_psql('postgres', q{SELECT last_message_number + 1 = chat.create_message(1, 1, 'promoted') FROM chat.chats WHERE number = 1}),
	't', 'the standby, promoted, goes on');

# Of messages that were truncated away no number is given again, and none is given twice. Number 1, which writers
# name, is free then.
storm('truncation', 150, 'TRUNCATE chat.messages', 'VACUUM chat.messages', 'TRUNCATE chat.messages; REINDEX TABLE chat.messages');
is($node->safe_psql('postgres', q{
	SELECT c.number FROM chat.chats AS c LEFT JOIN chat.messages AS m ON m.chat_number = c.number AND m.number > 1
	GROUP BY c.number, c.last_message_number HAVING max(m.number) > c.last_message_number OR count(m.number) <> max(m.number) - min(m.number) + 1}),
	'', 'truncation: no number above the highest, none missing since');
sound('truncation');

# A transaction that writes in subtransactions makes no multixact for each, whichever way it writes, also where
# its first write was in none. (One that does not wait locks the chat first there.)
my %calls = (
	'a message' => q{PERFORM chat.create_message(1, 1, 'm')},
	'a batch' => q{PERFORM chat.create_messages('{1,1}'::integer[], '{1,2}', '{m,m}')},
	'a batch that does not wait' => q{PERFORM chat.create_messages('{1,1}'::integer[], '{1,2}', '{m,m}', wait => false)},
	'a chat' => q{PERFORM chat.create_chat(1)},
	'a named message' => q{PERFORM chat.create_message(1, 1, 'm', nextval('named')::integer)},
	'a named chat' => q{PERFORM chat.create_chat(1, nextval('named')::integer)},
	'a message inserted directly' => q{INSERT INTO chat.messages (application_id, chat_number, body) VALUES (1, 1, 'm')},
	'a chat inserted directly' => q{INSERT INTO chat.chats (application_id) VALUES (1)},
	'an edit' => q{PERFORM chat.update_message(1, 1, chat.create_message(1, 1, 'm'), 'edited')},
	'a deletion' => q{PERFORM chat.delete_message(1, 1, chat.create_message(1, 1, 'm'))},
	'an edit by SQL' => q{UPDATE chat.messages SET body = 'edited' WHERE (application_id, chat_number, number) = (1, 1, (SELECT chat.create_message(1, 1, 'm')))},
	'a message with a key' => q{PERFORM chat.create_message(1, 1, 'm', key => nextval('named')::text)},
	'a consumer' => q{PERFORM count(*) FROM chat.consume(1, 'consumer', 1, '{1}')},
	'a cursor' => q{PERFORM chat.set_cursor(1, 1, 'reader', (random() * 100)::integer, true)},
	'messages of chats that the query reads' => q{PERFORM chat.create_message(1, c.number, 'm') FROM chat.chats AS c WHERE c.number = 1});
my %tables = (
	'directly' => ['SET pg_chat.direct_rows = on'],
	'by statements' => ['SET pg_chat.direct_rows = off'],
	'messages by statements' => [ 'ALTER TABLE chat.messages ADD CONSTRAINT said CHECK (number > 0)', 'ALTER TABLE chat.messages DROP CONSTRAINT said' ],
	'counters by statements' => [
		'ALTER TABLE chat.chats ADD CONSTRAINT positive CHECK (messages_count >= 0); ALTER TABLE chat.application_counters ADD CONSTRAINT positive CHECK (chats_count >= 0)',
		'ALTER TABLE chat.chats DROP CONSTRAINT positive; ALTER TABLE chat.application_counters DROP CONSTRAINT positive' ]);

sub multixacts { return $node->safe_psql('postgres', 'CHECKPOINT; SELECT next_multixact_id FROM pg_control_checkpoint()'); }

$node->safe_psql('postgres', 'CREATE SEQUENCE named START 1000000 INCREMENT 10000');
foreach my $way (sort keys %tables)
{
	foreach my $call (sort keys %calls)
	{
		my ($change, $back) = @{ $tables{$way} };
		my $before = multixacts();
		my $first = $call =~ /not wait/ ? 'NULL' : $calls{$call};

		# Of what was rolled back there is a trace in the rows.
		my $undone = $call eq 'a consumer' ? "BEGIN; DO \$\$ BEGIN $first; END \$\$; ROLLBACK;" : '';

		$node->safe_psql('postgres', qq{
			$change;
			$undone
			DO \$\$ BEGIN
				$first;
				FOR i IN 1..200 LOOP BEGIN $calls{$call}; EXCEPTION WHEN division_by_zero THEN END; END LOOP; END \$\$;
			} . ($back // ''));
		cmp_ok(multixacts() - $before, '<', 10, "$way, $call: no multixact for each subtransaction");
	}
}

is($node->safe_psql('postgres', q{SELECT number >= 201 * 4 FROM chat.consumer_positions WHERE consumer = 'consumer'}), 't', 'there was something to consume');

# Nor does it look at all the versions of a row that it has made before: three times as many calls read three times
# as many blocks.
$node->safe_psql('postgres', q{SELECT count(chat.create_message(1, 2, 'm')) FROM generate_series(1, 5000); ANALYZE});
my %repeated = (
	'a consumer' => q{PERFORM count(*) FROM chat.consume(1, 'repeated', 1, '{2}')},
	'a cursor' => q{PERFORM chat.set_cursor(1, 2, 'repeated', i, true)});

sub blocks
{
	my ($call, $count) = @_;

	$node->safe_psql('postgres', qq{
		CREATE OR REPLACE FUNCTION repeat() RETURNS void LANGUAGE plpgsql AS \$\$ BEGIN
			FOR i IN 1..$count LOOP BEGIN $call; EXCEPTION WHEN division_by_zero THEN END; END LOOP; END \$\$});
	return $node->safe_psql('postgres', 'EXPLAIN (ANALYZE, BUFFERS, COSTS off, TIMING off) SELECT repeat()') =~ /shared hit=(\d+)/ ? $1 : 0;
}

foreach my $call (sort keys %repeated)
{
	blocks($repeated{$call}, 10);
	my $few = blocks($repeated{$call}, 1000);

	cmp_ok(blocks($repeated{$call}, 3000), '<', 4 * $few, "$call: its calls cost the same however many they are") if cmp_ok($few, '>', 1000, "$call: blocks are counted");
}

# A query that locks chats and inserts messages of them keeps all of its rows.
is($node->safe_psql('postgres', q{
	BEGIN; SAVEPOINT s;
	WITH inserted AS (INSERT INTO chat.messages (application_id, chat_number, body)
		SELECT c.application_id, c.number, 'twice' FROM chat.chats AS c, generate_series(1, 2) WHERE c.number = 1 FOR UPDATE OF c RETURNING 1)
	SELECT count(*) FROM inserted; COMMIT}), '2', 'rows that a query locks while their counters are raised');

# A chat that was inserted by the query that counts its messages is checked against foreign keys.
$node->safe_psql('postgres', q{
	CREATE TABLE kinds (kind integer PRIMARY KEY);
	ALTER TABLE chat.chats ADD COLUMN kind integer REFERENCES kinds});
like(($node->psql('postgres', q{
	WITH c AS (INSERT INTO chat.chats (application_id, kind) VALUES (1, 7) RETURNING number)
	SELECT chat.create_message(1, number, 'm') FROM c}))[2], qr/violates foreign key constraint/, 'no chat escapes a foreign key');
$node->safe_psql('postgres', 'ALTER TABLE chat.chats DROP COLUMN kind');

# Features that only newer releases have.
SKIP:
{
	skip 'before PostgreSQL 18', 2 if $node->pg_version < 18;
	foreach my $change (
		'ALTER TABLE chat.messages ADD COLUMN length integer GENERATED ALWAYS AS (length(body)) VIRTUAL',
		'ALTER TABLE chat.messages ADD COLUMN kind text, ADD CONSTRAINT kind_given NOT NULL kind NOT VALID')
	{
		is($node->safe_psql('postgres', qq{
			BEGIN; $change; SELECT bool_and(direct) FROM chat.write_paths(); ROLLBACK}), 'f', $change);
	}
}

done_testing();
