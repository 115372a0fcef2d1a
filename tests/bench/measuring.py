"""Lines of the benchmark: how they are measured, and the rows of the table that they make."""

import collections
import json
import operator
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
CHATS = 10000
CLIENTS = 32
DISK_SECONDS = 0.1

# One message for all, of the mean length of those in tests/data.
BODY = "I think you need to install the restricted modules, then reboot and try"
POSTED = json.dumps({"data": {"body": BODY}})

# rate: messages or requests a second; cpu: microseconds for each of them, of PostgreSQL, chatd and
# Elasticsearch.
Sample = collections.namedtuple(
    "Sample", "rate p50_ms p99_ms errors cpu_us_postgres cpu_us_chatd cpu_us_elasticsearch", defaults=(0,))

# extra: names of further goals, see EXTRAS; often: turns in each round, more of them, and shorter, where
# a few per cent are the goal and the machine's pace changes by more.
Line = collections.namedtuple("Line", "key name measure beside_name beside goal extras often", defaults=((), 1))

# A line that makes its rows itself: rows(bench, rounds) returns them.
RowsLine = collections.namedtuple("RowsLine", "key rows")

# The names of rows that no Line makes, and what they are compared with, if anything.
Title = collections.namedtuple("Title", "name beside_name", defaults=("",))


def table_like_messages(name):
    """What creates a table of messages that has no more than these need, to set the project's beside."""
    return ("CREATE TABLE %s (application_id integer, chat_number integer, number integer, body text NOT NULL,"
            " created_at timestamptz NOT NULL DEFAULT clock_timestamp(),"
            " PRIMARY KEY (application_id, chat_number, number));" % name)


