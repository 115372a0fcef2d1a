"""Streams: how soon and how many events arrive, and what those cost who only listen."""

import contextlib
import json
import pathlib
import statistics
import subprocess
import time

from access import serving
from measuring import BODY, CHATS, POSTED, TOP, Line, RowsLine, Title, output_of, row
from processes import Chatd, anonymous_kilobytes, wait_for

PROGRAM = TOP / "build/streams"
IDLE = 10000
BEHIND = 100000
WAITERS = 4
READER_CHATS = 1000


def client(chatd, path, *arguments):
    return [PROGRAM, "--streams", chatd.url, "--path", path, *map(str, arguments)]


def streams(bench, chatd, chat, *arguments):
    """What streams.c says of streams of one chat; each of them has to have had each event once, also the last ones."""
    result = json.loads(output_of(client(chatd, "/applications/%s/chats/%d/messages" % (bench.token, chat), *arguments)))
    if result["missed"] or result["twice"] or (result["written"] and result["events"] != result["written"] * result["streams"]):
        raise RuntimeError("events were missed, or came twice: %s" % result)
    return result


def delays(name, key, writer, p50, p99):
    """100 streams of one chat, 20 messages a second."""
    def rows(bench, rounds):
        with contextlib.ExitStack() as stack:
            results = [streams(bench, bench.chatd, 1, *writer(bench, stack), "--count", 100, "--rate", 20, "--seconds", max(5, bench.seconds))
                       for _ in range(rounds)]
        title = Title("100 streams of one chat, 20 messages/s by %s" % name)
        return [row(title, ": %s from sent to received" % which, "ms", statistics.median(result[which + "_ms"] for result in results), None, None,
                    "<" if goal else None, goal) for which, goal in (("p50", p50), ("p99", p99))]
    return RowsLine(key, rows)


def by_post(bench, _stack):
    return "--post", bench.chatd.url


def by_sql(bench, _stack):
    return "--sql", "host=%s dbname=%s user=postgres" % (bench.postgres.directory, bench.postgres.database)


def by_another(bench, stack):
    other = stack.enter_context(Chatd(TOP / "build/chatd", bench.postgres))
    return "--post", other.url


def fan_out(bench, rounds):
    """1,000 streams of one chat, as many messages as it takes."""
    results = [streams(bench, bench.chatd, 2, *by_post(bench, None), "--count", 1000, "--window", 64, "--seconds", bench.seconds)
               for _ in range(rounds)]
    title = Title("1,000 streams of one chat, posts by 64 connections")
    return [row(title, ": events", "per second", statistics.median(result["events"] / result["seconds"] for result in results), None, None, ">=", 100000)]


idle_kilobytes = []


def quiet_chats(bench):
    """The first of so many chats that nobody writes, made at the first call."""
    if getattr(bench, "quiet", None) is None:
        bench.quiet = int(bench.postgres.sql("SELECT min(chat.create_chat(%s)) FROM generate_series(1, %d)" % (bench.application, IDLE)))
    return bench.quiet


@contextlib.contextmanager
def many_streams(bench, first):
    """10,000 streams, each of a chat of its own, from one on."""
    command = client(bench.chatd, "/applications/%s/chats/%%d/messages" % bench.token, "--count", IDLE, "--first", first, "--hold")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        opened = json.loads(holder.stdout.readline())["streams"]
        if opened != IDLE:
            raise RuntimeError("%d streams are open" % opened)
        try:
            yield
        finally:
            holder.stdin.close()


def post(bench):
    return bench.wrk(bench.chatd, 64, "POST", CHATS, "", POSTED)


def post_beside_idle(bench):
    with serving(bench, "--max-streams", str(2 * IDLE)), many_streams(bench, quiet_chats(bench)):
        sample = post(bench)
        idle_kilobytes.append(anonymous_kilobytes(bench.chatd.pid))
        return sample


def post_watched(bench):
    """Each message is sent to the stream of its chat."""
    with serving(bench, "--max-streams", str(2 * IDLE)), many_streams(bench, 1):
        return post(bench)


