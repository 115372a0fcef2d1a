#!/usr/bin/python3
"""report.py FILE - lines and branches that were executed, by folder, of gcovr's table of files."""

import collections
import csv
import pathlib
import sys

COLUMNS = ["line_covered", "line_total", "branch_covered", "branch_total"]


def show(name, counts):
    shares = ["%8d %6.1f%%" % (total, 100 * covered / total if total else 100)
              for covered, total in (counts[:2], counts[2:])]
    print("%-26s %s" % (name, " ".join(shares)))


def main():
    folders = collections.defaultdict(lambda: [0] * len(COLUMNS))
    with open(sys.argv[1], newline="") as file:
        for row in csv.DictReader(file):
            path = pathlib.Path(row["filename"])
            for name in {str(path.parent), path.parts[0] + " (all)"}:
                folders[name] = [count + int(row[column]) for count, column in zip(folders[name], COLUMNS)]
    print("%-26s %16s %16s" % ("", "lines", "branches"))
    for name in sorted(folders):
        show(name, folders[name])


main()
