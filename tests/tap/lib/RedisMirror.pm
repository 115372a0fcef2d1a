# Shared by the tests of the mirror in Redis: the keys that it should have, and waiting until it has them.
package RedisMirror;

use strict;
use warnings;

use ChatTest;
use Exporter 'import';
use Test::More;

our @EXPORT = qw(expected_keys is_mirrored);

# The keys and values that a database of the test's cluster should have in Redis, sorted, one a line.
sub expected_keys
{
	my ($db) = @_;

	return join("\n", sort split /\n/, sql($db, q{
		SELECT format('application:%s:number=%s', token, last_chat_number) FROM chat.applications JOIN chat.application_counters ON application_id = id WHERE deleted_at IS NULL;
		SELECT format('application:%s:chat:%s:number=%s', token, c.number, last_message_number) FROM chat.applications AS a JOIN chat.chats AS c ON application_id = id
		WHERE a.deleted_at IS NULL AND c.deleted_at IS NULL}));
}

# The keys of a Redis, in one of its databases if that is given, come to be as they should.
sub is_mirrored
{
	my ($redis, $what, $database) = @_;

	return ok(poll(sub { $redis->keys_and_values($database) eq expected_keys() }), "$what: the keys are right")
	  || is($redis->keys_and_values($database), expected_keys(), $what);
}

1;
