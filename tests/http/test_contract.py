"""The contract of the API, request by request, in JSON and as a form."""

import json
import re
import urllib.parse

import pytest

from conftest import timeless

both = pytest.mark.parametrize("form", [False, True], ids=["json", "form"])
MISSING_TOKEN = "/applications/invalidtoken"


@both
def test_application_is_created(chatd, new_name, form):
    answer = chatd.post("/applications", {"name": new_name}, form)
    assert answer.status == 201
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert re.fullmatch("[0-9a-f]{32}", answer.json["token"])
    assert list(answer.json) == ["token", "name", "chats_count", "created_at"]
    assert (answer.json["name"], answer.json["chats_count"]) == (new_name, 0)


@both
def test_name_is_unique_without_regard_to_case(chatd, new_name, form):
    name = new_name + " Ärger ΣΟΦΟΣ"
    assert chatd.post("/applications", {"name": name}, form).status == 201
    for again in (name, name.lower(), name.upper()):
        answer = chatd.post("/applications", {"name": again}, form)
        assert (answer.status, answer.json) == (422, {"name": ["has already been taken"]})


@both
@pytest.mark.parametrize("name", ["", " ", "\t\n", "\u3000\u2003\u0085"])
def test_blank_name(chatd, name, form):
    answer = chatd.post("/applications", {"name": name}, form)
    assert (answer.status, answer.json) == (422, {"name": ["can't be blank"]})


@pytest.mark.parametrize("text", ['{"data":{}}', "{}", "", '{"data":null}', '{"data":{"name":null}}'])
def test_missing_name(chatd, text):
    answer = chatd.post_json("/applications", text)
    assert (answer.status, answer.json) == (422, {"name": ["can't be blank"]})


def test_name_is_kept_as_it_is(chatd, new_name):
    name = "  %s\u202e\u200d " % new_name
    token = chatd.post("/applications", {"name": name}).json["token"]
    assert chatd.get("/applications/" + token).json["name"] == name


def test_name_too_long(chatd):
    answer = chatd.post("/applications", {"name": "x" * 256})
    assert (answer.status, answer.json) == (422, {"name": ["is too long (maximum is 255 characters)"]})


def test_token_and_count_cannot_be_chosen(chatd, new_name):
    answer = chatd.post("/applications", {"name": new_name, "token": "mine", "chats_count": 9})
    assert answer.status == 201 and answer.json["token"] != "mine" and answer.json["chats_count"] == 0


def test_application_is_shown(chatd, token, chats):
    before = chatd.get("/applications/" + token)
    assert before.status == 200 and list(before.json) == ["token", "name", "chats_count", "created_at"]
    chatd.post(chats)
    assert chatd.get("/applications/" + token).json == {**before.json, "chats_count": 1}


def test_chat_is_deleted(chatd, token, chats):
    number = chatd.post(chats).json["number"]
    path = "%s/%d" % (chats, number)
    chatd.post(path + "/messages", {"body": "of a chat that is deleted"})
    answer = chatd.request("DELETE", path)
    assert (answer.status, answer.body) == (204, b"") and "content-type" not in answer.headers
    for method, rest in (("GET", ""), ("DELETE", ""), ("GET", "/messages"), ("GET", "/messages/1"), ("GET", "/messages/search?query=of")):
        answer = chatd.request(method, path + rest)
        assert answer.status == 404 and list(answer.json) == ["error"], (method, rest)
    assert chatd.post(path + "/messages", {"body": "x"}).status == 404
    assert chatd.get("/applications/" + token).json["chats_count"] == 0
    assert chatd.post(chats).json["number"] == number + 1


def test_chat_that_cannot_be_deleted(chatd, chats):
    for number in ("5", "0", "nope", "%31", "2147483648"):
        answer = chatd.request("DELETE", "%s/%s" % (chats, number))
        assert (answer.status, answer.json) == (404, {"error": "Chat with number %s not found" % urllib.parse.unquote(number)})
    assert chatd.request("DELETE", MISSING_TOKEN + "/chats/1").status == 404


def test_large_chat_is_gone_at_once(chatd, chats, cluster):
    """Its messages go later, by the worker or by hand: nobody waits for them."""
    number = chatd.post(chats).json["number"]
    path = "%s/%d" % (chats, number)
    cluster.sql("INSERT INTO chat.messages (application_id, chat_number, body) SELECT id, %d, 'x'"
                " FROM chat.applications, generate_series(1, 5000) WHERE token = '%s'" % (number, chats.split("/")[2]))
    assert len(chatd.get(path + "/messages").json) == 100
    assert chatd.request("DELETE", path).status == 204
    assert chatd.get(path + "/messages").status == chatd.get(path + "/messages/7").status == 404
    assert chatd.get(chats).json == []


