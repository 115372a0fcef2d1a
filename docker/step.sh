#!/bin/bash
#
# step.sh LOG WHAT COMMAND... - run a command whose output nobody wants to read: it goes to build/log/LOG.log.
#
# A command that takes longer than a second is announced by WHAT, and the time that it takes is shown: on a
# terminal every second, elsewhere every half minute. What it says on standard error is shown, too, when
# it is done. If it fails, the log is named, and its end is shown if nothing else was. The status is the
# command's.

set -uo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
log=build/log/$1.log
what=$2
shift 2

if ! { mkdir -p "$top/build/log" && : >"$top/$log"; } 2>/dev/null; then
	printf 'Cannot write to %s. If it is because root has built here: sudo chown -R %s %q\n' "$log" "$(stat -c %U "$top")" "$top/build" >&2
	exit 1
fi
# Files that root writes belong to the clone's owner, too.
[ "$(id -u)" != 0 ] || chown --reference="$top" "$top/build" "$top/build/log" "$top/$log"
exec {out}>>"$top/$log"
errors=$(mktemp) || exit

# tick SECONDS - wait; not by a sleep, which would outlive this script, with its output.
tick()
{
	read -rt "$1" -u "$never" || true
}

# Shows that something goes on, and for how long.
tell()
{
	exec {never}<> <(:)
	tick 1
	if [ -t 2 ]; then
		while printf '\r%s (%d s) ' "$what" "$SECONDS" >&2; do
			tick 1
		done
	fi
	echo "$what (log: $log)" >&2
	while tick 30; do
		echo "... $SECONDS s" >&2
	done
}

# shellcheck disable=SC2317 # a trap calls it
clean_up()
{
	kill "$teller" 2>/dev/null
	rm -f "$errors"
}

SECONDS=0
tell &
teller=$!
trap clean_up EXIT
trap 'exit 130' INT TERM

"$@" 2>&1 1>&"$out" | tee "$errors" >&"$out"
status=${PIPESTATUS[0]}
kill "$teller" 2>/dev/null
wait
[ ! -t 2 ] || [ "$SECONDS" = 0 ] || echo >&2
cat "$errors" >&2
if [ "$status" != 0 ]; then
	[ -s "$errors" ] || tail -n 10 "$top/$log" >&2
	echo "$what failed; everything it said is in $log" >&2
fi
exit "$status"
