# Searches find the same messages with Elasticsearch, by PostgreSQL alone, and as a plain filter of the
# file: in a real chat log that is loaded over REST while it is indexed, for 500 queries of its own
# words, in single chats and across all, page by page.
use strict;
use warnings;
use feature 'fc';

use ChatSearch;
use ChatTest;
use ChatWorker;
use Cwd qw(abs_path);
use Elasticsearch;
use Encode qw(decode encode);
use File::Basename qw(dirname);
use POSIX qw(floor);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'no Java or Maven' unless Elasticsearch->available;

my $top = abs_path(dirname(__FILE__) . '/../../..');
my $file = "$top/tests/data/ubuntu-irc.tsv.gz";

# The log: bodies as they are, and folded, in UTF-8; the key of each; and which are a chat's. A chat is a day, in the
# order of the file, as the loader numbers them.
my (@bodies, @folded, @keys, %chats, @lines_of);
open(my $log, '-|:raw', 'gzip', '-dc', $file) or die "$file: $!";
while (my $line = <$log>)
{
	chomp $line;
	my ($day, undef, undef, $body) = split /\t/, $line, 4;
	$chats{$day} = 1 + keys %chats unless exists $chats{$day};
	my $chat = $chats{$day};
	push @{ $lines_of[$chat] }, scalar @bodies;
	push @keys, "$chat." . @{ $lines_of[$chat] };
	push @bodies, decode('UTF-8', $body);
	push @folded, encode('UTF-8', fc $bodies[-1]);
}
close $log or die "$file: $?";
is(scalar @bodies, 196_123, 'the file is read');

