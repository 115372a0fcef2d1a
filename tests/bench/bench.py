"""Measure the project side by side with what it is built on, and print how it compares.

A line of the table measures one piece of work (A) and what it stands beside (B), in turns, A B B A
and so on, so that whatever else the machine does falls on both. Its ratio is the median of the
rounds' ratios; the figures beside it are medians too. Some lines have further goals: for the
latency, the CPU time, the errors; they are rows of their own.

PostgreSQL is private and durable (fsync and synchronous_commit on); it, the servers and the
clients share the machine. What its disk does, in fdatasync a second, stands beside the figures.

To add a line: write a function that measures one thing and returns a Sample, and name it in LINES.
"""

import argparse
import contextlib
import json
import pathlib
import statistics
import sys
import time

import access
import instructions
import live
import search
import watched
from elastic import engine
from measuring import BODY, CHATS, CLIENTS, POSTED, TOP, Bench, Line, RowsLine, Sample, Title, cpu, line_rows, row, table_like_messages
from processes import Chatd, HttpServer, Postgres, reachable, wait_for

CALL = 100
MILLION = 1000000
MIRROR_OFTEN = 4

# The lines of the benchmark: a measurement, and what it is compared with.

def bare_rows(bench, rows, chat_settings, chat_of_row, clients=CLIENTS):
    """A bare INSERT of the row that a message is, into a table just like chat.messages.

    What makes a number unique, the client brings with it, so that the INSERT pays nothing for it: each
    client counts for itself, from a start that no other client or run has. Like the project's, its
    numbers grow within each chat."""
    bench.bare_runs += 1
    values = ", ".join("(%s, %s, :n + %d, '%s')" % (bench.application, chat_of_row(i), i, BODY)
                       for i in range(1, rows + 1))
    script = ("%s\\if :n < 0\n\\set n (:run * %d + :client_id) * 500000\n\\endif\n"
              "INSERT INTO bare (application_id, chat_number, number, body) VALUES %s;\n\\set n :n + %d\n"
              % (chat_settings, CLIENTS, values, rows))
    return bench.pgbench(script, rows, clients, n=-1, run=bench.bare_runs)


ONE_CHAT = "\\set c random(1, %d)\n" % CHATS
CHAT_PER_ROW = "".join("\\set c%d random(1, %d)\n" % (i, CHATS) for i in range(1, CALL + 1))


def bare_insert(bench):
    return bare_rows(bench, 1, ONE_CHAT, lambda i: ":c")


def bare_insert_of_100(bench):
    return bare_rows(bench, CALL, CHAT_PER_ROW, ":c{}".format, 2)


def bare_insert_of_100_to_one_chat(bench):
    return bare_rows(bench, CALL, ONE_CHAT, lambda i: ":c")


def counter_in_plpgsql(bench):
    if not bench.postgres.sql("SELECT to_regclass('counters')"):
        bench.postgres.sql(instructions.COUNTED)
    return bench.pgbench("%sSELECT counted(%s, :c, '%s');\n" % (ONE_CHAT, bench.application, BODY), 1)


def create_message(bench):
    return bench.pgbench("%sSELECT chat.create_message(%s, :c, '%s');\n" % (
        ONE_CHAT, bench.application, BODY), 1)


def create_messages(bench, settings, chats, clients=CLIENTS):
    """Calls of 100; one that has a refused message divides by zero and ends pgbench."""
    return bench.pgbench(
        "%sSELECT 1 / (count(number) = %d)::integer FROM chat.create_messages("
        "array_fill(%s, ARRAY[%d]), %s, array_fill('%s'::text, ARRAY[%d]));\n" % (
            settings, CALL, bench.application, CALL, chats, BODY, CALL), CALL, clients)


def create_messages_of_100(bench):
    """By two clients: more of them would measure how often two meet at the same chat."""
    return create_messages(bench, CHAT_PER_ROW,
                           "ARRAY[%s]::integer[]" % ", ".join(":c%d" % i for i in range(1, CALL + 1)), 2)


def create_messages_of_100_to_one_chat(bench):
    return create_messages(bench, ONE_CHAT, "array_fill(:c::integer, ARRAY[%d])" % CALL)


