"""GET /metrics, read by Prometheus' own parser: it says what was done, and of what was not there is no series."""

import json
import re
import subprocess
import threading
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from conftest import TOP, Chatd, wait_until
from credentials import bearer, make_key
from event_stream import EventStream
from test_streams import live    # pylint: disable=unused-import


class Figures:
    """What one GET /metrics has: values by the names and labels of their samples."""

    def __init__(self, server, headers=None):
        answer = server.request("GET", "/metrics", headers=headers or {})
        assert answer.status == 200 and answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        self.families = {family.name: family for family in text_string_to_metric_families(answer.body.decode())}
        self.samples = {(sample.name, *sorted(sample.labels.items())): sample.value
                        for family in self.families.values() for sample in family.samples}

    def get(self, name, **labels):
        return self.samples.get((name, *sorted(labels.items())), 0)

    def __len__(self):
        return len(self.samples)


def figure(server, name, **labels):
    return Figures(server).get(name, **labels)


def whole(server):
    """With the extension's: the first may take a session longer than chatd waits for them."""
    return wait_until(lambda: (found := Figures(server)).get("pg_chat_up") and found, "the extension's figures")


@pytest.fixture
def server(start_chatd):
    return start_chatd().ready()


def count_of(server, route, method="GET", status=200):
    return figure(server, "chatd_requests_total", route=route, method=method, status=str(status))


def test_every_family_is_described(server):
    families = whole(server).families.values()
    assert len(families) >= 25
    assert all(family.documentation and family.type in ("counter", "gauge", "histogram") for family in families)
    assert all(family.name.startswith(("chatd_", "pg_chat_")) for family in families)


