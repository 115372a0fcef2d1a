#!/bin/bash
#
# run.sh ENGINE build - fetch the jars of a real Elasticsearch or OpenSearch, compile its launcher.
# run.sh ENGINE check - whether that was done; fetches nothing.
# run.sh ENGINE start DATA_DIR PORT [KEY=VALUE...] - run it, building it first if need be.
#
# ENGINE is elasticsearch-7, elasticsearch-8, elasticsearch-9, opensearch-2 or opensearch-3. Their
# servers are on Maven Central as jars: ENGINE/pom.xml names them, and a class Engine starts one in a
# plain JVM (see Launcher.java). What was built stays in build/elasticsearch/ENGINE, for any user to
# read; nothing is fetched again until the pom changes, nothing compiled until a source does.
#
# start becomes the server: its process is the caller's to signal. It prints READY, keeps all it writes
# in DATA_DIR, and ends with its standard input. KEY=VALUE are settings of the engine. HEAP is the
# JVM's, 512m unless said.
#
# Not there, as their jars are not: scripts and reindex in Elasticsearch; GET / in 8 and 9.
#
# Status 77: no JDK, or no Maven, that could do it.

set -euo pipefail
umask 022

here=$(cd "$(dirname "$0")" && pwd)
cache=$(cd "$here/../.." && pwd)/build/elasticsearch

die()
{
	echo "elasticsearch/run.sh: $*" >&2
	exit 1
}

skip()
{
	echo "elasticsearch/run.sh: $*" >&2
	exit 77
}

# The least Java an engine runs on, and the folders with its Java besides this one.
describe()
{
	case $1 in
		elasticsearch-7) java=17 folders=(elasticsearch elasticsearch-7) ;;
		elasticsearch-8) java=17 folders=(elasticsearch elasticsearch-8) ;;
		elasticsearch-9) java=21 folders=(elasticsearch elasticsearch-8) ;;
		opensearch-2) java=17 folders=(opensearch-2) ;;
		opensearch-3) java=21 folders=(opensearch-3) ;;
		*) die "no engine \"$1\"" ;;
	esac
}

# Sets JAVA_HOME to a JDK that is new enough: the caller's, the one on the path, else any installed.
find_jdk()
{
	local home version
	for home in "${JAVA_HOME:-}" "$(readlink -f "$(command -v javac)" | sed 's,/bin/javac$,,')" /usr/lib/jvm/*; do
		version=$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$home/release" 2>/dev/null || true)
		if [ -x "$home/bin/javac" ] && [ "${version:-0}" -ge "$java" ]; then
			export JAVA_HOME=$home
			return
		fi
	done
	skip "$engine needs a JDK of version $java or later; there is none in JAVA_HOME, on the path or in /usr/lib/jvm"
}

# checksum FILE... - of names and contents.
checksum()
{
	(cd "$here" && sha256sum "$@") | sha256sum | cut -c 1-16
}

# keep_only FOLDER - move FOLDER.new into place, remove what earlier versions left.
keep_only()
{
	local old
	for old in "${1%-*}"-*; do
		[ "$old" = "$1.new" ] || rm -rf "$old"
	done
	mv "$1.new" "$1"
}

fetch_jars()
{
	local said status=0
	echo "Fetching the jars of $engine." >&2
	said=$("$here/../lib/fetch_jars.sh" "$here/$engine/pom.xml" "$jars.new" 2>&1) || status=$?
	case $status in
		0) keep_only "$jars" ;;
		77) skip "$said" ;;
		*) die "$said" ;;
	esac
}

compile()
{
	rm -rf "$classes.new"
	(cd "$here" && "$JAVA_HOME/bin/javac" --release "$java" -Xlint:all,-processing,-classfile -cp "$jars/*" -d "$classes.new" "${sources[@]}") >&2
	keep_only "$classes"
}

is_built()
{
	[ -d "$jars" ] && [ -d "$classes" ]
}

check()
{
	is_built || command -v mvn >/dev/null || skip "$engine is not built, and there is no mvn"
	is_built || die "$engine is not built"
}

# One at a time.
build()
{
	! is_built || return 0
	{ mkdir -p "$cache/$engine" 2>/dev/null && [ -w "$cache/$engine" ]; } || die "$engine is not built, and $cache belongs to someone else"
	exec 9>"$cache/lock"
	flock 9
	[ -d "$jars" ] || fetch_jars
	[ -d "$classes" ] || compile
	exec 9>&-
}

# SIGCONT when the caller dies: a server that it had stopped could not see its standard input end.
start()
{
	local data=$1 port=$2
	shift 2
	mkdir -p "$data/logs" "$data/tmp"
	exec setpriv --pdeathsig CONT "$JAVA_HOME/bin/java" \
		-Xms"${HEAP:-512m}" -Xmx"${HEAP:-512m}" -XX:+UseSerialGC -XX:-UsePerfData \
		-XX:ErrorFile="$data/logs/hs_err.log" -Djava.io.tmpdir="$data/tmp" -Djna.tmpdir="$data/tmp" \
		-Dio.netty.noUnsafe=true -Dio.netty.noKeySetOptimization=true \
		-Dlog4j2.disable.jmx=true -Dorg.apache.logging.log4j.level=WARN \
		-cp "$classes:$jars/*" Launcher "$data" "$port" "$@"
}

usage="usage: run.sh ENGINE build | run.sh ENGINE check | run.sh ENGINE start DATA_DIR PORT [KEY=VALUE...]"
[ $# -ge 2 ] || die "$usage"
engine=$1
action=$2
shift 2
describe "$engine"
find_jdk
mapfile -t sources < <(cd "$here" && find Launcher.java "${folders[@]}" -name '*.java' | sort)
jars=$cache/$engine/jars-$(checksum "$engine/pom.xml")
classes=$cache/$engine/classes-$(checksum "$engine/pom.xml" "${sources[@]}")

case $action in
	build) build ;;
	check) check ;;
	start)
		[ $# -ge 2 ] || die "$usage"
		build
		start "$@"
		;;
	*) die "$usage" ;;
esac
