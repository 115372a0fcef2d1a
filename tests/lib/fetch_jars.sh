#!/bin/bash
#
# fetch_jars.sh POM DIRECTORY - have Maven put the jars that a pom names, with all that they need, into a
# new directory, within 20 minutes: Maven by itself waits half an hour for each server that says nothing. What
# it fetches stays in build/maven, for all poms. Status 77: there is no Maven.

set -euo pipefail

pom=$1
directory=$2
cache=$(cd "$(dirname "$0")/../.." && pwd)/build/maven
name=$(basename "$(dirname "$pom")")

command -v mvn >/dev/null || {
	echo "the jars of $name are to be fetched with Maven, and there is no mvn" >&2
	exit 77
}
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
rm -rf "$directory"
said=$(timeout --foreground 1200 mvn -B -q -Dmaven.repo.local="$cache" -f "$pom" \
	org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$directory" 2>&1) || {
	printf 'Maven cannot fetch the jars of %s\n%s\n' "$name" "$said" >&2
	exit 1
}
