"""Web pages: those that may call do; others neither write by a form nor read by DNS rebinding."""

import pytest

from conftest import Chatd

SHOP = "https://shop.example"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def cors(cluster):
    server = Chatd(cluster.conninfo(), "--origins", SHOP + ", http://localhost:3000", "--hosts", "chat.example,chat.test").ready()
    yield server
    assert server.stop() == 0


def test_listed_pages_may_read_answers(cors):
    for origin in SHOP, "http://localhost:3000":
        for path in "/applications", "/nope", "/healthz", "/applications/x":
            answer = cors.request("GET", path, headers={"Origin": origin})
            assert answer.headers["access-control-allow-origin"] == origin and answer.headers["vary"] == "Origin"
            assert "Link" in answer.headers["access-control-expose-headers"]
            assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origin", ["http://shop.example", "https://shop.example:444", "https://shop.example.evil", "https://evil.shop.example",
                                    "null", "", "https://shop.exampl", "file://", "https://shop.example, http://localhost:3000", "*"])
def test_others_may_not(cors, chatd, origin):
    answer = cors.request("GET", "/applications", headers={"Origin": origin})
    assert answer.status == 200 and "access-control-allow-origin" not in answer.headers and answer.headers["vary"] == "Origin"
    answer = chatd.request("GET", "/applications", headers={"Origin": SHOP})
    assert not [name for name in answer.headers if name.startswith("access-control") or name == "vary"]


def test_preflight(cors):
    headers = {"Origin": SHOP, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    answer = cors.request("OPTIONS", "/applications", headers=headers)
    assert answer.status == 204 and answer.headers["access-control-allow-origin"] == SHOP
    assert answer.headers["access-control-allow-methods"] == answer.headers["allow"]
    assert {"Authorization", "Content-Type"} <= set(answer.headers["access-control-allow-headers"].split(", "))
    answer = cors.request("OPTIONS", "/applications", headers={**headers, "Origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("headers, allowed", [
    ({}, True),
    ({"Origin": "http://127.0.0.1:%(port)d"}, True), ({"Origin": "http://127.0.0.1:%(port)d", "Sec-Fetch-Site": "same-origin"}, True),
    ({"Sec-Fetch-Site": "none"}, True), ({"Sec-Fetch-Site": "same-origin"}, True),
    ({"Origin": "http://evil.example"}, False), ({"Origin": "null"}, False), ({"Origin": "http://127.0.0.1"}, False),
    ({"Origin": "http://127.0.0.1:%(port)d.evil.example"}, False), ({"Origin": "http://evil.example/http://127.0.0.1:%(port)d"}, False),
    ({"Origin": ""}, False), ({"Sec-Fetch-Site": "cross-site"}, False), ({"Sec-Fetch-Site": "same-site"}, False),
    ({"Sec-Fetch-Site": ""}, False), ({"Origin": "http://127.0.0.1:%(port)d", "Sec-Fetch-Site": "cross-site"}, False)])
def test_forms_of_other_pages_write_nothing(chatd, messages, headers, allowed):
    """A plain form is sent without a preflight."""
    headers = {name: value.replace("%(port)d", str(chatd.port)) for name, value in headers.items()}
    answer = chatd.request("POST", messages, "data[body]=x", {**FORM, **headers})
    assert answer.status == (201 if allowed else 403)
    assert len(chatd.get(messages).json) == (1 if allowed else 0)


def test_listed_pages_may_write(cors):
    answer = cors.request("POST", "/applications", "data[name]=of a page", {**FORM, "Origin": SHOP, "Sec-Fetch-Site": "cross-site"})
    assert answer.status == 201 and answer.headers["access-control-allow-origin"] == SHOP


@pytest.mark.parametrize("host, status", [
    ("127.0.0.1", 200), ("127.0.0.1:1", 200), ("[::1]:8080", 200), ("localhost", 200), ("LOCALHOST:8080", 200), ("a.localhost", 200),
    ("chatd:8080", 200), ("192.0.2.1", 200), ("evil.example", 421), ("evil.example:8080", 421), ("localhost.evil.example", 421),
    ("127.0.0.1.evil.example", 421), ("127.0.0.1.nip.io", 421), ("localhost.", 421), ("chat.example", 421)])
def test_names_of_the_internet_are_refused(chatd, host, status):
    answer, _ = chatd.talk(b"GET /applications HTTP/1.1\r\nHost: %s\r\n\r\n" % host.encode())
    assert answer.status == status
    # A health check tells nothing.
    answer, _ = chatd.talk(b"GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n" % host.encode())
    assert answer.status == 200


def test_own_names_are_not(cors):
    for host, status in ((b"chat.example", 200), (b"Chat.Test:8080", 200), (b"xchat.example", 421), (b"chat.example.evil", 421)):
        answer, _ = cors.talk(b"GET /applications HTTP/1.1\r\nHost: %s\r\n\r\n" % host)
        assert answer.status == status
