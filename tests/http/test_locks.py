"""Locks and refusals of others affect only the requests that need the locked or refused thing."""

import time

import pytest

from conftest import timeless, wait_for_attempt
from test_concurrency import in_parallel

FORM = b"Host: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s"


def post(wire, path, data):
    """Send a POST, without waiting for its answer."""
    return wire.send(b"POST %s HTTP/1.1\r\n" % path.encode() + FORM % (len(data), data))


def timed(work):
    began = time.monotonic()
    answer = work()
    return answer, time.monotonic() - began


@pytest.fixture
def two_chats(chatd, chats):
    """The paths of the messages of two chats, and a command that locks the first."""
    chatd.post(chats)
    chatd.post(chats)
    lock = ("BEGIN; SELECT number FROM chat.chats WHERE number = 1 AND application_id ="
            " (SELECT id FROM chat.applications WHERE token = '%s') FOR UPDATE" % chats.split("/")[2])
    return chats + "/1/messages", chats + "/2/messages", lock


@pytest.mark.parametrize("writers", ["1", "2"])
def test_a_locked_chat_delays_no_other(start_chatd, cluster, two_chats, writers):
    server = start_chatd("--writers", writers).ready()
    locked, free, lock = two_chats
    locker = cluster.session(lock)
    wires = [server.wire() for _ in range(20)]
    try:
        for wire in wires:
            post(wire, locked, b"data[body]=late")
        wait_for_attempt(cluster)
        for _ in range(50):
            answer, seconds = timed(lambda: server.post(free, {"body": "soon"}))
            assert answer.status == 201 and seconds < 1
        locker.communicate("ROLLBACK;\n")
        assert sorted(wire.answer().json["number"] for wire in wires) == list(range(1, 21))
    finally:
        locker.communicate()
        for wire in wires:
            wire.socket.close()


def test_messages_of_a_locked_chat_keep_their_order(start_chatd, cluster, two_chats):
    server = start_chatd("--writers", "1").ready()
    locked, _, lock = two_chats
    locker = cluster.session(lock)
    wires = [server.wire() for _ in range(10)]
    try:
        for number, wire in enumerate(wires):
            post(wire, locked, b"data[body]=%d" % number)
            wait_for_attempt(cluster)
        locker.communicate("ROLLBACK;\n")
        assert [wire.answer().json["number"] for wire in wires] == list(range(1, 11))
    finally:
        locker.communicate()
        for wire in wires:
            wire.socket.close()


@pytest.mark.parametrize("writers", ["1", "2"])
def test_many_messages_of_a_locked_chat_keep_their_order(start_chatd, cluster, two_chats, writers):
    """However often they come back, and whenever the lock is released."""
    server = start_chatd("--writers", writers).ready()
    locked, _, lock = two_chats
    sent = 0
    with server.wire() as probe:
        for pause in range(12):
            locker = cluster.session(lock)
            wires = [server.wire() for _ in range(16)]
            try:
                for number, wire in enumerate(wires):
                    post(wire, locked, b"data[body]=%d" % number)
                    # Its answer means that what came before has been looked at.
                    assert probe.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").answer().status == 200
                    if number == pause:
                        locker.stdin.write("ROLLBACK;\n")
                        locker.stdin.flush()
                locker.communicate("ROLLBACK;\n")
                assert [wire.answer().json["number"] for wire in wires] == list(range(sent + 1, sent + 17))
                sent += 16
            finally:
                locker.kill()
                locker.communicate()
                for wire in wires:
                    wire.socket.close()


def test_chats_of_a_locked_application_keep_their_order(start_chatd, cluster, chats):
    """One that came while another was waiting to be tried again comes after it."""
    server = start_chatd().ready()
    lock = "BEGIN; SELECT id FROM chat.applications WHERE token = '%s' FOR UPDATE" % chats.split("/")[2]
    locker = cluster.session(lock)
    try:
        with server.wire() as first, server.wire() as second:
            post(first, chats, b"")
            for _ in range(4):
                wait_for_attempt(cluster, "create_chat")
            locker.communicate("ROLLBACK;\n")
            post(second, chats, b"")
            assert [wire.answer().json["number"] for wire in (first, second)] == [1, 2]
    finally:
        locker.communicate()


def test_a_chat_that_stays_locked(start_chatd, cluster, two_chats):
    """At its deadline a request gets 503, and its message is not stored later."""
    server = start_chatd("--request-timeout", "2").ready()
    locked, _, lock = two_chats
    locker = cluster.session(lock)
    try:
        answer, seconds = timed(lambda: server.post(locked, {"body": "x"}))
        assert answer.status == 503 and answer.headers["retry-after"] == "1" and seconds < 5
    finally:
        locker.communicate("ROLLBACK;\n")
    assert timeless(server.post(locked, {"body": "y"})).json == {"number": 1, "body": "y"}


def test_a_locked_application_delays_no_other(start_chatd, cluster, chatd, chats, new_name):
    """Neither creations of other applications nor messages, and its own come after all."""
    server = start_chatd().ready()
    other = chatd.post("/applications", {"name": new_name + " other"}).json["token"]
    messages = "/applications/%s/chats/1/messages" % other
    chatd.post("/applications/%s/chats" % other)
    locker = cluster.session("BEGIN; SELECT id FROM chat.applications WHERE token = '%s' FOR UPDATE" % chats.split("/")[2])
    wires = [server.wire() for _ in range(40)]
    try:
        for wire in wires:
            post(wire, chats, b"")
        for number in range(10):
            for path, data in (("/applications/%s/chats" % other, {}), ("/applications", {"name": "%s %d" % (new_name, number)}),
                               (messages, {"body": "x"})):
                answer, seconds = timed(lambda: server.post(path, data))
                assert answer.status == 201 and seconds < 2
        locker.communicate("ROLLBACK;\n")
        assert sorted(wire.answer().json["number"] for wire in wires) == list(range(1, 41))
    finally:
        locker.communicate()
        for wire in wires:
            wire.socket.close()


@pytest.fixture
def refusing(cluster):
    """A trigger of the user's that refuses some messages, and a constraint."""
    cluster.sql("CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
                " IF new.body = 'rude' THEN RAISE EXCEPTION 'mind your words'; END IF;"
                " IF new.body = 'broken' THEN PERFORM * FROM no_such_table; END IF; RETURN new; END$$;"
                "CREATE TRIGGER refuse BEFORE INSERT ON chat.messages FOR EACH ROW EXECUTE FUNCTION public.refuse();"
                "ALTER TABLE chat.messages ADD CONSTRAINT secret CHECK (body <> 'secret') NOT VALID")
    yield
    cluster.sql("DROP FUNCTION public.refuse CASCADE; ALTER TABLE chat.messages DROP CONSTRAINT secret")


def test_a_refused_message_costs_no_other(chatd, messages, refusing):
    kinds = {"good": (201, None), "rude": (422, {"error": "mind your words"}), "broken": (503, None),
             "secret": (422, {"error": "The database does not take this."})}

    def write(writer):
        body = "good" if writer % 5 else ("rude", "broken", "secret")[writer // 5 % 3]
        return [(body, chatd.post(messages, {"body": body})) for _ in range(10)]

    for body, answer in sum(in_parallel(15, write), []):
        status, expected = kinds[body]
        assert answer.status == status and (expected is None or answer.json == expected)
    assert chatd.get(messages.rsplit("/", 1)[0]).json["messages_count"] == 120
