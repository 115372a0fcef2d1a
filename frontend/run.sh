#!/bin/bash
#
# run.sh - a private PostgreSQL with the extension, and chatd on it, in the foreground (make run).
#
# DATA is a directory of its own: the database, its log, its socket. It is created by the first
# start and found by the later ones. Nobody reaches the socket but DATA's owner (and root): the user who
# calls this, or, since PostgreSQL refuses root, the user postgres when root does. When the clone is
# in a place where postgres cannot go, DATA is /var/lib/pg_chat unless the caller names another.
#
# The end of one is the end of all: Ctrl-C or SIGTERM stops chatd, then PostgreSQL, and the exit
# status is 0; when either dies by itself the other is stopped and the status is 1. Each lives in a
# session of its own, so that a Ctrl-C reaches this script alone and the order is kept.
#
# Settings: DATA, PORT (default 8080), PG_CONFIG.

set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
bindir=$("${PG_CONFIG:-pg_config}" --bindir)
port=${PORT:-8080}
url=http://127.0.0.1:$port
caller=$(id -un)
owner=$caller
[ "$(id -u)" != 0 ] || owner=postgres
unset "${!PG@}"				# psql and chatd shall find this server, not the caller's

postgres_pid=
chatd_pid=

die()
{
	echo "run.sh: $*" >&2
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
		exec setpriv --reuid "$owner" --regid "$owner" --init-groups --pdeathsig "$signal" "$@"
	fi
}

as_owner()
{
	(cd / && exec_as_owner TERM "$@")
}

# Sets data to an absolute path that the owner can use, and takes its lock until this script ends.
claim_data()
{
	data=${DATA:-$top/build/run}
	if [ -z "${DATA:-}" ] && ! as_owner test -x "$top"; then
		data=/var/lib/pg_chat
	fi
	mkdir -p "$data"
	data=$(cd "$data" && pwd)
	[ ${#data} -le 80 ] ||
		die "DATA=$data is too long for the path of a socket (${#data} bytes, at most 80); choose another"
	if [ -d "$data/postgres" ]; then
		owner=$(stat -c %U "$data/postgres")
	elif [ "$(id -u)" = 0 ]; then
		chown "$owner" "$data"
	fi
	chmod 700 "$data"
	as_owner test -w "$data" || die "the user $owner cannot write to DATA=$data"

	exec 9>"$data/lock"
	flock -n 9 || die "another \"make run\" uses DATA=$data; stop it, or choose another DATA and PORT"
}

# The cluster appears under its name only when it is whole.
create_cluster()
{
	local major map
	major=$("$bindir/postgres" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
	if [ -f "$data/postgres/PG_VERSION" ]; then
		[ "$(cat "$data/postgres/PG_VERSION")" = "$major" ] ||
			die "$data/postgres belongs to PostgreSQL $(cat "$data/postgres/PG_VERSION")," \
				"but $bindir is version $major: set PG_CONFIG, or move the data with pg_upgrade"
		return
	fi
	echo "Creating a database in $data" >&2
	rm -rf "$data/new"
	as_owner "$bindir/initdb" -D "$data/new" -U postgres --encoding=UTF8 --locale=C \
		--data-checksums --auth=peer >/dev/null

	# Peer authentication: who may reach the socket may also log in, as superuser or as chatd.
	echo "local all all peer map=run" >"$data/new/pg_hba.conf"
	for map in "$owner" "$caller"; do
		printf 'run %s postgres\nrun %s chat_api\n' "$map" "$map"
	done | sort -u >"$data/new/pg_ident.conf"
	mv "$data/new" "$data/postgres"
}

start_postgres()
{
	(
		cd / && exec 9>&-
		exec_as_owner INT setsid "$bindir/postgres" -D "$data/postgres" -k "$data" \
			-c listen_addresses= -c unix_socket_permissions=0700 -c shared_preload_libraries=pg_chat
	) >>"$data/postgresql.log" 2>&1 &
	postgres_pid=$!
	until "$bindir/pg_isready" -q -h "$data"; do
		kill -0 "$postgres_pid" 2>/dev/null || {
			tail -n 5 "$data/postgresql.log" >&2
			die "PostgreSQL did not start; its log is $data/postgresql.log"
		}
		sleep 0.05
	done
}

sql()
{
	as_owner "$bindir/psql" -h "$data" -U postgres -d "$1" -XqAt -v ON_ERROR_STOP=1
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

start_chatd()
{
	# A copy: the owner may not be able to enter the clone, and make may replace the original.
	install -m 755 "$top/build/chatd" "$data/chatd"
	(
		cd / && exec 9>&-
		exec_as_owner TERM setsid "$data/chatd" --listen 127.0.0.1 --port "$port" \
			--database "host=$data dbname=chat user=chat_api"
	) &
	chatd_pid=$!
	until curl -sf -o /dev/null "$url/readyz"; do
		kill -0 "$chatd_pid" 2>/dev/null || die "chatd did not start"
		sleep 0.05
	done
}

# Stop what runs, chatd first, wait for both, and end: with the status so far, or 1 if one ended badly.
# shellcheck disable=SC2317 # a trap calls it
stop_all()
{
	local status=$?
	trap '' INT TERM
	if [ -n "$chatd_pid" ]; then
		kill -TERM "$chatd_pid" 2>/dev/null || true
		wait "$chatd_pid" || status=1
	fi
	if [ -n "$postgres_pid" ]; then
		kill -INT "$postgres_pid" 2>/dev/null || true
		wait "$postgres_pid" || status=1
	fi
	exit "$status"
}

welcome()
{
	cat <<-TEXT

		chatd answers at $url (data: $data; Ctrl-C stops it). Try:

		  T=\$(curl -s $url/applications -d "data[name]=demo-\$(date +%s)" | cut -d'"' -f4); echo \$T
		  curl -s -X POST $url/applications/\$T/chats
		  curl -s $url/applications/\$T/chats/1/messages -d 'data[body]=hello'

		or from SQL: psql -h $data -U postgres chat

	TEXT
}

trap stop_all EXIT
trap 'exit 0' INT TERM
claim_data
create_cluster
start_postgres
create_database
start_chatd
welcome

died=
wait -n -p died "$postgres_pid" "$chatd_pid" || true
if [ "$died" = "$chatd_pid" ]; then
	die "chatd has ended by itself"
else
	die "PostgreSQL has ended by itself; its log is $data/postgresql.log"
fi
