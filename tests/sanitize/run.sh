#!/bin/bash
#
# run.sh SUITE... - run test suites with an extension that is built with ASan and UBSan. "make
# sanitize-extension" calls this. The exit status is 1 if a test failed or a sanitizer found something.
#
# ASan has to be loaded before all else, so the server is a private copy whose postgres is a script that
# preloads it. The server itself is not built so: what a memory context hands out is checked as part of
# the block that the context got by malloc. A server built with --enable-cassert checks more, and returns
# blocks sooner.
#
# Debian's server does not start so: it links p11-kit, whose constructor and ASan do not get on. PG_CONFIG
# names one that was built without LDAP and message translation.

set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
pg_config=${PG_CONFIG:-pg_config}
directory=$(mktemp -d "${TMPDIR:-/tmp}/pg_chat-sanitize.XXXXXX")
trap 'rm -rf "$directory"' EXIT
chmod 755 "$directory"

private=$(PG_CONFIG=$pg_config "$top/docker/private_postgres.sh" "$directory/postgres")
make -s -C "$top/extension" install BUILD="$top/build/sanitize/extension" PG_CONFIG="$private" \
	COPT="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer" >/dev/null
bindir=$(dirname "$private")
mv "$bindir/postgres" "$bindir/postgres.real"
# It says that it is the script, which is what "pg_ctl restart" starts. What a process has at its end is no leak.
cat >"$bindir/postgres" <<POSTGRES
#!/bin/bash
export ASAN_OPTIONS="\$ASAN_OPTIONS:detect_leaks=0"
export LD_PRELOAD="$(gcc -print-file-name=libasan.so)"
exec -a "$bindir/postgres" "$bindir/postgres.real" "\$@"
POSTGRES
chmod 755 "$bindir/postgres"
timeout --kill-after=1 30 "$bindir/postgres" --version || {
	echo "run.sh: the PostgreSQL of $pg_config does not start with ASan: name another as PG_CONFIG" >&2
	exit 1
}

PG_CONFIG=$private "$top/tests/run.sh" "$@"
