# shellcheck shell=bash
# checks.sh - what the scripts that run on a machine of tree.sh share: they source it, after setting log.

# shellcheck disable=SC2154 # log is the caller's
passed=0
failed=0

# check WHAT COMMAND... - a test: the command's success.
check()
{
	local what=$1
	shift
	if "$@" >>"$log" 2>&1; then
		passed=$((passed + 1))
		echo "ok - $what"
	else
		failed=$((failed + 1))
		echo "not ok - $what"
	fi
}

# eventually COMMAND... - wait until the command succeeds, for half a minute.
eventually()
{
	local end=$((SECONDS + 30))
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

# The last words: the log if something failed, the counts. The status is 1 if one failed.
conclude()
{
	[ "$failed" = 0 ] || cat "$log"
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ]
}
