"""Keys: who may do what, by the table of frontend/access/README.md; and what must not be learnt."""

import contextlib
import itertools
import json
import re
import subprocess

import pytest

from conftest import CHATD, ENVIRONMENT, TOP, Chatd, wait_until
from credentials import Secret, bearer, make_jwt, make_key

ROW = re.compile(r"^\| ([A-Z]+) \| `(/\S*)` \| (none|read|write|admin) \|((?: (?:yes|no) \|){4})$", re.M)
SCOPES = ["none", "read", "write", "admin"]
SHOP = "shop of test_access"


def read_table():
    text = (TOP / "frontend/access/README.md").read_text()
    return {(method, path): (scope, [word == "yes" for word in who.replace("|", " ").split()])
            for method, path, scope, who in ROW.findall(text)}


TABLE = read_table()


def call(chatd, method, path, credential=None, data=None, headers=None):
    body = json.dumps({"data": data}) if data is not None else None
    return chatd.request(method, path, body, {"Content-Type": "application/json", **bearer(credential), **(headers or {})})


def guard(cluster, *flags):
    return Chatd(cluster.conninfo(), "--require-keys", "--access-log", *flags)


@pytest.fixture(scope="module")
def guarded(cluster):
    server = guard(cluster).ready()
    yield server
    assert server.stop() == 0


def create_application(cluster, name):
    number, token = cluster.sql("SELECT id, token FROM chat.create_application('%s')" % name).split("|")
    cluster.sql("SELECT chat.create_chat(%s), chat.create_chat(%s)" % (number, number))
    cluster.sql("SELECT chat.create_message(%s, 1, 'hello', sender => 'ann'), chat.set_cursor(%s, 1, 'ann', 0)" % (number, number))
    return {"id": number, "token": token}


@pytest.fixture(scope="module")
def shop(cluster):
    """An application with two chats and a message: its id and its token."""
    return create_application(cluster, SHOP)


@pytest.fixture(scope="module")
def other(cluster):
    return create_application(cluster, "other of test_access")


@pytest.fixture(scope="module")
def keys(cluster, shop, other):
    """Credentials by their scope and what they are for."""
    signing = Secret(cluster, shop["id"])
    found = {(scope, who): make_key(cluster, scope, application) for scope in SCOPES[1:]
             for who, application in (("none", "NULL"), ("bound", shop["id"]), ("other", other["id"]))}
    for scope in SCOPES[1:3]:
        found[scope, "user"] = make_jwt(signing, chats="all", scope=scope)
        found[scope, "user of 1"] = make_jwt(signing, chats=[7, 1], scope=scope)
        found[scope, "user of 2"] = make_jwt(signing, chats=[2], scope=scope)
    return found


# Where each kind of caller stands in a row.
COLUMN = {"none": 0, "bound": 1, "other": 1, "user": 2, "user of 1": 3, "user of 2": 3}


def expected(row, caller, pattern):
    """None where a caller may; else the status."""
    scope, who = row
    if scope == "none":
        return None
    if caller is None:
        return 401
    its_scope, kind = caller
    if kind.startswith("user") and "{token}" not in pattern:
        return 403          # there is no application whose key it could be
    if SCOPES.index(its_scope) < SCOPES.index(scope) or not who[COLUMN[kind]]:
        return 403
    if kind == "other" and "{token}" in pattern or kind == "user of 2" and "{chat}" in pattern:
        return 403
    return None


def path_of(pattern, application):
    path = pattern.replace("{token}", application).replace("{chat}", "1").replace("{message}", "1").replace("{reader}", "ann")
    return path + "?query=hello" if path.endswith("/search") else path


serial = itertools.count(1)


def data_of(method, pattern):
    """What a request sends."""
    if method == "PUT":
        return {"number": 1}
    if method not in ("POST", "PATCH"):
        return None
    if pattern == "/applications":
        return {"name": "name %d of the table" % next(serial)}
    if pattern.endswith("/import"):
        return []
    return [{"chat_number": 1, "body": "hello"}] if pattern == "/applications/{token}/messages" else {"body": "hello"}


