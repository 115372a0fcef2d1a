"""What is sent again with its key is created once: whatever breaks, and wherever; and what is wanted only behind a message."""

import concurrent.futures
import contextlib
import copy
import http.client
import itertools
import json
import os
import random
import select
import socket
import struct
import threading

import pytest

from conftest import wait_until
from test_unknown import commits_that_hang      # pylint: disable=unused-import


def post(chatd, path, data, **headers):
    return chatd.request("POST", path, json.dumps({"data": data}),
                         {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}})


def once(chatd, path, data, key):
    return post(chatd, path, data, Idempotency_Key='"%s"' % key)


def test_message(chatd, messages):
    data = {"body": "hello", "sender": "ann", "metadata": {"b": 1, "a": [2]}}
    first = once(chatd, messages, data, "k 1")
    assert first.status == 201 and "idempotent-replayed" not in first.headers
    assert chatd.post(messages, {"body": "between"}).json["number"] == 2
    for again in (data, {"metadata": {"a": [2], "b": 1}, "sender": "ann", "body": "hello"}):
        answer = once(chatd, messages, again, "k 1")
        assert (answer.status, answer.headers["idempotent-replayed"]) == (201, "true")
    answer = once(chatd, messages, data, "k 1")
    assert answer.body == first.body
    for other in ({"body": "Hello", "sender": "ann", "metadata": {"b": 1, "a": [2]}}, {"body": "hello"}, {**data, "number": 1}):
        answer = once(chatd, messages, other, "k 1")
        assert (answer.status, answer.json) == (422, {"key": ["has already been used with other content"]})
    assert [row["number"] for row in chatd.get(messages).json] == [1, 2] and once(chatd, messages, data, "k 2").json["number"] == 3


def test_key_of_what_was_edited_or_deleted(chatd, messages):
    assert once(chatd, messages, {"body": "hello"}, "k").json["number"] == 1
    assert chatd.request("DELETE", messages + "/1").status == 204
    answer = once(chatd, messages, {"body": "hello"}, "k")
    assert (answer.status, answer.json["number"], answer.headers["idempotent-replayed"]) == (201, 1, "true")
    assert chatd.get(messages).json == []


def test_key_is_of_its_chat(chatd, chats, messages):
    chatd.post(chats)
    assert {once(chatd, path, {"body": "x"}, "k").headers.get("idempotent-replayed")
            for path in (messages, chats + "/2/messages")} == {None}


def test_chats_and_applications(chatd, chats, new_name):
    for path, data, other in ((chats, {}, {"number": 7}), ("/applications", {"name": new_name + " 2"}, {"name": new_name + " 3"})):
        answers = [once(chatd, path, data, "key of " + new_name) for _ in range(3)]
        assert [answer.status for answer in answers] == [201] * 3 and len({answer.body for answer in answers}) == 1
        assert [answer.headers.get("idempotent-replayed") for answer in answers] == [None, "true", "true"]
        answer = once(chatd, path, other, "key of " + new_name)
        assert answer.status == 422 and list(answer.json) == ["key"]
    assert len(chatd.get(chats).json) == 1


def test_items(chatd, messages):
    items = [{"body": "a", "key": "1"}, {"body": "b", "key": "2"}, {"body": "a", "key": "1"}, {"body": "c", "key": "2"}, {"body": "d"}]
    answer = chatd.post(messages, items)
    assert [item.get("replayed") for item in answer.json] == [None, None, True, None, None]
    assert [item["message"]["number"] if item["status"] == 201 else item["errors"] for item in answer.json] == [
        1, 2, 1, {"key": ["has already been used with other content"]}, 3]
    answer = chatd.post(messages, items)
    assert [item["message"]["number"] for item in answer.json if item["status"] == 201] == [1, 2, 1, 4]
    answer = chatd.post(messages + "?atomic=true", [{"body": "a", "key": "1"}, {"body": "e", "key": "5"}])
    assert [item["message"]["number"] for item in answer.json] == [1, 5]
    assert post(chatd, messages, items, Idempotency_Key='"x"').status == 400
    assert post(chatd, messages, {"body": "x", "key": "1"}, Idempotency_Key='"x"').json == {
        "key": ["is given by the header Idempotency-Key, too"]}


