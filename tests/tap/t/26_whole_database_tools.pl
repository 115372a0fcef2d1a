# Tools that touch all tables of a database, while the worker runs: publication and subscription, with the extension
# on both sides and then the other way round, both with Redis and, where it can run, with Elasticsearch; a restore
# of data alone; REASSIGN OWNED and ALTER ... OWNER; tables rewritten and indexes built anew. Other people's keys and triggers on
# our tables hold meanwhile.
use strict;
use warnings;

use ChatSearch;
use ChatTest;
use ChatWorker;
use Elasticsearch;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RedisServer;
use Test::More;

my $redis = RedisServer->new;
my $elasticsearch = Elasticsearch->available ? Elasticsearch->new : undef;
my %number = (first => 0, second => 1);
my %nodes = map { $_ => new_search_cluster($_, $elasticsearch, allows_streaming => 'logical',
	conf => "pg_chat.redis_url = 'unix://$redis->{socket}?db=$number{$_}'\nmax_logical_replication_workers = 8\nmax_worker_processes = 16\n") } keys %number;

# Of others: a table that refers to messages, one that messages refer to, and a constraint trigger.
my $business = q{
	CREATE TABLE people (id integer PRIMARY KEY);
	ALTER TABLE chat.messages ADD author integer CONSTRAINT author REFERENCES people;
	CREATE TABLE orders (id integer PRIMARY KEY, application_id integer, chat_number integer, number integer,
		CONSTRAINT orders_message FOREIGN KEY (application_id, chat_number, number) REFERENCES chat.messages);
	CREATE FUNCTION no_spam() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
		IF NEW.body = 'spam' THEN RAISE 'this is spam'; END IF; RETURN NULL; END$$;
	CREATE CONSTRAINT TRIGGER no_spam AFTER INSERT ON chat.messages DEFERRABLE INITIALLY IMMEDIATE
		FOR EACH ROW EXECUTE FUNCTION no_spam()};

# Check that they hold, in a database that has message 1 of chat 1 of application 1, which order 1 refers to.
sub business_holds
{
	my ($node, $db, $what) = @_;

	foreach my $case (
		[ 'violates foreign key constraint "author"', q{INSERT INTO chat.messages (application_id, chat_number, body, author) VALUES (1, 1, 'by nobody', 0)} ],
		[ 'violates foreign key constraint "orders_message"', q{DELETE FROM chat.messages WHERE (application_id, chat_number, number) = (1, 1, 1)} ],
		[ 'violates foreign key constraint "orders_message"', q{INSERT INTO orders VALUES (0, 1, 1, 0)} ],
		[ 'this is spam', q{SELECT chat.create_message(1, 1, 'spam')} ])
	{
		my ($error, $statement) = @$case;
		my ($status, $stdout, $stderr) = $node->psql($db, $statement);

		like($stderr, qr/$error/, "$what: refused, $error");
	}
	return;
}

sub checks_are_off
{
	my ($node, $db, $what) = @_;

	return is($node->safe_psql($db, q{
		SELECT string_agg(tgenabled, '' ORDER BY conname, tgrelid) FROM pg_trigger AS t JOIN pg_constraint AS c ON c.oid = tgconstraint
		WHERE tgrelid = 'chat.messages'::regclass AND tgisinternal AND conname IN ('author', 'messages_chat_fkey', 'orders_message')}),
		'OODDOO', "$what: our two triggers are off, and no others");
}

# Both have workers that have written what they write, before they hear of each other.
my ($first, $second) = @nodes{qw(first second)};
foreach my $node ($first, $second)
{
	$node->safe_psql('postgres', $business);
	wait_until($node, 'postgres', q{SELECT bool_and(runs > 0) FROM chat.worker_status WHERE job IN ('reconcile', 'scrub chats', 'scrub applications', 'redis')},
		$node->name . ': the jobs have run');
	wait_for_index($node, 'postgres') if $elasticsearch;
}
fill($first, 'postgres');
$first->safe_psql('postgres', q{INSERT INTO people VALUES (1); INSERT INTO orders VALUES (1, 1, 1, 1)});

