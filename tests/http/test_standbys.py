"""Reads, searches and streams from standbys: what they answer, what the primary does, and when a client sees what it wrote."""

import concurrent.futures
import contextlib
import json
import re

import pytest

from conftest import PG_CONFIG, Chatd, servers, wait_until
from credentials import bearer, make_key
from event_stream import EventStream


@pytest.fixture(scope="module")
def primary():
    server = servers.Cluster(PG_CONFIG, "chat", {"fsync": "off", "max_connections": 100, "shared_preload_libraries": "pg_chat"}, initdb=["-N"])
    yield server
    server.remove()


@pytest.fixture(scope="module")
def standby(primary):
    server = servers.Standby(primary)
    yield server
    server.remove()


def reading(*standbys):
    """The flags of a chatd that reads from standbys."""
    return "--database-read", "host=%s dbname=chat user=chat_api" % ",".join(str(server.directory) for server in standbys)


def start(primary, *standbys, flags=()):
    server = Chatd(primary.conninfo(), *reading(*standbys), *flags).ready()
    wait_until(lambda: server.get("/readyz").json == {"status": "ready", "standby": "ready"}, "the standby")
    return server


@pytest.fixture(scope="module")
def chatd(primary, standby):
    server = start(primary, standby)
    yield server
    assert server.stop() == 0


@pytest.fixture(autouse=True)
def the_standby_serves(chatd):
    wait_until(lambda: chatd.get("/readyz").json == {"status": "ready", "standby": "ready"}, "the standby")


def catch_up(primary, standby):
    lsn = primary.sql("SELECT pg_current_wal_insert_lsn()")
    wait_until(lambda: standby.sql("SELECT pg_last_wal_replay_lsn() >= '%s'" % lsn) == "t", "the standby to replay")


@contextlib.contextmanager
def pause(primary, standby):
    """The standby stands still, up to date but for what is written meanwhile."""
    catch_up(primary, standby)
    standby.sql("SELECT pg_wal_replay_pause()")
    wait_until(lambda: standby.sql("SELECT pg_get_wal_replay_pause_state()") == "paused", "the pause")
    try:
        yield
    finally:
        standby.sql("SELECT pg_wal_replay_resume()")


def figure(server, pattern):
    return float(re.search(r"^%s (\S+)$" % re.escape(pattern), server.get("/metrics").body.decode(), re.M).group(1))


def fallbacks(server):
    return {reason: figure(server, 'chatd_standby_fallbacks_total{reason="%s"}' % reason) for reason in ("away", "behind", "failed")}


def change(server, method, path, data=None, headers=None):
    return server.request(method, path, json.dumps({"data": data}) if data is not None else None,
                          {"Content-Type": "application/json", **(headers or {})})


def read(server, path, lsn):
    return server.request("GET", path, headers={"Commit-LSN": lsn})


def test_reads_go_to_the_standby(primary, standby, chatd, messages):
    """While it stands still they show what it has, and no more; writes go on."""
    chats = messages.rpartition("/")[0]
    assert chatd.post(messages, {"body": "before", "sender": "ann"}).status == 201
    chatd.request("PUT", chats + "/cursors/ann", '{"data":{"number":1}}', {"Content-Type": "application/json"})
    with pause(primary, standby):
        assert chatd.post(messages, {"body": "after"}).json["number"] == 2
        chatd.request("PUT", chats + "/cursors/bob", '{"data":{"number":2}}', {"Content-Type": "application/json"})
        bodies = lambda path: [message["body"] for message in chatd.get(path).json]    # pylint: disable=unnecessary-lambda-assignment
        assert bodies(messages) == bodies(messages + "?last=5") == bodies(messages + "?sender=ann") == ["before"]
        assert bodies(messages + "/search?query=e") == ["before"]
        assert bodies(messages.partition("/chats")[0] + "/messages/search?query=e") == ["before"]
        assert chatd.get(chats).json["messages_count"] == 1
        assert [found["number"] for found in chatd.get(chats.rpartition("/")[0]).json] == [1]
        assert [cursor["reader"] for cursor in chatd.get(chats + "/cursors").json] == ["ann"]
        assert len(chatd.get(messages + "/changes").json) == 1
        assert chatd.get(messages.partition("/chats")[0]).json["chats_count"] == 1
        # Not there: the primary is asked.
        assert chatd.get(messages + "/2").json["body"] == "after"
        assert chatd.get(chats + "/cursors/bob").json["number"] == 2
    wait_until(lambda: bodies(messages) == ["before", "after"], "the standby to replay")


def test_what_does_not_exist(chatd, messages):
    for path in ("/applications/none", messages + "/7", messages[:-11] + "2/messages", messages[:-10] + "/7", "/applications/none/chats"):
        assert chatd.get(path).status == 404, path


