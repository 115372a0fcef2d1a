#!/bin/bash
#
# postgres.sh [ARGUMENT...] - PostgreSQL with pg_chat, in the foreground.
#
# The first start creates the cluster in PGDATA, with the database "chat". Each start, before anybody
# can connect, brings the extension to the version of this image and gives chat_api its password; that
# is done in single-user mode, which needs no server. A standby gets both from its primary.
#
# Environment:
#   PG_CHAT_NAME=VALUE  the setting pg_chat.name; empty: the default
#   CHAT_API_PGPASS     a file in the format of libpq's passfile, of one line, with chat_api's password;
#                       without it chat_api has none, and nobody can log in over the network
# ARGUMENTs are handed to PostgreSQL, as in -c work_mem=16MB, and win over all the above.

set -euo pipefail
umask 077

bindir=$(echo /usr/lib/postgresql/*/bin)
arguments=(-c shared_preload_libraries=pg_chat)
child=

die()
{
	echo "postgres.sh: $*" >&2
	exit 1
}

# Run a command so that a signal to this script ends it, and then the script.
run()
{
	"$@" <&0 &
	child=$!
	wait "$child"
	child=
}

# shellcheck disable=SC2317 # a trap calls it
stop()
{
	trap '' INT TERM
	[ -z "$child" ] || { kill -TERM "$child" && wait "$child"; } || true
	exit 1
}

# single DATA DATABASE - run the SQL on standard input, a statement a line, up to the first error. What
# it prints are prompts; messages are on stderr. Nothing logs a statement, which may have a password.
single()
{
	run "$bindir/postgres" --single -D "$1" "${arguments[@]}" -c exit_on_error=on \
		-c log_statement=none -c log_min_duration_statement=-1 -c log_min_error_statement=panic \
		-c log_checkpoints=off "$2" >/dev/null
}

# The cluster appears under its name when it is whole, with its database.
create_cluster()
{
	local new=$PGDATA.new
	rm -rf "$new"
	run "$bindir/initdb" -D "$new" -U postgres --encoding=UTF8 --locale=C.UTF-8 --data-checksums \
		--auth-local=peer --auth-host=scram-sha-256 >/dev/null
	cat >"$new/pg_hba.conf" <<-'HBA'
		# Inside the container; chat_api for the health check.
		local all postgres peer map=container
		local chat chat_api peer map=container
		# chatd.
		host chat chat_api all scram-sha-256
	HBA
	printf 'container postgres %s\n' postgres chat_api >"$new/pg_ident.conf"
	single "$new" postgres <<<"CREATE DATABASE chat"
	mv "$new" "$PGDATA"
}

check_version()
{
	local data_version image_version
	data_version=$(cat "$PGDATA/PG_VERSION")
	image_version=$("$bindir/postgres" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
	[ "$data_version" = "$image_version" ] ||
		die "the data is PostgreSQL $data_version's, and this image has $image_version: dump it with the" \
			"image it came from, and restore it into an empty volume"
}

# Prints the statement that gives chat_api the password of the secret, or none.
password_statement()
{
	local line="" quote="'"
	if [ -e "${CHAT_API_PGPASS:=}" ]; then
		read -r line <"$CHAT_API_PGPASS" || [ -n "$line" ] || die "$CHAT_API_PGPASS is empty"
		line=${line##*:chat_api:}
		echo "ALTER ROLE chat_api PASSWORD '${line//$quote/$quote$quote}'"
	else
		echo "postgres.sh: there is no password for chat_api in \"$CHAT_API_PGPASS\"" >&2
		echo "ALTER ROLE chat_api PASSWORD NULL"
	fi
}

update_database()
{
	local password
	password=$(password_statement)
	single "$PGDATA" chat <<-SQL
		CREATE EXTENSION IF NOT EXISTS pg_chat
		ALTER EXTENSION pg_chat UPDATE
		$password
	SQL
}

trap stop INT TERM
for name in "${!PG_CHAT_@}"; do
	setting=${name#PG_CHAT_}
	[ -z "${!name}" ] || arguments+=(-c "pg_chat.${setting,,}=${!name}")
done
arguments+=("$@")

[ -e "$PGDATA/PG_VERSION" ] || create_cluster
check_version
[ -e "$PGDATA/standby.signal" ] || [ -e "$PGDATA/recovery.signal" ] || update_database
exec "$bindir/postgres" -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/run/postgresql \
	"${arguments[@]}"
