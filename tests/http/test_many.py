"""Many messages in one request."""

import json

import pytest

from conftest import wait_for_attempt


@pytest.fixture
def everywhere(chatd, chats):
    """The path that takes messages for any chats of a new application, which has two."""
    chatd.post(chats)
    chatd.post(chats)
    return chats.replace("/chats", "/messages")


def test_each_message_has_an_outcome(chatd, messages):
    answer = chatd.post(messages, [
        {"body": "one"}, {"body": " "}, {"body": "seven", "number": 7}, {"body": "eight"}, {"body": "again", "number": 7},
        {"body": "from", "sender": "ann", "metadata": {"b": [1, 2.50], "a": None}}, {"number": -1, "sender": 3, "metadata": []},
    ])
    assert answer.status == 207
    assert [item if item["status"] > 201 else 201 for item in answer.json] == [
        201, {"status": 422, "errors": {"body": ["can't be blank"]}}, 201, 201,
        {"status": 422, "errors": {"number": ["has already been taken"]}}, 201,
        {"status": 422, "errors": {"body": ["can't be blank"], "number": ["must be greater than 0"],
                                   "sender": ["must be a string"], "metadata": ["must be a JSON object"]}},
    ]
    stored = chatd.get(messages).json
    assert [item["message"] for item in answer.json if item["status"] == 201] == stored
    assert [row["number"] for row in stored] == [1, 7, 8, 9]
    assert stored[3]["sender"] == "ann" and stored[3]["metadata"] == {"a": None, "b": [1, 2.5]}
    # Byte for byte: what a list shows.
    assert answer.body.endswith(b"]") and json.dumps(stored[3]["metadata"]).encode() in answer.body


def test_as_many_as_there_may_be(chatd, messages):
    answer = chatd.post(messages, [{"body": "message %d" % i} for i in range(1000)])
    assert answer.status == 207 and [item["message"]["number"] for item in answer.json] == list(range(1, 1001))
    assert chatd.post(messages, [{"body": "x"}] * 1001).status == 413
    assert len(chatd.get(messages + "?limit=1&after=1000").json) == 0


def test_any_chats(chatd, chats, everywhere):
    answer = chatd.post(everywhere, [
        {"chat_number": 2, "body": "a"}, {"chat_number": 1, "body": "b"}, {"chat_number": 3, "body": "c"},
        {"body": "d"}, {"chat_number": 2, "body": "e"}, {"chat_number": "x", "body": "f"}, {"chat_number": 0, "body": "g"},
        {"chat_number": None, "body": "h"},
    ])
    assert answer.status == 207
    assert [item["message"]["number"] if item["status"] == 201 else item for item in answer.json] == [
        1, 1, {"status": 404, "error": "Chat not found"}, {"status": 422, "errors": {"chat_number": ["can't be blank"]}}, 2,
        {"status": 422, "errors": {"chat_number": ["is not a number"]}},
        {"status": 422, "errors": {"chat_number": ["must be greater than 0"]}},
        {"status": 422, "errors": {"chat_number": ["can't be blank"]}},
    ]
    assert [row["body"] for row in chatd.get(chats + "/2/messages").json] == ["a", "e"]


def test_a_missing_parent_comes_first(chatd, messages, everywhere):
    missing = messages.replace("/1/", "/9/")
    for data in [{"body": "x"}], [{"body": ""}]:
        assert (chatd.post(missing, data).status, chatd.post(missing, data).json) == (404, {"error": "Chat not found"})
        answer = chatd.post("/applications/nobody/messages", [dict(item, chat_number=1) for item in data])
        assert (answer.status, answer.json) == (404, {"error": "Application with token nobody not found"})
    answer = chatd.post(everywhere, [{"chat_number": 9, "body": "x"}])
    assert (answer.status, answer.json) == (207, [{"status": 404, "error": "Chat not found"}])
    answer = chatd.post(everywhere, [{"chat_number": 9}])
    assert answer.status == 207 and answer.json[0]["status"] == 422


