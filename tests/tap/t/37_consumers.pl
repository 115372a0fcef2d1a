# chat.consume(): workers of a consumer are killed at random, and so is the server, while chats are written, edited and
# deleted from; what they made of each change is there exactly once, in the order of its chat. CHAT_CONSUMER_ROUNDS says
# how many are killed, CHAT_CONSUMER_SEED which.
use strict;
use warnings;

use ChatTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rounds = $ENV{CHAT_CONSUMER_ROUNDS} // 25;
my $seed = $ENV{CHAT_CONSUMER_SEED} // int rand 1_000_000_000;
my $dir = $PostgreSQL::Test::Utils::tmp_check;
my $started = 0;

note("seed $seed, $rounds rounds");
srand $seed;
my $node = new_cluster('main', conf => "shared_preload_libraries = 'pg_chat'\nrestart_after_crash = on\n");

# What a worker makes of a change is a row, which is unique for each state of a message: one that came twice would be an error.
# Rows of a chat get their ids in the order in which they are consumed, since workers do not have a chat at the same time.
$node->safe_psql('postgres', q{
	CREATE TABLE effects (id bigint GENERATED ALWAYS AS IDENTITY, consumer text, chat integer, position text, event text, number integer,
		body text, revision integer);
	CREATE UNIQUE INDEX ON effects (consumer, chat, number, (coalesce(revision, 0)));
	CREATE TABLE finished ();
	SELECT chat.create_application('shop');
	SELECT chat.create_chat(1) FROM generate_series(1, 9);

	CREATE PROCEDURE work(consumer text) LANGUAGE plpgsql AS $$
	DECLARE
		taken bigint;
	BEGIN
		LOOP
			INSERT INTO effects (consumer, chat, position, event, number, body, revision)
			SELECT work.consumer, c.chat_number, c.position, c.event, c.number, c.body, c.revision
			FROM chat.consume(1, work.consumer, 1 + (random() * 20)::int) AS c;
			GET DIAGNOSTICS taken = ROW_COUNT;
			IF random() < 0.05 THEN
				ROLLBACK;
				CONTINUE;
			END IF;
			COMMIT;
			IF taken = 0 THEN
				EXIT WHEN EXISTS (SELECT FROM finished)
					AND coalesce((SELECT chats_behind FROM chat.list_consumers(1) AS l WHERE l.consumer = work.consumer), 0) = 0;
				PERFORM pg_sleep(0.002);
			END IF;
		END LOOP;
	END $$;

	CREATE PROCEDURE write() LANGUAGE plpgsql AS $$
	DECLARE
		chat integer;
		highest integer;
	BEGIN
		WHILE NOT EXISTS (SELECT FROM finished) LOOP
			chat := 1 + random() * 8;
			PERFORM chat.create_message(1, chat, 'message ' || i) FROM generate_series(1, (random() * 3)::int) AS i;
			SELECT last_message_number INTO highest FROM chat.chats WHERE number = chat;
			IF highest > 0 AND random() < 0.3 THEN
				PERFORM chat.delete_message(1, chat, 1 + (random() * (highest - 1))::int);
			ELSIF highest > 0 THEN
				BEGIN
					PERFORM chat.update_message(1, chat, 1 + (random() * (highest - 1))::int, 'edited ' || random());
				EXCEPTION WHEN no_data_found THEN
					NULL;
				END;
			END IF;
			COMMIT;
			PERFORM pg_sleep(0.001);
		END LOOP;
	END $$;
});

sub start
{
	my ($call) = @_;

	return { call => $call, psql => start_psql($node, $call, "$dir/process" . ++$started) };
}

# Start those again that have ended.
sub restart_the_dead
{
	foreach my $process (@_)
	{
		next if $process->{psql}->pumpable;
		$process->{psql}->finish;
		%$process = %{ start($process->{call}) };
	}
	return;
}

