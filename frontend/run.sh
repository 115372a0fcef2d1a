#!/bin/bash
#
# run.sh - a private PostgreSQL with the extension, and chatd on it, in the foreground (make run).
#
# DATA is a directory of its own: the database, the programs that serve it, their logs, their socket. It
# is created by the first start and found by the later ones; one that holds anything else is refused as it
# is. PostgreSQL refuses root: root runs it all as the owner of DATA, else as the owner of the clone, else
# as the user postgres, with DATA in /var/lib/pg_chat where postgres cannot enter the clone. Nobody reaches
# the socket but that user and root.
#
# The end of one is the end of all: Ctrl-C or SIGTERM stops chatd, then PostgreSQL, and the exit
# status is 0; when either dies by itself the other is stopped and the status is 1. Each lives in a
# session of its own, so that a Ctrl-C reaches this script alone and the order is kept.
#
# Settings: DATA, PORT (default 8080).

set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
caller=$(id -un)
unset "${!PG@}"				# psql and chatd shall find this server, not the caller's
umask 077

# The contents of DATA, as a pattern.
ours='lock|new|postgres|programs|chatd|postgresql\.log|chatd\.log|\.s\.PGSQL\.5432(\.lock)?'

postgres_pid=
chatd_pid=
socket=

die()
{
	printf '%s\n' "$@" >&2
	exit 1
}

# Replace this process by a command that runs as the owner and gets SIGNAL if this script is killed.
exec_as_owner()
{
	local signal=$1
	shift
	if [ "$owner" = "$caller" ]; then
		exec setpriv --pdeathsig "$signal" "$@"
	else
		exec setpriv --reuid "$owner" --regid "$(id -g "$owner")" --init-groups --pdeathsig "$signal" "$@"
	fi
}

as_owner()
{
	(cd / && exec_as_owner TERM "$@")
}

# With its output appended to a log. The directory is the owner's, so that root must not write there.
exec_logged()
{
	# shellcheck disable=SC2016 # the shell that it starts expands it
	exec_as_owner "$2" sh -c 'log=$1 && shift && exec "$@" >>"$log" 2>&1' sh "$data/$1" setsid "${@:3}"
}

# Sets data to an absolute path, and owner to who serves it.
choose_data()
{
	owner=$caller
	if [ "$(id -u)" = 0 ]; then
		owner=$(stat -c %U "$top")
		id "$owner" >/dev/null 2>&1 && [ "$owner" != root ] || owner=postgres
	fi
	data=${DATA:-$top/build/run}
	if [ -z "${DATA:-}" ] && ! as_owner test -x "$top"; then
		data=/var/lib/pg_chat
	fi
	data=$(realpath -m -- "$data")
	if [ -d "$data/postgres" ]; then
		owner=$(stat -c %U "$data/postgres")
	fi
}

# Makes the directory unless it is there; looks at one that is before anything in it is touched. Takes its
# lock until this script ends.
claim_data()
{
	local foreign
	if [ ! -e "$data" ]; then
		{ (umask 022 && mkdir -p "$(dirname "$data")") && mkdir "$data"; } || die "DATA=$data cannot be created."
		chown "$owner:" "$data"
	fi
	[ -d "$data" ] || die "DATA=$data is no directory."
	[ "$(stat -c %U "$data")" = "$owner" ] ||
		die "DATA=$data belongs to $(stat -c %U "$data"), and PostgreSQL is to run as $owner. It was left as it is;" \
			"choose a directory that is not there yet."
	foreign=$(find "$data" -mindepth 1 -maxdepth 1 -regextype posix-extended ! -regex ".*/($ours)" -printf '%f' -quit)
	[ -z "$foreign" ] ||
		die "DATA=$data has something else in it: $foreign. It was left as it is; choose a directory that is not there yet."
	[ -e "$data/lock" ] || as_owner touch "$data/lock" || die "$owner cannot write to DATA=$data."
	exec 9<"$data/lock"
	flock -n 9 || die "Another \"make run\" uses DATA=$data; stop it, or choose another DATA and PORT."
}

# The programs, to where the owner reaches them and make does not replace them while they run.
copy_programs()
{
	as_owner rm -rf "$data/programs"
	as_owner mkdir "$data/programs"
	tar -C "$top/build" -c postgres chatd | as_owner tar -C "$data/programs" -x ||
		die "The programs cannot be copied to $data."
	bindir=$("$data/programs/postgres/pg_config" --bindir)
}

