"""Searches of a chat and of an application: what they find, their pages, and what a slow one costs others."""

import os
import select
import signal
import urllib.parse

import pytest

from conftest import timeless
from test_paging import links

BODIES = {
    1: ["Hello", "yellow submarine", "100% of_it", "a\\b * c", "Straße", "say \"it's\""],
    2: ["nothing here"],
    3: ["STRASSE", "hello again", "İstanbul", "ΑΣ σας", "\U0001f600 e\u0301", "tab\there", "a.b?c[d]e{f}g(h)|^$"],
    77: ["and HELLO", "%_%", "fließend '; DROP TABLE chat.messages; --"],
}


def search(path, text, **bounds):
    return path + "/search?" + urllib.parse.urlencode({"query": text, **bounds})


def found(answer):
    """The rows of an answer as (chat's number, number)."""
    assert answer.status == 200, answer
    return [(row["chat_number"], row["number"]) for row in answer.json]


def fill(chatd, application, bodies):
    for chat, texts in bodies.items():
        assert chatd.post(application + "/chats", {"number": chat}).status == 201
        for text in texts:
            assert chatd.post("%s/chats/%d/messages" % (application, chat), {"body": text}).status == 201


@pytest.fixture
def application(chatd, token):
    """The path of an application with the BODIES in its chats."""
    path = "/applications/" + token
    fill(chatd, path, BODIES)
    return path


def expected(text):
    return [(chat, number) for chat, bodies in BODIES.items() for number, body in enumerate(bodies, 1)
            if text.casefold() in body.casefold()]


def test_an_answer(chatd, application):
    answer = chatd.get(application + "/messages/search?query=HELLO")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json; charset=utf-8" and "link" not in answer.headers
    assert timeless(answer).body == (b'[{"chat_number":1,"number":1,"body":"Hello"},{"chat_number":3,"number":2,"body":"hello again"},'
                                     b'{"chat_number":77,"number":1,"body":"and HELLO"}]')
    answer = chatd.get(application + "/messages/search?query=nowhere")
    assert (answer.status, answer.json) == (200, [])


@pytest.mark.parametrize("text", [
    "hello", "L", "ell", "lo", " ", "%", "_", "\\", "*", "'", '"', "it's", "100%", "%_%", "f_it", "a\\b", "\\b", "STRASSE", "straße",
    "ß", "ss", "i", "İ", "istanbul", "σΑς", "ς", "\U0001f600", "e\u0301", "é", "\t", "\n", "a.b?c[d]e{f}g(h)|^$", ".*", "(h)", "^", "$",
    "';", "--", "; DROP TABLE chat.messages", "\x01", "\U0010ffff", "<script>", "&", "+", "#", "%25", "hello again and more", "x" * 5000,
])
def test_a_query_is_literal(chatd, application, text):
    """And both searches find what a plain filter of the bodies does."""
    assert found(chatd.get(search(application + "/messages", text))) == expected(text)
    for chat in BODIES:
        answer = chatd.get(search("%s/chats/%d/messages" % (application, chat), text))
        assert [(chat, row["number"]) for row in answer.json] == [place for place in expected(text) if place[0] == chat]


@pytest.mark.parametrize("query", ["", "?query=", "?query", "?limit=1", "?after=1.1"])
def test_a_search_for_nothing(chatd, application, query):
    answer = chatd.get(application + "/messages/search" + query)
    assert (answer.status, answer.json) == (400, {"error": "Query parameter 'query' is missing."})


def test_an_application_that_is_not_there(chatd):
    for token in ("0" * 32, "x", "%CE%B1", "1"):
        answer = chatd.get("/applications/%s/messages/search?query=x" % token)
        assert answer.status == 404
        assert answer.json == {"error": "Application with token %s not found" % urllib.parse.unquote(token)}


def test_an_application_without_messages(chatd, token, chats):
    for _ in range(2):
        answer = chatd.get("/applications/%s/messages/search?query=x" % token)
        assert (answer.status, answer.json) == (200, [])
        chatd.post(chats)