@pytest.fixture(name="mend")
def fixture_mend(cluster, shop):
    """Creates the chat and its message again, if they were deleted."""
    def mend():
        if cluster.sql("SELECT count(*) FROM chat.get_chat(%s, 1)" % shop["id"]) == "0":
            cluster.sql("SELECT chat.create_chat(%s, 1), chat.set_cursor(%s, 1, 'ann', 0)" % (shop["id"], shop["id"]))
        cluster.sql("DELETE FROM chat.messages WHERE application_id = %s AND deleted_at IS NOT NULL" % shop["id"])
        if cluster.sql("SELECT count(*) FROM chat.get_message(%s, 1, 1)" % shop["id"]) == "0":
            cluster.sql("SELECT chat.create_message(%s, 1, 'hello', 1, 'ann')" % shop["id"])
    return mend


@pytest.mark.parametrize("method, pattern", TABLE)
def test_table_holds(guarded, shop, keys, mend, method, pattern):
    """Each credential on each route, by the application's token and its id."""
    for caller, name in itertools.product([None, *keys], ["token", "id"]):
        answer = call(guarded, method, path_of(pattern, shop[name]), keys.get(caller), data_of(method, pattern))
        wanted = expected(TABLE[method, pattern], caller, pattern)
        if wanted:
            assert answer.status == wanted, (caller, name, answer)
        else:
            assert answer.status in (200, 201, 204, 207), (caller, name, answer)
        if method == "DELETE":
            mend()
        if method == "GET":
            head = guarded.request("HEAD", path_of(pattern, shop[name]), headers=bearer(keys.get(caller)))
            assert head.status == answer.status


def test_table_is_complete(guarded):
    """It has each method of each route, and nothing else."""
    found = set()
    for pattern in guarded.get("/").json["paths"]:
        allowed = guarded.request("OPTIONS", path_of(pattern, "x").split("?")[0]).headers["allow"].split(", ")
        found.update((method, pattern) for method in allowed if method not in ("HEAD", "OPTIONS"))
    assert found == set(TABLE)


@pytest.mark.parametrize("trusted", SCOPES[1:3])
def test_tokens_may_be_trusted(shop, keys, mend, trusted, start_chatd):
    server = start_chatd("--require-keys", "--trust-tokens", trusted).ready()
    for (method, pattern), row in TABLE.items():
        if row[0] == "none":
            continue
        enough = "{token}" in pattern and SCOPES.index(row[0]) <= SCOPES.index(trusted)
        status = call(server, method, path_of(pattern, shop["token"]), None, data_of(method, pattern)).status
        assert (status in (200, 201, 204, 207, 400)) == enough and (status == 401) != enough, (method, pattern, status)
        # The id is no secret, and counts with a credential alone.
        if "{token}" in pattern:
            status = call(server, method, path_of(pattern, shop["id"]), None, data_of(method, pattern)).status
            assert status in ((404, 400) if enough else (401,)), (method, pattern, status)
        if method == "DELETE":
            mend()
    # A credential is held to what it allows all the same.
    messages = "/applications/%s/chats/1/messages" % shop["token"]
    assert call(server, "POST", messages, keys["read", "none"], {"body": "x"}).status == 403


def test_open_serves_everybody_and_holds_credentials_to_theirs(chatd, shop, keys):
    messages = "/applications/%s/chats/1/messages" % shop["token"]
    assert call(chatd, "POST", messages, None, {"body": "x"}).status == 201
    assert call(chatd, "POST", messages, keys["read", "none"], {"body": "x"}).status == 403
    assert call(chatd, "GET", messages, keys["read", "other"]).status == 403
    assert call(chatd, "GET", messages, "pgc_7_x").status == 401
    assert "id" not in chatd.get("/applications/" + shop["token"]).json