def post(connections, chats=CHATS):
    def measure(bench):
        before = bench.stored()
        sample = bench.wrk(bench.chatd, connections, "POST", chats, "", POSTED)
        acknowledged = round(sample.rate * bench.seconds)
        stored = bench.stored() - before
        # wrk's clock and the requests it leaves unread at its end make the comparison inexact.
        if stored < acknowledged * 0.9:
            raise RuntimeError("%d messages acknowledged, %d stored" % (acknowledged, stored))
        return sample
    return measure


def post_with_keys(bench):
    """Each with a key that no other request has."""
    return bench.wrk(bench.chatd, 64, "POST", CHATS, "", POSTED, key="%d " % time.monotonic_ns())


def post_alone(connections):
    def measure(bench):
        return bench.wrk(bench.alone, connections, "POST", CHATS, "", POSTED)
    return measure


def get_message(bench):
    return bench.wrk(bench.chatd, 64, "GET", CHATS, "/*")


def get_last_20(bench):
    return bench.wrk(bench.chatd, 64, "GET", CHATS, "?last=20")


def get_alone(bench):
    return bench.wrk(bench.alone, 64, "GET", CHATS, "/*")


A_MESSAGE = ONE_CHAT + "\\set n random(1, 20)\n\\set x random(1, 1000000000)\n"


def edit(bench):
    return bench.pgbench("%sSELECT chat.update_message(%s, :c, :n, '%s' || :x);\n" % (A_MESSAGE, bench.application, BODY), 1)


def bare_update(bench):
    """The same change of the same row, by its key, in a table that has nothing else."""
    if not bench.postgres.sql("SELECT to_regclass('edited')"):
        bench.postgres.sql(table_like_messages("edited"))
        bench.postgres.sql("INSERT INTO edited SELECT application_id, chat_number, number, body, created_at FROM chat.messages"
                           " WHERE application_id = %s AND number <= 20" % bench.application)
        bench.postgres.sql("VACUUM ANALYZE edited")
    return bench.pgbench("%sUPDATE edited SET body = '%s' || :x WHERE application_id = %s AND chat_number = :c AND number = :n;\n"
                         % (A_MESSAGE, BODY, bench.application), 1)


