# 16 writers and one reader that polls "after the last number seen", chat by chat: it must have seen
# every number, exactly in order. Some of the writers' messages are rolled back, some in savepoints,
# some written in batches over all chats, in any order of the chats.
use strict;
use warnings;

use ChatTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($writers, $chats) = (16, 6);
my $node = new_cluster('main');
my $out = "$PostgreSQL::Test::Utils::tmp_check/writer";

$node->safe_psql('postgres', qq{
	CREATE TABLE finished (writer integer);
	SELECT chat.create_application('load');
	SELECT chat.create_chat(1) FROM generate_series(1, $chats)});

# The script of a writer, and how many messages it leaves.
my $kept = 0;
sub script
{
	my ($writer) = @_;
	my $create = sub { my ($chat, $body) = @_; return "SELECT chat.create_message(1, $chat, '$body');" };
	my @steps;

	foreach my $round (1 .. 100)
	{
		my $chat = 1 + ($writer * 7 + $round) % $chats;

		push @steps, map { $create->(1 + ($chat + $_) % $chats, 'kept') } 1 .. 8;
		push @steps, 'BEGIN;', $create->($chat, 'lost'), 'ROLLBACK;';
		push @steps, 'BEGIN;', $create->($chat, 'kept'), 'SAVEPOINT s;', $create->($chat, 'lost'), 'ROLLBACK TO s;',
		  $create->($chat, 'kept'), 'COMMIT;';
		push @steps, 'BEGIN;', 'SAVEPOINT s;', $create->($chat, 'lost'), 'ROLLBACK TO s;', 'SELECT 1;', 'COMMIT;';
		$kept += 10;
		if ($round % 20 == 0)
		{
			my $series = $writer % 2 ? '1, 60' : '60, 1, -1';

			push @steps, "SELECT sum(number) FROM chat.create_messages(array_fill(1, ARRAY[60]), "
			  . "ARRAY(SELECT 1 + i / 10 % $chats FROM generate_series($series) AS i), array_fill('kept'::text, ARRAY[60]));";
			$kept += 60;
		}
	}
	return join("\n", @steps, "INSERT INTO finished VALUES ($writer);");
}

my @last = (0) x ($chats + 1);
my $polls = 0;
my $out_of_order = 0;
my $reader = $node->background_psql('postgres');

# Poll all chats once. Returns how many messages were new.
sub read_new
{
	my $after = join(', ', map { "($_, $last[$_])" } 1 .. $chats);
	my @rows = split /\n/, $reader->query_safe(qq{
		SELECT c.chat, m.number FROM (VALUES $after) AS c (chat, last),
			chat.list_messages(1, c.chat, after => c.last, "limit" => 1000) AS m});

	foreach my $row (@rows)
	{
		my ($chat, $number) = split /\|/, $row;
		$out_of_order++ if $number != $last[$chat] + 1;
		$last[$chat] = $number;
	}
	$polls++;
	return scalar @rows;
}

my @harnesses = map { start_psql($node, script($_), "$out.$_") } 1 .. $writers;
my $with_news = 0;
my $end = time + $PostgreSQL::Test::Utils::timeout_default;
while ($reader->query_safe('SELECT count(*) FROM finished') < $writers && time < $end)
{
	$with_news++ if read_new() > 0;
}
while (read_new() > 0) { }
wait_for_end($_) foreach @harnesses;
is(join('', map { slurp_file("$out.$_.err") } 1 .. $writers), '', 'no writer met an error');
$reader->quit;

cmp_ok($kept, '>=', 20000, "$kept messages were to be kept");
cmp_ok($with_news, '>', 20, "the reader met the writers at work, in $with_news of $polls polls");
is($out_of_order, 0, 'the reader saw every number after the one before it');
is($node->safe_psql('postgres', 'SELECT number, last_message_number, messages_count FROM chat.chats ORDER BY 1'),
	join("\n", map { "$_|$last[$_]|$last[$_]" } 1 .. $chats), 'and all of them');
is($node->safe_psql('postgres', 'SELECT body, count(*) FROM chat.messages GROUP BY body'), "kept|$kept", 'what was kept, and nothing else');
is(wrong_chats($node, 'postgres'), '', 'numbers gapless, counts exact');

$node->stop;
done_testing();