def test_requests(server, messages, token):
    chat = "/applications/{token}/chats/{chat}"
    for _ in range(5):
        assert server.post(messages, {"body": "x"}).status == 201
    for _ in range(3):
        assert server.get(messages).status == 200
    server.post(messages, {"body": ""})
    server.get("/applications/%s/chats/77" % token)
    server.request("HEAD", messages)
    server.request("OPTIONS", messages)
    server.request("BREW", messages)
    server.request("DELETE", "/healthz")
    server.get("/nothing/%s" % token)
    server.talk(b"GET / HTTP/1.1\r\n\r\n")
    with server.wire() as wire:
        wire.send(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n" % messages.encode())
        assert wire.answer().status == 100
    wait_until(lambda: figure(server, "chatd_requests_total", route=chat + "/messages", method="POST", status="0") == 1, "the request that was given up")
    found = Figures(server)
    for route, method, status, count in ((chat + "/messages", "POST", 201, 5), (chat + "/messages", "GET", 200, 3), (chat + "/messages", "POST", 422, 1),
                                         (chat, "GET", 404, 1), (chat + "/messages", "HEAD", 200, 1), (chat + "/messages", "OPTIONS", 204, 1),
                                         ("none", "other", 501, 1), ("/healthz", "DELETE", 405, 1), ("none", "GET", 404, 1)):
        assert found.get("chatd_requests_total", route=route, method=method, status=str(status)) == count, (route, method, status)
    # libmicrohttpd 1.0 refuses a request without a Host before it tells the method.
    assert sum(found.get("chatd_requests_total", route="none", method=method, status="400") for method in ("GET", "other")) == 1
    posts = {"route": chat + "/messages", "method": "POST"}
    assert found.get("chatd_request_seconds_count", **posts) == 7
    assert found.get("chatd_request_seconds_bucket", le="+Inf", **posts) == 7
    assert 0 < found.get("chatd_request_seconds_sum", **posts) < 7 * 20
    assert token not in str(found.samples.keys())


def test_histograms_are_cumulative(server, messages):
    for _ in range(10):
        server.get(messages)
    for family in Figures(server).families.values():
        if family.type != "histogram":
            continue
        series = {}
        for sample in family.samples:
            labels = {name: value for name, value in sample.labels.items() if name != "le"}
            entry = series.setdefault(tuple(sorted(labels.items())), {"bounds": []})
            if sample.name.endswith("_bucket"):
                entry["bounds"].append((float(sample.labels["le"]), sample.value))
            else:
                entry[sample.name[len(family.name):]] = sample.value
        for labels, entry in series.items():
            bounds = entry["bounds"]
            assert [bound for bound, _ in bounds] == sorted(bound for bound, _ in bounds) and bounds[-1][0] == float("inf"), labels
            assert [count for _, count in bounds] == sorted(count for _, count in bounds) and bounds[-1][1] == entry["_count"], labels
            assert entry["_sum"] >= 0


def test_queues_and_batches(start_chatd, cluster, messages, new_name):
    """While the table is locked, messages wait, and then go as one batch."""
    server = start_chatd("--writers", "1").ready()
    lock = cluster.session("BEGIN; LOCK TABLE chat.messages")
    first = threading.Thread(target=server.post, args=(messages, {"body": "first"}))
    first.start()
    wait_until(lambda: cluster.sql("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'chat.messages'::regclass") == "1", "the lock")
    others = [threading.Thread(target=server.post, args=(messages, {"body": "x"})) for _ in range(20)]
    for thread in others:
        thread.start()
    # What is locked is tried again and again, and waits in between.
    wait_until(lambda: figure(server, "chatd_queued", queue="messages") >= 20, "a queue")
    lock.communicate()
    for thread in [first, *others]:
        thread.join()
    found = Figures(server)
    assert found.get("chatd_queued", queue="messages") == 0
    assert found.get("chatd_batch_size_sum", pool="write") >= 21 and found.get("chatd_batch_size_bucket", pool="write", le="16") < \
        found.get("chatd_batch_size_count", pool="write")
    assert found.get("chatd_queue_seconds_count", pool="write") >= 21
    assert found.get("chatd_statement_seconds_count", pool="write") == found.get("chatd_batch_size_count", pool="write")


def test_sessions(start_chatd, cluster):
    server = start_chatd("--writers", "1", "--readers", "3", "--searchers", "2").ready()

    def ready():
        found = Figures(server)
        return [found.get("chatd_database_sessions", pool=pool, state="ready") for pool in ("write", "read", "search")]

    wait_until(lambda: ready() == [1, 3, 2], "all sessions")
    assert figure(server, "chatd_database_disconnections_total", pool="read") == 0
    cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'chatd'")
    wait_until(lambda: figure(server, "chatd_database_disconnections_total", pool="read") >= 3, "the end of the sessions")
    wait_until(lambda: ready() == [1, 3, 2], "new sessions")
    found = Figures(server)
    assert sum(found.get("chatd_database_sessions", pool="read", state=state) for state in ("down", "connecting", "preparing", "ready")) == 3


def test_connections(server):
    own = 1
    wait_until(lambda: figure(server, "chatd_connections") == own, "the end of former connections")
    with server.wire() as wire:
        wire.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").answer()
        wait_until(lambda: figure(server, "chatd_connections") == own + 1, "one connection more")
    wait_until(lambda: figure(server, "chatd_connections") == own, "the end of the connection")


def test_streams(server, cluster, new_name):
    """Streams that are open, what they were sent, and how long after: not for what a client catches up with, or that was imported."""
    application, token = cluster.sql("SELECT id, token FROM chat.create_application('%s')" % new_name).split("|")
    chat = "chat.create_message(%s, chat.create_chat(%s), 'x')" % (application, application)
    cluster.sql("SELECT %s; SELECT chat.create_message(%s, 1, 'x') FROM generate_series(1, 2)" % (chat, application))
    path = "/applications/%s/chats/1/messages" % token

    def figures():
        found = Figures(server)
        return [found.get("chatd_" + name) for name in ("streams", "stream_events_total", "stream_lag_seconds_count", "stream_lag_seconds_sum")]

    began = time.monotonic()
    with EventStream(server.port, path + "/stream") as now, EventStream(server.port, path + "/stream", "0.0") as behind:
        now.ready()
        behind.ready()
        assert len(behind.take(3)) == 3
        assert figures()[:3] == [2, 3, 0]
        # A message, an edit and a deletion, to both.
        cluster.sql("SELECT chat.create_message(%s, 1, 'x')" % application)
        assert [now.next().name, behind.next().name] == 2 * ["message"]
        cluster.sql("SELECT chat.update_message(%s, 1, 1, 'y')" % application)
        assert [now.next().name, behind.next().name] == 2 * ["updated"]
        cluster.sql("SELECT chat.delete_message(%s, 1, 2)" % application)
        assert [now.next().name, behind.next().name] == 2 * ["deleted"]
        streams, events, lags, total = figures()
        assert (streams, events, lags) == (2, 9, 6) and 0 < total < 6 * (time.monotonic() - began)
        # The time that a transaction takes after the statement is in it.
        session = cluster.session("BEGIN; SELECT chat.create_message(%s, 1, 'x')" % application)
        made = time.monotonic()
        cluster.sql("SELECT %s" % chat)
        held = time.monotonic() - made
        session.communicate("COMMIT;")
        assert [now.next().name, behind.next().name] == 2 * ["message"]
        assert figures()[:3] == [2, 11, 8] and figures()[3] > total + 2 * held
        # One that is older by its time was not late.
        cluster.sql("INSERT INTO chat.messages (application_id, chat_number, body, created_at) VALUES (%s, 1, 'x', '2001-01-01')" % application)
        assert [now.next().name, behind.next().name] == 2 * ["message"]
        assert figures()[:3] == [2, 13, 8]
    wait_until(lambda: figures()[0] == 0, "the end of the streams")
    # Who waits for changes, too.
    answers = []
    thread = threading.Thread(target=lambda: answers.append(server.get(path + "/changes?wait=20&after=6.2")))
    thread.start()
    wait_until(lambda: figures()[0] == 1, "who waits")
    cluster.sql("SELECT chat.create_message(%s, 1, 'x')" % application)
    thread.join()
    assert [change["event"] for change in answers[0].json] == ["created"]
    assert figures()[:3] == [0, 14, 9]


def test_loops_are_added_up(start_chatd):
    server = start_chatd("--loops", "3").ready()
    for _ in range(30):
        assert server.get("/healthz").status == 200
    wait_until(lambda: count_of(server, "/healthz") == 30, "all requests")
    assert figure(server, "chatd_loops") == 3
    wait_until(lambda: figure(server, "chatd_database_sessions", pool="read", state="ready") == 6, "the sessions of all")


def test_the_extension(server, cluster, new_name):
    def read():
        return whole(server)

    before = read()
    application, token = cluster.sql("SELECT id, token FROM chat.create_application('%s')" % new_name).split("|")
    cluster.sql("SELECT chat.create_chat(%s), chat.create_chat(%s)" % (application, application))
    cluster.sql("SELECT chat.create_message(%s, 1, 'x') FROM generate_series(1, 7)" % application)
    cluster.sql("SELECT chat.delete_message(%s, 1, 1)" % application)
    wait_until(lambda: read().get("pg_chat_applications") == before.get("pg_chat_applications") + 1, "the figures")
    after = read()
    assert after.get("pg_chat_up") == 1
    assert after.get("pg_chat_chats") == before.get("pg_chat_chats") + 2
    assert after.get("pg_chat_messages") == int(cluster.sql("SELECT sum(messages_count) FROM chat.chats WHERE deleted_at IS NULL"))
    # The server's statistics come a moment later.
    wait_until(lambda: read().get("pg_chat_rows_inserted_total", table="messages") >= before.get("pg_chat_rows_inserted_total", table="messages") + 7, "the rows")
    jobs = {sample.labels["job"] for sample in after.families["pg_chat_job_runs"].samples}
    assert {"reconcile", "redis", "search", "verify search"} <= jobs and len(jobs) < 20
    # Without a worker.
    assert after.get("pg_chat_worker_running") == 0 and "pg_chat_search_queued" not in after.families


WORKER = """
    INSERT INTO chat_internal.search_indexes (id, name, alias, owner_database, state, uuid)
        SELECT 1, 'x', 'y', d, 'current', 'u' FROM (SELECT %(database)s) AS d (d);
    INSERT INTO chat_internal.search_queue (index_id, application_id, chat_number, number, reason)
        VALUES (1, 1, 1, 1, NULL), (1, 1, 1, 2, NULL), (1, 1, 1, 3, 'refused');
    INSERT INTO chat_internal.worker_jobs (owner_database, job, runs, last_run_at, last_duration, total_done, total_repaired, errors, last_error_at)
        SELECT d, 'reconcile', 3, '2026-01-01 00:00+00', '1.5 s', 70, 5, 1, '2026-01-02' FROM (SELECT %(database)s) AS d (d)"""


def test_the_worker_and_the_index(server, cluster):
    """What the views of status say, in numbers."""
    database = "(SELECT oid FROM pg_database WHERE datname = current_database()) || '-' || (SELECT system_identifier FROM pg_control_system())"
    cluster.sql(WORKER % {"database": database})
    try:
        assert cluster.sql("SELECT runs FROM chat.worker_status WHERE job = 'reconcile'") == "3"
        wait_until(lambda: figure(server, "pg_chat_job_runs_total", job="reconcile") == 3, "the runs")
        found = whole(server)
        for name, value in {"job_done_total": 70, "job_repaired_total": 5, "job_errors_total": 1, "job_failing": 1, "job_last_seconds": 1.5,
                            "job_last_run_timestamp_seconds": 1767225600}.items():
            assert found.get("pg_chat_" + name, job="reconcile") == value, name
        assert found.get("pg_chat_search_queued", state="current") == 2 and found.get("pg_chat_search_failed", state="current") == 1
        assert found.get("pg_chat_search_seconds_behind", state="current") > 0
        assert found.get("pg_chat_search_messages_behind", state="current") == int(cluster.sql("SELECT COALESCE(sum(last_message_number), 0) FROM chat.chats"))
        # What waits for Redis is known where a worker listens: else there is no number, rather than 0.
        backlogs = {sample.labels["job"]: sample.value for sample in found.families["pg_chat_job_backlog"].samples}
        assert "redis" not in backlogs and backlogs["search"] == found.get("pg_chat_search_messages_behind", state="current") + 2
        assert found.samples["pg_chat_search_usable", ("state", "current")] == 0
        cluster.sql("UPDATE chat_internal.search_indexes SET verified_start = pg_postmaster_start_time()")
        wait_until(lambda: figure(server, "pg_chat_search_usable", state="current") == 1, "that it is usable")
    finally:
        cluster.sql("DELETE FROM chat_internal.search_indexes; DELETE FROM chat_internal.search_queue; DELETE FROM chat_internal.worker_jobs")


def test_what_waits_for_redis(live):  # pylint: disable=redefined-outer-name
    """It is known once a worker listens, though Redis is away and the job fails."""
    server = Chatd(live.conninfo()).ready()
    try:
        live.sql("ALTER SYSTEM SET pg_chat.redis_url = 'redis://127.0.0.1:1'")
        live.sql("SELECT pg_reload_conf()")
        wait_until(lambda: figure(server, "pg_chat_job_failing", job="redis") == 1, "that the job fails", timeout=60)
        wait_until(lambda: Figures(server).samples.get(("pg_chat_job_backlog", ("job", "redis")), -1) >= 0, "the backlog", timeout=60)
        assert figure(server, "pg_chat_worker_running") == 1
    finally:
        assert server.stop() == 0


def test_it_works_without_the_database(start_chatd, cluster):
    """chatd's own figures are there; the answer does not wait."""
    server = start_chatd(database="host=%s dbname=nowhere" % cluster.directory)
    found = Figures(server)
    assert found.get("pg_chat_up") == 0 and "pg_chat_chats" not in found.families
    assert found.get("chatd_loops") == 1 and found.get("chatd_database_sessions", pool="read", state="ready") == 0


def test_a_slow_database_delays_nobody(start_chatd, cluster, messages):
    """The extension's figures wait for a lock, in a session for searches; all others are answered, and so are those who ask for figures."""
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    server = start_chatd("--searchers", "1").ready()
    lock = cluster.session("BEGIN; LOCK TABLE chat.application_counters")
    first = Figures(server)
    wait_until(lambda: cluster.sql(waits) == "1", "the statement, which was not waited for")
    assert first.get("pg_chat_up") == 0 and first.get("chatd_loops") == 1 and "pg_chat_chats" not in first.families
    assert server.get("/healthz").status == 200 and server.get(messages).status == 200
    assert server.post(messages, {"body": "x"}).status == 201
    # There is one statement, and it is not waited for again.
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(Figures(server))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.get("pg_chat_up") for answer in answers] == [0] * 5 and cluster.sql(waits) == "1"
    lock.communicate()
    wait_until(lambda: figure(server, "pg_chat_up") == 1, "the figures")
    # Later there are the last ones, with their age.
    lock = cluster.session("BEGIN; LOCK TABLE chat.application_counters")
    wait_until(lambda: Figures(server) and cluster.sql(waits) == "1", "the lock")
    found = Figures(server)
    assert cluster.sql(waits) == "1" and found.get("pg_chat_up") == 1 and "pg_chat_chats" in found.families
    assert found.get("pg_chat_age_seconds") > 0
    lock.communicate()


