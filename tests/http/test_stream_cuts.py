"""Streams whose connections are cut: at every byte, and thousands at once.

CHAT_STREAM_CLIENTS says how many vanish at once.
"""

import contextlib
import os
import pathlib
import resource
import socket
import threading

import pytest

from conftest import SANITIZED, wait_until
from event_stream import Ended, EventStream
from test_memory import resident
from test_streams import application, live, path, server    # pylint: disable=unused-import

CLIENTS = int(os.environ.get("CHAT_STREAM_CLIENTS", "2000"))
ADDRESSES = 8       # of this host, so that none has its share of the streams


class Cutter:
    """A proxy that passes on so many bytes of each answer, and then cuts both connections, in turn with an end and a reset."""

    def __init__(self, port):
        self.upstream = port
        self.passes = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):      # the listener is closed
            while True:
                client, _ = self.listener.accept()
                with client, socket.create_connection(("127.0.0.1", self.upstream)) as upstream:
                    self.relay(client, upstream, self.passes)
                    if self.passes % 2:
                        for end in client, upstream:
                            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    def relay(self, client, upstream, left):
        request = b""
        while b"\r\n\r\n" not in request:
            request += client.recv(65536)
        upstream.sendall(request)
        while left > 0:
            data = upstream.recv(left)
            client.sendall(data)
            left -= len(data)


def history(live, number):
    """Messages of chats 1 and 2 that were created, edited and deleted, by functions and directly."""
    live.sql("""
        SELECT chat.create_message({0}, chat, 'ж€😀 ' || n) FROM generate_series(1, 2) AS chat, generate_series(1, 5) AS n;
        SELECT chat.update_message({0}, 1, 2, 'edited'), chat.delete_message({0}, 1, 4), chat.update_message({0}, 2, 5, '"\\');
        DELETE FROM chat.messages WHERE application_id = {0} AND chat_number = 1 AND number = 3""".format(number))


def entries(events):
    """The events, without their positions: these depend on how far who read them was."""
    return [(event.name, event.data) for event in events if event.name != "ready"]


def follow(port, target, position, count):
    """So many events after a position, or fewer up to the end of the connection; and how far the client is then."""
    events = []
    with contextlib.suppress(Ended, OSError), EventStream(port, target, position) as stream:
        with contextlib.suppress(Ended, OSError):
            while len(entries(events)) < count:
                events.append(stream.next())
                position = stream.id
    return events, position


@pytest.mark.parametrize("of_one", [True, False])
def test_cut_at_every_byte(server, live, application, path, of_one):
    """Whatever was cut off, the next connection has it; and what was not, it does not have again."""
    history(live, application[0])
    target = path + "/stream" if of_one else "/applications/%s/stream?chats=1,2" % application[1]
    start = "0.0" if of_one else "1:0.0,2:0.0"
    count = 3 if of_one else 8
    cutter = Cutter(server.port)
    # Each client begins with a connection that is cut behind the next byte, until one has all.
    with EventStream(server.port, target, start) as stream:
        whole = entries([stream.next() for _ in range(count + 1)])
    assert len(whole) == count
    seen = []
    while len(seen) < count:
        cutter.passes += 1
        events, position = follow(cutter.port, target, start, count)
        seen = entries(events)
        events, _ = follow(server.port, target, position, count - len(seen))
        key = lambda entry: (entry[1].get("chat_number", 1), entry[1]["number"])
        assert sorted(seen + entries(events), key=key) == sorted(whole, key=key), cutter.passes
        assert cutter.passes < 10000
    # One client that goes on through cuts, each a byte later than the last.
    position, seen, cutter.passes = start, [], 0
    while len(seen) < count:
        cutter.passes += 1
        events, position = follow(cutter.port, target, position, count - len(seen))
        seen += entries(events)
    assert sorted(seen, key=key) == sorted(whole, key=key)
    cutter.listener.close()


def test_thousands_vanish_at_once(start_chatd, live, path):
    """Descriptors and memory come back, whether they end, reset or are half closed, and others go on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = start_chatd("--max-streams", str(2 * CLIENTS), database=live.conninfo()).ready()
    descriptors = pathlib.Path("/proc/%d/fd" % server.process.pid)
    idle = len(list(descriptors.iterdir()))
    request = b"GET %s/stream HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode()

    def opened(n):
        stream = socket.create_connection(("127.0.0.1", server.port), 60, ("127.0.0.%d" % (2 + n % ADDRESSES), 0))
        stream.sendall(request)
        return stream

    def wait_until_ready(stream):
        received = b""
        while b"event: ready" not in received:
            data = stream.recv(4096)
            assert data, received
            received += data

    def open_and_vanish():
        streams = [opened(n) for n in range(CLIENTS)]
        for stream in streams:
            wait_until_ready(stream)
        assert len(list(descriptors.iterdir())) >= CLIENTS
        memory = resident(server)
        for n, stream in enumerate(streams):
            if n % 3 == 0:
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            elif n % 3 == 1:
                stream.shutdown(socket.SHUT_WR)
        for stream in streams:
            stream.close()
        wait_until(lambda: len(list(descriptors.iterdir())) <= idle, "descriptors to come back", timeout=60)
        return memory

    try:
        first = open_and_vanish()
        assert server.post(path, {"body": "x"}).status == 201
        second = open_and_vanish()
        # How many of them are being opened at a time, which takes 32 kB each, is a matter of chance.
        assert SANITIZED or second < first + 8
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