@pytest.mark.parametrize("text, status, error", [
    (b'{"data":[]}', 400, "'data' in the JSON body must not be an empty array."),
    (b'{"data":[1]}', 400, "Item 1 of 'data' in the JSON body must be an object."),
    (b'{"data":[{"chat_number":1,"body":"x"},[]]}', 400, "Item 2 of 'data' in the JSON body must be an object."),
    (b'{"data":{"chat_number":1,"body":"x"}}', 400, "'data' in the JSON body must be an array."),
    (b'{"data":[{"chat_number":1,"body":"x"}', 400, "The body is not valid JSON: line 1, column 37."),
    (b'{"data":[{"chat_number":1,"body":"x","Body":"y"}]}', 400, "The JSON body has the key 'Body': its letter case is wrong."),
    (b'{"data":[{"chat_number":1,"body":"x"}],"data":[]}', 400, "The JSON body has the key 'data' twice."),
])
def test_what_is_no_list_of_messages(chatd, everywhere, text, status, error):
    answer = chatd.post_json(everywhere, text)
    assert (answer.status, answer.json) == (status, {"error": error})
    assert chatd.get(everywhere.replace("/messages", "/chats/1/messages")).json == []


def test_an_array_is_for_messages_alone(chatd, chats):
    assert chatd.post_json(chats, b'{"data":[{}]}').status == 400
    assert chatd.post_json("/applications", b'{"data":[{"name":"x"}]}').status == 400


def test_a_locked_chat_holds_up_its_request_alone(chatd, cluster, chats, everywhere):
    locker = cluster.session("BEGIN; SELECT FROM chat.chats WHERE number = 1 AND application_id ="
                             " (SELECT id FROM chat.applications WHERE token = '%s') FOR UPDATE" % chats.split("/")[2])
    body = json.dumps({"data": [{"chat_number": 1, "body": "late"}, {"chat_number": 2, "body": "soon"}]}).encode()
    with chatd.wire() as wire:
        wire.send(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                  % (everywhere.encode(), len(body), body))
        wait_for_attempt(cluster)
        assert chatd.post(chats + "/2/messages", {"body": "later"}).json["number"] == 2
        locker.communicate("ROLLBACK;\n")
        assert [item["message"]["number"] for item in wire.answer().json] == [1, 1]


def test_no_room_for_all_is_room_for_none(start_chatd, cluster, chats, everywhere):
    server = start_chatd("--max-queue", "50", "--writers", "1").ready()
    locker = cluster.session("BEGIN; SELECT FROM chat.chats WHERE number = 1 AND application_id ="
                             " (SELECT id FROM chat.applications WHERE token = '%s') FOR UPDATE" % chats.split("/")[2])
    body = b'{"data":{"body":"waits"}}'
    try:
        with server.wire() as wire:
            wire.send(b"POST %s/1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                      % (chats.encode(), len(body), body))
            wait_for_attempt(cluster)
            answer = server.post(everywhere, [{"chat_number": 2, "body": "x"}] * 51)
            assert answer.status == 503 and answer.json == {"error": "The server is busy."} and answer.headers["retry-after"] == "1"
            assert server.get(chats + "/2/messages").json == []
            locker.communicate("ROLLBACK;\n")
            assert wire.answer().status == 201
        # Alone they may wait.
        assert server.post(everywhere, [{"chat_number": 2, "body": "x"}] * 51).json[50]["message"]["number"] == 51
    finally:
        locker.communicate()


def test_without_a_database(start_chatd, messages):
    server = start_chatd(database="host=/nowhere")
    answer = server.post(messages, [{"body": "x"}, {}])
    assert answer.status == 503 and list(answer.json) == ["error"]


def test_each_message_counts(start_chatd, messages):
    server = start_chatd("--address-messages", "1").ready()
    assert server.post(messages, [{"body": "x"}] * 11).json == {"error": "There are too many messages in the request: 10 are allowed."}
    # That was one.
    answer = server.post(messages, [{"body": "x"}] * 8)
    assert answer.status == 207 and answer.headers["ratelimit"].startswith('"address-messages";r=1;')
    assert server.post(messages, [{"body": "x"}] * 9).status == 429


def test_sender_and_metadata_of_one(chatd, messages):
    answer = chatd.post(messages, {"body": "x", "sender": "bob", "metadata": {"z": 1, "a": 1}})
    assert answer.status == 201 and answer.body.endswith(b'"sender":"bob","metadata":{"a": 1, "z": 1}}')
    assert answer.body == chatd.get(messages + "/1").body
    form = chatd.post(messages, {"body": "x", "sender": "bob", "metadata": '{"z": 1}'}, form=True)
    assert form.status == 201 and form.json["metadata"] == {"z": 1}
