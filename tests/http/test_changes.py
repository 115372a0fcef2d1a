"""Messages that are edited, deleted, and read again."""

import concurrent.futures
import json

import pytest

from conftest import Chatd
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
