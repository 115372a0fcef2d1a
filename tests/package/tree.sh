#!/bin/bash
#
# tree.sh RELEASE COMMAND... - run a command, as root, on a fresh machine of a Debian release: a tree
# that debootstrap made, with next to nothing installed.
#
# The command begins in /src, a copy of this clone without what was built. SHARE, if set, names a
# directory that it finds as /share. The status is the command's.
#
# debootstrap's tree is kept in build/debian/RELEASE and never changed: what a run writes is in a layer
# above it, in TMPDIR. The layer, the mounts and all processes go away with the run. The network is this
# machine's.

set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)

die()
{
	echo "tree.sh: $*" >&2
	exit 1
}

# The tree appears under its name when it is whole.
make_base()
{
	[ ! -d "$base" ] || return 0
	echo "Making a tree of Debian $release with debootstrap." >&2
	rm -rf "$base.new"
	mkdir -p "$(dirname "$base")"
	debootstrap --variant=minbase --include=make,ca-certificates "$release" "$base.new" >"$base.log" ||
		die "debootstrap failed; see $base.log"
	mv "$base.new" "$base"
}

# enter COMMAND... - in the namespaces of the run: put the machine together, become the command.
enter()
{
	local root=$layer/root
	mount -t overlay overlay -o "lowerdir=$base,upperdir=$layer/upper,workdir=$layer/work" "$root"
	mount -t proc proc "$root/proc"
	mount --bind /dev "$root/dev"
	mount -t devpts devpts "$root/dev/pts" -o newinstance,ptmxmode=0666
	mount -t tmpfs tmpfs "$root/dev/shm"
	cp /etc/hosts /etc/resolv.conf "$root/etc/"
	# The certificates that the machine's administrator trusts, which its network may require. TMPDIR's
	# directory is none of the tree's.
	if [ -d /usr/local/share/ca-certificates ]; then
		cp -R /usr/local/share/ca-certificates "$root/usr/local/share/"
		TMPDIR='' chroot "$root" update-ca-certificates >/dev/null 2>&1 || die "update-ca-certificates failed"
	fi
	# Nothing here outlives a crash.
	echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/tree"
	mkdir "$root/src" "$root/share"
	(cd "$top" && find . -mindepth 1 -maxdepth 1 ! -name build ! -name .git -exec cp -R --preserve=mode,timestamps -t "$root/src" {} +)
	[ -z "${SHARE:-}" ] || mount --bind "$SHARE" "$root/share"
	exec env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 ${CI:+CI=1} \
		chroot "$root" sh -c 'cd /src && exec "$@"' sh "$@"
}

[ $# -ge 2 ] || die "usage: tree.sh RELEASE COMMAND..."
[ "$(id -u)" = 0 ] || die "this needs root"
release=$1
shift
base=$top/build/debian/$release
make_base

layer=$(mktemp -d "${TMPDIR:-/var/tmp}/pg_chat-tree.XXXXXX")
trap 'rm -rf "$layer"' EXIT
trap 'exit 130' INT TERM
mkdir "$layer/upper" "$layer/work" "$layer/root"
export -f enter die
export top base layer
unshare --mount --pid --ipc --fork --kill-child bash -euo pipefail -c 'enter "$@"' tree.sh "$@"
