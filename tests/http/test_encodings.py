"""A database in another encoding than UTF-8: what it cannot hold is refused by name, or is not found."""

import pytest

from conftest import Chatd

GREEK = "\u03b1\u03b2\u03b3"
ESCAPED = "%CE%B1%CE%B2%CE%B3"


@pytest.fixture(scope="module")
def latin(cluster):
    """A chatd on a database in LATIN1, and the path of the messages of its one chat."""
    cluster.sql("CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    cluster.sql("CREATE EXTENSION pg_chat", "latin")
    server = Chatd(cluster.conninfo().replace("dbname=chat", "dbname=latin")).ready()
    chats = "/applications/%s/chats" % server.post("/applications", {"name": "caf\u00e9"}).json["token"]
    server.post(chats)
    yield server, chats + "/1/messages"
    server.stop()
    cluster.sql("DROP DATABASE latin WITH (FORCE)")


def test_fields(latin):
    server, messages = latin
    for path, field in (("/applications", "name"), (messages, "body")):
        answer = server.post(path, {field: GREEK})
        assert answer.status == 422
        assert answer.json == {field: ["has a character that the database cannot store"]}
    assert server.post(messages, {"body": "na\u00efve"}).status == 201
    # The length of an export is that of what is sent, not of what is stored.
    assert server.get(messages.replace("/messages", "/export")).json["body"] == "na\u00efve"


def test_tokens(latin):
    server, messages = latin
    path = messages.replace(messages.split("/")[2], ESCAPED)
    chat, chats = path.rsplit("/", 1)[0], path.rsplit("/", 2)[0]
    for answer in (server.get(chats.rsplit("/", 1)[0]), server.get(chats), server.post(chats), server.get(chat),
                   server.post(chats, {"number": "x"}), server.get(path), server.get(path + "/1"),
                   server.get(path + "/search?query=x"), server.get(path + "/search?query=" + ESCAPED),
                   server.post(path, {"body": "x"}), server.post(path, {"body": " "}), server.post(path, {"body": GREEK})):
        assert answer.status == 404 and list(answer.json) == ["error"]


def test_searches(latin):
    server, messages = latin
    answer = server.get(messages + "/search?query=" + ESCAPED)
    assert answer.status == 200 and answer.json == []
    assert server.get(messages.replace("/chats/1/", "/chats/9/") + "/search?query=" + ESCAPED).status == 404
