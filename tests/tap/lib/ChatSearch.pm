# Shared by the tests of search with a real Elasticsearch: a cluster whose worker keeps an index, what
# the index holds, and what searches must find: the same as a plain filter of the table.
#
# A digest stands for a list of messages, which may be long: how many there are, and a checksum of
# their keys in the order in which they came.
package ChatSearch;

use strict;
use warnings;

use ChatTest;
use ChatWorker;
use Digest::MD5 qw(md5_hex);
use Exporter 'import';
use HTTP::Tiny;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(new_search_cluster set_url index_name wait_for_index wait_until_idle documents rows
  in_sync no_difference asks_elasticsearch make_checks start_writers stop_writers wait_for_writes digest);

# Writers that run: their processes.
my @running;

# Documents in one answer: as many as Elasticsearch gives by default.
use constant PAGE => 10_000;

# The condition that a row of chat_internal.search_indexes is the database's own: a subscription brings others.
use constant OWN => q{owner_database = (SELECT d.oid || '-' || c.system_identifier FROM pg_database AS d, pg_control_system() AS c WHERE d.datname = current_database())};

# A running cluster whose worker keeps an index in an Elasticsearch; without one, if that is undef.
sub new_search_cluster
{
	my ($name, $elasticsearch, %params) = @_;
	my $url = $elasticsearch ? "pg_chat.elasticsearch_url = '" . $elasticsearch->url . "'\n" : '';

	$params{conf} = $url . ($params{conf} // '');
	return new_worker_cluster($name, %params);
}

sub set_url
{
	my ($node, $elasticsearch) = @_;

	return configure($node, 'pg_chat.elasticsearch_url', $elasticsearch ? $elasticsearch->url : '');
}

# The name of the index that is searched; empty if there is none.
sub index_name
{
	my ($node, $db) = @_;

	return $node->safe_psql($db, q{SELECT name FROM chat_internal.search_indexes WHERE state = 'current' AND uuid IS NOT NULL AND } . OWN);
}

sub wait_for_index
{
	my ($node, $db) = @_;

	wait_until($node, $db, q{SELECT count(*) = 1 FROM chat_internal.search_indexes WHERE state = 'current' AND uuid IS NOT NULL AND } . OWN, "$db has an index");
	return index_name($node, $db);
}

# Wait until there is one index, nothing waits for it, and every watermark stands at the last number.
sub wait_until_idle
{
	my ($node, $db) = @_;

	return $node->poll_query_until($db, "WITH own AS (SELECT * FROM chat_internal.search_indexes WHERE @{[ OWN ]})" . q{
		SELECT (SELECT count(*) = 1 AND bool_and(state = 'current' AND uuid IS NOT NULL AND NOT rebuild) FROM own)
			AND (SELECT bool_and(usable) FROM chat.search_status)
			AND NOT EXISTS (SELECT FROM chat_internal.search_queue WHERE index_id IN (SELECT id FROM own))
			AND NOT EXISTS (SELECT FROM chat.chats WHERE deleted_at IS NOT NULL)
			AND NOT EXISTS (SELECT FROM chat.applications WHERE deleted_at IS NOT NULL)
			AND NOT EXISTS (
				SELECT FROM chat.chats AS c
				FULL JOIN (SELECT i.* FROM chat_internal.search_watermarks AS i JOIN own AS s ON s.id = i.index_id WHERE s.state = 'current') AS i
					ON (i.application_id, i.chat_number) = (c.application_id, c.number)
				WHERE coalesce(i.indexed_number, 0) IS DISTINCT FROM c.last_message_number)});
}

# The contents of the index, as searches see it now: a line for each document, its id and its checksum.
sub documents
{
	my ($elasticsearch, $index) = @_;
	my $http = HTTP::Tiny->new(timeout => 60, http_proxy => undef);
	my $after = '';
	my @lines;

	while (1)
	{
		my $answer = $http->request('POST',
			$elasticsearch->url . "/$index/_search?allow_partial_search_results=false&filter_path=hits.hits._id,hits.hits.fields,hits.hits.sort", {
				headers => { 'content-type' => 'application/json' },
				content => '{"size":' . PAGE . ",$after" . '"_source":false,"docvalue_fields":["checksum"],"sort":["application","chat","number"]}' });
		die "documents of $index: $answer->{status} $answer->{content}" unless $answer->{success};
		my @hits = $answer->{content} =~ /"_id":"([^"]*)","fields":\{"checksum":\[(\d+)\]\},"sort":\[([^]]*)\]/g;
		for (my $i = 0; $i < @hits; $i += 3)
		{
			push @lines, "$hits[$i] $hits[$i + 1]";
		}
		last if @hits < 3 * PAGE;
		$after = "\"search_after\":[$hits[-1]],";
	}
	return join("\n", @lines);
}

