"""Everything has a bound: sizes, queues, connections, time."""

import select
import socket
import time
import unicodedata

import pytest

from conftest import ENVIRONMENT, CHATD, Wire, timeless, wait_until

import subprocess

HEAD = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def test_long_path(chatd):
    answer, closed = chatd.talk(b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.status == 414 and list(answer.json) == ["error"] and closed


@pytest.mark.parametrize("headers", [
    b"X: " + b"a" * 40000 + b"\r\n", b"".join(b"X-%d: x\r\n" % n for n in range(2000)), b"a" * 40000 + b": x\r\n",
    b"Cookie: " + b"a=b; " * 5000 + b"\r\n",
], ids=["one", "many", "name", "cookies"])
def test_large_headers(chatd, headers):
    answer, closed = chatd.talk(b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n")
    assert answer.status == 431 and list(answer.json) == ["error"] and closed


def test_many_parameters(chatd):
    answer, closed = chatd.talk(b"GET /applications?" + b"a&" * 10000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.status in (414, 431) and list(answer.json) == ["error"] and closed


LIMIT = 512 * 1024


@pytest.mark.parametrize("excess", [1, 100 * 1024])
def test_body_over_the_limit(chatd, messages, excess):
    text = b'{"data":{"body":"' + b"x" * (LIMIT + excess - 20) + b'"}}'
    with chatd.wire() as wire:
        answer = wire.send(HEAD % messages.encode() + b"Content-Length: %d\r\n\r\n" % len(text) + text).answer()
        assert answer.status == 413 and list(answer.json) == ["error"] and wire.is_closed()
    with chatd.wire() as wire:
        wire.send(HEAD % messages.encode() + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(text) + text + b"\r\n0\r\n\r\n")
        answer = wire.answer()
        assert answer.status == 413 and list(answer.json) == ["error"] and wire.is_closed()
    assert chatd.get(messages).json == []


def test_body_at_the_limit(chatd, messages):
    text = b'{"data":{"body":"x"}}'.ljust(LIMIT)
    assert chatd.request("POST", messages, text, {"Content-Type": "application/json"}).status == 201


def test_body_far_over_the_limit_is_not_awaited(chatd, messages):
    answer, closed = chatd.talk(HEAD % messages.encode() + b"Content-Length: 1000000000\r\n\r\n")
    assert answer.status == 413 and closed


def test_endless_body(chatd, messages):
    with chatd.wire() as wire:
        wire.send(HEAD % messages.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(4096):
            wire.send(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        answer = wire.answer()
        assert answer is None or answer.status == 413
        assert wire.is_closed()


def test_expectation_of_a_body_that_is_wanted(chatd, messages):
    with chatd.wire() as wire:
        wire.send(HEAD % messages.encode() + b"Content-Length: 21\r\nExpect: 100-continue\r\n\r\n")
        assert wire.answer().status == 100
        assert wire.send(b'{"data":{"body":"x"}}').answer().status == 201


@pytest.mark.parametrize("path,length,status", [(None, 10 ** 6, 413), (b"/nope", 10, 404)])
def test_expectation_of_a_body_that_is_not_wanted(chatd, messages, path, length, status):
    with chatd.wire() as wire:
        wire.send(HEAD % (path or messages.encode()) + b"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n" % length)
        assert wire.answer().status == status
        assert wire.is_closed()


def trickle(wire, data):
    """Send bytes one by one until an answer comes or the connection is closed; the answer."""
    wire.socket.settimeout(0.05)
    for byte in data:
        wire.send(bytes([byte]))
        try:
            if not wire._receive() or b"\r\n\r\n" in wire.received:
                break
        except socket.timeout:
            pass
    wire.socket.settimeout(5)
    return wire.answer()


@pytest.mark.parametrize("start,endless", [
    (b"", b"GET /" + b"a" * 1000), (b"GET /healthz HTTP/1.1\r\n", b"X: " + b"a" * 1000),
    (b"POST /applications HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", b"a" * 999),
], ids=["request line", "headers", "body"])
def test_slow_request(start_chatd, start, endless):
    server = start_chatd("--request-timeout", "1")
    with server.wire() as wire:
        answer = trickle(wire.send(start), endless)
        assert answer.status == 408 and list(answer.json) == ["error"] and wire.is_closed()


def test_stalled_request(start_chatd):
    server = start_chatd("--request-timeout", "1")
    with server.wire() as wire:
        answer = wire.send(b"GET /healthz HTTP/1.1\r\nHos").answer()
        assert answer.status == 408 and wire.is_closed()


def test_slow_request_on_a_used_connection(start_chatd):
    server = start_chatd("--request-timeout", "1")
    with server.wire() as wire:
        assert wire.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").answer().status == 200
        assert trickle(wire, b"GET /" + b"a" * 1000).status == 408


def test_idle_connection(start_chatd):
    server = start_chatd("--idle-timeout", "1")
    with server.wire() as wire:
        assert wire.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").answer().status == 200
        assert wire.is_closed()


def connect_narrowly(server):
    """A socket on a connection that holds little, so that what is not read stays in chatd."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    connection.settimeout(15)
    connection.connect(("127.0.0.1", server.port))
    return connection


def test_client_that_does_not_read(start_chatd, cluster, messages):
    """Its connection is closed, and others are served in the meantime."""
    server = start_chatd("--write-timeout", "1").ready()
    for _ in range(16):
        assert server.post(messages, {"body": "x" * 65000}).status == 201
    with connect_narrowly(server) as connection:
        connection.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % messages.encode())
        descriptors = "/proc/%d/net/tcp" % server.process.pid
        ours = ":%04X" % connection.getsockname()[1]

        def is_gone():
            assert server.get("/healthz").status == 200
            with open(descriptors) as table:
                rows = [line.split() for line in table]
            # The server's side is no longer established: state 01.
            return not any(row[2].endswith(ours) and row[3] == "01" for row in rows[1:])

        wait_until(is_gone, "the end of the connection")


def test_client_that_reads_slowly(start_chatd, messages):
    """It gets its answer whole, though that takes longer than the timeout: it goes on all the time."""
    server = start_chatd("--write-timeout", "2").ready()
    for _ in range(14):
        assert server.post(messages, {"body": "x" * 65000}).status == 201
    received, began = b"", time.monotonic()
    with connect_narrowly(server) as connection:
        connection.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % messages.encode())
        while True:
            # For four seconds a little at a time, then the rest.
            if time.monotonic() - began < 4:
                select.select([], [], [], 0.02)
                data = connection.recv(1000)
            else:
                data = connection.recv(65536)
            if not data:
                break
            received += data
    assert len(received) > 14 * 65000 and received.endswith(b"}]")


def test_answers_in_memory(start_chatd, messages):
    """Pages that clients do not take are bounded together; small answers are given all the same."""
    server = start_chatd().ready()
    for _ in range(16):
        assert server.post(messages, {"body": "x" * 65000}).status == 201
    readers = []
    try:
        while server.get(messages).status == 200:
            assert len(readers) < 100
            readers.append(connect_narrowly(server))
            readers[-1].sendall(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % messages.encode())
            assert readers[-1].recv(12) == b"HTTP/1.1 200"
        assert len(readers) > 50
        refused = server.get(messages)
        assert refused.status == 503 and refused.headers["retry-after"] == "1" and list(refused.json) == ["error"]
        assert server.post(messages, {"body": "x"}).status == 201
    finally:
        for reader in readers:
            reader.close()
    wait_until(lambda: server.get(messages).status == 200, "memory that is free again")


def test_queue(start_chatd, cluster, messages):
    """With the chat locked the queue fills; what is beyond is told to come back."""
    server = start_chatd("--max-queue", "3", "--writers", "1").ready()
    chat = messages.split("/")[2]
    locker = cluster.session("BEGIN; SELECT count(*) FROM (SELECT FROM chat.chats WHERE application_id ="
                             " (SELECT id FROM chat.applications WHERE token = '%s') FOR UPDATE) locked" % chat)
    try:
        wires = [server.wire() for _ in range(20)]
        text = b'{"data":{"body":"x"}}'
        for wire in wires:
            wire.send(HEAD % messages.encode() + b"Content-Length: %d\r\n\r\n" % len(text) + text)

        def answered():
            # Requests on their way to the database do not count, so that as many again may wait.
            ready = select.select([wire.socket for wire in wires], [], [], 0)[0]
            return len(ready) >= 20 - 2 * 3 and [wire for wire in wires if wire.socket in ready]

        wait_until(answered, "refusals")
        assert server.get("/healthz").status == 200
        refused = answered()
        accepted = [wire for wire in wires if wire not in refused]
        assert len(accepted) >= 3
        for wire in refused:
            answer = wire.answer()
            assert answer.status == 503 and answer.headers["retry-after"] == "1" and list(answer.json) == ["error"]
    finally:
        locker.communicate("ROLLBACK;\n")
    assert [wire.answer().status for wire in accepted] == [201] * len(accepted)
    for wire in wires:
        wire.socket.close()


def test_connections(start_chatd):
    """The connection that is one too many waits until another ends."""
    server = start_chatd("--max-connections", "4")
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    wires = [server.wire() for _ in range(4)]
    for wire in wires:
        assert wire.send(request).answer().status == 200
    with server.wire(timeout=0.3) as waiting:
        waiting.send(request)
        with pytest.raises(socket.timeout):
            waiting.answer()
        for wire in wires:
            wire.socket.close()
        waiting.socket.settimeout(10)
        assert waiting.answer().status == 200


def test_search_does_not_delay_reads(start_chatd, cluster, messages):
    """While the only session for searches hangs, reads are answered."""
    server = start_chatd().ready()
    server.post(messages, {"body": "x"})
    locker = cluster.session("BEGIN; LOCK TABLE chat.messages")
    try:
        with server.wire() as search:
            search.send(b"GET %s/search?query=x HTTP/1.1\r\nHost: x\r\n\r\n" % messages.encode())
            wait_until(lambda: cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") != "0",
                       "a search that waits")
            assert server.get(messages.rsplit("/", 1)[0]).status == 200
            locker.communicate("ROLLBACK;\n")
            assert timeless(search.answer()).json == [{"number": 1, "body": "x"}]
    finally:
        locker.communicate()


@pytest.mark.parametrize("flags,words", [
    (["--port", "70000"], "--port must be an integer from 0 to 65535"), (["--port"], "--port needs a value"),
    (["--nope"], "--nope is not a flag"), (["nope"], "nope is not a flag"), (["--loops", "0"], "--loops must be"),
])
def test_wrong_flags(flags, words):
    ended = subprocess.run([CHATD, *flags], env=ENVIRONMENT, capture_output=True, text=True, timeout=10, check=False)
    assert ended.returncode == 2 and words in ended.stderr


def test_wrong_variable():
    ended = subprocess.run([CHATD], env={**ENVIRONMENT, "CHATD_PORT": "x"}, capture_output=True, text=True, timeout=10,
                           check=False)
    assert ended.returncode == 2 and "CHATD_PORT must be" in ended.stderr


def test_help_names_every_setting():
    text = subprocess.run([CHATD, "--help"], env=ENVIRONMENT, capture_output=True, text=True, timeout=10, check=True).stdout
    for flag in ("listen", "port", "loops", "database", "writers", "readers", "searchers", "max-connections", "max-queue",
                 "max-body", "idle-timeout", "request-timeout", "write-timeout", "statement-timeout", "access-log"):
        assert "--" + flag in text and "CHATD_" + flag.upper().replace("-", "_") in text


def test_port_that_is_taken(chatd):
    ended = subprocess.run([CHATD, "--port", str(chatd.port)], env=ENVIRONMENT, capture_output=True, text=True, timeout=10,
                           check=False)
    assert ended.returncode == 1 and "Address already in use" in ended.stderr


@pytest.mark.parametrize("loops", ["1", "2"])
def test_port_of_other_loops(start_chatd, loops):
    """It is not shared by accident, but where that is asked for."""
    first = start_chatd("--loops", "2")
    command = [CHATD, "--port", str(first.port), "--loops", loops]
    ended = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=10, check=False)
    assert ended.returncode == 1 and "Address already in use" in ended.stderr
    start_chatd("--loops", loops, "--share-port", "--port", str(first.port))


@pytest.mark.parametrize("address", ["localhost", "localhost:8080", "x"])
def test_address_that_is_none(address):
    ended = subprocess.run([CHATD, "--listen", address], env=ENVIRONMENT, capture_output=True, text=True, timeout=10, check=False)
    assert ended.returncode == 1 and "--listen takes" in ended.stderr and "--port" in ended.stderr


def test_access_log_hides_tokens(start_chatd, token):
    server = start_chatd("--access-log").ready()
    server.get("/applications/%s/chats?limit=5" % token)
    wait_until(lambda: "access: GET /applications/%s.../chats?limit=5 200" % token[:6] in server.log(), "the line")
    assert token not in server.log()
    server.talk(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40000 + b"\r\n\r\n")
    wait_until(lambda: "/healthz 431" in server.log(), "the line")


def test_access_log_hides_tokens_anywhere(start_chatd, token):
    """In a query, in a path that leads nowhere, percent-encoded."""
    server = start_chatd("--access-log").ready()
    encoded = "".join("%%%02x" % ord(digit) for digit in token)
    for path in ("/nope/%s" % token, "/applications?token=%s&x=1" % token, "/applications/%s" % encoded,
                 "/nope?%s" % encoded, "/healthz?end"):
        server.get(path)
    wait_until(lambda: "/healthz?end 200" in server.log(), "the last line")
    assert token not in server.log() and encoded not in server.log()
    assert "/nope/%s... 404" % token[:6] in server.log()
    assert "/applications?token=%s...&x=1 200" % token[:6] in server.log()


def test_log_shows_no_controls(start_chatd, cluster, messages):
    """Text of a client or the database does not control a terminal, and cannot be read as another line."""
    server = start_chatd("--access-log").ready()
    cluster.sql("CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
                " RAISE EXCEPTION USING ERRCODE = 'XX000', MESSAGE = E'caf\\u00e9\\u009b31m\\u202emoc.elpmaxe\\u2028x\\033[2J'; END$$;"
                "CREATE TRIGGER fail BEFORE INSERT ON chat.messages FOR EACH ROW EXECUTE FUNCTION public.fail()")
    try:
        assert server.post(messages, {"body": "x"}).status == 503
    finally:
        cluster.sql("DROP FUNCTION public.fail CASCADE")
    for target in ("/a\u009b31m", "/b\u202emoc.elpmaxe", "/c?\u2066x\u200e", "/d\u2028e", "/f\U000e0041g", "/h\ufeffi", "/j\u061ck"):
        server.talk(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % target.encode())
    server.talk(b"GET /raw\x9b31m HTTP/1.1\r\nHost: x\r\n\r\n")
    server.talk(b"GET /end HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_until(lambda: "/end 404" in server.log(), "the last line")
    text = server.log()
    assert not any(unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp") for character in text.replace("\n", ""))
    for words in ("caf\u00e9\\u009B31m\\u202Emoc.elpmaxe\\u2028x [2J", "/a\\u009B31m", "/b\\u202Emoc", "/c?\\u2066x\\u200E", "/raw\\x9B31m",
                  "/f\\U000E0041g"):
        assert words in text


def test_log_that_nobody_reads(start_chatd):
    """Its pipe fills, and requests are served all the same."""
    reader = "head -n 1 >&2; tail --pid=$$ -f /dev/null"
    server = start_chatd("--access-log", prefix=["bash", "-c", 'exec "$@" 2> >(%s)' % reader, "bash"])
    with server.wire() as wire:
        for _ in range(400):
            assert wire.send(b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 400)).answer().status == 404
