#!/bin/bash
#
# run.sh SUITE... - run test suites and say how many tests passed and failed.
#
# Suites: regress, isolation (pg_regress), tap (prove), http, commands (pytest), torture and soak (programs of
# their own). The counts are the runners' own. The last line is "N passed, N failed"; the exit status is 1 if a test failed or a suite ran none.
#
# The suites run from a stage: a copy of tests/ and of chatd in a temporary directory that holds
# everything they write and goes away with them. PostgreSQL refuses to run as root, so root runs
# them as the user postgres, who owns the stage and need not be able to enter the clone.
#
# PG_CONFIG names the PostgreSQL to use, CHATD the chatd to test, CHAT_ENGINE the Elasticsearch (see
# elasticsearch/run.sh), TESTS the files of suite tap or http to run, all unless said, JOBS how many of them at
# a time: 2 unless said. They wait more than they work. Tests that do something at random, or often, have settings of
# their own, whose names begin with CHAT_.
#
# FAILOVERS is how many times a standby takes over in suite http, 3 unless said.
#
# ROUNDS and SEED are torture's, MINUTES is soak's, see there.
#
# DIRECT_ROWS is what pg_chat.direct_rows is while suites tap and http run, on unless said; suites regress
# and isolation run with both.

set -uo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
pg_config=${PG_CONFIG:-pg_config}
chatd=${CHATD:-$top/build/chatd}
logs=$top/build/log
left=$top/build/test
engine=${CHAT_ENGINE:-elasticsearch-7}

# The most seconds for a script of suite tap, a test of pytest, and a suite of another kind: several times what they take.
script_seconds=900
test_seconds=300
suite_seconds=3600

passed=0
failed=0

# Run a command as the stage's owner, with an environment that holds nothing of the caller's.
staged()
{
	local drop=() settings=() name
	for name in "${!CHAT_@}"; do
		settings+=("$name=${!name}")
	done
	[ "$(id -u)" != 0 ] || drop=(setpriv --reuid postgres --regid postgres --init-groups)
	"${drop[@]}" env -i PATH="$bindir:/usr/bin:/bin:/usr/sbin" HOME="$stage" TMPDIR="$stage/tmp" LANG=C.UTF-8 \
		PG_CONFIG="$pg_config" CHATD="$stage/build/chatd" \
		PG_REGRESS="$pgxs_test/regress/pg_regress" \
		TESTDIR="$stage/tests/tap" TESTDATADIR="$stage/tests/tap/tmp_check" \
		TESTLOGDIR="$stage/tests/tap/tmp_check/log" \
		ASAN_OPTIONS="log_path=$stage/sanitizer" \
		UBSAN_OPTIONS="log_path=$stage/sanitizer:print_stacktrace=1" \
		DIRECT_ROWS="${DIRECT_ROWS:-on}" JAVA_HOME="${JAVA_HOME:-}" ${CI:+CI=1} \
		"${settings[@]}" CHAT_ENGINE="$engine" \
		${FAILOVERS:+FAILOVERS="$FAILOVERS"} \
		${GCOV_PREFIX:+GCOV_PREFIX="$GCOV_PREFIX"} ${PGCTLTIMEOUT:+PGCTLTIMEOUT="$PGCTLTIMEOUT"} \
		"$@"
}

# limited SECONDS COMMAND... - the same, for so long at most, and for all that the command starts. SIGABRT has a test of
# Python's, too, say where it is.
limited()
{
	staged PYTHONFAULTHANDLER=1 "$stage/tests/lib/limit.py" "$@"
}

# The user who runs the tests may not be able to enter the clone, so the stage has a copy of a PostgreSQL in it.
stage_postgres()
{
	pg_config=$(command -v "$pg_config")
	case $pg_config in
		"$top/build/postgres/"*)
			cp -R "$top/build/postgres" "$stage/"
			pg_config=$stage/postgres/pg_config
			;;
	esac
	bindir=$("$pg_config" --bindir)
	pgxs_test=$(dirname "$("$pg_config" --pgxs)")/../test
}

# Build the engine where it stays, and give the stage a copy. Where it cannot be built, the tests that need it
# fail, and the summary says why.
stage_engine()
{
	"$top/docker/step.sh" engine "Fetching and building $engine" "$top/tests/elasticsearch/run.sh" "$engine" build || {
		lacking="$(sed -n 's,^elasticsearch/run.sh: ,,p' "$logs/engine.log" | head -n 1): tests of search and torture failed for that, see build/log/engine.log"
		return 0
	}
	mkdir "$stage/build/elasticsearch"
	cp -R "$top/build/elasticsearch/$engine" "$stage/build/elasticsearch/"
}

