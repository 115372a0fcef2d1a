#!/bin/sh
#
# examples.sh [NAME] - the examples of the project's READMEs: the only reader of them that the tests have.
#
# An example is a block of a Markdown file between lines of three backticks; the first of them has the
# block's language and, behind a space, its name, if it has one. Names are unique. With NAME: print
# that example's text, and fail if there is not exactly one. Without: print all examples, each behind a
# line "FILE LINE LANGUAGE NAME", with "-" for what it lacks, and before a form feed.
#
# shellcheck disable=SC2016 # what awk is to expand

set -eu
cd "$(dirname "$0")/.."

find . \( -name .git -o -name build \) -prune -o -name '*.md' -print | sort | sed 's,^\./,,' |
	tr '\n' '\0' | xargs -0 awk -v wanted="${1:-}" '
		FNR == 1 && inside { print FILENAME ": the file before it ends within an example" >"/dev/stderr"; exit failed = 1 }
		/^```/ && !inside {
			inside = 1
			language = substr($1, 4)
			shown = wanted == "" || $2 == wanted
			found += wanted != "" && shown
			if (wanted == "")
				print FILENAME, FNR, language == "" ? "-" : language, $2 == "" ? "-" : $2
			next
		}
		/^```$/ {
			inside = 0
			if (wanted == "")
				printf "\f"
			next
		}
		inside && shown
		END {
			if (!failed && wanted != "" && found != 1) {
				print "examples.sh: there are " found + 0 " examples \"" wanted "\"" >"/dev/stderr"
				failed = 1
			}
			exit failed
		}'
