#!/bin/bash
#
# postgres.sh [ARGUMENT...] - PostgreSQL with pg_chat, in the foreground.
#
# The first start creates the cluster in PGDATA, with the database "chat". Each start brings the
# extension to the version of this image, gives chat_api its password and chatd its first key, in a private
# server that nobody can connect to; the real one comes after it. A standby gets both from its primary. If the update
# fails, the data is as it was, and the script ends with status 1.
#
# Environment:
#   PG_CHAT_NAME=VALUE  the setting pg_chat.name; empty: the default
#   CHAT_API_PGPASS     a file in the format of libpq's passfile, of one line, with chat_api's password;
#                       without it chat_api has none, and nobody can log in over the network
#   CHAT_ADMIN_KEY      a file with the key 1 of scope admin; without it there is none
# ARGUMENTs are handed to PostgreSQL, as in -c work_mem=16MB, and win over all the above. What they, or
# the cluster's own configuration, preload is preloaded besides pg_chat.

set -euo pipefail
umask 077

bindir=$(echo /usr/lib/postgresql/*/bin)
settings=()
server=

die()
{
	echo "postgres.sh: $*" >&2
	exit 1
}

# Run a command; a signal to this script ends both at once.
run()
{
	"$@" <&0 &
	wait $!
}

# Before every end but exec's: nothing is left running, least of all the private server, which would be
# killed with the container and had to recover at the next start.
# shellcheck disable=SC2046,SC2317 # numbers; a trap calls it
leave()
{
	trap '' INT TERM
	[ -z "$server" ] || kill -INT "$server" || true
	kill $(jobs -p) 2>/dev/null || true
	wait
}

# The cluster appears under its name when it is whole.
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

# Prints the statement that makes the key of the secret the key 1, or none. The same key stays as it is: it may
# have been revoked.
key_statement()
{
	local key="" digest
	[ -e "${CHAT_ADMIN_KEY:=}" ] || return 0
	read -r key <"$CHAT_ADMIN_KEY" || [ -n "$key" ] || die "$CHAT_ADMIN_KEY is empty"
	digest=$(printf %s "$key" | sha256sum | cut -d ' ' -f 1)
	cat <<-SQL
		INSERT INTO chat.api_keys AS k (application_id, id, name, scope, digest)
		VALUES (0, 1, 'first key of the stack', 'admin', '\x$digest')
		ON CONFLICT (application_id, id) DO UPDATE SET digest = excluded.digest, revoked_at = NULL
		WHERE k.digest <> excluded.digest;
	SQL
}

# start_private ARGUMENT... - what makes it private wins over the arguments. The worker is not preloaded.
start_private()
{
	"$bindir/postgres" -D "$PGDATA" "$@" -c listen_addresses= -c port=5432 -c unix_socket_directories=/tmp \
		-c unix_socket_permissions=0700 -c shared_preload_libraries= &
	server=$!
	until "$bindir/pg_isready" -q -h /tmp; do
		kill -0 "$server" 2>/dev/null || die "PostgreSQL did not start"
		run sleep 0.1
	done
}

stop_private()
{
	kill -INT "$server"
	wait "$server"
	server=
}

# sql DATABASE - run the statements of standard input, which may have a password: nothing logs them.
sql()
{
	PGOPTIONS="-c log_statement=none -c log_min_duration_statement=-1 -c log_min_error_statement=panic
		-c client_min_messages=warning" run "$bindir/psql" -h /tmp -U postgres -d "$1" -XqAt -v ON_ERROR_STOP=1
}

# Database, extension and role, as far as they are not there yet.
update_database()
{
	local password key
	sql postgres <<-'SQL'
		SELECT 'CREATE DATABASE chat' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'chat') \gexec
	SQL
	sql chat <<-'SQL' || die "the extension could not be updated: the reason is above; the data is as it was"
		CREATE EXTENSION IF NOT EXISTS pg_chat;
		ALTER EXTENSION pg_chat UPDATE;
	SQL
	password=$(password_statement)
	sql chat <<<"$password"
	key=$(key_statement)
	[ -z "$key" ] || sql chat <<<"$key"
}

trap leave EXIT
trap 'exit 1' INT TERM
for name in "${!PG_CHAT_@}"; do
	setting=${name#PG_CHAT_}
	[ -z "${!name}" ] || settings+=(-c "pg_chat.${setting,,}=${!name}")
done

[ -e "$PGDATA/PG_VERSION" ] || create_cluster
check_version
preloaded=$("$bindir/postgres" -D "$PGDATA" "$@" -C shared_preload_libraries)
if [ ! -e "$PGDATA/standby.signal" ] && [ ! -e "$PGDATA/recovery.signal" ]; then
	start_private "$@"
	update_database
	stop_private
fi
exec "$bindir/postgres" -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/run/postgresql \
	"${settings[@]}" "$@" -c "shared_preload_libraries=${preloaded:+$preloaded,}pg_chat"
