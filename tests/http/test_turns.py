"""Applications take turns, and so do their keys and users: one that sends a lot does not make another wait for all of that."""

import contextlib
import json
import os
import re
import select
import signal

import pytest

from conftest import wait_until
from credentials import Secret, bearer, make_jwt, make_key


def get(wire, path):
    """Send a GET, without waiting for its answer."""
    return wire.send(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode())


@pytest.fixture
def make_chat(chatd, new_name):
    """Makes an application with a chat of so many messages of so many bytes; the path of the messages."""
    def make(name, count, size, letter="x"):
        token = chatd.post("/applications", {"name": "%s %s" % (new_name, name)}).json["token"]
        chatd.post("/applications/%s/chats" % token)
        path = "/applications/%s/chats/1/messages" % token
        for _ in range(count):
            assert chatd.post(path, {"body": letter * size}).status == 201
        return path
    return make


@pytest.fixture
def wires():
    opened = []
    yield opened
    for wire in opened:
        wire.socket.close()


def waiting(cluster):
    return int(cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'chatd' AND wait_event_type = 'Lock'"))


@pytest.mark.parametrize("query", ["?limit=1000", "?last=1000"])
def test_lists_take_turns(start_chatd, cluster, make_chat, wires, query):
    """Of many pages of one application and, after them, one of another, that one is not the last."""
    many, one = make_chat("many", 1, 10), make_chat("one", 1, 10)
    server = start_chatd("--readers", "1", "--access-log").ready()
    locker = cluster.session("BEGIN; LOCK TABLE chat.messages")
    try:
        for path in [many] * 80 + [one]:
            wires.append(server.wire())
            get(wires[-1], path + query)
        assert server.get("/healthz").status == 200
        wait_until(lambda: waiting(cluster) == 1, "a read that waits")
    finally:
        locker.communicate("ROLLBACK;\n")
    assert all(wire.answer().status == 200 for wire in wires)
    wait_until(lambda: len(re.findall("/messages.*? 200 ", server.log())) == 81, "all lines of the log")
    order = [one[14:20] in line for line in server.log().splitlines() if "/messages" in line]
    # 32 are in flight at a time, and are answered in any order.
    assert order.index(True) < 64


@pytest.mark.parametrize("of", ["", "/1"], ids=["pages", "single"])
def test_large_reads_leave_a_session_to_others(start_chatd, cluster, make_chat, wires, of):
    """However many of them wait, of pages or of single messages whose escapes make them large, another application is
    answered meanwhile; also if there was a small one in between."""
    large, small = make_chat("large", 4, 60000, "\x01"), make_chat("small", 1, 10)
    server = start_chatd("--readers", "2").ready()
    assert len(server.get(large + of).body) > 360000
    assert server.get(large + (of and "/9") + ("" if of else "?after=9")).status == (404 if of else 200)
    locker = cluster.session("BEGIN; LOCK TABLE chat.messages")
    try:
        for _ in range(4):
            wires.append(server.wire())
            get(wires[-1], large + of)
            assert server.get("/healthz").status == 200
        wait_until(lambda: waiting(cluster) >= 1, "a read that waits")
        # Requests that need no message are answered by the session that is left.
        answer = server.get(small.rsplit("/", 1)[0])
        assert answer.status == 200 and waiting(cluster) == 1
    finally:
        locker.communicate("ROLLBACK;\n")
    assert all(len(wire.answer().body) > 360000 for wire in wires)


SCANS = {"sender": "/chats/1/messages?sender=nobody", "last": "/chats/1/messages?last=5&sender=nobody",
         "deleted": "/chats/1/messages?deleted=true", "cursor": "/chats/1/cursors/r", "unread": "/cursors/r"}


@pytest.fixture
def two_applications(make_chat):
    """The paths of an application and of another, each with a chat of a message."""
    return [make_chat(name, 1, 10).rsplit("/", 3)[0] for name in ("one", "other")]


def unanswered(server, wires):
    """None of the requests is answered, after all that has arrived has been looked at."""
    assert server.get("/healthz").status == 200
    return select.select([wire.socket for wire in wires], [], [], 0)[0] == []


@pytest.mark.parametrize("scan", SCANS)
def test_scans_leave_a_session_to_others(start_chatd, cluster, two_applications, wires, scan):
    """Reads that may scan much take one session, so that another application's is answered meanwhile."""
    one, other = two_applications
    cluster.sql("SELECT chat.set_cursor('%s', 1, 'r', 0)" % one.split("/")[2])
    server = start_chatd("--readers", "2").ready()
    locker = cluster.session("BEGIN; LOCK TABLE chat.messages, chat.cursors")
    try:
        for _ in range(10):
            wires.append(server.wire())
            get(wires[-1], one + SCANS[scan])
            assert server.get("/healthz").status == 200
        wait_until(lambda: waiting(cluster) >= 1, "a read that waits")
        assert server.get(other + "/chats/1").status == 200
        assert waiting(cluster) == 1 and unanswered(server, wires)
    finally:
        locker.communicate("ROLLBACK;\n")
    assert [wire.answer().status for wire in wires] == [200] * 10


def test_scans_leave_a_session_to_lookups(start_chatd, cluster, two_applications, wires):
    """Nor does a credential that chatd does not know yet wait behind them."""
    ids = [cluster.sql("SELECT id FROM chat.applications WHERE token = '%s'" % path.split("/")[2]) for path in two_applications]
    keys = [make_key(cluster, "read", number) for number in ids]
    server = start_chatd("--require-keys", "--readers", "2").ready()
    locker = cluster.session("BEGIN; LOCK TABLE chat.messages")
    try:
        for number in range(10):
            send(server, wires, "scan%d" % number, "/applications/%s/chats/1/messages?sender=nobody" % ids[0], keys[0])
        wait_until(lambda: waiting(cluster) >= 1, "a read that waits")
        assert server.request("GET", "/applications/%s" % ids[1], headers=bearer(keys[1])).status == 200
        assert unanswered(server, wires)
    finally:
        locker.communicate("ROLLBACK;\n")
    assert [wire.answer().status for wire in wires] == [200] * 10


def wait_for_a_second(cluster, statement):
    """Wait until a statement has been executed for a second."""
    wait_until(lambda: cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%%%s%%'"
                                   " AND pid <> pg_backend_pid() AND clock_timestamp() - query_start > '1 s'" % statement) != "0", "a second")