# Kill somebody who is at work: politely, or as a crash would, after which everybody has to start again.
sub kill_somebody
{
	my ($crash) = @_;
	my @pids = split /\n/, $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE query ~ '^CALL (work|write)' ORDER BY pid");
	my $pid = $pids[ int rand @pids ] // return;

	return kill_process($pid) if $crash;
	$node->safe_psql('postgres', (rand() < 0.3 ? 'SELECT pg_cancel_backend' : 'SELECT pg_terminate_backend') . "($pid)");
	return;
}

my @processes = map { start($_) } ("CALL work('mailer');", "CALL work('mailer');", "CALL work('mailer');", "CALL work('bot');", 'CALL write();');
foreach my $round (1 .. $rounds)
{
	restart_the_dead(@processes);
	select(undef, undef, undef, rand 0.1);
	kill_somebody($round % 25 == 12);
}
$node->safe_psql('postgres', 'INSERT INTO finished DEFAULT VALUES');
$_->{psql}->finish foreach @processes;
$node->safe_psql('postgres', "CALL work('$_')") foreach qw(mailer bot);

# Where a consumer was after each change: as text, and as numbers.
$node->safe_psql('postgres', q{
	CREATE VIEW steps AS SELECT *, split_part(position, '.', 1)::int AS n, split_part(position, '.', 2)::int AS r FROM effects;
});
is($node->safe_psql('postgres', 'SELECT consumer, chats_behind FROM chat.list_consumers(1)'), "bot|0\nmailer|0", 'everything was consumed');
is($node->safe_psql('postgres', q{
	SELECT * FROM (SELECT consumer, chat, id, n - lag(n) OVER w AS further, r - lag(r) OVER w AS revisions
		FROM steps WINDOW w AS (PARTITION BY consumer, chat ORDER BY id)) AS s WHERE further < 0 OR revisions < 0 OR further + revisions <= 0}),
	'', 'in the order of its chat, and each once');
is($node->safe_psql('postgres', q{
	SELECT c.consumer, chat_number, number FROM chat.messages AS m CROSS JOIN (VALUES ('bot'), ('mailer')) AS c (consumer)
	WHERE NOT EXISTS (SELECT FROM effects AS e WHERE (e.consumer, e.chat, e.number, coalesce(e.revision, 0), e.body)
		= (c.consumer, m.chat_number, m.number, coalesce(m.revision, 0), m.body))}), '', 'each message is there as it is now');
is($node->safe_psql('postgres', q{
	SELECT consumer, chat, number FROM effects AS e GROUP BY consumer, chat, number
	HAVING (array_agg(coalesce(revision, 0) ORDER BY id DESC))[1] <> max(coalesce(revision, 0))}), '', 'and its last state came last');
my ($effects, $chats) = split /\|/, $node->safe_psql('postgres', "SELECT count(*), count(DISTINCT chat) FROM effects");
cmp_ok($effects, '>', $rounds, "$effects effects in $started processes");
is($chats, 9, 'of all chats');

# Two workers at once have no chat in common, and the second does not wait for the first.
$node->safe_psql('postgres', q{SELECT chat.skip_changes(1, 'pair'), chat.create_message(1, 1, 'x'), chat.create_message(1, 2, 'x')});
my $first = $node->background_psql('postgres');
$first->query_safe('BEGIN');
is($first->query_safe(q{SELECT chat_number FROM chat.consume(1, 'pair', 1)}), '1', 'a worker has a chat');
is($node->safe_psql('postgres', q{SELECT chat_number FROM chat.consume(1, 'pair')}), '2', 'the next has the other');
is($node->safe_psql('postgres', q{SELECT chat_number FROM chat.consume(1, 'pair')}), '', 'then there is nothing');
$first->query_safe('ROLLBACK');
is($node->safe_psql('postgres', q{SELECT chat_number FROM chat.consume(1, 'pair')}), '1', 'until the first gives up');

# The same for chats that have no position yet.
$first->query_safe('BEGIN');
my $chat = $first->query_safe(q{SELECT chat_number FROM chat.consume(1, 'new', 1)});
is($node->safe_psql('postgres', qq{SELECT count(*) > 0 AND bool_and(chat_number <> $chat) FROM chat.consume(1, 'new', 1000)}), 't', 'nor have those of a new one');
$first->query_safe('COMMIT');
$first->quit;

done_testing();
