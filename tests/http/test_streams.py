"""Streams of events, and changes that are waited for: nothing missed, nothing twice, whatever happens."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

from conftest import PG_CONFIG, SANITIZED, Chatd, servers, wait_until
from credentials import Secret, bearer, make_jwt, make_key
from event_stream import Ended, EventStream
from test_clients import gateways, start_gateway    # pylint: disable=unused-import
from test_memory import resident
from test_readme import example


@pytest.fixture(scope="module")
def live():
    """A PostgreSQL that has the extension preloaded, so that who waits for changes is told of them."""
    server = servers.Cluster(PG_CONFIG, "chat", {"fsync": "off", "max_connections": 100, "shared_preload_libraries": "pg_chat",
                                                 "pg_chat.direct_rows": os.environ.get("DIRECT_ROWS", "on")}, initdb=["-N"])
    yield server
    server.remove()


@pytest.fixture(scope="module")
def server(live):
    server = Chatd(live.conninfo(), "--max-streams", "4000", "--access-log").ready()
    yield server
    assert server.stop() == 0


@pytest.fixture
def application(live, new_name):
    """The id and the token of an application with three chats."""
    row = live.sql("SELECT id, token FROM chat.create_application('%s')" % new_name).split("|")
    live.sql("SELECT chat.create_chat(%s) FROM generate_series(1, 3)" % row[0])
    return int(row[0]), row[1]


@pytest.fixture
def path(application):
    """Of the messages of its first chat."""
    return "/applications/%s/chats/1/messages" % application[1]


def create(cluster, application, count, chat=1, body="x"):
    """Create messages; the last number."""
    return int(cluster.sql("SELECT max(o.number) FROM chat.create_messages(array_fill(%d, ARRAY[%d]), array_fill(%d, ARRAY[%d]),"
                           " array_fill('%s'::text, ARRAY[%d])) AS o" % (application[0], count, chat, count, body, count)))


def numbers(events):
    assert all(event.name == "message" for event in events), events
    return [event.data["number"] for event in events]


def stream(server, path, *arguments, **options):
    return EventStream(server.port, path, *arguments, **options)


def open_stream(server, path):
    """A stream that is ready, of a server of which perhaps not all loops are."""
    while True:
        events = stream(server, path)
        if events.next().name == "ready":
            return events
        events.close()


@contextlib.contextmanager
def waiting(server, path, after, more="", log=True, header=""):
    """A connection whose request waits for changes: chatd has logged it, if it has a log of requests, and keeps it."""
    query = "changes?after=%s&wait=60%s" % (after, more)
    entry = "%s.../chats/1/messages/%s 200 0 " % (path[14:20], query)
    with server.wire() as wire:
        wire.send(("GET %s/%s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (path, query, header)).encode())
        wait_until(lambda: not log or entry in server.log(), "the request to wait")
        yield wire


def test_a_stream(server, live, application, path):
    with stream(server, path + "/stream") as events:
        assert events.status == 200
        assert events.headers.pop("x-request-id")
        assert events.headers == {"content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no",
                                  "connection": "close"}
        assert events.ready() == ("ready", "0.0", {"position": "0.0"})
        assert 1000 <= events.retry <= 3000
        posted = server.post(path, {"body": "by REST: \u2028 \n\r\n\n}{\"\\"}).json
        assert events.next() == ("message", "1.0", posted)
        live.sql("SELECT chat.create_message(%d, 1, 'by SQL')" % application[0])
        assert events.next() == ("message", "2.0", server.get(path + "/2").json)
        live.sql("INSERT INTO chat.messages (application_id, chat_number, body) VALUES (%d, 1, 'directly')" % application[0])
        assert events.next() == ("message", "3.0", server.get(path + "/3").json)
        live.sql("BEGIN; SELECT chat.create_message(%d, 1, 'x'); ROLLBACK" % application[0])
        create(live, application, 5, chat=2)
        create(live, application, 3)
        assert numbers(events.take(3)) == [4, 5, 6]
        assert events.is_silent()


@pytest.mark.parametrize("preloaded", [True, False])
def test_another_chatd(live, cluster, start_chatd, new_name, preloaded):
    """Streams of one see what is posted on another, and with several loops; without the library preloaded, too."""
    database = (live if preloaded else cluster).conninfo()
    one, other = start_chatd(database=database).ready(), start_chatd("--loops", "2", database=database).ready()
    token = one.post("/applications", {"name": new_name}).json["token"]
    one.post("/applications/%s/chats" % token)
    path = "/applications/%s/chats/1/messages" % token
    streams = [open_stream(server, path + "/stream") for server in (one, other, one, other, other, other)]
    for number in range(1, 11):
        assert (one, other)[number % 2].post(path, {"body": "x"}).json["number"] == number
        assert [numbers([events.next()]) for events in streams] == [[number]] * len(streams)


def test_resuming(server, live, application, path):
    """From each position the rest comes, each message once, in order; the header wins; several pages, too."""
    create(live, application, 30)
    for position in (0, 1, 17, 29):
        for arguments in ((path + "/stream", str(position)), (path + "/stream?last_event_id=%d.0" % position,),
                          (path + "/stream?last_event_id=3", "%d.0" % position)):
            with stream(server, *arguments) as events:
                assert events.ready().data == {"position": "%d.0" % position}
                assert numbers(events.take(30 - position)) == list(range(position + 1, 31))
                assert events.id == "30.0"
    with stream(server, path + "/stream", "30") as events, stream(server, path + "/stream", "") as others:
        assert events.ready().id == others.ready().id.split(".")[0] + ".0" == "30.0"
        create(live, application, 2500)
        assert numbers(events.take(2500)) == numbers(others.take(2500)) == list(range(31, 2531))
    with stream(server, path + "/stream", "1.0") as events:
        events.ready()
        assert numbers(events.take(2529)) == list(range(2, 2531))


def test_joining_while_it_goes_on(server, live, application, path):
    """Streams that begin anywhere at any time come to be at one position, and share what they are sent."""
    stop = threading.Event()

    def write():
        while not stop.is_set():
            create(live, application, 3)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        streams = [stream(server, path + "/stream", None if n % 2 else "0.0") for n in range(40)]
        firsts = [int(events.ready().id.split(".")[0]) for events in streams]
        for events, first in zip(streams, firsts):
            assert numbers(events.take(30)) == list(range(first + 1, first + 31))
    finally:
        stop.set()
        writer.join()
    last = create(live, application, 1)
    for events, first in zip(streams, firsts):
        assert numbers(events.take(last - first - 30)) == list(range(first + 31, last + 1))
        events.close()


def test_ready_is_never_early(server, live, application, path):
    """What is committed after it comes, and nothing that was committed before a stream from now was asked for."""
    session = live.session("SELECT 1")
    last = 0
    for _ in range(100):
        with stream(server, path + "/stream") as events:
            assert int(events.ready().id.split(".")[0]) == last
            session.stdin.write("SELECT chat.create_message(%d, 1, 'x');\n" % application[0])
            session.stdin.flush()
            last += 1
            assert numbers([events.next()]) == [last]
    session.communicate()


@pytest.mark.parametrize("position", ["x", "1.", ".1", "-1", "1.0.0", "01", "2147483648", "1,2", "1:1", "%00", "1.0%20"])
def test_positions_that_are_none(server, path, position):
    answer = server.get(path + "/stream?last_event_id=" + position)
    assert answer.status == 400 and list(answer.json) == ["error"]
    answer = server.get(path + "/changes?after=" + position)
    assert answer.status == 400 and list(answer.json) == ["error"]


def test_other_requests(server, path, application):
    """What EventSource does not come back after is said by status; HEAD has the head."""
    chats = "/applications/%s/chats" % application[1]
    for wrong in (chats + "/4/messages/stream", chats + "/x/messages/stream", chats + "/4/messages/changes",
                  "/applications/nope/chats/1/messages/stream", "/applications/nope/stream", "/applications/nope/stream?chats=1"):
        answer = server.get(wrong)
        assert answer.status == 404 and list(answer.json) == ["error"], wrong
    assert server.get("/applications/%s/stream?chats=1,4" % application[1]).json == {"error": "Chat with number 4 not found"}
    for wrong in ("chats=", "chats=0", "chats=1,1", "chats=1,", "chats=x", "chats=1&chats=2", "last_event_id=1.0", "last_event_id=1:1,1:2",
                  "chats=" + ",".join(map(str, range(1, 258))), *("last_event_id=" + ",".join("%d:0.0" % chat for chat in range(1, 1 + count))
                                                                  for count in (257, 258, 600))):
        assert server.get("/applications/%s/stream?%s" % (application[1], wrong)).status == 400, wrong
    assert server.post(path + "/stream", {"body": "x"}).status == 405
    answer = server.request("HEAD", path + "/stream")
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "text/event-stream", b"")
    for wrong in ("wait=61", "wait=-1", "wait=x", "limit=0", "limit=1001", "after=1&after=2"):
        assert server.get(path + "/changes?" + wrong).status == 400, wrong


def test_a_position_that_never_was(server, live, application, path):
    """As after a backup was restored: a reset says where the chat is, and the stream goes on from there."""
    create(live, application, 3)
    for position in ("4.0", "3.1", "2147483647.0"):
        with stream(server, path + "/stream", position) as events:
            event = events.next()
            assert (event.name, event.id, event.data["position"]) == ("reset", "3.0", "3.0")
            assert events.ready().id == "3.0"
        answer = server.get(path + "/changes?wait=5&after=" + position)
        assert answer.status == 400 and answer.json["position"] == "3.0"
    with stream(server, "/applications/%s/stream?chats=1,2" % application[1], "1:9.0,2:0.0") as events:
        event = events.next()
        assert (event.name, event.id, event.data["chat_number"], event.data["position"]) == ("reset", "1:3.0,2:0.0", 1, "3.0")
        assert events.ready().id == "1:3.0,2:0.0"
    # It happens under streams that are open.
    with stream(server, path + "/stream") as events, stream(server, path + "/stream", "1.0") as others:
        events.ready(), others.ready(), others.take(2)
        live.sql("SET session_replication_role = replica; DELETE FROM chat.messages WHERE application_id = %d AND number > 1;"
                 "UPDATE chat.chats SET last_message_number = 1, messages_count = 1 WHERE application_id = %d AND number = 1"
                 % (application[0], application[0]))
        assert [(event.name, event.data["position"]) for event in (events.next(), others.next())] == [("reset", "1.0")] * 2
        create(live, application, 1)
        assert events.next().id == others.next().id == "2.0"


def test_many_chats(server, live, application):
    """One stream for chats that are named, or for all, new ones included; its id says where each is."""
    base = "/applications/%s/stream" % application[1]
    create(live, application, 5, chat=2)
    with stream(server, base + "?chats=3,1") as some, stream(server, base) as every:
        assert some.ready() == ("ready", "3:0.0,1:0.0", {"position": "3:0.0,1:0.0"})
        assert every.ready().id == "1:0.0,2:5.0,3:0.0"
        create(live, application, 1, chat=1)
        assert some.next().id == "3:0.0,1:1.0"
        event = every.next()
        assert (event.id, event.data["chat_number"], event.data["number"]) == ("1:1.0,2:5.0,3:0.0", 1, 1)
        assert list(event.data)[:3] == ["chat_number", "number", "body"]
        create(live, application, 2, chat=2)
        assert [event.id for event in every.take(2)] == ["1:1.0,2:6.0,3:0.0", "1:1.0,2:7.0,3:0.0"]
        assert some.is_silent()
        live.sql("SELECT chat.create_chat(%d), chat.create_message(%d, 4, 'new')" % (application[0], application[0]))
        assert every.next().id == "1:1.0,2:7.0,3:0.0,4:1.0"
    create(live, application, 2, chat=3)
    live.sql("SELECT chat.create_chat(%d), chat.create_message(%d, 5, 'newer')" % (application[0], application[0]))
    with stream(server, base, "1:1.0,2:6.0,3:1.0,4:0.0") as events:
        events.ready()
        seen = sorted((event.data["chat_number"], event.data["number"]) for event in events.take(4))
        assert seen == [(2, 7), (3, 2), (4, 1), (5, 1)]
        assert events.id == "1:1.0,2:7.0,3:2.0,4:1.0,5:1.0"
    with stream(server, base + "?chats=1,3,5", "1:1.0,2:6.0,3:1.0") as events:
        assert events.ready().id == "1:1.0,3:1.0,5:1.0"
        assert events.next().id == "1:1.0,3:2.0,5:1.0"


def test_a_chat_that_is_deleted(server, live, application, path):
    base = "/applications/%s/stream" % application[1]
    create(live, application, 1)
    with stream(server, path + "/stream") as one, stream(server, base + "?chats=1,2") as two:
        one.ready(), two.ready()
        live.sql("DELETE FROM chat.chats WHERE application_id = %d AND number = 1" % application[0])
        assert one.rest() == ([], "closed")
        assert two.next()[::2] == ("gone", {"chat_number": 1})
        create(live, application, 1, chat=2)
        assert two.next().id == "2:1.0"
        live.sql("SELECT chat.rotate_token(%d)" % application[0])
        create(live, application, 1, chat=2)
        assert two.next()[::2] == ("gone", {"chat_number": 2})


@pytest.mark.parametrize("count", [1, 1001])
def test_what_is_deleted_as_a_whole(server, live, application, path, count):
    """A chat, or its application, by the functions: whether its rows go at once or later, who follows it is told at once, and that is final."""
    base = "/applications/%s/stream" % application[1]
    create(live, application, count)
    create(live, application, count, chat=2)
    with stream(server, path + "/stream") as one, stream(server, base + "?chats=1,2") as two, stream(server, base) as every, \
         stream(server, base + "?chats=3") as third, waiting(server, path, "%d.0" % count) as wire:
        for events in one, two, every, third:
            events.ready()
        assert live.sql("SELECT chat.delete_chat(%d, 1)" % application[0]) == ("t" if count == 1 else "f")
        assert one.rest() == ([], "closed")
        assert wire.answer().status == 404
        for events in two, every:
            assert events.next()[::2] == ("gone", {"chat_number": 1})
        assert server.get(path + "/stream").status == server.get(base + "?chats=1,2").status == 404
        create(live, application, 1, chat=2)
        assert two.next().data["number"] == every.next().data["number"] == count + 1
        live.sql("SELECT chat.delete_application(%d)" % application[0])
        for events, chats in (two, {2}), (every, {2, 3}), (third, {3}):
            gone, how = events.rest()
            assert how == "closed"
            assert {event.data["chat_number"] for event in gone} <= chats and {event.name for event in gone} <= {"gone"}
        assert server.get(base).status == server.get(base + "?chats=3").status == 404


def test_errors_of_a_request_that_waits(server, live, application, path):
    """They have the form that its client asks for."""
    create(live, application, 1)
    with waiting(server, path, "1.0") as plain, waiting(server, path, "1.0", "&limit=7", header="Accept: application/problem+json\r\n") as problem:
        live.sql("SELECT chat.delete_chat(%d, 1)" % application[0])
        for wire, kind, body in ((plain, "application/json; charset=utf-8", {"error": "Chat not found"}),
                                 (problem, "application/problem+json", {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "Chat not found"})):
            answer = wire.answer()
            assert answer.status == 404 and answer.headers["content-type"] == kind and answer.json == body


def test_an_application_without_chats(server, live, new_name):
    """Its first chat is found as later ones are, also by who comes again."""
    number, token = live.sql("SELECT id, token FROM chat.create_application('%s')" % new_name).split("|")
    with stream(server, "/applications/%s/stream" % token) as events:
        assert events.ready() == ("ready", "0:0.0", {"position": "0:0.0"})
        live.sql("SELECT chat.create_chat(%s); SELECT chat.create_message(%s, 1, 'first')" % (number, number))
        assert events.next().id == "1:1.0"
        live.sql("SELECT chat.create_message(%s, 1, 'second')" % number)
        assert events.next().id == "1:2.0"
    with stream(server, "/applications/%s/stream" % token, "0:0.0") as events:
        assert events.ready().id == "1:0.0"
        assert numbers(events.take(2)) == [1, 2]


def test_cursors_of_readers(server, live, application, path):
    """If asked for, streams tell of all cursors at first, and of those that move, however they do."""
    number, token = application
    create(live, application, 3)
    live.sql("SELECT chat.set_cursor(%d, 1, 'ann', 2), chat.set_cursor(%d, 1, 'bob', 1), chat.set_cursor(%d, 2, 'cay', 0)" % (number, number, number))

    def cursors(events, count):
        return {(event.name, event.data["chat_number"], event.data["reader"], event.data["number"]) for event in events.take(count)}

    with stream(server, path + "/stream?cursors=true") as one, stream(server, "/applications/%s/stream?cursors=true" % token) as every, \
         stream(server, path + "/stream") as without:
        for events in one, every, without:
            events.ready()
        first = {("cursor", 1, "ann", 2), ("cursor", 1, "bob", 1)}
        assert cursors(one, 2) == first
        assert cursors(every, 3) == first | {("cursor", 2, "cay", 0)}
        live.sql("SELECT chat.set_cursor(%d, 1, 'bob', 3)" % number)
        assert cursors(one, 1) == cursors(every, 1) == {("cursor", 1, "bob", 3)}
        posted = server.post_json(path, json.dumps({"data": {"body": "x", "sender": "ann", "move_cursor": True}})).json
        assert posted["number"] == 4
        for events in one, every:
            told = {event.name: event.data["number"] for event in events.take(2)}
            assert told == {"message": 4, "cursor": 4}
        live.sql("DELETE FROM chat.cursors WHERE application_id = %d AND reader = 'bob'" % number)
        assert cursors(one, 1) == cursors(every, 1) == {("cursor", 1, "bob", None)}
        assert numbers(without.take(1)) == [4]
        assert without.is_silent()


def test_waiting_for_changes(server, live, application, path):
    """The same by requests that wait."""
    assert server.get(path + "/changes").json == server.get(path + "/changes?wait=1").json == []
    create(live, application, 3)
    answer = server.get(path + "/changes?after=1&wait=20")
    assert [(change["position"], change["event"], change["message"]["number"]) for change in answer.json] == [
        ("2.0", "created", 2), ("3.0", "created", 3)]
    assert "keep-alive" in answer.headers
    assert [change["position"] for change in server.get(path + "/changes?limit=2&wait=5").json] == ["1.0", "2.0"]
    assert server.request("HEAD", path + "/changes?after=3.0&wait=60").status == 200

    with waiting(server, path, "3.0") as wire:
        message = server.post(path, {"body": "at last"}).json
        answer = wire.answer()
        assert answer.status == 200 and answer.headers["connection"] == "close"
        assert answer.json == [{"position": "4.0", "event": "created", "message": message}]
        assert wire.is_closed()
    with waiting(server, path, "4.0", "&limit=2") as wire:
        create(live, application, 3)
        assert [change["position"] for change in wire.answer().json] == ["5.0", "6.0"]
    with waiting(server, path, "7.0") as wire:
        live.sql("SELECT chat.delete_chat(%d, 1)" % application[0])
        assert wire.answer().status == 404


def test_a_client_that_does_not_read(start_chatd, live, application, path):
    """It costs a bounded buffer, holds up nobody, and misses nothing when it reads on."""
    server = start_chatd(database=live.conninfo()).ready()
    slow = [stream(server, path + "/stream") for _ in range(4)]
    quick = stream(server, path + "/stream")
    for events in slow + [quick]:
        events.ready()
    before = resident(server)
    for _ in range(10):
        create(live, application, 20, body="x" * 20000)
        assert len(quick.take(20)) == 20
    assert SANITIZED or resident(server) < before + 16
    for events in slow:
        assert numbers(events.take(200)) == list(range(1, 201))
        events.close()


def test_a_client_that_never_reads(start_chatd, live, application, path):
    """It is cut off, and misses nothing when it comes again."""
    server = start_chatd("--write-timeout", "1", database=live.conninfo()).ready()
    with stream(server, path + "/stream") as events:
        events.ready()
        create(live, application, 200, body="x" * 20000)
        wait_until(lambda: pathlib.Path("/proc/net/tcp").read_text().count(":%04X 0100007F:%04X 01" % (server.port, events.socket.getsockname()[1])) == 0,
                   "the connection to be closed")
        seen = numbers(events.rest()[0])
        assert seen == list(range(1, len(seen) + 1)) and len(seen) < 200
        with stream(server, path + "/stream", events.id) as again:
            again.ready()
            assert numbers(again.take(200 - len(seen))) == list(range(len(seen) + 1, 201))


def test_much_for_a_client_that_does_not_read(start_chatd, live, new_name):
    """What it is told whether it has room or not does not pile up: it is cut off, and others go on."""
    server = start_chatd(database=live.conninfo()).ready()
    number, token = live.sql("SELECT id, token FROM chat.create_application('%s')" % new_name).split("|")
    live.sql("SELECT count(chat.create_chat(%s)) FROM generate_series(1, 200)" % number)
    base = "/applications/%s/stream" % token
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.connect(("127.0.0.1", server.port))
    with EventStream(server.port, base, target=small) as slow, stream(server, base) as quick:
        slow.ready(), quick.ready()
        create(live, (int(number),), 500, body="x" * 20000)
        assert numbers(quick.take(500)) == list(range(1, 501))
        live.sql("SELECT chat.delete_application(%s)" % number)
        gone, how = quick.rest()
        assert how == "closed" and {event.name for event in gone} <= {"gone"}
        seen, how = slow.rest()
        assert how in ("closed", "reset")
        seen = numbers([event for event in seen if event.name == "message"])
        assert seen == list(range(1, len(seen) + 1))
    assert server.get("/readyz").status == 200
    # Many resets at once are one text.
    number, token = live.sql("SELECT id, token FROM chat.create_application('%s again')" % new_name).split("|")
    live.sql("SELECT count(chat.create_chat(%s)) FROM generate_series(1, 256)" % number)
    with stream(server, "/applications/%s/stream" % token, ",".join("%d:1.1" % chat for chat in range(1, 257))) as events:
        assert [(event.name, event.data["chat_number"]) for event in events.take(256)] == [("reset", chat) for chat in range(1, 257)]
        assert events.ready().id == ",".join("%d:0.0" % chat for chat in range(1, 257))


def test_clients_that_vanish(start_chatd, live, path):
    """Those that are half closed, reset, or gone before the answer: descriptors and memory come back."""
    server = start_chatd("--max-streams", "1200", database=live.conninfo()).ready()
    descriptors = pathlib.Path("/proc/%d/fd" % server.process.pid)
    count = len(list(descriptors.iterdir()))

    def open_and_leave(how_many):
        for n in range(how_many):
            if n % 3 == 0:
                with server.wire() as wire:
                    wire.send(b"GET %s/stream HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode())
                continue
            events = stream(server, path + "/stream")
            events.ready()
            if n % 3 == 1:
                events.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                events.close()
            else:
                events.socket.shutdown(socket.SHUT_WR)
                assert events.rest()[1] == "closed"
                events.close()
        wait_until(lambda: len(list(descriptors.iterdir())) <= count, "descriptors to come back")

    open_and_leave(300)
    before = resident(server)
    open_and_leave(3000)
    assert SANITIZED or resident(server) < before + 2


def test_too_many(start_chatd, live, path):
    """Of all, and of one address: a stream that says so, and asks to come again."""
    server = start_chatd("--max-streams", "16", database=live.conninfo()).ready()
    streams = [stream(server, path + "/stream") for _ in range(14)]
    for events in streams:
        events.ready()
    with stream(server, path + "/stream") as refused:
        assert refused.status == 200 and refused.headers["content-type"] == "text/event-stream"
        assert refused.rest() == ([("unavailable", None, {"error": "There are too many streams."})], "closed")
        assert 1000 <= refused.retry <= 3000
    answer = server.get(path + "/changes?wait=5")
    assert answer.status == 503 and answer.headers["retry-after"] == "1"
    others = [stream(server, path + "/stream", address="127.0.0.2") for _ in range(2)]
    for events in others:
        events.ready()
    with stream(server, path + "/stream", address="127.0.0.3") as refused:
        assert refused.next().name == "unavailable"
    streams.pop().close()
    wait_until(lambda: stream(server, path + "/stream").next().name == "ready", "room")
    assert server.get(path).status == 200


@pytest.fixture
def guarded(start_chatd, live):
    """A chatd that wants credentials."""
    return start_chatd("--require-keys", "--access-log", "--key-streams", "3", "--user-streams", "2", database=live.conninfo()).ready()


def test_credentials_that_end(guarded, live, application, path):
    """A stream ends when its key is revoked or expires, its user's token ends, or what that was signed with is revoked; others go on."""
    number, token = application
    secret, another = Secret(live, number), Secret(live, number)
    keys = [make_key(live, "read", number) for _ in range(3)]
    users = [make_jwt(secret), make_jwt(another), make_jwt(another, sub="bob", exp=int(time.time()) - 2)]
    streams = {name: stream(guarded, path + "/stream", headers=bearer(name)) for name in keys + users}
    across = stream(guarded, "/applications/%s/stream?chats=1" % token, headers=bearer(keys[0]))
    for events in [*streams.values(), across]:
        events.ready()
    poll = guarded.wire()
    poll.send(b"GET %s/changes?wait=60 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n" % (path.encode(), keys[0].encode()))
    wait_until(lambda: "/changes?wait=60 200" in guarded.log(), "the request to wait")

    def ends(credential):
        assert streams.pop(credential).rest() == ([], "closed")
        with stream(guarded, path + "/stream", headers=bearer(credential)) as refused:
            assert refused.status == 401

    live.sql("SELECT chat.revoke_key(%s)" % keys[0].split("_")[1])
    ends(keys[0])
    assert across.rest() == ([], "closed") and poll.answer() is None
    live.sql("UPDATE chat.api_keys SET expires_at = now() WHERE id = %s" % keys[1].split("_")[1])
    ends(keys[1])
    ends(users[2])
    live.sql("SELECT chat.revoke_signing_key(%d, '%s')" % (number, secret.kid))
    ends(users[0])
    create(live, application, 1)
    assert {numbers([events.next()])[0] for events in streams.values()} == {1} and set(streams) == {keys[2], users[1]}


