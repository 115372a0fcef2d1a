#!/bin/bash
#
# commands.sh - on a machine that tree.sh made: make run, beside a PostgreSQL that is there already, in the
# oldest version that Debian has, by root and by the owner of the clone, and how it is undone.
#
# The last line is "N passed, N failed"; the status is 1 if one failed.
#
# shellcheck disable=SC2317 # what check calls

set -euo pipefail

log=/var/log/pg_chat-commands
said=/tmp/said
clone=/home/alice/clone

# shellcheck disable=SC1091
. "$(dirname "$0")/checks.sh"

apt()
{
	DEBIAN_FRONTEND=noninteractive apt-get -y -qq --no-install-recommends "$@" </dev/null >>"$log" 2>&1
}

versions()
{
	dpkg-query -W -f='${db:Status-Status} ${Package} ${Version}\n' | grep ^installed
}

# The state at first: a PostgreSQL that runs and is not the newest, and a user with a clone.
prepare()
{
	local codename version
	# shellcheck disable=SC1091
	codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
	echo "deb http://deb.debian.org/debian-security $codename-security main" >/etc/apt/sources.list.d/security.list
	apt update
	apt install sudo postgresql-common
	major=$(apt-cache depends postgresql | sed -n 's/.*Depends: postgresql-//p')
	version=$(apt-cache madison "postgresql-$major" | cut -d '|' -f 2 | tr -d ' ' | sort -V | head -n 1)
	apt install libpq5="$version" "postgresql-$major=$version" "postgresql-client-$major=$version"
	pg_ctlcluster "$major" main start || true
	echo 'APT::Get::Assume-Yes "true";' >/etc/apt/apt.conf.d/yes
	echo "alice ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/alice
	useradd --create-home alice
	chmod 700 /home/alice
	cp -R /src "$clone"
	chown -R alice: "$clone"
	versions >/tmp/before
}

# start USER COMMAND... - in the clone, until the welcome is there.
start()
{
	local user=$1
	shift
	: >"$said"
	(cd "$clone" && exec setsid runuser -u "$user" -- "$@") >"$said" 2>&1 &
	runner=$!
	until grep -q "Data and logs" "$said"; do
		kill -0 "$runner" 2>/dev/null || { cat "$said" && return 1; }
		sleep 0.2
	done
	cat "$said"
}

# By SIGTERM, to all of them, as SIGINT is ignored by what a script starts in the background.
stop()
{
	kill -TERM -- "-$runner" && ! wait "$runner" && [ ! -e "$clone/build/run/postgres/postmaster.pid" ] &&
		! grep -F "has not ended well" "$said"
}

# As the user, by the command of the welcome.
welcome_of()
{
	[ "$(cd / && runuser -u "$1" -- bash -c "$(sed -n 's/^or from SQL: //p' "$said") -XAtc 'SELECT 1'")" = 1 ]
}

nothing_upgraded()
{
	versions | grep -vxFf /tmp/before | cut -d ' ' -f 2 | sort >/tmp/new
	[ "$(versions | grep -cxFf /tmp/before)" = "$(wc -l </tmp/before)" ] && diff /tmp/new <(sort "$clone/build/packages")
}

nothing_installed_into_it()
{
	! find /usr -name 'pg_chat*' | grep .
}

no_compiler_of_bitcode()
{
	! grep -E '^(clang|llvm)' /tmp/new
}

all_is_alices()
{
	! find "$clone" ! -user alice | grep .
}

few_lines()
{
	[ "$(wc -l <"$said")" -le 25 ]
}

undo()
{
	cd "$clone" && runuser -u alice -- bash -euc "$(/src/tests/examples.sh undo)"
}

as_before()
{
	diff /tmp/before <(versions) && [ ! -e "$clone/build" ]
}

prepare || { cat "$log" && exit 1; }
check "sudo make run" start alice sudo make run PORT=0
check "it says little" few_lines
check "the psql command works for root" welcome_of root
check "it works for the clone's owner" welcome_of alice
check "nothing that was there is upgraded, what is new is listed" nothing_upgraded
check "clang and LLVM's headers are not installed" no_compiler_of_bitcode
check "nothing is installed into the PostgreSQL that is there" nothing_installed_into_it
check "it is ended" stop
check "all in the clone is its owner's" all_is_alices
check "make run by the owner, on the same data" start alice make run PORT=0
check "the psql command works for the owner" welcome_of alice
check "it is ended, too" stop
check "the owner builds" runuser -u alice -- make -C "$clone"
check "the owner cleans" runuser -u alice -- make -C "$clone" clean
check "undo" undo
check "the machine is as it was" as_before
cat "$said"
conclude