@pytest.mark.parametrize("value", ["", "k", '"', '""', '"k', 'k"', '"k" ; a=1', '"k", "l"', "'k'", '"a"b"', '"\\x"', '"\u00e9"', '"%s"' % ("k" * 256), '"a\tb"', "?1", "1", ":a2V5:"])
def test_malformed_keys(chatd, messages, value):
    answer = chatd.request("POST", messages, '{"data":{"body":"x"}}',
                           {"Content-Type": "application/json", "Idempotency-Key": value.encode("latin-1")})
    assert answer.status == 400 and "Idempotency-Key" in answer.json["error"] and chatd.get(messages).json == []


@pytest.mark.parametrize("value, key", [('"k"', "k"), (' "k" ', "k"), ('"%s"' % ("k" * 255), "k" * 255), ('"a\\"b\\\\c"', 'a"b\\c'), ('"~ !"', "~ !")])
def test_keys(chatd, messages, cluster, value, key):
    answer = chatd.request("POST", messages, '{"data":{"body":"x"}}', {"Content-Type": "application/json", "Idempotency-Key": value})
    assert answer.status == 201
    assert cluster.sql("SELECT count(*) FROM chat.messages WHERE key = $k$%s$k$" % key) != "0"


def test_key_that_is_blank_or_given_twice(chatd, messages):
    assert once(chatd, messages, {"body": "x"}, "  ").json == {"key": ["can't be blank"]}
    head = 'POST %s HTTP/1.1\r\nHost: x\r\nIdempotency-Key: "a"\r\nIdempotency-Key: "a"\r\nContent-Length: 0\r\n\r\n' % messages
    assert chatd.talk(head.encode())[0].status == 400


def test_first_message_is_wanted_by_many(chatd, start_chatd, messages):
    """Twins at the same instant, by two chatd."""
    servers = [chatd, start_chatd().ready()]
    for turn in range(20):
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda i, t=turn: once(servers[i % 2], messages, {"body": "turn %d" % t}, "turn %d" % t), range(8)))
        assert {answer.status for answer in answers} == {201} and {answer.json["number"] for answer in answers} == {turn + 1}
        assert sorted(answer.headers.get("idempotent-replayed", "") for answer in answers) == [""] + ["true"] * 7


@pytest.mark.parametrize("what", ["message", "chat", "items", "all"])
def test_commit_without_an_answer(chatd, chats, messages, commits_that_hang, what):     # pylint: disable=redefined-outer-name
    """The connection is lost after the commit: chatd finds out by itself that it was one."""
    data = {"body": "once"}
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        if what in ("message", "chat"):
            request = thread.submit(once, chatd, messages if what == "message" else chats, data if what == "message" else {}, "k")
        else:
            request = thread.submit(chatd.post, messages + ("?atomic=true" if what == "all" else ""),
                                    [{**data, "key": str(i)} for i in range(3)])
        commits_that_hang()
        answer = request.result()
    chatd.ready()
    count = {"message": 1, "chat": 2}.get(what, 3)
    assert [row["number"] for row in chatd.get(chats if what == "chat" else messages).json] == list(range(1, count + 1))
    if what in ("message", "chat"):
        assert (answer.status, answer.json["number"], answer.headers["idempotent-replayed"]) == (201, count, "true")
    else:
        assert answer.status == 207 and [(item["message"]["number"], item["replayed"]) for item in answer.json] == [(i, True) for i in (1, 2, 3)]


@pytest.mark.parametrize("method, data, headers, status", [
    ("PATCH", {"body": "y"}, {}, 200), ("PATCH", {"body": "y"}, {"If-Match": '"0"'}, 424),
    ("DELETE", None, {}, 204), ("DELETE", None, {"If-Match": '"0"'}, 204)])
def test_change_without_an_answer(chatd, messages, cluster, commits_that_hang, method, data, headers, status):   # pylint: disable=redefined-outer-name
    """A change is made once more, but for an edit under a condition, which may have become false by itself."""
    cluster.sql("SET synchronous_commit = local; SELECT chat.create_message(token, 1, 'x') FROM chat.applications WHERE token = '%s'"
                % messages.split("/")[2])
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        request = thread.submit(chatd.request, method, messages + "/1", data and json.dumps({"data": data}),
                                {"Content-Type": "application/json", **headers})
        commits_that_hang()
        answer = request.result()
    chatd.ready()
    assert answer.status == status and chatd.get(messages + "/1").json["revision"] == 1
    if status == 200:
        assert answer.body == chatd.get(messages + "/1").body


