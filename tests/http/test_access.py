"""Keys: who may do what, by the table of frontend/access/README.md; and what must not be learnt or forged."""

import json
import re
import subprocess

import pytest

from conftest import CHATD, ENVIRONMENT, TOP, wait_until

README = (TOP / "frontend/access/README.md").read_text()


@pytest.fixture(scope="module")
def guarded(cluster):
    """A chatd that requires keys."""
    from conftest import Chatd
    server = Chatd(cluster.conninfo(), "--require-keys", "--access-log").ready()
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="module")
def shop(cluster):
    """An application with a chat and a message: its id and its token."""
    row = cluster.sql("SELECT id, token FROM chat.create_application('shop of test_access')").split("|")
    cluster.sql("SELECT chat.create_chat(%s), chat.create_chat(%s)" % (row[0], row[0]))
    cluster.sql("SELECT chat.create_message(%s, 1, 'hello')" % row[0])
    return {"id": row[0], "token": row[1]}


@pytest.fixture(scope="module")
def other(cluster):
    row = cluster.sql("SELECT id, token FROM chat.create_application('other of test_access')").split("|")
    return {"id": row[0], "token": row[1]}


def make_key(cluster, scope, application="NULL", expires="NULL"):
    return cluster.sql("SELECT chat.create_key('test', '%s', %s, %s)" % (scope, application, expires))


def bearer(credential):
    return {"Authorization": "Bearer " + credential} if credential else {}


def call(chatd, method, path, credential=None, data=None, headers=None):
    body = json.dumps({"data": data}) if data is not None else None
    return chatd.request(method, path, body, {"Content-Type": "application/json", **bearer(credential), **(headers or {})})


def test_keys_open_what_they_are_for(guarded, cluster, shop):
    admin, write, read = (make_key(cluster, scope) for scope in ("admin", "write", "read"))
    messages = "/applications/%s/chats/1/messages" % shop["token"]
    assert call(guarded, "GET", messages, read).json == [{"number": 1, "body": "hello"}]
    assert call(guarded, "POST", messages, read, {"body": "x"}).status == 403
    answer = call(guarded, "POST", messages, write, {"body": "by a key"})
    assert answer.status == 201
    assert call(guarded, "POST", "/applications", write, {"name": "no"}).status == 403
    answer = call(guarded, "POST", "/applications", admin, {"name": "made by a key"})
    assert answer.status == 201 and list(answer.json) == ["token", "name", "chats_count", "id"]


def test_refusals_are_those_of_the_rfcs(guarded, cluster, shop):
    path = "/applications/%s/chats" % shop["token"]
    nobody = guarded.get(path)
    assert (nobody.status, nobody.headers["www-authenticate"]) == (401, 'Bearer realm="pg_chat"')
    wrong = call(guarded, "GET", path, "pgc_7_" + "0" * 48)
    assert (wrong.status, wrong.headers["www-authenticate"]) == (401, 'Bearer realm="pg_chat", error="invalid_token"')
    low = call(guarded, "POST", path, make_key(cluster, "read"))
    assert (low.status, low.headers["www-authenticate"]) == (403, 'Bearer realm="pg_chat", error="insufficient_scope", scope="write"')
    for answer in nobody, wrong, low:
        assert set(answer.json) == {"error"}
    # Before the body is sent.
    answer, closed = guarded.talk(b"POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n" % path.encode())
    assert answer.status == 401 and closed
