# The real engine that the tests of search stand on does what they rely on.
use strict;
use warnings;

use Elasticsearch;
use Test::More;

plan skip_all => 'no Java or Maven' unless Elasticsearch->available;

my $engine = Elasticsearch->new;

# The numbers of the documents that hold a word's trigrams in a row.
sub found
{
	my ($word) = @_;
	my ($status, $answer) = $engine->request('POST', '/words/_search', { query => { match_phrase => { body => $word } } });

	return join ' ', $status, sort map { $_->{_id} } @{ $answer->{hits}{hits} };
}

my ($status, $answer) = $engine->request('PUT', '/words-1', {
	settings => {
		number_of_replicas => 0,
		analysis => {
			tokenizer => { trigrams => { type => 'ngram', min_gram => 3, max_gram => 3 } },
			analyzer => { trigrams => { type => 'custom', tokenizer => 'trigrams' } } } },
	mappings => { dynamic => 'strict', properties => { body => { type => 'text', analyzer => 'trigrams' } } },
	aliases => { words => {} } });
is($status, 200, 'an index with trigrams and an alias') or diag explain $answer;

($status, $answer) = $engine->request('POST', '/words/_bulk', <<'BULK');
{"index":{"_id":"1","version":5,"version_type":"external"}}
{"body":"three elephants walk"}
{"index":{"_id":"2","version":1,"version_type":"external"}}
{"body":"hippopotamus"}
{"index":{"_id":"1","version":4,"version_type":"external"}}
{"body":"stale"}
BULK
is($status, 200, 'documents in bulk');
is(join(' ', map { $_->{index}{status} } @{ $answer->{items} }), '201 201 409', 'a stale version is refused');

$engine->refresh('words');
is(found('ephan'), '200 1', 'an inner part of a word is found');
is(found('nahpe'), '200', 'what is not there is not');

$engine->kill9;
is(($engine->request('GET', '/'))[0], 599, 'killed');
$engine->restart;
is(found('potam'), '200 2', 'and back with its data');
$engine->stop;

done_testing;
