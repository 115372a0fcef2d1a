"""No bytes of one request may run as another: what can be read in two ways is refused."""

import pytest

from conftest import timeless

HOST = b"Host: x\r\n"
# A request that a smuggler hides in a body; if it runs, its answer follows the first.
HIDDEN = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


def post(headers, body=b"", version=b"HTTP/1.1", line=b"POST /applications"):
    return line + b" " + version + b"\r\n" + headers + b"\r\n" + body


REFUSED = {
    "no host": (400, post(b"", HIDDEN)),
    "two hosts": (400, post(HOST + b"Host: y\r\n", HIDDEN)),
    "two hosts alike": (400, post(HOST + HOST, HIDDEN)),
    "host with a path": (400, post(b"Host: x/y\r\n", HIDDEN)),
    "host with a user": (400, post(b"Host: u@x\r\n", HIDDEN)),
    "host with a space": (400, post(b"Host: x y\r\n", HIDDEN)),
    "list of hosts": (400, post(b"Host: x, y\r\n", HIDDEN)),
    "host with a port that is no number": (400, post(b"Host: x:y\r\n", HIDDEN)),
    "host with two ports": (400, post(b"Host: x:1:2\r\n", HIDDEN)),
    "host with a bad escape": (400, post(b"Host: x%2\r\n", HIDDEN)),
    "host with an open bracket": (400, post(b"Host: [::1\r\n", HIDDEN)),
    "host with empty brackets": (400, post(b"Host: []\r\n", HIDDEN)),
    "host with something behind the brackets": (400, post(b"Host: [::1]x\r\n", HIDDEN)),
    "host not in ASCII": (400, post("Host: é\r\n".encode(), HIDDEN)),
    "two lengths": (400, post(HOST + b"Content-Length: 0\r\nContent-Length: %d\r\n" % len(HIDDEN), HIDDEN)),
    "two lengths alike": (400, post(HOST + b"Content-Length: 0\r\nContent-Length: 0\r\n", HIDDEN)),
    "list of lengths": (400, post(HOST + b"Content-Length: 0, %d\r\n" % len(HIDDEN), HIDDEN)),
    "length and coding": (400, post(HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + HIDDEN)),
    "coding and length": (400, post(HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n" + HIDDEN)),
    "space before the colon": (400, post(HOST + b"Content-Length : %d\r\n" % len(HIDDEN), HIDDEN)),
    "tab before the colon": (400, post(HOST + b"Content-Length\t: %d\r\n" % len(HIDDEN), HIDDEN)),
    "space before the colon of a coding": (400, post(HOST + b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n" + HIDDEN)),
    "no colon": (400, post(HOST + b"Content-Length\r\n", HIDDEN)),
    "no name": (400, post(HOST + b": x\r\n", HIDDEN)),
    "control character": (400, post(HOST + b"X: a\x01b\r\n", HIDDEN)),
    "bare CR": (400, post(HOST + b"X: a\rContent-Length: 5\r\n", HIDDEN)),
    "bare LF": (400, post(HOST + b"X: a\nY: b\r\n", HIDDEN)),
    "bare LF in the request line": (400, b"POST /applications HTTP/1.1\n" + HOST + b"\r\n" + HIDDEN),
    "bare LF at the end of the head": (400, b"POST /applications HTTP/1.1\r\nHost: x\r\n\n" + HIDDEN),
    "bare LF in the last header": (400, b"POST /applications HTTP/1.1\r\nHost: x\n\r\n" + HIDDEN),
    "folded header": (400, post(HOST + b"X: a\r\n b\r\nY: c\r\n", HIDDEN)),
    "folded last header": (400, post(HOST + b"X: a\r\n b\r\n", HIDDEN)),
    "folded length": (400, post(HOST + b"Content-Length:\r\n 5\r\n", HIDDEN)),
    "folded first line": (400, b"POST /applications HTTP/1.1\r\n Host: x\r\n\r\n" + HIDDEN),
    "NUL in a header": (400, post(HOST + b"X: a\0b\r\nY: c\r\n", HIDDEN)),
    "NUL in the last header": (400, post(HOST + b"X: a\0b\r\n", HIDDEN)),
    "NUL in a name": (400, post(HOST + b"X\0: a\r\nY: c\r\n", HIDDEN)),
    "NUL before the LF of a header": (400, post(HOST + b"X: a\0\nY: b\r\n", HIDDEN)),
    "NUL before the LF of the last header": (400, post(b"Host: x\0\n", HIDDEN)),
    "NUL before the LF of a length": (400, post(HOST + b"Content-Length: %d\0\n" % len(HIDDEN), HIDDEN)),
    "NUL before the LF at the end of the head": (400, b"POST /applications HTTP/1.1\r\nHost: x\r\n\0\n" + HIDDEN),
    "NUL and a character before the LF of the last header": (400, b"POST /applications HTTP/1.1\r\nHost: x\0y\n\n" + HIDDEN),
    "line that begins with a NUL": (400, b"POST /applications HTTP/1.1\r\nHost: x\n\0y\n" + HIDDEN),
    "signed length": (400, post(HOST + b"Content-Length: +5\r\n", HIDDEN)),
    "negative length": (400, post(HOST + b"Content-Length: -1\r\n", HIDDEN)),
    "hexadecimal length": (400, post(HOST + b"Content-Length: 0x5\r\n", HIDDEN)),
    "empty length": (400, post(HOST + b"Content-Length:\r\n", HIDDEN)),
    "length with a space in it": (400, post(HOST + b"Content-Length: 1 2\r\n", HIDDEN)),
    "huge length": (413, post(HOST + b"Content-Length: 18446744073709551616\r\n", HIDDEN)),
    "large length": (413, post(HOST + b"Content-Length: 9223372036854775807\r\n", HIDDEN)),
    "unknown coding": (400, post(HOST + b"Transfer-Encoding: gzip\r\n", HIDDEN)),
    "identity coding": (400, post(HOST + b"Transfer-Encoding: identity\r\n", HIDDEN)),
    "coding before chunked": (400, post(HOST + b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n" + HIDDEN)),
    "coding after chunked": (400, post(HOST + b"Transfer-Encoding: chunked, gzip\r\n", b"0\r\n\r\n" + HIDDEN)),
    "vertical tab in a coding": (400, post(HOST + b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n" + HIDDEN)),
    "two codings": (400, post(HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + HIDDEN)),
    "empty coding": (400, post(HOST + b"Transfer-Encoding:\r\n", b"0\r\n\r\n" + HIDDEN)),
    "coding on HTTP/1.0": (400, post(HOST + b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n" + HIDDEN, b"HTTP/1.0")),
    "chunk without a size": (400, post(HOST + b"Transfer-Encoding: chunked\r\n", b"\r\n\r\n" + HIDDEN)),
    "chunk of a bad size": (400, post(HOST + b"Transfer-Encoding: chunked\r\n", b"xyz\r\n" + HIDDEN)),
    "chunk of a negative size": (400, post(HOST + b"Transfer-Encoding: chunked\r\n", b"-1\r\n" + HIDDEN)),
    "chunk of a huge size": (413, post(HOST + b"Transfer-Encoding: chunked\r\n", b"1" + b"0" * 16 + b"\r\n" + HIDDEN)),
    "chunk longer than its size": (400, post(HOST + b"Transfer-Encoding: chunked\r\n", b"1\r\nab\r\n0\r\n\r\n" + HIDDEN)),
    "unknown expectation": (417, post(HOST + b"Expect: 200-ok\r\n", HIDDEN)),
    "HTTP/2.0": (505, post(HOST, HIDDEN, b"HTTP/2.0")),
    "HTTP/0.9": (505, post(HOST, HIDDEN, b"HTTP/0.9")),
    "no version": (400, b"GET /applications\r\n\r\n" + HIDDEN),
    "bad version": (400, post(HOST, HIDDEN, b"HTTP/1.x")),
    "lower case version": (400, post(HOST, HIDDEN, b"http/1.1")),
    "two spaces": (400, post(HOST, HIDDEN, line=b"POST /applications  ")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_and_closed(chatd, name):
    status, data = REFUSED[name]
    with chatd.wire() as wire:
        answer = wire.send(data).answer()
        assert answer is not None and answer.status == status, answer
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert list(answer.json) == ["error"]
        assert answer.headers["connection"] == "close"
        assert wire.is_closed()


@pytest.mark.parametrize("host", [b"", b"x", b"x:", b"x:80", b"127.0.0.1:8080", b"[::1]", b"[::1]:80", b"a_b-c.d~%41"])
def test_hosts(chatd, host):
    with chatd.wire() as wire:
        assert wire.send(b"GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n" % host).answer().status == 200


def test_garbage_is_refused_or_closed(chatd):
    for data in (post(HOST, HIDDEN, line=b"POST /applications\0"), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200 + b"\r\n", b"GET\r\n\r\n", b" / HTTP/1.1\r\n\r\n"):
        answer, closed = chatd.talk(data)
        assert closed and (answer is None or answer.status == 400)


def test_pipelined_requests_are_answered_in_order(chatd, messages):
    path = messages.encode()
    requests = [b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 12\r\n\r\n"
                b"data[body]=%d" % (path, n) for n in range(5)]
    with chatd.wire() as wire:
        wire.send(b"".join(requests) + HIDDEN)
        assert [timeless(wire.answer()).json for _ in range(5)] == [{"number": n + 1, "body": str(n)} for n in range(5)]
        assert wire.answer().json == {"status": "ok"}


def test_chunked_body(chatd, messages):
    """An older libmicrohttpd is lenient with chunks, so nothing behind them may run."""
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n" % messages.encode()
    with chatd.wire() as wire:
        wire.send(head + b'a\r\n{"data":{"\r\n4\r\nbody\r\n07\r\n":"hi"}\r\n1\r\n}\r\n0\r\nTrailer: x\r\n\r\n' + HIDDEN)
        answer = wire.answer()
        assert timeless(answer).json == {"number": 1, "body": "hi"}
        if answer.headers.get("connection") == "close":
            assert wire.is_closed()
        else:
            assert wire.answer().json == {"status": "ok"}


@pytest.mark.parametrize("chunks", [
    b"0\n\n", b"0;a=b\n\r\n\r\n", b"0\r\nX: y\n\n", b"1;\nx\r\n0\r\n\r\n",
])
def test_nothing_hides_behind_chunks(chatd, chunks):
    with chatd.wire() as wire:
        answer = wire.send(post(HOST + b"Transfer-Encoding: chunked\r\n", chunks + HIDDEN)).answer()
        assert answer is not None and answer.headers["connection"] == "close" and wire.is_closed()


def test_body_of_a_get_is_not_a_request(chatd):
    with chatd.wire() as wire:
        wire.send(b"GET /applications?limit=1 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN)
        assert wire.answer().status == 200
        wire.send(b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.answer().status == 404


def test_http_1_0(chatd):
    with chatd.wire() as wire:
        assert wire.send(b"GET /healthz HTTP/1.0\r\n\r\n").answer().json == {"status": "ok"}
        assert wire.is_closed()


@pytest.mark.parametrize("target,status", [
    (b"http://x/healthz", 200), (b"HTTP://x:80/healthz", 200), (b"https://[::1]/healthz?x=http://y", 200), (b"http://x", 200),
    (b"http://x/", 200), (b"http://x/nope", 404), (b"http://x/applications/%00", 400),
])
def test_absolute_target(chatd, target, status):
    """As a proxy is sent it; every server has to accept it."""
    answer, _ = chatd.talk(b"GET " + target + b" HTTP/1.1\r\nHost: y\r\n\r\n")
    assert answer.status == status


def test_keep_alive_ends_before_the_connection_does(chatd, start_chatd):
    answer, _ = chatd.talk(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.headers["keep-alive"] == "timeout=59"
    answer, _ = start_chatd("--idle-timeout", "1").talk(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.headers["keep-alive"] == "timeout=0"
    answer, closed = chatd.talk(b"GET / HTTP/1.1\r\nHost: x\r\nX : y\r\n\r\n")
    assert closed and "keep-alive" not in answer.headers


def test_the_root(chatd):
    answer = chatd.get("/")
    assert answer.status == 200 and answer.json["name"] == "chatd" and "/applications/{token}/chats" in answer.json["paths"]
    answer = chatd.request("OPTIONS", "/")
    assert answer.status == 204 and answer.headers["allow"] == "GET, HEAD, OPTIONS"
    assert chatd.post("/", {}).status == 405
