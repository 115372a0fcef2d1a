# Dump and restore of a filled database, plain into a database beside it, custom into a new cluster, and
# by the examples of sql/README.md: rows, counts, next numbers, sequence and grants are the same.
use strict;
use warnings;

use ChatTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dump = "$PostgreSQL::Test::Utils::tmp_check/dump";
my $node = new_cluster('main');
fill($node, 'postgres');

# With changes of messages: by functions and directly, whose order a restored database keeps.
$node->safe_psql('postgres', q{
	SELECT chat.update_message(1, 1, 3, 'edited', '{"by": "function"}'), chat.delete_message(1, 1, 4);
	UPDATE chat.messages SET body = 'direct' WHERE application_id = 2 AND number % 3 = 0;
	DELETE FROM chat.messages WHERE application_id = 3 AND chat_number = 2 AND number BETWEEN 5 AND 7});
$node->safe_psql('postgres', q{
	CREATE ROLE reporter;
	GRANT USAGE ON SCHEMA chat TO reporter;
	GRANT SELECT ON chat.messages TO reporter;
	GRANT EXECUTE ON FUNCTION chat.create_chat(integer, integer, text) TO reporter;
	REVOKE EXECUTE ON FUNCTION chat.rotate_token(text) FROM chat_api;
	CREATE TABLE orders (id integer, chat integer, message integer);
	INSERT INTO orders SELECT 1, 4, chat.create_message(1, 4, 'order')});

# Whatever readers of each chat's changes are told.
sub changes_of
{
	my ($of, $db) = @_;

	return $of->safe_psql($db, q{SELECT c.application_id, c.number, l.* FROM chat.chats AS c,
		chat.list_changes(c.application_id, c.number, c.last_message_number, 0, 1000) AS l ORDER BY 1, 2, l.revision});
}

# How a restored database must compare.
sub compare
{
	my ($restored, $db, $what) = @_;

	is(contents($restored, $db), contents($node, 'postgres'), "$what: same rows and counts");
	is(changes_of($restored, $db), changes_of($node, 'postgres'), "$what: same changes");
	is(next_numbers($restored, $db), next_numbers($node, 'postgres'), "$what: same next numbers and sequence");
	is(grants($restored, $db), grants($node, 'postgres'), "$what: same grants");
	is($restored->safe_psql($db, q{SELECT m.body FROM orders AS o, chat.get_message(1, o.chat, o.message) AS m}),
		'order', "$what: the tables beside it too");

	# It works, and the dump is of all rows: a dump of the restored one is the same again.
	# Rows are compared in any order: that is of their places in the table.
	my ($first, $second) = map { join("\n", sort split /\n/, slurp_file($_) =~ s/^(\\(un)?restrict|-- Dumped).*\n//gmr) } map {
		my ($from, $from_db, $file) = @$_;
		command_ok([ 'pg_dump', '-f', $file, $from->connstr($from_db) ], "$what: dump to compare");
		$file
	} [ $node, 'postgres', "$dump.first" ], [ $restored, $db, "$dump.second" ];
	is($second, $first, "$what: same dump");

	is($restored->safe_psql($db, q{
		SELECT chat.create_message(token, 3, 'hello') FROM chat.get_application(2);
		SELECT id FROM chat.create_application('new')}), "21\n5", "$what: goes on");
	is($restored->safe_psql($db, q{SELECT count(*) FROM chat.applications AS a JOIN pg_constraint AS c
		ON c.conrelid = 'chat.applications'::regclass AND NOT c.convalidated}), '0', "$what: constraints hold");
}

is(grants($node, 'postgres') =~ /rotate_token\(text\)\|chat_api/ ? 1 : 0, 0, 'what the owner revoked is revoked');

command_ok([ 'pg_dump', '-Fp', '-f', "$dump.sql", $node->connstr('postgres') ], 'plain dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored TEMPLATE template0');
command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dump.sql", $node->connstr('restored') ], 'plain restore');
compare($node, 'restored', 'plain');

command_like_safe([ 'pg_dump', '-Fc', '-f', "$dump.custom", $node->connstr('postgres') ], qr/^$/, qr/^$/, 'custom dump, without a warning');
my $other = PostgreSQL::Test::Cluster->new('other');
$other->init;
$other->start;
$other->safe_psql('postgres', 'CREATE ROLE reporter; CREATE DATABASE restored TEMPLATE template0');
command_ok([ 'pg_restore', '--exit-on-error', '-d', $other->connstr('restored'), "$dump.custom" ], 'custom restore into a new cluster');
compare($other, 'restored', 'custom');

# As the examples say.
$node->safe_psql('postgres', 'CREATE DATABASE shop');
command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dump.sql", $node->connstr('shop') ], 'a database like the first');
run_example($node, 'backup');
compare($node, 'shop2', 'example');

# In parallel: tables are loaded at the same time, so triggers and keys are off meanwhile.
$other->safe_psql('postgres', 'CREATE DATABASE shop2 TEMPLATE template0');
run_example($other, 'backup-parallel');
run_example($other, 'restore-triggers');
is($other->safe_psql('shop2', $_), $node->safe_psql('postgres', $_), "parallel: same $_")
	foreach q{SELECT tgname ~ '^RI_', tgenabled, count(*) FROM pg_trigger WHERE tgrelid = 'chat.messages'::regclass GROUP BY 1, 2 ORDER BY 1, 2};
compare($other, 'shop2', 'parallel');

# A database made from one that has it is one that has it.
$node->safe_psql('postgres', 'CREATE DATABASE copied TEMPLATE restored');
is(contents($node, 'copied'), contents($node, 'restored'), 'copied database: same rows');
is($node->safe_psql('copied', q{SELECT chat.create_message(2, 3, 'hello')}), '22', 'copied database: goes on');

$node->stop;
$other->stop;
done_testing();
