#!/bin/bash
#
# private_postgres.sh DIRECTORY - make a PostgreSQL of one's own in the directory, and print its pg_config.
#
# It is that of PG_CONFIG: copies of its programs, which find all else from where they themselves are,
# and links to the rest, but to no pg_chat. So the extension is built with it, installed into it and tried
# with it, and the PostgreSQL that is there stays as it is. One that was made of another PostgreSQL is
# made anew.
#
# Its headers are those that packages.sh unpacked, where it did.

set -euo pipefail

directory=$1
pg_config=${PG_CONFIG:-pg_config}
bindir=$("$pg_config" --bindir)
pkglibdir=$("$pg_config" --pkglibdir)
sharedir=$("$pg_config" --sharedir)
includedir=$("$pg_config" --includedir-server)
unpacked=$(cd "$(dirname "$0")/.." && pwd)/build/headers/$("$bindir/postgres" --version | sed 's/.* //; s/)$//')

# copy SOURCE TARGET OPTION... - what is in a folder, if there is one.
copy()
{
	[ ! -d "$1" ] || { mkdir -p "$directory$2" && cp -R "${@:3}" "$1/." "$directory$2"; }
}

made_of="$(stat -c '%n %s %Y' "$bindir/postgres" "$pkglibdir" "$sharedir/extension") $(ls -d "$unpacked" 2>/dev/null || true)"
if [ "$made_of" != "$(cat "$directory/made_of" 2>/dev/null)" ]; then
	rm -rf "$directory"
	copy "$bindir" "$bindir"
	for folder in "$pkglibdir" "$sharedir" "$includedir"; do
		copy "$folder" "$folder" --symbolic-link
		copy "$unpacked$folder" "$folder" --remove-destination
	done
	find "$directory" -type l -name 'pg_chat*' -delete
	ln -s ".$bindir/pg_config" "$directory/pg_config"
	echo "$made_of" >"$directory/made_of"
fi
echo "$directory$bindir/pg_config"