# The contents that the index should have, in the same form.
sub rows
{
	my ($node, $db) = @_;

	return $node->safe_psql($db, q{
		SELECT format('%s.%s.%s %s', application_id, chat_number, number, chat_internal.search_checksum(application_id, chat_number, number, body))
		FROM chat.messages ORDER BY application_id, chat_number, number});
}

# The index comes to hold what the table holds, without a refresh of the test's own; and the product
# finds so itself.
sub in_sync
{
	my ($node, $db, $elasticsearch, $what) = @_;

	return fail("$what: the index is never idle") unless wait_until_idle($node, $db);
	my ($found, $expected) = (documents($elasticsearch, index_name($node, $db)), rows($node, $db));
	ok($found eq $expected, "$what: the index holds what the table holds") or is($found, $expected, $what);
	return no_difference($node, $db, $what);
}

sub no_difference
{
	my ($node, $db, $what) = @_;

	return is($node->safe_psql($db, 'SELECT * FROM chat.verify_search()'), '', "$what: verify_search() finds nothing");
}

# How a search is answered, as it says at level DEBUG1: its lines, one for each search and each change of mind.
sub _said
{
	my ($node, $db, $query) = @_;
	my ($status, $stdout, $stderr) = $node->psql($db, "SET pg_chat.search_timeout = 30000; SET client_min_messages = debug1; $query", on_error_stop => 0);

	return join("\n", $stderr =~ /(pg_chat: search .*)/g);
}

# Searches come to be answered with Elasticsearch, to their end.
sub asks_elasticsearch
{
	my ($node, $db, $application, $what) = @_;
	my $said;

	return ok(poll(sub {
		$said = _said($node, $db, "SELECT count(*) FROM chat.search_application($application, 'abc')");
		return $said =~ /\Apg_chat: search with Elasticsearch[^\n]*\z/;
	}), "$what: searches ask Elasticsearch") || diag($said);
}

sub digest
{
	my (@keys) = @_;

	return @keys . ' ' . md5_hex(join ' ', @keys);
}

