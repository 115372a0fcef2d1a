"""Nobody takes what all share: memory, connections, queues, descriptors, searches."""

import os
import resource
import select
import signal

import pytest

from conftest import SANITIZED, wait_until
from test_limits import HEAD, LIMIT, connect_narrowly
from test_locks import post

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def wires():
    """A list of connections, closed after the test."""
    opened = []
    yield opened
    for wire in opened:
        wire.socket.close()


def peak_memory(server):
    """Megabytes that have been resident at most."""
    with open("/proc/%d/status" % server.process.pid) as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def reset_peak(server):
    with open("/proc/%d/clear_refs" % server.process.pid, "w") as control:
        control.write("5")


def all_processed(server):
    """A request sent now is answered after all that has arrived has been looked at."""
    assert server.get("/healthz").status == 200


def wait_for_bytes(server, wires):
    """Wait until chatd has read all that was sent on the connections."""
    ports = {":%04X" % wire.socket.getsockname()[1] for wire in wires}

    def are_read():
        with open("/proc/%d/net/tcp" % server.process.pid) as table:
            rows = [line.split() for line in table][1:]
        # Nothing is on its way from the client, or unread at the server.
        return not any((row[1][8:] in ports and int(row[4][:8], 16)) or (row[2][8:] in ports and int(row[4][9:], 16))
                       for row in rows)

    wait_until(are_read, "bytes that are read")
    all_processed(server)


SHAPES = {
    "objects": b'{"data":{"body":"x","other":[%s{}]}}' % (b"{}," * 174000),
    "nested": b'{"data":{"body":"x","other":[%s{}]}}' % (b'{"a":{"b":{}}},' * 34000),
    "members": b'{"data":{"body":"x",%s"z":0}}' % b"".join(b'"%x":0,' % n for n in range(50000)),
    "strings": b'{"data":{"body":"x","other":[%s""]}}' % (b'"",' * 174000),
    "form": b"data[body]=x&" + b"&".join(b"data[%x]=" % n for n in range(35000)),
}


@pytest.mark.skipif(SANITIZED, reason="a sanitizer takes memory of its own")
@pytest.mark.parametrize("shape", SHAPES)
def test_memory_of_many_values(start_chatd, messages, wires, shape):
    """A body of any shape takes no more memory than the part of it that is kept."""
    server = start_chatd().ready()
    text = SHAPES[shape]
    kind = b"application/x-www-form-urlencoded" if shape == "form" else b"application/json"
    assert len(text) <= LIMIT
    reset_peak(server)
    before = peak_memory(server)
    for _ in range(16):
        wires.append(server.wire())
        wires[-1].send(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
                       % (messages.encode(), kind, len(text)) + text[:-1])
    for wire in wires:
        wire.send(text[-1:])
    assert [wire.answer().status for wire in wires] == [201] * 16
    assert peak_memory(server) < before + 6


def test_declared_lengths_reserve_nothing(start_chatd, messages, wires):
    server = start_chatd().ready()
    for _ in range(140):
        wires.append(server.wire().send(HEAD % messages.encode() + b"Content-Length: %d\r\n\r\n{" % LIMIT))
    wait_for_bytes(server, wires)
    assert server.post(messages, {"body": "x"}).status == 201


@pytest.mark.skipif(SANITIZED, reason="a sanitizer takes memory of its own")
def test_bodies_of_gets_are_not_kept(start_chatd, messages, wires):
    server = start_chatd().ready()
    reset_peak(server)
    before = peak_memory(server)
    for _ in range(40):
        wires.append(server.wire().send(b"GET %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (messages.encode(), LIMIT)
                                        + b"x" * (LIMIT - 1)))
    wait_for_bytes(server, wires)
    assert peak_memory(server) < before + 6
    for wire in wires:
        assert wire.send(b"x").answer().json == []


def test_slow_readers_do_not_keep_bodies(start_chatd, messages, wires):
    """A body is done with when there is a response, whether the client takes that or not."""
    server = start_chatd().ready()
    for _ in range(6):
        assert server.post(messages, {"body": "x" * 65000}).status == 201
    readers = [connect_narrowly(server) for _ in range(130)]
    try:
        for reader in readers:
            reader.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (messages.encode(), LIMIT) + b"x" * LIMIT)
            assert reader.recv(12).startswith(b"HTTP/1.1 ")
        assert server.post(messages, {"body": "x"}).status == 201
    finally:
        for reader in readers:
            reader.close()


