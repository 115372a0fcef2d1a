"""A connection costs little, and what a request took is given back."""

import contextlib

import pytest

from conftest import SANITIZED

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

pytestmark = pytest.mark.skipif(SANITIZED, reason="a sanitizer takes memory of its own")


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


def test_many_addresses_take_no_memory(start_chatd):
    """10,000, and as many again: the first may be forgotten, none costs more."""
    server = start_chatd("--address-requests", "100", "--trusted-proxies", "127.0.0.1").ready()

    def visit(first):
        with server.wire() as wire:
            for start in range(first, first + 10000, 100):
                wire.send(b"".join(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: %d.%d.7.1\r\n\r\n" % (number // 200 + 1, number % 200)
                                   for number in range(start, start + 100)))
                assert {wire.answer().status for _ in range(100)} == {200}
        return resident(server)

    filled = visit(0)
    assert visit(10000) < filled + 1


def test_many_credentials_take_no_memory(start_chatd, token):
    """15,000 keys that there are not, and as many tokens of users, are forgotten again."""
    server = start_chatd("--require-keys").ready()

    def visit(first):
        with contextlib.ExitStack() as stack:
            wires = [stack.enter_context(server.wire()) for _ in range(200)]
            for place, wire in enumerate(wires):
                for credential in "pgc_%d_x", "eyJhbGciOiJIUzI1NiIsImtpZCI6ImsifQ.e30.AAA%d":
                    wire.send(b"".join(b"GET /applications/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n"
                                       % (token.encode(), (credential % (first + place * 25 + number + 1)).encode()) for number in range(25)))
            assert {wire.answer().status for wire in wires for _ in range(50)} == {401}
            return resident(server)

    filled = visit(0)
    visit(5000)
    assert visit(10000) < filled + 4
