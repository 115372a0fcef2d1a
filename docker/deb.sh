#!/bin/bash
#
# deb.sh - Debian packages of this tree, for the release that runs this, in build/deb.
#
# They are made of docker/debian; the version is the control file's. The changelog is made
# here, control out of control.in by pg_buildext, with a package for each PostgreSQL of the release.

set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" extension/pg_chat.control)
maintainer=$(sed -n 's/^Maintainer: //p' docker/debian/control.in)
# A later release's packages are the newer ones.
release=$(dpkg-query -W -f='${Version}' base-files | sed 's/[^0-9].*//')
source=build/deb/pg-chat-$version

rm -rf build/deb
mkdir -p "$source"
cp -R extension frontend sql README.md docker/debian "$source"
cp --parents docker/README.md "$source"
cd "$source"
cat >debian/changelog <<CHANGELOG
pg-chat ($version-1~deb$release) unstable; urgency=medium

  * Version $version.

 -- $maintainer  $(date -R -r extension/pg_chat.control)
CHANGELOG
pg_buildext updatecontrol
dpkg-buildpackage --build=binary --unsigned-source --unsigned-changes
cd ..
rm -rf "pg-chat-$version"
lintian --fail-on error ./*.changes
