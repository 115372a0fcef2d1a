# Databases in other encodings than UTF-8: letter case is folded the same where the encoding has the
# letters. In SQL_ASCII, where bytes above 127 have no meaning, any bytes are kept and found.
use strict;
use warnings;

use ChatTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

$ENV{PGCLIENTENCODING} = 'UTF8';
my $node = new_cluster('main');

sub new_database
{
	my ($name, $encoding) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $name ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
	$node->safe_psql($name, 'CREATE EXTENSION pg_chat');
}

# A query's result, or the SQLSTATE of its error.
sub result
{
	my ($db, $query) = @_;
	my ($status, $stdout, $stderr) = $node->psql($db, "\\set VERBOSITY sqlstate\n$query");

	return $status == 0 && $stderr eq '' ? $stdout : $stderr =~ s/.*ERROR:\s+(\w+).*/$1/sr;
}

# Check one encoding: texts and their folded forms; names that clash and that do not; blanks; a body, and
# queries that find it and do not.
sub check
{
	my ($db, %case) = @_;

	is(result($db, "SELECT chat.fold('$_')"), $case{fold}{$_}, "$db: $_ folds") foreach sort keys %{ $case{fold} };
	is(result($db, "SELECT id FROM chat.create_application('$case{name}')"), '1', "$db: name");
	is(result($db, "SELECT chat.create_application('$_')"), '23505', "$db: $_ is taken") foreach @{ $case{taken} };
	is(result($db, "SELECT id > 0 FROM chat.create_application('$_')"), 't', "$db: $_ is free") foreach @{ $case{free} };
	is(result($db, 'SELECT chat.create_chat(1)'), '1', "$db: chat");
	is(result($db, "SELECT chat.create_message(1, 1, $_)"), '23502', "$db: $_ is blank") foreach @{ $case{blank} };
	is(result($db, "SELECT chat.create_message(1, 1, $case{body}); SELECT body = $case{body} FROM chat.get_message(1, 1, 1)"),
		"1\nt", "$db: body is kept");
	is(result($db, "SELECT number FROM chat.search_messages(1, 1, $_)"), '1', "$db: $_ is found") foreach @{ $case{found} };
	is(result($db, "SELECT number FROM chat.search_messages(1, 1, $_)"), '', "$db: $_ is not found") foreach @{ $case{not_found} };
}

new_database('latin1', 'LATIN1');
check('latin1',
	fold => { 'ABC xyz' => 'abc xyz', 'ÀÉÎÕÜ×ÿ' => 'àéîõü×ÿ', 'Straße' => 'strasse', 'µ' => 'µ', '' => '' },
	name => 'École', taken => [ 'ÉCOLE', 'école' ], free => [ 'Ecole', 'Straße' ],
	blank => [ "' '", "E'\\u00a0 \\u0085'" ],
	body => "'Ça va très bien, Straße'", found => [ "'ÇA VA'", "'STRASSE'", "'ß'", "'TRÈS'" ], not_found => [ "'tres'", "'%'" ]);
is(result('latin1', "SELECT chat.create_message(1, 1, repeat('é', 65536))"), '2', 'latin1: the limit is in its own bytes');
is(result('latin1', "SELECT chat.create_message(1, 1, repeat('é', 65537))"), '22001', 'latin1: and ends there');

new_database('euc_jp', 'EUC_JP');
check('euc_jp',
	fold => { 'ABC' => 'abc', 'ＡＢＣ' => 'ａｂｃ', 'ЯΣΩ' => 'яσω', '日本語Ａ' => '日本語ａ' },
	name => '東京Ａ', taken => ['東京ａ'], free => [ '東京A', '京都' ],
	blank => [ "'　'", "' 　 '" ],
	body => "'日本語のテスト ДОМ ＯＫ'", found => [ "'テスト'", "'дом'", "'ｏｋ'" ], not_found => [ "'OK'", "'てすと'" ]);

new_database('sql_ascii', 'SQL_ASCII');
check('sql_ascii',
	fold => { 'ABC xyz' => 'abc xyz', 'ÀB' => 'Àb' },
	name => 'École', taken => ['ÉCOLE'], free => [ 'école', 'ecole' ],
	blank => [ "' '", "''" ],
	body => "E'ABC \\xff\\xfe'", found => [ "'abc'", "E'\\xff'" ], not_found => ["E'\\xfd'"]);

# Bytes that are no characters, or none that Unicode has, at the very beginning.
is(result('sql_ascii', q{SELECT chat.create_message(1, 1, E'\xe9t\xe9')}), '2', 'sql_ascii: a body may begin with any byte');
is(result('sql_ascii', q{SELECT id > 0 FROM chat.create_application(E'\xc9t\xe9')}), 't', 'sql_ascii: so may a name');
is(result('euc_jp', q{SELECT chat.create_message(1, 1, convert_from('\xa9a1', 'EUC_JP'))}), '2',
	'euc_jp: a body may begin with a character that Unicode lacks');

$node->stop;
done_testing();
