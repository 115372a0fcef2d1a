# The mirror in Redis: right within a second of a commit, right again after whatever happens to
# Redis, and a hindrance to nobody. Numbers are never taken from it.
use strict;
use warnings;

use ChatTest;
use ChatWorker;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RedisServer;
use Test::More;

my $redis = RedisServer->new;
my $node = new_worker_cluster('main', conf => "pg_chat.redis_url = 'unix://$redis->{socket}'\nmax_connections = 60\n");
my $out = "$PostgreSQL::Test::Utils::tmp_check/out";

sub sql { my ($text) = @_; return $node->safe_psql('postgres', $text); }

# What the keys should be, sorted, one a line.
sub expected_keys
{
	return join("\n", sort split /\n/, sql(q{
		SELECT format('application:%s:number=%s', token, last_chat_number) FROM chat.applications JOIN chat.application_counters ON application_id = id;
		SELECT format('application:%s:chat:%s:number=%s', token, number, last_message_number) FROM chat.applications JOIN chat.chats ON application_id = id}));
}

# Poll until the code is true. Returns whether it became so.
sub poll
{
	my ($code) = @_;

	foreach (1 .. 10 * 30)
	{
		return 1 if $code->();
		select(undef, undef, undef, 0.1);
	}
	return 0;
}

# The keys come to be as they should.
sub mirrored
{
	my ($what, $server, $database) = @_;

	$server //= $redis;
	ok(poll(sub { $server->keys_and_values($database) eq expected_keys() }), "$what: the keys are right")
	  or is($server->keys_and_values($database), expected_keys(), $what);
}

# Set pg_chat.redis_url.
sub use_url
{
	my ($url) = @_;

	$node->append_conf('postgresql.conf', "pg_chat.redis_url = '$url'");
	$node->reload;
}

fill($node, 'postgres');
wait_for_worker($node, 'postgres');
mirrored('at first');
is(repaired($node, 'postgres', q{counter <> 'redis'}), '', 'nothing was miscounted');

# Pushed, not found by comparing: within a second or so, with an hour between comparisons.
$node->append_conf('postgresql.conf', 'pg_chat.reconcile_interval = 3600');
$node->restart;
wait_for_worker($node, 'postgres');
mirrored('restarted');
wait_until($node, 'postgres', q{SELECT backlog = 0 FROM chat.worker_status WHERE job = 'redis'}, 'nothing is waiting');
sql('DELETE FROM chat.repaired_counts');
foreach my $change (
	[ 'create_message' => q{SELECT chat.create_message(1, 1, 'pushed')} ],
	[ 'create_messages' => q{SELECT chat.create_messages(ARRAY[1, 2, 3], '{2,2,2}', '{a,b,c}')} ],
	[ 'create_application' => q{SELECT chat.create_application('pushed')} ],
	[ 'create_chat' => 'SELECT chat.create_chat(2)' ],
	[ 'direct INSERT' => q{INSERT INTO chat.messages (application_id, chat_number, body) VALUES (2, 1, 'x'), (2, 3, 'x')} ],
	[ 'direct INSERT of a number' => q{INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (3, 4, 4444, 'x')} ],
	[ 'direct INSERT of a chat' => q{INSERT INTO chat.chats (application_id, number) VALUES (3, 33)} ],
	[ 'UPDATE of a number' => q{UPDATE chat.messages SET number = 900 WHERE (application_id, chat_number, number) = (3, 1, 5)} ],
	[ 'UPDATE of a chat\'s last number' => q{UPDATE chat.chats SET last_message_number = 5000 WHERE (application_id, number) = (3, 4)} ],
	[ 'UPDATE of a chat\'s number' => q{UPDATE chat.chats SET number = 34 WHERE (application_id, number) = (3, 33)} ],
	[ 'UPDATE of the last chat number' => q{UPDATE chat.application_counters SET last_chat_number = 5000 WHERE application_id = 2} ],
	[ 'deleted chat' => 'DELETE FROM chat.chats WHERE (application_id, number) = (2, 2)' ],
	[ 'deleted application' => 'DELETE FROM chat.applications WHERE id = 3' ])
{
	sql($change->[1]);
	within(10, sub { mirrored($change->[0]) }, $change->[0]);
}
sql(q{BEGIN; SELECT chat.create_message(1, 1, 'x'); SELECT chat.create_chat(1); ROLLBACK});
mirrored('rollback');
is(repaired($node, 'postgres'), '', 'all that was pushed, not repaired');
each_within(1, sub {
	my ($step) = @_;

	$step->("a number that rises is pushed", sub {
		my $number = sql(q{SELECT chat.create_message(1, 1, 'pushed')});
		my $key = sql(q{SELECT format('application:%s:chat:1:number', token) FROM chat.applications WHERE id = 1});

		ok(poll(sub { $redis->command('GET', $key) eq $number }), "number $number is there");
	});
});

