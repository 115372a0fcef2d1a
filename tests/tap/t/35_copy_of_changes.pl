# A copy that is told nothing but changes, page after page, is the table, byte by byte: while 16 writers create, edit
# and delete messages in every way, the server restarts, crashes and is killed, and so is who keeps the copy.
use strict;
use warnings;

use ChatTest;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $writers = 16;
my $chats = 3;
my $dir = $PostgreSQL::Test::Utils::tmp_check;
my $node = new_cluster('main', conf => "restart_after_crash = on\nmax_prepared_transactions = 40\ndeadlock_timeout = 50ms\n");

# Of a message, what is compared.
my $columns = join ', ', qw(number body created_at sender metadata edited_at deleted_at revision);
my $row = "encode(convert_to(ROW($columns)::text, 'UTF8'), 'hex')";

$node->safe_psql('postgres', qq{
	SELECT chat.create_application('load');
	SELECT chat.create_chat(1) FROM generate_series(1, $chats);
	SELECT chat.create_message(1, c, 'message ' || i) FROM generate_series(1, $chats) AS c, generate_series(1, 30) AS i});

# One of many statements that change a chat: by functions, or directly.
sub change
{
	my $chat = 1 + int rand $chats;
	my $number = 1 + int rand 60;
	my $through = $number + int rand 5;
	my $body = join '', map { ('a', 'Ж', '"', ' ', '\\\\', ',', "''")[ rand 7 ] } 0 .. rand 40;
	my $of = "application_id = 1 AND chat_number = $chat";
	my $range = "$of AND number BETWEEN $number AND $through";
	my $place = 'chat.messages (application_id, chat_number, number, body)';
	my @changes = (
		("SELECT chat.create_message(1, $chat, 'x$body', sender => 'Ann', metadata => '{\"n\": $number}')") x 3,
		"SELECT chat.create_message(1, $chat, 'x$body', $number)",
		"SELECT chat.create_message(1, $chat, 'k$body', key => 'k$number')",
		("SELECT count(*) FROM chat.import_messages(1, $chat, ARRAY[$number, $through + 20], ARRAY['i$body', 'j$body'], '{2020-01-01,2020-01-02}', revisions => ARRAY[NULL, $number * 20])") x 2,
		"SELECT count(*) FROM chat.create_messages(array_fill(1, ARRAY[4]), '{1,2,3,$chat}', array_fill('x$body'::text, ARRAY[4]), '{NULL,$number,$through,NULL}')",
		("SELECT chat.update_message(1, $chat, $number, 'e$body')") x 4,
		"SELECT chat.update_message(1, $chat, $number, metadata => '{\"e\": $through}', if_revision => $number)",
		("SELECT chat.delete_message(1, $chat, $number)") x 2,
		"INSERT INTO $place VALUES (1, $chat, NULL, 'd$body'), (1, $chat, $through, 'd$body'), (1, $chat, NULL, 'd$body')",
		"INSERT INTO $place VALUES (1, $chat, $number, 'u$body'), (1, $chat, $through + 1, 'u$body') ON CONFLICT (application_id, chat_number, number) DO UPDATE SET body = excluded.body",
		# Not from stdin: psql 15.20 passes over what follows a COPY that fails.
		"COPY $place FROM PROGRAM \$\$printf '1\\t$chat\\t\\\\N\\tcopied\\n1\\t$chat\\t$number\\tcopied\\n'\$\$",
		("UPDATE chat.messages SET body = body || 'd' WHERE $range") x 2,
		"UPDATE chat.messages SET metadata = NULL, sender = 'Bob' WHERE application_id = 1 AND number = $number",
		"UPDATE chat.messages SET number = number + 7 WHERE $of AND number = $number",
		"UPDATE chat.messages SET deleted_at = now(), body = '' WHERE $range AND deleted_at IS NULL",
		("DELETE FROM chat.messages WHERE $range") x 2,
		"DELETE FROM chat.messages WHERE application_id = 1 AND number = $number");

	return $changes[ rand @changes ] . ";\n";
}

