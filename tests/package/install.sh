#!/bin/bash
#
# install.sh - on a machine that tree.sh made: the life of the packages of /share/this, which become those
# of /share/next. The machine has no init, so that the services are started here, as their units say.
#
# After the installation there is only a network of its own, with the ports that the packages prefer.
# The last line is "N passed, N failed"; the status is 1 if one failed.
#
# shellcheck disable=SC2317 # what check calls

set -euo pipefail

log=/var/log/pg_chat-install
unit=/usr/lib/systemd/system/chatd.service
url=http://127.0.0.1:8080

# shellcheck disable=SC1091
. "$(dirname "$0")/checks.sh"

# apt ARGUMENT... - quietly, without a question. Of a chatd.conf that both have changed, the administrator's is
# to be kept.
apt()
{
	DEBIAN_FRONTEND=noninteractive apt-get -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold \
		"$@" </dev/null >>"$log" 2>&1
}

sql()
{
	runuser -u postgres -- psql -XqAt -v ON_ERROR_STOP=1 -d chat -c "$1"
}

# files PACKAGE... - those that are no directories.
files()
{
	dpkg -L "$@" | while IFS= read -r file; do
		[ -d "$file" ] || echo "$file"
	done
}

account_is_the_services()
{
	[ "$(id -u chatd)" -lt 1000 ] && getent passwd chatd | grep -q ':/usr/sbin/nologin$'
}

configuration_is_private()
{
	[ "$(stat -c %a:%U:%G /etc/chatd/chatd.conf)" = 640:root:chatd ]
}

unit_is_sound()
{
	systemd-analyze verify --man=no "$unit" && systemd-analyze security --offline=yes --threshold=20 "$unit"
}

has_manual_page()
{
	zcat /usr/share/man/man1/chatd.1.gz | grep CHATD_PORT
}

# Stand in for commands in the examples of docker/README.md that this machine lacks. Without a terminal, as in
# a session of its own, psql reads a password from its standard input.
sudo()
{
	if [ "$1" = -u ]; then
		setsid --wait runuser -u "$2" -- "${@:3}"
	else
		"$@"
	fi
}

systemctl()
{
	case "$*" in
		"restart postgresql@$major-main") pg_ctlcluster "$major" main restart ;;
		"restart chatd") stop_chatd && start_chatd ;;
		*) return 1 ;;
	esac
}

journalctl()
{
	[ "$*" = "-u chatd" ] && tail "$log"
}

# example NAME - run the commands of an example, one a line, for this machine's major version of PostgreSQL.
example()
{
	local text
	text=$(/src/tests/examples.sh "$1" | sed "s/\(postgresql[-@]\|pg_conftool \)17/\1$major/g")
	[ -n "$text" ] && eval "${text//$'\n'/ && }"
}

start_postgresql()
{
	pg_ctlcluster "$major" main start && example deb-preload
}

make_database()
{
	printf 'PASSWORD\nPASSWORD\n' | example deb-database &&
		/src/tests/examples.sh deb-pgpass | example deb-password
}

# As the unit does.
start_chatd()
{
	(
		set -a
		# shellcheck disable=SC1091
		. /etc/chatd/chatd.conf
		account=$(sed -n 's/^User=//p' "$unit")
		program=$(sed -n 's/^ExecStart=//p' "$unit")
		HOME=/ exec setpriv --reuid "$account" --regid "$account" --clear-groups "$program"
	) >>"$log" 2>&1 &
	chatd=$!
	eventually curl -sf "$url/readyz"
}

stop_chatd()
{
	kill "$chatd" && wait "$chatd"
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

post()
{
	key=$(example deb-key)
	token=$(call /applications -d "data[name]=parcels" | cut -d'"' -f4)
	call "/applications/$token/chats" -f -X POST &&
		call "/applications/$token/chats/1/messages" -f -d "data[body]=The parcel is here"
}

found()
{
	[ "$(call "/applications/$token/chats/1/messages/search?query=PARCEL" | sed 's/,"created_at":"[^"]*"//')" = \
		'[{"number":1,"body":"The parcel is here"}]' ]
}

worker_runs()
{
	[ "$(sql "SELECT count(pid) > 0 FROM chat.worker_status")" = t ]
}

upgrade()
{
	cd /share/next && example upgrade && cd /src
}

upgraded()
{
	[ "$(sql "SELECT chat.upgraded() || extversion FROM pg_extension WHERE extname = 'pg_chat'")" = yes9.9 ] &&
		[ "$(chatd --version)" = "chatd 9.9" ]
}

changes_kept()
{
	grep -qx CHATD_LOOPS=2 /etc/chatd/chatd.conf && grep -qx "# Of 9.9." /etc/chatd/chatd.conf.dpkg-dist &&
		configuration_is_private
}

removed()
{
	! command -v chatd && [ ! -e "$library" ] && [ -e /etc/chatd/chatd.conf ] && [ -e /etc/chatd/pgpass ]
}

nothing_left()
{
	local file
	while IFS= read -r file; do
		[ ! -e "$file" ] || { echo "$file is left" && return 1; }
	done <<<"$installed"
	[ ! -e /etc/chatd ]
}

data_is_there()
{
	[ "$(sql "SELECT count(*) FROM chat.messages")" = 1 ]
}

# The installation, which needs Debian's mirror.
install_packages()
{
	printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
	chmod 755 /usr/sbin/policy-rc.d
	apt update
	apt install curl iproute2
	(cd /share/this && example deb-install)
}

tests()
{
	ip link set lo up
	library=/usr/lib/postgresql/$major/lib/pg_chat.so
	installed=$(files chatd "postgresql-$major-pg-chat")

	check "chatd has an account" account_is_the_services
	check "its configuration is private" configuration_is_private
	check "its unit is sound" unit_is_sound
	check "it has a manual page" has_manual_page
	check "PostgreSQL starts" start_postgresql
	check "the extension is created" make_database
	check "the worker runs" eventually worker_runs
	check "chatd starts" start_chatd
	check "it can serve, and its log can be read" example deb-check
	check "who has no key is refused" stranger_refused
	check "a message is posted" post
	check "it is found" found

	echo CHATD_LOOPS=2 >>/etc/chatd/chatd.conf
	check "upgrade" upgrade
	check "it took effect" upgraded
	check "the message is found after it" found
	check "the changed configuration is kept" changes_kept

	check "chatd stops" stop_chatd
	check "remove" apt remove chatd "postgresql-$major-pg-chat"
	check "programs are gone, the configuration stays" removed
	check "purge" example deb-purge
	check "nothing is left" nothing_left
	check "another installation" apt install /share/next/*.deb
	check "PostgreSQL starts again" pg_ctlcluster "$major" main restart
	check "the data is there" data_is_there
	pg_ctlcluster "$major" main stop

	conclude
}

major=$(find /share/this -name 'postgresql-*-pg-chat_*' | sed 's/.*postgresql-\([0-9]*\)-.*/\1/')
case ${1:-} in
	"")
		install_packages || { cat "$log" && exit 1; }
		exec unshare --net "$0" installed
		;;
	installed) tests ;;
	*)
		echo "usage: install.sh" >&2
		exit 1
		;;
esac
