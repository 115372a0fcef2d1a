# Logging in to Elasticsearch: the credentials that are sent, also when a secret changes; a server that
# refuses them; TLS, in which the server has to prove that it is the one that the URL names. No secret shows.
use strict;
use warnings;

use ChatSearch;
use ChatTest;
use ChatWorker;
use Elasticsearch;
use File::Basename qw(dirname);
use IPC::Open2;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SearchFaults;
use Test::More;

plan skip_all => 'no Java or Maven' unless Elasticsearch->available;

my ($node, $elasticsearch, $faulty) = new_faulty_search();
fill_faulty_search();

my @secrets = ('first-Secret', 'second-Secret', 'a2V5OnNlY3JldA==');

# Check the header that logs in; a request before it may have been under way.
sub logs_in
{
	my ($what, $login) = @_;

	$faulty->mode('pass');
	write_some();
	in_sync($node, 'postgres', $elasticsearch, $what);
	asks_elasticsearch($node, 'postgres', 1, $what);
	return is(($faulty->logins)[-1] // '', $login, "$what: the header");
}

sub basic { my ($secret) = @_; return 'Basic ' . encode_base64("elastic:$secret", ''); }

logs_in('nobody', '');
write_secret('password', "$secrets[0]\n");
$node->append_conf('postgresql.conf', "pg_chat.elasticsearch_user = 'elastic'");
configure($node, 'pg_chat.elasticsearch_password_file', 'password');
foreach my $fault ([ 'unauthorized', '401: security_exception: unable to authenticate' ], [ 'forbidden', '403: security_exception: action is unauthorized' ])
{
	my ($mode, $error) = @$fault;

	forget_errors();
	$faulty->mode($mode);
	write_some();
	my $state = indexed_state();
	reported($mode, "Elasticsearch answered $error");
	is(indexed_state(), $state, "$mode: nothing counts as indexed");
	like(searches_right($mode, 8), qr/pg_chat searches without Elasticsearch\s+DETAIL:  Elasticsearch answered $error/, "$mode: searches go without");
	is(join(', ', $faulty->logins), basic($secrets[0]), "$mode: the header");
	$faulty->mode('pass');
	over($mode);
}
write_secret('password', "$secrets[1]\n");
logs_in('another password', basic($secrets[1]));
write_secret('key', "$secrets[2]\n");
$node->append_conf('postgresql.conf', "pg_chat.elasticsearch_user = ''\npg_chat.elasticsearch_password_file = ''");
configure($node, 'pg_chat.elasticsearch_api_key_file', 'key');
logs_in('a key', "ApiKey $secrets[2]");

# TLS: the server must prove, by an authority that is known, that it is who the URL names.
my $directory = PostgreSQL::Test::Utils::tempdir('tls');
chmod 0755, $directory;
foreach my $name ('right', 'wrong')
{
	new_certificate("$directory/$name", 'DNS:localhost');
}
open2(my $tls_port, my $tls_life, dirname(__FILE__) . '/../lib/tls_proxy.py', "$directory/right.crt", "$directory/right.key", $faulty->port);
chomp(my $port = <$tls_port> // die 'no TLS');

foreach my $fault (
	[ 'an unknown authority', "https://localhost:$port", '', 'self.signed certificate' ],
	[ 'a wrong authority', "https://localhost:$port", "$directory/wrong.crt", 'self.signed certificate|unable to get local issuer' ],
	[ 'a name that it is not', "https://127.0.0.1:$port", "$directory/right.crt", 'SSL: .*(does not match|127.0.0.1)' ],
	[ 'no file of authorities', "https://localhost:$port", "$directory/none.crt", 'error (setting|adding|loading).*none.crt|none.crt' ])
{
	my ($what, $url, $authorities, $error) = @$fault;

	forget_errors();
	$node->append_conf('postgresql.conf', "pg_chat.elasticsearch_url = '$url'");
	configure($node, 'pg_chat.elasticsearch_ca_file', $authorities);
	reported($what, "Elasticsearch: .*($error)");

	# Earlier requests have arrived; later ones go to where the URL leads now.
	$faulty->mode('pass');
	forget_errors();
	write_some();
	$node->reload;
	reported($what, "Elasticsearch: .*($error)");
	searches_right($what, 8);
	is(join("\n", $faulty->requests), '', "$what: nothing is sent");
}
configure($node, 'pg_chat.elasticsearch_ca_file', "$directory/right.crt");
logs_in('TLS', "ApiKey $secrets[2]");

my $log = slurp_file($node->logfile);
foreach my $secret (@secrets, map { encode_base64("elastic:$_", '') } @secrets)
{
	ok(index($log, $secret) < 0, 'a secret is not in the log');
	is(sql("SELECT count(*) FROM chat_internal.worker_jobs WHERE strpos(last_error, '$secret') > 0") , '0', 'nor in worker_status');
}
close $tls_life;
$node->stop;
$elasticsearch->stop;
done_testing();
