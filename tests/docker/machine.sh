#!/bin/bash
#
# machine.sh - sourced by run.sh: a network namespace and a dockerd of its own, and the images that the stack is
# made of. All of it ends with run.sh, but for the images.
#
# shellcheck disable=SC2154 # what run.sh sets
# shellcheck disable=SC2317 # what traps call

# eventually SECONDS COMMAND... - wait until the command succeeds; status 1 if it does not in that time.
eventually()
{
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.2
	done
}

# The outside: a network namespace with a way to the package mirrors, and in it this script once more.
outside()
{
	local program
	[ "$(id -u)" = 0 ] || die "only root can run it"
	for program in dockerd docker debootstrap slirp4netns curl "${compose%% *}"; do
		command -v "$program" >/dev/null || die "there is no $program; see the head of this script"
	done
	"$top/tests/elasticsearch/run.sh" elasticsearch-8 build

	work=$(mktemp -d "${TMPDIR:-/tmp}/pg_chat-docker.XXXXXX")
	namespace=$(basename "$work")
	children=()
	trap leave EXIT
	trap 'exit 130' INT TERM
	ip netns add "$namespace"
	setpriv --pdeathsig TERM slirp4netns --configure --disable-host-loopback --netns-type=path "/run/netns/$namespace" tap0 \
		>"$work/slirp4netns.log" 2>&1 &
	children=($!)
	setpriv --pdeathsig KILL nsenter --net="/run/netns/$namespace" \
		unshare --mount --pid --fork --mount-proc --kill-child "$0" inside "$work" &
	children+=($!)
	wait $!
}

# Remove the cgroups of dockerd, whose processes are gone.
remove_cgroups()
{
	find /sys/fs/cgroup -depth -type d -path "*/$namespace*" -exec rmdir {} +
}

leave()
{
	local status=$?
	trap '' INT TERM
	{ kill -KILL "${children[@]}" && wait; } 2>/dev/null || true
	ip netns del "$namespace"
	eventually 10 remove_cgroups || echo "docker/run.sh: in /sys/fs/cgroup there is something left of $namespace" >&2
	if [ "$status" != 0 ] && [ -f "$work/log" ]; then
		cp "$work/log" "$top/build/test-docker.log"
		echo "docker/run.sh: its log is $top/build/test-docker.log" >&2
	fi
	rm -rf "$work"
	exit "$status"
}

start_dockerd()
{
	ip link set lo up
	eventually 20 ip addr show dev tap0
	export DOCKER_HOST=unix://$work/docker.sock
	dockerd --data-root "$top/build/docker" --exec-root "$work/exec" --pidfile "$work/dockerd.pid" \
		--host "$DOCKER_HOST" --storage-driver overlay2 --cgroup-parent "$(basename "$work")" \
		>"$work/dockerd.log" 2>&1 &
	dockerd=$!
	eventually 60 docker version || die "dockerd does not start: $(tail -n 3 "$work/dockerd.log")"
	# Left behind by a run that was killed.
	docker ps -aq | xargs -r docker rm -f
	docker volume ls -q | xargs -r docker volume rm
	docker network prune -f
}

stop_dockerd()
{
	kill "$dockerd"
	wait "$dockerd" || true
}

# base_image RELEASE - without what Debian's own is without, also in the packages that come to it.
base_image()
{
	[ -z "$(docker images -q "debian:$1-slim")" ] || return 0
	debootstrap --variant=minbase "$1" "$work/$1"
	printf 'path-exclude=/usr/share/%s/*\n' doc info lintian locale man >"$work/$1/etc/dpkg/dpkg.cfg.d/docker"
	echo 'path-include=/usr/share/doc/*/copyright' >>"$work/$1/etc/dpkg/dpkg.cfg.d/docker"
	rm -rf "$work/$1"/var/cache/apt/* "$work/$1"/var/lib/apt/lists/* \
		"$work/$1"/usr/share/{info,lintian,locale,man}/*
	find "$work/$1/usr/share/doc" ! -type d ! -name copyright -delete
	tar -C "$work/$1" -c . | docker import - "debian:$1-slim"
	rm -rf "${work:?}/$1"
}

# stand_in SERVICE CONTEXT
stand_in()
{
	local image
	image=$(in_stack config | sed -n "s/^ *image: \($1:.*\)/\1/p")
	DOCKER_BUILDKIT=0 docker build -q -t "$image" -f "$top/tests/docker/$1.Dockerfile" "$2"
}
