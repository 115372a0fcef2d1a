# Numbers go on after a restart, with what was committed and without what was not.
use strict;
use warnings;

use ChatTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main');
fill($node, 'postgres');
my $contents = contents($node, 'postgres');
my $numbers = next_numbers($node, 'postgres');
like($numbers, qr/^message\|1\|2\|1001$/m, 'the number after a named one comes next');
like($numbers, qr/^message\|3\|4\|21$/m, 'the number after twenty comes next');

foreach my $mode (qw(fast smart immediate))
{
	$node->stop($mode);
	$node->start;
	is(contents($node, 'postgres'), $contents, "$mode restart: same rows");
	is(next_numbers($node, 'postgres') =~ s/^id.*\n//r, $numbers =~ s/^id.*\n//r, "$mode restart: same next numbers");
}

# An open transaction goes with the server; its numbers are given again.
my $session = $node->background_psql('postgres');
$session->query_safe(q{BEGIN; SELECT chat.create_message(1, 1, 'open'); SELECT chat.create_chat(1);});
$node->restart;
$session->quit;
is($node->safe_psql('postgres', q{SELECT chat.create_message(1, 1, 'after'), chat.create_chat(1)}),
	'21|11', 'numbers of an open transaction are given again');

# The setting comes from the configuration also where the library is loaded late.
$node->append_conf('postgresql.conf', 'pg_chat.max_body_size = 4');
$node->reload;
my ($result, $stdout, $stderr) = $node->psql('postgres', q{SELECT chat.create_message(1, 1, '12345')});
like($stderr, qr/message body is too long \(maximum is 4 bytes\)/, 'setting from postgresql.conf');
is($node->safe_psql('postgres', q{SELECT chat.create_message(1, 1, '1234')}), '22', 'and up to it');

$node->stop;
done_testing();