def test_who_wrote_sees_it(primary, standby, chatd, token):
    """Each write has a position, and a read that names it shows the write, though the standby is behind."""
    chats = "/applications/%s/chats" % token
    with pause(primary, standby):
        messages = chats + "/1/messages"
        seen = []
        for method, path, data, look, show in (
                ("POST", "/applications", {"name": "another"}, "/applications", lambda rows: rows[-1]["name"]),
                ("POST", chats, {}, chats, len),
                ("POST", messages, {"body": "one"}, messages, lambda rows: rows[-1]["body"]),
                ("POST", messages, [{"body": "two"}, {"body": "three"}], messages, lambda rows: rows[-1]["body"]),
                ("POST", messages + "?atomic=true", [{"body": "four"}], messages + "?last=1", lambda rows: rows[-1]["body"]),
                ("POST", "/applications/%s/messages" % token, [{"chat_number": 1, "body": "five"}], messages + "/search?query=FIVE", len),
                ("PATCH", messages + "/1", {"body": "edited"}, messages + "/1", lambda message: message["body"]),
                ("PUT", chats + "/1/cursors/ann", {"number": 1}, chats + "/1/cursors", len),
                ("DELETE", messages + "/2", None, messages, len)):
            answer = change(chatd, method, path, data)
            assert answer.status in (200, 201, 204, 207), answer
            lsn = answer.headers["commit-lsn"]
            assert re.fullmatch(r"[0-9A-F]+/[0-9A-F]+", lsn)
            before = fallbacks(chatd)
            found = read(chatd, look, lsn)
            seen.append(show(found.json))
            assert found.status == 200 and "commit-lsn" not in found.headers
            assert fallbacks(chatd)["behind"] == before["behind"] + 1, "the primary answered"
        assert seen == ["another", 1, "one", "three", "four", 1, "edited", 1, 4]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            waiting = [pool.submit(read, chatd, messages, lsn) for _ in range(20)]
            wait_until(lambda: figure(chatd, 'chatd_queued{queue="replay"}') > 0 or all(answer.done() for answer in waiting), "those who wait")
            standby.sql("SELECT pg_wal_replay_resume()")
            assert all(len(answer.result().json) == 4 for answer in waiting)
    # Now the standby has it, and knows.
    catch_up(primary, standby)
    before = fallbacks(chatd)
    assert len(read(chatd, messages, lsn).json) == 4
    for number in range(50):
        lsn = chatd.post(messages, {"body": "x"}).headers["commit-lsn"]
        assert read(chatd, messages + "?last=1", lsn).json[0]["number"] == 6 + number
        assert read(chatd, messages + "/search?last=1&query=x", lsn).status in (200, 400)
    assert fallbacks(chatd) == before


def test_positions_that_are_none(chatd, messages):
    for lsn in ("", "1", "x/1", "1/", "/1", "1/1/1", "0x1/1", "1/123456789", " 1/-1"):
        assert read(chatd, messages, lsn).status == 400, lsn
    wire = chatd.wire()
    wire.send(b"GET %s HTTP/1.1\r\nHost: x\r\nCommit-LSN: 0/1\r\nCommit-LSN: 0/2\r\n\r\n" % messages.encode())
    assert wire.answer().status == 400
    # From a server of another time: it is not there in time, and the primary answers.
    assert read(chatd, messages, "FFFFFFFF/FFFFFFF0").json == []


def test_without_standbys(start_chatd, cluster):
    server = start_chatd().ready()
    answer = server.post("/applications", {"name": "x"})
    assert "commit-lsn" not in answer.headers and server.get("/readyz").json == {"status": "ready"}
    assert read(server, "/applications/" + answer.json["token"], "FFFFFFFF/0").status == 200
    assert "standby read" not in server.get("/metrics").body.decode()
    assert cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'chatd' AND query LIKE '%wal_flush_lsn%'") == "0"


def test_a_standby_comes_and_goes(primary, standby, chatd, messages):
    """While it is away the primary answers, and what was asked of it is answered all the same."""
    assert chatd.post(messages, {"body": "x"}).status == 201
    catch_up(primary, standby)
    statuses = set()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        stop = []

        def ask():
            while not stop:
                statuses.add(chatd.get(messages).status)
                statuses.add(chatd.get(messages + "/search?query=x").status)

        asking = [pool.submit(ask) for _ in range(4)]
        standby.stop("immediate")
        wait_until(lambda: chatd.get("/readyz").json.get("standby") not in (None, "ready"), "the loss")
        before = fallbacks(chatd)
        assert chatd.get("/readyz").status == 200 and chatd.get(messages).json[0]["body"] == "x"
        assert fallbacks(chatd)["away"] > before["away"]
        assert figure(chatd, 'chatd_database_sessions{pool="standby read",state="ready"}') == 0
        lsn = chatd.post(messages, {"body": "y"}).headers["commit-lsn"]
        assert len(read(chatd, messages, lsn).json) == 2
        standby.start()
        wait_until(lambda: chatd.get("/readyz").json.get("standby") == "ready", "the standby")
        stop.append(True)
        for answer in asking:
            answer.result()
    assert statuses == {200}
    assert figure(chatd, 'chatd_database_sessions{pool="standby read",state="ready"}') > 0


