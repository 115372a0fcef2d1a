"""The lines of the search: what it costs to keep Elasticsearch in sync, and what searches gain by it."""

import http.client
import json
import statistics
import sys
import threading
import time

import elastic
from measuring import BODY, CHATS, POSTED, Line, RowsLine, Title, row
from processes import anonymous_kilobytes, apart, wait_for
from searched import IN_SYNC_WITHIN, searched, thousands
from searching import beside_elasticsearch_rows, ways_rows

MARKERS_PER_SECOND = 50
MESSAGES_PER_SECOND = 1000


def sync(bench):
    """A part of the million messages of the log: from their commit until all are found."""
    search = searched(bench)
    part = search.log_part()
    search.log_round(part)

    def run():
        started = time.monotonic()
        search.in_sync()
        return part * CHATS, time.monotonic() - started, 0, 0, 0
    return search.sample(run)


def sync_plain(bench):
    """The same documents, sent by a plain client to an index that has as many before."""
    search = searched(bench)
    part = search.log_part()
    if search.found("plain") is None:
        elastic.create_like(search.engine, "plain", search.index)
    before = search.found("plain")
    requests = elastic.bulk_requests("plain", search.documents(before // CHATS, part))

    def run():
        started = time.monotonic()
        elastic.send(search.engine.port, requests)
        search.engine.refresh("plain")
        return part * CHATS, time.monotonic() - started, 0, 0, 0
    sample = search.sample(run)
    if search.found("plain") != before + part * CHATS:
        raise RuntimeError("%d documents were sent, %d are there" % (before + part * CHATS, search.found("plain")))
    return sample


def posting(bench, messages_in_sync):
    """POSTs at full speed; the CPU time is that until all messages are in sync."""
    def run():
        result = bench.run_wrk(bench.chatd, 64, "POST", CHATS, "", POSTED)
        messages_in_sync()
        return result
    return bench.sample(run)


def apart_from_elasticsearch(bench):
    search = searched(bench)
    return apart(search.engine.pid, [server.pid for server in (
        search.postgres, search.chatd, bench.postgres, bench.chatd)])


def post_in_sync(bench):
    """Elasticsearch has CPUs of its own, so that what it takes is no loss of the others."""
    with apart_from_elasticsearch(bench):
        return posting(searched(bench), searched(bench).in_sync)


def post_alone(bench):
    """The same in the other cluster, on the same CPUs, while Elasticsearch has nothing to do."""
    with apart_from_elasticsearch(bench):
        return posting(bench, lambda: None)


def post_marker(connection, search, chat):
    """Post a message; its document's _id."""
    connection.request("POST", "/applications/%s/chats/%d/messages" % (search.token, chat), POSTED,
                       {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = json.loads(response.read())
    if response.status != 201:
        raise RuntimeError("chatd answered %d: %s" % (response.status, answer))
    return "%s.%d.%d" % (search.application, chat, answer["number"])


def found_among(connection, search, ids):
    """Those that a search in Elasticsearch finds."""
    answer = json.loads(connection.exchange(elastic.request(
        "POST", "/%s/_search?routing=%s" % (search.index, search.application), json.dumps({
            "size": len(ids), "_source": False, "query": {"ids": {"values": ids}}}).encode())))
    return [hit["_id"] for hit in answer["hits"]["hits"]]


def lags(search):
    """Of messages that are posted and looked for 50 times a second: milliseconds from the request to post
    it until a search in Elasticsearch finds it."""
    chatd = http.client.HTTPConnection("127.0.0.1", search.chatd.port)
    sent, lag = {}, []
    began = time.monotonic()
    turn = 0
    with elastic.Connection(search.engine.port) as elasticsearch:
        while turn < search.seconds * MARKERS_PER_SECOND or sent:
            if turn < search.seconds * MARKERS_PER_SECOND:
                now = time.monotonic()
                sent[post_marker(chatd, search, turn % CHATS + 1)] = now
            turn += 1
            found = found_among(elasticsearch, search, list(sent))
            now = time.monotonic()
            lag += [(now - sent.pop(key)) * 1e3 for key in found]
            if now - began > IN_SYNC_WITHIN:
                raise RuntimeError("%d messages were not found in %d s" % (len(sent), IN_SYNC_WITHIN))
            time.sleep(max(0, began + turn / MARKERS_PER_SECOND - now))
    chatd.close()
    return sorted(lag)


def lag_rows(bench, rounds):
    """While pgbench creates 1,000 messages a second."""
    search = searched(bench)
    title = Title("from POST to found in Elasticsearch, 1,000 messages a second")
    p50, p99 = [], []
    for number in range(rounds):
        search.in_sync()
        with search.steady(MESSAGES_PER_SECOND):
            found = lags(search)
        p50.append(found[len(found) // 2])
        p99.append(found[len(found) * 99 // 100])
        print("  search-lag, round %d: p50 %.0f ms, p99 %.0f ms, worst %.0f ms" % (
            number + 1, p50[-1], p99[-1], found[-1]), file=sys.stderr)
    return [row(title, ": p50", "ms", statistics.median(p50), None, None, "<", None),
            row(title, ": p99", "ms", statistics.median(p99), None, None, "<", 1000)]


def verify_rows(bench, rounds):
    """A million messages in sync, compared with the index."""
    search = searched(bench)
    search.whole_log()
    seconds = []
    for number in range(rounds):
        started = time.monotonic()
        if search.postgres.sql("SELECT count(*) FROM chat.verify_search(%s)" % search.log) != "0":
            raise RuntimeError("chat.verify_search() found differences")
        seconds.append(time.monotonic() - started)
        print("  verify, round %d: %.1f s" % (number + 1, seconds[-1]), file=sys.stderr)
    title = Title("verify %s messages in sync" % thousands(search.million))
    return [row(title, "", "s", statistics.median(seconds), None, None, "<", 20)]


# The worker's memory.

class MostMemory:
    """The most memory of a process that is its own, in MB, while the context lasts."""

    def __init__(self, pid):
        self.pid, self.most = pid, 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def look(self):
        while not self.over.wait(0.02):
            self.most = max(self.most, anonymous_kilobytes(self.pid) / 1024)


def write_backlog(search, application, messages):
    """Messages that Elasticsearch, which is down, should get; until the worker has tried in vain once more."""
    each = messages // CHATS // 5
    for _ in range(5):
        search.postgres.sql("""
            INSERT INTO chat.messages (application_id, chat_number, body)
            SELECT %s, c, '%s' FROM generate_series(1, %d) c, generate_series(1, %d)""" % (
                application, BODY, CHATS, each), "backlog")
    written = search.postgres.sql("SELECT clock_timestamp()")
    wait_for(lambda: search.postgres.sql(
        "SELECT last_error_at > '%s' FROM chat_internal.worker_jobs WHERE job = 'search'" % written, "backlog") == "t",
             "the worker to try again")


def backlog_rows(bench, _rounds):
    """Memory of the worker of a database of its own, while Elasticsearch is down and when it is back."""
    search = searched(bench)
    messages = search.million * 5
    search.postgres.sql("CREATE DATABASE backlog", "postgres")
    search.postgres.sql("CREATE EXTENSION pg_chat", "backlog")
    application = search.postgres.sql("SELECT id FROM chat.create_application('backlog')", "backlog")
    search.postgres.sql("SELECT count(chat.create_chat(%s)) FROM generate_series(1, %d)" % (application, CHATS), "backlog")
    wait_for(lambda: search.current("backlog"), "an index")
    index = search.current("backlog")
    worker = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_chat worker' AND datname = 'backlog'"
    pid = int(search.postgres.sql(worker))

    search.engine.request("POST", "/_flush")    # that it is soon back
    search.engine.kill9()
    with MostMemory(pid) as down:
        write_backlog(search, application, messages)
    search.engine.start()
    with MostMemory(pid) as catching_up:
        wait_for(lambda: (search.found(index) or 0) > messages // 50, "the worker to catch up", IN_SYNC_WITHIN)
    if int(search.postgres.sql(worker)) != pid:
        raise RuntimeError("the worker did not live through it")
    search.postgres.sql("DROP DATABASE backlog", "postgres")
    title = Title("worker's memory, backlog of %s messages" % thousands(messages))
    return [row(title, "", "MB", down.most, None, None, "<", 64),
            row(title, ": catching up", "MB", catching_up.most, None, None, "<", 64)]


LINES = [
    Line("search-post", "POST message, Elasticsearch kept in sync", post_in_sync,
         "not kept in sync", post_alone, 0.85, ("cpu-search",)),
    RowsLine("search-lag", lag_rows),
    Line("search-sync", "messages of 10,000 chats into Elasticsearch", sync,
         "plain client, _bulk", sync_plain, 0.8, ("cpu-elasticsearch",)),
    RowsLine("search-verify", verify_rows),
    RowsLine("search-beside", beside_elasticsearch_rows),
    RowsLine("search", ways_rows),
    RowsLine("search-backlog", backlog_rows),
]
