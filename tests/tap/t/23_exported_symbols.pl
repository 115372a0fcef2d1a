# Symbols of the library: it exports only those that PostgreSQL looks up by name, and calls its own functions,
# even if a library that is loaded before it defines the same names.
use strict;
use warnings;

use ChatTest;
use ChatWorker;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RedisServer;
use Test::More;

# A setting of the build, as pg_config says it.
sub pg_config
{
	my ($name) = @_;
	chomp(my $value = `"$ENV{PG_CONFIG}" --$name`);

	return $value;
}

# The names of a library's symbols of some types, as nm says them.
sub symbols
{
	my ($types, @command) = @_;
	my ($out, $err) = run_command(\@command);

	return map { /^\S+ [$types] (\w+)$/ ? $1 : () } split /\n/, $out;
}

my $library = pg_config('pkglibdir') . '/pg_chat.so';
my @scripts = glob(pg_config('sharedir') . '/extension/pg_chat--*.sql');
my %named = map { $_ => 1 } map { slurp_file($_) =~ /'MODULE_PATHNAME', *'(\w+)'/g } @scripts;

cmp_ok(scalar keys %named, '>', 40, 'the scripts name functions');
is(join("\n", sort(symbols('A-Z', 'nm', '-D', '--defined-only', $library))),
	join("\n", sort('_PG_init', 'Pg_magic_func', (map { ($_, "pg_finfo_$_") } keys %named),
			qw(pg_chat_build_main pg_chat_launcher_main pg_chat_worker_main))),
	'the library exports what PostgreSQL looks up, and nothing else');

# A library that defines all functions that pg_chat has for itself, as far as its symbols tell, and
# those below in any case. Each ends the server.
my $directory = $PostgreSQL::Test::Utils::tmp_check;
my %own = map { $_ => 1 } qw(json_string json_integer redis_connect http_begin wait_for text_fold spi_plan_read),
  symbols('t', 'nm', $library);
delete @own{ grep { /^_|^(de)?register_tm_clones$|^frame_dummy$/ } keys %own };
append_to_file("$directory/namesakes.c", join('',
		"#include \"postgres.h\"\n#include \"fmgr.h\"\nPG_MODULE_MAGIC;\n",
		map { "extern PGDLLEXPORT void namesake_$_(void) __asm__(\"$_\");\nvoid namesake_$_(void) { abort(); }\n" } sort keys %own));
command_ok([ 'cc', '-shared', '-fPIC', '-I', pg_config('includedir-server'), '-o', "$directory/namesakes.so", "$directory/namesakes.c" ],
	'a library of ' . keys(%own) . ' namesakes');

my $redis = RedisServer->new;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', qq{
shared_preload_libraries = '$directory/namesakes,pg_chat'
pg_chat.reconcile_interval = 1
pg_chat.redis_url = 'unix://$redis->{socket}'
pg_chat.elasticsearch_url = 'http://127.0.0.1:$redis->{port}'
restart_after_crash = off
});
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_chat');
fill($node, 'postgres');
is($node->safe_psql('postgres', q{SELECT count(*) FROM chat.search_application(1, 'MESSAGE 7')}), 4, 'searches find');
$node->safe_psql('postgres', q{
	INSERT INTO chat.messages (application_id, chat_number, body) SELECT 1, 1, 'direct' FROM generate_series(1, 3);
	DELETE FROM chat.messages WHERE (application_id, chat_number) = (1, 2) AND number < 5});
wait_until($node, 'postgres', 'SELECT NOT EXISTS (' . wrong_counts() . ')', 'the worker counts');
wait_until($node, 'postgres', q{SELECT runs > 0 AND last_error IS NULL FROM chat.worker_status WHERE job = 'redis'}, 'it mirrors');
is($redis->command('GET', $node->safe_psql('postgres', q{SELECT format('application:%s:chat:1:number', token) FROM chat.applications WHERE id = 1})),
	23, 'to Redis');
wait_until($node, 'postgres', q{SELECT last_error IS NOT NULL FROM chat.worker_status WHERE job = 'search'}, 'it asks what is no Elasticsearch');
$node->stop;
done_testing();