# Functions to check searches with, in the schema public.
#
# found(query, application, chat, backward): the digest of all that a search finds, page by page, and
# the number of pages. Without a chat, in the whole application.
#
# change(application, chat, number, body): edit a message, or delete it if body is null, unless others have deleted it.
#
# check_search(seed): search for something, in application 1, and compare with a plain filter of the
# table in the same snapshot: raises an error if they differ. Bodies are to be of words of hexadecimal
# digits.
sub make_checks
{
	my ($node, $db) = @_;

	return $node->safe_psql($db, q{
		CREATE FUNCTION found(query text, application integer, chat integer, backward boolean, OUT digest text, OUT pages integer)
		LANGUAGE plpgsql AS $$
		DECLARE
			place integer[];
			page text;
			size integer;
			total integer := 0;
			keys text := '';
		BEGIN
			pages := 0;
			LOOP
				IF chat IS NULL THEN
					SELECT count(*), string_agg(m.chat_number || '.' || m.number, ' ' ORDER BY m.ordinality),
						CASE WHEN backward THEN (array_agg(ARRAY[m.chat_number, m.number] ORDER BY m.ordinality))[1:1]
						ELSE (array_agg(ARRAY[m.chat_number, m.number] ORDER BY m.ordinality DESC))[1:1] END
					INTO size, page, place
					FROM chat.search_application(application, query, CASE WHEN NOT backward THEN place END,
						CASE WHEN backward THEN coalesce(place, ARRAY[2147483647, 2147483647]) END, 1000) WITH ORDINALITY AS m;
					place := ARRAY[place[1][1], place[1][2]];
				ELSE
					SELECT count(*), string_agg(chat || '.' || m.number, ' ' ORDER BY m.ordinality),
						CASE WHEN backward THEN (array_agg(m.number ORDER BY m.ordinality))[1:1]
						ELSE (array_agg(m.number ORDER BY m.ordinality DESC))[1:1] END
					INTO size, page, place
					FROM chat.search_messages(application, chat, query, CASE WHEN NOT backward THEN place[1] END,
						CASE WHEN backward THEN coalesce(place[1], 2147483647) END, 1000) WITH ORDINALITY AS m;
				END IF;
				pages := pages + 1;
				total := total + size;
				IF size > 0 THEN
					keys := CASE WHEN keys = '' THEN page WHEN backward THEN page || ' ' || keys ELSE keys || ' ' || page END;
				END IF;
				EXIT WHEN size < 1000;
			END LOOP;
			digest := total || ' ' || md5(keys);
		END $$;

		CREATE FUNCTION change(application integer, chat integer, number integer, body text) RETURNS void LANGUAGE plpgsql AS $$
		BEGIN
			IF body IS NULL THEN
				PERFORM chat.delete_message(application, chat, number);
			ELSE
				PERFORM chat.update_message(application, chat, number, body);
			END IF;
		EXCEPTION WHEN no_data_found THEN
		END $$;

		CREATE FUNCTION check_search(seed bigint) RETURNS void LANGUAGE plpgsql AS $$
		DECLARE
			pattern text := substr(md5(seed::text), 1, 3 + (seed % 2)::integer);
			found text;
			expected text;
			chat integer := CASE WHEN seed % 3 = 0 THEN 1 + seed % 5 END;
		BEGIN
			IF chat IS NULL THEN
				SELECT s.keys, t.keys INTO found, expected
				FROM (SELECT string_agg(m.chat_number || '.' || m.number || '=' || m.body, ' ' ORDER BY m.chat_number, m.number) AS keys
					FROM chat.search_application(1, pattern, "limit" => 1000) AS m) AS s,
				(SELECT string_agg(m.chat_number || '.' || m.number || '=' || m.body, ' ' ORDER BY m.chat_number, m.number) AS keys
					FROM (SELECT * FROM chat.messages WHERE application_id = 1 AND position(pattern IN lower(body)) > 0
						ORDER BY chat_number, number LIMIT 1000) AS m) AS t;
			ELSE
				SELECT s.keys, t.keys INTO found, expected
				FROM (SELECT string_agg(m.number || '=' || m.body, ' ' ORDER BY m.number) AS keys
					FROM chat.search_messages(1, chat, pattern, before => 2147483647, "limit" => 20) AS m) AS s,
				(SELECT string_agg(m.number || '=' || m.body, ' ' ORDER BY m.number) AS keys
					FROM (SELECT * FROM chat.messages WHERE application_id = 1 AND chat_number = chat AND position(pattern IN lower(body)) > 0
						ORDER BY number DESC LIMIT 20) AS m) AS t;
			END IF;
			IF found IS DISTINCT FROM expected THEN
				RAISE EXCEPTION 'wrong answer to % in %: %, not %', pattern, chat, found, expected;
			END IF;
		END $$;});
}

