"""Pages: after, before, last and limit, and a Link header that leads through all of a list."""

import re
import urllib.parse

import pytest

from conftest import wait_until


def links(answer, path):
    """The links of an answer to a GET of the path, which are relative to it."""
    return {relation: urllib.parse.urljoin(path, target) for target, relation in
            re.findall('<([^>]*)>; rel="([a-z]*)"', answer.headers.get("link", ""))}


def numbers(answer):
    assert answer.status == 200, answer
    return [row["number"] for row in answer.json]


@pytest.fixture
def filled(chatd, messages):
    """Messages 1 to 10."""
    for number in range(1, 11):
        chatd.post(messages, {"body": "message %d" % number})
    return messages


@pytest.mark.parametrize("query,expected,next_query,prev_query", [
    ("", range(1, 11), None, None),
    ("?limit=3", [1, 2, 3], "limit=3&after=3", None),
    ("?limit=10", range(1, 11), "limit=10&after=10", None),
    ("?after=0&limit=2", [1, 2], "limit=2&after=2", None),
    ("?after=3&limit=3", [4, 5, 6], "limit=3&after=6", "limit=3&before=4"),
    ("?after=8", [9, 10], None, "before=9"),
    ("?after=10", [], None, "before=11"),
    ("?after=2147483647", [], None, "before=2147483647"),
    ("?before=5", [1, 2, 3, 4], "after=4", None),
    ("?before=5&limit=2", [3, 4], "limit=2&after=4", "limit=2&before=3"),
    ("?before=1", [], None, None),
    ("?before=2147483647&limit=2", [9, 10], "limit=2&after=10", "limit=2&before=9"),
    ("?after=2&before=5", [3, 4], None, "before=3"),
    ("?after=2&before=5&limit=2", [3, 4], None, "limit=2&before=3"),
    ("?after=4&before=5", [], None, "before=5"),
    ("?after=2&before=9&limit=2", [3, 4], "limit=2&after=4&before=9", "limit=2&before=3"),
    ("?last=3", [8, 9, 10], None, "limit=3&before=8"),
    ("?last=10", range(1, 11), None, None),
    ("?last=1000", range(1, 11), None, None),
])
def test_pages(chatd, filled, query, expected, next_query, prev_query):
    answer = chatd.get(filled + query)
    assert numbers(answer) == list(expected)
    wanted = {"next": next_query, "prev": prev_query}
    assert links(answer, filled + query) == {name: "%s?%s" % (filled, value) for name, value in wanted.items() if value}


def walk(chatd, path, relation):
    """All numbers from path on, following the links."""
    found = []
    while path:
        answer = chatd.get(path)
        page = [row.get("number", row.get("token")) for row in answer.json]
        found = found + page if relation == "next" else page + found
        path = links(answer, path).get(relation)
    return found


def test_links_lead_through_all(chatd, filled):
    assert walk(chatd, filled + "?limit=3", "next") == list(range(1, 11))
    assert walk(chatd, filled + "?last=3", "prev") == list(range(1, 11))


def test_links_stay_between_bounds(chatd, filled):
    assert walk(chatd, filled + "?after=2&before=9&limit=2", "next") == list(range(3, 9))


def test_many_deleted(chatd, cluster, messages):
    """A page that has passed over many deleted messages ends, even empty, and its links lead on."""
    token, chat = messages.split("/")[2], int(messages.split("/")[4])
    cluster.sql("SELECT count(*) FROM chat.create_messages(array_fill('%s'::text, ARRAY[10300]), array_fill(%d, ARRAY[10300]),"
                " array_fill('x'::text, ARRAY[10300]))" % (token, chat))
    cluster.sql("SELECT count(chat.delete_message('%s', %d, n)) FROM generate_series(2, 10299) AS n" % (token, chat))
    for query, relation in (("?limit=5", "next"), ("?last=5", "prev"), ("?before=10301&limit=5", "prev")):
        assert walk(chatd, messages + query, relation) == [1, 10300]
    assert walk(chatd, messages + "?after=1&before=10301&limit=5", "next") == [10300]
    path = messages + "?after=50&limit=5"
    answer = chatd.get(path)
    assert numbers(answer) == []
    assert links(answer, path)["next"] == messages + "?limit=5&after=10155"


def test_large_pages(chatd, messages):
    """A page ends after about 1 MiB, and its links lead on."""
    for _ in range(40):
        assert chatd.post(messages, {"body": "x" * 60000}).status == 201
    for query, relation in (("?limit=1000", "next"), ("?after=1&limit=1000", "next"), ("?last=1000", "prev"),
                            ("?before=41&limit=1000", "prev"), ("/search?query=x&limit=1000", "next")):
        answer = chatd.get(messages + query)
        assert len(answer.json) == 17 and len(answer.body) < 1024 * 1024 + 1000
        assert walk(chatd, messages + query, relation) == list(range(2 if "after" in query else 1, 41))


