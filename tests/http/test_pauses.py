"""A process that is stopped for a while, as in a container that is paused: what came meanwhile is not late."""

import signal
import time

import pytest

from conftest import wait_until
from test_limits import connect_narrowly
from test_locks import FORM, post

TIMEOUTS = ("--idle-timeout", "1", "--request-timeout", "1", "--write-timeout", "1", "--statement-timeout", "1")


class Pause:
    """Stops a process for longer than all of its timeouts."""

    def __init__(self, server, seconds=4):
        self.process = server.process
        self.seconds = seconds

    def __enter__(self):
        self.process.send_signal(signal.SIGSTOP)
        self.until = time.monotonic() + self.seconds

    def __exit__(self, *unused):
        wait_until(lambda: time.monotonic() > self.until, "the end of the pause")
        self.process.send_signal(signal.SIGCONT)


def processed(server):
    assert server.get("/healthz").status == 200


def test_an_idle_connection(start_chatd):
    server = start_chatd(*TIMEOUTS)
    with server.wire() as used, server.wire() as new:
        assert used.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").answer().status == 200
        with Pause(server):
            for wire in (used, new):
                wire.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert used.answer().status == 200 and new.answer().status == 200


def test_a_request_that_is_arriving(start_chatd, messages):
    """Its rest came during the pause, and is more than is read at a time."""
    server = start_chatd(*TIMEOUTS).ready()
    head, body = FORM.split(b"%d")[0], b"data[body]=" + b"x" * 60000
    with server.wire() as wire:
        wire.send(b"POST %s HTTP/1.1\r\n" % messages.encode() + head)
        processed(server)
        with Pause(server):
            wire.send(b"%d\r\n\r\n" % len(body) + body)
        assert wire.answer().status == 201


def test_a_response_on_its_way(start_chatd, messages):
    server = start_chatd(*TIMEOUTS).ready()
    for _ in range(16):
        assert server.post(messages, {"body": "x" * 65000}).status == 201
    with connect_narrowly(server) as connection:
        connection.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % messages.encode())
        received = connection.recv(1)
        with Pause(server):
            pass
        while True:
            data = connection.recv(65536)
            if not data:
                break
            received += data
    assert len(received) > 16 * 65000


@pytest.mark.parametrize("writers", ["1", "2"])
def test_a_request_that_waits_for_the_database(start_chatd, cluster, messages, writers):
    """Both one that the database has, and one that is in the queue behind it."""
    server = start_chatd("--writers", writers, "--request-timeout", "3").ready()
    server.post(messages, {"body": "x"})
    locker = cluster.session("BEGIN; LOCK TABLE chat.messages")
    with server.wire() as sent, server.wire() as queued:
        try:
            post(sent, messages, b"data[body]=x")
            wait_until(lambda: cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'chatd'"
                                           " AND wait_event_type = 'Lock'") == "1", "a write that waits")
            post(queued, messages, b"data[body]=x")
            processed(server)
            with Pause(server):
                locker.communicate("ROLLBACK;\n")
        finally:
            locker.communicate()
        assert sorted(wire.answer().json["number"] for wire in (sent, queued)) == [2, 3]


def test_a_stop(start_chatd, cluster, messages):
    """Requests that were accepted before SIGTERM are answered."""
    server = start_chatd().ready()
    locker = cluster.session("BEGIN; LOCK TABLE chat.messages")
    with server.wire() as wire:
        try:
            post(wire, messages, b"data[body]=x")
            wait_until(lambda: cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'chatd'"
                                           " AND wait_event_type = 'Lock'") == "1", "a write that waits")
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: " stopping" in server.log(), "the stop to begin")
            with Pause(server, 7):
                locker.communicate("ROLLBACK;\n")
        finally:
            locker.communicate()
        assert wire.answer().status == 201