# The socket is in DATA, unless its path is too long for one or libpq would take it for a list.
choose_socket()
{
	local LC_ALL=C				# the length is in bytes
	socket=$data
	case $data in
		*,* | @*) socket= ;;
	esac
	if [ -z "$socket" ] || [ ${#data} -gt 80 ]; then
		socket=$(as_owner mktemp -d /tmp/pg_chat.XXXXXX)
	fi
}

# Peer authentication: who may reach the socket may also log in, as superuser or as chatd.
write_authentication()
{
	local user
	echo "local all all peer map=run" | as_owner tee "$1/pg_hba.conf" >/dev/null
	for user in "$owner" root; do
		printf 'run "%s" postgres\nrun "%s" chat_api\n' "$user" "$user"
	done | as_owner tee "$1/pg_ident.conf" >/dev/null
}

# The cluster appears under its name only when it is whole.
create_cluster()
{
	local major
	major=$("$bindir/postgres" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
	if [ -f "$data/postgres/PG_VERSION" ]; then
		[ "$(cat "$data/postgres/PG_VERSION")" = "$major" ] ||
			die "$data/postgres belongs to PostgreSQL $(cat "$data/postgres/PG_VERSION"), but PG_CONFIG's is version $major:" \
				"set PG_CONFIG, or move the data with pg_upgrade."
	else
		echo "Creating a database in $data" >&2
		rm -rf "$data/new"
		as_owner "$bindir/initdb" -D "$data/new" -U postgres --encoding=UTF8 --locale=C \
			--data-checksums --auth=peer >/dev/null || die "The database cannot be created in $data."
		mv "$data/new" "$data/postgres"
	fi
	write_authentication "$data/postgres"
}

start_postgres()
{
	(
		cd / && exec 9>&-
		exec_logged postgresql.log INT "$bindir/postgres" -D "$data/postgres" -k "\"${socket//\"/\"\"}\"" \
			-c listen_addresses= -c port=5432 -c unix_socket_permissions=0700 -c shared_preload_libraries=pg_chat
	) &
	postgres_pid=$!
	until "$bindir/pg_isready" -q -h "$socket"; do
		kill -0 "$postgres_pid" 2>/dev/null || {
			postgres_pid=
			tail -n 5 "$data/postgresql.log" >&2
			die "PostgreSQL did not start; its log is $data/postgresql.log"
		}
		sleep 0.05
	done
}

sql()
{
	as_owner "$bindir/psql" -h "$socket" -U postgres -d "$1" -XqAt -v ON_ERROR_STOP=1
}

# Database, extension and role, as far as they are not there yet.
create_database()
{
	sql postgres <<-'SQL'
		SELECT 'CREATE DATABASE chat' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'chat') \gexec
	SQL
	sql chat <<-'SQL'
		SET client_min_messages = warning;
		CREATE EXTENSION IF NOT EXISTS pg_chat;
		ALTER EXTENSION pg_chat UPDATE;
		ALTER ROLE chat_api LOGIN;
	SQL
}

# chatd says in its log which port it has: another server's answer there is not taken for its own.
start_chatd()
{
	local value=${socket//\\/\\\\} port=
	as_owner tee "$data/chatd.log" </dev/null
	SECONDS=0
	(
		cd / && exec 9>&-
		exec_logged chatd.log TERM "$data/programs/chatd" --listen 127.0.0.1 --port "${PORT:-8080}" \
			--database "host='${value//\'/\\\'}' dbname=chat user=chat_api"
	) &
	chatd_pid=$!
	until [ -n "$port" ] && curl -sf --noproxy '*' --max-time 5 -o /dev/null "$url/readyz"; do
		kill -0 "$chatd_pid" 2>/dev/null || {
			chatd_pid=
			cat "$data/chatd.log" >&2
			die "chatd did not start. Is port ${PORT:-8080} taken? PORT=8081 chooses another, PORT=0 a free one."
		}
		[ "$SECONDS" -lt 60 ] || {
			tail -n 5 "$data/chatd.log" >&2
			die "chatd does not become ready; its log is $data/chatd.log"
		}
		sleep 0.05
		port=$(sed -n 's/.* listening on .* port \([0-9]*\)$/\1/p' "$data/chatd.log")
		url=http://127.0.0.1:$port
	done
}

# Stop what runs, chatd first, wait for both, and end: with the status so far, or 1 if one ended badly. A signal
# that came just before it was ignored interrupts a wait: the second one tells.
# shellcheck disable=SC2317 # a trap calls it
stop_all()
{
	local status=$?
	trap '' INT TERM
	if [ -n "$chatd_pid" ]; then
		kill -TERM "$chatd_pid" 2>/dev/null || true
		wait "$chatd_pid" || wait "$chatd_pid" || {
			status=1
			tail -n 3 "$data/chatd.log"
			echo "chatd has not ended well; its log is $data/chatd.log"
		} >&2
	fi
	if [ -n "$postgres_pid" ]; then
		kill -INT "$postgres_pid" 2>/dev/null || true
		wait "$postgres_pid" || wait "$postgres_pid" || {
			status=1
			tail -n 20 "$data/postgresql.log" | grep 'PANIC: ' || true
			echo "PostgreSQL has not ended well; its log is $data/postgresql.log. The next start recovers what was committed."
		} >&2
	fi
	[ "$socket" = "${data:-}" ] || rm -rf "$socket"
	exit "$status"
}

welcome()
{
	local curl="curl -s" psql=psql
	[ -z "${http_proxy:-}${all_proxy:-}${ALL_PROXY:-}" ] || curl="curl -s --noproxy 127.0.0.1"
	command -v psql >/dev/null || psql=$(printf %q "$bindir/psql")
	cat <<-TEXT

		$url  <- open it in a browser: two people in one chat, and what is going on

		chatd answers there. Ctrl-C stops it. Try:

		  T=\$($curl $url/applications -d "data[name]=demo-\$(date +%s)" | cut -d'"' -f4); echo \$T
		  $curl -X POST $url/applications/\$T/chats
		  $curl $url/applications/\$T/chats/1/messages -d 'data[body]=hello'

		or from SQL: $psql -h $(printf %q "$socket") -U postgres chat

		Data and logs are in $data

	TEXT
}

trap stop_all EXIT
trap 'exit 0' INT TERM
choose_data
claim_data
copy_programs
choose_socket
create_cluster
start_postgres
create_database
start_chatd
welcome

died=
wait -n -p died "$postgres_pid" "$chatd_pid" || true
if [ "$died" = "$chatd_pid" ]; then
	chatd_pid=
	tail -n 5 "$data/chatd.log" >&2
	die "chatd has ended by itself; its log is $data/chatd.log"
else
	postgres_pid=
	tail -n 5 "$data/postgresql.log" >&2
	die "PostgreSQL has ended by itself; its log is $data/postgresql.log"
fi
