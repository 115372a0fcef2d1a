"""Settings that the role or the database brings change nothing that a client sees."""

import pytest

from conftest import CREATED_AT, wait_until
from worst_settings import VALUES, set_all

@pytest.fixture
def reset_role(cluster):
    yield
    cluster.sql("ALTER ROLE chat_api RESET ALL")


def converse(server, name):
    """The responses to all kinds of requests, without values that differ each time."""
    token = server.post("/applications", {"name": name}).json["token"]
    chats = "/applications/%s/chats" % token
    messages = chats + "/1/messages"
    answers = [server.post(chats), server.post(chats, {"number": 1}), server.post(messages, {"body": "Gr\u00fc\u00dfe"}),
               server.post(messages, {"body": "x", "number": 1}), server.post(messages, {"body": ""}),
               server.post(messages, {"body": "x" * 70000})]
    answers += [server.get(path) for path in (chats, messages, messages + "?last=1", messages + "/1", messages + "/2", messages + "?before=2",
                                              messages + "/search?query=GR", "/applications/%s/messages/search?query=gr" % token,
                                              "/applications/%s" % token, "/applications?limit=0", "/applications/x")]
    return [(answer.status, CREATED_AT.sub(b" and a time", answer.body).replace(token.encode(), b"").replace(name.encode(), b"")) for answer in answers]


@pytest.mark.parametrize("value", VALUES)
def test_settings_of_the_role(chatd, start_chatd, cluster, reset_role, new_name, value):
    expected = converse(chatd, new_name + " before")
    assert set_all(cluster, "ROLE chat_api", value) > 40
    server = start_chatd().ready()
    assert converse(server, new_name + " after") == expected
    # Longer than any of the timeouts, nothing happens, and the sessions are there all the same.
    wait_until(lambda: server.log().count(" connected") == 7, "all sessions")
    pids = "SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity WHERE application_name = 'chatd'"
    before = cluster.sql(pids)
    wait_until(lambda: cluster.sql("SELECT min(now() - state_change) > interval '6 s' FROM pg_stat_activity"
                                   " WHERE application_name = 'chatd' AND usename = 'chat_api'") == "t", "idle sessions")
    assert cluster.sql(pids) == before and "lost" not in server.log()


def test_a_database_that_is_read_only(start_chatd, cluster, reset_role, chatd, messages, new_name):
    """With it set, writes are refused, and lists are answered."""
    cluster.sql("ALTER ROLE chat_api SET default_transaction_read_only = on")
    server = start_chatd().ready()
    for path, data in ((messages, {"body": "x"}), ("/applications", {"name": new_name + "!"})):
        answer = server.post(path, data)
        assert answer.status == 503 and answer.json == {"error": "The database is read-only."} and answer.headers["retry-after"] == "1"
        server.ready()
    assert server.get(messages).json == []
    cluster.sql("ALTER ROLE chat_api RESET default_transaction_read_only")
    wait_until(lambda: server.post(messages, {"body": "y"}).status == 201, "writes")


def test_triggers_that_would_not_fire(start_chatd, cluster, reset_role):
    cluster.sql("ALTER ROLE chat_api SET session_replication_role = replica")
    server = start_chatd()
    wait_until(lambda: "session_replication_role" in server.get("/readyz").json.get("error", ""), "the reason")