def test_large_pages_across_chats(chatd, messages):
    """The same where the next page is in another chat."""
    for _ in range(10):
        assert chatd.post(messages, {"body": "x" * 60000}).status == 201
    chats = messages.rsplit("/", 2)[0]
    other = "%s/%d/messages" % (chats, chatd.post(chats).json["number"])
    for _ in range(10):
        assert chatd.post(other, {"body": "x" * 60000}).status == 201
    search = chats.rsplit("/", 1)[0] + "/messages/search?query=x&limit=1000"
    answer = chatd.get(search)
    assert len(answer.json) == 17 and list(links(answer, search)) == ["next"]
    assert links(answer, search)["next"].endswith("after=2.7")
    assert walk(chatd, links(answer, search)["next"], "next") == [8, 9, 10]


def test_large_escapes(chatd, messages):
    """The bytes that count are those that are sent."""
    for _ in range(5):
        assert chatd.post(messages, {"body": "\x01" * 60000}).status == 201
    for query, relation in (("", "next"), ("?last=5", "prev"), ("/search?query=%01", "next")):
        answer = chatd.get(messages + query)
        assert len(answer.json) == 2 and len(answer.body) < 1024 * 1024
        assert walk(chatd, messages + query, relation) == [1, 2, 3, 4, 5]


def test_what_a_page_leaves_out_is_not_read(start_chatd, cluster, messages):
    """Of 100 large bodies, PostgreSQL reads those that are sent: counted by its blocks, when chatd's sessions have ended."""
    cluster.sql("INSERT INTO chat.messages (application_id, chat_number, body) SELECT a.id, 1,"
                " (SELECT string_agg(md5(n || ' ' || part), '') FROM generate_series(1, 2000) AS part)"
                " FROM chat.applications AS a, generate_series(1, 100) AS n WHERE a.token = '%s'" % messages.split("/")[2])

    def blocks():
        return tuple(map(int, cluster.sql(
            "SELECT coalesce(idx_blks_hit + idx_blks_read, 0), coalesce(toast_blks_hit + toast_blks_read, 0)"
            " FROM pg_statio_user_tables WHERE relid = 'chat.messages'::regclass").split("|")))

    def blocks_of(read):
        before = blocks()
        read()
        wait_until(lambda: blocks()[0] > before[0], "the statistics")
        return blocks()[1] - before[1]

    whole = blocks_of(lambda: cluster.sql("SELECT sum(length(body)) FROM (SELECT body FROM chat.messages WHERE application_id ="
                                          " (SELECT id FROM chat.applications WHERE token = '%s')) AS m" % messages.split("/")[2]))
    assert whole > 500
    for query in ("?limit=100", "?last=100", "?before=101"):
        server = start_chatd().ready()

        def read():
            assert len(server.get(messages + query).json) == 16
            server.stop()
        assert blocks_of(read) < whole / 4


def test_links_of_a_search(chatd, filled):
    chatd.post(filled, {"body": "Grüße & more"})
    assert walk(chatd, filled + "/search?query=message&limit=4", "next") == list(range(1, 11))
    answer = chatd.get(filled + "/search?query=gr%C3%BC%C3%9Fe+%26&limit=1")
    assert numbers(answer) == [11]
    assert links(answer, filled + "/search?x")["next"].endswith("/search?query=gr%C3%BC%C3%9Fe%20%26&limit=1&after=11")


def test_chats(chatd, chats):
    for _ in range(5):
        chatd.post(chats)
    assert walk(chatd, chats + "?limit=2", "next") == [1, 2, 3, 4, 5]
    assert numbers(chatd.get(chats + "?before=5&limit=2")) == [3, 4]


def test_applications(chatd, new_name):
    tokens = [chatd.post("/applications", {"name": "%s, %d" % (new_name, n)}).json["token"] for n in range(5)]
    assert walk(chatd, "/applications?limit=3", "next")[-5:] == tokens
    assert walk(chatd, "/applications?limit=1000&before=2147483647", "prev")[-5:] == tokens


def test_default_limit(chatd, messages):
    for number in range(101):
        chatd.post(messages, {"body": str(number)})
    answer = chatd.get(messages)
    assert numbers(answer) == list(range(1, 101))
    assert links(answer, messages) == {"next": messages + "?after=100"}


@pytest.mark.parametrize("length,link", [(8000, True), (20000, False)])
def test_a_link_that_does_not_fit_is_not_left_out_silently(chatd, messages, length, link):
    for _ in range(2):
        chatd.post(messages, {"body": "x" * length})
    answer = chatd.get("%s/search?query=%s&limit=1" % (messages, "x" * length))
    if link:
        assert answer.status == 200 and "next" in links(answer, messages)
    else:
        assert answer.status == 414 and "limit" in answer.json["error"]
