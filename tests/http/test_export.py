"""Exports: every byte, of one state, whatever happens meanwhile; and what they leave for others."""

import concurrent.futures
import contextlib
import http.client
import json
import random
import threading

import pytest

from conftest import SANITIZED, wait_until
from test_changes import delete, patch
from test_import import IMPORTS
from test_memory import resident


@pytest.fixture(autouse=True)
def allowed(cluster):
    cluster.sql("GRANT EXECUTE ON FUNCTION %s TO chat_api" % ", ".join(IMPORTS))


@pytest.fixture
def path(token):
    return "/applications/" + token


def application(server, name):
    return "/applications/" + server.post("/applications", {"name": name}).json["token"]


def fill(cluster, path, chats, count, size=4000):
    """Create chats and so many messages in each, quickly."""
    cluster.sql("SELECT chat.create_chat(id) FROM chat.applications, generate_series(1, {chats}) WHERE token = '{token}';"
                " SELECT count(*) FROM (SELECT array_agg(id) AS ids, array_agg(c) AS chats, array_agg(repeat('x', {size}) || n) AS bodies"
                " FROM chat.applications, generate_series(1, {chats}) AS c, generate_series(1, {count}) AS n WHERE token = '{token}' GROUP BY c) AS m,"
                " chat.create_messages(ids, chats, bodies)".format(token=path.split("/")[2], chats=chats, count=count, size=size))


def sessions(cluster):
    """The backends of exports."""
    return cluster.sql("SELECT pid, state, backend_xmin FROM pg_stat_activity WHERE application_name = 'chatd' AND query ~ 'export'")


