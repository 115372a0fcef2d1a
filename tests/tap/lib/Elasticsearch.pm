# An Elasticsearch or OpenSearch server of the test's own: the real one (tests/elasticsearch), on a
# free port, with its data in a temporary directory. It ends with the test, however that ends.
#
# Which engine is the environment's CHAT_ENGINE, unless the test says; elasticsearch-7 without both.
package Elasticsearch;

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use HTTP::Tiny;
use IPC::Open3;
use JSON::PP;
use POSIX qw(WNOHANG);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# run.sh's status where Java or Maven is missing.
use constant SKIPPED => 77;

# Seconds: a start takes five, on a machine that does nothing else.
use constant DEADLINE => 90;

my $run = abs_path(dirname(__FILE__) . '/../../elasticsearch/run.sh');
my $json = JSON::PP->new->utf8->canonical;
my $started = 0;

# Servers that run: process id => the process that started it.
my %running;

# Whether there is the engine, which tests/run.sh has built: what it could not fetch, each test would try to fetch
# again. Says why not; CI must have it.
sub available
{
	my ($class, $engine) = @_;
	my $said = `$run @{[ _engine($engine) ]} check 2>&1`;
	my $status = $? >> 8;

	return 1 if $? == 0;
	die "no engine: $said" if $status != SKIPPED || $ENV{CI};
	diag("TESTS ARE SKIPPED that need a real Elasticsearch. $said");
	return 0;
}

# Start one and wait until it serves. Options: engine; settings (a hash, the engine's own); heap.
sub new
{
	my ($class, %options) = @_;
	my $self = bless {
		engine => _engine($options{engine}),
		settings => $options{settings} // {},
		heap => $options{heap} // '512m',
		directory => PostgreSQL::Test::Utils::tempdir('elasticsearch'),
		port => PostgreSQL::Test::Cluster::get_free_port(),
		log => "$PostgreSQL::Test::Utils::log_path/elasticsearch_" . ++$started . '.log',
		http => HTTP::Tiny->new(timeout => DEADLINE, http_proxy => undef)
	}, $class;

	$self->start;
	return $self;
}

sub _engine { my ($engine) = @_; return $engine // $ENV{CHAT_ENGINE} // 'elasticsearch-7'; }

sub url { my ($self) = @_; return "http://127.0.0.1:$self->{port}"; }
sub port { return $_[0]{port}; }
sub pid { return $_[0]{pid}; }

sub start
{
	my ($self) = @_;
	my @settings = map { "$_=$self->{settings}{$_}" } sort keys %{ $self->{settings} };
	local $ENV{HEAP} = $self->{heap};

	open(my $log, '>>', $self->{log}) or die "$self->{log}: $!";
	$self->{pid} = open3($self->{stdin}, '>&' . fileno($log), '>&' . fileno($log),
		$run, $self->{engine}, 'start', $self->{directory}, $self->{port}, @settings);
	$running{ $self->{pid} } = $$;

	return if _poll(sub { $self->_ended and die "$self->{engine} did not start:\n" . slurp_file($self->{log}); $self->_serves });
	die "$self->{engine} did not start in time:\n" . slurp_file($self->{log});
}

# Send a request; its status (599: no answer) and its body, decoded if it is JSON. The body sent is
# a string of bytes, for _bulk, or data to encode.
sub request
{
	my ($self, $method, $path, $body) = @_;
	my %options;

	if (defined $body)
	{
		$options{headers} = { 'content-type' => ref $body ? 'application/json' : 'application/x-ndjson' };
		$options{content} = ref $body ? $json->encode($body) : $body;
	}
	my $answer = $self->{http}->request($method, $self->url . $path, \%options);
	my $decoded = eval { $json->decode($answer->{content}) };
	return ($answer->{status}, $decoded // $answer->{content});
}

# Send a request that must succeed; what is answered.
sub ask
{
	my ($self, $method, $path, $body) = @_;
	my ($status, $answer) = $self->request($method, $path, $body);

	die "$method $path: $status " . join('', explain($answer)) if $status >= 300;
	return $answer;
}

# Make what was written visible to searches.
sub refresh
{
	my ($self, $index) = @_;
	my ($status) = $self->request('POST', "/$index/_refresh");

	die "refresh of $index: $status" unless $status == 200;
	return;
}

# Hang: accept connections and never answer. And go on.
sub pause { $_[0]->_signal('STOP'); return; }
sub resume { $_[0]->_signal('CONT'); return; }

# Stop it as its owner would.
sub stop
{
	my ($self) = @_;

	$self->_signal('TERM');
	$self->resume;
	_poll(sub { $self->_ended }) or die "$self->{engine} does not stop";
	return;
}

sub kill9
{
	my ($self) = @_;

	_kill9($self->{pid}) if $self->{pid};
	delete $self->{pid};
	return;
}

# Start it again, with the same data on the same port; stops it if it runs.
sub restart
{
	my ($self) = @_;

	$self->stop if $self->{pid};
	$self->start;
	return;
}

sub _signal
{
	my ($self, $signal) = @_;

	kill $signal, $self->{pid} // die "$self->{engine} does not run";
	return;
}

# Every index is there to be read and written.
sub _serves
{
	my ($self) = @_;
	my ($status, $health) = $self->request('GET', '/_cluster/health?wait_for_status=yellow&timeout=1s');

	return $status == 200 && !$health->{timed_out};
}

# Whether the server's process has ended; forgets it then.
sub _ended
{
	my ($self) = @_;

	return 0 unless waitpid($self->{pid}, WNOHANG);
	delete $running{ delete $self->{pid} };
	return 1;
}

# Poll until the code is true. Returns whether it became so.
sub _poll
{
	my ($code) = @_;
	my $end = time + DEADLINE;

	while (time < $end)
	{
		return 1 if $code->();
		select(undef, undef, undef, 0.1);
	}
	return 0;
}

# End a server that this process started.
sub _kill9
{
	my ($pid) = @_;

	return if ($running{$pid} // 0) != $$;
	kill 'KILL', $pid;
	waitpid($pid, 0);
	delete $running{$pid};
	return;
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $@);

	$self->kill9;
	return;
}

# Before the data directories go.
END
{
	local $?;
	_kill9($_) foreach keys %running;
}

1;
