# A Redis that answers what no Redis should, or slowly, or without end: the worker lives, says what
# is wrong, and does its other jobs. And what is reported as repaired: what somebody else made wrong,
# not what is new to Redis.
use strict;
use warnings;

use ChatTest;
use ChatWorker;
use IO::Socket::UNIX;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RedisMirror;
use RedisServer;
use Test::More;

my $directory = PostgreSQL::Test::Utils::tempdir_short();
my $node = new_worker_cluster('main');
my ($fake, $fakes) = (undef, 0);

sub use_url { my ($url) = @_; return configure($node, 'pg_chat.redis_url', $url); }

# The words of the next command of a client; nothing when it is gone.
sub read_command
{
	my ($client) = @_;
	my @words;

	my ($count) = (<$client> // return) =~ /^\*(\d+)/ or return;
	foreach (1 .. $count)
	{
		my ($length) = <$client> =~ /^\$(\d+)/;
		read($client, my $word, $length + 2) == $length + 2 or return;
		push @words, substr($word, 0, $length);
	}
	return @words;
}

# An empty Redis, but for its answers to some commands: a text, a code that returns one, or nothing,
# not even an end. It serves one client at a time, in a process of its own, and is the mirror now.
sub lie
{
	my (%lies) = @_;
	my $path = "$directory/fake" . ++$fakes;
	my $server = IO::Socket::UNIX->new(Local => $path, Listen => 5) or die "no socket: $!";

	stop_lying();
	$fake = fork // die "no process: $!";
	if ($fake == 0)
	{
		$SIG{PIPE} = 'IGNORE';
		while (my $client = $server->accept)
		{
			while (my ($command, @words) = read_command($client))
			{
				my $lie = $lies{$command};

				$client->print(
					  !exists $lies{$command} ? ($command eq 'GETRANGE' ? "\$0\r\n\r\n" : $command eq 'SCAN' ? "*2\r\n\$1\r\n0\r\n*0\r\n" : "+OK\r\n")
					: ref $lie ? $lie->(@words)
					: $lie);
				$client->flush;
			}
		}
		POSIX::_exit(0);
	}
	close $server;
	use_url("unix://$path");
	return;
}

sub stop_lying
{
	return unless $fake;
	kill 'KILL', $fake;
	waitpid $fake, 0;
	$fake = undef;
	return;
}

END { local $?; stop_lying(); }

fill($node, 'postgres');
# Until it has been given a Redis, nothing that is gone can have keys there.
use_url("unix://$directory/none");
$node->poll_query_until('postgres', q{SELECT claimed FROM chat_internal.worker_jobs WHERE job = 'redis'}) or die 'the keys are not claimed';
my $worker = wait_for_worker($node, 'postgres');

# Counts are repaired meanwhile, each within a few runs of their job.
sub counts_go_on
{
	my ($what) = @_;

	sql(q{INSERT INTO chat.messages (application_id, chat_number, body) VALUES (3, 1, 'direct')});
	within(10, sub { wait_until($node, 'postgres', 'SELECT NOT EXISTS (' . wrong_counts() . ')', "$what: counted") }, "$what: counts");
	return;
}

sub same_worker { my ($what) = @_; return is(workers($node, 'postgres'), $worker, "$what: the worker lives"); }

# Answers that are not what was asked for. A retired token has the keys listed.
foreach my $fault (
	[ 'a key that is a number', 'could not list the keys of Redis: the answer is malformed', SCAN => "*2\r\n\$1\r\n0\r\n*1\r\n:5\r\n" ],
	[ 'a key that is not there', 'could not list the keys of Redis: the answer is malformed', SCAN => "*2\r\n\$1\r\n0\r\n*2\r\n\$1\r\nx\r\n\$-1\r\n" ],
	[ 'a list for a cursor', 'could not list the keys of Redis: the answer is malformed', SCAN => "*2\r\n*0\r\n*0\r\n" ],
	[ 'a cursor that is no number', 'could not list the keys of Redis: the answer is malformed', SCAN => "*2\r\n\$2\r\n-1\r\n*0\r\n" ],
	[ 'a cursor that is too long', 'could not list the keys of Redis: the answer is malformed', SCAN => "*2\r\n\$40\r\n" . '1' x 40 . "\r\n*0\r\n" ],
	[ 'no list of keys', 'could not list the keys of Redis: the answer is malformed', SCAN => "*2\r\n\$1\r\n0\r\n:1\r\n" ],
	[ 'nothing for a list', 'could not list the keys of Redis: the answer is malformed', SCAN => "*-1\r\n" ],
	[ 'a number for a text', 'could not read counters from Redis: the answer is malformed', GETRANGE => ":1\r\n" ],
	[ 'no value', 'could not read counters from Redis: the answer is malformed', GETRANGE => "\$-1\r\n" ],
	[ 'a list of values', 'could not read counters from Redis: the answer is malformed', GETRANGE => "*1\r\n\$1\r\n1\r\n" ],
	[ 'lists when writing', 'could not write counters to Redis: the answer is malformed', MSET => "*1\r\n:1\r\n" ],
	[ 'garbage', 'could not understand Redis: ', GETRANGE => "\x00\xff\x1b[31mgarbage\r\n" ],
	[ 'an answer cut in the middle', 'no answer from Redis: it took longer than 1 s', GETRANGE => do { my $answers; sub { $answers++ ? '' : "\$100\r\n1" } } ],
	[ 'an answer that is too long', 'could not understand Redis: the answer is too long', GETRANGE => "\$1000000\r\n" . 'x' x 999999 ],
	[ 'many answers that are long', 'could not (read from|understand) Redis: the answer is too long', GETRANGE => "\$70000\r\n" . 'x' x 70000 . "\r\n" ],
	[ 'a text without end', 'could not read from Redis: the answer is too long', GETRANGE => '+' . 'x' x 1_000_000 ],
	[ 'a list without end', 'could not understand Redis: the answer is too long', GETRANGE => "*200000000\r\n" . ":1\r\n" x 500_000 ],
	[ 'lists of two billion in one another', 'could not understand Redis: the answer is too long', GETRANGE => "*2147483647\r\n" x 7 ],
	[ 'lists of two billion in short ones', 'could not understand Redis: the answer is too long', SCAN => "*2\r\n*2147483647\r\n" x 7 ],
	[ 'many long lists', 'could not understand Redis: the answer is too long', GETRANGE => ("*65000\r\n" . ":1\r\n" x 10) x 2 ],
	[ 'more and more lists', 'could not understand Redis: the answer is malformed', GETRANGE => "*1\r\n" x 100_000 ],
	[ 'a length that is too large for any number', 'could not understand Redis: the answer is malformed', GETRANGE => "*99999999999999999999\r\n" ],
	[ 'a length that overflows', 'could not understand Redis: the answer is too long', GETRANGE => "*9223372036854775807\r\n" ],
	[ 'a length below nothing', 'could not understand Redis: the answer is malformed', GETRANGE => "\$-2\r\n" ],
	[ 'a length that is none', 'could not understand Redis: the answer is malformed', GETRANGE => "\$\r\n" ],
	[ 'a map', 'could not understand Redis: the answer is malformed', GETRANGE => "%1\r\n+a\r\n+b\r\n" ],
	[ 'a number in a thousand digits', 'could not understand Redis: the answer is malformed', GETRANGE => ':' . '1' x 1000 . "\r\n" ],
	[ 'more answers than commands', 'could not understand Redis: it answered more than it was asked', INFO => "\$0\r\n\r\n+OK\r\n" ],
	[ 'an error', 'could not read counters from Redis: ERR \?\[31mred\?{1,2}x+$', GETRANGE => "-ERR \x1b[31mred\xd0\x96" . 'x' x 5000 . "\r\n" ],
	[ 'a command that it does not know', q(could not write counters to Redis: ERR unknown command 'MSET'$), MSET => sub { "-ERR unknown command 'MSET', with args beginning with: '$_[0]'\r\n" } ],
	[ 'an error that quotes a key', 'could not write counters to Redis: ERR$', MSET => sub { "-ERR no $_[0] here\r\n" } ],
	[ 'a key for an error', 'could not write counters to Redis: it refused the command$', MSET => sub { "-$_[0]\r\n" } ])
{
	my ($what, $error, %lies) = @$fault;

	forget_errors();
	sql('INSERT INTO chat_internal.redis_key_queue (token) VALUES ($$retired$$)') if exists $lies{SCAN};
	lie(%lies);
	wait_until($node, 'postgres', "SELECT last_error ~ \$re\$^$error\$re\$ AND length(last_error) < 300 FROM chat_internal.worker_jobs WHERE job = 'redis'", "$what: an error")
	  or diag(sql(q{SELECT last_error FROM chat_internal.worker_jobs WHERE job = 'redis'}));
	same_worker($what);
}
unlike(slurp_file($node->logfile), qr/(?:ERROR|DETAIL|HINT): .*application:[0-9a-f]/, 'and without a token');
unlike(join("\n", grep { /ERROR: / } split /\n/, slurp_file($node->logfile)), qr/[^\x20-\x7e\n]|x{200}/, 'errors are logged printable and short');
counts_go_on('faults');

# A token that is retired again while its keys are looked for is looked for again.
my ($begun, $allowed) = ("$directory/begun", "$directory/allowed");
use_url('');
wait_until($node, 'postgres', q{SELECT backlog IS NULL FROM chat.worker_status WHERE job = 'redis'}, 'off, so that nothing is looked for');
sql(q{DELETE FROM chat_internal.redis_key_queue; INSERT INTO chat_internal.redis_key_queue (token, retired_at) VALUES ('twice', now()), ('later', now() + interval '1 hour')});
lie(SCAN => sub { append_to_file($begun, 'x'); return sprintf("*2\r\n\$1\r\n%d\r\n*0\r\n", -e $allowed ? 0 : 7) });
poll(sub { -e $begun }) or die 'no look for keys';
sql(q{INSERT INTO chat_internal.redis_key_queue (token) VALUES ('twice')});
append_to_file($allowed, '');
wait_until($node, 'postgres', q{SELECT count(*) = 3 AND bool_and(NOT due) FROM chat_internal.redis_key_queue}, 'retired twice: looked for twice');
is(sql(q{SELECT count(DISTINCT xmin::text) FROM chat_internal.redis_key_queue WHERE token = 'twice'}), '2', 'one after the other');

# What was deleted before answers were wrong is deleted again: those before may have been wrong, too.
my ($scans, $garbage) = ("$directory/scans", "$directory/garbage");
my $info = "# Replication\r\nmaster_replid:" . 'a' x 40 . "\r\n";
sub scans { return -s $scans // 0; }

sql(q{DELETE FROM chat_internal.redis_key_queue; INSERT INTO chat_internal.redis_key_queue (token) VALUES ('recent')});
sql(q{INSERT INTO chat_internal.redis_key_queue (token, due, done_at) VALUES ('an hour ago', false, now() - interval '1 hour')});
lie(
	INFO => sub { return '$' . length($info) . "\r\n$info\r\n" },
	SCAN => sub { append_to_file($scans, 'x'); return "*2\r\n\$1\r\n0\r\n*0\r\n" },
	GETRANGE => sub { return unlink($garbage) ? "garbage\r\n" : "\$0\r\n\r\n" });
wait_until($node, 'postgres', q{SELECT bool_and(NOT due) FROM chat_internal.redis_key_queue}, 'all is deleted');
sql(q{UPDATE chat_internal.redis_key_queue SET done_at = now() - interval '1 hour' WHERE token <> 'recent'});
my ($before, $old) = (scans(), sql(q{SELECT xmin FROM chat_internal.redis_key_queue WHERE token <> 'recent'}));
append_to_file($garbage, '');
ok(poll(sub { !-e $garbage && scans() > $before }), 'after garbage: looked for again');
wait_until($node, 'postgres', q{SELECT bool_and(NOT due) FROM chat_internal.redis_key_queue}, 'and deleted');
is(sql(q{SELECT xmin FROM chat_internal.redis_key_queue WHERE token <> 'recent'}), $old, 'but not what was deleted long before');

# A list of keys that never ends, and slow answers: neither keeps the worker from anything.
sql('INSERT INTO chat_internal.redis_key_queue (token) VALUES ($$retired$$)');
lie(SCAN => "*2\r\n\$1\r\n7\r\n*0\r\n");
wait_until($node, 'postgres', q{SELECT last_done > 0 FROM chat_internal.worker_jobs WHERE job = 'redis'}, 'no end: verified') for 1 .. 2;
counts_go_on('no end');
lie(GETRANGE => sub { select(undef, undef, undef, 0.7); return "\$0\r\n\r\n" });
counts_go_on('slow');
same_worker('in the end');
stop_lying();

# Reports. An empty Redis is filled, with a line in the log.
my $redis = RedisServer->new;

sub mirrored { my ($what) = @_; return is_mirrored($redis, $what); }

# A verification that begins after now has ended.
sub verified
{
	my $done = sql(q{SELECT total_done FROM chat_internal.worker_jobs WHERE job = 'redis'});

	wait_until($node, 'postgres', qq{
		SELECT total_done > $done + 2 * (SELECT count(*) FROM chat.applications LEFT JOIN chat.chats ON application_id = id) FROM chat_internal.worker_jobs WHERE job = 'redis'}, 'verified');
	return;
}

sql(q{SELECT chat.create_chat(1) FROM generate_series(1, 2500); DELETE FROM chat_internal.redis_key_queue});
use_url('');
wait_until($node, 'postgres', 'SELECT NOT EXISTS (' . wrong_counts() . ')', 'counted');
my $log = length slurp_file($node->logfile);
sql('DELETE FROM chat.repaired_counts');
use_url("unix://$redis->{socket}");
mirrored('an empty Redis');
verified();
is(repaired($node, 'postgres'), '', 'an empty Redis: nothing is reported');
my @lines = slurp_file($node->logfile, $log) =~ /pg_chat wrote \d+ keys that Redis did not have/g;
is(scalar @lines, 1, 'but in one line of the log');

foreach my $change (
	[ 'rotated tokens' => q{SELECT chat.rotate_token(id) FROM chat.applications, generate_series(1, 3)} ],
	[ 'new applications' => q{SELECT chat.create_application('more ' || i) FROM generate_series(1, 30) AS i} ],
	[ 'new chats' => q{SELECT chat.create_chat(id) FROM chat.applications, generate_series(1, 30)} ],
	[ 'TRUNCATE of chats' => q{TRUNCATE chat.chats CASCADE} ])
{
	my ($what, $statement) = @$change;

	sql($statement);
	mirrored($what);
	verified();
	is(repaired($node, 'postgres', q{counter = 'redis'}), '', "$what: nothing is reported");
}
unlike(slurp_file($node->logfile, $log), qr/pg_chat repaired the Redis key/, 'nor logged');

# Flushed: a hundred keys are reported, the others counted. By the verification that it came amid,
# and by the next one.
sql(q{SELECT chat.create_chat(1), chat.create_message(2, chat.create_chat(2), 'x') FROM generate_series(1, 1500)});
mirrored('1500 chats');
verified();
$log = length slurp_file($node->logfile);
$redis->command('FLUSHALL');
mirrored('flushed');
wait_until($node, 'postgres', q{SELECT count(*) BETWEEN 100 AND 199 AND bool_and(old_value IS NULL) FROM chat.repaired_counts WHERE counter = 'redis'}, 'flushed: reported');
verified();
like(slurp_file($node->logfile, $log), qr/pg_chat wrote \d+ keys that Redis did not have/, 'flushed: counted');

# Keys that only look like a retired token's stay.
my ($token) = sql('SELECT token FROM chat.applications WHERE id = 1');
my @others = ("application:$token", "application:$token:chat:x:number", "application:$token:chat:1:numbers", "application:x$token:number", "application:another:number");
$redis->command('SET', $_, '1') foreach @others;
sql('SELECT chat.create_chat(1); SELECT chat.rotate_token(1)');
wait_until($node, 'postgres', 'SELECT NOT EXISTS (SELECT FROM chat_internal.redis_key_queue WHERE due)', 'rotated');
is($redis->command('EXISTS', @others), scalar @others, 'the keys of others are there');
is($redis->command('KEYS', "application:$token:*number"), "application:$token:chat:x:number", 'those of the token are not');
$redis->command('DEL', @others);
wait_until($node, 'postgres', 'WITH old AS (UPDATE chat_internal.redis_key_queue SET done_at = done_at - $$1 day$$::interval) SELECT NOT EXISTS (SELECT FROM chat_internal.redis_key_queue)', 'what was deleted is forgotten in the end');
sql('UPDATE chat.applications SET token = token');
is(sql('SELECT count(*) FROM chat_internal.redis_key_queue'), '0', 'a token that stays is not retired');

# Redis restarts from what it saved before: what was deleted since is deleted again.
mirrored('before it is saved');
sql('SELECT chat.create_chat(1) FROM generate_series(1, 3)');
mirrored('saved');
$redis->command('SAVE');
sql(q{SELECT chat.rotate_token(2); DELETE FROM chat.chats WHERE (application_id, number) = (1, (SELECT max(number) FROM chat.chats WHERE application_id = 1))});
mirrored('after it was saved');
wait_until($node, 'postgres', 'SELECT NOT EXISTS (SELECT FROM chat_internal.redis_key_queue WHERE due)', 'all deleted');
$redis->kill9;
$redis->start;
mirrored('restarted from what it saved');

# The server closes a connection that is idle: that is no error, and no other Redis.
sub unconnected { return $redis->command('CLIENT', 'LIST', 'TYPE', 'normal') !~ /\n./; }

sub becomes { my ($what, $code) = @_; return ok(poll($code), $what); }

verified();
$redis->command('CONFIG', 'SET', 'timeout', '1');
$node->append_conf('postgresql.conf', 'pg_chat.reconcile_interval = 3');
$node->reload;
becomes('closed while idle', \&unconnected);
my $errors = sql(q{SELECT errors FROM chat_internal.worker_jobs WHERE job = 'redis'});
my $idle_key = sql(q{SELECT format('application:%s:chat:%s:number', token, min(number)) FROM chat.applications JOIN chat.chats ON application_id = id WHERE id = 2 GROUP BY token});
sql('DELETE FROM chat.repaired_counts');
foreach my $lie (0, 99)
{
	becomes("closed again, before $lie", \&unconnected);
	$redis->command('SET', $idle_key, $lie);
	mirrored('idle');
	wait_until($node, 'postgres', "SELECT count(*) = 1 FROM chat.repaired_counts WHERE old_value = $lie", "idle: $lie is reported");
}
is(sql(q{SELECT errors FROM chat_internal.worker_jobs WHERE job = 'redis'}), $errors, 'idle: no error');
$redis->command('CONFIG', 'SET', 'timeout', '0');

# A number that is too high is reported even when Redis is a new one, and the chat changed shortly before or meanwhile.
sub change_idle { sql(q{SELECT chat.create_message(2, (SELECT min(number) FROM chat.chats WHERE application_id = 2), 'x')}); return; }

foreach my $case (
	[ 'after there was none', '', q{backlog IS NULL}, 88 ],
	[ 'after one that failed', "unix://$directory/none", q{last_error ~ 'No such file'}, 99999 ])
{
	my ($what, $url, $condition, $lie) = @$case;

	change_idle();
	mirrored($what);
	forget_errors();
	use_url($url);
	wait_until($node, 'postgres', "SELECT $condition FROM chat.worker_status WHERE job = 'redis'", "$what: it is gone");
	change_idle();
	$redis->command('SET', $idle_key, '77');
	$redis->kill9;
	$redis->start;
	$redis->command('SET', $idle_key, $lie);
	use_url("unix://$redis->{socket}");
	wait_until($node, 'postgres', "SELECT count(*) = 1 FROM chat.repaired_counts WHERE old_value = $lie", "$what: a value that leads is reported");
	mirrored("$what, again");
}
$node->append_conf('postgresql.conf', 'pg_chat.reconcile_interval = 1');

# A user that may not list the keys: those of retired tokens stay, all else is right.
sql(q{SELECT chat.create_chat(1) FROM generate_series(1, 2500)});
mirrored('2500 chats');
$redis->command('ACL', 'SETUSER', 'default', '-scan');
sql('SELECT chat.rotate_token(3)');
wait_until($node, 'postgres', q{SELECT last_error ~ 'list the keys of Redis: NOPERM' FROM chat_internal.worker_jobs WHERE job = 'redis'}, 'may not list: an error');
my $last_key = sql(q{SELECT format('application:%s:chat:%s:number', token, last_chat_number) FROM chat.applications JOIN chat.application_counters ON application_id = id WHERE id = 1});
$redis->command('DEL', $last_key);
becomes('may not list: the last key is repaired', sub { $redis->command('GET', $last_key) ne '' });
$redis->command('ACL', 'SETUSER', 'default', '+scan');
mirrored('may list again');

# A copy of the database leaves its original's keys alone, until it has tokens of its own.
sub copy_sql { my ($text) = @_; return sql('copy', $text); }

$node->safe_psql('template1', 'CREATE DATABASE copy TEMPLATE postgres');
$worker = wait_for_worker($node, 'postgres');
copy_sql('SELECT chat.start_worker()');
wait_until($node, 'copy', q{SELECT last_error ~ '^this database is a copy of "postgres", and .*\nHINT:  .*rotate_token' FROM chat.worker_status WHERE job = 'redis'}, 'a copy: an error');
copy_sql('SELECT chat.create_chat(1)');
my $original = expected_keys();
copy_sql('SELECT chat.rotate_token(id) FROM chat.applications');
is($redis->keys_and_values, $original, 'a copy: the keys are the original\'s');
copy_sql(q{UPDATE chat_internal.worker_jobs SET claimed = false WHERE job = 'redis'});
my $copied = expected_keys('copy');
becomes('a copy with tokens of its own: both are right', sub { $redis->keys_and_values eq join("\n", sort split(/\n/, $original), split(/\n/, $copied)) });
sql('SELECT chat.rotate_token(2)');
copy_sql('SELECT chat.rotate_token(2)');
wait_until($node, $_, 'SELECT NOT EXISTS (SELECT FROM chat_internal.redis_key_queue WHERE due)', "a copy: $_ rotates") foreach 'postgres', 'copy';
$node->safe_psql('postgres', 'DROP DATABASE copy');
$redis->command('FLUSHALL');
mirrored('without the copy');

# Names are looked up; one that is nobody's is an error.
use_url('redis://no.such.host.invalid');
wait_until($node, 'postgres', q{SELECT last_error ~ '^could not connect to Redis: ' FROM chat_internal.worker_jobs WHERE job = 'redis'}, 'no such host');
$redis->command('FLUSHALL');
use_url("redis://localhost:$redis->{port}");
mirrored('localhost');
same_worker('names');
$node->stop;
done_testing();