def test_nothing_of_clients_becomes_a_series(server, messages):
    """However different the requests are, there are no more series."""
    def vary(number):
        for path in ("/x%d" % number, messages + "?x=%d" % number, "/applications/%d" % number, messages + "/%d" % (number + 1000)):
            server.get(path)
            server.request("M%d" % number, path)
        server.request("GET", "/", headers={"X-Request-Id": "id-%d" % number})
        server.post_json(messages, json.dumps({"x": number}))

    vary(0)
    whole(server)
    series = len(whole(server))
    for number in range(1, 30):
        vary(number)
    assert len(whole(server)) == series


def test_too_many_chats_to_add_up(start_chatd, cluster, new_name):
    """Beyond a bound, how many messages there are is not looked for; what PostgreSQL's statistics say is there in any case."""
    application = cluster.sql("SELECT id FROM chat.create_application('%s')" % new_name)
    count = "UPDATE chat.application_counters SET chats_count = %s WHERE application_id = " + application
    try:
        cluster.sql(count % 100001)
        found = whole(start_chatd().ready())
        assert found.get("pg_chat_chats") > 100000 and "pg_chat_messages" not in found.families
        assert {sample.labels["table"] for sample in found.families["pg_chat_rows_live"].samples} == {"applications", "chats", "messages"}
    finally:
        cluster.sql(count % 0)