def test_too_many_of_a_credential(guarded, live, application, path):
    """A key or a user has so many streams, of whatever kind and by whatever credential; others have theirs."""
    secret = Secret(live, application[0])
    for limit, one, same, other in (
            (3, *[make_key(live, "read", application[0])] * 2, make_key(live, "read", application[0])),
            (2, make_jwt(secret), make_jwt(secret, chats="all"), make_jwt(secret, sub="bob"))):
        streams = [stream(guarded, path + "/stream", headers=bearer(one)) for _ in range(limit)]
        for events in streams:
            events.ready()
        with stream(guarded, "/applications/%s/stream?chats=1" % application[1], headers=bearer(same)) as refused:
            assert refused.rest() == ([("unavailable", None, {"error": "The credential has too many streams."})], "closed")
        assert guarded.request("GET", path + "/changes?wait=5", headers=bearer(same)).status == 503
        assert guarded.request("GET", path + "/changes", headers=bearer(same)).status == 200
        with stream(guarded, path + "/stream", headers=bearer(other)) as events:
            events.ready()
        streams.pop().close()
        wait_until(lambda: stream(guarded, path + "/stream", headers=bearer(same)).next().name == "ready", "room")


def test_stopping(start_chatd, live, application, path):
    """SIGTERM ends streams in good order, and clients go on elsewhere."""
    one, other = (start_chatd("--access-log", database=live.conninfo()).ready() for _ in range(2))
    streams = [stream(one, path + "/stream") for _ in range(50)]
    for events in streams:
        events.ready()
    create(live, application, 1000)
    with waiting(one, path, "1000.0") as wire:
        one.process.send_signal(signal.SIGTERM)
        assert wire.answer().json == []
    for events in streams:
        seen, how = events.rest()
        assert how == "closed"
        with stream(other, path + "/stream", events.id) as again:
            again.ready()
            assert numbers(seen + again.take(1000 - len(seen))) == list(range(1, 1001))
    assert one.process.wait(10) == 0


