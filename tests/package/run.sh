#!/bin/bash
#
# run.sh RELEASE... - the packages of this tree, on fresh machines of Debian releases (make test-package).
#
# For each release, on one machine the packages are made, twice: of this version, and of a next one with
# an upgrade script; the distribution for PGXN is installed there, too. On another they are installed,
# used, upgraded, removed and purged. On a third, make run and its end are tried.
#
# Needs root and debootstrap, see tree.sh. The status is 1 if something failed.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)

"$top/docker/dist.py"
work=$(mktemp -d "${TMPDIR:-/var/tmp}/pg_chat-package.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

status=0
for release; do
	echo "== $release"
	mkdir "$work/$release"
	cp "$top"/build/dist/*.zip "$work/$release"
	if ! SHARE=$work/$release "$here/tree.sh" "$release" tests/package/build.sh >"$work/log" 2>&1; then
		tail -n 50 "$work/log"
		echo "not ok - packages are made"
		status=1
	else
		sed -n '/^[EWIN]: /p' "$work/log"
		echo "ok - packages are made"
		SHARE=$work/$release "$here/tree.sh" "$release" tests/package/install.sh || status=1
	fi
	"$here/tree.sh" "$release" tests/package/commands.sh || status=1
done
exit "$status"
