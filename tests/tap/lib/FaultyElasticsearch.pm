# A stand-in for Elasticsearch that does what a real one cannot be made to do on demand. It serves on
# a port of its own, and ends with the test.
#
#	my $faulty = FaultyElasticsearch->new;				# alone
#	my $faulty = FaultyElasticsearch->new($elasticsearch->url);	# in front of a real one
#	my $faulty = FaultyElasticsearch->new($elasticsearch->url, redirect_to => $other->url);
#	$faulty->url;						# what to set pg_chat.elasticsearch_url to
#	$faulty->mode('hang');				# what it does from the next request on
#	$faulty->mode('drop_items', qr{/_bulk});	# to requests like this; the others pass
#	$faulty->requests;					# "METHOD path" of each since then, in order
#	$faulty->logins;					# the Authorization headers since then, each once, in order
#
# A request that passes gets the real one's answer; alone, the canned one of a _bulk without items.
# The modes:
#
#	pass			lets all requests pass
#	refuse			no server: connections are refused, whatever the request
#	hang			says nothing
#	reset			half of the answer, then the connection is reset
#	truncated		half of the answer, as if it were all of it
#	endless			an answer with status 200 that never ends
#	drip			the answer, a byte at a time
#	redirect		to another path, which passes, of the server redirect_to, or of this one
#	not_json		a page of HTML, with status 200
#	unauthorized	status 401: who are you?
#	forbidden		status 403: you may not
#	drop_items		the answer, without the last of its items
#	reorder_items	the answer, with its items, or the documents found, the other way round
#	fail_shards		the answer, with a shard that failed
#	gloss_over		the answer, with "errors": false, whatever its items say
#	deny_errors		the same, with each item's status 200
#	deep			an answer with status 200 that nests a million arrays
#	wide			one that has millions of objects
#	headers			headers without end
#	repeat			to a search: a full page of buckets or of documents, always the same but for what makes
#					them come after the last page
#	mutate			the answer, with a few bytes, a value, or the headers changed at random
#
# What is random depends on the option seed, the connection, and the request in it.
package FaultyElasticsearch;

use strict;
use warnings;

use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use POSIX qw(_exit);
use PostgreSQL::Test::Utils;
use Socket qw(IPPROTO_TCP SOL_SOCKET SO_LINGER TCP_NODELAY);

# The answer of one that stands alone.
use constant CANNED => '{"took":1,"errors":false,"items":[]}';