# Changes of all kinds, of which the worker hears by queues, and which it repairs.
sub change
{
	my ($node, $round) = @_;

	$node->safe_psql('postgres', qq{
		SELECT chat.create_message(1, 1, 'by function'), chat.create_chat(1);
		INSERT INTO chat.messages (application_id, chat_number, body, author) SELECT 1, c, 'direct', 1 FROM generate_series(1, 4) AS c, generate_series(1, 5);
		UPDATE chat.messages SET body = 'edited $round' WHERE (application_id, chat_number) = (2, 1);
		UPDATE chat.messages SET number = number + 5000 * $round WHERE (application_id, chat_number, number) = (2, 2, (SELECT max(number) FROM chat.messages WHERE (application_id, chat_number) = (2, 2)));
		DELETE FROM chat.messages WHERE (application_id, chat_number, number) = (3, 1, $round);
		DELETE FROM chat.chats WHERE (application_id, number) = (3, 1 + $round);
		UPDATE chat.chats SET messages_count = 77 WHERE (application_id, number) = (2, 3);
		SELECT chat.rotate_token(2)});
	wait_until($node, 'postgres', 'SELECT NOT EXISTS (' . wrong_counts() . ') AND NOT EXISTS (SELECT FROM chat_internal.recount_queue)', "round $round: counted");
	wait_until($node, 'postgres', 'SELECT NOT EXISTS (SELECT FROM chat_internal.redis_key_queue WHERE due)', "round $round: mirrored");
	return;
}

sub same_contents
{
	my ($from, $to, $what) = @_;

	$from->wait_for_catchup('everything');
	# The worker there may have counted while the tables were copied.
	wait_until($to, 'postgres', 'SELECT NOT EXISTS (' . wrong_counts() . ')', "$what: counts there");
	is(contents($to, 'postgres'), contents($from, 'postgres'), "$what: same rows and counts");
	return;
}

# The subscriber's worker does its own work beside what arrives.
sub works_by_itself
{
	my ($node, $what, $copied) = @_;
	my $repaired = $node->safe_psql('postgres', 'SELECT count(*) FROM chat.repaired_counts WHERE (application_id, chat_number) = (1, 3)');

	$node->safe_psql('postgres', q{SET session_replication_role = replica;
		UPDATE chat.chats SET messages_count = 99 WHERE (application_id, number) = (1, 3);
		INSERT INTO chat_internal.recount_queue VALUES (1, 3)});
	wait_until($node, 'postgres', "SELECT count(*) > $repaired FROM chat.repaired_counts WHERE (application_id, chat_number) = (1, 3)", "$what: repairs");
	is($node->safe_psql('postgres', q{SELECT count(*), count(DISTINCT job) FROM chat.worker_status}), '9|9', "$what: a row for each of its jobs");
	is($node->safe_psql('postgres', q{SELECT count(DISTINCT owner_database) > 1 FROM chat_internal.worker_jobs}), $copied ? 't' : 'f', "$what: beside those of the other, if they were copied");
	wait_until($node, 'postgres', q{SELECT min(last_run_at) > now() - interval '1 minute' FROM chat.worker_status WHERE job IN ('reconcile', 'scrub chats', 'redis')},
		"$what: they go on");
	return;
}