def test_refusals_are_those_of_the_rfcs(guarded, shop, keys):
    path = "/applications/%s/chats" % shop["token"]
    nobody = guarded.get(path)
    assert (nobody.status, nobody.headers["www-authenticate"]) == (401, 'Bearer realm="pg_chat"')
    wrong = call(guarded, "GET", path, "pgc_7_" + "0" * 48)
    assert (wrong.status, wrong.headers["www-authenticate"]) == (401, 'Bearer realm="pg_chat", error="invalid_token"')
    low = call(guarded, "POST", path, keys["read", "none"])
    assert (low.status, low.headers["www-authenticate"]) == (403, 'Bearer realm="pg_chat", error="insufficient_scope", scope="write"')
    for answer in nobody, wrong, low:
        assert set(answer.json) == {"error"}
    # Before the body is sent.
    answer, closed = guarded.talk(b"POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n" % path.encode())
    assert answer.status == 401 and closed


@pytest.mark.parametrize("value, status", [
    ("Bearer", 400), ("Bearer ", 400), ("Basic eDp5", 400), ("bearer{}", 400), ("Bearer {} x", 400), ("Bearer {},x", 400),
    ("Bearer \"{}\"", 400), ("Bearer {}\u00e9", 400), ("Token {}", 400), ("Bearer ={}", 400), ("{}", 400),
    ("bEARER {}", 200), ("Bearer   {}", 200), ("Bearer {}=", 401), ("Bearer {}0", 401), ("Bearer pgc_", 401), ("Bearer pgc_1", 401),
    ("Bearer pgc_1_", 401), ("Bearer pgc_01_x", 401), ("Bearer pgc_99999999999_x", 401), ("Bearer pgc_-1_x", 401), ("Bearer PGC_1_x", 401),
    ("Bearer " + "a" * 9000, 401), ("Bearer a.b", 401), ("Bearer ..", 401), ("Bearer a.b.c.d", 401)])
def test_header_is_read_exactly(guarded, shop, keys, value, status):
    request = "GET /applications/%s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n\r\n" % (shop["token"], value.replace("{}", keys["read", "none"]))
    answer, _ = guarded.talk(request.encode("latin-1"))
    assert answer.status == status
    if status != 200:
        assert answer.headers["www-authenticate"].startswith('Bearer realm="pg_chat", error="invalid_')


@pytest.mark.parametrize("header", ["Authorization", "Origin", "Sec-Fetch-Site"])
def test_header_is_given_once(guarded, shop, keys, header):
    head = "GET /applications/%s HTTP/1.1\r\nHost: x\r\n%s: Bearer %s\r\n%s: x\r\n\r\n" % (shop["token"], header, keys["read", "none"], header.upper())
    answer, closed = guarded.talk(head.encode())
    assert answer.status == 400 and answer.json == {"error": "There is more than one %s." % header} and closed


@pytest.mark.parametrize("injected", [
    "Bearer x\nX-A: b", "Bearer x\rX-A: b", "Bearer x\0y", "Bearer x\tAuthorization", "Bearer x\x7f", "Bearer x\x1b[2J",
    "Bearer\u00a0x", " Bearer x\n Bearer y", "Bearer x;scope=admin", "Bearer x\r\n\tcontinued"])
def test_headers_cannot_be_injected(guarded, shop, injected):
    head = b"GET /applications/%s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n\r\n" % (shop["token"].encode(), injected.encode("latin-1"))
    answer, _ = guarded.talk(head)
    assert answer.status == 400 and "x-a" not in answer.headers and "scope=admin" not in str(answer.headers)


def test_what_is_shown(guarded, cluster, shop, keys):
    """Tokens to admin alone, ids to all that have a credential; one key sees what it is for."""
    path = "/applications/" + shop["id"]
    created = call(guarded, "POST", "/applications", keys["admin", "none"], {"name": "created by a key"}).json
    assert list(created) == ["token", "name", "chats_count", "created_at", "id"] and call(
        guarded, "GET", "/applications/%d" % created["id"], keys["admin", "none"]).json == created
    assert list(call(guarded, "GET", path, keys["admin", "none"]).json) == ["token", "name", "chats_count", "created_at", "id"]
    assert call(guarded, "GET", path, keys["admin", "bound"]).json["token"] == shop["token"]
    for caller in [("write", "none"), ("read", "bound"), ("write", "user")]:
        shown = call(guarded, "GET", path, keys["admin", "none"]).json
        del shown["token"]
        assert call(guarded, "GET", path, keys[caller]).json == shown
    assert [row["name"] for row in call(guarded, "GET", "/applications", keys["read", "bound"]).json] == [SHOP]
    rows = call(guarded, "GET", "/applications?limit=1000", keys["write", "none"]).json
    assert len(rows) > 1 and all(list(row) == ["name", "chats_count", "created_at", "id"] for row in rows)
    rows = call(guarded, "GET", "/applications?limit=1000", keys["admin", "none"]).json
    assert {"token": shop["token"], "id": int(shop["id"])}.items() <= next(row for row in rows if row["name"] == SHOP).items()