# Ten thousand chats at once: shared memory has room for them, so that none is to be looked for.
my $burst = sql(q{SELECT id FROM chat.create_application('burst')});
my $log_position = length slurp_file($node->logfile);
sql("SELECT count(chat.create_chat($burst)) FROM generate_series(1, 10000)");
mirrored('a burst');
sql("SELECT count(*) FROM generate_series(1, 10000) AS n, chat.create_message($burst, n, 'burst')");
mirrored('a burst of messages');
unlike(slurp_file($node->logfile, $log_position), qr/keys that Redis did not have/, 'all that was pushed, none found by comparing');
sql("DELETE FROM chat.applications WHERE id = $burst");
mirrored('after the burst');
sql('SELECT chat.rotate_token(1)');
within(10, sub { mirrored('rotate_token') }, 'rotate_token');

# A lying Redis: nothing is taken from it, and each wrong value is repaired and reported.
$node->append_conf('postgresql.conf', 'pg_chat.reconcile_interval = 1');
my ($token) = sql('SELECT token FROM chat.applications WHERE id = 1');
my $key = "application:$token:chat:1:number";
foreach my $lie ([ 'too high', 'SET', $key, '100000' ], [ 'too low', 'SET', $key, '3' ], [ 'not a number', 'SET', $key, 'x1' ],
	[ 'beyond integers', 'SET', $key, '99999999999999999999' ], [ 'missing', 'DEL', $key ], [ 'a list', 'RPUSH', "application:$token:number", 'x' ],
	[ 'empty', 'SET', $key, '' ], [ 'a zero first', 'SET', $key, '030' ], [ 'a space first', 'SET', $key, ' 30' ],
	[ 'larger than all that is read', 'SETRANGE', $key, '100000000', 'x' ],
	[ 'larger than all that is read, of an application', 'SETRANGE', "application:$token:number", '100000000', 'x' ])
{
	my ($what, @command) = @$lie;

	sql('DELETE FROM chat.repaired_counts');
	$redis->command('DEL', $command[1]);
	$redis->command(@command);
	is(sql(q{SELECT chat.create_message(1, 2, 'x') + 1 = chat.create_message(1, 2, 'x')}), 't', "$what: numbers go on");
	$node->reload;
	mirrored($what);
	wait_until($node, 'postgres', q{SELECT count(*) > 0 FROM chat.repaired_counts WHERE counter = 'redis'}, "$what: reported");
}
is(sql('SELECT chat.create_message(1, 1, $$after all$$) = last_message_number FROM chat.chats WHERE (application_id, number) = (1, 1)'), 'f', 'the number is PostgreSQL\'s');
like(slurp_file($node->logfile), qr/pg_chat repaired the Redis key of chat 1 of application 1: it was 100000, and is 2\d/, 'logged');

# Faults, each while 16 writers are at work: it begins, the writers have gone on, it ends.
sql(q{SELECT chat.create_application('load'); SELECT chat.create_chat(id) FROM chat.applications, generate_series(1, 50) WHERE name = 'load'});
my $load = sql(q{SELECT id FROM chat.applications WHERE name = 'load'});
append_to_file("$out.load", "\\set c random(1, 50)\nSELECT chat.create_message($load, :c, 'load');\n");
my ($report, $complaints) = ('', '');
my $writers = IPC::Run::start(
	[ 'pgbench', '-n', '-c', '16', '-j', '2', '-T', '600', '--rate', '800', '-f', "$out.load", $node->connstr('postgres') ],
	'<', \undef, '>', \$report, '2>', \$complaints);

