#!/bin/bash
#
# run.sh - the stack of docker-compose.yml, from nothing and through its life (make test-docker).
#
# For root, with Debian's docker.io, docker-compose, debootstrap, slirp4netns, curl, and what
# tests/elasticsearch/run.sh needs. It needs no Docker that runs, and touches none: a dockerd of its own
# has its processes, mounts and network in namespaces that end with this script. Images stay in
# build/docker, for the next run; delete it for a start from nothing, and for Debian's newest packages.
# No registry is asked: Debian's base images are made with debootstrap, and stand-ins for Elasticsearch's
# and Redis's are built under the names that docker-compose.yml gives (see *.Dockerfile).
#
# COMPOSE is the program to use, docker-compose unless said; DEBIAN the release, trixie unless said. No
# other setting of the stack is taken from whoever runs this: neither from the environment nor from .env.
#
# The last line is "N passed, N failed"; the status is 1 if one failed.
#
# shellcheck disable=SC2317 # what check calls

set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tests/docker/machine.sh
. "$top/tests/docker/machine.sh"
# shellcheck source=tests/docker/stack.sh
. "$top/tests/docker/stack.sh"
compose=${COMPOSE:-docker-compose}
url=http://127.0.0.1:8080
passed=0
failed=0

die()
{
	echo "docker/run.sh: $*" >&2
	exit 1
}

# check WHAT COMMAND... - a test: the command's success.
check()
{
	local what=$1
	shift
	if "$@" >>"$work/log" 2>&1; then
		passed=$((passed + 1))
		echo "ok - $what"
	else
		failed=$((failed + 1))
		echo "not ok - $what"
	fi
}

refuses()
{
	! "$@"
}

tests()
{
	local service
	services=(postgres chatd elasticsearch redis)
	posted=0

	check "all settings are listed" settings_listed
	check "the examples of settings are taken" overrides_taken
	check "comes up from nothing" up
	check "is healthy" ready
	check "who has no key is refused" stranger_refused
	key=$(run_example compose-key "$work" | tr -d '\r')
	token=$(call /applications -d "data[name]=parcels" | cut -d'"' -f4)
	check "a chat" call "/applications/$token/chats" -f -X POST
	check "a message is posted and found" goes_on
	check "psql reaches the database" psql_works
	check "Redis has its number" eventually 60 mirrored
	check "Elasticsearch has it" eventually 60 indexed
	check "nothing is published but chatd" only_chatd_published
	for service in postgres chatd redis; do
		check "$service is confined" confined "$service"
	done
	check "PostgreSQL's image has no compiler" no_compiler postgres
	check "chatd's image has no compiler" no_compiler chatd
	check "no password shows" passwords_hidden
	check "a wrong password is refused" wrong_password_refused

	for service in "${services[@]}"; do
		check "restart of $service" in_stack restart "$service"
		check "goes on after restart of $service" goes_on
	done
	check "restart of all" in_stack restart
	check "goes on after restart of all" goes_on
	check "Redis is filled again" eventually 90 mirrored
	check "Elasticsearch has all" eventually 60 indexed
	check "chatd stops" stops chatd
	check "PostgreSQL stops" stops postgres

	check "down" in_stack down
	write_settings
	check "up after down, with other settings" in_stack up -d
	check "goes on after down and up" goes_on
	check "the settings of .env are used" settings_used
	check "the worker runs beside another library" eventually 60 worker_beside
	rm "$tree/.env"

	check "change of a password" change_redis_password
	check "goes on after it" goes_on
	check "Redis is filled with the new one" eventually 90 mirrored

	check "dump" dump
	check "down with the data" in_stack down -v
	check "up from nothing again" in_stack up -d
	check "is healthy again" ready
	check "restore" restore
	check "goes on after the restore" goes_on
	check "Redis is filled after the restore" eventually 90 mirrored
	check "Elasticsearch has all after the restore" eventually 60 indexed

	check "start of a version that fails to upgrade" fail_to_upgrade
	check "it says why, and ends cleanly" failed_cleanly
	check "the former version takes the data back" go_back
	check "goes on as before" goes_on
	tree=$work/next
	check "image upgrade" in_stack up --build -d
	check "goes on after the upgrade" goes_on
	check "ALTER EXTENSION UPDATE was run" upgraded
	check "data of another major version is refused" other_major_refused

	check "down before leaving out" in_stack down
	services=(postgres chatd)
	"$top/tests/examples.sh" compose-without >"$tree/.env"
	check "up without Elasticsearch and Redis" in_stack up -d
	check "goes on without them" goes_on
	check "they are not there" refuses grep -E 'elasticsearch|redis' <(docker ps --format '{{.Image}}')
	check "down with the data" in_stack down -v
}

inside()
{
	work=$1
	mount --make-rprivate /
	unset "${!CHATD_@}" "${!PG_CHAT_@}" "${!POSTGRES_@}" "${!REDIS_@}" "${!ELASTICSEARCH_@}" "${!COMPOSE_@}"
	export COMPOSE_PROJECT_NAME=pg_chat_test
	copy_tree this
	tree=$work/this
	echo "Making the images; $work/log tells." >&2
	{
		start_dockerd
		base_image trixie
		base_image "${DEBIAN:-trixie}"
		stand_in elasticsearch "$top/build/elasticsearch/elasticsearch-8"
		stand_in redis "$top/tests/docker"
	} >>"$work/log" 2>&1
	tests
	docker images --format '{{.Repository}}:{{.Tag}} {{.Size}}' | grep ^pg-chat
	docker image prune -f >>"$work/log"
	stop_dockerd
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ]
}

case ${1:-} in
	"") outside ;;
	inside) inside "$2" ;;
	*) die "usage: run.sh" ;;
esac