def test_cut_anywhere(chatd, messages):
    """The connection of the client ends at each byte of the request, and of the answer."""
    def request(number):
        body = b'{"data":{"body":"message %03d"}}' % number
        return b'POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nIdempotency-Key: "%d"\r\nContent-Length: %d\r\n\r\n%s' % (
            messages.encode(), number, len(body), body)

    cuts = len(request(0))
    with chatd.wire() as wire:
        wire.send(request(0))
        total = cuts + len(wire.socket.recv(4096))
    numbers = []
    for number in range(total):
        with chatd.wire() as wire:
            wire.send(request(number)[:number + 1])
            if number > cuts:
                wire.socket.recv(number - cuts, socket.MSG_WAITALL)
        answers = []
        while not answers or answers[-1] is None:
            answers.append(chatd.talk(request(number))[0])
        assert answers[-1].status == 201
        numbers.append(answers[-1].json["number"])
    rows = chatd.get(messages + "?limit=1000").json
    assert numbers == [row["number"] for row in rows] == list(range(1, total + 1))
    assert [row["body"] for row in rows] == ["message %03d" % number for number in range(total)]


class CuttingProxy:
    """Stands before servers, and resets half of the connections after so many bytes in both directions together, at any place
    up to limit."""

    def __init__(self, servers, limit):
        self.servers = servers
        self.limit = limit
        self.cuts = 0
        self.chance = random.Random(1)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", self.chance.choice(self.servers).port))
                left = self.chance.randrange(1, self.limit + 1) if self.chance.randrange(2) else None
                threading.Thread(target=self.serve, args=(client, server, left), daemon=True).start()

    def serve(self, client, server, left):
        other = {client: server, server: client}
        with client, server, contextlib.suppress(OSError):
            while left is None or left > 0:
                for source in select.select(list(other), [], [])[0]:
                    data = source.recv(left or 65536)
                    if not data:
                        return
                    other[source].sendall(data)
                    left = left and left - len(data)
                    if left == 0:
                        break
            self.cuts += 1
            for each in other:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def test_proxy_that_cuts(chatd, start_chatd, cluster, messages):
    """A proxy before two chatd cuts connections anywhere between the first byte and the end of the answer; each request is
    repeated until it is answered. CHAT_CUTS: how often."""
    wanted = int(os.environ.get("CHAT_CUTS", "200"))
    proxy = CuttingProxy([chatd, start_chatd().ready()], 700)
    serial = itertools.count()

    def writer(_):
        sent = {}
        while proxy.cuts < wanted:
            key = "%d" % next(serial)
            while key not in sent:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    answer = once(proxied, messages, {"body": "message " + key}, key)
                    assert answer.status == 201, answer
                    sent[key] = answer.json["number"]
        return sent

    proxied = copy.copy(chatd)
    proxied.port = proxy.port
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        sent = {key: number for written in threads.map(writer, range(4)) for key, number in written.items()}
    proxy.close()
    assert stored_by_key(cluster, messages) == sent and sorted(sent.values()) == list(range(1, len(sent) + 1))


def stored_by_key(cluster, messages):
    """The numbers of an application's messages, by their keys."""
    rows = cluster.sql("SELECT key, number FROM chat.messages WHERE application_id = (SELECT id FROM chat.applications WHERE token = '%s')"
                       % messages.split("/")[2]).split()
    numbers = {key: int(number) for key, number in (row.split("|") for row in rows)}
    assert len(numbers) == len(rows)
    return numbers