def changes_rows(bench, _rounds):
    """Pages of the changes of a large chat, few of which are left for a reader who knows it."""
    sql = bench.postgres.sql
    chat = int(sql("SELECT chat.create_chat(chat.id) FROM chat.create_application('changes %d') AS chat" % time.monotonic_ns()))
    application = int(sql("SELECT max(id) FROM chat.applications"))
    sql("INSERT INTO chat.messages (application_id, chat_number, body) SELECT %d, %d, '%s' FROM generate_series(1, %d)"
        % (application, chat, BODY, bench.messages))
    sql("SELECT count(chat.update_message(%d, %d, 1 + n * %d, 'edited')) FROM generate_series(0, 999) AS n"
        % (application, chat, bench.messages // 1000))
    sql("VACUUM ANALYZE chat.messages")
    sample = bench.pgbench("\\set r random(0, 900)\nSELECT 1 / (count(*) / 100) FROM chat.list_changes(%d, %d, %d, :r);\n"
                           % (application, chat, bench.messages), 1, 1)
    sql("SELECT chat.delete_application(%d)" % application)
    title = Title("list_changes, 100 of 1,000 changes of a chat of %d" % bench.messages)
    return [row(title, "", "ms", sample.p50_ms, None, None, "<", 5), row(title, ": p99", "ms", sample.p99_ms, None, None, None, None)]


def counted(bench, query):
    """Ask the database counted: 1,000,000 messages in 10,000 chats as autovacuum leaves them, with nothing
    to repair. It is made at the first call."""
    if not bench.counted:
        bench.counted = True
        bench.postgres.sql("CREATE DATABASE counted", database="postgres")
        for statement in (
                "CREATE EXTENSION pg_chat",
                "SELECT chat.create_application('counted')",
                "SELECT count(chat.create_chat(1)) FROM generate_series(1, %d)" % CHATS,
                """INSERT INTO chat.messages (application_id, chat_number, body)
                SELECT 1, c, '%s' FROM generate_series(1, %d) n, generate_series(1, %d) c ORDER BY n"""
                % (BODY, MILLION // CHATS, CHATS),
                "SELECT count(*) FROM chat.reconcile()",
                "VACUUM ANALYZE"):
            bench.postgres.sql(statement, database="counted")
    return bench.postgres.sql(query, database="counted")


def worker_run(bench):
    """Have the worker recount at once. How many chats it counted, and in how many seconds."""
    query = "SELECT runs FROM chat_internal.worker_jobs WHERE job = 'reconcile'"
    before = int(counted(bench, query))
    counted(bench, "SELECT pg_reload_conf()")
    wait_for(lambda: int(counted(bench, query)) > before, "a run of the worker")
    done, seconds = counted(
        bench, "SELECT last_done, extract(epoch FROM last_duration) FROM chat_internal.worker_jobs WHERE job = 'reconcile'").split("|")
    return int(done), float(seconds)


def sample_of(seconds, work):
    return Sample(work / seconds, seconds * 1e3, seconds * 1e3, 0, 0, 0)


def run_with_changed(chats):
    def measure(bench):
        worker_run(bench)      # with what the last measurement left
        done = None
        while done != chats:    # else a run of the worker's own came in between
            counted(bench, "DELETE FROM chat.messages WHERE chat_number <= %d AND number ="
                    " (SELECT max(number) FROM chat.messages WHERE chat_number = 1)" % chats)
            done, seconds = worker_run(bench)
        return sample_of(seconds, 1)
    return measure


def seconds_of(bench, query):
    counted(bench, "SELECT 1")
    started = time.monotonic()
    counted(bench, query)
    return time.monotonic() - started


def count_by_reconcile(bench):
    return sample_of(seconds_of(bench, "SELECT count(*) FROM chat.reconcile()"), MILLION)


def count_by_group(bench):
    return sample_of(seconds_of(bench, """
        SELECT count(*) FROM (SELECT application_id, chat_number, count(*) FROM chat.messages
        GROUP BY application_id, chat_number) g"""), MILLION)


def group_once(bench):
    return sample_of(1 / count_by_group(bench).rate * MILLION, 1)


def create_message_without_triggers(bench):
    triggers = (("messages", "before_insert"), ("messages", "after_insert"), ("chats", "after_update"))
    for how in ("DISABLE", "ENABLE"):
        if how == "ENABLE":
            sample = create_message(bench)
        for table, trigger in triggers:
            bench.postgres.sql("ALTER TABLE chat.%s %s TRIGGER %s" % (table, how, trigger))
    return sample


def post_many(bench, wait_for_mirror=lambda: None):
    """POSTs, again and again, until there are as many messages as asked for, and until they are mirrored."""
    def run():
        runs = []
        while sum(done for done, *_ in runs) < bench.messages // 2 // bench.rounds // MIRROR_OFTEN:
            runs.append(bench.run_wrk(bench.chatd, 64, "POST", CHATS, "", POSTED))
        wait_for_mirror()
        done, seconds, p50, p99, errors = zip(*runs)
        return sum(done), sum(seconds), statistics.median(p50), statistics.median(p99), sum(errors)
    return bench.sample(run)


def post_many_mirrored(bench):
    """The same while the counters are mirrored to a Redis, which holds all of them before and after."""
    def wait_for_mirror():  # each look is a session, whose CPU counts
        wait_for(lambda: bench.postgres.sql(
            "SELECT backlog = 0 FROM chat.worker_status WHERE job = 'redis'") == "t", "the mirror", every=0.25)
    with HttpServer(lambda port: [
            "redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--logfile", "/dev/null"]) as redis:
        bench.postgres.set("pg_chat.redis_url", "redis://127.0.0.1:%d" % redis.port)
        try:
            wait_for_mirror()
            return post_many(bench, wait_for_mirror)
        finally:
            bench.postgres.reset("pg_chat.redis_url")


def bloat_rows(bench, _rounds):
    """Messages while somebody keeps a snapshot, so that no dead row can go: what becomes of chat.chats, and of
    the CPU time of a message from the first measurement to the last."""
    def megabytes():
        return int(bench.postgres.sql("SELECT pg_table_size('chat.chats')")) / 1e6
    before, goal = megabytes(), bench.stored() + bench.messages
    session = bench.postgres.session("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM chat.chats")
    samples = []
    while bench.stored() < goal:
        samples.append(create_message(bench))
    after = megabytes()
    session.communicate()
    bench.postgres.sql("VACUUM FULL chat.chats")
    title = Title("%d messages beside an open snapshot" % bench.messages, "at first")
    return [row(title, ": chat.chats", "MB", after, before, after / before, None, None),
            row(title, ": CPU", "us per message", cpu(samples[-1]), cpu(samples[0]),
                cpu(samples[-1]) / cpu(samples[0]), "<=", 2)]


LINES = [
    Line("sql", "SQL create message, 32 clients, 10,000 chats", create_message,
         "bare INSERT", bare_insert, 0.85),
    Line("sql-plpgsql", "SQL create message, 32 clients, 10,000 chats", create_message,
         "counter in plpgsql", counter_in_plpgsql, 1.4),
    RowsLine("instructions", instructions.rows),
    Line("sql-100", "SQL create messages, calls of 100, 2 clients", create_messages_of_100,
         "bare INSERT of 100", bare_insert_of_100, 0.65),
    Line("sql-100-one", "SQL create messages, calls of 100 to one chat", create_messages_of_100_to_one_chat,
         "bare INSERT of 100", bare_insert_of_100_to_one_chat, 1),
    RowsLine("bloat", bloat_rows),
    Line("post", "POST message, 64 connections, 10,000 chats", post(64),
         "bare INSERT", bare_insert, 1.6, ("cpu", "p99")),
    Line("post-hot", "POST message, one hot chat, 256 connections", post(256, 1),
         "bare INSERT", bare_insert, 2.5),
    Line("post-alone", "POST message, 64 connections, 10,000 chats", post(64),
         "libmicrohttpd alone", post_alone(64), 0.35),
    Line("post-hot-alone", "POST message, one hot chat, 256 connections", post(256, 1),
         "libmicrohttpd alone", post_alone(256), 0.5),
    Line("post-once", "POST message with an Idempotency-Key, 64 connections", post_with_keys,
         "without", post(64), 0.85),
    Line("edit", "SQL edit message, 32 clients, 200,000 messages", edit,
         "bare UPDATE", bare_update, 0.5),
    RowsLine("changes", changes_rows),
    Line("get", "GET one message, 64 connections", get_message,
         "libmicrohttpd alone", get_alone, 0.55),
    Line("get-20", "GET last 20, 64 connections", get_last_20,
         "libmicrohttpd alone", get_alone, 0.3),
    Line("post-1000", "POST message, 1,000 connections, 10,000 chats", post(1000),
         "64 connections", post(64), 0.8, ("errors",)),
    Line("sql-triggers", "SQL create message, 32 clients, 10,000 chats", create_message,
         "without triggers", create_message_without_triggers, 0.95),
    Line("post-mirror", "POST message, mirrored to Redis", post_many_mirrored,
         "not mirrored", post_many, 0.9, ("cpu-mirror",), MIRROR_OFTEN),
    Line("scrub", "count 1,000,000 messages of 10,000 chats", count_by_reconcile,
         "count(*), GROUP BY", count_by_group, 0.5),
    Line("run", "a run of the worker, nothing changed", run_with_changed(0),
         "count(*), GROUP BY", group_once, 1, ("50-ms",)),
    Line("run-100", "a run of the worker, 100 chats changed", run_with_changed(100),
         "count(*), GROUP BY", group_once, 1, ("100-ms",)),
] + access.LINES + watched.LINES + live.LINES + search.LINES


def before(measure):
    """The same of another commit, on servers of its own."""
    return lambda bench: measure(bench.before)


BEFORE_OFTEN = 4
BEFORE_LINES = [
    Line("before-" + key, name, measure, "another commit", before(measure), 0.97, often=BEFORE_OFTEN)
    for key, name, measure in (
        ("sql", "SQL create message, 32 clients, 10,000 chats", create_message),
        ("post", "POST message, 64 connections, 10,000 chats", post(64)),
        ("get", "GET one message, 64 connections", get_message),
        ("get-20", "GET last 20, 64 connections", get_last_20))
]


def print_table(rows):
    head = "%-54s %-20s %10s %10s %6s %8s %-4s %7s %7s %11s %9s"
    print(head % ("work", "beside", "value", "beside", "ratio", "goal", "met", "p50 ms", "p99 ms", "CPU us p+c", "fsync/s"))
    for each in rows:
        print(head % (
            each["name"], each["beside_name"], "%.1f" % each["value"],
            "" if each["beside"] is None else "%.1f" % each["beside"],
            "" if each["ratio"] is None else "%.2f" % each["ratio"],
            "" if each["goal"] is None else "%s %g" % (each["sense"], each["goal"]),
            {True: "yes", False: "NO", None: ""}[each["met"]],
            *(("%.1f" % each["p50_ms"], "%.1f" % each["p99_ms"],
               "%.0f + %.0f" % (each["cpu_us_postgres"], each["cpu_us_chatd"]), "%.0f" % each["fdatasync"])
              if "p50_ms" in each else ("",) * 4)))


def figure(value):
    return "" if value is None else "{:,.0f}".format(value) if value >= 1000 else "%.1f" % value


def markdown(rows):
    """The table of tests/README.md."""
    yield "| Line | Work | Beside | Goal | Value | Beside | Ratio | fdatasync/s |"
    yield "|---|---|---|---|---|---|---|---|"
    for each in rows:
        yield "| %s |" % " | ".join((
            each.get("key", ""), each["name"] + ("" if each["unit"] == "per second" else ", " + each["unit"]), each["beside_name"],
            "" if each["goal"] is None else "%s %g" % (each["sense"], each["goal"]),
            figure(each["value"]), figure(each["beside"]),
            "" if each["ratio"] is None else "%.2f" % each["ratio"], figure(each.get("fdatasync"))))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=2, help="for each measurement (default %(default)s)")
    parser.add_argument("--messages", type=int, default=1000000,
                        help="of bloat, and of both sides of post-mirror in all rounds (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=4, help="of each line (default %(default)s)")
    parser.add_argument("--pg-config", default="pg_config", help="of the PostgreSQL to measure with")
    parser.add_argument("--before", type=pathlib.Path, metavar="DIRECTORY",
                        help="of another commit, built by before.sh: measures %s, and no others unless they are named"
                        % ", ".join(line.key for line in BEFORE_LINES))
    parser.add_argument("lines", nargs="*", metavar="LINE",
                        help="which to measure, of %s (default: all)" % ", ".join(line.key for line in LINES))
    chosen = parser.parse_args()
    unknown = set(chosen.lines) - {line.key for line in LINES + (BEFORE_LINES if chosen.before else [])}
    if unknown:
        parser.error("no such line: " + ", ".join(sorted(unknown)))
    return chosen


def chosen_lines(names, beside_another):
    """The lines with these names, or all: of those that stand beside another commit, if there is one. Without those of the
    search on a machine that has no Java."""
    candidates = LINES if not beside_another else BEFORE_LINES + LINES if names else BEFORE_LINES
    lines = [line for line in candidates if not names or line.key in names]
    if any(line in search.LINES for line in lines) and not engine.available():
        lines = [line for line in lines if line not in search.LINES]
    return lines


def main():
    chosen = arguments()
    rows = []
    with contextlib.ExitStack() as stack:
        postgres = stack.enter_context(Postgres(stack.enter_context(reachable(chosen.pg_config))))
        chatd = stack.enter_context(Chatd(TOP / "build/chatd", postgres))
        alone = stack.enter_context(HttpServer(lambda port: [TOP / "build/mhd_alone", str(port)]))
        bench = Bench(postgres, chatd, alone, chosen.seconds, chosen.rounds, chosen.messages, stack)
        if chosen.before:
            postgres = stack.enter_context(Postgres(stack.enter_context(reachable(chosen.before / "build/postgres/pg_config"))))
            chatd = stack.enter_context(Chatd(chosen.before / "build/chatd", postgres))
            bench.before = Bench(postgres, chatd, alone, chosen.seconds, chosen.rounds, chosen.messages, stack)
        for line in chosen_lines(chosen.lines, chosen.before):
            started = time.monotonic()
            rows += line_rows(bench, line, chosen.rounds)
            print("  %s: %.0f s" % (line.key, time.monotonic() - started), file=sys.stderr)
    print_table(rows)
    (TOP / "build/bench.json").write_text(json.dumps(rows, indent=1) + "\n")
    (TOP / "build/bench.md").write_text("\n".join(markdown(rows)) + "\n")


main()
