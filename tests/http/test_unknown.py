"""A write that is committed, and of which the answer is lost: clients that repeat what failed must not store it twice."""

import json
import subprocess

import pytest

from conftest import wait_until
from test_clients import apache_client, start_apache


@pytest.fixture
def commits_that_hang(cluster):
    """Commits wait for a standby that is not there; ends all of them, without an answer, when called."""
    cluster.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    cluster.sql("SELECT pg_reload_conf()")
    wait_until(lambda: cluster.sql("SHOW synchronous_standby_names") == "nobody", "the setting")

    def lose():
        wait_until(lambda: cluster.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                                       " WHERE application_name = 'chatd' AND wait_event = 'SyncRep'") != "0", "a commit that hangs")
        cluster.sql("ALTER SYSTEM RESET synchronous_standby_names")
        cluster.sql("SELECT pg_reload_conf()")

    yield lose
    cluster.sql("ALTER SYSTEM RESET synchronous_standby_names")
    cluster.sql("SELECT pg_reload_conf()")


@pytest.mark.parametrize("what", ["message", "chat"])
def test_curl_that_retries(chatd, cluster, chats, messages, commits_that_hang, what):
    path, data = (messages, {"body": "once"}) if what == "message" else (chats, {})
    curl = subprocess.Popen(["curl", "-sS", "--retry", "5", "--retry-delay", "1", "-w", "%{http_code}", chatd.url + path,
                             "-H", "Content-Type: application/json", "-d", json.dumps({"data": data})],
                            stdout=subprocess.PIPE, text=True)
    commits_that_hang()
    answer = curl.communicate(timeout=30)[0]
    chatd.ready()
    assert [row["number"] for row in chatd.get(path).json] == ([1] if what == "message" else [1, 2])
    assert answer.endswith("424") and "retry" not in answer.lower() and "may be stored or not" in answer


@apache_client
def test_apache_does_not_repeat(chatd, messages, commits_that_hang):
    client = start_apache(chatd.url + messages, {"body": "once"})
    commits_that_hang()
    answer = client.communicate(timeout=60)[0]
    chatd.ready()
    assert answer.startswith("424 ") and len(chatd.get(messages).json) == 1


def test_no_other_status_says_that(chatd, cluster, messages, commits_that_hang):
    """Neither Retry-After nor a status that a client may repeat by itself."""
    with chatd.wire() as wire:
        wire.send(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 21\r\n\r\n"
                  b'{"data":{"body":"x"}}' % messages.encode())
        commits_that_hang()
        answer = wire.answer()
    assert answer.status == 424 and "retry-after" not in answer.headers and list(answer.json) == ["error"]