# Each has an index of its own in sync, with which it searches, and shows no other; rows of the other's are no more
# than it has, and do not come back to it.
sub searches_by_itself
{
	my ($from, $to, $what) = @_;

	return unless $elasticsearch;
	foreach my $node ($from, $to)
	{
		my $name = "$what: " . $node->name;

		# Rows that came without triggers are found by comparing.
		my $nothing_waits = 'SELECT messages_behind + queued = 0 FROM chat.search_status WHERE usable';
		wait_until($node, 'postgres', $nothing_waits, "$name: what was appended is indexed");
		$node->safe_psql('postgres', 'SELECT chat.repair_search()');
		wait_until($node, 'postgres', $nothing_waits, "$name: repaired");
		is(documents($elasticsearch, index_name($node, 'postgres')), rows($node, 'postgres'), "$name: the index holds what the table holds");
		my $index = index_name($node, 'postgres');
		wait_until($node, 'postgres', qq{SELECT NOT EXISTS (SELECT FROM chat_internal.search_watermarks AS w
			WHERE w.index_id = (SELECT id FROM chat_internal.search_indexes WHERE name = '$index') AND NOT EXISTS
			(SELECT FROM chat.chats AS c WHERE (c.application_id, c.number) = (w.application_id, w.chat_number)))},
			"$name: no watermark stays of a chat that is gone");
		no_difference($node, 'postgres', $name);
		asks_elasticsearch($node, 'postgres', 1, $name);
		is($node->safe_psql('postgres', 'SELECT index FROM chat.search_status'), index_name($node, 'postgres'), "$name: its own index alone");
		is($node->safe_psql('postgres', q{SELECT count(*) FROM chat.search_application(2, 'edited')}),
			$node->safe_psql('postgres', q{SELECT count(*) FROM (SELECT FROM chat.messages WHERE application_id = 2 AND body LIKE '%edited%' LIMIT 100) AS m}), "$name: finds what was edited");
	}
	isnt(index_name($from, 'postgres'), index_name($to, 'postgres'), "$what: two indexes");
	return;
}

foreach my $direction ([ 1, $first, $second ], [ 2, $second, $first ])
{
	my ($round, $from, $to) = @$direction;
	my $what = $from->name . ' to ' . $to->name;
	my $log = -s $to->logfile;
	my $copy = $round == 1 ? 'true' : 'false';

	$from->safe_psql('postgres', 'CREATE PUBLICATION everything FOR ALL TABLES');
	$to->safe_psql('postgres', sprintf q{CREATE SUBSCRIPTION everything CONNECTION $$%s$$ PUBLICATION everything WITH (copy_data = %s)}, $from->connstr('postgres'), $copy);
	wait_until($to, 'postgres', q{SELECT count(*) > 0 AND bool_and(srsubstate = 'r') FROM pg_subscription_rel}, "$what: all tables are subscribed to");
	same_contents($from, $to, "$what, at first");
	change($from, $round);
	same_contents($from, $to, $what);
	works_by_itself($to, $what, $round == 1);
	change($from, $round + 2) if $round == 1;
	same_contents($from, $to, "$what, later");
	searches_by_itself($from, $to, $what);
	is($to->safe_psql('postgres', q{SELECT count(*) FROM chat_internal.recount_queue}), '0', "$what: what was queued there is done");
	unlike(slurp_file($to->logfile, $log), qr/duplicate key|logical replication (apply |tablesync )?worker.* exited with exit code 1/, "$what: nothing collides");
	unlike(slurp_file($from->logfile), qr/does not have a replica identity/, "$what: all changes can be published");
	business_holds($from, 'postgres', $what);
	checks_are_off($_, 'postgres', $what) foreach $from, $to;
	$to->safe_psql('postgres', 'DROP SUBSCRIPTION everything');
	$from->safe_psql('postgres', 'DROP PUBLICATION everything');
}

