"""What many streams and waiting requests are sent takes bounded memory, and nobody misses any of it."""

import concurrent.futures
import contextlib
import os

import pytest

from conftest import SANITIZED
from test_shares import peak_memory, reset_peak
from test_streams import create, live, numbers, stream, waiting    # pylint: disable=unused-import

CHATS = 256
BATCH = 1000
STREAMS = int(os.environ.get("CHAT_SHARED_STREAMS", "40"))


@pytest.fixture
def application(live, new_name):
    """The id and the token of an application with many chats."""
    row = live.sql("SELECT id, token FROM chat.create_application('%s')" % new_name).split("|")
    live.sql("SELECT chat.create_chat(%s) FROM generate_series(1, %d)" % (row[0], CHATS))
    return int(row[0]), row[1]


@pytest.fixture
def server(start_chatd, live):
    return start_chatd("--access-log", database=live.conninfo()).ready()


def behind(events, number):
    """The id of a stream of all chats that has seen this many messages of the first one."""
    return events.id.replace(events.id.split(",", 1)[0], "1:%d.0" % number, 1)


def test_streams_across_many_chats(server, live, application):
    """Those that do not read hold no more than a buffer each, though each event has the positions of all chats."""
    path = "/applications/%s/stream" % application[1]
    unread = [stream(server, path) for _ in range(STREAMS)]
    for events in unread:
        events.ready()
    with stream(server, path) as events:
        events.ready()
        assert events.id.count(":") == CHATS
        reset_peak(server)
        before = peak_memory(server)
        assert create(live, application, BATCH) == BATCH
        last = create(live, application, 3, chat=CHATS)
        first = events.take(BATCH + last)
        assert SANITIZED or peak_memory(server) < before + 8 + 0.25 * STREAMS
    for chat, count in ((1, BATCH), (CHATS, last)):
        own = [event for event in first if event.data["chat_number"] == chat]
        assert numbers(own) == list(range(1, count + 1))
    # What each has seen is in its id: who comes again with that gets the rest, in whatever parts it was sent.
    for seen in (1, 14, 15, 16, 17, 500, 999):
        with stream(server, path, behind(events, seen)) as rest:
            rest.ready()
            assert numbers(rest.take(BATCH - seen)) == list(range(seen + 1, BATCH + 1))
            assert rest.is_silent() and rest.id == events.id
    for events in unread[:3]:
        assert {(event.data["chat_number"], event.data["number"]) for event in events.take(BATCH + last)} == \
            {(event.data["chat_number"], event.data["number"]) for event in first}
    for events in unread:
        events.close()


def test_few_chats(server, live, application):
    """Streams of several chats at once, with others of one of them: all get all, once and in order."""
    base = "/applications/%s" % application[1]
    paths = [base + "/stream?chats=1,2,3", base + "/chats/1/messages/stream", base + "/stream", base + "/stream?chats=1"]
    streams = [stream(server, path) for path in paths * 3]
    for events in streams:
        events.ready()
    for size in (1, 700, 20000):
        start = create(live, application, 1)
        count = 400 if size > 10000 else BATCH
        assert create(live, application, count, body="x" * size) == start + count
        for events in streams:
            assert numbers(events.take(count + 1)) == list(range(start, start + count + 1))
    for events in streams:
        events.close()


def test_requests_that_wait(server, live, application):
    """Their answers are made as there is memory for them."""
    path = "/applications/%s/chats/1/messages" % application[1]
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(waiting(server, path, "0.0", "&limit=7"))]
        wires += [stack.enter_context(waiting(server, path, "0.0", "&limit=1000", log=False)) for _ in range(4 * STREAMS)]
        stack.enter_context(waiting(server, path, "0.0", "&limit=1000"))
        reset_peak(server)
        before = peak_memory(server)
        assert create(live, application, BATCH, body="x" * 700) == BATCH
        with concurrent.futures.ThreadPoolExecutor(len(wires)) as readers:
            answers = list(readers.map(lambda wire: [change["message"]["number"] for change in wire.answer().json], wires))
        assert answers[0] == list(range(1, 8))
        assert all(len(answer) >= 7 and answer == list(range(1, len(answer) + 1)) for answer in answers)
        assert SANITIZED or peak_memory(server) < before + 75