# The same for the jars of Apache HttpClient, where there is what runs it.
stage_apache()
{
	local jars
	{ command -v mvn && command -v javac; } >/dev/null || return 0
	jars=$top/build/apache/$(sha256sum "$top/tests/http/apache/pom.xml" | cut -c 1-16)
	if [ ! -d "$jars" ]; then
		rm -rf "$top/build/apache"
		if ! "$top/docker/step.sh" apache "Fetching Apache HttpClient" "$top/tests/lib/fetch_jars.sh" "$top/tests/http/apache/pom.xml" "$jars.new"; then
			lacking="Apache HttpClient could not be fetched: its tests failed for that, see build/log/apache.log"
			return 0
		fi
		mv "$jars.new" "$jars"
	fi
	cp -R "$jars" "$stage/build/apache"
}

# The same for Schemathesis, where there is pip. What it needs is different for each version of Python.
stage_schemathesis()
{
	local lib requirements=$top/tests/http/schemathesis/requirements.txt
	/usr/bin/python3 -m pip --version >/dev/null 2>&1 || return 0
	lib=$top/build/schemathesis/$({ /usr/bin/python3 --version && cat "$requirements"; } | sha256sum | cut -c 1-16)
	if [ ! -d "$lib" ]; then
		rm -rf "$top/build/schemathesis"
		if ! "$top/docker/step.sh" schemathesis "Fetching Schemathesis" "$top/tests/lib/fetch_python.sh" "$requirements" "$lib.new"; then
			lacking="Schemathesis could not be fetched: its tests failed for that, see build/log/schemathesis.log"
			return 0
		fi
		mv "$lib.new" "$lib"
	fi
	cp -R "$lib" "$stage/build/schemathesis"
}

# make_stage SUITE... - with what these need.
make_stage()
{
	stage=$(mktemp -d "${TMPDIR:-/tmp}/pg_chat.XXXXXX")
	trap drop_stage EXIT
	trap 'exit 130' INT TERM
	mkdir "$stage/tmp" "$stage/build"
	cp -R "$top/tests" "$stage/tests"
	(cd "$top" && find . \( -name build -o -name .git -o -path ./tests \) -prune -o \( -name '*.md' -o -path ./Makefile \) -exec cp --parents -t "$stage" {} +)
	(cd "$top" && cp --parents -t "$stage" docker/*.sh frontend/run.sh)
	# What some tests compare with the server's answers.
	(cd "$top" && cp --parents -t "$stage" frontend/*.c frontend/*/*.c frontend/api/openapi.json)
	[ ! -x "$chatd" ] || install -m 755 "$chatd" "$stage/build/chatd"
	case " $* " in
		*" tap "* | *" torture "* | *" soak "*) stage_engine ;;
	esac
	case " $* " in
		*" http "*)
			stage_apache
			stage_schemathesis
			;;
	esac
	stage_postgres
	[ "$(id -u)" != 0 ] || chown -R postgres:postgres "$stage"
}

# Stop what a killed runner could not, then remove the stage.
drop_stage()
{
	local pidfile
	kill "$teller" 2>/dev/null
	while IFS= read -r pidfile; do
		kill -QUIT "$(head -n 1 "$pidfile")" 2>/dev/null
	done < <(find "$stage" -name postmaster.pid)
	rm -rf "$stage"
}

# Names of the tests in a folder: pg_regress wants them without the extension.
names()
{
	find "$1" -name "*.$2" -printf '%f\n' | sed "s/\.$2\$//" | sort
}