def test_the_database_goes_away(start_chatd, live, application, path):
    """Streams stay and go on; new ones say that they cannot be had now."""
    server = start_chatd("--access-log", database=live.conninfo()).ready()
    with stream(server, path + "/stream") as events:
        events.ready()
        create(live, application, 1)
        assert events.next().id == "1.0"
        for mode in ("fast", "immediate"):
            live.stop(mode)
            wait_until(lambda: server.get("/readyz").status == 503, "chatd to notice")
            with stream(server, path + "/stream") as refused:
                assert refused.status == 200
                assert refused.rest() == ([("unavailable", None, {"error": "The database is not available."})], "closed")
            assert server.get(path + "/changes").status == 503
            live.start()
            server.ready()
            last = create(live, application, 3)
            assert numbers(events.take(3)) == list(range(last - 2, last + 1))
        live.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'chatd'")
        last = create(live, application, 1)
        assert numbers([events.next()]) == [last]
    assert re.search(r"access: GET /applications/\w{6}\.\.\./chats/1/messages/stream 200 ", server.log())


def test_a_database_that_is_not_there(start_chatd, path, application):
    """From the start: streams say so, and ask to come again."""
    server = start_chatd(database="host=/nowhere dbname=chat")
    for target in path + "/stream", "/applications/%s/stream?chats=1" % application[1]:
        with stream(server, target) as refused:
            assert refused.status == 200 and refused.headers["content-type"] == "text/event-stream"
            (name, _, data), = refused.rest()[0]
            assert name == "unavailable" and list(data) == ["error"]
            assert 1000 <= refused.retry <= 3000
    answer = server.get(path + "/changes?wait=5")
    assert answer.status == 503 and answer.headers["retry-after"]