@pytest.mark.parametrize("fails", [False, True])
def test_the_database_is_asked_seldom(server, cluster, fails):
    """However often and by however many the figures are asked for, and though each statement fails."""
    def asked():
        return figure(server, "chatd_statement_seconds_count", pool="search")

    if fails:
        cluster.sql("ALTER FUNCTION chat.figures() RENAME TO no_figures")
    try:
        threads = [threading.Thread(target=lambda: [Figures(server) for _ in range(20)]) for _ in range(5)]
        before, began = asked(), time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if fails:
            assert figure(server, "pg_chat_up") == 0
        else:
            whole(server)
        # One that fails is sent again, by itself.
        assert asked() - before <= (1 + fails) * (2 + (time.monotonic() - began))
    finally:
        if fails:
            cluster.sql("ALTER FUNCTION chat.no_figures() RENAME TO figures")


def test_each_status_has_a_place():
    """The table of statuses has all that chatd and libmicrohttpd answer, and that the description has: others would be counted as none."""
    table = set(map(int, re.findall(r"\d+", re.search(r"statuses\[\] = \{(.*?)\}", (TOP / "frontend/metrics/figures.c").read_text(), re.S)[1])))
    included = "#include <microhttpd.h>\n"
    numbers = dict(re.findall(r"^#define (MHD_HTTP_[A-Z_]+) +([2-5]\d\d)$", subprocess.run(
        ["gcc", "-E", "-dM", "-"], input=included, capture_output=True, text=True, check=True).stdout, re.M))
    sources = "".join(path.read_text() for path in (TOP / "frontend").rglob("*.c"))
    used = {int(numbers[name]) for name in set(re.findall(r"\bMHD_HTTP_[A-Z_]+\b", sources)) if name in numbers}
    used |= set(map(int, re.findall(r'"HTTP/1\.1 (\d{3})', sources)))
    described = set(map(int, re.findall(r'^ +"([2-5]\d\d)": \{', (TOP / "frontend/api/openapi.json").read_text(), re.M)))
    assert len(used) > 20 and len(described) > 20
    # Of an item alone.
    assert (used | described) - {409} <= table
    assert sorted(table) == [0, *sorted(table - {0})] and 0 in table


def test_keys(start_chatd, cluster):
    server = start_chatd("--require-keys").ready()
    assert server.get("/metrics").status == 401
    key = make_key(cluster, "read")
    assert Figures(server, bearer(key)).get("chatd_loops") == 1
    # It takes one that may see everything.
    application = cluster.sql("SELECT id FROM chat.create_application('of a key')")
    bound = cluster.sql("SELECT chat.create_key('bound', 'admin', %s)" % application)
    assert server.request("GET", "/metrics", headers=bearer(bound)).status == 403
    assert server.request("GET", "/metrics", headers=bearer(key + "x")).status == 401
