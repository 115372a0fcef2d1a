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
# shellcheck disable=SC2016,SC2317 # what a shell in a container is to expand; what check and traps call

set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
compose=${COMPOSE:-docker-compose}
url=http://127.0.0.1:8080
passed=0
failed=0

die()
{
	echo "docker/run.sh: $*" >&2
	exit 1
}

# eventually SECONDS COMMAND... - wait until the command succeeds; status 1 if it does not in that time.
eventually()
{
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.2
	done
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

# The outside: a network namespace with a way to the package mirrors, and in it this script once more.
outside()
{
	local program
	[ "$(id -u)" = 0 ] || die "only root can run it"
	for program in dockerd docker debootstrap slirp4netns curl "${compose%% *}"; do
		command -v "$program" >/dev/null || die "there is no $program; see the head of this script"
	done
	"$top/tests/elasticsearch/run.sh" elasticsearch-8 build

	work=$(mktemp -d "${TMPDIR:-/tmp}/pg_chat-docker.XXXXXX")
	namespace=$(basename "$work")
	children=()
	trap leave EXIT
	trap 'exit 130' INT TERM
	ip netns add "$namespace"
	setpriv --pdeathsig TERM slirp4netns --configure --disable-host-loopback --netns-type=path "/run/netns/$namespace" tap0 \
		>"$work/slirp4netns.log" 2>&1 &
	children=($!)
	setpriv --pdeathsig KILL nsenter --net="/run/netns/$namespace" \
		unshare --mount --pid --fork --mount-proc --kill-child "$0" inside "$work" &
	children+=($!)
	wait $!
}

# What dockerd made, once its processes are gone.
remove_cgroups()
{
	find /sys/fs/cgroup -depth -type d -path "*/$namespace*" -exec rmdir {} +
}

leave()
{
	local status=$?
	trap '' INT TERM
	{ kill -KILL "${children[@]}" && wait; } 2>/dev/null || true
	ip netns del "$namespace"
	eventually 10 remove_cgroups || echo "docker/run.sh: in /sys/fs/cgroup there is something left of $namespace" >&2
	if [ "$status" != 0 ] && [ -f "$work/log" ]; then
		cp "$work/log" "$top/build/test-docker.log"
		echo "docker/run.sh: its log is $top/build/test-docker.log" >&2
	fi
	rm -rf "$work"
	exit "$status"
}

start_dockerd()
{
	ip link set lo up
	eventually 20 ip addr show dev tap0
	export DOCKER_HOST=unix://$work/docker.sock
	dockerd --data-root "$top/build/docker" --exec-root "$work/exec" --pidfile "$work/dockerd.pid" \
		--host "$DOCKER_HOST" --storage-driver overlay2 --cgroup-parent "$(basename "$work")" \
		>"$work/dockerd.log" 2>&1 &
	dockerd=$!
	eventually 60 docker version || die "dockerd does not start: $(tail -n 3 "$work/dockerd.log")"
	# What a run left that was killed.
	docker ps -aq | xargs -r docker rm -f
	docker volume ls -q | xargs -r docker volume rm
	docker network prune -f
}

# base_image RELEASE - without what Debian's own is without, also in the packages that come to it.
base_image()
{
	[ -z "$(docker images -q "debian:$1-slim")" ] || return 0
	debootstrap --variant=minbase "$1" "$work/$1"
	printf 'path-exclude=/usr/share/%s/*\n' doc info lintian locale man >"$work/$1/etc/dpkg/dpkg.cfg.d/docker"
	echo 'path-include=/usr/share/doc/*/copyright' >>"$work/$1/etc/dpkg/dpkg.cfg.d/docker"
	rm -rf "$work/$1"/var/cache/apt/* "$work/$1"/var/lib/apt/lists/* \
		"$work/$1"/usr/share/{info,lintian,locale,man}/*
	find "$work/$1/usr/share/doc" ! -type d ! -name copyright -delete
	tar -C "$work/$1" -c . | docker import - "debian:$1-slim"
	rm -rf "${work:?}/$1"
}

# stand_in SERVICE CONTEXT
stand_in()
{
	local image
	image=$(in_stack config | sed -n "s/^ *image: \($1:.*\)/\1/p")
	DOCKER_BUILDKIT=0 docker build -q -t "$image" -f "$top/tests/docker/$1.Dockerfile" "$2"
}

# in_stack ARGUMENT... - the compose program on the version of the stack that is being tested.
in_stack()
{
	(cd "$tree" && command $compose "$@")
}

sql()
{
	in_stack exec -T postgres sh -c 'exec /usr/lib/postgresql/*/bin/psql -h /run/postgresql -d chat -XqAt -c "$1"' sh "$1"
}

healthy()
{
	local service
	for service; do
		[ "$(docker inspect -f '{{.State.Health.Status}}' "$(in_stack ps -q "$service")")" = healthy ] || return 1
	done
}

# Whether all services are healthy, and chatd serves: it was healthy before PostgreSQL's restart, too.
ready()
{
	eventually 180 healthy "${services[@]}" && eventually 60 curl -sf "$url/readyz"
}

# call PATH ARGUMENT... - curl, with the key.
call()
{
	curl -s -H "Authorization: Bearer $key" "$url$1" "${@:2}"
}

stranger_refused()
{
	[ "$(curl -s -o /dev/null -w '%{http_code}' "$url/applications")" = 401 ]
}

# Post a message, and remember it in "posted".
post()
{
	posted=$((posted + 1))
	[ "$(call "/applications/$token/chats/1/messages" -d "data[body]=Parcel $posted is here")" = \
		"{\"number\":$posted,\"body\":\"Parcel $posted is here\"}" ]
}

# Whether a search finds every message that was posted.
all_found()
{
	[ "$(call "/applications/$token/chats/1/messages/search?query=PARCEL" | grep -o '"number"' | wc -l)" = "$posted" ]
}

goes_on()
{
	ready && all_found && post && all_found
}

mirrored()
{
	[ "$(in_stack exec -T redis sh -c 'REDISCLI_AUTH=$(cat /run/secrets/redis/password) redis-cli get "$1"' \
		sh "application:$token:chat:1:number" | tr -d '\r"')" = "$posted" ]
}

indexed()
{
	[ "$(in_stack exec -T elasticsearch curl -s 'http://127.0.0.1:9200/_cat/count?h=count' | tr -d '\r ')" = "$posted" ]
}

only_chatd_published()
{
	[ "$(docker ps --format '{{.Ports}}' | grep -- '->')" = "127.0.0.1:8080->8080/tcp" ]
}

no_compiler()
{
	in_stack exec -T "$1" sh -c 'for program in cc gcc make; do ! command -v $program || exit 1; done'
}

# Not root, and a root file system that is read-only: anybody may write to its /var/tmp otherwise.
confined()
{
	[ "$(docker inspect -f '{{.HostConfig.ReadonlyRootfs}}' "$(in_stack ps -q "$1")")" = true ] &&
		in_stack exec -T "$1" sh -c '[ "$(id -u)" != 0 ] && touch /var/tmp/x 2>&1 | grep "Read-only file system"'
}

# Nothing that Docker tells or keeps of an image or container has one of the passwords.
passwords_hidden()
{
	local containers images password
	containers=$(in_stack ps -aq) && images=$(docker images -q | sort -u) || return 1
	# shellcheck disable=SC2086 # words
	docker inspect $containers $images >"$work/told" && in_stack logs >>"$work/told" || return 1
	# What must be there shows that this looks in the right place.
	grep -qF requirepass "$work/told" && grep -qF "made redis/password" "$work/told" || return 1
	for password in "$(in_stack exec -T chatd sed 's/.*://' /run/secrets/chatd/pgpass)" \
		"$(in_stack exec -T postgres cat /run/secrets/redis/password)" \
		"$(in_stack exec -T postgres cat /run/secrets/elasticsearch/password)" \
		"$(in_stack exec -T postgres sed 's/.*_//' /run/secrets/admin/key)"; do
		[ "${#password}" = 48 ] || return 1
		! grep -F "$password" "$work/told" || return 1
	done
}

wrong_password_refused()
{
	in_stack exec -T -e PGPASSWORD=wrong -e PGPASSFILE= postgres sh -c \
		'! /usr/lib/postgresql/*/bin/psql -h "$(hostname -i)" -U chat_api -d chat -c "SELECT 1" 2>/tmp/said &&
		grep "password authentication failed" /tmp/said'
}

# Whether a service ends by itself when it is told to, with status 0.
stops()
{
	in_stack stop "$1"
	[ "$(docker inspect -f '{{.State.ExitCode}}' "$(in_stack ps -aq "$1")")" = 0 ]
}

other_major_refused()
{
	local said
	said=$(docker run --rm --tmpfs /var/lib/postgresql:uid=1000 --entrypoint bash \
		"pg-chat-postgres:${DEBIAN:-trixie}" \
		-c 'mkdir "$PGDATA" && echo 9 >"$PGDATA/PG_VERSION" && exec postgres.sh' 2>&1) && return 1
	[[ $said == *"the data is PostgreSQL 9's"* ]]
}

settings_listed()
{
	diff <(grep -oh '\${[A-Z_]*' "$tree/docker-compose.yml" "$tree"/docker/without-*.yml | tr -d '${' | sort -u) \
		<(sed -n 's/^#\([A-Z_]*\)=.*/\1/p' "$tree/docker/settings.env" | grep -vx COMPOSE_FILE | sort -u)
}

# docker-compose as the examples of docker/README.md say it, for the stack that is tested. It has no terminal.
docker-compose()
{
	local arguments=("$@")
	[ "$1" != exec ] || [ "$2" = -T ] || arguments=(exec -T "${@:2}")
	[ "$1" != run ] || arguments=(run -T "${@:2}")
	in_stack "${arguments[@]}"
}

# run_example NAME FOLDER - run the commands of an example, one a line.
run_example()
{
	local text
	text=$("$top/tests/examples.sh" "$1") && (cd "$2" && eval "${text//$'\n'/ && }")
}

up()
{
	run_example compose-up "$work"
}

# The database in psql, which is told to by its standard input.
psql_works()
{
	run_example compose-psql "$work" <<<"SELECT 'there are ' || count(*) FROM chat.applications" | grep "there are 1"
}

dump()
{
	run_example compose-dump "$work"
}

restore()
{
	run_example compose-restore "$work"
}

# Whether compose takes the settings with their defaults, and what the example of another Elasticsearch overrides.
overrides_taken()
{
	local status=0
	"$top/tests/examples.sh" compose-elsewhere >"$tree/elsewhere.yml"
	run_example compose-settings "$tree"
	(export COMPOSE_FILE=docker-compose.yml:docker/without-elasticsearch.yml:elsewhere.yml && in_stack config) |
		grep /run/secrets/elasticsearch.key || status=1
	rm "$tree/elsewhere.yml" "$tree/.env"
	return "$status"
}

redis_password()
{
	in_stack exec -T postgres cat /run/secrets/redis/password
}

change_redis_password()
{
	local before
	before=$(redis_password)
	run_example compose-password "$work" && [ "$(redis_password)" != "$before" ]
}

write_settings()
{
	cat >"$tree/.env" <<-'SETTINGS'
		PG_CHAT_MAX_BODY_SIZE=2kB
		POSTGRES_ARGUMENTS=-c shared_preload_libraries=pg_stat_statements -c log_connections=on
	SETTINGS
}

# Whether what write_settings wrote is so, in the server and for its clients.
settings_used()
{
	[ "$(sql "SHOW pg_chat.max_body_size" | tr -d '\r')" = 2kB ] &&
		[ "$(sql "SHOW log_connections" | tr -d '\r')" = on ] &&
		[ "$(call "/applications/$token/chats/1/messages" -o /dev/null -w '%{http_code}' \
			-d "data[body]=$(printf '%02049d' 0)")" = 422 ]
}

# Whether the worker runs, next to what POSTGRES_ARGUMENTS preloads.
worker_beside()
{
	[ "$(sql "SHOW shared_preload_libraries" | tr -d '\r')" = pg_stat_statements,pg_chat ] &&
		[ "$(sql "SELECT count(pid) > 0 FROM chat.worker_status" | tr -d '\r')" = t ]
}

# What the stack is made of, in a folder of its own.
copy_tree()
{
	mkdir "$work/$1"
	cp -R "$top"/{docker,docker-compose.yml,.dockerignore,extension,frontend,sql} "$work/$1"
}

# The next version, with an upgrade script; its stack is this one's, as the project's name is the same.
make_next_version()
{
	copy_tree next
	tree=$work/next
	sed -i "s/^default_version = .*/default_version = '9.9'/" "$tree/extension/pg_chat.control"
	sed -i 's/\(define CHATD_VERSION\) .*/\1 "9.9"/' "$tree/frontend/common/settings.h"
	echo "CREATE FUNCTION chat.upgraded() RETURNS text LANGUAGE sql AS 'SELECT ''yes''::text';" \
		>"$tree/sql/pg_chat--$(sql "SELECT extversion FROM pg_extension WHERE extname = 'pg_chat'" | tr -d '\r')--9.9.sql"
}

# Start PostgreSQL of the next version where its upgrade script fails: it makes what is there.
fail_to_upgrade()
{
	sql "CREATE FUNCTION chat.upgraded() RETURNS text LANGUAGE sql AS 'SELECT ''no''::text'"
	make_next_version
	in_stack build && in_stack up -d --no-deps postgres
}

said_by_postgres()
{
	in_stack logs postgres >"$work/told" && grep -F "$1" "$work/told"
}

# Whether PostgreSQL says why, and ends each of its attempts as it should: it never has to recover.
failed_cleanly()
{
	eventually 60 restarted_twice && said_by_postgres 'function "upgraded" already exists with same argument types' &&
		said_by_postgres "postgres.sh: the extension could not be updated" &&
		refuses said_by_postgres "was not properly shut down"
}

restarted_twice()
{
	[ "$(docker inspect -f '{{.RestartCount}}' "$(in_stack ps -aq postgres)")" -ge 2 ]
}

# The former version again, and out of the way what the upgrade fails of.
go_back()
{
	tree=$work/this
	in_stack up --build -d && ready && sql "DROP FUNCTION chat.upgraded()"
}

upgraded()
{
	[ "$(sql "SELECT extversion || chat.upgraded() FROM pg_extension WHERE extname = 'pg_chat'" | tr -d '\r')" = 9.9yes ]
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
	kill "$dockerd"
	wait "$dockerd" || true
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ]
}

case ${1:-} in
	"") outside ;;
	inside) inside "$2" ;;
	*) die "usage: run.sh" ;;
esac