sub written { return sql("SELECT sum(last_message_number) FROM chat.chats WHERE application_id = $load"); }

# That the writers go on: that many messages more, in far less than a wait for Redis would take.
sub goes_on
{
	my ($what) = @_;
	my $before = written();

	within(10, sub { wait_until($node, 'postgres', "SELECT sum(last_message_number) > $before + 500 FROM chat.chats WHERE application_id = $load", "$what: written") },
		"$what: the writers go on");
}

sub error_shown
{
	my ($what, $error) = @_;

	wait_until($node, 'postgres', "SELECT last_error ~ '$error' AND last_error_at > now() - interval '1 hour' FROM chat.worker_status WHERE job = 'redis'",
		"$what: worker_status shows it") or diag(sql('SELECT last_error FROM chat_internal.worker_jobs'));
}

# The keys of what nobody writes to are right again, while the writers go on.
sub recovers
{
	my ($what) = @_;
	my $quiet = join("\n", grep { /:$token:/ } split /\n/, expected_keys());

	ok(poll(sub { join("\n", grep { /:$token:/ } split /\n/, $redis->keys_and_values) eq $quiet }), "$what: the keys of others are right again");
	goes_on("after $what");
}

sub clear_error { sql(q{UPDATE chat_internal.worker_jobs SET last_error = NULL WHERE job = 'redis'}); return; }

sub fault
{
	my ($what, $begin, $error, $end) = @_;

	clear_error();
	$begin->();
	goes_on($what);
	error_shown($what, $error) if $error;
	sql('SELECT chat.create_message(1, 1, $$meanwhile$$); SELECT chat.create_chat(1)');
	$end->();
	recovers($what);
}

goes_on('all well');
fault('hung', sub { $redis->hang }, 'no answer from Redis', sub { $redis->go_on });
fault('flushed', sub { $redis->command('FLUSHALL') }, undef, sub { });
fault('out of memory', sub { $redis->command('CONFIG', 'SET', 'maxmemory', '1') }, 'OOM', sub { $redis->command('CONFIG', 'SET', 'maxmemory', '0') });
my $master = RedisServer->new;
fault('read-only', sub { $redis->command('REPLICAOF', '127.0.0.1', $master->{port}) }, 'READONLY|LOADING|MASTERDOWN', sub { $redis->command('REPLICAOF', 'NO', 'ONE') });
fault('dead', sub { $redis->kill9 }, 'connect|write|read', sub { $redis->start });

# Gone while Redis was not there: the keys go when it is back.
$redis->hang;
my $second = sql(q{SELECT id FROM chat.create_application('second')});
sql("SELECT chat.create_chat($second) FROM generate_series(1, 3)");
sql('DELETE FROM chat.chats WHERE (application_id, number) IN ((1, 1), (1, 3)); SELECT chat.rotate_token(2)');
clear_error();
error_shown('hung again', 'no answer from Redis');
sql("DELETE FROM chat.applications WHERE id = $second");
$redis->go_on;