def test_sessions_that_end_at_any_time(start_chatd, cluster, messages):
    """Sessions of chatd with the database are ended while it writes; each request is repeated until it is answered."""
    servers = [start_chatd().ready(), start_chatd().ready()]
    stop = threading.Event()
    serial = itertools.count()

    def writer(number):
        sent = {}
        while not stop.is_set():
            key = "%d" % next(serial)
            for attempt in itertools.count(number):
                answer = once(servers[attempt % 2], messages, {"body": key}, key)
                assert answer.status in (201, 503), answer
                if answer.status == 201:
                    break
            sent[key] = answer.json["number"]
        return sent

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        writers = [threads.submit(writer, number) for number in range(8)]
        try:
            for _ in range(15):
                before = next(serial)
                wait_until(lambda b=before: next(serial) > b + 30, "requests")
                cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'chatd'")
        finally:
            stop.set()
        sent = {key: number for writer in writers for key, number in writer.result().items()}
    assert stored_by_key(cluster, messages) == sent and sorted(sent.values()) == list(range(1, len(sent) + 1))


def test_crash_of_the_server(start_chatd, chatd, cluster, messages):
    """The same, when all sessions crash at once, between the commit and the answer or anywhere else."""
    server = start_chatd().ready()
    stop = threading.Event()
    serial = itertools.count()

    def writer(_):
        sent = {}
        while not stop.is_set():
            key = "%d" % next(serial)
            answer = None
            while answer is None or answer.status != 201:
                answer = once(server, messages, {"body": key}, key)
                assert answer.status in (201, 503), answer
            sent[key] = answer.json["number"]
        return sent

    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        writers = [threads.submit(writer, number) for number in range(4)]
        try:
            for _ in range(3):
                before = cluster.sql("SELECT count(*) FROM chat.messages")
                wait_until(lambda b=before: cluster.sql("SELECT count(*) FROM chat.messages") != b, "messages")
                cluster.stop("immediate")
                cluster.start()
        finally:
            stop.set()
        sent = {key: number for writer in writers for key, number in writer.result().items()}
    chatd.ready()
    assert stored_by_key(cluster, messages) == sent and sorted(sent.values()) == list(range(1, len(sent) + 1))


def test_only_behind(chatd, messages):
    assert post(chatd, messages, {"body": "a"}, If_Match='"1"').json == {"error": "If-Match is not the chat's last number.", "last_number": 0}
    assert post(chatd, messages, {"body": "a"}, If_Match='"0"').json["number"] == 1
    answer = post(chatd, messages, {"body": "b"}, If_Match='"0"')
    assert (answer.status, answer.json["last_number"]) == (412, 1)
    # What was created behind it once is found by its key.
    for replayed in (None, "true"):
        answer = post(chatd, messages, {"body": "b"}, If_Match='"1"', Idempotency_Key='"b"')
        assert (answer.status, answer.json["number"], answer.headers.get("idempotent-replayed")) == (201, 2, replayed)
    assert post(chatd, messages.replace("/1/", "/9/"), {"body": "b"}, If_Match='"0"').status == 404
    for value in ("2", "*", 'W/"2"', '"2","3"', '"x"', '""'):
        assert post(chatd, messages, {"body": "b"}, If_Match=value).status == 400
    assert post(chatd, messages, [{"body": "b"}], If_Match='"2"').status == 400
    answer = post(chatd, messages + "?atomic=true", [{"body": "c"}, {"body": "d"}], If_Match='"1"')
    assert (answer.status, [item["status"] for item in answer.json]) == (412, [412, 409])
    answer = post(chatd, messages + "?atomic=true", [{"body": "c"}, {"body": "d"}], If_Match='"2"')
    assert [item["message"]["number"] for item in answer.json] == [3, 4]


def test_writers_in_turn(chatd, start_chatd, messages):
    """Each creates a message only behind the last one that it knows: none comes between what it knew and what it wrote."""
    servers = [chatd, start_chatd().ready()]

    def writer(number):
        behind = {}
        last = 0
        while len(behind) < 15:
            answer = post(servers[number % 2], messages, {"body": "by %d behind %d" % (number, last)}, If_Match='"%d"' % last)
            assert answer.status in (201, 412)
            if answer.status == 201:
                assert answer.json["number"] == last + 1
                behind[last + 1] = last
            last = answer.json["number"] if answer.status == 201 else answer.json["last_number"]
        return behind

    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        written = list(threads.map(writer, range(4)))
    assert sorted(number for behind in written for number in behind) == list(range(1, 61))
    assert [row["body"].split()[-1] for row in chatd.get(messages).json] == [str(number) for number in range(60)]
