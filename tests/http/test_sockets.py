"""Bytes, and ends of connections, that arrive while chatd is busy with something else are not missed. chatd answers
for libmicrohttpd whether there is anything to read, see socket_calls.c."""

import signal
import socket
import threading

import pytest

from conftest import wait_for_attempt


def request(path, body=None):
    if body is None:
        return b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode()
    return (b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s"
            % (path.encode(), len(body), body))


@pytest.fixture
def locked(cluster, messages):
    """The path of the messages of a chat that somebody has locked, and the means to end that."""
    locker = cluster.session("BEGIN; SELECT count(*) FROM (SELECT FROM chat.chats FOR UPDATE) locked")
    yield messages, lambda: locker.communicate("ROLLBACK;\n")
    locker.communicate()


@pytest.mark.parametrize("body", [None, b"data[body]=x"])
def test_the_last_byte_and_the_end_together(start_chatd, messages, body):
    """As by nc -N, of which a stopped chatd hears both at once: the request is answered, and then the
    connection is closed."""
    server = start_chatd().ready()
    with server.wire() as wire:
        wire.send(request("/healthz"))
        assert wire.answer().status == 200
        server.process.send_signal(signal.SIGSTOP)
        wire.send(request(messages, body))
        wire.socket.shutdown(socket.SHUT_WR)
        server.process.send_signal(signal.SIGCONT)
        assert wire.answer().status == (200 if body is None else 201)
        assert wire.is_closed()


def test_the_end_while_the_request_waits(cluster, chatd, locked):
    messages, unlock = locked
    with chatd.wire() as wire:
        wire.send(request(messages, b"data[body]=x"))
        wait_for_attempt(cluster)
        wire.socket.shutdown(socket.SHUT_WR)
        unlock()
        assert wire.answer().status == 201
        assert wire.is_closed()


def test_the_next_request_while_one_waits(cluster, chatd, locked):
    messages, unlock = locked
    with chatd.wire() as wire:
        wire.send(request(messages, b"data[body]=1"))
        wait_for_attempt(cluster)
        wire.send(request(messages, b"data[body]=2")[:50])
        unlock()
        assert wire.answer().json["number"] == 1
        wire.send(request(messages, b"data[body]=2")[50:])
        assert wire.answer().json["number"] == 2


def test_the_next_request_while_an_answer_is_on_its_way(chatd, messages):
    """The answer is more than a socket takes at once."""
    for number in range(20):
        chatd.post(messages, {"body": "%d" % number + "x" * 40000})
    with chatd.wire() as wire:
        for _ in range(3):
            wire.send(request(messages + "?limit=20"))
            wire.socket.recv(1, socket.MSG_PEEK)
            wire.send(request(messages + "/20"))
            assert wire.answer().json[0]["number"] == 1
            assert wire.answer().json["number"] == 20


def test_many_that_ask_again_at_once(chatd, messages):
    """Each sends its next request the moment it has an answer; none may be left waiting."""
    chatd.post(messages, {"body": "x"})
    answered = []

    def ask():
        with chatd.wire() as wire:
            for number in range(100):
                wire.send(request(messages, b"data[body]=x") if number % 4 == 0 else request(messages + "/1"))
                assert wire.answer().status in (200, 201)
        answered.append(True)

    threads = [threading.Thread(target=ask) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answered) == len(threads)