class Bench:
    """The state that all measurements share: the servers, the application they write to, the time they take."""

    def __init__(self, postgres, chatd, alone, seconds, rounds, messages, stack):
        self.postgres, self.chatd, self.alone = postgres, chatd, alone
        self.seconds, self.rounds, self.messages, self.stack = seconds, rounds, messages, stack
        self.scratch = stack.enter_context(tempfile.TemporaryDirectory())
        self.bare_runs = 0
        self.counted = False
        self.search = None
        self.before = None      # the same of another commit
        self.fill()

    def fill(self):
        """The application with its chats, 20 messages in each, and the table for bare INSERTs."""
        row = self.postgres.sql("SELECT id, token FROM chat.create_application('bench')")
        self.application, self.token = row.split("|")
        self.postgres.sql("""
            SELECT count(chat.create_chat({app})) FROM generate_series(1, {chats});
            SELECT count(o.number) FROM generate_series(1, {chats}, 100) low, chat.create_messages(
                array_fill({app}, ARRAY[2000]),
                ARRAY(SELECT low + i % 100 FROM generate_series(0, 1999) i),
                array_fill('{body}'::text, ARRAY[2000])) o;
            """.format(app=self.application, chats=CHATS, body=BODY))
        self.postgres.sql(table_like_messages("bare"))
        self.postgres.sql("VACUUM ANALYZE")

    def stored(self):
        return int(self.postgres.sql("SELECT sum(messages_count) FROM chat.chats"))

    def cpu_seconds(self):
        """Those of PostgreSQL, chatd and Elasticsearch."""
        return self.postgres.cpu_seconds(), self.chatd.cpu_seconds(), 0

    def sample(self, run):
        """Call run(), which returns (work done, seconds, p50, p99, errors), and count CPU time."""
        before = self.cpu_seconds()
        done, seconds, p50, p99, errors = run()
        after = self.cpu_seconds()
        if not done:
            raise RuntimeError("a measurement did no work at all")
        return Sample(done / seconds, p50, p99, errors, *((b - a) / done * 1e6 for a, b in zip(before, after)))

    def pgbench(self, script, rows, clients=CLIENTS, seconds=None, logged=0.1, settings="", **variables):
        """A Sample of a pgbench script that writes so many rows a transaction. logged: the part of the
        transactions whose latency is looked at; settings: PGOPTIONS."""
        def run():
            with tempfile.TemporaryDirectory(dir=self.scratch) as directory:
                path = pathlib.Path(directory, "script")
                path.write_text(script)
                report = output_of(
                    [self.postgres.bin / "pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", str(min(clients, 2)),
                     "-T", str(seconds or self.seconds), "-f", path, "-l", "--sampling-rate=%s" % logged,
                     *("-D%s=%s" % item for item in variables.items())],
                    cwd=directory, env={**self.postgres.environment, "PGOPTIONS": settings})
                latencies = sorted(
                    int(line.split()[2]) / 1e3
                    for log in pathlib.Path(directory).glob("pgbench_log*")
                    for line in log.read_text().splitlines())
            done = number_after(report, "number of transactions actually processed: ") * rows
            rate = number_after(report, "tps = ") * rows
            return (done, done / rate, latencies[len(latencies) // 2],
                    latencies[len(latencies) * 99 // 100], 0)
        return self.sample(run)

    def run_wrk(self, server, connections, method, chats, tail, body=None, credential=None, key=None):
        """Figures for sample(), of requests for the messages of random chats; see wrk.lua."""
        command = ["wrk", "-t1", "-c%d" % connections, "-d%ds" % self.seconds, "--timeout", "10s",
                   *(["-H", "Authorization: Bearer " + credential] if credential else []), "-s", TOP / "tests/bench/wrk.lua", server.url, "--",
                   method, str(chats), self.token, tail, *([body] if body else []), *([key] if key else [])]
        report = json.loads(output_of(command).splitlines()[-1])
        return (report["requests"] - report["errors"], report["seconds"],
                report["p50_ms"], report["p99_ms"], report["errors"])

    def wrk(self, *request, **options):
        return self.sample(lambda: self.run_wrk(*request, **options))


def fdatasync_rate(directory):
    """How often a second the disk syncs a block that was written, at this time."""
    done = 0
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        os.fdatasync(file.fileno())
        started = time.monotonic()
        while time.monotonic() < started + DISK_SECONDS:
            file.seek(0)
            file.write(bytes(8192))
            os.fdatasync(file.fileno())
            done += 1
        return done / (time.monotonic() - started)


def output_of(command, **options):
    """The output of a client; if it fails, an error with the first lines of its message."""
    client = subprocess.run(command, text=True, capture_output=True, check=False, **options)
    if client.returncode != 0:
        raise RuntimeError("%s failed:\n%s" % (
            pathlib.Path(command[0]).name, "\n".join(client.stderr.splitlines()[:3])))
    return client.stdout


def number_after(text, words):
    return float(text.partition(words)[2].split()[0].partition("/")[0])


# Rows: what the table and build/bench.json hold.

def median(samples, field):
    return statistics.median(getattr(sample, field) for sample in samples)


def cpu(sample):
    return sample.cpu_us_postgres + sample.cpu_us_chatd


def rate_row(line, pairs):
    ratio = statistics.median(a.rate / b.rate for a, b in pairs)
    return row(line, "", "per second", median([a for a, _ in pairs], "rate"),
               median([b for _, b in pairs], "rate"), ratio, ">=", line.goal)


def cpu_row(line, pairs):
    ratio = statistics.median(cpu(a) / cpu(b) for a, b in pairs)
    return row(line, ": CPU", "us per message", statistics.median(cpu(a) for a, _ in pairs),
               statistics.median(cpu(b) for _, b in pairs), ratio, "<=", 0.5)


def p99_row(line, pairs):
    return row(line, ": p99", "ms", median([a for a, _ in pairs], "p99_ms"),
               median([b for _, b in pairs], "p99_ms"), None, "<", 50)


def errors_row(line, pairs):
    return row(line, ": errors", "requests", sum(a.errors for a, _ in pairs),
               sum(b.errors for _, b in pairs), None, "<=", 0)


def mirror_cpu_row(line, pairs):
    return dict(cpu_row(line, pairs), goal=1.05, met=statistics.median(cpu(a) / cpu(b) for a, b in pairs) <= 1.05)


def search_cpu_row(line, pairs):
    ratio = statistics.median(cpu(a) / cpu(b) for a, b in pairs)
    return dict(cpu_row(line, pairs), name=line.name + ": CPU without Elasticsearch's", goal=1.25, met=ratio <= 1.25)


def elasticsearch_cpu_row(line, pairs):
    return row(line, ": Elasticsearch's CPU", "us per message", median([a for a, _ in pairs], "cpu_us_elasticsearch"),
               median([b for _, b in pairs], "cpu_us_elasticsearch"),
               statistics.median(a.cpu_us_elasticsearch / b.cpu_us_elasticsearch for a, b in pairs), None, None)


def time_row(limit):
    def time_of(line, pairs):
        return row(line, ": time", "ms", median([a for a, _ in pairs], "p50_ms"),
                   median([b for _, b in pairs], "p50_ms"), None, "<", limit)
    return time_of


EXTRAS = {"cpu": cpu_row, "p99": p99_row, "errors": errors_row, "cpu-mirror": mirror_cpu_row,
          "cpu-search": search_cpu_row, "cpu-elasticsearch": elasticsearch_cpu_row,
          "50-ms": time_row(50), "100-ms": time_row(100)}


def row(line, what, unit, value, beside, ratio, sense, goal):
    """A row; the goal, if there is one, is for the ratio, or where there is none, for the value."""
    reached = value if ratio is None else ratio
    met = {">=": operator.ge, "<=": operator.le, "<": operator.lt}[sense](reached, goal) if goal is not None else None
    return {"name": line.name + what, "unit": unit, "value": value, "beside_name": line.beside_name,
            "beside": beside, "ratio": ratio, "sense": sense, "goal": goal, "met": met}


def details(pairs):
    """The further figures of a line's two sides."""
    return {side + field: median([pair[i] for pair in pairs], field)
            for i, side in enumerate(("", "beside_"))
            for field in ("p50_ms", "p99_ms", "cpu_us_postgres", "cpu_us_chatd")}


def measure_line(bench, line, rounds):
    """A line's rows, from rounds of A B, B A, A B and so on."""
    pairs = []
    syncs = []
    for number in range(rounds * line.often):
        syncs.append(fdatasync_rate(bench.postgres.directory))
        if number % 2 == 0:
            a = line.measure(bench)
            b = line.beside(bench)
        else:
            b = line.beside(bench)
            a = line.measure(bench)
        if (a.errors or b.errors) and "errors" not in line.extras:
            raise RuntimeError("%s: %d and %d requests failed" % (line.key, a.errors, b.errors))
        pairs.append((a, b))
        print("  %s, round %d: %.0f/s beside %.0f/s, fdatasync %.0f/s" % (line.key, number + 1, a.rate, b.rate, syncs[-1]),
              file=sys.stderr)
    return [dict(rate_row(line, pairs), fdatasync=statistics.median(syncs), **details(pairs))] + [
        EXTRAS[name](line, pairs) for name in line.extras]


def line_rows(bench, line, rounds):
    """The rows of a line; the first has its key."""
    rows = line.rows(bench, rounds) if isinstance(line, RowsLine) else measure_line(bench, line, rounds)
    rows[0]["key"] = line.key
    return rows
