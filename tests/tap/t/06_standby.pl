# A streaming standby: reads work, writes fail clearly, and after promotion numbers go on.
use strict;
use warnings;

use ChatTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = new_cluster('primary', allows_streaming => 1);
fill($primary, 'postgres');
$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;

my $token = $primary->safe_psql('postgres', q{SELECT token FROM chat.get_application(1)});
$primary->safe_psql('postgres', q{SELECT chat.create_message(1, 1, 'streamed')});
$primary->wait_for_catchup($standby);
is(contents($standby, 'postgres'), contents($primary, 'postgres'), 'same rows');

# All that reads, by id and by token, in a session that stays until after the promotion.
my $session = $standby->background_psql('postgres', on_error_stop => 0);
foreach my $application ('1', "'$token'")
{
	my $form = $application eq '1' ? 'by id' : 'by token';
	is($session->query_safe("SELECT name FROM chat.get_application($application)"), 'app 1', "get_application $form");
	is($session->query_safe("SELECT count(*) FROM chat.list_chats($application)"), '5', "list_chats $form");
	is($session->query_safe("SELECT messages_count FROM chat.get_chat($application, 1)"), '21', "get_chat $form");
	is($session->query_safe("SELECT count(*) FROM chat.list_messages($application, 1)"), '21', "list_messages $form");
	is($session->query_safe("SELECT body FROM chat.last_messages($application, 1, 1)"), 'streamed', "last_messages $form");
	is($session->query_safe("SELECT body FROM chat.get_message($application, 1, 21)"), 'streamed', "get_message $form");
	is($session->query_safe("SELECT number FROM chat.search_messages($application, 1, 'STREAM')"), '21', "search_messages $form");
}
is($session->query_safe('SELECT count(*) FROM chat.list_applications()'), '3', 'list_applications');

foreach my $write (
	"chat.create_application('x')", 'chat.rotate_token(1)', "chat.rotate_token('$token')",
	'chat.create_chat(1)', "chat.create_chat('$token', 50)", "chat.create_message(1, 1, 'x')",
	"chat.create_message('$token', 1, 'x', 500)", "chat.create_messages(ARRAY['$token'], '{1}', '{x}')")
{
	my ($status, $stdout, $stderr) = $standby->psql('postgres', "\\set VERBOSITY verbose\nSELECT $write");
	like($stderr, qr/ERROR:\s+25006: cannot execute/, "refused: " . $write =~ s/$token/token/r);
}

# Who is cancelled while waiting for a standby has committed here, and not there. A replay says that it is committed: it waits, too.
my $scripts = 0;
my $waiting = q{FROM pg_stat_activity WHERE wait_event = 'SyncRep'};
foreach my $direct_rows ('on', 'off')
{
	my $number = $direct_rows eq 'on' ? 9001 : 9002;

	configure($primary, synchronous_standby_names => 'nobody');
	configure($primary, 'pg_chat.direct_rows' => $direct_rows);
	foreach my $create (
		"chat.create_message(2, 1, 'once', key => '$direct_rows')", "chat.create_chat(2, key => '$direct_rows')",
		"chat.create_application('app $direct_rows', key => '$direct_rows')",
		"chat.create_messages('{2}'::integer[], '{1}', '{twice}', keys => '{many $direct_rows}')",
		"chat.import_messages(2, 2, '{$number}', '{imported}', '{2026-01-01}')")
	{
		foreach my $what ('created', 'replayed')
		{
			my $psql = start_psql($primary, "SELECT $create", "$PostgreSQL::Test::Utils::tmp_check/create" . ++$scripts);
			ok(poll_query($primary, 'postgres', "SELECT count(*) = 1 $waiting"), "$create, $what: waits for a standby");
			$primary->safe_psql('postgres', "SELECT pg_cancel_backend(pid) $waiting");
			$psql->finish;
		}
	}
}
configure($primary, synchronous_standby_names => '');
configure($primary, 'pg_chat.direct_rows' => 'on');
$primary->wait_for_catchup($standby);

my $numbers = next_numbers($primary, 'postgres');
$primary->stop('immediate');
$standby->promote;
is(next_numbers($standby, 'postgres') =~ s/^id.*\n//r, $numbers =~ s/^id.*\n//r, 'promoted: same next numbers');
is($session->query_safe("SELECT chat.create_message('$token', 1, 'promoted')"), '22', 'promoted: the session that read writes');
is($session->query_safe("SELECT number FROM chat.create_messages(ARRAY['$token'], '{1}', '{promoted}')"), '23', 'promoted: batches too');
is($standby->safe_psql('postgres', q{SELECT chat.create_chat(1), (chat.create_application('new')).id > 3}), '11|t',
	'promoted: chats and applications go on');
$session->quit;

$standby->stop;
done_testing();
