#!/usr/bin/python3
"""report.py DIRECTORY - the errors in valgrind's files there that have a frame in the extension.

Each once, with its stack, how often it was seen, and the suppression that valgrind proposes. A file may
end early: its process was killed. Fails if there is an error.
"""

import collections
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

MODULE = "/pg_chat.so"


def errors(path):
    for text in re.findall(r"<error>.*?</error>", path.read_text(errors="replace"), re.DOTALL):
        yield ElementTree.fromstring(text)


def place(frame):
    name = frame.findtext("fn") or frame.findtext("ip")
    if frame.findtext("line"):
        return "%s (%s:%s)" % (name, frame.findtext("file"), frame.findtext("line"))
    return "%s (in %s)" % (name, pathlib.Path(frame.findtext("obj") or "?").name)


def main():
    files = list(pathlib.Path(sys.argv[1]).glob("*.xml"))
    found = collections.Counter()
    suppressions = {}
    others = 0
    for path in files:
        for error in errors(path):
            frames = error.findall("stack/frame")
            if not any((frame.findtext("obj") or "").endswith(MODULE) for frame in frames):
                others += 1
                continue
            what = error.findtext("what") or error.findtext("xwhat/text")
            lines = [what, *("    " + place(frame) for frame in frames)]
            lines += ["  " + element.text for element in error.findall("auxwhat")]
            key = "\n".join(lines)
            found[key] += 1
            suppressions[key] = error.findtext("suppression/rawtext", "").strip()
    for key, count in found.most_common():
        print("%s\n  seen %d times; to suppress it:\n%s\n" % (key, count, suppressions[key]))
    print("valgrind: %d processes, %d different errors in the extension, %d elsewhere"
          % (len(files), len(found), others))
    return bool(found) or not files


sys.exit(main())