def test_bodies_of_one_address(start_chatd, messages, wires):
    """Those that arrive from one address leave room for another's."""
    server = start_chatd().ready()
    start = b'{"data":{"body":"' + b"x" * (LIMIT - 30)
    for _ in range(140):
        wires.append(server.wire().send(HEAD % messages.encode() + b"Content-Length: %d\r\n\r\n" % LIMIT + start))
    wait_for_bytes(server, wires)
    with server.wire(address="127.0.0.2") as other:
        answer = post(other, messages, b"data[body]=" + b"x" * 60000).answer()
        assert answer.status == 201
    refused = server.post_json(messages, start + b'"}}')
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    for wire in wires:
        wire.socket.close()
    wait_until(lambda: server.post_json(messages, start + b'"}}').status == 422, "memory that is free again")


def test_responses_of_one_address(start_chatd, messages):
    """Clients that do not take their pages leave room for those of another address."""
    server = start_chatd().ready()
    for _ in range(16):
        assert server.post(messages, {"body": "x" * 65000}).status == 201
    request = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % messages.encode()
    readers = []
    try:
        while server.get(messages).status == 200:
            assert len(readers) < 100
            readers.append(connect_narrowly(server))
            readers[-1].sendall(request)
            assert readers[-1].recv(12) == b"HTTP/1.1 200"
        with server.wire(address="127.0.0.2") as other:
            assert other.send(request).answer().status == 200
        assert server.get(messages).status == 503
    finally:
        for reader in readers:
            reader.close()


def test_connections_of_one_address(start_chatd, wires):
    server = start_chatd("--max-connections", "16")
    for _ in range(14):
        wires.append(server.wire().send(HEALTH))
        assert wires[-1].answer().status == 200
    for _ in range(5):
        with server.wire() as excess:
            answer = excess.send(HEALTH).answer()
            assert answer is None or (answer.status == 503 and list(answer.json) == ["error"])
            assert excess.is_closed()
    with server.wire(address="127.0.0.2") as other:
        assert other.send(HEALTH).answer().status == 200
    wires.pop().socket.close()

    def is_served():
        with server.wire() as wire:
            answer = wire.send(HEALTH).answer()
            return answer and answer.status == 200

    wait_until(is_served, "a connection after another has ended")


