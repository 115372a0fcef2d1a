"""Messages that are edited, deleted, and read again."""

import concurrent.futures
import json
import threading
from random import Random

import pytest

from conftest import Chatd, wait_until
from credentials import Secret, bearer, make_jwt


def patch(chatd, path, data, **headers):
    return chatd.request("PATCH", path, json.dumps({"data": data}),
                         {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}})


def delete(chatd, path, **headers):
    return chatd.request("DELETE", path, headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.fixture
def message(chatd, messages):
    """The path of a new message, with a sender and metadata."""
    answer = chatd.post(messages, {"body": "hello", "sender": "ann", "metadata": {"a": 1}})
    assert answer.status == 201
    return messages + "/1"


def test_edit(chatd, message, messages):
    assert chatd.get(message).headers["etag"] == '"0"'
    answer = patch(chatd, message, {"body": "Hello!"})
    assert answer.status == 200 and answer.headers["etag"] == '"1"'
    assert list(answer.json) == ["number", "body", "created_at", "sender", "metadata", "edited_at", "revision"]
    assert (answer.json["body"], answer.json["sender"], answer.json["metadata"], answer.json["revision"]) == ("Hello!", "ann", {"a": 1}, 1)
    shown = chatd.get(message)
    assert shown.body == answer.body and shown.headers["etag"] == '"1"' and chatd.get(messages).json == [answer.json]
    assert chatd.request("HEAD", message).headers["etag"] == '"1"'
    # What is the same already takes no revision.
    assert patch(chatd, message, {"body": "Hello!"}).body == answer.body
    assert patch(chatd, message, {"metadata": {"b": [1.50]}}).json["metadata"] == {"b": [1.5]}
    answer = patch(chatd, message, {"body": "Bye.", "metadata": None})
    assert answer.json["revision"] == 3 and "metadata" not in answer.json and answer.json["sender"] == "ann"


def test_edit_by_a_form(chatd, message):
    answer = chatd.request("PATCH", message, "data[body]=a%26b&data[metadata]=%7B%7D", {"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status == 200 and (answer.json["body"], answer.json["metadata"]) == ("a&b", {})


@pytest.mark.parametrize("data, faults", [
    ({}, {"body": ["or metadata must be given"]}), (None, {"body": ["or metadata must be given"]}),
    ({"body": None}, {"body": ["can't be blank"]}), ({"body": ""}, {"body": ["can't be blank"]}),
    ({"body": 1}, {"body": ["must be a string"]}), ({"body": "a\0b"}, {"body": ["can't contain a null byte"]}),
    ({"metadata": []}, {"metadata": ["must be a JSON object"]}), ({"metadata": "x"}, {"metadata": ["must be a JSON object"]}),
    ({"body": "x", "sender": "bob"}, {"sender": ["can't be changed"]}), ({"number": 2}, {"number": ["can't be changed"]}),
    ({"body": "x", "created_at": "2026-01-01T00:00:00Z"}, {"created_at": ["can't be changed"]}),
])
def test_edits_that_are_refused(chatd, message, data, faults):
    before = chatd.get(message).body
    answer = patch(chatd, message, data)
    assert (answer.status, answer.json) == (422, faults) and chatd.get(message).body == before


def test_edit_beyond_the_limits(chatd, message):
    answer = patch(chatd, message, {"body": "x" * 70000})
    assert answer.status == 422 and list(answer.json) == ["body"]
    answer = patch(chatd, message, {"metadata": {"a": "x" * 70000}})
    assert answer.status == 422 and list(answer.json) == ["metadata"]
    assert chatd.request("PATCH", message, "x", {"Content-Type": "text/plain"}).status == 415
    assert chatd.request("PATCH", message, '{"data":', {"Content-Type": "application/json"}).status == 400


def test_missing_comes_first(chatd, chats, messages):
    for path in (messages + "/1", messages + "/0", messages + "/x", chats + "/9/messages/1", "/applications/none/chats/1/messages/1"):
        for data in ({"body": "x"}, {}):
            assert (patch(chatd, path, data).status, delete(chatd, path).status) == (404, 404)


def test_if_match(chatd, message):
    assert patch(chatd, message, {"body": "a"}, If_Match='"0"').status == 200
    answer = patch(chatd, message, {"body": "b"}, If_Match='"0"')
    assert (answer.status, answer.json, answer.headers["etag"]) == (
        412, {"error": "If-Match is not the message's revision.", "revision": 1}, '"1"')
    assert delete(chatd, message, If_Match='"7"').status == 412
    assert patch(chatd, message, {"body": "b"}, If_Match='"1"').headers["etag"] == '"2"'
    assert delete(chatd, message, If_Match='"2"').status == 204


@pytest.mark.parametrize("value", ["1", "*", 'W/"1"', '"1", "2"', '"a"', '"-1"', '"99999999999"', '""', '"1" x', "'1'"])
def test_malformed_if_match(chatd, message, value):
    for answer in (patch(chatd, message, {"body": "b"}, If_Match=value), delete(chatd, message, If_Match=value)):
        assert answer.status == 400 and "If-Match" in answer.json["error"]
    assert "revision" not in chatd.get(message).json


def test_deletion(chatd, message, messages, chats, cluster):
    chatd.post(messages, {"body": "there"})
    answer = delete(chatd, message)
    assert (answer.status, answer.body) == (204, b"") and delete(chatd, message).status == 204
    gone = chatd.get(message)
    assert gone.status == 410 and gone.headers["etag"] == '"1"' and list(gone.json) == ["number", "body", "created_at", "deleted_at", "revision"]
    assert gone.json["body"] == ""
    answer = patch(chatd, message, {"body": "x"})
    assert (answer.status, answer.body) == (410, gone.body)
    assert [row["number"] for row in chatd.get(messages).json] == [2]
    assert chatd.get(chats + "/1").json["messages_count"] == 1
    assert chatd.get(messages + "/search?query=hello").json == []
    # The number stays taken.
    assert chatd.post(messages, {"body": "x", "number": 1}).json == {"number": ["has already been taken"]}
    assert cluster.sql("SELECT count(*) FROM chat.messages WHERE body = 'hello' AND sender = 'ann'"
                       " AND application_id = (SELECT id FROM chat.applications WHERE token = '%s')" % chats.split("/")[2]) == "0"


def test_many_editors(chatd, message):
    """Of those that have read the same revision, one is the first."""
    for revision in range(10):
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda i, r=revision: patch(chatd, message, {"body": "%d by %d" % (r, i)}, If_Match='"%d"' % r), range(8)))
        assert sorted(answer.status for answer in answers) == [200] + [412] * 7
        assert chatd.get(message).body == next(answer.body for answer in answers if answer.status == 200)


def test_users_change_their_own(cluster, chatd, chats, messages):
    application = cluster.sql("SELECT id FROM chat.applications WHERE token = '%s'" % chats.split("/")[2])
    signing = Secret(cluster, application)
    ann, bob = (bearer(make_jwt(signing, sub=user, scope="read write")) for user in ("ann", "bob"))
    server = Chatd(cluster.conninfo(), "--require-keys").ready()
    try:
        path = messages + "/1"
        body = json.dumps({"data": {"body": "mine"}})
        json_type = {"Content-Type": "application/json"}
        assert server.request("POST", messages, body, {**ann, **json_type}).status == 201
        for method in ("PATCH", "DELETE"):
            answer = server.request(method, path, body, {**bob, **json_type})
            assert (answer.status, answer.json) == (403, {"error": "The message is not from the user that the credential is for."})
        assert server.request("GET", path, headers=ann).json["body"] == "mine"
        assert server.request("PATCH", path, json.dumps({"data": {"body": "still mine"}}), {**ann, **json_type}).status == 200
        assert server.request("DELETE", path, headers=ann).status == 204
    finally:
        server.stop()


def replica(chatd, messages, limit, after="0", rows=None):
    """A copy of a chat, brought up to date by its changes from a position on; and the position that it has come to."""
    rows = {} if rows is None else rows
    path = "%s/changes?limit=%d&after=" % (messages, limit)
    following = path + after
    while following:
        answer = chatd.get(following)
        assert answer.status == 200
        for change in answer.json:
            assert list(change) == ["position", "event", "message"]
            rows[change["message"]["number"]] = change["message"]
            after = change["position"]
        link = answer.headers.get("link")
        assert link in (None, '<?limit=%d&after=%s>; rel="next"' % (limit, after))
        following = path + after if link else None
    return rows, after


def table(chatd, messages):
    return {row["number"]: row for row in chatd.get(messages + "?deleted=true&limit=1000").json}


@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
def test_changes(chatd, messages, limit):
    for i in range(4):
        chatd.post(messages, {"body": "message %d" % i})
    rows, after = replica(chatd, messages, limit)
    assert after == "4.0" and rows == table(chatd, messages)
    patch(chatd, messages + "/2", {"body": "edited"})
    delete(chatd, messages + "/3")
    chatd.post(messages, {"body": "ninth", "number": 9})
    chatd.post(messages, {"body": "filled in", "number": 7})
    patch(chatd, messages + "/2", {"metadata": {"again": True}})
    answer = chatd.get(messages + "/changes?after=" + after)
    assert [(change["position"], change["event"], change["message"]["number"]) for change in answer.json] == [
        ("4.2", "deleted", 3), ("4.4", "updated", 2), ("7.4", "created", 7), ("9.4", "created", 9)]
    rows, after = replica(chatd, messages, limit, after, rows)
    assert after == "9.4" and rows == table(chatd, messages)
    assert replica(chatd, messages, limit)[0].items() >= {number: row for number, row in rows.items() if "deleted_at" not in row}.items()
    answer = chatd.get(messages + "/changes?after=9.4")
    assert (answer.status, answer.json, answer.headers.get("link")) == (200, [], None)


@pytest.mark.parametrize("after, error", [
    *((value, "must be NUMBER or NUMBER.REVISION, integers from 0 to 2147483647.") for value in (
        "", "-1", "x", "1.", ".1", "1.2.3", "1.-1", "01", "1.01", "1.x", "99999999999", "0.2147483648", "1%2E", "1,2")),
])
def test_positions_that_are_none(chatd, message, messages, after, error):
    answer = chatd.get(messages + "/changes?after=" + after)
    assert (answer.status, answer.json) == (400, {"error": "Query parameter 'after' " + error}) and message


@pytest.mark.parametrize("after", ["2", "1.1", "2147483647.2147483647"])
@pytest.mark.parametrize("wait", ["", "&wait=0", "&wait=60"])
def test_positions_that_never_were(chatd, message, messages, after, wait):
    answer = chatd.get(messages + "/changes?after=" + after + wait)
    assert (answer.status, answer.json["position"]) == (400, "1.0") and "'after' is a position that" in answer.json["error"] and message


def test_changes_of_nothing(chatd, chats, messages):
    assert chatd.get(messages + "/changes").json == []
    for path in (chats + "/9/messages/changes", chats + "/x/messages/changes", "/applications/none/chats/1/messages/changes"):
        assert (chatd.get(path).status, chatd.get(path).json) == (404, {"error": "Chat not found"})
    for query in ("before=1", "last=1", "sender=x", "deleted=true", "limit=0", "limit=1001", "after=0&after=0", "limit=1&limit=1", "deleted=x"):
        assert chatd.get(messages + "/changes?" + query).status == 400


def test_filters(chatd, messages):
    for i, sender in enumerate(["ann", "bob", "Ann", None, "ann", "a&b é", "ann"]):
        chatd.post(messages, {"body": "message %d" % i, "sender": sender})
    delete(chatd, messages + "/7")

    def numbers(query):
        answer = chatd.get(messages + "?" + query)
        assert answer.status == 200
        return [row["number"] for row in answer.json], answer.headers.get("link")

    assert numbers("sender=ann") == ([1, 5], None)
    assert numbers("sender=ann&limit=1") == ([1], '<?sender=ann&limit=1&after=1>; rel="next"')
    assert numbers("sender=ann&after=1&limit=2")[0] == [5]
    assert numbers("sender=ann&last=1") == ([5], '<?sender=ann&limit=1&before=5>; rel="prev"')
    assert numbers("sender=a%26b+%C3%A9&limit=1") == ([6], '<?sender=a%26b%20%C3%A9&limit=1&after=6>; rel="next"')
    assert numbers("sender=") == numbers("sender=nobody") == ([], None)
    assert numbers("deleted=true&after=5") == ([6, 7], '<?deleted=true&before=6>; rel="prev"')
    assert numbers("deleted=true&last=1")[0] == [7]
    assert numbers("deleted=true&sender=ann")[0] == [1, 5]
    assert numbers("deleted=false&last=1")[0] == [6]
    for query in ("deleted=1", "deleted", "deleted=true&deleted=true", "sender=a&sender=b"):
        assert chatd.get(messages + "?" + query).status == 400
    for path in (messages.replace("/1/", "/9/"), messages.replace("/1/", "/x/")):
        for query in ("sender=ann", "sender=ann&last=1", "deleted=true"):
            assert chatd.get(path + "?" + query).status == 404
    for path in (messages + "/search?query=x&", messages.rsplit("/", 2)[0] + "?"):
        for query, name in (("sender=ann", "sender"), ("deleted=true", "deleted"), ("last=1", "last")):
            answer = chatd.get(path + query)
            assert answer.json == {"error": "Query parameter '%s' is for the list of a chat's messages only." % name}


def test_a_copy_beside_many_writers(chatd, start_chatd, cluster, messages):
    """A client that is told nothing but changes ends with the chat, while others write by REST and SQL, and sessions end."""
    servers = [chatd, start_chatd().ready()]
    stop, stopped = threading.Event(), threading.Event()
    of_chat = "application_id = (SELECT id FROM chat.applications WHERE token = '%s') AND chat_number = 1" % messages.split("/")[2]
    direct = ["UPDATE chat.messages SET body = body || 'd' WHERE {0} AND number % 7 = {1} % 7 AND deleted_at IS NULL",
              "DELETE FROM chat.messages WHERE {0} AND number = {1}",
              "INSERT INTO chat.messages (application_id, chat_number, body) SELECT application_id, chat_number, 'direct' FROM chat.messages WHERE {0} LIMIT 1"]

    def write(number):
        random = Random(number)
        while not stop.is_set():
            server, place = random.choice(servers), random.randint(1, 40)
            path = "%s/%d" % (messages, place)
            what = random.randrange(6)
            if what < 2:
                chatd.post(messages, {"body": "by %d" % number, **({"number": place} if what else {})})
            elif what < 4:
                patch(server, path, {"body": "edited by %d %d" % (number, random.random() * 1e6)})
            elif what == 4 and random.randrange(3) == 0:
                delete(server, path)
            elif random.randrange(5) == 0:
                # It may be ended for a deadlock with functions, which lock the chat first; for nothing else.
                cluster.sql("DO $$ BEGIN %s; EXCEPTION WHEN deadlock_detected THEN NULL; END $$" % random.choice(direct).format(of_chat, place))

    def follow(number):
        rows, after, told = {}, "0.0", 0
        while True:
            last = stopped.is_set()
            answer = servers[number % 2].get("%s/changes?limit=%d&after=%s" % (messages, number + 1, after))
            if answer.status == 503:
                continue
            assert answer.status == 200, answer
            for change in answer.json:
                assert [int(part) for part in change["position"].split(".")] > [int(part) for part in after.split(".")]
                rows[change["message"]["number"]] = change["message"]
                after = change["position"]
            told += len(answer.json)
            if last and not answer.json:
                return rows, told

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        writers = [threads.submit(write, number) for number in range(5)]
        copies = [threads.submit(follow, number) for number in (1, 4, 99)]
        try:
            for _ in range(8):
                before = cluster.sql("SELECT last_revision FROM chat.chats WHERE " + of_chat.replace("chat_number", "number"))
                wait_until(lambda b=before: cluster.sql("SELECT last_revision > %s + 30 FROM chat.chats WHERE %s" % (
                    b, of_chat.replace("chat_number", "number"))) == "t", "changes", 60)
                cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'chatd'")
        finally:
            stop.set()
            concurrent.futures.wait(writers)
            stopped.set()
        for writer in writers:
            writer.result()
        results = [copy.result() for copy in copies]
    chatd.ready()
    wanted = table(chatd, messages)
    for rows, told in results:
        # Of a row that is gone, no more is left than of a deleted one.
        assert {number: row for number, row in rows.items() if number in wanted} == wanted and told > 100
        assert all(row["body"] == "" and "deleted_at" in row for number, row in rows.items() if number not in wanted)