def test_methods(chatd, application):
    path = application + "/messages/search"
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = chatd.request(method, path + "?query=x")
        assert answer.status == 405 and answer.headers["allow"] == "GET, HEAD, OPTIONS" and list(answer.json) == ["error"]
    answer = chatd.request("OPTIONS", path)
    assert (answer.status, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    for query in ("?query=l&limit=2", "?query=nowhere", ""):
        got, head = chatd.get(path + query), chatd.request("HEAD", path + query)
        assert (head.status, head.body) == (got.status, b"")
        assert {**head.headers, "date": "", "x-request-id": ""} == {**got.headers, "date": "", "x-request-id": ""}
    for path in (application + "/messages/1", application + "/messages/search/", application + "/search"):
        assert chatd.get(path + "?query=x").status == 404


def test_another_applications_messages(chatd, application, new_name):
    other = "/applications/" + chatd.post("/applications", {"name": new_name + " (other)"}).json["token"]
    fill(chatd, other, {1: ["hello secret"], 3: ["secret"], 5: ["hello"]})
    assert found(chatd.get(search(application + "/messages", "secret"))) == []
    assert found(chatd.get(search(application + "/messages", "hello"))) == expected("hello")
    assert found(chatd.get(search(application + "/messages", "hello", before="77.9"))) == expected("hello")
    assert found(chatd.get(search(other + "/messages", "e"))) == [(1, 1), (3, 1), (5, 1)]


@pytest.mark.parametrize("value", [
    "", ".", "1", "1.", ".1", "1.1.1", "1,1", "-1.1", "1.-1", "1.x", "x.1", "01.1", "1.01", "%2B1.1", "1.+1", "1.1%20",
    "2147483648.1", "1.2147483648", "99999999999999999999.1", "1.1e3", "{1,1}", "%EF%BC%91.1", "%d9%a1.1",
])
def test_a_place_that_is_none(chatd, application, value):
    for name in ("after", "before"):
        answer = chatd.get("%s/messages/search?query=x&%s=%s" % (application, name, value))
        assert answer.status == 400 and "'%s' must be CHAT.NUMBER" % name in answer.json["error"]


@pytest.mark.parametrize("query,name", [
    ("before=0.1", "before"), ("before=1.0", "before"), ("limit=0", "limit"), ("limit=1001", "limit"), ("limit=1.1", "limit"),
    ("after=1.1&after=1.2", "after"), ("after=0.0&after=1.1", "after"), ("before=1.1&before=1.1", "before"), ("query=y", "query"),
    ("limit=1&limit=1", "limit"), ("last=1", "last"), ("last=0", "last"),
])
def test_bad_parameters(chatd, application, query, name):
    answer = chatd.get("%s/messages/search?query=x&%s" % (application, query))
    assert answer.status == 400 and "'%s'" % name in answer.json["error"]


def test_places_are_numbers_within_a_chat(chatd, application):
    for name in ("after", "before"):
        answer = chatd.get("%s/chats/1/messages/search?query=x&%s=1.1" % (application, name))
        assert answer.status == 400 and "'%s' must be an integer" % name in answer.json["error"]


def test_last_is_for_lists_of_messages(chatd, application):
    for path in ("/applications?", application + "/chats?", application + "/chats/1/messages/search?query=x&"):
        answer = chatd.get(path + "last=3")
        assert answer.status == 400 and "'last'" in answer.json["error"]


# The matches: (1, 1), (1, 2), (1, 3), (4, 2), (4, 3), (9, 1) to (9, 4)
PAGED = {1: ["x", "x", "x"], 2: ["-"], 4: ["-", "x", "x", "-"], 9: ["x"] * 4}
ALL = [(1, 1), (1, 2), (1, 3), (4, 2), (4, 3), (9, 1), (9, 2), (9, 3), (9, 4)]


@pytest.fixture
def paged(chatd, token):
    path = "/applications/" + token
    fill(chatd, path, PAGED)
    return path + "/messages/search"


@pytest.mark.parametrize("query,rows,next_query,prev_query", [
    ("", ALL, None, None),
    ("limit=9", ALL, "limit=9&after=9.4", None),
    ("limit=4", ALL[:4], "limit=4&after=4.2", None),
    ("after=0.0&limit=2", ALL[:2], "limit=2&after=1.2", None),
    ("after=0.7&limit=2", ALL[:2], "limit=2&after=1.2", None),
    ("after=1.0&limit=2", ALL[:2], "limit=2&after=1.2", None),
    ("after=1.3&limit=2", ALL[3:5], "limit=2&after=4.3", "limit=2&before=4.2"),
    ("after=2.2147483647&limit=1", ALL[3:4], "limit=1&after=4.2", "limit=1&before=4.2"),
    ("after=5.0", ALL[5:], None, "before=9.1"),
    ("after=9.4", [], None, "before=9.5"),
    ("after=9.2147483647", [], None, "before=10.1"),
    ("after=2147483647.2147483647", [], None, "before=2147483647.2147483647"),
    ("before=4.3", ALL[:4], "after=4.2", None),
    ("before=4.1&limit=2", ALL[1:3], "limit=2&after=1.3", "limit=2&before=1.2"),
    ("before=1.1", [], None, None),
    ("before=2147483647.2147483647&limit=2", ALL[7:], "limit=2&after=9.4", "limit=2&before=9.3"),
    ("after=0.0&before=4.3", ALL[:4], "after=4.2", None),
    ("after=1.2&before=9.2", ALL[2:6], None, "before=1.3"),
    ("after=1.2&before=9.2&limit=2", ALL[2:4], "limit=2&after=4.2&before=9.2", "limit=2&before=1.3"),
    ("after=1.2&before=4.3&limit=2", ALL[2:4], None, "limit=2&before=1.3"),
    ("after=1.2&before=1.3", [], None, "before=1.3"),
    ("after=9.2&before=1.1", [], None, "before=9.3"),
])
def test_pages(chatd, paged, query, rows, next_query, prev_query):
    answer = chatd.get("%s?query=X&%s" % (paged, query))
    assert found(answer) == rows
    wanted = {"next": next_query, "prev": prev_query}
    assert links(answer, paged) == {name: "%s?query=X&%s" % (paged, value) for name, value in wanted.items() if value}


def walk(chatd, path, relation):
    """All places from path on, following the links."""
    places = []
    while path:
        answer = chatd.get(path)
        places = places + found(answer) if relation == "next" else found(answer) + places
        path = links(answer, path).get(relation)
    return places


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 9, 10])
def test_links_lead_through_all(chatd, paged, limit):
    assert walk(chatd, "%s?query=x&limit=%d" % (paged, limit), "next") == ALL
    assert walk(chatd, "%s?query=x&limit=%d&before=2147483647.2147483647" % (paged, limit), "prev") == ALL
    assert walk(chatd, "%s?query=x&limit=%d&after=1.2&before=9.3" % (paged, limit), "next") == ALL[2:7]


