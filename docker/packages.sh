#!/bin/bash
#
# packages.sh GROUP... - install from Debian what a group needs and the machine lacks.
#
# Groups: build (compile and run), headers (of PostgreSQL, with the package they come in), test, engine
# (a real Elasticsearch for tests), repack (pg_repack, which a test tries where it is there), fuzz, bench, load, lint,
# format (lay out the C), tags (for editors), coverage, valgrind, dist, package (make Debian packages), tree (a fresh
# Debian). Names what it installs, says nothing when all is there, and lists all it has ever installed in
# build/packages.
#
# PostgreSQL is taken in the major version that PG_CONFIG reports, else in the release's default; a
# PG_CONFIG with its own server and headers (not Debian's) needs neither. Debian's package of the headers
# wants LLVM and clang besides, 600 MB, which group build does not: it unpacks the package in
# build/headers/VERSION instead.
#
# Nothing that is installed is upgraded or removed: what comes is taken in the version that fits what is
# there. Where Debian has that no more, nothing is installed, and the command to run first is printed. CI
# runs it itself: its machine is nobody's.
#
# Installing servers makes Debian create a cluster "main", and start it, Redis, nginx, HAProxy and PgBouncer, now
# and at each boot. Here it must not: while apt runs, files of our own say so, and what came with it is
# disabled. An existing installation's configuration stays as it is.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
pg_config=${PG_CONFIG:-pg_config}
drop_in=/etc/postgresql-common/createcluster.d/pg_chat.conf
policy=/usr/sbin/policy-rc.d
apt_install=(env DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes apt-get install -q --no-install-recommends)
export LC_ALL=C.UTF-8

die()
{
	printf '%s\n' "$@" >&2
	exit 1
}

# True if PG_CONFIG is an installation from elsewhere. One that cannot build and serve by itself is an error,
# and so is a PG_CONFIG that is not there, unless it was not asked for.
foreign_postgresql()
{
	local bindir
	if ! bindir=$("$pg_config" --bindir 2>/dev/null); then
		[ "$pg_config" = pg_config ] || die "PG_CONFIG=$pg_config: there is no such program, or it is no pg_config."
		return 1
	fi
	case $bindir in
		/usr/bin | /usr/lib/postgresql/*) return 1 ;;
	esac
	[ -x "$bindir/initdb" ] || die "PG_CONFIG=$pg_config: this PostgreSQL has no server: there is no $bindir/initdb."
	[ -f "$("$pg_config" --pgxs)" ] || die "PG_CONFIG=$pg_config: this PostgreSQL has no headers: there is no $("$pg_config" --pgxs)."
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

# version PACKAGE - the version that is installed, or nothing.
version()
{
	dpkg-query -W -f='${db:Status-Status} ${Version}\n' "$1" 2>/dev/null | sed -n 's/^installed //p' || true
}

# The program that lays out the C; releases after Debian 12 lack it, see .ci/format.
indenter()
{
	! grep -qs '^VERSION_ID="12"' /etc/os-release || echo pg-bsd-indent
}

# group_packages GROUP - prints the group's packages; "server", "headers" and "repack" stand for PostgreSQL's.
group_packages()
{
	case $1 in
		build) echo gcc libc6-dev make pkg-config curl server \
			libpq-dev libmicrohttpd-dev libjansson-dev libssl-dev libutf8proc-dev libhiredis-dev libcurl4-openssl-dev ;;
		headers) echo headers ;;
		test) echo python3-pytest python3-pytest-timeout python3-prometheus-client python3-pip perl libipc-run-perl redis-server openssl curl nginx-light haproxy pgbouncer nodejs \
			chromium chromium-driver fonts-dejavu-core ;;
		engine) echo default-jdk-headless maven ;;
		fuzz) echo clang libclang-rt-dev libjansson-dev ;;
		repack) echo repack ;;
		bench) echo python3 wrk redis-server ;;
		load) echo python3 ;;
		lint) echo shellcheck cppcheck tidy nodejs python3 binutils "$(indenter)" ;;
		format) echo binutils python3 "$(indenter)" ;;
		tags) echo universal-ctags python3 ;;
		coverage) echo gcovr ;;
		valgrind) echo valgrind libc6-dbg python3 ;;
		dist) echo git python3 ;;
		package) echo build-essential debhelper help2man lintian postgresql-server-dev-all ;;
		tree) echo debootstrap ;;
		*) die "packages.sh: no group \"$1\" (see the head of this file)" ;;
	esac
}

# wanted MAJOR GROUP... - prints the real package names of the groups.
wanted()
{
	local major=$1 group package
	shift
	for group; do
		for package in $(group_packages "$group"); do
			case $package in
				server) [ -n "$foreign" ] || echo "postgresql-$major" ;;
				headers) [ -n "$foreign" ] || echo "postgresql-server-dev-$major" ;;
				repack) [ -n "$foreign" ] || echo "postgresql-$major-repack" ;;
				*) echo "$package" ;;
			esac
		done
	done
}

# missing PACKAGE... - prints those that are not installed.
missing()
{
	local package
	for package; do
		[ -n "$(version "$package")" ] || echo "$package"
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

# Of a simulation: the packages that would be new, and what would become of those that are there.
new_packages()
{
	sed -n 's/^Inst \([^ ]*\) (.*/\1/p' <<<"$1"
}

