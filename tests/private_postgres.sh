#!/bin/bash
#
# private_postgres.sh DIRECTORY - make a PostgreSQL of one's own in the directory, and print its pg_config.
#
# It is that of PG_CONFIG: copies of its programs, which find all else from where they themselves are,
# and links to the rest. What stands in the directory already stays: "make install DESTDIR=DIRECTORY"
# before gives it another build of the extension.

set -euo pipefail

directory=$1
pg_config=${PG_CONFIG:-pg_config}
bindir=$("$pg_config" --bindir)

mkdir -p "$directory$bindir"
cp -Rn "$bindir/." "$directory$bindir"
for source in "$("$pg_config" --pkglibdir)" "$("$pg_config" --sharedir)"; do
	mkdir -p "$directory$source"
	cp -Rsn "$source/." "$directory$source"
done
echo "$directory$bindir/pg_config"
