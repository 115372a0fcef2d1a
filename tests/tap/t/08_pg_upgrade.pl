# pg_upgrade moves a cluster that has the extension, its worker preloaded in both: rows, counts, next
# numbers and grants are the same afterwards, and the worker goes on. Both clusters are of one version,
# as a machine has one alone: the way through pg_upgrade is the same.
use strict;
use warnings;

use ChatTest;
use ChatWorker;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $old = new_worker_cluster('old');
my $new = PostgreSQL::Test::Cluster->new('new');
$new->init;
$new->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_chat'\npg_chat.reconcile_interval = 1\n");

fill($old, 'postgres');
$old->safe_psql('postgres', q{
	CREATE ROLE reporter;
	GRANT USAGE ON SCHEMA chat TO reporter;
	GRANT SELECT ON chat.messages TO reporter});
wait_for_worker($old, 'postgres');
my @of_old = (contents($old, 'postgres'), grants($old, 'postgres'));
$old->stop;

my $bindir = $old->config_data('--bindir');
my $output = $PostgreSQL::Test::Utils::tmp_check;
chdir $output;
command_ok([ 'pg_upgrade', '--no-sync', '--retain', '-b', $bindir, '-B', $bindir, '-d', $old->data_dir, '-D', $new->data_dir,
		'-s', $new->host, '-p', $old->port, '-P', $new->port ], 'pg_upgrade');
my $logs = join '', map { slurp_file($_) } grep { -e } glob($new->data_dir . '/pg_upgrade_output.d/*/log/pg_upgrade_server.log'), glob("$output/pg_upgrade_server.log");
like($logs, qr/database system is ready/, 'its servers have a log');
unlike($logs, qr/background worker "pg_chat/, 'no worker ran meanwhile');

$new->start;
is(contents($new, 'postgres'), $of_old[0], 'same rows and counts');
is(grants($new, 'postgres'), $of_old[1], 'same grants');
my $worker = wait_for_worker($new, 'postgres');
$new->safe_psql('postgres', q{INSERT INTO chat.messages (application_id, chat_number, body) VALUES (1, 3, 'direct')});
wait_until($new, 'postgres', 'SELECT NOT EXISTS (' . wrong_counts() . ')', 'the worker counts');
is(workers($new, 'postgres'), $worker, 'and is the first that came');

# The command that is needed afterwards, from sql/README.md.
run_example($new, 'restore-triggers', shop2 => 'postgres');
is($new->safe_psql('postgres', q{
	SELECT chat.create_message(token, 3, 'hello') FROM chat.get_application(2);
	SELECT id FROM chat.create_application('new')}), "21\n5", 'numbers and ids go on');
$new->stop;
done_testing();