def test_other_applications_are_not_told_apart(guarded, keys, other):
    """One answer, whether there is such an application or not."""
    answers = {call(guarded, "GET", "/applications/%s/chats" % name, keys["write", "bound"]).body
               for name in (other["id"], other["token"], "2147483647", "0" * 32, "x")}
    assert answers == {b'{"error":"The credential is for another application."}'}


def test_missing_things_are_told_without_the_token(guarded, shop, keys):
    for path, text in [("/applications/2147483647", "Application with token 2147483647 not found"),
                       ("/applications/%s/chats/99" % shop["id"], "Chat with number 99 not found")]:
        answer = call(guarded, "GET", path, keys["admin", "none"])
        assert (answer.status, answer.json) == (404, {"error": text})


def test_revoked_key_is_void_within_a_second(guarded, cluster, shop):
    key = make_key(cluster, "read", shop["id"])
    path = "/applications/" + shop["id"]
    assert call(guarded, "GET", path, key).status == 200
    cluster.sql("SELECT chat.revoke_key(%s)" % key.split("_")[1])
    wait_until(lambda: call(guarded, "GET", path, key).status == 401, "the end of a key", 3)
    expiring = make_key(cluster, "read", shop["id"])
    assert call(guarded, "GET", path, expiring).status == 200
    cluster.sql("UPDATE chat.api_keys SET expires_at = now() WHERE id = %s" % expiring.split("_")[1])
    wait_until(lambda: call(guarded, "GET", path, expiring).status == 401, "the end of a key", 3)


def test_use_is_noted(guarded, cluster, shop):
    key = make_key(cluster, "read", shop["id"])
    query = "SELECT count(last_used_at) FROM chat.list_keys() WHERE id = " + key.split("_")[1]
    assert cluster.sql(query) == "0"
    # The first note of a chatd is at once, later ones wait for the minute.
    fresh = guard(cluster).ready()
    assert call(fresh, "GET", "/applications/" + shop["id"], key).status == 200
    wait_until(lambda: cluster.sql(query) == "1", "a note")
    assert fresh.stop() == 0


def test_rotated_token_moves_the_key_along(guarded, cluster, other, keys):
    path = "/applications/%s/chats" % other["id"]
    assert call(guarded, "GET", path, keys["read", "other"]).status == 200
    fresh = cluster.sql("SELECT chat.rotate_token(%s)" % other["id"])
    wait_until(lambda: call(guarded, "GET", path, keys["read", "other"]).status == 200 and
               call(guarded, "GET", "/applications/%s/chats" % fresh, keys["read", "other"]).status == 200, "the new token", 3)
    other["token"] = fresh


