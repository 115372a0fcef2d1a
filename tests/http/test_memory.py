"""A connection costs little, and what a request took is given back."""

import pytest

from conftest import CHATD

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

pytestmark = pytest.mark.skipif("sanitize" in str(CHATD) or b"__asan" in CHATD.read_bytes(),
                                reason="a sanitizer takes memory of its own")


def resident(server):
    """Megabytes."""
    with open("/proc/%d/status" % server.process.pid) as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def test_idle_connections(start_chatd, messages):
    server = start_chatd().ready()
    wires = [server.wire() for _ in range(1000)]
    for wire in wires:
        wire.send(HEALTH)
    assert all(wire.answer().status == 200 for wire in wires)
    path = messages.encode()
    for wire in wires:
        wire.send(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path)
    assert all(wire.answer().status == 200 for wire in wires)
    assert resident(server) < 64
    for wire in wires:
        wire.socket.close()


def test_requests_leave_nothing_behind(start_chatd, messages):
    server = start_chatd().ready()
    big = b'{"data":{"body":"%s"}}' % (b"x" * 60000)
    small = b'{"data":{"body":" ","number":"x"}}'

    def round_of_requests(count):
        with server.wire() as wire:
            for _ in range(count):
                for path, text in ((messages, big), (messages, small), (messages, b"{"), ("/nope", big)):
                    wire.send(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                              % (path.encode(), len(text), text))
                    assert wire.answer().status in (201, 400, 404, 422)
                wire.send(b"GET %s/search?query=x&limit=5 HTTP/1.1\r\nHost: x\r\n\r\n" % messages.encode())
                assert wire.answer().status == 200

    round_of_requests(50)
    before = resident(server)
    round_of_requests(300)
    assert resident(server) < before + 8