def test_slow_lists_leave_a_session_to_others(start_chatd, cluster, two_applications, wires):
    """Lists of an application, once they have taken long, have no session for reads, and half of those for searches."""
    one, other = two_applications
    server = start_chatd("--readers", "2", "--searchers", "2").ready()
    for count in (1, 10):
        locker = cluster.session("BEGIN; LOCK TABLE chat.messages")
        try:
            for _ in range(count):
                wires.append(server.wire())
                get(wires[-1], one + "/chats/1/messages")
                assert server.get("/healthz").status == 200
            wait_for_a_second(cluster, "list_messages_json")
            if count > 1:
                assert server.get(other + "/chats/1").status == 200
                assert server.get("/applications/none/messages/search?query=x").status == 404
                assert waiting(cluster) == 1 and unanswered(server, wires)
        finally:
            locker.communicate("ROLLBACK;\n")
        assert {wire.answer().status for wire in wires} == {200}
        wires.clear()


def send(server, wires, name, path, credential, data=None):
    """Send a request that is named in the log, without waiting for its answer."""
    body = "" if data is None else json.dumps({"data": data})
    headers = {"Host": "x", "X-Request-Id": name, "Content-Type": "application/json", "Content-Length": len(body), **bearer(credential)}
    head = "%s %s HTTP/1.1\r\n" % ("GET" if data is None else "POST", path) + "".join("%s: %s\r\n" % item for item in headers.items())
    wires.append(server.wire().send((head + "\r\n" + body).encode()))
    assert server.get("/healthz").status == 200     # it has been read


def order_of(server, names):
    """The order in which the named requests were answered."""
    def seen():
        return [name for name in re.findall(r" \d+ms (\S+)$", server.log(), re.M) if name in names]
    wait_until(lambda: len(seen()) == len(names), "the log")
    return seen()


@contextlib.contextmanager
def standing_still(cluster, name, statement):
    """The session that has executed a statement last does nothing meanwhile."""
    pid = int(cluster.sql("SELECT pid FROM pg_stat_activity WHERE application_name = '%s' AND query LIKE '%%%s%%'" % (name, statement)))
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.fixture
def shop(cluster, new_name):
    """The id of an application with 3,001 chats, and a message in the first."""
    number = cluster.sql("SELECT id FROM chat.create_application('%s')" % new_name)
    cluster.sql("SELECT count(chat.create_chat(%s)) FROM generate_series(1, 3001)" % number)
    cluster.sql("SELECT chat.create_message(%s, 1, 'x')" % number)
    return number


@pytest.fixture(params=["keys", "users"])
def callers(request, cluster, shop):
    """The credentials of one who sends a lot, and of one who does not."""
    if request.param == "keys":
        return [make_key(cluster, "write", shop) for _ in range(2)]
    signing = Secret(cluster, shop)
    return [make_jwt(signing, sub=sub, chats="all", scope="write") for sub in ("ann", "bob")]


def test_writers_take_turns(start_chatd, cluster, shop, callers, wires):
    """One posts to three times a thousand chats; a message of another waits for the first thousand alone."""
    server = start_chatd("--require-keys", "--access-log", "--writers", "1", database=cluster.conninfo() + " application_name=writers").ready()
    path = "/applications/%s" % shop
    assert server.request("POST", path + "/chats/1/messages", '{"data":{"body":"x"}}',
                          {"Content-Type": "application/json", **bearer(callers[0])}).status == 201
    with standing_still(cluster, "writers", "create_messages"):
        for first, name in enumerate(["first", "second", "third"]):
            send(server, wires, name, path + "/messages", callers[0],
                 [{"chat_number": 1000 * first + number, "body": "x"} for number in range(1, 1001)])
        send(server, wires, "other", path + "/chats/3001/messages", callers[1], {"body": "x"})
    assert {wire.answer().status for wire in wires} == {201, 207}
    assert order_of(server, ["first", "second", "third", "other"]) == ["first", "other", "second", "third"]