def test_missing_application(chatd):
    for path in ("", "/chats", "/chats/1"):
        answer = chatd.get(MISSING_TOKEN + path)
        assert (answer.status, answer.json) == (404, {"error": "Application with token invalidtoken not found"})
    for text in ("", '{"data":{}}', '{"data":{"number":-1}}'):
        answer = chatd.post_json(MISSING_TOKEN + "/chats", text)
        assert (answer.status, answer.json) == (404, {"error": "Application with token invalidtoken not found"})


def test_applications_are_listed(chatd, token):
    answer = chatd.get("/applications")
    assert answer.status == 200
    assert [list(row) for row in answer.json[:1]] == [["token", "name", "chats_count", "created_at"]]


@both
def test_chats_are_created(chatd, chats, form):
    answer = timeless(chatd.post(chats))
    assert (answer.status, answer.body) == (201, b'{"number":1,"messages_count":0}')
    assert chatd.post(chats, {}).json["number"] == 2
    assert timeless(chatd.post(chats, {"number": 77}, form)).json == {"number": 77, "messages_count": 0}
    assert chatd.post(chats).json["number"] == 78
    assert chatd.post(chats, {"number": 50}, form).status == 201
    taken = chatd.post(chats, {"number": 77}, form)
    assert (taken.status, taken.json) == (422, {"number": ["has already been taken"]})
    assert [row["number"] for row in chatd.get(chats).json] == [1, 2, 50, 77, 78]


BAD_NUMBERS = [
    ("abc", "is not a number"), ("1.5", "is not a number"), ("0x5", "is not a number"), ("+5", "is not a number"),
    (" 5", "is not a number"), ("５", "is not a number"), ("-5", "must be greater than 0"),
    ("0", "must be greater than 0"), (str(2 ** 31), "is too large"), (str(2 ** 64), "is too large"),
]


@both
@pytest.mark.parametrize("number,predicate", BAD_NUMBERS)
def test_bad_numbers(chatd, messages, chats, number, predicate, form):
    for path, data in ((chats, {"number": number}), (messages, {"number": number, "body": "x"})):
        answer = chatd.post(path, data, form)
        assert (answer.status, answer.json) == (422, {"number": [predicate]})


@pytest.mark.parametrize("number,predicate", [
    (1.5, "is not a number"), (True, "is not a number"), ([], "is not a number"), ({}, "is not a number"),
    (-5, "must be greater than 0"), (0, "must be greater than 0"), (2 ** 40, "is too large"), (2 ** 70, "is too large"),
])
def test_bad_json_numbers(chatd, messages, number, predicate):
    answer = chatd.post(messages, {"number": number, "body": "x"})
    assert (answer.status, answer.json) == (422, {"number": [predicate]})


def test_all_faults_are_named(chatd, messages):
    answer = chatd.post(messages, {"number": "abc", "body": " "})
    assert (answer.status, answer.json) == (422, {"body": ["can't be blank"], "number": ["is not a number"]})


@pytest.mark.parametrize("number", ["7", '"7"', "7.0", "7e0"])
def test_spellings_of_a_number(chatd, messages, number):
    answer = timeless(chatd.post_json(messages, '{"data":{"body":"x","number":%s}}' % number))
    assert (answer.status, answer.json) == (201, {"number": 7, "body": "x"})


def test_last_number(chatd, chats, messages):
    assert chatd.post(chats, {"number": 2 ** 31 - 1}).status == 201
    assert chatd.post(messages, {"number": 2 ** 31 - 1, "body": "x"}).status == 201
    for path, data in ((chats, {}), (messages, {"body": "x"})):
        answer = chatd.post(path, data)
        assert (answer.status, answer.json) == (422, {"number": ["has reached its maximum, 2147483647"]})


def test_chat_is_shown(chatd, chats, messages):
    assert timeless(chatd.get(chats + "/1")).body == b'{"number":1,"messages_count":0}'
    chatd.post(messages, {"body": "x"})
    assert timeless(chatd.get(chats + "/1")).json == {"number": 1, "messages_count": 1}


@pytest.mark.parametrize("name", ["nope", "2", "0", "-1", "01"])
def test_missing_chat(chatd, chats, messages, name):
    answer = chatd.get("%s/%s" % (chats, name))
    assert (answer.status, answer.json) == (404, {"error": "Chat with number %s not found" % name})


@both
def test_messages_are_created(chatd, messages, form):
    answer = timeless(chatd.post(messages, {"body": "hi"}, form))
    assert (answer.status, answer.body) == (201, b'{"number":1,"body":"hi"}')
    assert timeless(chatd.post(messages, {"body": "b", "number": 101}, form)).json == {"number": 101, "body": "b"}
    assert chatd.post(messages, {"body": "c"}, form).json["number"] == 102
    taken = chatd.post(messages, {"body": "d", "number": 101}, form)
    assert (taken.status, taken.json) == (422, {"number": ["has already been taken"]})
    assert timeless(chatd.get(messages)).json == [{"number": 1, "body": "hi"}, {"number": 101, "body": "b"},
                                                  {"number": 102, "body": "c"}]
    assert timeless(chatd.get(messages + "/101")).body == b'{"number":101,"body":"b"}'


