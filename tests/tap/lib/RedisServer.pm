# A redis-server of the test's own: on a socket in a temporary directory and on a free port, without
# persistence. It ends with the test, however that ends.
package RedisServer;

use strict;
use warnings;

use ChatTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

# Harnesses of those that run, by themselves.
my %running;

# Start one. Further options are redis-server's, without the dashes; a list for more than one value.
sub new
{
	my ($class, %options) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir_short();
	my $self = bless {
		directory => $directory,
		socket => "$directory/redis",
		port => PostgreSQL::Test::Cluster::get_free_port(),
		options => \%options
	}, $class;

	$self->start;
	return $self;
}

sub start
{
	my ($self) = @_;
	my %options = (
		port => $self->{port}, bind => '127.0.0.1', unixsocket => $self->{socket}, dir => $self->{directory},
		save => '', logfile => 'log', appendonly => 'no', %{ $self->{options} });

	$self->{process} = start_program("$self->{directory}/output", 'setpriv', '--pdeathsig', 'KILL', 'redis-server',
		map { ("--$_" => ref $options{$_} ? @{ $options{$_} } : $options{$_}) } sort keys %options);
	$running{ $self->{process} } = $self->{process};
	poll(sub { ($self->command('PING') // '') =~ /PONG|NOAUTH/ }) or die 'redis-server did not start';
	return;
}

# Send a command; its answer, or undef if there is none.
sub command
{
	my ($self, @words) = @_;
	my ($stdout, $stderr) = ('', '');
	my @login = $self->{options}{requirepass} ? ('--no-auth-warning', '-a', $self->{options}{requirepass}) : ();

	IPC::Run::run([ 'redis-cli', '-s', $self->{socket}, @login, @words ], '<', \undef, '>', \$stdout, '2>', \$stderr,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default)) or return undef;
	chomp $stdout;
	return $stdout;
}

# All keys with their values, sorted, one a line.
sub keys_and_values
{
	my ($self, $database) = @_;
	my @select = defined $database ? ('-n', $database) : ();
	my @keys = sort split /\n/, $self->command(@select, 'KEYS', 'application:*');

	return '' unless @keys;
	my @values = split /\n/, $self->command(@select, 'MGET', @keys), -1;
	return join("\n", map { "$keys[$_]=$values[$_]" } 0 .. $#keys);
}

sub _pid { my ($process) = @_; return $process->{KIDS}[0]{PID}; }

sub pid { my ($self) = @_; return _pid($self->{process}); }

# Hang: accept connections and never answer. And go on.
sub hang { kill 'STOP', $_[0]->pid; return; }
sub go_on { kill 'CONT', $_[0]->pid; return; }

sub kill9
{
	my ($self) = @_;

	_kill9(delete $self->{process}) if $self->{process};
	return;
}

sub _kill9
{
	my ($process) = @_;

	kill 'KILL', _pid($process);
	$process->finish;
	delete $running{$process};
	return;
}

sub DESTROY
{
	my ($self) = @_;
	local $?;

	$self->kill9;
	return;
}

# Before the objects go, in no order.
END
{
	local $?;
	_kill9($_) foreach values %running;
}

1;
