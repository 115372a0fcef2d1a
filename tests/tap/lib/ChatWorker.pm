# Shared by the tests of the background worker: a cluster that starts workers, and what they did.
package ChatWorker;

use strict;
use warnings;

use ChatTest;
use Exporter 'import';
use Test::More;
use Time::HiRes qw(time);

our @EXPORT = qw(new_worker_cluster workers wait_for_worker seconds wait_until shows_error forget_errors repaired wrong_counts within each_within);

# A running cluster with pg_chat preloaded, whose workers reconcile each second.
sub new_worker_cluster
{
	my ($name, %params) = @_;

	$params{conf} = "shared_preload_libraries = 'pg_chat'\npg_chat.reconcile_interval = 1\n" . ($params{conf} // '');
	return new_cluster($name, %params);
}

# The processes of the workers of a database, one a line.
sub workers
{
	my ($node, $db) = @_;

	return $node->safe_psql('postgres', qq{
		SELECT pid FROM pg_stat_activity WHERE datname = '$db' AND backend_type = 'pg_chat worker' ORDER BY pid});
}

# Wait until a query's result is true.
sub wait_until
{
	my ($node, $db, $query, $what) = @_;

	return ok(poll_query($node, $db, $query), $what);
}

# Check that worker_status of the test's cluster shows a job's error, which matches a pattern of SQL; after so
# many errors, if that is given.
sub shows_error
{
	my ($job, $what, $error, $times) = @_;
	my $of_job = "FROM chat.worker_status WHERE job = '$job'";

	$times //= 1;
	return ok(poll(sub { sql("SELECT errors >= $times AND last_error ~ '$error' $of_job") eq 't' }), "$what: worker_status shows it")
	  || diag(sql("SELECT errors, last_error $of_job"));
}

# Forget the errors of all jobs.
sub forget_errors
{
	sql('UPDATE chat_internal.worker_jobs SET errors = 0, last_error = NULL');
	return;
}

# Wait until a database has a worker, another one than the process but, if that is given. Returns its pid.
sub wait_for_worker
{
	my ($node, $db, $but) = @_;

	$but //= 0;
	$node->poll_query_until('postgres', qq{
		SELECT count(*) = 1 FROM pg_stat_activity
		WHERE datname = '$db' AND backend_type = 'pg_chat worker' AND pid <> $but
		AND wait_event IS NOT NULL}) or die "no worker came to $db";
	return workers($node, $db);
}

# How long the code takes, in seconds.
sub seconds
{
	my ($code) = @_;
	my $start = time;

	$code->();
	return time - $start;
}

# Check that the code takes less than a number of seconds.
sub within
{
	my ($limit, $code, $what) = @_;

	return cmp_ok(seconds($code), '<', $limit, "$what within $limit s");
}

# Check that each step of some work, given as a function that is handed the timer to run its steps by, takes
# less than the limit. The quickest of up to five tries counts: a busy machine slows some of them,
# something that waits slows all.
sub each_within
{
	my ($limit, $work) = @_;
	my %quickest;

	foreach (1 .. 5)
	{
		$work->(sub {
			my ($step, $code) = @_;
			my $took = seconds($code);
			$quickest{$step} = $took unless defined $quickest{$step} && $quickest{$step} < $took;
		});
		last unless grep { $_ >= $limit } values %quickest;
	}
	cmp_ok($quickest{$_}, '<', $limit, "$_ within $limit s") foreach sort keys %quickest;
	return;
}

# The repaired counters, one a line, without the time.
sub repaired
{
	my ($node, $db, $where) = @_;

	$where //= 'true';
	return $node->safe_psql($db, qq{
		SELECT application_id, chat_number, counter, old_value, new_value FROM chat.repaired_counts
		WHERE $where ORDER BY repaired_at, 1, 2, 3});
}

# A query for counters that are wrong: counts that differ from the rows, highest numbers below a row's.
sub wrong_counts
{
	return q{
		SELECT 'chat', c.application_id, c.number FROM chat.chats AS c
		LEFT JOIN (SELECT application_id, chat_number, count(*) AS counted, max(number) AS highest
			FROM chat.messages GROUP BY 1, 2) AS m ON (m.application_id, m.chat_number) = (c.application_id, c.number)
		WHERE c.messages_count <> coalesce(m.counted, 0) OR c.last_message_number < coalesce(m.highest, 0)
		UNION ALL
		SELECT 'application', a.id, NULL FROM chat.applications AS a
		LEFT JOIN chat.application_counters AS k ON k.application_id = a.id
		LEFT JOIN (SELECT application_id, count(*) AS counted, max(number) AS highest
			FROM chat.chats GROUP BY 1) AS c ON c.application_id = a.id
		WHERE k.chats_count IS DISTINCT FROM coalesce(c.counted, 0) OR k.last_chat_number < coalesce(c.highest, 0)};
}

1;
