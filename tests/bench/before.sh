#!/bin/bash
#
# before.sh COMMIT DIRECTORY - build another commit in the directory, to be measured beside the present one.

set -euo pipefail

commit=$(git rev-parse --verify "$1^{commit}")
directory=$2

if [ "$commit" != "$(cat "$directory/commit" 2>/dev/null)" ]; then
	rm -rf "$directory"
	mkdir -p "$directory"
	git archive "$commit" | tar -x -C "$directory"
	echo "$commit" >"$directory/commit"
fi
env -u MAKEFLAGS -u MAKELEVEL make -C "$directory" compile
