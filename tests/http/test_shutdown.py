"""SIGTERM: what was accepted is answered, then chatd ends with status 0."""

import os
import signal
import socket
import time

import pytest

from conftest import wait_for_attempt, wait_until

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


def post(path, body):
    text = b'{"data":{"body":"%s"}}' % body
    return (b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (path.encode(), len(text), text))


def lock_chats(cluster):
    return cluster.session("BEGIN; SELECT count(*) FROM (SELECT FROM chat.chats FOR UPDATE) locked")


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_idle_connections_do_not_delay(start_chatd, kind):
    server = start_chatd()
    wires = [server.wire() for _ in range(50)]
    for wire in wires:
        assert wire.send(HEALTH).answer().status == 200
    began = time.monotonic()
    server.process.send_signal(kind)
    assert server.stop() == 0
    assert time.monotonic() - began < 3
    assert all(wire.is_closed() for wire in wires)


def test_suspended_requests_are_answered(start_chatd, cluster, messages):
    server = start_chatd().ready()
    locker = lock_chats(cluster)
    wires = [server.wire() for _ in range(20)]
    for number, wire in enumerate(wires):
        wire.send(post(messages, b"%d" % number))
    wait_for_attempt(cluster)
    server.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "stopping" in server.log(), "the signal's effect")
    with pytest.raises(ConnectionRefusedError):
        server.wire()
    locker.communicate("ROLLBACK;\n")
    answers = [wire.answer() for wire in wires]
    assert [answer.status for answer in answers] == [201] * 20
    assert all(answer.headers["connection"] == "close" for answer in answers)
    assert sorted(answer.json["number"] for answer in answers) == list(range(1, 21))
    assert server.stop() == 0


def test_accepted_connections_are_answered(start_chatd):
    """Also those whose request chatd has not seen when the signal comes."""
    server = start_chatd()
    os.kill(server.process.pid, signal.SIGSTOP)
    wires = [server.wire().send(HEALTH) for _ in range(50)]
    server.process.send_signal(signal.SIGTERM)
    os.kill(server.process.pid, signal.SIGCONT)
    assert [wire.answer().status for wire in wires] == [200] * 50
    assert server.stop() == 0


def test_database_that_does_not_answer(start_chatd, cluster, messages):
    """Its requests fail after a while, and chatd ends all the same."""
    server = start_chatd().ready()
    locker = lock_chats(cluster)
    try:
        with server.wire() as wire:
            wire.send(post(messages, b"x"))
            wait_for_attempt(cluster)
            began = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            assert wire.answer().status in (424, 503)      # it may have been sent to the database, or wait to be
            assert server.stop() == 0
            assert time.monotonic() - began < 9
    finally:
        locker.communicate("ROLLBACK;\n")


@pytest.mark.parametrize("incomplete", [
    b"GET /heal", b"POST /applications HTTP/1.1\r\nHost: x\r\nContent-Le",
    b"POST /applications HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc",
    b"POST /applications HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
], ids=["first line", "headers", "body", "chunks"])
def test_incomplete_requests_do_not_delay(start_chatd, incomplete):
    server = start_chatd()
    with server.wire() as wire:
        wire.send(HEALTH).answer()
        wire.send(incomplete)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        answer = wire.answer()
        assert answer is None or answer.status == 503
        assert server.stop() == 0
        assert time.monotonic() - began < 3


def test_client_that_goes_away(start_chatd, cluster, messages):
    """The connection of a suspended request is reset; the message is stored all the same."""
    server = start_chatd().ready()
    locker = lock_chats(cluster)
    for number in range(10):
        wire = server.wire().send(post(messages, b"%d" % number))
        if number == 0:
            wait_for_attempt(cluster)
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        wire.socket.close()
    assert server.get("/healthz").status == 200
    locker.communicate("ROLLBACK;\n")
    wait_until(lambda: server.get(messages).json, "the first message")
    assert server.stop() == 0


def test_loops_end_together(start_chatd):
    server = start_chatd("--loops", "3")
    assert server.get("/healthz").status == 200
    assert server.stop() == 0


def test_loop_that_dies_takes_the_others_along(start_chatd):
    server = start_chatd("--loops", "3")
    pid = server.process.pid

    def find_children():
        with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
            found = [int(child) for child in file.read().split()]
        return found if len(found) == 3 else None

    children = wait_until(find_children, "three loops")
    os.kill(children[1], signal.SIGKILL)
    assert server.process.wait(15) == 1
    assert not any(os.path.exists("/proc/%d" % child) for child in children)