# Start clients that write to the chats 1 to 5 of application 1, of every kind of change, and check
# searches meanwhile. What they cannot do in time they leave out. Returns what stop_writers() wants.
sub start_writers
{
	my ($node, $db) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir('writers');
	my %writers = (out => "$directory/pgbench");
	my $chat = '\set chat random(1, 5)';
	my $body = q{upper(substr(md5(random()::text), 1, 16)) || ' ' || md5(random()::text)};
	my $some = q{FROM (SELECT number FROM chat.messages WHERE application_id = 1 AND chat_number = :chat AND number >= :n AND deleted_at IS NULL ORDER BY number LIMIT 1) AS m};
	my %scripts = (
		'append@8' => qq{$chat\nSELECT chat.create_message(1, :chat, $body);\n},
		'batch@1' => qq{$chat\nSELECT count(*) FROM chat.create_messages(ARRAY[1, 1, 1], ARRAY[:chat, :chat, 1], ARRAY['abc' || random(), $body, $body]);\n},
		'edit@2' => qq{$chat\n\\set n random(1, 1000)\nUPDATE chat.messages SET body = $body WHERE (application_id, chat_number) = (1, :chat) AND deleted_at IS NULL AND number = (SELECT m.number $some);\n},
		'update@1' => qq{$chat\n\\set n random(1, 1000)\nSELECT change(1, :chat, m.number, $body) $some;\n},
		'remove@1' => qq{$chat\n\\set n random(1, 2000)\nSELECT change(1, :chat, m.number, NULL) $some;\n},
		'delete@1' => qq{$chat\n\\set n random(1, 2000)\nDELETE FROM chat.messages WHERE (application_id, chat_number, number) = (1, :chat, :n);\n},
		'insert@1' => qq{$chat\n\\set n random(1, 2000)\nINSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (1, :chat, :n, $body) ON CONFLICT DO NOTHING;\n},
		'check@1' => qq{\\set seed random(1, 1000000000)\nSELECT check_search(:seed);\n});
	my @files;

	foreach my $name (sort keys %scripts)
	{
		my ($file, $weight) = split /@/, $name;

		append_to_file("$directory/$file.sql", $scripts{$name});
		push @files, '-f', "$directory/$file.sql\@$weight";
	}
	$writers{process} = start_program($writers{out},
		'pgbench', '-n', '-c', '4', '-j', '1', '-T', '600', '--rate', '100', '--latency-limit', '500', '--max-tries', '10', @files, $node->connstr($db));
	push @running, $writers{process};
	return \%writers;
}

# Wait until so many messages more were written.
sub wait_for_writes
{
	my ($node, $db, $count, $what) = @_;
	my $written = 'sum(last_message_number) FROM chat.chats WHERE application_id = 1';
	my $before = $node->safe_psql($db, "SELECT $written");

	return wait_until($node, $db, "SELECT sum(last_message_number) >= $before + $count FROM chat.chats WHERE application_id = 1", "$what: writers go on");
}

# Stop them. They may complain of a server that was killed, if it was, and of nothing else.
sub stop_writers
{
	my ($writers, $what, $killed) = @_;

	$writers->{process}->signal('TERM');
	wait_for_end($writers->{process});
	@running = grep { $_ != $writers->{process} } @running;
	my @complaints = grep { !/^pgbench: (?:error: client \d+ (?:script \d+ )?aborted|error: Run was aborted)/ } split /\n/, slurp_file("$writers->{out}.err");
	@complaints = grep { !/server closed the connection|terminat|connection to server|crash|recovery mode|connection was lost|^WARNING|^DETAIL|^HINT|^\s*$|PQ/ } @complaints if $killed;
	return is(join("\n", @complaints), '', "$what: no writer complains, and every search was right");
}

# A test that dies does not wait for them.
END
{
	local $?;
	$_->kill_kill foreach @running;
}

1;