# The keys of the messages that contain a query, in order; of one chat, or of all.
sub filter
{
	my ($query, $chat) = @_;
	my $bytes = encode('UTF-8', fc $query);

	return map { $keys[$_] } grep { index($folded[$_], $bytes) >= 0 } $chat ? @{ $lines_of[$chat] } : map { @$_ } @lines_of[ 1 .. $#lines_of ];
}

# 500 queries, the same in every run. Each is [kind, text, chat]; without a chat it is across all.
my $state = 20260131;
sub any { my ($below) = @_; $state = ($state * 1103515245 + 12345) % 2**31; return floor($state / 2**31 * $below); }
sub one_of { return $_[ any(scalar @_) ]; }
sub random_word { my @words; @words = split ' ', $bodies[ any(scalar @bodies) ] until @words; return one_of(@words); }
sub inner { my ($word, $size) = @_; return length $word <= $size ? $word : substr($word, any(length($word) - $size + 1), $size); }
sub matching { my ($pattern) = @_; my @all = grep { /$pattern/ } @bodies; return sub { my $body = one_of(@all); my @parts = $body =~ /($pattern)/g; return one_of(@parts); }; }

my %kinds = (
	'a word' => [ 90, sub { my $word; do { $word = random_word() } until length $word >= 3; return $word; } ],
	'an inner part' => [ 110, sub { my $word; do { $word = random_word() } until length $word >= 4; return inner($word, 3 + any(3)); } ],
	'in other letter case' => [ 40, sub { my $word; do { $word = random_word() } until $word =~ /\pL{3}/; return one_of(uc $word, ucfirst lc $word, lcfirst uc $word); } ],
	'several words' => [ 50, sub { my $body; do { $body = one_of(@bodies) } until length $body > 20; return inner($body, 8 + any(40)); } ],
	'a whole body' => [ 10, sub { my $body; do { $body = one_of(@bodies) } until length $body > 100; return $body; } ],
	'punctuation' => [ 50, matching(qr/[^\w\s]{2,}.?.?/) ],
	'%, _, \\, * and quotes' => [ 50, matching(qr/.{0,3}[%_\\*'"].{1,3}/) ],
	'a path' => [ 40, matching(qr{/[\w.]+/[\w./]+}) ],
	'another script' => [ 30, matching(qr/[^\x00-\x{2ff}\x{2000}-\x{20ff}]{2,8}/) ],
	'one character' => [ 15, sub { return inner(random_word(), 1); } ],
	'two characters' => [ 15, sub { my $word; do { $word = random_word() } until length $word >= 2; return inner($word, 2); } ]);
my @queries;
foreach my $kind (sort keys %kinds)
{
	my ($count, $make) = @{ $kinds{$kind} };

	push @queries, map { [ $kind, $make->(), $_ % 5 < 3 || $kind =~ /characters?$/ ? 1 + any(scalar keys %chats) : undef ] } 1 .. $count;
}
is(scalar @queries, 500, '500 queries');

# chatd, the loader, and the worker at once.
my $elasticsearch = Elasticsearch->new;
my $node = new_search_cluster('main', $elasticsearch, extra => [ '--encoding=UTF8', '--no-locale' ], conf => "fsync = off\n");

make_checks($node, 'postgres');
wait_for_index($node, 'postgres');
sql('ALTER ROLE chat_api LOGIN');
my ($chatd, $port) = start_chatd($node, 'postgres');
my $loaded = "$PostgreSQL::Test::Utils::log_path/load.log";
my $loader = start_program($loaded, '/usr/bin/python3', "$top/tests/load/load.py", $file, "http://127.0.0.1:$port");

# Meanwhile each search finds what PostgreSQL alone finds in the same snapshot.
sub right_now
{
	my ($query) = @_;

	return sql(qq{
		SELECT (SELECT array_agg((m.chat_number, m.number)) FROM chat.search_application(1, \$q\$$query\$q\$, "limit" => 1000) AS m)
			IS NOT DISTINCT FROM (SELECT array_agg((m.chat_number, m.number)) FROM (
				SELECT * FROM chat.messages WHERE application_id = 1 AND chat.contains(body, \$q\$$query\$q\$) ORDER BY chat_number, number LIMIT 1000) AS m)});
}

wait_until($node, 'postgres', 'SELECT sum(indexed_number) > 2000 FROM chat_internal.search_watermarks', 'indexing goes on during the load');
my ($asked, $wrong) = (0, 0);
while ($loader->pumpable)
{
	last if !defined sql(q{SELECT 1 FROM chat.chats WHERE last_message_number = 0 LIMIT 1});
	last if sql('SELECT count(*) FROM chat.messages') >= 196_123;
	$asked++;
	right_now($_) eq 't' || $wrong++ foreach qw(ubuntu wzq);
}
cmp_ok($asked, '>', 0, 'searches during the load');
is($wrong, 0, 'all of them were right');
ok(wait_for_end($loader), 'loaded') or diag(slurp_file("$loaded.err"));
like(slurp_file($loaded), qr/senders and bodies read back equal what was sent/, 'and read back');
$chatd->signal('TERM');
wait_for_end($chatd);
ok(wait_until_idle($node, 'postgres'), 'indexed');

# All queries, in one session, which notes how each search was answered.
my $queries_file = "$PostgreSQL::Test::Utils::tmp_check/queries";
append_to_file($queries_file, join('', map {
	my ($kind, $query, $chat) = @{ $queries[$_] };
	$query =~ s/\\/\\\\/g;
	join("\t", $_, encode('UTF-8', $query), $chat // '\N', $_ % 4 == 0 ? 't' : 'f') . "\n" } 0 .. $#queries));
sql(qq{CREATE TABLE queries (id integer, query text, chat integer, backward boolean); COPY queries FROM '$queries_file'});

sub answers
{
	my ($begin) = @_;
	my ($status, $stdout, $stderr) = $node->psql('postgres', qq{
		SET client_min_messages = debug1; SET pg_chat.search_timeout = 60000; $begin;
		SELECT id, digest, pages FROM queries CROSS JOIN LATERAL found(query, 1, chat, backward) ORDER BY id});

	is($status, 0, "$begin: all answered") or diag($stderr);
	return ($stderr, map { [ split /\|/ ] } split /\n/, $stdout);
}
my $began = time;
my ($said, @with) = answers('BEGIN');
my $alone_began = time;
my ($alone_said, @alone) = answers('BEGIN ISOLATION LEVEL REPEATABLE READ');
diag(sprintf 'queries with Elasticsearch: %d s, by PostgreSQL alone: %d s', $alone_began - $began, time - $alone_began);

my (%checked, @wrong);
foreach my $i (0 .. $#queries)
{
	my ($kind, $query, $chat) = @{ $queries[$i] };
	my @expected = filter($query, $chat);
	my $expected = digest(@expected);

	push @{ $checked{$kind} }, $query;
	push @wrong, sprintf('%s "%s" in %s: %s with Elasticsearch, %s without, %s in the file', $kind, encode('UTF-8', $query), $chat // 'all', $with[$i][1], $alone[$i][1], $expected)
	  if $with[$i][1] ne $expected || $alone[$i][1] ne $expected;
}
is(join("\n", @wrong), '', 'all sets of messages are equal: with Elasticsearch, without, of the file');

# Check that Elasticsearch was asked, for every page of every query that it can answer, and for no other.
my ($pages, $pages_asked, $several) = (0, 0, 0);
foreach my $i (0 .. $#queries)
{
	$pages += $with[$i][2];
	$pages_asked += $with[$i][2] if length fc $queries[$i][1] >= 3;
	$several++ if $with[$i][2] > 1 && length fc $queries[$i][1] >= 3;
}
is(scalar(() = $said =~ /pg_chat: search with Elasticsearch/g), $pages_asked, 'Elasticsearch was asked for each page that it can answer');
is(scalar(() = $said =~ /pg_chat: search by PostgreSQL alone/g), $pages - $pages_asked, 'and gave up none');
is(scalar(() = $alone_said =~ /pg_chat: search with Elasticsearch/g), 0, 'nor was it asked in a transaction with one snapshot');
cmp_ok($several, '>', 10, 'some answers have several pages');
cmp_ok(scalar(grep { $_->[1] !~ /^0 / } @with), '>', 300, 'most queries find something');
$node->stop;
$elasticsearch->stop;
done_testing();