changed_packages()
{
	sed -n 's/^Inst \([^ ]*\) \[\([^]]*\)\] (\([^ ]*\) .*/\1 \2 -> \3/p
		s/^Remv \([^ ]*\) \[\([^]]*\)\].*/\1 \2 -> removed/p' <<<"$1"
}

# fitting PACKAGE... - prints as PACKAGE=VERSION each of which a package of the same source is installed,
# where Debian still has it in that one's version.
fitting()
{
	local package versions version
	{
		dpkg-query -W -f='${db:Status-Status} ${source:Package} ${Version}\n' | sed -n 's/^installed //p' | sort -u
		echo
		apt-cache show --no-all-versions "$@" | awk '
			$1 == "Package:" { package = source = $2 }
			$1 == "Source:" { source = $2 }
			$0 == "" { print source, package }'
	} | awk '
		$0 == "" { asked = 1 }
		!asked { versions[$1] = versions[$1] " " $2 }
		asked && $1 in versions { print $2 versions[$1] }' |
		while read -r package versions; do
			for version in $versions; do
				apt-cache madison "$package" | cut -d '|' -f 2 | grep -qxF " $version " || continue
				echo "$package=$version"
				break
			done
		done
}

# install_packages PACKAGE... - with apt, without upgrading anything, without a new cluster, without starting
# any service; leaves nothing of ours behind. A policy-rc.d that is there already decides alone.
install_packages()
{
	local plan changed new fitted=()
	plan=$("${apt_install[@]}" -s "$@") || die "apt-get cannot install what is missing: $*"
	if [ -n "$(changed_packages "$plan")" ]; then
		mapfile -t new < <(new_packages "$plan")
		mapfile -t fitted < <(fitting "${new[@]}")
		plan=$("${apt_install[@]}" -s "$@" "${fitted[@]}")
	fi
	changed=$(changed_packages "$plan")
	if [ -n "$changed" ] && [ -z "${CI:-}" ]; then
		die "To install what is missing, packages that are here would have to be upgraded or removed:" \
			"  ${changed//$'\n'/$'\n'  }" \
			"Debian has nothing that fits them as they are. Nothing was changed. To upgrade them yourself:" \
			"  sudo apt-get install --only-upgrade $(cut -d ' ' -f 1 <<<"$changed" | paste -sd ' ')" \
			"A PostgreSQL among them is restarted by that. Then run make again."
	fi
	[ -z "$changed" ] || printf 'Upgrading, as this is CI:\n%s\n' "$changed" >&2

	trap remove_own_files EXIT
	mkdir -p "$(dirname "$drop_in")"
	echo "create_main_cluster = false" >"$drop_in"
	if [ ! -e "$policy" ]; then
		own_policy=yes
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	# Its standard error alarms for nothing.
	"$here/step.sh" packages "Installing $(size "$@" "${fitted[@]}")" \
		sh -c 'exec "$@" 2>&1' sh "${apt_install[@]}" -y "$@" "${fitted[@]}" </dev/null
	new_packages "$plan" >>"$top/build/packages"
	chown --reference="$top" "$top/build/packages"
	disable_services "$@"
}