def test_readers_take_turns(start_chatd, cluster, shop, callers, wires):
    """Of many pages for one and, after them, one for another, that one is not the last."""
    server = start_chatd("--require-keys", "--access-log", "--readers", "1").ready()
    path = "/applications/%s/chats/1/messages?limit=1000" % shop
    locker = cluster.session("BEGIN; LOCK TABLE chat.messages")
    names = ["many%d" % number for number in range(80)] + ["one"]
    try:
        for credential in callers:
            server.request("GET", "/applications/%s" % shop, headers=bearer(credential))
        for name in names:
            send(server, wires, name, path, callers[name == "one"])
        wait_until(lambda: waiting(cluster) == 1, "a read that waits")
    finally:
        locker.communicate("ROLLBACK;\n")
    assert {wire.answer().status for wire in wires} == {200}
    assert order_of(server, names).index("one") < 40


def test_lookups_of_one_address(start_chatd, cluster, shop, wires):
    """Who guesses keys from one address has no more than its share of the queue, and of the turns."""
    key = make_key(cluster, "read", shop)
    server = start_chatd("--require-keys", "--readers", "1", "--max-queue", "64", "--access-log").ready()
    locker = cluster.session("BEGIN; LOCK TABLE chat.api_keys")
    try:
        for number in range(80):
            send(server, wires, "guess%d" % number, "/applications/%s" % shop, "pgc_%d_x" % (number + 1))
        wires.append(server.wire(address="127.0.0.2"))
        wires[-1].send(b"GET /applications/%s HTTP/1.1\r\nHost: x\r\nX-Request-Id: own\r\nAuthorization: Bearer %s\r\n\r\n"
                       % (shop.encode(), key.encode()))
        assert server.get("/healthz").status == 200
    finally:
        locker.communicate("ROLLBACK;\n")
    assert wires.pop().answer().status == 200
    statuses = [wire.answer().status for wire in wires]
    assert set(statuses) == {401, 503}


def change(server, wires, path, number):
    """Send a change of a message, without waiting for its answer, but until it has been read."""
    body = b'{"data":{"body":"y"}}'
    wires.append(server.wire().send(b"PATCH %s/chats/1/messages/%d HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                                    % (path.encode(), number, len(body), body)))
    assert server.get("/healthz").status == 200


def test_changes_of_one_application_leave_a_session(start_chatd, cluster, make_chat, wires):
    """While one of an application's changes hangs, its others wait, and another application's are made."""
    one, other = (make_chat(name, 10, 10).rsplit("/", 3)[0] for name in ("one", "other"))
    server = start_chatd("--writers", "2", database=cluster.conninfo() + " application_name=changes").ready()
    change(server, wires, one, 1)
    assert wires.pop().answer().status == 200
    with standing_still(cluster, "changes", "update_message"):
        for number in range(1, 11):
            change(server, wires, one, number)
        assert server.request("PATCH", other + "/chats/1/messages/1", '{"data":{"body":"y"}}', {"Content-Type": "application/json"}).status == 200
        assert server.post(other + "/chats").status == 201
        assert unanswered(server, wires)
    assert [wire.answer().status for wire in wires] == [200] * 10


def test_slow_changes_leave_a_session(start_chatd, cluster, make_chat, wires):
    """Changes of two applications that took long have one of two sessions together."""
    slow = [make_chat(name, 1, 10).rsplit("/", 3)[0] for name in ("one", "two")]
    other = make_chat("other", 1, 10).rsplit("/", 3)[0]
    server = start_chatd("--writers", "2", database=cluster.conninfo() + " application_name=slow_changes").ready()
    change(server, wires, slow[0], 1)
    assert wires.pop().answer().status == 200
    for path in slow:
        with standing_still(cluster, "slow_changes", "update_message"):
            change(server, wires, path, 1)
            began = cluster.sql("SELECT clock_timestamp()")
            wait_until(lambda began=began: cluster.sql("SELECT clock_timestamp() - '%s' > '1 s'" % began) == "t", "a second")
        assert wires.pop().answer().status == 200
    with standing_still(cluster, "slow_changes", "update_message"):
        for path in slow:
            change(server, wires, path, 1)
        assert server.request("PATCH", other + "/chats/1/messages/1", '{"data":{"body":"y"}}', {"Content-Type": "application/json"}).status == 200
        assert unanswered(server, wires)
    assert [wire.answer().status for wire in wires] == [200] * 2
