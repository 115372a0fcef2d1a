"""At full rate for a long time: the memory of all processes stays flat.

    soak.py --pg-config PG_CONFIG --chatd CHATD [--minutes N] [--svg FILE]

Clients post, list and search without a pause, rows are changed by plain SQL, Redis and Elasticsearch follow. What each
process has as its own memory is noted all the while, printed as a table, and drawn. It fails if one has more in the
last quarter of the time than in the second, or if counts, mirror or index are wrong in the end.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "torture"))
import checks  # pylint: disable=wrong-import-position
from world import MORTAL, TOP, World, wait_until  # pylint: disable=wrong-import-position

CHATS = 1000
SAMPLES = 240

# How much larger a process may be at the end than in the second quarter: beyond it, it grows.
SHARE, MEGABYTES = 1.1, 4

SETTINGS = {"max_wal_size": "4GB", "shared_buffers": "256MB"}

# Method, connections, rest of the path, body.
LOADS = {
    "POST": ("POST", 64, "", '{"data":{"body":"Where is my order? It was to be here on Monday."}}'),
    "GET": ("GET", 16, "?last=20"),
    "search": ("GET", 2, "/search?query=order&limit=10"),
}

CHANGE = """
    UPDATE chat.messages SET body = 'It was here on Monday.' WHERE application_id = 1 AND number = {n} AND chat_number % 10 = 1;
    DELETE FROM chat.messages WHERE application_id = 1 AND number = {n} AND chat_number % 10 = 2"""


def own_memory(pid):
    """In megabytes, neither shared nor a file's."""
    status = pathlib.Path("/proc/%d/status" % pid).read_text(errors="replace")
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024


def processes(world):
    """Name to ids, of all that stay."""
    named = {"chatd": [world.chatd.process.pid], "Redis": [world.redis.process.pid], "Elasticsearch": [world.engine.pid],
             "postmaster": [world.postgres.postmaster()]}
    for name in ("pg_chat worker", "pg_chat launcher", "checkpointer", "background writer", "walwriter"):
        named[name] = world.postgres.processes(name)
    for number, pid in enumerate(world.postgres.processes("chat_api"), 1):
        named["session %d of chatd" % number] = [pid]
    return named


def sample(world):
    """Name to megabytes."""
    return {name: own_memory(pids[0]) for name, pids in processes(world).items() if pids}


def start_wrk(world, token, seconds, method, connections, tail, body=None):
    return subprocess.Popen(
        [*MORTAL, "wrk", "-t", "1", "-c", str(connections), "-d", str(seconds), "-s", TOP / "tests/bench/wrk.lua", world.chatd.url, "--",
         method, str(CHATS), token, tail, *([body] if body else [])], text=True, stdout=subprocess.PIPE)


def quarter(values, number):
    """The median of one of four parts of the time."""
    return statistics.median(values[len(values) * (number - 1) // 4:len(values) * number // 4])


def draw(samples, times, path):
    """A line for each process, as SVG."""
    width, height, left, top = 900, 70, 190, 20
    parts = []
    for row, (name, values) in enumerate(sorted(samples.items())):
        base, highest = top + row * height, max(values) or 1
        points = " ".join("%.1f,%.1f" % (left + width * when / times[-1], base + 50 - 45 * value / highest)
                          for when, value in zip(times, values, strict=True))
        parts.append('<text x="5" y="%d">%s</text><text x="5" y="%d" fill="gray">0 to %.1f MB</text>'
                     '<polyline points="%s" fill="none" stroke="navy"/><line x1="%d" x2="%d" y1="%d" y2="%d" stroke="lightgray"/>' % (
                         base + 20, name, base + 38, highest, points, left, left + width, base + 50, base + 50))
    bottom = top + len(samples) * height
    parts.append('<text x="%d" y="%d">own memory over %.0f minutes</text>' % (left, bottom, times[-1] / 60))
    path.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">\n%s\n</svg>\n' % (
        left + width + 20, bottom + 20, "\n".join(parts)))


class Findings:
    """Collects the problems that checks.py finds."""

    def __init__(self):
        self.problems = []

    def problem(self, text):
        self.problems.append(text)


def soak(world, seconds):
    """Under load, take samples. Returns them, their times, and what each load's wrk has counted."""
    token = world.sql("SELECT token FROM chat.create_application('soak')")
    world.sql("SELECT count(chat.create_chat(1)) FROM generate_series(1, %d)" % CHATS)
    loads = {name: start_wrk(world, token, seconds, *load) for name, load in LOADS.items()}
    samples, times, began = {}, [], time.monotonic()
    pause = max(1, seconds / SAMPLES)
    for number in range(1, int(seconds / pause)):
        wait_until(lambda due=began + number * pause: time.monotonic() > due, "the next sample", pause + 60, 0.1)
        times.append(time.monotonic() - began)
        for name, value in sample(world).items():
            samples.setdefault(name, []).append(value)
        world.sql(CHANGE.format(n=number))
    counted = {name: json.loads(load.communicate()[0].splitlines()[-1]) for name, load in loads.items()}
    # A process that was not always there cannot be judged.
    return {name: values for name, values in samples.items() if len(values) == len(times)}, times, counted


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pg-config", default="pg_config")
    parser.add_argument("--chatd", required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--svg", type=pathlib.Path, default=pathlib.Path("soak.svg"))
    options = parser.parse_args()
    findings = Findings()
    with World(options.pg_config, options.chatd, SETTINGS) as world:
        wait_until(world.is_ready, "chatd")
        samples, times, counted = soak(world, int(options.minutes * 60))
        given = int(world.sql("SELECT sum(last_message_number) FROM chat.chats"))
        for name, numbers in counted.items():
            print("%s: %d in %d s, %.0f a second, p50 %.1f ms, p99 %.1f ms, %d errors" % (
                name, numbers["requests"], numbers["seconds"], numbers["requests"] / numbers["seconds"], numbers["p50_ms"], numbers["p99_ms"], numbers["errors"]))
            if numbers["errors"]:
                findings.problem("%s: %d errors" % (name, numbers["errors"]))
        if not counted["POST"]["requests"] <= given <= counted["POST"]["requests"] + LOADS["POST"][1]:
            findings.problem("%d messages were acknowledged, and %d numbers were given" % (counted["POST"]["requests"], given))
        print("%-20s %10s %10s %10s" % ("MB", "2nd quarter", "last", "most"))
        for name, values in sorted(samples.items()):
            second, last = quarter(values, 2), quarter(values, 4)
            print("%-20s %10.1f %10.1f %10.1f" % (name, second, last, max(values)))
            if last > second * SHARE + MEGABYTES:
                findings.problem("%s grows: %.1f MB, then %.1f" % (name, second, last))
        draw(samples, times, options.svg)
        checks.within(checks.MINUTE, lambda: world.rows(checks.WRONG_COUNTS), "counts are wrong", findings)
        checks.within(checks.MINUTE, lambda: checks.wrong_keys(world), "keys in Redis are wrong", findings)
        took = checks.within(options.minutes * 60 + checks.MINUTE, lambda: checks.index_is_wrong(world), "the index is wrong", findings)
        print("Elasticsearch has caught up after %d s." % took)
    for problem in findings.problems:
        print("FAILED: " + problem)
    print("%d passed, %d failed" % (len(samples) if not findings.problems else 0, len(findings.problems)))
    return len(findings.problems) > 0


sys.exit(main())
