"""Limits of requests and messages: of keys, users and addresses, which may be behind gateways."""

import re
import signal

import pytest

from conftest import Chatd, wait_until
from credentials import Secret, bearer, make_jwt, make_key


BURST = 40          # far more than ten seconds' worth of what the tests allow


@pytest.fixture(scope="module")
def shop(cluster):
    number, token = cluster.sql("SELECT id, token FROM chat.create_application('shop of test_rates')").split("|")
    cluster.sql("SELECT chat.create_chat(%s)" % number)
    return number


@pytest.fixture
def limited(cluster):
    """Starts a chatd with limits; other tests' requests do not count there. /healthz is limited by its address too."""
    started = []

    def go(*flags):
        server = Chatd(cluster.conninfo(), *flags)
        started.append(server)
        wait_until(lambda: server.log().count("database: connected") >= 6, "the database")
        return server

    yield go
    for server in started:
        assert server.stop() == 0


def burst(server, path, method="GET", **options):
    """Answers up to the first refusal, and that."""
    answers = []
    while not answers or answers[-1].status != 429:
        answers.append(server.request(method, path, **options))
        assert len(answers) < BURST
    return answers


def statuses(answers):
    return [answer.status for answer in answers]


def test_off_unless_set(chatd):
    assert not [name for name in chatd.get("/applications").headers if name.startswith("ratelimit")]


def test_address(limited):
    server = limited("--address-requests", "1")
    answers = burst(server, "/healthz")
    assert statuses(answers[:10]) == [200] * 10
    first, refused = answers[0], answers[-1]
    assert first.headers["ratelimit-policy"] == '"address-requests";q=10;w=10'
    assert first.headers["ratelimit"] == '"address-requests";r=9;t=1'
    assert refused.status == 429 and int(refused.headers["retry-after"]) >= 1 and set(refused.json) == {"error"}
    assert refused.headers["ratelimit"].startswith('"address-requests";r=0;t=')


def test_key_and_message(limited, cluster, shop):
    server = limited("--require-keys", "--key-requests", "2", "--key-messages", "1")
    key, another = make_key(cluster, "write", shop), make_key(cluster, "write", shop)
    path = "/applications/%s/chats/1/messages" % shop
    headers = {"Content-Type": "application/json", **bearer(key)}
    answers = burst(server, path, "POST", body='{"data":{"body":"x"}}', headers=headers)
    assert statuses(answers[:10]) == [201] * 10
    # Reading is limited by itself, and others are not.
    answer = server.request("GET", path, headers=bearer(key))
    assert answer.status == 200 and '"key-requests";r=' in answer.headers["ratelimit"] and "messages" not in answer.headers["ratelimit"]
    assert server.request("POST", path, '{"data":{"body":"x"}}', {**headers, **bearer(another)}).status == 201
    burst(server, path, headers=bearer(key))


def test_users_are_told_apart(limited, cluster, shop):
    server = limited("--user-requests", "1")
    signing = Secret(cluster, shop)
    path = "/applications/%s/chats/1" % shop
    ann, also_ann, bob = (make_jwt(signing, sub=sub, iat=iat) for sub, iat in (("ann", 1), ("ann", 2), ("bob", 1)))
    assert statuses(burst(server, path, headers=bearer(ann))[:10]) == [200] * 10
    assert len(burst(server, path, headers=bearer(also_ann))) < 10
    assert server.request("GET", path, headers=bearer(bob)).status == 200


def refusals(server):
    """The milliseconds that each refused request took."""
    return [int(time) for time in re.findall(r" 429 \d+ (\d+)ms", server.log())]