def test_queue_of_one_address(start_chatd, cluster, messages, wires):
    """While the only session for writes hangs, one address fills its share of the queue; there is room for another."""
    server = start_chatd("--max-queue", "16", "--writers", "1", database=cluster.conninfo() + " application_name=queue").ready()
    assert server.post(messages, {"body": "x"}).status == 201
    pid = int(cluster.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'queue' AND query LIKE '%create_messages%'"))
    os.kill(pid, signal.SIGSTOP)
    try:
        for number in range(24):
            wires.append(server.wire())
            post(wires[-1], messages, b"data[body]=x")
            if number == 0:
                all_processed(server)   # it is on its way to the database, alone
        wait_until(lambda: len(select.select([wire.socket for wire in wires], [], [], 0)[0]) >= 7, "refusals")
        wires.append(server.wire(address="127.0.0.2"))
        post(wires[-1], messages, b"data[body]=x")
        all_processed(server)
        os.kill(pid, signal.SIGCONT)
        assert wires[-1].answer().status == 201
    finally:
        os.kill(pid, signal.SIGCONT)


def test_descriptors_for_the_database(start_chatd, cluster, chatd, wires):
    """However many clients there are, chatd can connect to the database again."""
    server = start_chatd(prefix=["prlimit", "--nofile=112"]).ready()
    with server.wire() as probe:
        for _ in range(120):
            wires.append(server.wire().send(HEALTH))
        wait_until(lambda: len(select.select([wire.socket for wire in wires], [], [], 0)[0]) >= 30, "answers")

        def readiness():
            return probe.send(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").answer().status

        assert readiness() == 200
        cluster.stop()
        try:
            wait_until(lambda: readiness() == 503, "the loss of the database")
            # Those that wait for a connection may have what has become free.
            answered = select.select([wire.socket for wire in wires], [], [], 0)[0]
            next(wire for wire in wires if wire.socket in answered).socket.close()
            for _ in range(3):
                assert probe.send(HEALTH).answer().status == 200
        finally:
            cluster.start()
        wait_until(lambda: readiness() == 200, "another connection")
    wait_until(lambda: chatd.get("/readyz").status == 200, "the other chatd")


SEARCH = b"GET /applications/%s/messages/search?query=x HTTP/1.1\r\nHost: x\r\n\r\n"


def test_searches_of_one_application_leave_a_session(start_chatd, cluster, token, wires):
    """An application's searches that hang are not in the way of another's."""
    server = start_chatd("--searchers", "2").ready()
    locker = cluster.session("BEGIN; LOCK TABLE chat.messages")
    try:
        for _ in range(10):
            wires.append(server.wire().send(SEARCH % token.encode()))
        wait_until(lambda: cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") != "0",
                   "a search that waits")
        all_processed(server)
        # It needs no table that is locked, but it is a search.
        with server.wire(timeout=5) as other:
            assert other.send(SEARCH % b"none").answer().status == 404
        assert select.select([wire.socket for wire in wires], [], [], 0)[0] == []
    finally:
        locker.communicate("ROLLBACK;\n")
    assert [wire.answer().status for wire in wires] == [200] * 10


def test_applications_take_turns_to_search(start_chatd, cluster, token, wires):
    """With one session, a search comes after one of each other application, not after all."""
    server = start_chatd("--searchers", "1", "--statement-timeout", "1", "--request-timeout", "60").ready()
    locker = cluster.session("BEGIN; LOCK TABLE chat.messages")
    try:
        for _ in range(10):
            wires.append(server.wire().send(SEARCH % token.encode()))
        all_processed(server)
        with server.wire() as other:
            assert other.send(SEARCH % b"none").answer().status == 404
            # Each of the others takes a second.
            assert len(select.select([wire.socket for wire in wires], [], [], 0)[0]) <= 3
    finally:
        locker.communicate("ROLLBACK;\n")


def test_searches_of_one_application_are_bounded(start_chatd, cluster, token, wires):
    server = start_chatd("--searchers", "1", "--max-queue", "16").ready()
    locker = cluster.session("BEGIN; LOCK TABLE chat.messages")
    try:
        for _ in range(10):
            wires.append(server.wire().send(SEARCH % token.encode()))
        refused = wait_until(lambda: select.select([wire.socket for wire in wires], [], [], 0)[0], "refusals")
        answer = next(wire for wire in wires if wire.socket in refused).answer()
        assert (answer.status, answer.json, answer.headers["retry-after"]) == (503, {"error": "The server is busy."}, "1")
        with server.wire() as other:
            other.send(SEARCH % b"none")
            all_processed(server)
            locker.communicate("ROLLBACK;\n")
            assert other.answer().status == 404
    finally:
        locker.communicate()


@pytest.mark.skipif(SANITIZED, reason="a sanitizer takes memory of its own")
@pytest.mark.parametrize("megabytes", [2, 6, 10, 14])
def test_memory_that_runs_out(start_chatd, messages, wires, megabytes):
    """Requests fail, and chatd goes on."""
    server = start_chatd().ready()
    with open("/proc/%d/statm" % server.process.pid) as sizes:
        size = int(sizes.read().split()[0]) * resource.getpagesize() + (megabytes << 20)
    resource.prlimit(server.process.pid, resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))
    text = b'{"data":{"body":"' + b"x" * 60000 + b'"}}'
    for _ in range(300):
        wires.append(server.wire().send(HEAD % messages.encode() + b"Content-Length: %d\r\n\r\n" % len(text) + text[:-1]))
    for wire in wires:
        wire.send(text[-1:])
    answers = [wire.answer() for wire in wires]
    assert {answer.status for answer in answers if answer} <= {201, 503}
    for wire in wires:
        wire.socket.close()
    wait_until(lambda: server.get("/readyz").status == 200, "chatd to be ready again")
    assert server.post(messages, {"body": "x"}).status == 201