def test_changes_that_nothing_tells_of(server, live, application, path):
    """Rows that are written without triggers are found within a second or so."""
    with stream(server, path + "/stream") as events:
        events.ready()
        live.sql("ALTER TABLE chat.messages DISABLE TRIGGER USER; ALTER TABLE chat.chats DISABLE TRIGGER USER;"
                 "INSERT INTO chat.messages (application_id, chat_number, number, body, revision) VALUES (%d, 1, 1, 'hidden', NULL);"
                 "UPDATE chat.chats SET last_message_number = 1, messages_count = 1 WHERE application_id = %d AND number = 1;"
                 "ALTER TABLE chat.messages ENABLE TRIGGER USER; ALTER TABLE chat.chats ENABLE TRIGGER USER" % (application[0], application[0]))
        assert events.next().data["body"] == "hidden"


def test_a_heartbeat(server, path):
    """So that proxies keep the connection, and that chatd finds clients that are gone."""
    with stream(server, path + "/stream") as events:
        events.ready()
        assert events.until(b"\n\n") == b":"


@gateways
def test_through_a_gateway(server, live, application, path, start_gateway, tmp_path):
    """Each event comes at once, and the end of a stream is its end."""
    start_gateway(server)
    with socket.socket(socket.AF_UNIX) as target:
        target.connect(str(tmp_path / "socket"))
        with EventStream(None, "/chat" + path + "/stream", headers={"Connection": "keep-alive"}, target=target) as events:
            if events.headers.get("transfer-encoding") == "chunked":
                pytest.skip("a gateway that chunks is tried by curl")
            events.ready()
            for number in range(1, 6):
                create(live, application, 1)
                assert events.next().data["number"] == number