# pg_regress RUNNER FOLDER EXTENSION - all tests of a suite against a temporary instance, and once more
# with all rows written by statements.
pg_regress()
{
	local tests way status=0
	mapfile -t tests < <(names "$2" "$3")
	[ ${#tests[@]} -gt 0 ] || return 1
	for way in on off; do
		echo "-- pg_chat.direct_rows = $way"
		staged mkdir "$way"
		staged sh -c "echo pg_chat.direct_rows = $way >$way/conf"
		limited "$suite_seconds" "$pgxs_test/$1" --bindir="$bindir" --inputdir=. --outputdir="$way" --temp-config="$way/conf" \
			--temp-instance=tmp_check --encoding=UTF8 --no-locale --dbname=chat_test "${tests[@]}" || status=1
	done
	return $status
}

suite_regress()
{
	pg_regress regress/pg_regress sql sql
}

suite_isolation()
{
	pg_regress isolation/pg_isolation_regress specs spec
}

suite_tap()
{
	# shellcheck disable=SC2086
	staged PERL5LIB="lib:$pgxs_test/perl" prove --timer --jobs "${JOBS:-2}" --ext .pl \
		--exec "../lib/limit.py $script_seconds perl -MWhereItIs" ${TESTS:-t}
}

suite_http()
{
	# shellcheck disable=SC2086
	limited "$suite_seconds" /usr/bin/python3 -m pytest -p no:cacheprovider -q --timeout "$test_seconds" ${TESTS:-}
}

suite_commands()
{
	suite_http
}

suite_torture()
{
	local rounds=${ROUNDS:-25}
	limited $((600 + rounds * 60)) /usr/bin/python3 torture.py --pg-config "$pg_config" --chatd "$stage/build/chatd" --rounds "$rounds" --seed "${SEED:-1}"
}

suite_soak()
{
	local minutes=${MINUTES:-60}
	limited $((1800 + minutes * 60)) /usr/bin/python3 soak.py --pg-config "$pg_config" --chatd "$stage/build/chatd" --minutes "$minutes"
	local status=$?
	cp soak.svg "$top/build/" && echo "The drawing is build/soak.svg."
	return $status
}

# Each counter reads a runner's output and prints "<passed> <failed>".
count_regress()
{
	sed -n 's/.*All \([0-9]*\) tests passed.*/\1 0/p
		s/.* \([0-9]*\) of \([0-9]*\) tests failed.*/\2 \1/p' |
		awk '{ passed += $1 - $2; failed += $2 } END { print passed + 0, failed + 0 }'
}

count_isolation()
{
	count_regress
}

count_tap()
{
	awk 'match($0, /Failed: [0-9]+\)/) { failed += substr($0, RSTART + 8) }
		match($0, /^Files=[0-9]+, Tests=[0-9]+/) { split($0, part, /[=,]/); total = part[4] }
		END { print total - failed, failed + 0 }'
}

count_http()
{
	awk '/ in [0-9.]+s/ {
			passed = failed = 0
			for (i = 2; i <= NF; i++) {
				if ($i ~ /^passed/) passed = $(i - 1)
				if ($i ~ /^(failed|errors?)/) failed += $(i - 1)
			}
		}
		END { print passed + 0, failed + 0 }'
}

count_commands()
{
	count_http
}

count_torture()
{
	sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p'
}

count_soak()
{
	count_torture
}

# Print all that explains a failure: differences, findings of a sanitizer, the servers' logs.
report_failure()
{
	local file
	for file in "$stage/tests/$1"/*/regression.diffs "$stage"/sanitizer.*; do
		[ ! -s "$file" ] || cat "$file"
	done
	mkdir -p "$left/$1"
	(cd "$stage/tests/$1" && find . \( -path '*/log/*' -o -path '*/results/*' -o -name '*.diffs' \) \
		-type f -exec cp --parents -t "$left/$1" {} +)
	rmdir "$left/$1" 2>/dev/null || echo "$1: its servers' logs are in build/test/$1"
}

# The names of what failed, to stand beside the totals: a long log is often seen by its end alone.
name_failures()
{
	grep -aE '^# not done|^# +Failed test|^FAILED |^ERROR |\.\.\. FAILED|^not ok|^t/.*\(Wstat' "$logs/$1.log" | cut -c 1-150 | head -n 12
}

# While a suite says nothing: for how long it has been running, and what of tap it is at.
tell_progress()
{
	local never began=$SECONDS
	exec {never}<> <(:)
	while read -rt 30 -u "$never" || true; do
		[ -n "$(find "$logs/$1.log" -newermt '-30 seconds')" ] ||
			echo "$1: $((SECONDS - began)) s so far$(find "$stage/tests/$1/tmp_check/log" -name 'regress_log_*' \
				-newermt '-60 seconds' -printf ' %f' 2>/dev/null | sed 's/ regress_log_/, /g')"
	done
}

# Run one suite, add to the totals. What goes wrong outside of any test counts as one failure.
run_suite()
{
	local status good bad
	echo "== $1${CHAT_ENGINE:+ with $CHAT_ENGINE} (log: build/log/$1.log)"
	tell_progress "$1" &
	teller=$!
	(cd "$stage/tests/$1" && "suite_$1") 2>&1 | tee "$logs/$1.log"
	status=${PIPESTATUS[0]}
	kill "$teller"
	read -r good bad < <("count_$1" <"$logs/$1.log")
	: "${good:=0}" "${bad:=0}"
	if [ "$bad" = 0 ] && { [ "$status" != 0 ] || [ "$good" = 0 ] || compgen -G "$stage/sanitizer.*" >/dev/null; }; then
		echo "$1: ended with status $status after $good tests"
		bad=1
	fi
	if [ "$bad" != 0 ]; then
		report_failure "$1"
		summary+=$(name_failures "$1")$'\n'
	fi
	passed=$((passed + good))
	failed=$((failed + bad))
	summary+=$(printf '%-10s %5d passed %5d failed' "$1" "$good" "$bad")$'\n'
}

summary=
lacking=
teller=
rm -rf "$left"
mkdir -p "$logs" || exit
make_stage "$@"
for suite; do
	run_suite "$suite"
done
printf '\n%s%s%d passed, %d failed\n' "$summary" "${lacking:+$lacking$'\n'}" "$passed" "$failed"
[ "$failed" = 0 ]
