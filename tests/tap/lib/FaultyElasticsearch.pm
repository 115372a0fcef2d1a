# A stand-in for Elasticsearch that does what a real one cannot be made to do on demand. It serves on
# a port of its own, and ends with the test.
#
#	my $faulty = FaultyElasticsearch->new;				# alone
#	my $faulty = FaultyElasticsearch->new($elasticsearch->url);	# in front of a real one
#	my $faulty = FaultyElasticsearch->new($elasticsearch->url, redirect_to => $other->url);
#	$faulty->url;						# what to set pg_chat.elasticsearch_url to
#	$faulty->mode('hang');				# what it does from the next request on
#	$faulty->mode('drop_items', qr{/_bulk});	# to requests like this; the others pass
#	$faulty->free;						# the fault ends, also for who waits for an answer
#	$faulty->requests;					# "METHOD path" of each since then, in order
#	$faulty->logins;					# the Authorization headers since then, each once, in order
#
# A request that passes gets the real one's answer; alone, the canned one of a _bulk without items. In mode
# "refuse" there is no server, and connections are refused, whatever the request. FaultyAnswers.pm has the other
# modes. What is random in them depends on the option seed, the connection, and the request in it.
package FaultyElasticsearch;

use strict;
use warnings;

use FaultyAnswers;
use HTTP::Tiny;
use IO::Socket::INET;
use POSIX qw(_exit);
use PostgreSQL::Test::Utils;
use Socket qw(IPPROTO_TCP TCP_NODELAY);

# The answer of one that stands alone.
use constant CANNED => '{"took":1,"errors":false,"items":[]}';

# Servers that run: process id => the process that started it.
my %running;

sub new
{
	my ($class, $behind, %options) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir('faulty_elasticsearch');
	my $self = bless {
		behind => $behind,
		redirect_to => $options{redirect_to} // '',
		seed => $options{seed} // 0,
		mode_file => "$directory/mode",
		log => "$directory/requests",
		port => 0
	}, $class;

	$self->mode('pass');
	return $self;
}

sub url { my ($self) = @_; return "http://127.0.0.1:$self->{port}"; }
sub port { return $_[0]{port}; }

# Set the mode, for requests whose path matches; for all without a pattern. Connections stay, but for
# those of a server that goes away.
sub mode
{
	my ($self, $mode, $pattern) = @_;

	die "no mode \"$mode\"" unless is_mode($mode) || $mode eq 'refuse';
	unlink $self->{log};
	$self->_stop, return if $mode eq 'refuse';
	$pattern //= '';
	open(my $file, '>', "$self->{mode_file}.new") or die "$self->{mode_file}.new: $!";
	print $file "$mode\n$pattern";
	close $file;
	rename("$self->{mode_file}.new", $self->{mode_file}) or die "$self->{mode_file}: $!";
	$self->_start unless $self->{pid};
	return;
}

# End the fault: connections are closed, and requests pass.
sub free
{
	my ($self) = @_;

	$self->mode('refuse');
	$self->mode('pass');
	return;
}

# The requests since the mode was set.
sub requests
{
	my ($self) = @_;

	return () unless -e $self->{log};
	return map { /^(\S+ \S+)/ } split /\n/, slurp_file($self->{log});
}

sub logins
{
	my ($self) = @_;
	my %seen;

	return () unless -e $self->{log};
	return grep { !$seen{$_}++ } map { /^\S+ \S+ (.+)/ } split /\n/, slurp_file($self->{log});
}

sub _start
{
	my ($self) = @_;
	my $listener = IO::Socket::INET->new(
		LocalAddr => '127.0.0.1', LocalPort => $self->{port}, Listen => 128, ReuseAddr => 1)
	  or die "no port for the server: $@";
	pipe(my $life, my $test) or die "pipe: $!";

	$self->{port} = $listener->sockport;
	$self->{pid} = fork // die "fork: $!";
	if ($self->{pid} == 0)
	{
		setpgrp;
		close $test;
		local $@;
		eval { $self->_serve($listener, $life); };
		_exit(0);
	}
	setpgrp($self->{pid}, $self->{pid});
	$self->{life} = $test;
	$running{ $self->{pid} } = $$;
	return;
}

