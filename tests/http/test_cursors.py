"""Cursors: how far a reader has read, what is unread, and the overview that a client draws first."""

import concurrent.futures
import json
import urllib.parse

import pytest

from conftest import Chatd
from credentials import Secret, bearer, make_jwt, make_key
from test_paging import links

INVALID = [
    ({}, {"number": ["can't be blank"]}), ({"number": None}, {"number": ["can't be blank"]}),
    ({"number": -1}, {"number": ["must not be less than 0"]}), ({"number": 1.5}, {"number": ["is not a number"]}),
    ({"number": "x"}, {"number": ["is not a number"]}), ({"number": 2 ** 31}, {"number": ["is too large"]}),
    ({"number": True}, {"number": ["is not a number"]}), ({"number": 11}, {"number": ["must not be greater than 10, the chat's last"]}),
    ({"number": 1, "back": "yes"}, {"back": ["must be true or false"]}), ({"number": 1, "back": 1}, {"back": ["must be true or false"]}),
    ({"back": []}, {"number": ["can't be blank"], "back": ["must be true or false"]}),
]


@pytest.fixture
def shop(chatd, token):
    """An application with three chats, the first of which has ten messages."""
    path = "/applications/" + token
    for _ in range(3):
        chatd.post(path + "/chats")
    for number in range(1, 11):
        assert chatd.post(path + "/chats/1/messages", {"body": "message %d" % number}).status == 201
    return path


def put(chatd, path, data, headers=None):
    return chatd.request("PUT", path, json.dumps({"data": data}), {"Content-Type": "application/json", **(headers or {})})


def test_cursor(chatd, shop):
    ann = shop + "/chats/1/cursors/ann"
    assert (chatd.get(ann).status, chatd.get(ann).json) == (404, {"error": "Cursor not found"})
    answer = put(chatd, ann, {"number": 0})
    assert (answer.status, answer.json) == (200, {"reader": "ann", "number": 0, "unread_count": 10})
    assert put(chatd, ann, {"number": 7}).json == {"reader": "ann", "number": 7, "unread_count": 3}
    assert put(chatd, ann, {"number": 4}).json == put(chatd, ann, {"number": 4, "back": False}).json == {"reader": "ann", "number": 7, "unread_count": 3}
    assert put(chatd, ann, {"number": "4", "back": True}).json == {"reader": "ann", "number": 4, "unread_count": 6}
    form = chatd.request("PUT", ann, "data[number]=2&data[back]=true", {"Content-Type": "application/x-www-form-urlencoded"})
    assert form.json == {"reader": "ann", "number": 2, "unread_count": 8}
    assert chatd.get(ann).json == form.json
    chatd.post(shop + "/chats/1/messages", {"body": "another"})
    assert chatd.get(ann).json["unread_count"] == 9


@pytest.mark.parametrize("data, errors", INVALID)
def test_refused(chatd, shop, data, errors):
    answer = put(chatd, shop + "/chats/1/cursors/ann", data)
    assert (answer.status, answer.json) == (422, errors)
    answer = put(chatd, shop + "/chats/9/cursors/ann", data)
    assert (answer.status, answer.json) == (404, {"error": "Chat not found"})
    assert chatd.get(shop + "/chats/1/cursors").json == []


def test_readers_names(chatd, shop):
    """Any text that the path can have; a slash in it is encoded."""
    names = ["Ann", "ann", "a/b", "ж" * 255, "x y", "\"\\", "%2F", "..", "'; DROP TABLE chat.cursors; --", "👩‍👩‍👧"]
    for place, name in enumerate(names):
        path = "%s/chats/1/cursors/%s" % (shop, urllib.parse.quote(name, safe=""))
        assert put(chatd, path, {"number": place}).json == {"reader": name, "number": place, "unread_count": 10 - place}
        assert chatd.get(path).json["number"] == place
        assert chatd.get("%s/cursors/%s" % (shop, urllib.parse.quote(name, safe=""))).json[0]["number"] == place
    assert chatd.get(shop + "/chats/1/cursors").json == [{"reader": name, "number": names.index(name)}
                                                         for name in sorted(names, key=str.encode)]
    path = shop + "/chats/1/cursors/"
    assert put(chatd, path + "%20", {"number": 1}).json == {"reader": ["can't be blank"]}
    assert put(chatd, path + "x" * 256, {"number": 1}).json == {"reader": ["is too long (maximum is 255 characters)"]}
    assert chatd.request("PUT", path).status == 404


