#!/bin/bash
#
# run_in_server.sh LIBRARY ARGUMENT... - run libFuzzer in a session of a server: the SQL function "fuzz" of a library, see
# server_elasticsearch.c.
#
# Arguments are libFuzzer's: options, directories, files. The first directory gets what covers more, and LIBRARY's
# directory the input that fails, as NAME.crash-* where LIBRARY is fuzz_NAME.so.
#
# The server is one process without a network, on a data directory that goes away with it. Its memory is limited, so
# that what takes too much fails. PostgreSQL refuses to run as root, so root runs it as the user postgres, who
# need not be able to enter the clone: all that it needs is copied.
#
# PG_CONFIG is build/postgres/pg_config.

set -euo pipefail

library=$1
shift
name=$(basename "$library" .so)
name=${name#fuzz_}
memory_kb=1500000

[[ ${PG_CONFIG:-} == *build/postgres/pg_config ]] || {
	echo "run_in_server.sh: set PG_CONFIG to build/postgres/pg_config" >&2
	exit 1
}
stage=$(mktemp -d "${TMPDIR:-/tmp}/pg_chat-fuzz.XXXXXX")
trap 'rm -rf "$stage"' EXIT
postgres=$(dirname "$PG_CONFIG")

# staged COMMAND... - as the user whose the stage is.
staged()
{
	local drop=()
	[ "$(id -u)" != 0 ] || drop=(setpriv --reuid postgres --regid postgres --init-groups)
	(cd "$stage" && "${drop[@]}" env -i PATH=/usr/bin:/bin LANG=C.UTF-8 UBSAN_OPTIONS=print_stacktrace=1 "$@")
}

# literal TEXT - in SQL.
literal()
{
	printf "'%s'" "${1//\'/\'\'}"
}

cp -R "$postgres" "$stage/postgres"
cp "$library" "$stage/fuzz.so"
arguments=$(literal "-artifact_prefix=$stage/artifact.")
grown=
copies=0
for argument; do
	case $argument in
		-dict=*)
			cp "${argument#*=}" "$stage/dict"
			argument=-dict=$stage/dict
			;;
		-*) ;;
		*)
			copies=$((copies + 1))
			cp -R "$argument" "$stage/$copies"
			[ ! -d "$argument" ] || [ -n "$grown" ] || grown=$argument from=$stage/$copies
			argument=$stage/$copies
			;;
	esac
	arguments+=", $(literal "$argument")"
done
[ "$(id -u)" != 0 ] || chown -R postgres:postgres "$stage"

bindir=$("$stage/postgres/pg_config" --bindir)
staged "$bindir/initdb" --pgdata="$stage/data" --encoding=UTF8 --no-locale --auth=trust --no-sync >"$stage/initdb.log" || {
	cat "$stage/initdb.log"
	exit 1
}
ulimit -v "$memory_kb"
# fuzz() ends the session. One that is not ended by it, since there was an error, fails.
status=0
staged "$bindir/postgres" --single -j -F -D "$stage/data" -c shared_buffers=1MB postgres \
	>/dev/null <<SQL || status=$?
CREATE FUNCTION fuzz(VARIADIC arguments text[]) RETURNS void AS $(literal "$stage/fuzz"), 'fuzz' LANGUAGE C;

SELECT fuzz($arguments);

SELECT pg_terminate_backend(pg_backend_pid());

SQL

[ -z "$grown" ] || cp -R "$from/." "$grown/"
for artifact in "$stage"/artifact.*; do
	[ ! -e "$artifact" ] || cp "$artifact" "$(dirname "$library")/$name.${artifact##*/artifact.}"
done
exit "$status"