def test_credentials_are_nowhere(guarded, cluster, shop, keys):
    """Not in chatd's log, nor in the server's, whatever it logs, nor in pg_stat_activity."""
    cluster.sql("ALTER SYSTEM SET log_min_duration_statement = 0")
    cluster.sql("ALTER SYSTEM SET log_parameter_max_length = -1")
    cluster.sql("SELECT pg_reload_conf()")
    try:
        key = make_key(cluster, "write", shop["id"])
        signing = Secret(cluster, shop["id"])
        token = make_jwt(signing, scope="write")
        seen = []
        for credential in key, token, key[:-1], token[:-1]:
            call(guarded, "POST", "/applications/%s/chats/1/messages" % shop["id"], credential, {"body": "x"})
            seen.append(cluster.sql("SELECT string_agg(query, ' ') FROM pg_stat_activity WHERE application_name = 'chatd'"))
        ticket = call(guarded, "POST", "/applications/%s/tickets" % shop["id"], key).json["ticket"]
        guarded.get("/applications/%s/chats?ticket=%s" % (shop["id"], ticket))
        # A URL is no place for others: they do not count there, and are not shown either.
        for credential, name in itertools.product((key, token), ("access_token", "token", "ticket", "key", "authorization", "x")):
            assert guarded.get("/applications/%s/chats?%s=%s" % (shop["id"], name, credential)).status == 401
        wait_until(lambda: "?x=eyJ" in guarded.log(), "the log")
        seen += [guarded.log(), (cluster.directory / "log").read_text(errors="replace")]
        assert "check_keys" in seen[-1]
        for secret in key.split("_")[2], token, token.split(".")[2], signing.secret, ticket:
            assert not [text for text in seen if secret in text], secret
    finally:
        cluster.sql("ALTER SYSTEM RESET log_min_duration_statement")
        cluster.sql("ALTER SYSTEM RESET log_parameter_max_length")
        cluster.sql("SELECT pg_reload_conf()")


def test_many_wrong_keys_leave_others_alone(guarded, cluster, shop, keys):
    """More than there is room to remember."""
    path = "/applications/" + shop["id"]
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(guarded.wire()) for _ in range(200)]
        for number, wire in enumerate(wires):
            wire.send(b"".join(b"GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer pgc_%d_x\r\n\r\n" % (path.encode(), 50 * number + guess + 1)
                               for guess in range(50)))
        assert call(guarded, "GET", path, keys["read", "none"]).status == 200
        assert {wire.answer().status for wire in wires for _ in range(50)} == {401}
    assert call(guarded, "GET", path, keys["read", "none"]).status == 200


def test_database_that_is_away_is_no_refusal(guarded, cluster, shop, keys):
    cluster.stop("immediate")
    try:
        answer = wait_until(lambda: (lambda found: found if found.status == 503 else None)(
            call(guarded, "GET", "/applications/" + shop["id"], make_unknown_key())), "503")
        assert answer.headers["retry-after"]
    finally:
        cluster.start()
    wait_until(lambda: call(guarded, "GET", "/applications/" + shop["id"], keys["read", "none"]).status == 200, "the database")
    guarded.ready()


def make_unknown_key():
    return "pgc_%d_%048x" % (next(serial) + 1000000, next(serial))


@pytest.mark.parametrize("flags, told", [
    (["--listen", "0.0.0.0"], "others can reach 0.0.0.0 port "), (["--listen", "::"], "others can reach :: port "),
    (["--listen", "192.0.2.1"], "others can reach"), (["--require-keys", "--open"], "contradict"),
    (["--trust-tokens", "admin"], "must be read or write"), (["--trust-tokens", ""], "must be read or write"),
    (["--origins", "shop.example"], "--origins: shop.example is not an origin"), (["--origins", "https://a/"], "is not an origin"),
    (["--origins", "*"], "is not an origin"), (["--origins", "https://"], "is not an origin"),
    (["--hosts", "a/b"], "--hosts: a/b is not the name"), (["--trusted-proxies", "10.0.0.0/33"], "10.0.0.0/33 is not an address"),
    (["--trusted-proxies", "gateway"], "gateway is not an address")])
def test_start_is_refused(cluster, flags, told):
    ended = subprocess.run([CHATD, "--port", "0", "--database", cluster.conninfo(), *flags], env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                           capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 2 and told in ended.stderr


@pytest.mark.parametrize("flags", [["--listen", "0.0.0.0", "--open"], ["--listen", "0.0.0.0", "--require-keys"],
                                   ["--listen", "127.8.7.6"], ["--listen", "::1"]])
def test_start_is_not_refused(cluster, flags, start_chatd):
    server = start_chatd(*flags)
    wait_until(lambda: "database: connected" in server.log(), "a connection")
