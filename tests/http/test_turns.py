"""Applications take turns: one that reads a lot does not make another wait for all of that."""

import re

import pytest

from conftest import wait_until


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
