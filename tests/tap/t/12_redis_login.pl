# How the worker logs in to Redis: with a password from a file or from the URL, to a database, over TLS.
# Errors say what is wrong, and nothing secret is shown.
use strict;
use warnings;

use ChatTest;
use ChatWorker;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RedisMirror;
use RedisServer;
use Test::More;

my $redis = RedisServer->new;
my $node = new_worker_cluster('main', conf => "pg_chat.redis_url = 'unix://$redis->{socket}'\n");
my $out = "$PostgreSQL::Test::Utils::tmp_check/out";
my $password_file = $node->data_dir . '/redis.password';

sub mirrored { my ($what, $server, $database) = @_; return is_mirrored($server // $redis, $what, $database); }
sub use_url { my ($url) = @_; return configure($node, 'pg_chat.redis_url', $url); }
sub error_shown { return shows_error('redis', @_); }

# Have it log in anew, at an address.
sub log_in
{
	my ($url, $file) = @_;

	forget_errors();
	$node->append_conf('postgresql.conf', sprintf "pg_chat.redis_password_file = '%s'", $file // 'redis.password');
	use_url($url);
	return;
}

# A password in a file, which may change without a restart.
sql(q{SELECT chat.create_application('shop')});
my $guarded = RedisServer->new(requirepass => 'hunter/2@');
write_secret('redis.password', "hunter/2@\nand a second line\n");
log_in("redis://127.0.0.1:$guarded->{port}/5");
mirrored('password and database', $guarded, 5);
# The rights of a user of Redis in OPERATION.md suffice.
$guarded->command(split ' ', example('redis-acl') =~ s/ pg_chat / us:er /r =~ s/>password/>hunter3/r);
unlink $password_file;
my $install = example('redis-password') =~ s/^sudo //r =~ s/-o postgres/-o $</r =~ s/\S+redis\.password$/$password_file/mr;
is(system("echo hunter3 | $install"), 0, 'the password is put into its file');
log_in("redis://us%3Aer\@127.0.0.1:$guarded->{port}/6", $password_file);
mirrored('a user, and the file\'s path is absolute', $guarded, 6);
write_secret('redis.password', "topsecret\r\n");
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
	write_secret('redis.password', $password);
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

	write_secret('redis.password', $content, $mode);
	log_in($url);
	error_shown($what, $error);
}
write_secret('redis.password', "hunter/2@\n");
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
forget_errors();
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

	new_certificate($file, $for);
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
