# The ways in which a FaultyElasticsearch answers a request, by the name of its mode:
#
#	pass			lets all requests pass
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
package FaultyAnswers;

use strict;
use warnings;

use Exporter 'import';
use JSON::PP;
use Socket qw(SOL_SOCKET SO_LINGER);

our @EXPORT = qw(is_mode is_deaf answer_by_mode);

# By mode: how an answer is sent to the client, and in which shape.
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
		my ($client, $answer, $redirect_to) = @_;

		_send($client, { status => 307, location => "$redirect_to/redirected", content => '' });
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
		my ($client, $answer, $redirect_to, $request) = @_;

		_send($client, { status => 200, content => JSON::PP->new->encode(_repeated(JSON::PP->new->decode($request->{body}))) });
	},
	mutate => sub
	{
		my ($client, $answer) = @_;

		# The client may take it for a part: it is all that it gets.
		_write($client, _mutated($answer));
		close $client;
	});

# Those that say the same whatever the request: the real one does not get it.
my %deaf = map { $_ => 1 } qw(hang endless redirect not_json unauthorized forbidden deep wide headers repeat);

# The size of a page that the extension asks for.
use constant REPEATED => 5000;

sub is_mode { return exists $modes{$_[0]}; }

# Whether the mode needs no answer of the real one.
sub is_deaf { return $deaf{$_[0]}; }

# Answer a request to a client as the mode does, given the answer that it would get, and what redirects lead to.
sub answer_by_mode
{
	my ($mode, $client, $answer, $redirect_to, $request) = @_;

	$modes{$mode}->($client, $answer, $redirect_to, $request);
	return;
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

# Replacements for a value, and for bytes.
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

1;