def test_list(chatd, shop):
    assert chatd.get(shop + "/chats/2/cursors").json == []
    assert chatd.get(shop + "/chats/9/cursors").status == 404
    readers = ["reader %03d & co" % number for number in range(25)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: put(chatd, shop + "/chats/1/cursors/" + urllib.parse.quote(name), {"number": 1}), readers))
    found, path = [], shop + "/chats/1/cursors?limit=10"
    while path:
        answer = chatd.get(path)
        found += [cursor["reader"] for cursor in answer.json]
        path = links(answer, path).get("next")
    assert found == readers
    for query in ("limit=0", "limit=1001", "limit=x", "limit=1&limit=2", "after=a&after=b"):
        assert chatd.get(shop + "/chats/1/cursors?" + query).status == 400


def test_overview(chatd, shop):
    for chat in range(1, 4):
        put(chatd, "%s/chats/%d/cursors/ann" % (shop, chat), {"number": 0 if chat > 1 else 8})
    chatd.post(shop + "/chats/3/messages", {"body": "last of 3"})
    answer = chatd.get(shop + "/cursors/ann")
    assert answer.json == [
        {"chat_number": 1, "number": 8, "unread_count": 2, "last_message": chatd.get(shop + "/chats/1/messages/10").json},
        {"chat_number": 2, "number": 0, "unread_count": 0, "last_message": None},
        {"chat_number": 3, "number": 0, "unread_count": 1, "last_message": chatd.get(shop + "/chats/3/messages/1").json}]
    assert "link" not in answer.headers
    assert chatd.get(shop + "/cursors/bob").json == []
    assert chatd.get("/applications/nope/cursors/bob").status == 404

    def page(query):
        answer = chatd.get(shop + "/cursors/ann?" + query)
        return [chat["chat_number"] for chat in answer.json], links(answer, "").keys()

    assert page("limit=2") == ([1, 2], {"next"})
    assert page("limit=2&after=2") == ([3], {"prev"})
    assert page("limit=2&before=4") == ([2, 3], {"next", "prev"})
    assert page("before=2") == ([1], {"next"})
    # Large messages make a page shorter than asked for, and the link goes on behind them.
    for chat in range(1, 21):
        if chat > 3:
            chatd.post(shop + "/chats")
            put(chatd, "%s/chats/%d/cursors/ann" % (shop, chat), {"number": 0})
        assert chatd.post("%s/chats/%d/messages" % (shop, chat), {"body": "x" * 60000}).status == 201
    assert page("") == (list(range(1, 18)), {"next"})
    assert page("after=17") == ([18, 19, 20], {"prev"})
    assert page("before=21") == (list(range(4, 21)), {"next", "prev"})


def test_users(cluster, chatd, shop):
    """A user moves no cursor but the user's own, and lists no chats but the user's."""
    number = cluster.sql("SELECT id FROM chat.applications WHERE token = '%s'" % shop.rpartition("/")[2])
    secret = Secret(cluster, number)
    for chat in (1, 2):
        put(chatd, "%s/chats/%d/cursors/ann" % (shop, chat), {"number": 0})
    guarded = Chatd(cluster.conninfo(), "--require-keys").ready()
    try:
        user, everywhere, reader = (bearer(make_jwt(secret, **claims)) for claims in (
            {"scope": "read write"}, {"scope": "read write", "chats": "all"}, {"scope": "read"}))
        for headers in (user, everywhere):
            assert put(guarded, shop + "/chats/1/cursors/ann", {"number": 3}, headers).status == 200
            refused = put(guarded, shop + "/chats/1/cursors/Ann", {"number": 3}, headers)
            assert (refused.status, refused.json) == (403, {"error": "The credential is for another reader."})
            assert guarded.request("GET", shop + "/cursors/bob", headers=headers).status == 403
            assert guarded.request("GET", shop + "/chats/1/cursors/bob", headers=headers).status == 404
            assert guarded.request("GET", shop + "/chats/1/cursors", headers=headers).status == 200
        assert put(guarded, shop + "/chats/1/cursors/ann", {"number": 3}, reader).status == 403
        assert put(guarded, shop + "/chats/2/cursors/ann", {"number": 0}, user).status == 403
        for headers, chats in ((user, [1]), (reader, [1]), (everywhere, [1, 2]), (bearer(make_key(cluster, "read", number)), [1, 2])):
            answer = guarded.request("GET", shop + "/cursors/ann", headers=headers)
            assert [chat["chat_number"] for chat in answer.json] == chats
    finally:
        assert guarded.stop() == 0


