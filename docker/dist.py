#!/usr/bin/python3
"""dist.py - the distribution for PGXN: build/dist/pg_chat-VERSION.zip.

It is the last commit, and META.json made of the control file. PGXN wants a semantic version, of three
numbers: version 0.2 is 0.2.0 there.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
DIST = TOP / "build/dist"
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


def committed(path):
    """A file's text in the last commit."""
    return subprocess.run(["git", "show", f"HEAD:{path}"], cwd=TOP, check=True, capture_output=True, text=True).stdout


def control():
    """The settings of the control file, as a dictionary."""
    return dict(re.findall(r"^(\w+) *= *'?(.*?)'?$", committed("extension/pg_chat.control"), re.M))


def semantic(version):
    return ".".join((version.split(".") + ["0", "0"])[:3])


def meta(said):
    version = semantic(said["default_version"])
    return {
        "name": "pg_chat",
        "version": version,
        "abstract": said["comment"],
        "maintainer": "pg_chat contributors",
        "license": "postgresql",
        "provides": {
            "pg_chat": {
                "abstract": said["comment"],
                "file": "sql/pg_chat.sql",
                "docfile": "sql/README.md",
                "version": version,
            },
        },
        "prereqs": {"runtime": {"requires": {"PostgreSQL": "14.0.0"}}},
        "release_status": "stable",
        "meta-spec": {"version": "1.0.0"},
    }


def mistakes(said, files):
    """The fields that PGXN's specification of META.json, version 1.0.0, requires and a META.json lacks."""
    for field in ("name", "version", "abstract", "maintainer", "license", "provides", "meta-spec"):
        if not said.get(field):
            yield f"{field} is missing"
    if not re.fullmatch(r"[^\s/\\\x00-\x1f\x7f]{2,}", said["name"]):
        yield f"the name {said['name']!r} is not a term"
    for what in said, *said["provides"].values(), *({"version": v} for v in said["prereqs"]["runtime"]["requires"].values()):
        if not VERSION.fullmatch(what["version"]):
            yield f"the version {what['version']!r} is not semantic"
    for name, extension in said["provides"].items():
        for field in ("file", "docfile"):
            if extension[field] not in files:
                yield f"{name}: there is no {field} {extension[field]}"


def main():
    said = meta(control())
    files = subprocess.run(["git", "ls-tree", "-r", "--name-only", "HEAD"], cwd=TOP, check=True, capture_output=True, text=True)
    wrong = list(mistakes(said, files.stdout.split("\n")))
    if wrong:
        sys.exit("META.json: " + "; ".join(wrong))
    name = f"{said['name']}-{said['version']}"
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir(parents=True)
    (DIST / "META.json").write_text(json.dumps(said, indent=2) + "\n")
    subprocess.run(
        ["git", "archive", f"--prefix={name}/", f"--add-file={DIST}/META.json", "-o", DIST / f"{name}.zip", "HEAD"],
        cwd=TOP, check=True)
    print(f"build/dist/{name}.zip")


if __name__ == "__main__":
    main()