def test_links_of_a_hostile_query(chatd, token):
    text = "%&=+#?<>;,\"' ä\U0001f600"
    path = "/applications/" + token
    fill(chatd, path, {1: [text, "x" + text], 2: [text.upper()]})
    assert walk(chatd, search(path + "/messages", text, limit=1), "next") == [(1, 1), (1, 2), (2, 1)]


def test_default_limit(chatd, token):
    path = "/applications/" + token
    fill(chatd, path, {1: ["x"] * 60, 2: ["x"] * 60})
    answer = chatd.get(search(path + "/messages", "x"))
    assert found(answer) == [(1, n) for n in range(1, 61)] + [(2, n) for n in range(1, 41)]
    assert links(answer, path + "/messages/search") == {"next": path + "/messages/search?query=x&after=2.40"}


def test_large_pages(chatd, token):
    """A page ends after about 1 MiB, and its links lead on."""
    path = "/applications/" + token
    fill(chatd, path, {chat: ["x" * 60000] * 10 for chat in (1, 2, 3)})
    everything = [(chat, number) for chat in (1, 2, 3) for number in range(1, 11)]
    for bounds, relation, first_page in (("", "next", everything[:17]),
                                         ("&before=3.11", "prev", everything[-17:])):
        target = "%s/messages/search?query=x&limit=1000%s" % (path, bounds)
        answer = chatd.get(target)
        assert found(answer) == first_page and len(answer.body) < 1024 * 1024 + 2000
        assert walk(chatd, target, relation) == everything


def test_a_link_that_does_not_fit(chatd, token):
    path = "/applications/" + token
    fill(chatd, path, {1: ["x" * 20000], 2: ["x" * 20000]})
    answer = chatd.get(search(path + "/messages", "x" * 20000, limit=1))
    assert answer.status == 414 and "limit" in answer.json["error"]
    assert found(chatd.get(search(path + "/messages", "x" * 20000, limit=3))) == [(1, 1), (2, 1)]


