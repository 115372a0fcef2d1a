"""The database goes away and comes back: 503 meanwhile, and nothing that got a 201 is missing."""

import concurrent.futures
import os
import signal
import socket
import threading

import pytest

from conftest import timeless, wait_until

WRITERS = 8


@pytest.fixture
def own_chat(start_chatd, new_name):
    """A chatd of one's own and the path of a chat's messages."""
    server = start_chatd().ready()
    token = server.post("/applications", {"name": new_name}).json["token"]
    chats = "/applications/%s/chats" % token
    server.post(chats)
    return server, chats + "/1/messages"


def write_until(stop, server, path, writer):
    """Post messages until stop is set; the numbers and bodies acknowledged, those of unknown fate, those refused, all statuses."""
    acknowledged, unknown, refused, statuses = {}, set(), set(), set()
    serial = 0
    while not stop.is_set():
        serial += 1
        body = "%d/%d" % (writer, serial)
        answer = server.post(path, {"body": body})
        statuses.add(answer.status)
        if answer.status == 201:
            acknowledged[answer.json["number"]] = body
        else:
            assert list(answer.json) == ["error"]
            assert answer.headers.get("retry-after") == (None if answer.status == 424 else "1")
            (unknown if answer.status == 424 else refused).add(body)
    return acknowledged, unknown, refused, statuses


def all_messages(server, path):
    stored, after = {}, 0
    while True:
        rows = server.get("%s?limit=1000&after=%d" % (path, after)).json
        if not rows:
            return stored
        stored.update((row["number"], row["body"]) for row in rows)
        after = rows[-1]["number"]


def wait_for_number(server, path, number):
    """Wait until the chat's last number, which is returned, is at least this one."""
    def last():
        answer = server.get(path + "?last=1")
        return answer.status == 200 and answer.json and answer.json[0]["number"] >= number and answer.json[0]["number"]
    return wait_until(last, "message %d" % number)


def check_fault(server, path, fault):
    """While clients write, call fault(); then compare what was acknowledged with what is stored."""
    stop = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
        writers = [pool.submit(write_until, stop, server, path, writer) for writer in range(WRITERS)]
        try:
            before = wait_for_number(server, path, 50)
            fault()
            before = wait_for_number(server, path, before)
            wait_for_number(server, path, before + 50)
        finally:
            stop.set()
        results = [writer.result() for writer in writers]
    stored = all_messages(server, path)
    acknowledged = {}
    for numbers, _, _, statuses in results:
        assert statuses <= {201, 424, 503}
        assert not acknowledged.keys() & numbers.keys()
        acknowledged.update(numbers)
    unknown = set().union(*(bodies for _, bodies, _, _ in results))
    refused = set().union(*(bodies for _, _, bodies, _ in results))
    assert acknowledged.items() <= stored.items()
    extra = [stored[number] for number in stored.keys() - acknowledged.keys()]
    assert len(extra) == len(set(extra)) and set(extra) <= unknown
    assert sorted(stored) == list(range(1, len(stored) + 1))
    assert not refused & set(stored.values())
    return refused


def test_fast_restart(own_chat, cluster):
    server, path = own_chat

    def restart():
        cluster.stop("fast")
        wait_until(lambda: server.get("/readyz").status == 503, "chatd to notice")
        assert server.get("/healthz").status == 200
        for answer in (server.get(path), server.post(path, {"body": "x"}), server.get("/applications"),
                       server.post("/applications", {"name": "x"}), server.get("/readyz"),
                       server.get(path + "/search?query=x")):
            assert answer.status == 503 and answer.headers["retry-after"] == "1" and list(answer.json) == ["error"]
        cluster.start()

    assert check_fault(server, path, restart)


def test_crash_of_the_server(own_chat, cluster):
    server, path = own_chat

    def crash():
        # A child that dies makes the postmaster end all others and recover.
        pid = cluster.sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
        os.kill(int(pid), signal.SIGKILL)
        wait_until(lambda: server.get("/readyz").status == 503, "chatd to notice")

    check_fault(server, path, crash)


def test_immediate_stop(own_chat, cluster):
    server, path = own_chat

    def stop():
        cluster.stop("immediate")
        cluster.start()

    check_fault(server, path, stop)


def test_connection_that_is_terminated(own_chat, cluster):
    server, path = own_chat

    def terminate():
        for _ in range(3):
            wait_until(lambda: cluster.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                                           " WHERE application_name = 'chatd'") != "0", "connections")
            server.ready()

    check_fault(server, path, terminate)


