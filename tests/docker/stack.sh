#!/bin/bash
#
# stack.sh - sourced by run.sh: what the tests do with a stack, and what they ask of it.
#
# $tree is the version of the project whose stack it is, $key a key of scope admin, $token the application,
# $posted the number of messages.
#
# shellcheck disable=SC2154 # what run.sh sets
# shellcheck disable=SC2016,SC2317 # what a shell in a container is to expand; what check calls

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
	[ "$(call "/applications/$token/chats/1/messages" -d "data[body]=Parcel $posted is here" | sed 's/,"created_at":"[^"]*"//')" = \
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
	# Two texts that must be there, to show that this looks in the right place.
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

# Copy the files that the stack consists of to a new folder.
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
