"""Messages from elsewhere, as they are there: what lists show, a chat takes."""

import json

import pytest

from test_changes import delete, patch, replica, table

IMPORTS = ["chat.import_%s, integer[], text[], timestamptz[], text[], jsonb[], timestamptz[], timestamptz[], integer[], text[])" % start
           for start in ("messages(text, integer", "application(text, integer[]")]


@pytest.fixture(autouse=True)
def allowed(cluster):
    cluster.sql("GRANT EXECUTE ON FUNCTION %s TO chat_api" % IMPORTS[0])


@pytest.fixture
def copy(chatd, chats, messages):
    """The path that imports into a second chat."""
    assert chatd.post(chats).json["number"] == 2 and messages
    return chats + "/2/import"


def pages(chatd, messages, limit):
    """All of a chat, page by page, as the bytes of the answers."""
    path = "%s?deleted=true&limit=%d" % (messages, limit)
    while path:
        answer = chatd.get(path)
        yield answer.body
        links = dict(reversed(link.split("; ")) for link in answer.headers.get("link", "").split(", ") if link)
        path = messages + links['rel="next"'][1:-1] if 'rel="next"' in links else None


@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_what_a_list_shows(chatd, messages, copy, limit):
    chatd.post(messages, [{"body": "message %d \u00e9\n\"" % i, "sender": "ann" if i % 2 else None, "metadata": {"a": 1.50, "\u00e9": [i]}, "key": "k%d" % i}
                          for i in range(7)])
    patch(chatd, messages + "/2", {"body": "edited"})
    delete(chatd, messages + "/4")
    patch(chatd, messages + "/1", {"metadata": None})
    chatd.post(messages, {"body": "far", "number": 20})
    chatd.post(messages, {"body": "filled in", "number": 12})
    exported = list(pages(chatd, messages, limit))
    for turn in ("created", "replayed"):
        for page in exported:
            answer = chatd.post_json(copy, b'{"data":%s}' % page)
            assert answer.status == 200
            assert answer.json == {"created": 0, "replayed": 0, "refused": [], turn: len(json.loads(page))}
        assert list(pages(chatd, copy.replace("/import", "/messages"), limit)) == exported
    there = copy.replace("/import", "/messages")
    assert replica(chatd, there, 3)[0] == table(chatd, there) == table(chatd, messages)
    assert chatd.get(copy.replace("/import", "")).json["messages_count"] == 8


GOOD = {"number": 1, "body": "x", "created_at": "2019-02-28T23:59:59Z"}


@pytest.mark.parametrize("item, errors", [
    ({"number": None}, {"number": ["can't be blank"]}), ({"number": 0}, {"number": ["must be greater than 0"]}),
    ({"body": ""}, {"body": ["can't be blank"]}), ({"body": 1}, {"body": ["must be a string"]}),
    ({"created_at": None}, {"created_at": ["can't be blank"]}), ({"revision": 0}, {"revision": ["must be greater than 0"]}),
    ({"metadata": []}, {"metadata": ["must be a JSON object"]}), ({"sender": " "}, {"sender": ["can't be blank"]}),
    ({"deleted_at": "2019-02-28T23:59:59Z"}, {"deleted_at": ["must not be given where there is a body, sender, metadata or edited_at"]}),
    *(({"created_at": time}, {"created_at": ["must be a time in UTC, as in 2026-01-02T03:04:05.123456Z"]}) for time in (
        "2019", "2019-02-29T00:00:00Z", "2019-13-01T00:00:00Z", "2019-00-01T00:00:00Z", "2019-01-00T00:00:00Z", "2019-01-32T00:00:00Z",
        "2019-01-01T24:00:00Z", "2019-01-01T00:60:00Z", "2019-01-01T00:00:60Z", "2019-01-01T00:00:00", "2019-01-01T00:00:00+00:00",
        "2019-01-01 00:00:00Z", "2019-01-01T00:00:00.Z", "2019-01-01T00:00:00.1234567Z", "0000-01-01T00:00:00Z", "infinity", "now",
        "2019-01-01T00:00:00ZZ", "1900-02-29T00:00:00Z", "2019-01-01T00:00:00.1", "2019-01-01t00:00:00z", "\u0662019-01-01T00:00:00Z")),
])
def test_items_that_are_refused(chatd, copy, item, errors):
    answer = chatd.post(copy, [dict(GOOD, number=7), {**GOOD, **item}, dict(GOOD, number=9)])
    assert (answer.status, answer.json) == (200, {"created": 2, "replayed": 0, "refused": [{"item": 2, "status": 422, "errors": errors}]})
    assert [row["number"] for row in chatd.get(copy.replace("/import", "/messages")).json] == [7, 9]


@pytest.mark.parametrize("time", ["2020-02-29T00:00:00Z", "2000-02-29T23:59:59.999999Z", "9999-12-31T23:59:59.5Z", "0001-01-01T00:00:00Z"])
def test_times(chatd, copy, time):
    assert chatd.post(copy, [{**GOOD, "created_at": time}]).json["created"] == 1
    shown = chatd.get(copy.replace("/import", "/messages/1")).json["created_at"]
    assert shown == (time[:-1] + ("" if "." in time else ".")).ljust(26, "0") + "Z"


def test_what_is_there(chatd, copy):
    assert chatd.post(copy, [GOOD, {**GOOD, "number": 2, "key": "k"}]).json["created"] == 2
    answer = chatd.post(copy, [GOOD, {**GOOD, "body": "other"}, {**GOOD, "number": 3, "key": "k"}, {**GOOD, "number": 4}, {**GOOD, "number": 4}])
    assert answer.json == {"created": 1, "replayed": 1, "refused": [
        {"item": 2, "status": 422, "errors": {"number": ["has already been taken"]}},
        {"item": 3, "status": 422, "errors": {"key": ["has already been taken"]}},
        {"item": 5, "status": 422, "errors": {"number": ["has already been taken"]}}]}


def test_what_is_no_import(chatd, chats, copy):
    assert chatd.post(copy, []).json == {"created": 0, "replayed": 0, "refused": []}
    assert chatd.post(copy, GOOD).status == 400 and chatd.post(copy, [1]).status == 400
    assert chatd.post(copy, [GOOD] * 1001).status == 413 and chatd.post(copy).status == 400
    for path in (chats + "/9/import", chats + "/x/import", "/applications/none/chats/1/import"):
        for items in ([GOOD], [], [{}]):
            assert (chatd.post(path, items).status, chatd.post(path, items).json) == (404, {"error": "Chat not found"})


def test_not_by_default(chatd, cluster, copy):
    cluster.sql("REVOKE EXECUTE ON FUNCTION %s FROM chat_api" % IMPORTS[0])
    answer = chatd.post(copy, [GOOD])
    assert (answer.status, answer.json) == (403, {"error": "The role that chatd logs in with may not do this."})
