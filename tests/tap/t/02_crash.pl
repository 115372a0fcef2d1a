# A crash under load: every message that was acknowledged is there once, one that was not is wholly
# there or not at all, numbers have no hole and counts are exact.
use strict;
use warnings;

use ChatTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $writers = 16;
my $chats = 8;
my $node = new_cluster('main', conf => "restart_after_crash = on\n");
my $acknowledged = "$PostgreSQL::Test::Utils::tmp_check/acknowledged";

$node->safe_psql('postgres', qq{
	SELECT chat.create_application('load');
	SELECT chat.create_chat(1) FROM generate_series(1, $chats);
	CREATE TABLE acknowledged (body text, chat integer, number integer)});

# Start writers, each of which says for each message what became of it, and wait until there are
# 2,000 more messages. Returns the harnesses.
sub start_load
{
	my ($round) = @_;
	my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM chat.messages');
	my @harnesses;

	foreach my $writer (1 .. $writers)
	{
		my $script = join("\n", map {
			my ($chat, $body) = (1 + ($writer + $_) % $chats, "$round/$writer/$_");
			"SELECT '$body', $chat, chat.create_message(1, $chat, '$body');"
		} 1 .. 20000);
		push @harnesses, start_psql($node, $script, "$acknowledged.$round.$writer");
	}
	ok($node->poll_query_until('postgres', "SELECT count(*) >= $before + 2000 FROM chat.messages"), "$round: under load");
	return @harnesses;
}

# Wait for the writers to lose their connections, and take down what was acknowledged to them.
sub end_load
{
	my ($round, @harnesses) = @_;
	my $cut = grep { !wait_for_end($_) } @harnesses;

	is($cut, $writers, "$round: all writers were cut off");
	ok($node->poll_query_until('postgres', 'SELECT true'), "$round: the server is back");
	$node->safe_psql('postgres', join(';', map { "COPY acknowledged FROM '$acknowledged.$round.$_' DELIMITER '|'" } 1 .. $writers));
}

sub check
{
	my ($round) = @_;
	my ($acked, $there, $all, $bodies) = split /\|/, $node->safe_psql('postgres', q{
		SELECT (SELECT count(*) FROM acknowledged),
			(SELECT count(*) FROM acknowledged AS a JOIN chat.messages AS m
				ON (m.application_id, m.chat_number, m.number, m.body) = (1, a.chat, a.number, a.body)),
			count(*), count(DISTINCT body) FROM chat.messages});

	cmp_ok($acked, '>', 1000, "$round: $acked messages were acknowledged");
	is($there, $acked, "$round: all of them are there, under their numbers");
	is($bodies, $all, "$round: none is there twice");
	cmp_ok($all - $acked, '<=', 2 * $writers, "$round: hardly any other is");
	is(wrong_chats($node, 'postgres'), '', "$round: numbers gapless, counts exact");
	is($node->safe_psql('postgres', qq{
		SELECT count(*) FROM (SELECT messages_count + 1 AS next, chat.create_message(1, number, 'check $round ' || number) AS given
			FROM chat.chats) AS c WHERE next <> given}), '0', "$round: numbers go on");
}

my @harnesses = start_load('immediate');
$node->stop('immediate');
$node->start;
end_load('immediate', @harnesses);
check('immediate');
$node->safe_psql('postgres', q{INSERT INTO acknowledged SELECT body, chat_number, number FROM chat.messages EXCEPT TABLE acknowledged});

# kill -9 of one backend takes down all sessions, and the server recovers by itself.
@harnesses = start_load('kill');
my $backend = $node->safe_psql('postgres', q{
	SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() LIMIT 1});
system_or_bail('pg_ctl', 'kill', 'KILL', $backend);
end_load('kill', @harnesses);
check('kill');

$node->stop;
done_testing();