@gateways
def test_curl_through_a_gateway(server, live, application, path, start_gateway, tmp_path):
    start_gateway(server)
    with subprocess.Popen(["curl", "-sN", "--unix-socket", tmp_path / "socket", "http://x/chat" + path + "/stream"],
                          stdout=subprocess.PIPE, text=True) as curl:
        def line(start):
            while True:
                text = curl.stdout.readline()
                assert text
                if text.startswith(start):
                    return text[len(start):].strip()

        assert line("event: ") == "ready"
        for number in range(1, 6):
            create(live, application, 1)
            assert json.loads('{"number":' + line('data: {"number":'))["number"] == number
        curl.kill()


@pytest.fixture
def standby(live):
    server = servers.Standby(live)
    yield server
    server.remove()


def test_a_standby(live, standby, start_chatd, application, path):
    """A chatd on it streams what the other writes; who was ahead of it is not reset, and streams go on when it takes over."""
    primary, secondary = start_chatd(database=live.conninfo()).ready(), start_chatd(database=standby.conninfo())
    wait_until(lambda: secondary.get(path).status == 200, "the chat on the standby")
    with stream(primary, path + "/stream") as ahead, open_stream(secondary, path + "/stream") as behind:
        ahead.ready()
        create(live, application, 5)
        assert numbers(ahead.take(5)) == numbers(behind.take(5)) == [1, 2, 3, 4, 5]
        standby.sql("SELECT pg_wal_replay_pause()")
        wait_until(lambda: standby.sql("SELECT pg_get_wal_replay_pause_state()") == "paused", "the pause")
        create(live, application, 3)
        assert numbers(ahead.take(3)) == [6, 7, 8]
        assert secondary.get(path + "/changes?after=" + ahead.id).json == []
        with stream(secondary, path + "/stream", ahead.id) as again, waiting(secondary, path, ahead.id, log=False) as poll:
            assert again.ready().id == "8.0"
            standby.sql("SELECT pg_wal_replay_resume()")
            assert numbers(behind.take(3)) == [6, 7, 8]
            live.sql("SELECT chat.update_message(%d, 1, 7, 'edited')" % application[0])
            assert [events.next()[:2] for events in (again, behind)] == [("updated", "8.1")] * 2
            assert [change["position"] for change in poll.answer().json] == ["8.1"]
            standby.promote()
            create(standby, application, 2)
            assert numbers(again.take(2)) == numbers(behind.take(2)) == [9, 10]


def test_python_of_the_readme(start_chatd, live, application, path):
    """The example in frontend/README.md follows a chat over a restart."""
    namespace = {}
    exec(example("follow"), namespace)    # pylint: disable=exec-used
    server = start_chatd(database=live.conninfo()).ready()
    create(live, application, 2)
    changes = namespace["follow"](server.url + path.rpartition("/")[0], "1.0")
    assert [next(changes)[:2] for _ in range(1)] == [("2.0", "created")]
    live.sql("SELECT chat.update_message(%d, 1, 1, 'edited'), chat.delete_message(%d, 1, 2)" % (application[0], application[0]))
    assert [(position, event, message["number"]) for position, event, message in (next(changes), next(changes))] == [
        ("2.1", "updated", 1), ("2.2", "deleted", 2)]
    server.process.kill()
    server.process.wait()
    create(live, application, 1)
    start_chatd("--port", str(server.port), database=live.conninfo()).ready()
    position, event, message = next(changes)
    assert (position, event, message["number"]) == ("3.2", "created", 3)
