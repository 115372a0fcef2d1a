"""The lines of the search: what it costs to keep Elasticsearch in step, and what searches gain by it.

They have a cluster and a chatd of their own, which keep a real Elasticsearch in step. Its messages are
those of tests/data, again and again; some have a rare word more. Two applications are large: "log",
with 10,000 chats, and "rooms", with a chat for each size that is searched.
"""

import collections
import contextlib
import gzip
import http.client
import json
import pathlib
import statistics
import subprocess
import sys
import threading
import time

import elastic
from elastic import engine
from measuring import BODY, CHATS, POSTED, TOP, Bench, Line, RowsLine, row
from processes import Chatd, Postgres, anonymous_kilobytes, apart, process_seconds, wait_for

# What a row is called; what stands beside it, if anything.
Title = collections.namedtuple("Title", "name beside_name", defaults=("",))

# Seconds: for as many messages as it gets here, and more.
IN_STEP = 900

RARE = "quokka"
QUERIES = {"no hit": "qxzjqvk", "rare": RARE, "frequent": "ubuntu"}
LIMIT = 100

# What candidates.c asks for at first, for so many.
CANDIDATES = LIMIT + LIMIT // 8 + 10

# A transaction with one snapshot is answered by PostgreSQL alone.
ALONE = "-c default_transaction_isolation=repeatable\\ read"

MARKERS_PER_SECOND = 50
MESSAGES_PER_SECOND = 1000


def document(application, chat, number, checksum, grams):
    """The lines that have _bulk index a message, as in document.c; the version is any."""
    key = (application, chat, number)
    return (
        '{"index":{"_id":"%s.%s.%s","routing":"%s","version":1,"version_type":"external"}}\n'
        '{"scope":["%s","%s.%s"],"application":%s,"chat":%s,"number":%s,"checksum":%s,"grams":%s}\n' % (
            *key, application, application, application, chat, *key, checksum, grams))