def test_sender(cluster, chatd, shop):
    """A message moves its sender's cursor with it, if asked."""
    messages = shop + "/chats/1/messages"

    def cursors():
        return {cursor["reader"]: cursor["number"] for cursor in chatd.get(shop + "/chats/1/cursors").json}

    def post(data, path=messages, headers=None):
        return chatd.request("POST", path, json.dumps({"data": data}), {"Content-Type": "application/json", **(headers or {})})

    for asked in ({}, {"move_cursor": False}, {"move_cursor": None}):
        assert post({"body": "x", "sender": "ann", **asked}).status == 201
    assert cursors() == {}
    created = post({"body": "x", "sender": "ann", "move_cursor": True})
    assert (created.status, created.json["number"]) == (201, 14)
    assert "move_cursor" not in created.json
    assert cursors() == {"ann": 14}
    form = chatd.request("POST", messages, "data[body]=x&data[sender]=bob&data[move_cursor]=true",
                         {"Content-Type": "application/x-www-form-urlencoded"})
    assert form.status == 201
    assert cursors() == {"ann": 14, "bob": 15}
    # Many, all or none, and again by a key.
    items = [{"body": "x", "sender": sender, "move_cursor": sender != "cay"} for sender in ("ann", "cay", "dan")]
    assert [item["message"]["number"] for item in post(items).json] == [16, 17, 18]
    assert cursors() == {"ann": 16, "bob": 15, "dan": 18}
    assert post(items[:1] + [{"body": "x", "number": 3}], messages + "?atomic=true").status == 422
    assert cursors() == {"ann": 16, "bob": 15, "dan": 18}
    assert [item["status"] for item in post(items[:2], messages + "?atomic=true").json] == [201, 201]
    assert cursors() == {"ann": 19, "bob": 15, "dan": 18}
    for asked in (False, True):
        answer = post({"body": "x", "sender": "eve", "move_cursor": asked}, headers={"Idempotency-Key": '"once"'})
        assert (answer.status, answer.json["number"]) == (201, 21)
    assert cursors()["eve"] == 21
    # What is refused.
    for data, errors in (({"move_cursor": True}, {"sender": ["can't be blank"]}),
                         ({"move_cursor": True, "sender": None}, {"sender": ["can't be blank"]}),
                         ({"move_cursor": "perhaps", "sender": "ann"}, {"move_cursor": ["must be true or false"]}),
                         ({"move_cursor": 1, "sender": "ann"}, {"move_cursor": ["must be true or false"]})):
        answer = post({"body": "x", **data})
        assert (answer.status, answer.json) == (422, errors)
    assert chatd.get(shop + "/chats/1").json["messages_count"] == 21
    # Who has a cursor locked keeps nothing else from being stored.
    locker = cluster.session("BEGIN; SELECT FROM chat.cursors WHERE reader = 'ann' FOR UPDATE")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(post, {"body": "x", "sender": "ann", "move_cursor": True}, shop + "/chats/1/messages")
        assert post({"body": "x", "sender": "ann", "move_cursor": True}, shop + "/chats/2/messages").status == 201
        locker.communicate()
        assert waiting.result().status == 201
    assert cursors()["ann"] == 22
    # A user is the sender.
    secret = Secret(cluster, cluster.sql("SELECT id FROM chat.applications WHERE token = '%s'" % shop.rpartition("/")[2]))
    guarded = Chatd(cluster.conninfo(), "--require-keys").ready()
    try:
        user = {"Content-Type": "application/json", **bearer(make_jwt(secret, scope="read write"))}
        assert guarded.request("POST", messages, json.dumps({"data": {"body": "x", "move_cursor": True}}), user).status == 201
        assert cursors()["ann"] == 23
    finally:
        assert guarded.stop() == 0


def test_many_at_once(chatd, shop, cluster):
    """Whatever their order, the cursor ends at the highest number."""
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: put(chatd, shop + "/chats/1/cursors/ann", {"number": number % 11}), range(100)))
    assert {answer.status for answer in answers} == {200}
    assert chatd.get(shop + "/chats/1/cursors/ann").json == {"reader": "ann", "number": 10, "unread_count": 0}
    # Who has the row locked keeps a cursor from moving, and nothing else.
    locker = cluster.session("BEGIN; SELECT FROM chat.cursors WHERE reader = 'ann' FOR UPDATE")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(put, chatd, shop + "/chats/1/cursors/ann", {"number": 1, "back": True})
        assert chatd.post(shop + "/chats/1/messages", {"body": "meanwhile"}).status == 201
        locker.communicate()
        assert waiting.result().json == {"reader": "ann", "number": 1, "unread_count": 10}
