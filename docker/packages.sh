#!/bin/bash
#
# packages.sh GROUP... - install from Debian what a group needs and the machine lacks.
#
# Groups: build (compile, install and run), test, bench, load, lint, format (lay out the C), tags (for
# editors), coverage, valgrind, dist, package (make Debian packages), tree (a fresh Debian). Names what it installs, says nothing when all is there. PostgreSQL is
# taken in the major version that PG_CONFIG reports, else in the release's default; a PG_CONFIG with its
# own server and headers (not Debian's) needs neither.
#
# Installing a server makes Debian create a cluster "main", and start it or redis-server, now and at
# each boot. Here it must not: while apt runs, files of our own say so, and a Redis that came with it
# is disabled. An existing installation's configuration stays as it is.

set -euo pipefail

pg_config=${PG_CONFIG:-pg_config}
drop_in=/etc/postgresql-common/createcluster.d/pg_chat.conf
policy=/usr/sbin/policy-rc.d

die()
{
	echo "packages.sh: $*" >&2
	exit 1
}

# The major version of PG_CONFIG, or nothing when there is none.
installed_major()
{
	"$pg_config" --version 2>/dev/null | sed -n 's/^PostgreSQL \([0-9]*\).*/\1/p' || true
}

# The major version that Debian's metapackage "postgresql" depends on.
default_major()
{
	apt-cache depends postgresql | sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p' | head -n 1
}

# True if PG_CONFIG belongs to an installation from elsewhere that can build and serve by itself.
foreign_postgresql()
{
	local bindir
	bindir=$("$pg_config" --bindir 2>/dev/null) || return 1
	case $bindir in
		/usr/bin | /usr/lib/postgresql/*) return 1 ;;
	esac
	[ -x "$bindir/initdb" ] && [ -f "$("$pg_config" --pgxs)" ]
}

# What lays out the C: later releases than Debian 12 lack it, see .ci/format.
indenter()
{
	! grep -qs '^VERSION_ID="12"' /etc/os-release || echo pg-bsd-indent
}

# group_packages GROUP - prints the group's packages; "postgresql" stands for server and headers.
group_packages()
{
	case $1 in
		build) echo gcc libc6-dev make pkg-config curl postgresql \
			libpq-dev libmicrohttpd-dev libjansson-dev libutf8proc-dev libhiredis-dev libcurl4-openssl-dev ;;
		test) echo python3-pytest perl libipc-run-perl redis-server openssl default-jdk-headless maven ;;
		bench) echo python3 wrk redis-server default-jdk-headless maven ;;
		load) echo python3 ;;
		lint) echo shellcheck cppcheck python3 binutils "$(indenter)" ;;
		format) echo binutils python3 "$(indenter)" ;;
		tags) echo universal-ctags python3 ;;
		coverage) echo gcovr ;;
		valgrind) echo valgrind libc6-dbg python3 ;;
		dist) echo git python3 ;;
		package) echo build-essential debhelper help2man lintian postgresql-server-dev-all ;;
		tree) echo debootstrap ;;
		*) die "no group \"$1\" (see the head of this file)" ;;
	esac
}

# wanted MAJOR GROUP... - prints the real package names of the groups.
wanted()
{
	local major=$1 group package
	shift
	for group; do
		for package in $(group_packages "$group"); do
			if [ "$package" != postgresql ]; then
				echo "$package"
			elif ! foreign_postgresql; then
				printf '%s\n' "postgresql-$major" "postgresql-server-dev-$major"
			fi
		done
	done
}

# missing PACKAGE... - prints those that are not installed.
missing()
{
	local installed package
	installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
	for package; do
		grep -qx "installed $package" <<<"$installed" || echo "$package"
	done
}

# Take back what install_packages put there for the time of an installation.
# shellcheck disable=SC2317 # a trap calls it
remove_own_files()
{
	rm -f "$drop_in"
	rmdir --ignore-fail-on-non-empty "$(dirname "$drop_in")"
	[ -z "${own_policy:-}" ] || rm -f "$policy"
}

# install_packages PACKAGE... - with apt, without a new cluster, without starting any service; leaves
# nothing of ours behind. A policy-rc.d that is there already decides alone.
install_packages()
{
	trap remove_own_files EXIT
	mkdir -p "$(dirname "$drop_in")"
	echo "create_main_cluster = false" >"$drop_in"
	if [ ! -e "$policy" ]; then
		own_policy=yes
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" </dev/null
	case " $* " in
		*" redis-server "*) disable_redis ;;
	esac
}

# Keep a Redis that was not there before from starting at the next boot.
disable_redis()
{
	if command -v systemctl >/dev/null; then
		systemctl --quiet disable redis-server || true
	elif command -v update-rc.d >/dev/null; then
		update-rc.d redis-server disable || true
	fi
}

[ $# -gt 0 ] || die "usage: packages.sh GROUP..."
major=$(installed_major)
mapfile -t packages < <(wanted "${major:-N}" "$@")
mapfile -t lacking < <(missing "${packages[@]}")
[ ${#lacking[@]} -gt 0 ] || exit 0

command -v apt-get >/dev/null ||
	die "this machine has no apt-get; install by hand: ${lacking[*]}"
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || die "root or sudo is needed to install: ${lacking[*]}"
	exec sudo PG_CONFIG="$pg_config" "$0" "$@"
fi

echo "Missing packages; reading Debian's package lists." >&2
apt-get update -qq
if [ -z "$major" ]; then
	major=$(default_major)
	[ -n "$major" ] || die "apt-get knows no package \"postgresql\""
	mapfile -t packages < <(wanted "$major" "$@")
	mapfile -t lacking < <(missing "${packages[@]}")
fi
echo "Installing from Debian: ${lacking[*]}" >&2
install_packages "${lacking[@]}"
