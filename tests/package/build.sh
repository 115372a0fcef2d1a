#!/bin/bash
#
# build.sh - on a machine that tree.sh made: installs the distribution for PGXN, then makes the packages
# of this version in /share/this and of a next one, 9.9, in /share/next, with another chatd.conf.

set -euo pipefail

# keep FOLDER - make the packages and keep them, without the symbols for debuggers.
keep()
{
	make deb
	mkdir "/share/$1"
	find build/deb -name '*.deb' ! -name '*-dbgsym_*' -exec cp -t "/share/$1" {} +
}

docker/packages.sh build headers
apt-get install -y -qq --no-install-recommends pgxnclient unzip
pgxn install --nosudo /share/*.zip
[ -e "$(pg_config --pkglibdir)/pg_chat.so" ]
[ -e "$(pg_config --sharedir)/extension/pg_chat.control" ]

keep this
version=$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" extension/pg_chat.control)
sed -i "s/^default_version = .*/default_version = '9.9'/" extension/pg_chat.control
sed -i 's/\(define CHATD_VERSION\) .*/\1 "9.9"/' frontend/common/settings.h
echo "CREATE FUNCTION chat.upgraded() RETURNS text LANGUAGE sql AS 'SELECT ''yes''::text';" >"sql/pg_chat--$version--9.9.sql"
echo "# Of 9.9." >>docker/debian/chatd.conf
keep next