def test_start_before_the_database(start_chatd, cluster):
    cluster.stop()
    try:
        server = start_chatd()
        answer = server.get("/readyz")
        assert answer.status == 503 and list(answer.json) == ["error"]
        assert server.get("/healthz").status == 200
    finally:
        cluster.start()
    server.ready()


def test_database_without_the_extension(start_chatd, cluster):
    cluster.sql("CREATE DATABASE empty")
    try:
        server = start_chatd(database=cluster.conninfo().replace("dbname=chat", "dbname=empty"))
        reason = {"error": "the extension pg_chat is not in this database"}
        wait_until(lambda: server.get("/readyz").json == reason, "the reason")
        assert server.get("/applications").status == 503
    finally:
        server.stop()
        cluster.sql("DROP DATABASE empty WITH (FORCE)")


def test_version_that_does_not_fit(start_chatd, cluster):
    cluster.sql("UPDATE pg_extension SET extversion = '99.1' WHERE extname = 'pg_chat'")
    try:
        server = start_chatd()
        wait_until(lambda: "does not fit" in server.get("/readyz").json["error"], "the reason")
    finally:
        cluster.sql("UPDATE pg_extension SET extversion = default_version FROM pg_available_extensions"
                    " WHERE extname = 'pg_chat' AND name = extname")
    server.ready()


def test_database_that_is_not_there(start_chatd):
    server = start_chatd(database="host=/nonexistent dbname=chat password=hidden")
    wait_until(lambda: "cannot connect" in server.log(), "the reason in the log")
    assert "hidden" not in server.log()
    assert server.get("/readyz").json == {"error": "cannot connect"}


def test_outage_fills_no_log(start_chatd):
    """Each session tries to log in again and again, and fails for the same reason: it is said once a minute."""
    error = b"SFATAL\0C28P01\0Mpassword authentication failed\0\0"
    with socket.create_server(("127.0.0.1", 0)) as database:
        database.settimeout(15)
        server = start_chatd(database="host=127.0.0.1 port=%d user=x sslmode=disable gssencmode=disable" % database.getsockname()[1])
        for _ in range(20):
            connection, _ = database.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"E" + (len(error) + 4).to_bytes(4, "big") + error)
        assert server.log().count("cannot connect: ") == 1, server.log()


def test_statement_that_takes_too_long(start_chatd, cluster, messages):
    server = start_chatd("--statement-timeout", "1", "--request-timeout", "2").ready()
    server.post(messages, {"body": "x"})
    locker = cluster.session("BEGIN; LOCK TABLE chat.messages")
    try:
        for answer in (server.get(messages), server.post(messages, {"body": "y"})):
            assert answer.status == 503 and answer.headers["retry-after"] == "1"
    finally:
        locker.communicate("ROLLBACK;\n")
    assert timeless(server.post(messages, {"body": "z"})).json == {"number": 2, "body": "z"}


def test_server_that_hangs(start_chatd, cluster, messages):
    """A backend that does not answer at all is given up; another takes its place."""
    server = start_chatd("--statement-timeout", "1").ready()
    pids = [int(pid) for pid in cluster.sql(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'chatd'").split()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert server.get(messages).status == 503
        wait_until(lambda: server.get(messages).status == 200, "another backend", timeout=40)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_settings_that_would_make_answers_untrue(start_chatd, cluster, new_name):
    """synchronous_commit off, another isolation level: chatd's own are in force."""
    cluster.sql("CREATE TABLE seen AS SELECT ''::text AS durability, ''::text AS isolation;"
                "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE public.seen SET"
                " durability = current_setting('synchronous_commit'), isolation = current_setting('transaction_isolation');"
                " RETURN NULL; END$$;"
                "CREATE TRIGGER see AFTER INSERT ON chat.applications FOR EACH ROW EXECUTE FUNCTION see()")
    options = " options='-c synchronous_commit=%s -c default_transaction_isolation=serializable" \
        " -c idle_session_timeout=100'"
    try:
        for durability, expected in (("off", "on"), ("local", "local")):
            server = start_chatd(database=cluster.conninfo() + options % durability).ready()
            assert server.post("/applications", {"name": new_name + durability}).status == 201
            assert cluster.sql("TABLE seen") == expected + "|read committed"
            assert ("synchronous_commit was off" in server.log()) == (durability == "off")
    finally:
        cluster.sql("DROP FUNCTION see CASCADE; DROP TABLE seen")