@contextlib.contextmanager
def begun(server, path):
    """An export that was begun: its connection, and the response, of which nothing was read."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", path)
    response = connection.getresponse()
    try:
        yield response
    finally:
        response.close()
        connection.close()


def all_kinds(server, path):
    """Chats 1 and 3 with every kind of message, an empty chat 2."""
    for _ in range(3):
        server.post(path + "/chats")
    for chat in (1, 3):
        messages = path + "/chats/%d/messages" % chat
        server.post(messages, [{"body": "message %d \u00e9\n\"\\\u0001\U0001f600" % i, "sender": "ann" if i % 2 else None,
                                "metadata": {"a": 1.50, "\u00e9": [i, None]} if i % 3 else None, "key": "k%d\"\u00e9" % i if i % 2 else None} for i in range(9)])
        patch(server, messages + "/2", {"body": "edited"})
        for deleted in (4, 5):
            assert delete(server, messages + "/%d" % deleted).status == 204
        patch(server, messages + "/1", {"metadata": {}})
        server.post(messages, {"body": "far", "number": 20})
        server.post(messages, {"body": "filled in", "number": 12})


def chunks(body, size):
    lines = body.splitlines()
    for first in range(0, len(lines), size):
        yield b'{"data":[%s]}' % b",".join(lines[first:first + size])


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_export_import_export(chatd, cluster, path, new_name, size):
    all_kinds(chatd, path)
    exported = chatd.get(path + "/export")
    assert exported.status == 200 and exported.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in exported.body.splitlines()]
    assert [(line["chat_number"], line["number"]) for line in lines] == [(chat, number) for chat in (1, 3) for number in (*range(1, 10), 12, 20)]
    assert sum("key" in line for line in lines) == 8 and sum("deleted_at" in line for line in lines) == 4
    assert exported.body.decode() == cluster.sql("SELECT chat.export_application('%s')" % path.split("/")[2]) + "\n"
    copy = application(chatd, new_name + " copy")
    for turn in ("created", "replayed"):
        for part in chunks(exported.body, size):
            answer = chatd.post_json(copy + "/import", part)
            assert answer.status == 200 and answer.json == {"created": 0, "replayed": 0, "refused": [], turn: len(json.loads(part)["data"])}
        assert chatd.get(copy + "/export").body == exported.body
    for chat in (1, 3):
        assert chatd.get(copy + "/chats/%d/export" % chat).body == chatd.get(path + "/chats/%d/export" % chat).body
        assert chatd.get(copy + "/chats/%d" % chat).json["messages_count"] == 9
    assert [row["number"] for row in chatd.get(copy + "/chats").json] == [1, 3] and chatd.get(copy).json["chats_count"] == 2
    assert chatd.post(copy + "/chats").json["number"] == 4
    # A key holds where it was imported; what was sent with it there is not known.
    answer = chatd.post(copy + "/chats/1/messages", [{"body": "message 7", "key": "k7\"\u00e9"}])
    assert (answer.json[0]["status"], answer.json[0]["message"]["number"], answer.json[0]["replayed"]) == (201, 8, True)


def test_begun_anywhere(chatd, path):
    all_kinds(chatd, path)
    for place, of in (("/chats/1/export", False), ("/export", True)):
        lines = chatd.get(path + place).body.splitlines(True)
        for done, line in enumerate([b'{"number":0,"chat_number":0}', *lines]):
            last = json.loads(line)
            after = "%d.%d" % (last["chat_number"], last["number"]) if of else "%d" % last["number"]
            assert chatd.get(path + place + "?after=" + after).body.splitlines(True) == lines[done:]
    assert chatd.get(path + "/export?after=2.0").body == chatd.get(path + "/export?after=1.2147483647").body == chatd.get(path + "/export?after=1.20").body
    assert chatd.get(path + "/export?after=2147483647.2147483647").body == chatd.get(path + "/chats/2/export").body == b""


@pytest.mark.parametrize("query", ["after=x", "after=-1", "after=1.2.3", "after=", "after=2147483648", "after=1&after=1", "limit=1", "before=5", "deleted=true", "last=1",
                                   "sender=x", "after=%FF"])
def test_malformed(chatd, path, query):
    chatd.post(path + "/chats")
    for place in ("/export", "/chats/1/export"):
        answer = chatd.get(path + place + "?" + query)
        assert answer.status == 400 and list(answer.json) == ["error"]


def test_what_is_not_there(chatd, path):
    for missing, error in ((path + "/chats/1/export", "Chat not found"), (path + "/chats/x/export", "Chat not found"), (path + "/chats/1/export?after=7", "Chat not found"),
                           ("/applications/none/export", "Application with token none not found"), ("/applications/none/chats/1/export", "Chat not found")):
        for method in "GET", "HEAD":
            answer = chatd.request(method, missing)
            assert answer.status == 404 and (method == "HEAD" or answer.json == {"error": error})
        assert chatd.request("POST", missing).status == 405
    chatd.post(path + "/chats")
    assert chatd.request("HEAD", path + "/export").status == chatd.request("HEAD", path + "/chats/1/export").status == 200
    chatd.post(path + "/chats/1/messages", {"body": "x"})
    assert chatd.request("DELETE", path + "/chats/1").status == 204
    assert chatd.get(path + "/chats/1/export").status == 404 and chatd.get(path + "/export").body == b""


def test_as_old_clients_ask(chatd, path):
    all_kinds(chatd, path)
    exported = chatd.get(path + "/export").body
    with chatd.wire() as wire:
        answer = wire.send(b"GET %s/export HTTP/1.0\r\n\r\n" % path.encode()).answer()
        assert answer.body == exported and wire.is_closed()
    with chatd.wire() as wire:
        answer = wire.send(b"GET %s/export HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode()).answer()
        assert answer.body == exported and answer.headers["connection"] == "close" and wire.is_closed()


def test_one_state(chatd, cluster, path):
    """Two messages that are always edited together are the same in each export; what is between them is large."""
    fill(cluster, path, 3, 3000, 100)
    token = path.split("/")[2]
    stop = threading.Event()

    def editor():
        turn = 0
        while not stop.is_set():
            turn += 1
            cluster.sql("BEGIN; SELECT chat.update_message('{0}', 1, 1, '{1}'), chat.update_message('{0}', 3, 3000, '{1}'), chat.create_message('{0}', 2, '{1}'),"
                        " chat.delete_message('{0}', 1, {2}), chat.delete_message('{0}', 3, {2}); COMMIT".format(token, turn, turn + 1))

    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        editing = thread.submit(editor)
        try:
            seen = set()
            wait_until(lambda: chatd.get(path + "/chats/1/messages/1").json["body"][0] != "x", "edits")
            for _ in range(12):
                lines = [json.loads(line) for line in chatd.get(path + "/export").body.splitlines()]
                by_place = {(line["chat_number"], line["number"]): line for line in lines}
                turn = int(by_place[1, 1]["body"])
                assert by_place[3, 3000]["body"] == str(turn) and len(lines) == 9000 + turn and by_place[2, 3000 + turn]["body"] == str(turn)
                assert [sum("deleted_at" in line for line in lines if line["chat_number"] == chat) for chat in (1, 3)] == [turn, turn]
                seen.add(turn)
        finally:
            stop.set()
        editing.result()
    assert len(seen) > 3


def test_while_its_client_reads_nothing(chatd, cluster, path, new_name):
    """It is what it was when it began, though all is changed and deleted meanwhile; nothing else waits, and no snapshot is held."""
    fill(cluster, path, 2, 3000)
    expected = (cluster.sql("SELECT chat.export_application('%s')" % path.split("/")[2]) + "\n").encode()
    with begun(chatd, path + "/export") as response:
        assert int(response.getheader("content-length")) == len(expected)
        wait_until(lambda: "|idle|" in sessions(cluster), "the end of collecting")
        assert sessions(cluster).endswith("|idle|") and len(sessions(cluster).splitlines()) == 1
        assert patch(chatd, path + "/chats/1/messages/1", {"body": "changed"}).status == 200
        assert delete(chatd, path + "/chats/2/messages/3000").status == 204
        assert chatd.request("DELETE", path + "/chats/2").status == 204
        other = application(chatd, new_name + " 2")
        assert [chatd.post(other + "/chats").status for _ in range(5)] == [201] * 5
        assert response.read() == expected
    wait_until(lambda: sessions(cluster) == "", "the end of the session")
    assert len(chatd.get(path + "/export").body.splitlines()) == 3000


def test_no_more_than_there_may_be(start_chatd, cluster, path, new_name):
    server = start_chatd("--exports", "3").ready()
    fill(cluster, path, 1, 3000)
    others = [application(server, "%s %d" % (new_name, i)) for i in range(2)]
    for other in others:
        fill(cluster, other, 1, 3000)
    with contextlib.ExitStack() as stack:
        responses = [stack.enter_context(begun(server, path + "/export")) for _ in range(2)]
        # Of one application, no more than half of them.
        answer = server.get(path + "/export")
        assert (answer.status, answer.json, answer.headers["retry-after"]) == (503, {"error": "There are too many exports."}, "1")
        responses.append(stack.enter_context(begun(server, others[0] + "/export")))
        assert server.get(others[1] + "/export").status == server.get(others[0] + "/chats/1/export").status == 503
        for _ in range(5):
            assert server.get(path + "/chats/1/messages").status == 200 and server.post(path + "/chats").status == 201
        assert [response.status for response in responses] == [200] * 3
    # Clients that have gone leave their places to others.
    wait_until(lambda: server.get(others[1] + "/export").status == 200, "a place")
    wait_until(lambda: sessions(cluster) == "", "the end of the sessions")


def test_client_that_takes_nothing(start_chatd, cluster, path):
    server = start_chatd("--write-timeout", "1").ready()
    fill(cluster, path, 1, 3000)
    with begun(server, path + "/export") as response:
        wait_until(lambda: sessions(cluster) == "", "the end of the session")
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            response.read()


def test_client_that_takes_little(start_chatd, cluster, path):
    """A few bytes now and then are no progress."""
    server = start_chatd("--write-timeout", "1").ready()
    fill(cluster, path, 1, 3000)
    with begun(server, path + "/export") as response:
        def nearly_nothing():
            with contextlib.suppress(OSError, http.client.HTTPException):
                response.read(1)
            return sessions(cluster) == ""
        wait_until(nearly_nothing, "the end of the session", every=0.1)


def test_clients_that_leave(chatd, cluster, path):
    """While the database collects, which another transaction holds up here, and at any place of what is sent."""
    fill(cluster, path, 1, 3000)
    blocker = cluster.session("BEGIN; LOCK chat.messages")
    with chatd.wire() as wire:
        wire.send(b"GET %s/export HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode())
        wait_until(lambda: "|active|" in sessions(cluster), "the export")
    wait_until(lambda: sessions(cluster) == "", "the end of the session")
    blocker.stdin.close()
    blocker.wait()
    chance = random.Random(1)
    for _ in range(20):
        with chatd.wire() as wire:
            wire.send(b"GET %s/export HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode())
            left = chance.randrange(12000000)
            while left > 0:
                left -= len(wire.socket.recv(min(left, 65536))) or left
        wait_until(lambda: chatd.get(path + "/chats/1/export?after=2999").status == 200, "a place")
    wait_until(lambda: sessions(cluster) == "", "the end of the sessions")
    assert len(chatd.get(path + "/export").body.splitlines()) == 3000


def test_sessions_that_end(chatd, cluster, path):
    """Whoever has 200 and no more than a part sees that."""
    fill(cluster, path, 1, 3000)
    with begun(chatd, path + "/export") as response:
        wait_until(lambda: "|idle|" in sessions(cluster), "the end of collecting")
        cluster.sql("SELECT pg_terminate_backend(%s)" % sessions(cluster).split("|")[0])
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            response.read()
    blocker = cluster.session("BEGIN; LOCK chat.messages")
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        request = thread.submit(chatd.get, path + "/export")
        wait_until(lambda: "|active|" in sessions(cluster), "the export")
        cluster.sql("SELECT pg_terminate_backend(%s)" % sessions(cluster).split("|")[0])
        assert request.result().status == 503
    blocker.stdin.close()
    blocker.wait()
    assert len(chatd.ready().get(path + "/export").body.splitlines()) == 3000


def test_room_in_the_database(chatd, cluster, path):
    """temp_file_limit bounds what the database keeps: an export beyond it is refused as a whole."""
    fill(cluster, path, 1, 3000)
    cluster.sql("ALTER ROLE chat_api SET temp_file_limit = '1MB'")
    try:
        answer = chatd.get(path + "/export")
        assert (answer.status, list(answer.json)) == (503, ["error"])
        assert len(chatd.get(path + "/export?after=1.2990").body.splitlines()) == 10
    finally:
        cluster.sql("ALTER ROLE chat_api RESET temp_file_limit")
    wait_until(lambda: cluster.sql("SELECT count(*) FROM pg_ls_tmpdir()") == "0", "the end of all temporary files")
    assert chatd.get(path + "/export").status == 200


def test_stop(start_chatd, cluster, path):
    server = start_chatd().ready()
    fill(cluster, path, 1, 3000)
    with begun(server, path + "/export") as response, begun(server, path + "/export"):
        with concurrent.futures.ThreadPoolExecutor(1) as thread:
            stopping = thread.submit(server.stop)
            assert len(response.read().splitlines()) == 3000
            assert stopping.result() == 0
    wait_until(lambda: sessions(cluster) == "", "the end of the sessions")


@pytest.mark.skipif(SANITIZED, reason="a sanitizer takes memory of its own")
def test_memory(start_chatd, cluster, path):
    server = start_chatd().ready()
    fill(cluster, path, 1, 100000, 400)
    before = resident(server)
    with begun(server, path + "/export") as response:
        wait_until(lambda: "|idle|" in sessions(cluster), "the end of collecting")
        pid = sessions(cluster).split("|")[0]
        size = 0
        peak = 0
        while data := response.read(1000000):
            size += len(data)
            peak = max(peak, resident(server))
            with contextlib.suppress(OSError), open("/proc/%s/status" % pid) as status:
                backend = next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) / 1024
    assert size > 45000000 and peak < before + 4 and backend < 24


GOOD = {"chat_number": 1, "number": 1, "body": "x", "created_at": "2019-02-28T23:59:59Z"}


@pytest.mark.parametrize("chat, predicate", [(None, "can't be blank"), (0, "must be greater than 0"), (-1, "must be greater than 0"), ("x", "is not a number"),
                                             (2147483648, "is too large"), (1.5, "is not a number"), ([], "is not a number"), (True, "is not a number")])
def test_chats_that_are_none(chatd, path, chat, predicate):
    answer = chatd.post(path + "/import", [GOOD, {**GOOD, "chat_number": chat}, {**GOOD, "number": 2}])
    assert (answer.status, answer.json["created"], answer.json["replayed"]) == (200, 2, 0)
    assert answer.json["refused"] == [{"item": 2, "status": 422, "errors": {"chat_number": [predicate]}}]
    assert [row["number"] for row in chatd.get(path + "/chats").json] == [1]


def test_outcomes_in_order(chatd, path):
    chatd.post(path + "/chats")
    chatd.post(path + "/chats/1/messages", {"body": "there"})
    answer = chatd.post(path + "/import", [{**GOOD, "chat_number": 7}, GOOD, {**GOOD, "chat_number": 3, "body": ""}, {**GOOD, "number": 2, "key": "k"}, {**GOOD, "chat_number": 7},
                                           {**GOOD, "chat_number": 7, "body": "y"}, {**GOOD, "number": 3, "key": "k"}, {**GOOD, "chat_number": 5, "created_at": "never"}, {}])
    assert answer.json == {"created": 2, "replayed": 0, "refused": [
        {"item": 3, "status": 422, "errors": {"body": ["can't be blank"]}},
        {"item": 8, "status": 422, "errors": {"created_at": ["must be a time in UTC, as in 2026-01-02T03:04:05.123456Z"]}},
        {"item": 9, "status": 422, "errors": {"number": ["can't be blank"], "body": ["can't be blank"], "created_at": ["can't be blank"], "chat_number": ["can't be blank"]}},
        *({"item": item, "status": 422, "errors": {"number": ["has already been taken"]}} for item in (2, 5, 6)),
        {"item": 7, "status": 422, "errors": {"key": ["has already been taken"]}}]}
    # No chat is created for what is refused.
    assert [row["number"] for row in chatd.get(path + "/chats").json] == [1, 7]


def test_chat_that_was_deleted(chatd, cluster, path):
    """Its number is taken until its rows are gone; then it is as any other."""
    fill(cluster, path, 1, 3000, 1)
    cluster.sql("UPDATE chat.chats SET deleted_at = now(), deleted_in = 'elsewhere' WHERE number = 1 AND application_id = (SELECT id FROM chat.applications WHERE token = '%s')" % path.split("/")[2])
    items = [{**GOOD, "chat_number": 2}, GOOD]
    assert chatd.post(path + "/import", items).json == {
        "created": 1, "replayed": 0, "refused": [{"item": 2, "status": 422, "errors": {"chat_number": ["has already been taken"]}}]}
    cluster.sql("CALL chat.purge()")
    assert chatd.post(path + "/import", items).json == {"created": 1, "replayed": 1, "refused": []}


def test_what_is_no_import(chatd, cluster, path):
    assert chatd.post(path + "/import", []).json == {"created": 0, "replayed": 0, "refused": []}
    for data in (GOOD, [1], None, [GOOD] * 1001):
        assert chatd.post(path + "/import", data).status in (400, 413)
    for items in ([GOOD], [], [{}]):
        assert chatd.post("/applications/none/import", items).status == 404
    cluster.sql("REVOKE EXECUTE ON FUNCTION %s FROM chat_api" % IMPORTS[1])
    assert chatd.post(path + "/import", [GOOD]).status == 403


def test_imports_at_once(chatd, cluster, path, new_name):
    """The same lines, shuffled, by many at a time, while chats are created and deleted: each message is there once."""
    all_kinds(chatd, path)
    fill(cluster, path, 4, 200, 10)
    lines = [json.loads(line) for line in chatd.get(path + "/export").body.splitlines()]
    copy = application(chatd, new_name + " copy")

    def importer(seed):
        mine = list(lines)
        random.Random(seed).shuffle(mine)
        created = 0
        for first in range(0, len(mine), 100):
            answer = chatd.post(copy + "/import", mine[first:first + 100])
            assert answer.status == 200 and answer.json["refused"] == [], answer
            created += answer.json["created"]
        return created

    with concurrent.futures.ThreadPoolExecutor(6) as threads:
        imports = [threads.submit(importer, seed) for seed in range(6)]
        for _ in range(20):
            number = chatd.post(copy + "/chats", {"number": 100}).json["number"]
            assert chatd.request("DELETE", copy + "/chats/%s" % number).status == 204 if number == 100 else True
        assert sum(request.result() for request in imports) == len(lines)
    found = [json.loads(line) for line in chatd.get(copy + "/export").body.splitlines()]
    def plain(messages):
        return [{name: value for name, value in message.items() if name != "revision"} for message in messages]
    assert plain(found) == plain(lines)
    assert cluster.sql("SELECT count(*) FROM chat.reconcile() WHERE application_id = (SELECT id FROM chat.applications WHERE token = '%s')" % copy.split("/")[2]) == "0"