# A restore of the data alone, in parallel: what it enables again is ours, too.
my $dump = "$PostgreSQL::Test::Utils::tmp_check/data";
command_ok([ 'pg_dump', '-Fd', '-f', $dump, '--data-only', '--disable-triggers', $first->connstr('postgres') ], 'dump of the data');
$first->safe_psql('postgres', 'CREATE DATABASE restored');
$first->safe_psql('restored', "CREATE EXTENSION pg_chat; $business");
wait_for_worker($first, 'restored');
command_ok([ 'pg_restore', '--exit-on-error', '--data-only', '--disable-triggers', '-j4', '-d', $first->connstr('restored'), $dump ], 'restored in parallel');
is($first->safe_psql('restored', 'SELECT chat.disable_redundant_checks()'), '2', 'restored: our two triggers were on');
checks_are_off($first, 'restored', 'restored');
is($first->safe_psql('restored', 'SELECT chat.disable_redundant_checks()'), '0', 'restored: once is enough');
wait_until($first, 'restored', 'SELECT NOT EXISTS (' . wrong_counts() . ')', 'restored: counts');
is(contents($first, 'restored'), contents($first, 'postgres'), 'restored: same rows and counts');
business_holds($first, 'restored', 'restored');

# No superuser, no say.
my ($status, $stdout, $stderr) = $first->psql('restored', q{CREATE ROLE owner; GRANT USAGE ON SCHEMA chat TO owner; SET ROLE owner; SELECT chat.disable_redundant_checks()});
like($stderr, qr/permission denied for function disable_redundant_checks/, 'others may not call it');

# Tables go to another owner, one by one, and all at once; the worker counts in the end.
sub still_counts
{
	my ($what) = @_;

	$first->safe_psql('restored', q{INSERT INTO chat.messages (application_id, chat_number, body) VALUES (1, 1, 'direct')});
	wait_until($first, 'restored', 'SELECT NOT EXISTS (' . wrong_counts() . ') AND NOT EXISTS (SELECT FROM chat_internal.recount_queue)', "$what: counted");
	business_holds($first, 'restored', $what);
	return;
}

my @tables = split /\n/, $first->safe_psql('restored', q{SELECT oid::regclass FROM pg_class WHERE relkind = 'r' AND relnamespace IN ('chat'::regnamespace, 'chat_internal'::regnamespace)});
$first->safe_psql('restored', 'CREATE ROLE keeper; ALTER SCHEMA chat OWNER TO keeper; ALTER SCHEMA chat_internal OWNER TO keeper; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA chat, chat_internal TO keeper, owner');
# The owner of the tables owns what they check with.
$first->safe_psql('restored', 'ALTER TABLE people OWNER TO keeper; ALTER TABLE orders OWNER TO keeper; GRANT USAGE, CREATE ON SCHEMA public TO keeper, owner');
foreach my $table (@tables)
{
	$first->safe_psql('restored', "ALTER TABLE $table OWNER TO keeper; SELECT pg_reload_conf()");
}
still_counts('ALTER TABLE OWNER');
$first->safe_psql('restored', 'REASSIGN OWNED BY keeper TO owner; SELECT pg_reload_conf()');
still_counts('REASSIGN OWNED');
checks_are_off($first, 'restored', 'REASSIGN OWNED');

# Tables are rewritten, and indexes built anew.
command_ok([ 'vacuumdb', '--full', '--analyze', '-d', $first->connstr('restored') ], 'vacuumdb --full');
still_counts('VACUUM FULL');
command_ok([ 'reindexdb', '--concurrently', '-d', $first->connstr('restored') ], 'reindexdb --concurrently');
still_counts('REINDEX CONCURRENTLY');
SKIP:
{
	unless ($first->safe_psql('restored', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_repack'}))
	{
		diag('pg_repack is not installed here: not tested');
		skip 'pg_repack is not installed', 1;
	}
	$first->safe_psql('restored', 'CREATE EXTENSION pg_repack');
	$first->command_ok([ 'pg_repack', map({ ('-t', $_) } @tables), '-d', 'restored' ], 'pg_repack');
	still_counts('pg_repack');
	checks_are_off($first, 'restored', 'pg_repack');
}

$_->stop foreach $first, $second;
$elasticsearch->stop if $elasticsearch;
done_testing();
