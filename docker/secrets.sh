#!/bin/bash
#
# secrets.sh - make the passwords that the services use among each other, and the first key of chatd's, those
# that are not there yet.
#
# Each is in a file of its own volume, so that a service sees those it needs. A file is never written
# again: to change a password, remove its file and recreate the containers, as README.md here says. To restart
# them is not enough: Elasticsearch's keeps the password it began with.

set -euo pipefail
umask 277
cd /run/secrets

# make_secret FILE [PREFIX] - a random password in FILE, behind PREFIX. It appears when it is whole.
make_secret()
{
	[ ! -e "$1" ] || return 0
	rm -f "$1.new"
	printf '%s%s\n' "${2:-}" "$(od -An -v -tx1 -N24 /dev/urandom | tr -d ' \n')" >"$1.new"
	mv "$1.new" "$1"
	echo "secrets.sh: made $1"
}

make_secret chatd/pgpass "*:*:*:chat_api:"
make_secret redis/password
make_secret elasticsearch/password
make_secret admin/key pgc_1_