# What each mode sends to the client, given the answer that it would get.
my %modes = (
	pass => sub { my ($client, $answer) = @_; _send($client, $answer); },
	hang => sub { },
	reset => sub
	{
		my ($client, $answer) = @_;
		my $half = length($answer->{content}) / 2;

		_write($client, _head($answer) . substr($answer->{content}, 0, $half));
		setsockopt($client, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0));
		close $client;
	},
	truncated => sub
	{
		my ($client, $answer) = @_;

		$answer->{content} = substr($answer->{content}, 0, length($answer->{content}) / 2);
		_send($client, $answer);
	},
	endless => sub
	{
		my ($client) = @_;
		my $more = 'x' x 65536;

		_write($client, "HTTP/1.1 200 OK\r\n\r\n{\"took\":\"");
		1 while _write($client, $more);
	},
	drip => sub
	{
		my ($client, $answer) = @_;

		_write($client, _head($answer));
		_write($client, $_) && select(undef, undef, undef, 0.1) foreach split //, $answer->{content};
	},
	redirect => sub
	{
		my ($client, $answer, $self) = @_;

		_send($client, { status => 307, location => $self->{redirect_to} . '/redirected', content => '' });
	},
	not_json => sub
	{
		my ($client) = @_;

		_send($client, { status => 200, content => '<html><body>Welcome</body></html>' });
	},
	unauthorized => sub { _refuse($_[0], 401, 'unable to authenticate'); },
	forbidden => sub { _refuse($_[0], 403, 'action is unauthorized'); },
	drop_items => _altering(sub { pop @{ $_[0]{items} // [] }; }),
	reorder_items => _altering(
		sub
		{
			my ($answer) = @_;

			@$_ = reverse @$_ foreach grep { ref } $answer->{items}, ref $answer->{hits} ? $answer->{hits}{hits} : ();
		}),
	fail_shards => _altering(sub { $_[0]{_shards}{failed} = 1 if $_[0]{_shards}; }),
	gloss_over => _altering(sub { $_[0]{errors} = JSON::PP::false; }),
	deny_errors => _altering(
		sub
		{
			my ($answer) = @_;

			$answer->{errors} = JSON::PP::false;
			foreach my $result (map { values %$_ } @{ $answer->{items} // [] })
			{
				$result->{status} = 200;
				$result->{_index} =~ s/-write\z//;	# some name the alias where they fail
				delete $result->{error};
			}
		}),
	deep => sub { _send($_[0], { status => 200, content => '{"items":' . '[' x 1_000_000 . ']' x 1_000_000 . '}' }); },
	wide => sub { _send($_[0], { status => 200, content => '{"items":[' . join(',', ('{}') x 4_000_000) . ']}' }); },
	headers => sub
	{
		my ($client) = @_;
		my $more = 'X-More: ' . 'x' x 1000 . "\r\n";

		_write($client, "HTTP/1.1 200 OK\r\n");
		1 while _write($client, $more);
	},
	repeat => sub
	{
		my ($client, $answer, $self, $request) = @_;

		_send($client, { status => 200, content => JSON::PP->new->encode(_repeated(JSON::PP->new->decode($request->{body}))) });
	},
	mutate => sub
	{
		my ($client, $answer) = @_;

		# The client may take it for a part: it is all that it gets.
		_write($client, _mutated($answer));
		close $client;
	});

# Those that say the same whatever the request: the real one does not hear of it.
my %deaf = map { $_ => 1 } qw(hang endless redirect not_json unauthorized forbidden deep wide headers repeat);

# The size of a page that the extension asks for.
use constant REPEATED => 5000;

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

	die "no mode \"$mode\"" unless $modes{$mode} || $mode eq 'refuse';
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

# What was asked since the mode was set.
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
		$modes{$mode}->($client, $deaf{$mode} ? undef : $self->_answer($http, $request), $self, $request);
	}
	return;
}

# What the real one answers.
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

# Say no, as the real one does.
sub _refuse
{
	my ($client, $status, $reason) = @_;
	my $error = { type => 'security_exception', reason => $reason };

	return _send($client, { status => $status, content => JSON::PP->new->encode({ error => $error, status => $status }) });
}

# A mode that alters an answer that is an object; others pass.
sub _altering
{
	my ($alter) = @_;
	my $json = JSON::PP->new->utf8;

	return sub
	{
		my ($client, $answer) = @_;
		my $decoded = eval { $json->decode($answer->{content}) };

		if (ref $decoded eq 'HASH')
		{
			$alter->($decoded);
			$answer->{content} = $json->encode($decoded);
		}
		_send($client, $answer);
	};
}

# An answer to a search that never comes to an end, but for the numbers that there are: a page of
# documents with one key, or of buckets of one chat after the other.
sub _repeated
{
	my ($search) = @_;
	my %whole = (timed_out => JSON::PP::false, _shards => { total => 1, successful => 1, skipped => 0, failed => 0 });

	if (my $asked = $search->{aggs}{buckets}{composite})
	{
		my $chat = $asked->{after} ? $asked->{after}{chat} : 0;
		my @buckets = map {
			{ key => { application => 1, chat => $chat + $_, start => 0 }, doc_count => 1_000_000_000, sum => { value => 1 } }
		} 1 .. REPEATED;

		return { %whole, hits => { hits => [] }, aggregations => { buckets => { buckets => \@buckets } } };
	}
	my @after = @{ $search->{search_after} // [ 1, 1, 1, 0 ] };
	my @hits = map { { sort => [ @after[ 0 .. 2 ], $after[3] + $_ ] } } 1 .. REPEATED;

	return { %whole, hits => { hits => \@hits } };
}

# What stands in for a value, and for bytes.
my @values = ('null', '{}', '[]', '""', '-1', '0', '1.5', '1e308', '1e131071', '9223372036854775808', '-2147483649', 'true',
	'"\\u0000"', '"\\ud800"', '[[[[[[]]]]]]', '"' . 'x' x 100_000 . '"', '{"a":1,"a":2}');
my @bytes = ("\0", '"', '{', '}', '[', ']', ',', ':', '\\', "\xff", "\xc2\x85", ' ', '9');

# An answer as bytes, changed in one way or another.
sub _mutated
{
	my ($answer) = @_;
	my %answer = %$answer;
	my $way = int rand 8;

	if ($way == 0)
	{
		$answer{status} = (100, 199, 204, 301, 400, 404, 413, 429, 500, 999)[ rand 10 ];
	}
	elsif ($way == 1)
	{
		substr($answer{content}, rand(1 + length $answer{content}), rand 8) = $bytes[ rand @bytes ];
	}
	elsif ($way == 2)
	{
		my $from = int rand(1 + length $answer{content});

		substr($answer{content}, $from, 0) = substr($answer{content}, $from, rand 2000);
	}
	elsif ($way < 6)
	{
		# A value behind a name, or in an array.
		my @places;

		push @places, [ $-[1], $+[1] - $-[1] ] while $answer{content} =~ /[:,\[]("(?:[^"\\]|\\.)*"|[-\w.]+|\{\}|\[\])/g;
		substr($answer{content}, $_->[0], $_->[1]) = $values[ rand @values ] foreach @places ? $places[ rand @places ] : ();
	}
	my $bytes = _head(\%answer) . ($answer{without_body} ? '' : $answer{content});

	substr($bytes, rand(index $bytes, "\r\n\r\n"), rand 20) = $bytes[ rand @bytes ] if $way == 6;
	substr($bytes, rand length $bytes) = '' if $way == 7;
	return $bytes;
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

sub _head
{
	my ($answer) = @_;
	my $location = $answer->{location} ? "Location: $answer->{location}\r\n" : '';

	return "HTTP/1.1 $answer->{status} -\r\nContent-Type: application/json\r\n${location}Content-Length: "
	  . length($answer->{content}) . "\r\n\r\n";
}

sub _send
{
	my ($client, $answer) = @_;

	return _write($client, _head($answer) . ($answer->{without_body} ? '' : $answer->{content}));
}

# Whether all of it could be written.
sub _write
{
	my ($client, $bytes) = @_;

	while (length $bytes)
	{
		my $written = syswrite($client, $bytes) or return 0;
		substr($bytes, 0, $written) = '';
	}
	return 1;
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