$writers->signal('TERM');
$writers->finish;
unlike($complaints, qr/ERROR|FATAL|aborted/, 'no writer met an error');
mirrored('in the end');
wait_until($node, 'postgres', 'SELECT NOT EXISTS (' . wrong_counts() . ')', 'in the end: counts are right');
is(sql("SELECT count(*) FROM chat.chats AS c WHERE application_id = $load AND (SELECT (count(*), max(number)) FROM chat.messages AS m
	WHERE (m.application_id, m.chat_number) = (c.application_id, c.number)) IS DISTINCT FROM (last_message_number::bigint, last_message_number)"), '0', 'in the end: numbers have no gap');
is(sql('SELECT count(*) FROM chat_internal.redis_key_queue WHERE due'), '0', 'in the end: no key is to be deleted');
sql('TRUNCATE chat.chats CASCADE');
mirrored('TRUNCATE');
sql('TRUNCATE chat.applications CASCADE');
mirrored('TRUNCATE of applications');

# Passwords stand in a file, which may change without a restart. With a password and a database, over TCP; one that is
# wrong shows nothing secret.
my $password_file = $node->data_dir . '/redis.password';

sub write_password
{
	my ($content, $mode) = @_;

	unlink $password_file;
	append_to_file($password_file, $content);
	chmod $mode // 0600, $password_file;
	return;
}

# Have it log in anew, at an address.
sub log_in
{
	my ($url, $file) = @_;

	clear_error();
	$node->append_conf('postgresql.conf', sprintf "pg_chat.redis_password_file = '%s'", $file // 'redis.password');
	use_url($url);
}

sql(q{SELECT chat.create_application('shop')});
my $guarded = RedisServer->new(requirepass => 'hunter/2@');
write_password("hunter/2@\nand a second line\n");
log_in("redis://127.0.0.1:$guarded->{port}/5");
mirrored('password and database', $guarded, 5);
$guarded->command('ACL', 'SETUSER', 'us:er', 'on', '>hunter3', '~application:*', '+getrange', '+mset', '+del', '+scan', '+select', '+info');
write_password('hunter3');
log_in("redis://us%3Aer\@127.0.0.1:$guarded->{port}/6", $password_file);
mirrored('a user, and the file\'s path is absolute', $guarded, 6);
write_password("topsecret\r\n");
log_in("redis://127.0.0.1:$guarded->{port}/5");
error_shown('wrong password', 'could not log in to Redis: (WRONGPASS|ERR): the');
log_in("redis://127.0.0.1:$guarded->{port}", '');
error_shown('no password', 'NOAUTH');
log_in("redis://user\@localhost:$guarded->{port}/99");
error_shown('no such user', 'could not log in to Redis');
log_in("redis://user\@localhost:$guarded->{port}", '');
error_shown('a user without a password', 'names a user, and there is no password');
my $other = RedisServer->new('rename-command' => [ 'AUTH', 'LOGIN' ]);
foreach my $password ('topsecret', 'topsecret' x 40)
{
	write_password($password);
	log_in("redis://127.0.0.1:$other->{port}");
	error_shown('a server that quotes the password', 'could not log in to Redis: ERR: the password is wrong, or it');
}
log_in("unix:///nowhere/redis");
error_shown('no socket', 'could not connect to Redis: No such file or directory');

# Files that hold no password, or not for the server alone; each is read when it logs in.
my $url = "redis://127.0.0.1:$guarded->{port}/5";
log_in($url, 'missing');
error_shown('no file', 'could not open the file "missing" of pg_chat.redis_password_file: No such file');
log_in($url, 'base');
error_shown('a directory', 'the file "base" of pg_chat.redis_password_file is not a regular file');
foreach my $case (
	[ 'readable by the group' => "topsecret\n", 0640, 'can be accessed by others' ],
	[ 'writable by others' => "topsecret\n", 0602, 'can be accessed by others' ],
	[ 'an empty file' => '', 0600, 'has no secret on its first line' ],
	[ 'an empty first line' => "\ntopsecret\n", 0600, 'has no secret on its first line' ],
	[ 'a zero byte' => "topsecret\0\n", 0600, 'has no secret on its first line' ],
	[ 'a line without end' => 'topsecret' x 1000, 0600, 'has no secret on its first line' ])
{
	my ($what, $content, $mode, $error) = @$case;

	write_password($content, $mode);
	log_in($url);
	error_shown($what, $error);
}
write_password("hunter/2@\n");
$guarded->command('-n', '5', 'FLUSHDB');
mirrored('the file is repaired', $guarded, 5);

unlike(slurp_file($node->logfile), qr/topsecret|hunter/, 'no password in the log');

# URLs that are refused, and not shown.
my $log_before = length slurp_file($node->logfile);
my ($status, $stdout, $stderr);
foreach my $case (
	[ 'topsecret', 'must begin with' ], [ 'http://topsecret@host', 'must begin with' ], [ 'rediss', 'must begin with' ],
	[ 'redis://', 'host is missing' ], [ 'redis://topsecret@', 'host is missing' ], [ 'redis://@topsecret', 'stands a user' ],
	[ 'redis://topsecret%zz@host', 'percent-encoded' ], [ 'redis://topsecret%00@host', 'percent-encoded' ],
	[ 'redis://host:topsecret', 'port' ], [ 'redis://host:70000', 'port' ], [ 'redis://host/topsecret', 'database' ],
	[ 'unix://relative/topsecret', 'absolute' ], [ 'unix:///path?topsecret', 'db=number' ],
	[ 'redis://topsecret:@host', 'stands a user' ], [ 'redis://:@topsecret', 'stands a user' ], [ 'redis://user:topsecret%@host', 'percent-encoded' ])
{
	my ($bad, $why) = @$case;
	($status, $stdout, $stderr) = $node->psql('postgres', "ALTER SYSTEM SET pg_chat.redis_url = '$bad'");

	like($stderr, qr/^(.*:)?\s*ERROR:\s+invalid value for parameter "pg_chat.redis_url"\nDETAIL:  .*$why/m, "refused: $bad");
	unlike($stderr =~ s/^STATEMENT.*//mr, qr/topsecret/, 'and not shown');
}

# A password in the URL is taken at the start. A reload, which PostgreSQL would log, does not set one;
# what is there stays.
sub refused
{
	my ($what) = @_;

	ok(poll(sub { slurp_file($node->logfile, $log_before) =~ /invalid value for parameter "pg_chat.redis_url"\n.*DETAIL:  PostgreSQL would show the password that it has\.\n.*HINT:  Restart the server; or/ }), "$what: refused, and logged");
	$log_before = length slurp_file($node->logfile);
	return;
}

my $open_url = "redis://127.0.0.1:$redis->{port}";
log_in($open_url, '');
mirrored('without a password');
$log_before = length slurp_file($node->logfile);
use_url("redis://:hunter%2F2%40\@127.0.0.1:$guarded->{port}/7");
refused('a reload');
sql('SELECT chat.create_application($$meanwhile$$)');
mirrored('as before');
$node->append_conf('postgresql.conf', 'log_min_messages = debug2');
$node->restart;
mirrored('a password in the URL', $guarded, 7);
is(sql(q{SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET enable_indexonlyscan = off; SET enable_indexscan = off;
	SELECT count(*) > 0 FROM chat.applications}), 't', 'parallel workers know it');
$log_before = length slurp_file($node->logfile);
$node->append_conf('postgresql.conf', "pg_chat.redis_url = 'unix://us%3Aer:hunter3\@$guarded->{socket}?db=8'");
$node->reload;
refused('another password');
sql('SELECT chat.create_application($$meanwhile again$$)');
mirrored('as before', $guarded, 7);
($status, $stdout, $stderr) = $node->psql('postgres', "ALTER SYSTEM SET pg_chat.redis_url = 'unix://us%3Aer:hunter3\@$guarded->{socket}?db=8'");
is($status, 0, 'ALTER SYSTEM takes it');
$node->append_conf('postgresql.conf', 'log_min_messages = warning');
$node->restart;
mirrored('a user and a password in the URL', $guarded, 8);
$node->append_conf('postgresql.conf', 'pg_chat.reconcile_interval = 2');
$node->reload;
wait_until($node, 'postgres', q{SELECT current_setting('pg_chat.reconcile_interval') = '2s'}, 'a reload that leaves it');
mirrored('still there', $guarded, 8);
clear_error();
$node->append_conf('postgresql.conf', "pg_chat.redis_password_file = 'redis.password'");
$node->reload;
error_shown('a password in the URL, and in a file', 'in pg_chat.redis_url and another in the file');
is(sql(q{SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND pg_stat_activity::text ~ 'topsecret|hunter'}), '0', 'nor in pg_stat_activity');
sql('ALTER SYSTEM RESET pg_chat.redis_url');
log_in($open_url, '');
mirrored('without a password again');
# But for the statements above, which the tests' clusters log.
unlike(slurp_file($node->logfile) =~ s/(STATEMENT: |statement: ).*//gr, qr/topsecret|hunter/, 'nor that of a refused URL');
is(sql(q{SELECT count(*) FROM chat.worker_status WHERE last_error ~ 'topsecret|hunter'}), '0', 'nor in worker_status');
sql('CREATE ROLE reader; GRANT chat_api TO reader');
foreach my $role ('reader', 'chat_api')
{
	foreach my $setting ('pg_chat.redis_url', 'pg_chat.redis_password_file')
	{
		($status, $stdout, $stderr) = $node->psql('postgres', "SET ROLE $role; SHOW $setting");
		like($stderr, qr/must be superuser|permission denied/, "$role cannot read $setting");
		is(sql("SET ROLE $role; SELECT count(*) FROM pg_settings WHERE name = '$setting'"), '0', "$role does not see it");
	}
}

# TLS: the server must prove, by an authority that is known, that it is who the URL names.
my ($authorities, $certificates) = ("$out.authorities", 0);

# One whose certificate, an authority of its own, is for a name or an address.
sub tls_server
{
	my ($for) = @_;
	my $file = "$out.tls" . ++$certificates;

	run_log([ 'openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=redis',
		'-addext', "subjectAltName=$for", '-keyout', "$file.key", '-out', "$file.crt" ]) or die 'no certificate';
	append_to_file($authorities, slurp_file("$file.crt"));
	my $server = RedisServer->new('tls-port' => PostgreSQL::Test::Cluster::get_free_port(),
		'tls-cert-file' => "$file.crt", 'tls-key-file' => "$file.key", 'tls-auth-clients' => 'no');
	return ($server, $server->{options}{'tls-port'});
}

SKIP:
{
	($status, $stdout, $stderr) = $node->psql('postgres', q{ALTER SYSTEM SET pg_chat.redis_url = 'rediss://host'});
	if ($status != 0)
	{
		like($stderr, qr/rediss:\/\/ needs a hiredis with TLS/, 'rediss:// says what is missing');
		skip 'hiredis has no TLS here', 1;
	}
	sql('ALTER SYSTEM RESET pg_chat.redis_url');

	my ($named, $named_port) = tls_server('DNS:localhost');
	my ($numbered, $numbered_port) = tls_server('IP:127.0.0.1');
	log_in("rediss://localhost:$named_port", '');
	error_shown('an unknown authority', 'could not speak TLS to Redis: self.signed certificate');
	local $ENV{SSL_CERT_FILE} = $authorities;
	$node->restart;
	mirrored('TLS to a name', $named);
	log_in("rediss://127.0.0.1:$numbered_port/3", '');
	mirrored('TLS to an address', $numbered, 3);
	log_in("rediss://localhost:$numbered_port", '');
	error_shown('a certificate for another name', 'could not speak TLS to Redis: hostname mismatch');
	log_in("rediss://127.0.0.1:$named_port", '');
	error_shown('a certificate for another address', 'could not speak TLS to Redis: IP address mismatch');
	$named->hang;
	log_in("rediss://localhost:$named_port/4", '');
	error_shown('a handshake that hangs', 'no answer from Redis: it took longer than 1 s');
	$named->go_on;
	mirrored('a handshake that hung', $named, 4);
}

# Off again: nothing is waited for.
use_url('');
wait_until($node, 'postgres', q{SELECT bool_and(backlog IS NULL) FROM chat.worker_status WHERE job = 'redis'}, 'off: no backlog');
is(sql(q{SELECT chat.create_chat(id) FROM chat.applications WHERE name = 'shop'}), '1', 'off: writing goes on');

# Not preloaded, where everybody could read it, a password is not taken.
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\npg_chat.redis_url = 'redis://:topsecret\@host'");
$node->restart;
$log_before = length slurp_file($node->logfile);
($status, $stdout, $stderr) = $node->psql('postgres', q{LOAD 'pg_chat'; SHOW pg_chat.redis_url});
is($stdout, '', 'not preloaded: no password is taken');
like($stderr, qr/WARNING:  invalid value for parameter "pg_chat.redis_url"\nDETAIL:  .*\nHINT:  Put pg_chat into shared_preload_libraries/, 'and how it is');
unlike(slurp_file($node->logfile, $log_before), qr/topsecret/, 'nor shown');
$node->stop;
done_testing();
