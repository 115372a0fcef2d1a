# What the TAP tests share: a cluster with the extension, psql in the background, and what must hold
# whatever has happened to the cluster. A deep comparison is of texts, so that a failure shows rows.
package ChatTest;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(new_cluster fill contents grants next_numbers wrong_chats start_psql);

# A running cluster with the extension in the database postgres. conf is appended to its
# configuration; the other parameters are those of init().
sub new_cluster
{
	my ($name, %params) = @_;
	my $conf = delete $params{conf} // '';
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(%params);
	$node->append_conf('postgresql.conf', "pg_chat.direct_rows = $ENV{DIRECT_ROWS}\n$conf");
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_chat');
	return $node;
}

# Fill a database: three applications of four chats of 20 messages, some with numbers of their own,
# some that were rolled back.
sub fill
{
	my ($node, $db) = @_;

	$node->safe_psql($db, q{
		SELECT chat.create_application('app ' || i) FROM generate_series(1, 3) AS i;
		SELECT chat.create_chat(a) FROM generate_series(1, 3) AS a, generate_series(1, 4);
		SELECT chat.create_message(a, c, format('message %s of %s/%s', i, a, c))
		FROM generate_series(1, 3) AS a, generate_series(1, 4) AS c, generate_series(1, 20) AS i;
		SELECT chat.create_chat(1, 10), chat.create_message(1, 2, E'ЁЖ \\\\ \t\n', 1000);
		SELECT chat.rotate_token(2);
		BEGIN;
		SELECT chat.create_chat(1), chat.create_message(1, 1, 'rolled back'), chat.create_application('rolled back');
		ROLLBACK;
	});
}

# All rows of all tables, one a line.
sub contents
{
	my ($node, $db) = @_;

	return $node->safe_psql($db, join(';', map { "SELECT '$_', t.* FROM chat.$_ AS t ORDER BY t" }
		  qw(applications application_counters chats messages)));
}

# Who may do what in the schema, one privilege a line.
sub grants
{
	my ($node, $db) = @_;

	return $node->safe_psql($db, q{
		SELECT name, coalesce(r.rolname, 'PUBLIC'), privilege_type
		FROM (SELECT nspname::text, coalesce(nspacl, acldefault('n', nspowner)) FROM pg_namespace WHERE nspname IN ('chat', 'chat_internal')
			UNION ALL SELECT oid::regclass::text, coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))
			FROM pg_class WHERE relnamespace IN ('chat'::regnamespace, 'chat_internal'::regnamespace) AND relkind <> 'i'
			UNION ALL SELECT oid::regprocedure::text, coalesce(proacl, acldefault('f', proowner)) FROM pg_proc WHERE pronamespace IN ('chat'::regnamespace, 'chat_internal'::regnamespace)) AS o (name, acl)
		CROSS JOIN aclexplode(acl) LEFT JOIN pg_roles AS r ON r.oid = grantee
		ORDER BY 1, 2, 3});
}

# The numbers that would be given next: id of an application, chat and message, for the chats that
# fill() makes. Takes none of them.
sub next_numbers
{
	my ($node, $db) = @_;

	return $node->safe_psql($db, q{
		SELECT 'id', last_value, is_called FROM chat.applications_id_seq;
		BEGIN;
		SELECT 'chat', a, chat.create_chat(a) FROM generate_series(1, 3) AS a;
		SELECT 'message', a.id, c.number, chat.create_message(a.id, c.number, 'next')
		FROM chat.list_applications() AS a, chat.list_chats(a.id) AS c;
		ROLLBACK});
}

# Chats whose messages are not numbered 1 to n, or whose counters are not n; and applications of
# which the same is true. Nothing if all is well.
sub wrong_chats
{
	my ($node, $db) = @_;

	return $node->safe_psql($db, q{
		SELECT 'chat', c.application_id, c.number, c.last_message_number, c.messages_count, count(m.number), max(m.number)
		FROM chat.chats AS c LEFT JOIN chat.messages AS m ON (m.application_id, m.chat_number) = (c.application_id, c.number)
		GROUP BY c.application_id, c.number
		HAVING (c.last_message_number, c.messages_count) <> (count(m.number), count(m.number)) OR coalesce(max(m.number), 0) <> count(m.number);
		SELECT 'application', a.application_id, a.last_chat_number, a.chats_count, count(c.number), max(c.number)
		FROM chat.application_counters AS a LEFT JOIN chat.chats AS c USING (application_id)
		GROUP BY a.application_id
		HAVING (a.last_chat_number, a.chats_count) <> (count(c.number), count(c.number)) OR coalesce(max(c.number), 0) <> count(c.number)});
}

# Start psql in the background with a script. Returns its harness, for finish(), whose standard
# output goes to the file out.
sub start_psql
{
	my ($node, $script, $out) = @_;
	my $file = "$out.sql";

	append_to_file($file, $script);
	return IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', $file ],
		'<', \undef, '>', $out, '2>', "$out.err");
}

1;