class Searched(Bench):
    """A cluster whose messages are in Elasticsearch."""

    def __init__(self, bench):
        postgres = bench.stack.enter_context(Postgres(bench.postgres.pg_config))
        chatd = bench.stack.enter_context(Chatd(TOP / "build/chatd", postgres))
        super().__init__(postgres, chatd, None, bench.seconds, bench.rounds, bench.messages, bench.stack)
        self.million = min(1000000, bench.seconds * 250000)
        self.engine = bench.stack.enter_context(engine.Engine(heap="1g"))
        self.postgres.set("pg_chat.elasticsearch_url", self.engine.url)
        self.copy_log()
        self.log = self.create_application("log")
        self.postgres.sql("SELECT count(chat.create_chat(%s)) FROM generate_series(1, %d)" % (self.log, CHATS))
        self.log_each = 0
        self.rooms = None
        wait_for(lambda: self.current("bench"), "an index")
        self.index = self.current("bench")
        self.in_step()

    def create_application(self, name):
        return self.postgres.sql("SELECT id FROM chat.create_application('%s')" % name)

    def copy_log(self):
        """The bodies of tests/data, as table log."""
        with gzip.open(TOP / "tests/data/ubuntu-irc.tsv.gz", "rt", encoding="utf-8", newline="\n") as file:
            bodies = [line.rstrip("\n").split("\t")[3].replace("\\", "\\\\") for line in file]
        self.postgres.sql("CREATE TABLE log (body text, i serial PRIMARY KEY)")
        subprocess.run([self.postgres.bin / "psql", "-Xq", "-c", "COPY log (body) FROM STDIN"], check=True,
                       input="\n".join(bodies) + "\n", env=self.postgres.environment, encoding="utf-8")
        self.log_length = len(bodies)

    def bodies(self, chats, each):
        """SQL for messages of chats in a row, so many for each: n, from 0 on, and body. Ten of them have
        the rare word."""
        count = chats * each
        return """
            SELECT n, l.body || CASE WHEN n %% %d = 0 THEN ' %s' ELSE '' END AS body
            FROM generate_series(0, %d) n JOIN log l ON l.i = n %% %d + 1 ORDER BY n""" % (
                count // 10, RARE.title(), count - 1, self.log_length)

    def insert(self, application, first_chat, chats, each):
        self.postgres.sql("""
            INSERT INTO chat.messages (application_id, chat_number, body)
            SELECT %s, %d + n / %d, body FROM (%s) m ORDER BY n""" % (
                application, first_chat, each, self.bodies(chats, each)))

    def current(self, database):
        """The index in Elasticsearch that is searched, or nothing."""
        return self.postgres.sql(
            "SELECT name FROM chat_internal.search_indexes WHERE state = 'current' AND uuid IS NOT NULL", database)

    def in_step(self):
        """Wait until everything is found in Elasticsearch, and noted. Costs PostgreSQL two statements."""
        written = int(self.postgres.sql("SELECT sum(last_message_number) FROM chat.chats"))
        wait_for(lambda: self.found(self.index) == written, "Elasticsearch", IN_STEP, every=0.1)
        wait_for(lambda: self.postgres.sql("SELECT messages_behind + queued FROM chat.search_status") == "0", "the worker",
                 every=0.1)

    def found(self, index):
        """How many documents searches find in an index; None if it is not there."""
        return self.engine.request("GET", "/%s/_count" % index)[1].get("count")

    def cpu_seconds(self):
        return self.postgres.cpu_seconds(), self.chatd.cpu_seconds(), process_seconds(self.engine.pid)[0]

    def log_part(self):
        """A round's part of the million, for each chat."""
        return max(self.million // self.rounds // CHATS, 1)

    def log_round(self, each):
        """So many messages more for each chat of the application log, at once."""
        self.insert(self.log, 1, CHATS, each)
        self.log_each += each

    def documents(self, above, each):
        """What document.c makes of a round's messages, whose numbers in each chat are above this one."""
        rows = self.postgres.sql("""
            SELECT chat, number, chat_internal.search_checksum(%s, chat, number, body), to_json(chat.fold(body))
            FROM (SELECT 1 + n / %d AS chat, %d + n %% %d + 1 AS number, body FROM (%s) m ORDER BY n) k""" % (
                self.log, each, above, each, self.bodies(CHATS, each)))
        return [document(self.log, *line.split("|", 3)) for line in rows.split("\n")]

    @contextlib.contextmanager
    def steady(self, rate):
        """Meanwhile so many messages a second are created."""
        script = pathlib.Path(self.scratch, "steady")
        script.write_text("\\set c random(1, %d)\nSELECT chat.create_message(%s, :c, '%s');\n" % (
            CHATS, self.application, BODY))
        with subprocess.Popen([self.postgres.bin / "pgbench", "-n", "-M", "prepared", "-c", "8", "-R", str(rate),
                               "-T", "3600", "-f", script], env=self.postgres.environment,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as pgbench:
            try:
                yield
            finally:
                pgbench.terminate()

    def whole_log(self):
        """A million messages in the application log, in step, and nothing else left of it."""
        self.engine.request("DELETE", "/plain")
        lacking = self.million // CHATS - self.log_each
        if lacking > 0:
            self.log_round(lacking)
            self.in_step()
            self.postgres.sql("VACUUM ANALYZE")

    def whole_rooms(self):
        """The chats of all sizes, in step: their sizes."""
        sizes = [1000, self.million // 10, self.million]
        if self.rooms is None:
            self.rooms = self.create_application("rooms")
            for room, size in enumerate(sizes, 1):
                self.postgres.sql("SELECT chat.create_chat(%s)" % self.rooms)
                self.insert(self.rooms, room, 1, size)
            self.in_step()
            self.postgres.sql("VACUUM ANALYZE")
        return sizes


def searched(bench):
    """The servers of these lines, which begin with the first of them."""
    if bench.search is None:
        bench.search = Searched(bench)
    return bench.search


# Keeping in step.

def sync(bench):
    """A part of the million messages of the log: from their commit until all are found."""
    search = searched(bench)
    part = search.log_part()
    search.log_round(part)

    def run():
        started = time.monotonic()
        search.in_step()
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


def posting(bench, messages_in_step):
    """POSTs at full speed; the CPU time is that until all is in step."""
    def run():
        result = bench.run_wrk(bench.chatd, 64, "POST", CHATS, "", POSTED)
        messages_in_step()
        return result
    return bench.sample(run)


def apart_from_elasticsearch(bench):
    search = searched(bench)
    return apart(search.engine.pid, [server.process.pid for server in (
        search.postgres, search.chatd, bench.postgres, bench.chatd)])


def post_in_step(bench):
    """Elasticsearch has CPUs of its own, so that what it takes is no loss of the others."""
    with apart_from_elasticsearch(bench):
        return posting(searched(bench), searched(bench).in_step)


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
            if now - began > IN_STEP:
                raise RuntimeError("%d messages were not found in %d s" % (len(sent), IN_STEP))
            time.sleep(max(0, began + turn / MARKERS_PER_SECOND - now))
    chatd.close()
    return sorted(lag)


def lag_rows(bench, rounds):
    """While pgbench creates 1,000 messages a second."""
    search = searched(bench)
    title = Title("from POST to found in Elasticsearch, 1,000 messages a second")
    p50, p99 = [], []
    for number in range(rounds):
        search.in_step()
        with search.steady(MESSAGES_PER_SECOND):
            found = lags(search)
        p50.append(found[len(found) // 2])
        p99.append(found[len(found) * 99 // 100])
        print("  search-lag, round %d: p50 %.0f ms, p99 %.0f ms, worst %.0f ms" % (
            number + 1, p50[-1], p99[-1], found[-1]), file=sys.stderr)
    return [row(title, ": p50", "ms", statistics.median(p50), None, None, "<", None),
            row(title, ": p99", "ms", statistics.median(p99), None, None, "<", 1000)]


def verify_rows(bench, rounds):
    """A million messages in step, compared with the index."""
    search = searched(bench)
    search.whole_log()
    seconds = []
    for number in range(rounds):
        started = time.monotonic()
        if search.postgres.sql("SELECT count(*) FROM chat.verify_search(%s)" % search.log) != "0":
            raise RuntimeError("chat.verify_search() found differences")
        seconds.append(time.monotonic() - started)
        print("  verify, round %d: %.1f s" % (number + 1, seconds[-1]), file=sys.stderr)
    title = Title("verify %s messages in step" % thousands(search.million))
    return [row(title, "", "s", statistics.median(seconds), None, None, "<", 20)]


# Searching.

def thousands(number):
    return "{:,}".format(number)


class Scope:
    """What is searched: a chat, or an application with its chats."""

    def __init__(self, name, call):
        self.name, self.call = name, call

    def sql(self, query):
        return "SELECT * FROM %s" % self.call % query


def scopes(search):
    sizes = search.whole_rooms()
    search.whole_log()
    return [*(Scope("a chat of %s" % thousands(size), "chat.search_messages(%s, %d, '%%s')" % (search.rooms, room))
              for room, size in enumerate(sizes, 1)),
            Scope("an application of %s" % thousands(search.million), "chat.search_application(%s, '%%s')" % search.log)]


def median_ms(search, scope, query, settings=""):
    """A search from one session, again and again."""
    seconds = max(1, search.seconds // 4)
    return search.pgbench(scope.sql(query) + ";\n", 1, clients=1, seconds=seconds, logged=1, settings=settings).p50_ms


def explain(search, scope, query, settings=""):
    """How many messages a search finds, and how it says that it is answered."""
    said = subprocess.run([search.postgres.bin / "psql", "-XqAt", "-c", scope.sql(query)], check=True, text=True,
                          capture_output=True, env={**search.postgres.environment,
                                                    "PGOPTIONS": settings + " -c client_min_messages=debug1"})
    return len(said.stdout.splitlines()), "by PostgreSQL alone" not in said.stderr


def expect_same(search, scope, query):
    """With Elasticsearch a search must find what it finds without, and use it."""
    alone, _ = explain(search, scope, query, ALONE)
    indexed, by_index = explain(search, scope, query)
    if not by_index or alone != indexed:
        raise RuntimeError("search for %s in %s: %d messages, %d with Elasticsearch, which %s" % (
            query, scope.name, alone, indexed, "answered" if by_index else "did not answer"))


def elasticsearch_request(search, room, query):
    """What candidates.c asks for a chat."""
    grams = list(dict.fromkeys(query[i:i + 3] for i in range(len(query) - 2)))
    conditions = [{"term": {"scope": "%s.%d" % (search.rooms, room)}}, *({"term": {"grams": gram}} for gram in grams)]
    return elastic.request(
        "POST", "/%s/_search?routing=%s&allow_partial_search_results=false" % (search.index, search.rooms),
        json.dumps({"size": CANDIDATES, "timeout": "500ms", "track_total_hits": False, "_source": False,
                    "stored_fields": "_none_", "sort": [{"number": "asc"}],
                    "query": {"bool": {"filter": conditions}}}).encode())


def elasticsearch_ms(search, room, query):
    """Elasticsearch alone, asked the same, from one connection."""
    message = elasticsearch_request(search, room, query)
    took = []
    with elastic.Connection(search.engine.port) as connection:
        end = time.monotonic() + max(1, search.seconds // 4)
        while time.monotonic() < end:
            started = time.monotonic()
            connection.exchange(message)
            took.append((time.monotonic() - started) * 1e3)
    return statistics.median(took)


def beside_elasticsearch_rows(bench, rounds):
    """A search in the largest chat with Elasticsearch, beside Elasticsearch alone."""
    search = searched(bench)
    scope = scopes(search)[2]
    rows = []
    for name, query in QUERIES.items():
        expect_same(search, scope, query)
        pairs = []
        for number in range(rounds):
            alone = None if number % 2 == 0 else elasticsearch_ms(search, 3, query)
            took = median_ms(search, scope, query)
            pairs.append((took, elasticsearch_ms(search, 3, query) if alone is None else alone))
        took, alone = (statistics.median(times) for times in zip(*pairs))
        print("  search-beside, %s: %.2f ms beside %.2f ms" % (name, took, alone), file=sys.stderr)
        title = Title("search in %s, %s" % (scope.name, name), "Elasticsearch alone")
        rows.append(dict(row(title, "", "ms", took, alone, None, "<=", round(alone * 1.5 + 2, 2)),
                         ratio=statistics.median(a / b for a, b in pairs)))
    return rows


def trigram_index_ready(search):
    """The index of pg_trgm, in use or not."""
    search.postgres.sql("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    search.postgres.sql("SELECT chat.add_trigram_index()")
    wait_for(lambda: search.postgres.sql("SELECT chat.add_trigram_index()") == "The search index is there.",
             "the index of pg_trgm", IN_STEP)


def ways_rows(bench, _rounds):
    """Each scope searched by PostgreSQL alone, with pg_trgm's index, and with Elasticsearch: the worst of
    the queries."""
    search = searched(bench)
    places = scopes(search)
    ways = ("alone", "Elasticsearch", "pg_trgm")
    took = {way: {scope.name: {} for scope in places} for way in ways}
    for way in ways:
        if way == "pg_trgm":
            trigram_index_ready(search)
        for scope in places:
            for name, query in QUERIES.items():
                if way == "Elasticsearch":
                    expect_same(search, scope, query)
                took[way][scope.name][name] = median_ms(search, scope, query, "" if way == "Elasticsearch" else ALONE)
            print("  search, %s, %s: %s" % (scope.name, way, ", ".join(
                "%s %.2f ms" % each for each in took[way][scope.name].items())), file=sys.stderr)
    search.postgres.sql("SELECT chat.drop_trigram_index()")
    rows = []
    for scope in places:
        alone = max(took["alone"][scope.name].values())
        for way in ways[1:]:
            worst = max(took[way][scope.name].values())
            title = Title("search in %s, %s" % (scope.name, way), "without")
            rows.append(dict(row(title, "", "ms", worst, alone, worst / alone, "<=", None),
                             queries=took[way][scope.name], beside_queries=took["alone"][scope.name]))
    return rows


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
        wait_for(lambda: (search.found(index) or 0) > messages // 50, "the worker to catch up", IN_STEP)
    if int(search.postgres.sql(worker)) != pid:
        raise RuntimeError("the worker did not live through it")
    search.postgres.sql("DROP DATABASE backlog", "postgres")
    title = Title("worker's memory, backlog of %s messages" % thousands(messages))
    return [row(title, "", "MB", down.most, None, None, "<", 64),
            row(title, ": catching up", "MB", catching_up.most, None, None, "<", 64)]


LINES = [
    Line("search-post", "POST message, Elasticsearch kept in step", post_in_step,
         "not kept in step", post_alone, 0.8, ("cpu-search",)),
    RowsLine("search-lag", lag_rows),
    Line("search-sync", "messages of 10,000 chats into Elasticsearch", sync,
         "plain client, _bulk", sync_plain, 0.8, ("cpu-elasticsearch",)),
    RowsLine("search-verify", verify_rows),
    RowsLine("search-beside", beside_elasticsearch_rows),
    RowsLine("search", ways_rows),
    RowsLine("search-backlog", backlog_rows),
]