# End the server and its connections.
sub _stop
{
	my ($self) = @_;

	_kill9(delete $self->{pid}) if $self->{pid};
	return;
}

# As the server: accept connections, each for a process of its own, as long as the test lives.
sub _serve
{
	my ($self, $listener, $life) = @_;

	my $connections = 0;

	local $SIG{CHLD} = 'IGNORE';
	local $SIG{PIPE} = 'IGNORE';
	for (;;)
	{
		my $ready = '';
		vec($ready, fileno $_, 1) = 1 foreach $listener, $life;
		next if select($ready, undef, undef, undef) < 1;
		return if vec($ready, fileno $life, 1);
		my $client = $listener->accept or next;
		$connections++;
		if ((fork // die "fork: $!") == 0)
		{
			close $listener;
			srand($self->{seed} + $connections);
			setsockopt($client, IPPROTO_TCP, TCP_NODELAY, 1);
			eval { $self->_converse($client); };
			_exit(0);
		}
		close $client;
	}
}

# Answer the requests of a connection, until the client leaves, whatever became of them.
sub _converse
{
	my ($self, $client) = @_;
	my $read = '';
	my $http = HTTP::Tiny->new(http_proxy => undef, max_redirect => 0);

	while ($client->opened && (my $request = _read_request($client, \$read)))
	{
		my ($mode, $pattern) = split /\n/, slurp_file($self->{mode_file}), 2;

		open(my $log, '>>', $self->{log}) or die "$self->{log}: $!";
		syswrite($log, join(' ', grep { defined } $request->{method}, $request->{path}, $request->{headers}{authorization}) . "\n");
		close $log;
		$mode = 'pass' if $request->{path} !~ /$pattern/ || $request->{path} eq '/redirected';
		answer_by_mode($mode, $client, is_deaf($mode) ? undef : $self->_answer($http, $request), $self->{redirect_to}, $request);
	}
	return;
}

# The answer of the real one.
sub _answer
{
	my ($self, $http, $request) = @_;
	my %headers = map { defined $request->{headers}{$_} ? ($_ => $request->{headers}{$_}) : () } 'content-type', 'authorization';

	return { status => 200, content => CANNED } unless $self->{behind};
	my $answer = $http->request($request->{method}, $self->{behind} . $request->{path},
		{ headers => \%headers, content => $request->{body} });
	return { status => $answer->{status} == 599 ? 502 : $answer->{status}, content => $answer->{content} // '',
		without_body => $request->{method} eq 'HEAD' };
}

# The next request; undef if the client left. Keeps in $$read what was read of those that follow.
sub _read_request
{
	my ($client, $read) = @_;

	while ($$read !~ /\r\n\r\n/)
	{
		return unless sysread($client, $$read, 65536, length $$read);
	}
	my ($head, $rest) = split /\r\n\r\n/, $$read, 2;
	my ($first, @lines) = split /\r\n/, $head;
	my ($method, $path) = split / /, $first;
	my %headers = map { my ($name, $value) = split /:\s*/, $_, 2; (lc $name => $value) } @lines;
	my $length = $headers{'content-length'} // 0;

	while (length $rest < $length)
	{
		return unless sysread($client, $rest, 1 << 20, length $rest);
	}
	$$read = substr($rest, $length);
	return { method => $method, path => $path, headers => \%headers, body => substr($rest, 0, $length) };
}

# End a server that this process started.
sub _kill9
{
	my ($pid) = @_;

	return if ($running{$pid} // 0) != $$;
	kill 'KILL', -$pid;
	waitpid($pid, 0);
	delete $running{$pid};
	return;
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $@);

	$self->_stop;
	return;
}

# Before the data directories go.
END
{
	local $?;
	_kill9($_) foreach keys %running;
}

1;