def test_times(chatd, token, chats, messages):
    """An answer to POST tells the time that is shown ever after."""
    made = chatd.post(messages, {"body": "x"}).json["created_at"]
    assert {made} == {row["created_at"] for row in [chatd.get(messages + "/1").json] + chatd.get(messages).json
                      + chatd.get(messages + "/search?query=x").json + chatd.get(messages + "?last=1").json}
    chat = chatd.post(chats).json
    assert chat == chatd.get(chats + "/2").json == chatd.get(chats).json[1]
    application = chatd.get("/applications/" + token).json
    assert application["created_at"] < made < chat["created_at"]


@pytest.mark.parametrize("data", [{}, {"body": None}, {"body": ""}, {"body": " \n\u00a0"}])
def test_blank_body(chatd, messages, data):
    answer = chatd.post(messages, data)
    assert (answer.status, answer.json) == (422, {"body": ["can't be blank"]})


def test_body_too_long(chatd, messages):
    assert chatd.post(messages, {"body": "x" * 65536}).status == 201
    answer = chatd.post(messages, {"body": "x" * 65537})
    assert (answer.status, answer.json) == (422, {"body": ["is too long (maximum is 65536 bytes)"]})


@pytest.mark.parametrize("body", [
    "'; DROP TABLE chat.messages; --", "$1 \\ \\\\ %s", "\u202eabc\u2066", "👩\u200d👩\u200d👧", "e" + "\u0301" * 10000,
    " kept as it is \r\n", '{"json":"\\"}', "\ufeff", "\u0001\u001f\u007f", "a\u2028b",
])
def test_bodies_are_kept_byte_for_byte(chatd, messages, body):
    created = chatd.post(messages, {"body": body})
    assert created.status == 201 and created.json["body"] == body
    assert chatd.get(messages + "/1").json["body"] == body


def test_missing_parents_of_messages(chatd, chats, messages):
    for parent in (MISSING_TOKEN + "/chats/1", chats + "/2", chats + "/nope", chats + "/2147483648"):
        for path in ("/messages", "/messages?last=5", "/messages/search?query=x"):
            answer = chatd.get(parent + path)
            assert (answer.status, answer.json) == (404, {"error": "Chat not found"})
        for data in ({"body": "x"}, {"body": ""}, {"body": "x", "number": -1}):
            answer = chatd.post(parent + "/messages", data)
            assert (answer.status, answer.json) == (404, {"error": "Chat not found"})
        answer = chatd.get(parent + "/messages/1")
        assert (answer.status, answer.json) == (404, {"error": "Message not found"})
    answer = chatd.get(messages + "/999")
    assert (answer.status, answer.json) == (404, {"error": "Message not found"})


def test_search(chatd, messages):
    for body in ("Hello", "yellow", "help", "100% of_it", "a\\b *"):
        chatd.post(messages, {"body": body})
    for query, found in (("ell", [1, 2]), ("ELL", [1, 2]), ("h", [1, 3]), ("%25", [4]), ("_", [4]), ("%5C", [5]),
                         ("*", [5]), ("0%25+o", [4]), ("OR", []), ("a:b", []), ("/x{9999}/", [])):
        answer = chatd.get(messages + "/search?query=" + query)
        assert (answer.status, [row["number"] for row in answer.json]) == (200, found), query
    assert list(answer.json) == []


@pytest.mark.parametrize("query", ["", "?query=", "?limit=1"])
def test_search_for_nothing(chatd, messages, query):
    answer = chatd.get(messages + "/search" + query)
    assert (answer.status, answer.json) == (400, {"error": "Query parameter 'query' is missing."})


@pytest.mark.parametrize("encoded", ["x" * 10000, "%C3%A4" * 5000])
def test_search_for_a_long_text(chatd, messages, encoded):
    body = encoded.replace("%C3%A4", "ä")
    chatd.post(messages, {"body": "[%s]" % body})
    answer = chatd.get(messages + "/search?query=" + encoded)
    assert (answer.status, len(answer.json)) == (200, 1)


def test_another_applications_chat_is_missing(chatd, messages, new_name):
    other = chatd.post("/applications", {"name": new_name + " (other)"}).json["token"]
    chatd.post(messages, {"body": "secret"})
    path = "/applications/%s/chats/1/messages" % other
    assert chatd.get(path).json == {"error": "Chat not found"}
    assert chatd.get(path + "/1").json == {"error": "Message not found"}


def test_paths_that_are_not_served(chatd):
    for path in ("/nope", "/applications/", "/applications/x/y", "/Applications"):
        answer = chatd.get(path)
        assert answer.status == 404 and list(answer.json) == ["error"]


def test_health(chatd):
    assert chatd.get("/healthz").json == {"status": "ok"}
    assert chatd.get("/readyz").json == {"status": "ready"}


def test_json_is_compact_utf8(chatd, messages):
    answer = chatd.post(messages, {"body": "hällo"})
    assert timeless(answer).body == '{"number":1,"body":"hällo"}'.encode()
    assert json.loads(answer.body) == answer.json