@pytest.mark.parametrize("path", ["/messages", "/chats/1/messages"])
def test_a_slow_search_delays_no_other_request(start_chatd, cluster, application, path):
    """While the only session for searches hangs, all else is answered, and the searches after that."""
    server = start_chatd("--readers", "1", "--writers", "1", database=cluster.conninfo() + " application_name=slow").ready()
    messages = application + "/chats/1/messages"
    target = search(application + path, "hello")
    assert len(server.get(target).json) > 0
    # Of the three sessions, the one for searches has had something to do last.
    pid = int(cluster.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'slow'"
                          " ORDER BY query_start DESC LIMIT 1"))
    os.kill(pid, signal.SIGSTOP)
    wires = []
    try:
        for _ in range(3):
            wires.append(server.wire().send(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % target.encode()))
        for _ in range(20):
            assert server.post(messages, {"body": "meanwhile"}).status == 201
            for other in (messages, messages + "/1", application, application + "/chats", "/readyz"):
                assert server.get(other).status == 200
        assert select.select([wire.socket for wire in wires], [], [], 0)[0] == []
        os.kill(pid, signal.SIGCONT)
        for wire in wires:
            assert wire.answer().json == server.get(target).json
    finally:
        os.kill(pid, signal.SIGCONT)
        for wire in wires:
            wire.socket.close()


def test_a_search_that_takes_too_long(start_chatd, cluster, application):
    """It says what to do, and the next is answered."""
    server = start_chatd("--statement-timeout", "1").ready()
    locker = cluster.session("BEGIN; LOCK TABLE chat.messages")
    try:
        for path in ("/messages", "/chats/1/messages"):
            answer = server.get(search(application + path, "hello"))
            assert answer.status == 503 and answer.headers["retry-after"] == "1"
            for words in ("too long", "after or before", "within one chat", "chat.add_trigram_index()", "elasticsearch"):
                assert words in answer.json["error"]
        answer = server.get(application + "/chats/1/messages")
        assert (answer.status, answer.json) == (503, {"error": "The database took too long."})
    finally:
        locker.communicate("ROLLBACK;\n")
    assert found(server.get(search(application + "/messages", "hello"))) == expected("hello")


def test_searches_that_wait_too_long(start_chatd, cluster, application):
    """Behind a search that hangs, others are told to come again, and do not pile up."""
    server = start_chatd("--request-timeout", "1", "--max-queue", "2").ready()
    target = search(application + "/messages", "hello")
    locker = cluster.session("BEGIN; LOCK TABLE chat.messages")
    wires = [server.wire() for _ in range(6)]
    try:
        for wire in wires:
            wire.send(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % target.encode())
        answers = []
        while len(answers) < 5:
            ready = select.select([wire.socket for wire in wires], [], [], 15)[0]
            assert ready
            for wire in [wire for wire in wires if wire.socket in ready]:
                wires.remove(wire)
                answers.append(wire.answer())
                wire.socket.close()
        assert all(answer.status == 503 and answer.headers["retry-after"] == "1" for answer in answers)
        texts = {answer.json["error"] for answer in answers}
        assert texts == {"The server is busy.", "The request waited too long for the database."}
        locker.communicate("ROLLBACK;\n")
        assert [found(wire.answer()) for wire in wires] == [expected("hello")]
    finally:
        locker.communicate()
        for wire in wires:
            wire.socket.close()


def test_an_encoding_that_lacks_the_query(cluster, start_chatd):
    """Nothing can be found, but an application that is not there comes first."""
    cluster.sql("CREATE DATABASE latin_search ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    cluster.sql("CREATE EXTENSION pg_chat", "latin_search")
    server = start_chatd(database=cluster.conninfo().replace("dbname=chat", "dbname=latin_search")).ready()
    path = "/applications/" + server.post("/applications", {"name": "café"}).json["token"]
    fill(server, path, {1: ["naïve", "x"], 2: ["NAÏVE"]})
    assert found(server.get(search(path + "/messages", "ïv"))) == [(1, 1), (2, 1)]
    answer = server.get(search(path + "/messages", "αβγ"))
    assert (answer.status, answer.json) == (200, [])
    assert server.get(search("/applications/none/messages", "αβγ")).status == 404
    assert server.stop() == 0
    cluster.sql("DROP DATABASE latin_search WITH (FORCE)")