def memory_of_idle(bench, rounds):
    """Measured while the line before was."""
    while len(idle_kilobytes) < min(rounds, 1):
        post_beside_idle(bench)
    return [row(Title("10,000 idle streams"), ": memory of chatd", "MB", statistics.median(idle_kilobytes) / 1e3, None, None, "<", 120)]


def fill_behind(bench):
    """A chat with 100,000 messages, made at the first call."""
    if getattr(bench, "behind", None) is None:
        bench.behind = int(bench.postgres.sql("SELECT chat.create_chat(%s)" % bench.application))
        bench.postgres.sql("DO $$ BEGIN FOR i IN 1..%d LOOP PERFORM chat.create_messages(array_fill(%s, ARRAY[1000]),"
                           " array_fill(%d, ARRAY[1000]), array_fill('%s'::text, ARRAY[1000])); END LOOP; END $$"
                           % (BEHIND // 1000, bench.application, bench.behind, BODY))
        bench.postgres.sql("VACUUM ANALYZE chat.messages")


def resume(bench):
    fill_behind(bench)

    def run():
        result = streams(bench, bench.chatd, bench.behind, "--messages", BEHIND)
        return result["events"], result["seconds"], 0, 0, 0
    return bench.sample(run)


def get_pages(bench):
    fill_behind(bench)

    def run():
        started = time.monotonic()
        path = "%s/applications/%s/chats/%d/messages?limit=1000&after=" % (bench.chatd.url, bench.token, bench.behind)
        output_of(["curl", "-sf", "-o", "/dev/null", path + "[0-%d:1000]" % (BEHIND - 1000)])
        return BEHIND, time.monotonic() - started, 0, 0, 0
    return bench.sample(run)


def create_message(bench):
    return bench.pgbench("\\set c random(1, %d)\nSELECT chat.create_message(%s, :c, '%s');\n" % (CHATS, bench.application, BODY), 1)


def create_message_waited_for(bench):
    script = pathlib.Path(bench.scratch, "waiter")
    script.write_text("CALL chat.wait_for_changes(NULLIF(:known, -1), 1000) \\gset\n\\set known :position\n")
    with subprocess.Popen([bench.postgres.bin / "pgbench", "-n", "-D", "known=-1", "-c", str(WAITERS), "-T", "1000", "-f", script],
                          env=bench.postgres.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as waiters:
        try:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL chat.wait_for_changes%' AND state = 'active'"
            wait_for(lambda: int(bench.postgres.sql(waiting)) == WAITERS, "waiters")
            return create_message(bench)
        finally:
            waiters.kill()


def overview(bench, rounds):
    """GET of all chats of a reader of 1,000 chats."""
    bench.postgres.sql("SELECT count(chat.set_cursor(%s, c, 'reader of many', 10)) FROM generate_series(1, %d) AS c" % (bench.application, READER_CHATS))
    bench.postgres.sql("VACUUM ANALYZE chat.cursors")
    query = "SELECT count(*) FROM chat.list_unread(%s, 'reader of many', \"limit\" => 1000);\n" % bench.application
    samples = [bench.pgbench(query, 1, clients=1, logged=1) for _ in range(rounds)]
    title = Title("unread of a reader of 1,000 chats, with the last messages")
    return [row(title, ": p50", "ms", statistics.median(sample.p50_ms for sample in samples), None, None, "<", 5)]


LINES = [
    delays("POST", "stream", by_post, 3, 8),
    delays("psql", "stream-sql", by_sql, None, 10),
    delays("POST to another chatd", "stream-other", by_another, None, 10),
    RowsLine("stream-fan-out", fan_out),
    Line("stream-idle", "POST message, 64 connections, 10,000 idle streams", post_beside_idle, "no streams", post, 0.9),
    RowsLine("stream-memory", memory_of_idle),
    Line("stream-each", "POST message, 64 connections, 10,000 streams, one of each chat", post_watched, "no streams", post, None),
    Line("stream-resume", "a stream that is 100,000 messages behind", resume, "GET pages of 1,000", get_pages, 1),
    Line("sql-waiters", "SQL create message, 4 sessions wait for changes", create_message_waited_for, "none", create_message, 0.98),
    RowsLine("unread", overview),
]