# A transaction of such.
sub transaction
{
	my ($name) = @_;
	my $end = (map { "$_ '$name';\n" } 'COMMIT PREPARED', 'ROLLBACK PREPARED')[ rand 2 ];

	return ((sub { change() }) x 6,
		sub { "BEGIN;\n" . change() . "SAVEPOINT a;\n" . change() . change() . "ROLLBACK TO a;\n" . change() . "COMMIT;\n" },
		sub { "BEGIN;\nSAVEPOINT a;\n" . change() . "RELEASE a;\n" . change() . "ROLLBACK;\n" },
		sub { "BEGIN;\n" . change() . change() . "PREPARE TRANSACTION '$name';\n$end" })[ rand 9 ]->();
}

# Start the writers, with so many transactions each.
sub start_writers
{
	my ($round, $transactions) = @_;

	return map {
		my $writer = "$round.$_";
		start_psql($node, "\\set VERBOSITY sqlstate\nSET client_encoding = 'UTF8';\n"
			  . join('', map { transaction("$writer.$_") } 1 .. $transactions), "$dir/writer.$writer")
	} 1 .. $writers;
}

# What writers complain of but what happens to whoever changes the same: of a message that is gone, or has changed; of a
# number or a transaction that is there or is not; and of each other.
sub complaints
{
	return grep { !/ERROR:  (?:P0002|55000|23505|40P01|25P02|3B001|42704|57P01)|FATAL|WARNING|server|connection|processing the request|^$/ }
	  map { slurp_file($_) =~ s/^psql:[^ ]* //gmr =~ /^.*$/mg } glob "$dir/writer.*.err";
}

# The changes of a chat after a position, a line each: chat, number and revision of the position, number of the message,
# and the message, unless it is gone.
sub changes_after
{
	my ($chat, $position, $limit) = @_;
	my $query = qq{SELECT $chat, replace(position, '.', ' '), number, CASE WHEN created_at IS NOT NULL THEN $row END
		FROM chat.list_changes(1, $chat, @{[ join ', ', split / /, $position ]}, $limit)};

	return qx(psql -XAtq -F ' ' -d '@{[ $node->connstr('postgres') ]}' -c "$query" 2>/dev/null);
}

# Keep the copy, in a file of all that was told, which is read first: what was not written wholly was not told. Ends
# when there is nothing more if it is to, and when a position goes back.
sub follow
{
	my ($to_end) = @_;
	my %positions = map { $_ => '0 0' } 1 .. $chats;
	my $told = -e "$dir/copy" ? slurp_file("$dir/copy") =~ s/[^\n]+\z//r : '';

	$positions{$1} = "$2 $3" while $told =~ /^(\d+) (\d+) (\d+) /mg;
	open my $copy, '>', "$dir/copy.new" or die;
	syswrite $copy, $told;
	rename "$dir/copy.new", "$dir/copy" or die;
	while (1)
	{
		my $lines = 0;

		foreach my $chat (1 .. $chats)
		{
			my $page = changes_after($chat, $positions{$chat}, $to_end ? 1000 : 1 + int rand 40);

			die "$chat: $page" if $? == 0 && $page =~ /./ && $page !~ /\A(?:\d+ \d+ \d+ \d+ [0-9a-f]*\n)+\z/;
			while ($? == 0 && $page =~ /^(\d+) (\d+) (\d+) /mg)
			{
				my ($number, $revision) = split / /, $positions{$chat};

				die "from $positions{$chat} to $2 $3" if $2 < $number || $3 < $revision;
				$positions{$chat} = "$2 $3";
				$lines++;
			}
			syswrite $copy, $page if $? == 0;
		}
		last if $to_end && $lines == 0;
	}
	return;
}

sub start_following
{
	my ($to_end) = @_;
	my $pid = fork // die;

	return $pid if $pid;
	srand;
	my $well = eval { follow($to_end); 1 };
	append_to_file("$dir/wrong", $@) unless $well;
	POSIX::_exit($well ? 0 : 1);
}

# How far the chats have come.
sub progress { return $node->safe_psql('postgres', 'SELECT sum(last_message_number + last_revision) FROM chat.chats'); }

# Whoever was cut off between the two may have left a transaction that is prepared.
sub end_prepared
{
	my @prepared = split /\n/, $node->safe_psql('postgres', 'SELECT gid FROM pg_prepared_xacts');
	my $count = 0;

	$node->safe_psql('postgres', ($count++ % 2 ? 'ROLLBACK' : 'COMMIT') . " PREPARED '$_'") foreach @prepared;
	return;
}

my %interruptions = (
	1 => [ 'restart', sub { $node->restart } ],
	2 => [ 'immediate shutdown', sub { $node->stop('immediate'); $node->start; } ],
	3 => [ 'kill -9', sub { kill_process($node->safe_psql('postgres', q{
		SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() LIMIT 1})) } ]);
my $follower = start_following();

# It follows for ever.
sub stop_following
{
	kill 'KILL', $follower;
	waitpid $follower, 0;
	return;
}

END { local $?; stop_following() if $follower; }

foreach my $round (sort keys %interruptions)
{
	my ($what, $interrupt) = @{ $interruptions{$round} };
	my $before = progress();
	my @harnesses = start_writers($round, 2000);

	ok(poll(sub { progress() > $before + 600 }), "$what: under load");
	stop_following();
	$follower = start_following();
	$interrupt->();
	wait_for_end($_) foreach @harnesses;
	ok($node->poll_query_until('postgres', 'SELECT true'), "$what: the server is back");
	end_prepared();
}

wait_for_end($_) foreach start_writers(4, 60);
stop_following();
$follower = start_following(1);
ok(poll(sub { waitpid($follower, POSIX::WNOHANG) == $follower }), 'it comes to an end') and $follower = undef;
ok(!-e "$dir/wrong", 'positions go on') || diag(slurp_file("$dir/wrong"));
is(join("\n", complaints()), '', 'no writer complains');

# What the copy has, and the table.
my %copy;
my $told = slurp_file("$dir/copy");
while ($told =~ /^(\d+) \d+ \d+ (\d+) (.*)$/mg)
{
	$copy{"$1 $2"} = $3;
	delete $copy{"$1 $2"} if $3 eq '';
}
my $rows = $node->safe_psql('postgres', "SELECT chat_number || ' ' || number || ' ' || $row FROM chat.messages");
is(join("\n", sort map { "$_ $copy{$_}" } keys %copy), join("\n", sort split /\n/, $rows), 'the copy is the table');

my ($told_of, $edited, $tombstones, $deleted) = split /\|/, $node->safe_psql('postgres', q{
	SELECT sum(last_revision), (SELECT count(*) FROM chat.messages WHERE edited_at IS NOT NULL), (SELECT count(*) FROM chat.messages WHERE deleted_at IS NOT NULL),
		(SELECT sum(messages) FROM chat_internal.deleted_messages) FROM chat.chats});
cmp_ok($edited, '>', 10, "there are $edited edited messages");
cmp_ok($tombstones, '>', 10, "and $tombstones deleted ones");
cmp_ok($deleted, '>', 10, "and $deleted that are gone");

# Whatever was changed directly is counted later. Nothing else is wrong.
is($node->safe_psql('postgres', q{SELECT * FROM chat.reconcile() WHERE counter <> 'messages_count'}), '', 'highest numbers and revisions are right');
is($node->safe_psql('postgres', q{SELECT number FROM chat.chats AS c WHERE messages_count <> (SELECT count(*) FROM chat.messages AS m
	WHERE (m.application_id, m.chat_number) = (c.application_id, c.number) AND deleted_at IS NULL)}), '', 'messages are counted');

$node->stop;
done_testing();
