#!/bin/bash
#
# needed.sh FILE... - print the Debian packages of the shared libraries that programs need. Their names
# differ from release to release.

set -euo pipefail

# By file name: dpkg knows a file by the path it was packed under, which may be a link's.
ldd "$@" | sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' | xargs realpath | sed 's,.*/,*/,' | sort -u |
	xargs -d '\n' dpkg-query -S | cut -d: -f1 | sort -u