# size PACKAGE[=VERSION]... - how much that is, as apt says.
size()
{
	"${apt_install[@]}" --assume-no "$@" 2>/dev/null | sed -n '
		s/.* \([0-9]*\) newly installed.*/\1 Debian packages/p
		s/^Need to get \(.*\) of archives.*/, \1 to fetch/p
		s/^After this operation, \(.*\) of additional.*/, \1 on disk/p' | tr -d '\n'
}

# disable_services PACKAGE... - keep servers that were not there before from starting at the next boot.
disable_services()
{
	local package
	for package; do
		case ${package%%=*} in
			redis-server | pgbouncer | haproxy) disable_service "$package" ;;
			nginx-*) disable_service nginx ;;
		esac
	done
}

disable_service()
{
	if command -v systemctl >/dev/null; then
		systemctl --quiet disable "${1%%=*}" || true
	elif command -v update-rc.d >/dev/null; then
		update-rc.d "${1%%=*}" disable >/dev/null || true
	fi
}

# as_root WHY COMMAND... - run a command as root, by sudo if need be, after saying why.
as_root()
{
	local why=$1
	shift
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		command -v sudo >/dev/null || die "Root, or sudo, is needed to $why."
		sudo -n true 2>/dev/null || echo "Root is needed to $why, hence sudo:" >&2
		sudo "$@"
	fi
}

# fetch_headers VERSION DIRECTORY - the package, into the directory.
fetch_headers()
{
	(cd "$2" && apt-get download -qq -o APT::Sandbox::User=root "postgresql-server-dev-$major=$1")
}

# The headers of the PostgreSQL that is installed, in exactly its version: an extension that was built with
# those of a later one may not load. "apt-get download" checks them as it does all packages.
unpack_headers()
{
	local package=postgresql-server-dev-$major fresh=$top/build/headers/new version said
	version=$(version "postgresql-$major")
	[ "$(version "$package")" != "$version" ] && [ ! -d "$top/build/headers/$version" ] || return 0
	rm -rf "$fresh"
	mkdir -p "$fresh"
	if ! fetch_headers "$version" "$fresh" 2>/dev/null; then
		as_root "read Debian's package lists" apt-get update -qq
		if [ -n "${CI:-}" ]; then
			as_root "upgrade PostgreSQL" "${apt_install[@]}" -qq -y "postgresql-$major"
			version=$(version "postgresql-$major")
		fi
		said=$(fetch_headers "$version" "$fresh" 2>&1) ||
			die "PostgreSQL $version is installed, and its headers cannot be had:" "$said" \
				"Debian has $package in:" "$(apt-cache madison "$package" | cut -d '|' -f 2)" \
				"An extension that was built with those of another version may not load. Nothing was changed." \
				"To upgrade PostgreSQL yourself, which restarts it:" \
				"  sudo apt-get install --only-upgrade postgresql-$major" \
				"Then run make again."
	fi
	dpkg-deb -x "$fresh"/*.deb "$fresh"
	rm "$fresh"/*.deb
	mv "$fresh" "$top/build/headers/$version"
	if [ "$(id -u)" = 0 ]; then
		chown --reference="$top" "$top/build"
		chown -R --reference="$top" "$top/build/headers"
	fi
}

[ $# -gt 0 ] || die "usage: packages.sh GROUP..."
foreign=
! foreign_postgresql || foreign=yes
major=$(installed_major)
mapfile -t packages < <(wanted "${major:-N}" "$@")
mapfile -t lacking < <(missing "${packages[@]}")

if [ ${#lacking[@]} -gt 0 ]; then
	command -v apt-get >/dev/null || die "This machine has no apt-get; install by hand: ${lacking[*]}"
	if [ "$(id -u)" != 0 ]; then
		as_root "install from Debian what is missing (${lacking[*]/-N/})" PG_CONFIG="$pg_config" ${CI:+CI=1} "$0" "$@"
	else
		echo "Missing: ${lacking[*]/-N/}. Reading Debian's package lists." >&2
		apt-get update -qq
		if [ -z "$major" ]; then
			major=$(default_major)
			[ -n "$major" ] || die "apt-get knows no package \"postgresql\"."
			mapfile -t packages < <(wanted "$major" "$@")
			mapfile -t lacking < <(missing "${packages[@]}")
		fi
		install_packages "${lacking[@]}"
	fi
fi
major=${major:-$(installed_major)}
if [ -z "$foreign" ] && [[ " $* " == *" build "* ]]; then
	unpack_headers
fi