def test_refusals_wait(limited, cluster, shop):
    """Whoever goes on all the same is held up, whatever was limited, and by each connection; others are not."""
    server = limited("--key-requests", "1", "--address-requests", "2", "--access-log", "--trusted-proxies", "127.0.0.1")
    path = "/applications/%s" % shop
    burst(server, path, headers={**bearer(make_key(cluster, "read")), "X-Forwarded-For": "192.0.2.2"})
    assert server.request("GET", path, headers={**bearer(make_key(cluster, "read")), "X-Forwarded-For": "192.0.2.3"}).status == 200
    with server.wire() as wire:
        wire.send(b"POST /applications HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\nContent-Length: 2\r\n\r\n{}" * 40)
        statuses_of_wire = [wire.answer().status for _ in range(40)]
        assert statuses_of_wire[:20] == [415] * 20 and statuses_of_wire.count(429) > 5
    wait_until(lambda: len(refusals(server)) > statuses_of_wire.count(429), "the log")
    # By the clock of the loop, which stands still within an iteration.
    assert min(refusals(server)) >= 90


def test_refusals_end_with_chatd(limited):
    """None is lost when it stops meanwhile."""
    server = limited("--address-requests", "1", "--access-log")
    burst(server, "/healthz")
    wires = [server.wire() for _ in range(20)]
    for wire in wires:
        wire.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert wires[0].answer().status == 429
    server.process.send_signal(signal.SIGTERM)
    assert {wire.answer().status for wire in wires[1:]} <= {429, 200}


def test_refused_credentials_count(limited):
    """Whoever guesses is limited by the address."""
    server = limited("--require-keys", "--address-requests", "1")
    assert statuses(burst(server, "/applications", headers=bearer("pgc_1_guess"))[:10]) == [401] * 10


def count_until_refused(server, header_of):
    for number in range(BURST):
        if server.request("GET", "/healthz", headers=header_of(number)).status == 429:
            return number
    return None


@pytest.mark.parametrize("header_of, told_apart", [
    (lambda n: {"X-Forwarded-For": "198.51.100.%d" % n}, True),
    (lambda n: {"X-Forwarded-For": "1.2.3.4, 198.51.100.%d" % n}, True),
    (lambda n: {"X-Forwarded-For": "198.51.100.%d, 127.0.0.1, 10.1.2.3" % n}, True),
    (lambda n: {"X-Forwarded-For": "198.51.100.%d:4711" % n}, True),
    (lambda n: {"Forwarded": "for=198.51.100.%d;proto=https" % n}, True),
    (lambda n: {"Forwarded": 'proto=http; For="[2001:db8:%x::1]:4711"' % n}, True),
    (lambda n: {"Forwarded": "for=203.0.113.9, for=198.51.100.%d;by=10.0.0.1, for=10.0.0.7" % n}, True),
    (lambda n: {"Forwarded": "for=198.51.100.%d" % n, "X-Forwarded-For": "198.51.100.%d" % n}, True),
    # Entries of the client itself, before the one of the gateway.
    (lambda n: {"X-Forwarded-For": "198.51.100.%d, 203.0.113.1" % n}, False),
    (lambda n: {"Forwarded": "for=198.51.100.%d, for=203.0.113.1" % n}, False),
    (lambda n: {"Forwarded": "for=198.51.100.%d" % n, "X-Forwarded-For": "203.0.113.1"}, False),
    (lambda n: {"Forwarded": "for=203.0.113.1", "X-Forwarded-For": "198.51.100.%d" % n}, False),
    (lambda n: {"X-Forwarded-For": "198.51.100.%d, unknown" % n}, False),
    (lambda n: {"Forwarded": "for=198.51.100.%d, for=_hidden" % n}, False),
    (lambda n: {"Forwarded": "for=198.51.100.%d, by=10.0.0.1" % n}, False),
    (lambda n: {"X-Forwarded-For": "2001:db8::%x" % n}, False),       # one /64
    (lambda n: {"X-Forwarded-For": "198.51.100.%d," % n + "1" * 5000}, False),
    (lambda n: {"X-Real-IP": "198.51.100.%d" % n}, False)])
def test_behind_a_gateway(limited, header_of, told_apart):
    server = limited("--address-requests", "1", "--trusted-proxies", "127.0.0.1, 10.0.0.0/8")
    assert (count_until_refused(server, header_of) is None) == told_apart


def test_others_are_not_believed(limited):
    server = limited("--address-requests", "1", "--trusted-proxies", "10.0.0.0/8")
    assert count_until_refused(server, lambda n: {"X-Forwarded-For": "198.51.100.%d" % n}) is not None
