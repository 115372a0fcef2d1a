#!/bin/bash
#
# run.sh SUITE... - run test suites with a server under valgrind, and list the errors that go through
# the extension. "make valgrind" calls this. The exit status is 1 if a test failed or there is one.
#
# The server is a private copy whose postgres is a script that calls valgrind; what initdb runs is not
# looked at. Debian's server tells valgrind nothing of its memory contexts: what lies beside an
# allocation by palloc is not found, what is used uninitialized in a fresh block is.

set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
pg_config=${PG_CONFIG:-pg_config}
directory=$(mktemp -d "${TMPDIR:-/tmp}/pg_chat-valgrind.XXXXXX")
trap 'rm -rf "$directory"' EXIT
chmod 755 "$directory"
install -d -m 1777 "$directory/found"

private=$(PG_CONFIG=$pg_config "$top/docker/private_postgres.sh" "$directory/postgres")
make -s -C "$top/extension" install PG_CONFIG="$private" >/dev/null
bindir=$(dirname "$private")
cp "$top/tests/valgrind/suppressions" "$directory"
mv "$bindir/postgres" "$bindir/postgres.real"
cat >"$bindir/postgres" <<POSTGRES
#!/bin/sh
case \$1 in
	--boot | --single | --check | --version | -V | -C) exec "$bindir/postgres.real" "\$@" ;;
esac
exec valgrind --quiet --leak-check=no --num-callers=30 --gen-suppressions=all \\
	--suppressions="$directory/suppressions" --xml=yes --xml-file="$directory/found/%p.xml" \\
	"$bindir/postgres.real" "\$@"
POSTGRES
chmod 755 "$bindir/postgres"

status=0
PG_CONFIG=$private PGCTLTIMEOUT=600 "$top/tests/run.sh" "$@" || status=1
rm -rf "$top/build/valgrind"
mkdir -p "$top/build"
cp -R "$directory/found" "$top/build/valgrind"
"$top/tests/valgrind/report.py" "$top/build/valgrind" || status=1
exit "$status"