def test_a_statement_in_the_way_of_replay(primary, standby, chatd, messages, token):
    """The standby cancels it; the primary answers then."""
    primary.sql("SELECT count(*) FROM chat.create_messages(array_fill((SELECT id FROM chat.applications WHERE token = '%s'), ARRAY[20000]),"
                " array_fill(1, ARRAY[20000]), array_fill(repeat('x', 200), ARRAY[20000]))" % token)
    catch_up(primary, standby)
    standby.sql("ALTER SYSTEM SET max_standby_streaming_delay = 0")
    standby.sql("SELECT pg_reload_conf()")
    before = fallbacks(chatd)["failed"]
    statuses = set()

    def canceled():
        primary.sql("BEGIN; LOCK TABLE chat.messages IN ACCESS EXCLUSIVE MODE; COMMIT")
        return fallbacks(chatd)["failed"] > before

    with concurrent.futures.ThreadPoolExecutor() as pool:
        stop = []

        def search():
            while not stop:
                statuses.add(chatd.get(messages + "/search?query=nowhere").status)

        searching = [pool.submit(search) for _ in range(3)]
        wait_until(canceled, "a statement that is canceled")
        stop.append(True)
        for answer in searching:
            answer.result()
    assert statuses == {200}
    standby.sql("ALTER SYSTEM RESET max_standby_streaming_delay")
    standby.sql("SELECT pg_reload_conf()")


def test_keys_are_checked_at_the_primary(primary, standby):
    token = primary.sql("SELECT token FROM chat.create_application('keys')")
    server = start(primary, standby, flags=("--require-keys",))
    key = make_key(primary, "read")
    catch_up(primary, standby)
    get = lambda key: server.request("GET", "/applications/" + token, headers=bearer(key)).status    # pylint: disable=unnecessary-lambda-assignment
    with pause(primary, standby):
        assert get(key) == 200
        assert get(make_key(primary, "read")) == 200, "one that the standby lacks"
        primary.sql("SELECT chat.revoke_key(%s)" % key.split("_")[1])
        wait_until(lambda: get(key) == 401, "one that the standby still has")
    assert server.stop() == 0


def test_reads_while_the_primary_is_away(primary, standby):
    """A chatd without its primary reads, with keys, too, and refuses what is written."""
    token = primary.sql("SELECT token FROM chat.create_application('away')")
    key = make_key(primary, "admin")
    catch_up(primary, standby)
    path = "/applications/%s" % token
    server = Chatd("host=/nowhere dbname=chat", *reading(standby), "--require-keys")
    wait_until(lambda: server.request("GET", path, headers=bearer(key)).status == 200, "an answer")
    assert server.request("POST", path + "/chats", headers=bearer(key)).status == 503
    assert server.request("GET", path + "/chats/1", headers=bearer(key)).status == 503, "only the primary can say that it is not there"
    assert server.get("/readyz").status == 503
    assert server.stop() == 0


def test_streams_from_the_standby(primary, standby, chatd, messages):
    """They tell what it has replayed; who is ahead of it waits; whose history is lost is told so, by the primary."""
    with EventStream(chatd.port, messages + "/stream") as events:
        events.ready()
        for number in range(1, 4):
            chatd.post(messages, {"body": "x"})
            assert events.next().data["number"] == number
        with pause(primary, standby):
            lsn = chatd.post(messages, {"body": "x"}).headers["commit-lsn"]
            with EventStream(chatd.port, messages + "/stream", "4.0") as ahead, EventStream(chatd.port, messages + "/stream", "9.0") as lost:
                assert ahead.ready().id == "4.0"
                assert lost.next()[:2] == ("reset", "4.0")
                assert chatd.get(messages + "/changes?after=9.0").json["position"] == "4.0"
                assert chatd.get(messages + "/changes?after=4.0").json == []
                assert [change["position"] for change in chatd.get(messages + "/changes?after=3.0").json] == []
                assert [change["position"] for change in read(chatd, messages + "/changes?after=3.0", lsn).json] == ["4.0"]
                with EventStream(chatd.port, messages + "/stream", headers={"Commit-LSN": lsn}) as after:
                    assert after.ready().id == "4.0"
                    standby.sql("SELECT pg_wal_replay_resume()")
                    chatd.post(messages, {"body": "x"})
                    assert after.next().data["number"] == ahead.next().data["number"] == 5
        assert [event.data["number"] for event in events.take(2)] == [4, 5]
        # Over its absence.
        standby.stop("immediate")
        chatd.post(messages, {"body": "x"})
        assert events.next().data["number"] == 6
        standby.start()
        wait_until(lambda: chatd.get("/readyz").json.get("standby") == "ready", "the standby")
        chatd.post(messages, {"body": "x"})
        assert events.next().data["number"] == 7


def test_the_nearest_of_two(primary, standby, messages):
    """Where one standby stands still, a read that needs more waits for the other."""
    second = servers.Standby(primary)
    server = start(primary, second, standby)
    with pause(primary, standby):
        lsn = server.post(messages, {"body": "x"}).headers["commit-lsn"]
        catch_up(primary, second)
        assert len(read(server, messages, lsn).json) == 1
        assert fallbacks(server)["behind"] == 0
    second.promote()
    wait_until(lambda: server.get("/readyz").json["standby"] == "ready" and "the database has changed" in server.log(), "another standby")
    second.remove()
    assert server.stop() == 0
