#!/bin/bash
#
# run.sh SUITE... - run test suites with an extension and a chatd that count what is executed, and print
# how much of each folder is. "make coverage" calls this. build/coverage/index.html shows the lines.
#
# A server that is killed writes no counts: what only it ran is missing.

set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
pg_config=${PG_CONFIG:-pg_config}
build=$top/build/coverage
directory=$(mktemp -d "${TMPDIR:-/tmp}/pg_chat-coverage.XXXXXX")
trap 'rm -rf "$directory"' EXIT
chmod 755 "$directory"
install -d -m 1777 "$directory/counts"

rm -rf "$build"
private=$(PG_CONFIG=$pg_config "$top/docker/private_postgres.sh" "$directory/postgres")
make -s -C "$top/extension" install BUILD="$build/extension" PG_CONFIG="$private" \
	COPT="-O0 --coverage" >/dev/null
make -s -C "$top/frontend" all BUILD="$build" CFLAGS="-O0 -g --coverage"

# Whoever runs the tests need not be able to write into the build: the counts go there afterwards.
status=0
PG_CONFIG=$private CHATD=$build/chatd GCOV_PREFIX=$directory/counts "$top/tests/run.sh" "$@" || status=1
cp -R "$directory/counts$build/." "$build"

cd "$top"
# Each part is compiled in a directory of its own.
gcovr --root . --object-directory "$build/extension" --json "$build/extension.json" "$build/extension"
gcovr --root . --object-directory "$top/frontend" --json "$build/frontend.json" "$build/frontend"
gcovr --root . --add-tracefile "$build/extension.json" --add-tracefile "$build/frontend.json" \
	--csv "$build/files.csv" --html-details "$build/index.html" >/dev/null
"$top/tests/coverage/report.py" "$build/files.csv"
exit "$status"
