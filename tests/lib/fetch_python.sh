#!/bin/bash
#
# fetch_python.sh REQUIREMENTS DIRECTORY - have pip put the packages of Python that a file of requirements names, with
# all that they need, into a new directory.

set -euo pipefail

rm -rf "$2"
said=$(/usr/bin/python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target "$2" -r "$1" 2>&1) || {
	printf 'pip cannot fetch what %s names\n%s\n' "$1" "$said" >&2
	exit 1
}
