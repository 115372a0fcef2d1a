"""Tokens that an application signs for its users: forged, cut, moved, replayed, signed anew; tickets."""

import base64
import concurrent.futures
import hashlib
import hmac
import json
import time

import pytest

from conftest import Chatd, wait_until
from credentials import Pair, Secret, base64url, bearer, claims_of, make_jwt, make_key
from event_stream import EventStream


@pytest.fixture(scope="module")
def guarded(cluster):
    server = Chatd(cluster.conninfo(), "--require-keys", "--access-log").ready()
    yield server
    assert server.stop() == 0


class Application:
    """An application with two chats, and keys of each algorithm."""

    def __init__(self, cluster, name, directory):
        self.id, self.token = cluster.sql("SELECT id, token FROM chat.create_application('%s')" % name).split("|")
        cluster.sql("SELECT chat.create_chat(%s), chat.create_chat(%s)" % (self.id, self.id))
        self.keys = {"HS256": Secret(cluster, self.id), **{name: Pair(cluster, self.id, name, directory) for name in ("ES256", "EdDSA")}}
        self.messages = "/applications/%s/chats/1/messages" % self.id
        self.secret = self.keys["HS256"]


@pytest.fixture(scope="module")
def shop(cluster, tmp_path_factory):
    return Application(cluster, "shop of test_users", tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def other(cluster, tmp_path_factory):
    return Application(cluster, "other of test_users", tmp_path_factory.mktemp("other"))


def get(chatd, path, token):
    return chatd.request("GET", path, headers=bearer(token))


def post(chatd, path, data, token):
    return chatd.request("POST", path, json.dumps({"data": data}), {"Content-Type": "application/json", **bearer(token)})


def statuses_of(chatd, path, tokens):
    """Of each token; at the same time, since refusals wait."""
    with concurrent.futures.ThreadPoolExecutor(32) as threads:
        return set(threads.map(lambda token: get(chatd, path, token).status, tokens))


@pytest.mark.parametrize("algorithm", ["HS256", "ES256", "EdDSA"])
def test_each_algorithm(guarded, shop, algorithm):
    """Some twenty signatures: numbers of ES256 begin with zeros now and then."""
    for number in range(20 if algorithm == "ES256" else 3):
        token = make_jwt(shop.keys[algorithm], sub="user %d" % number)
        assert get(guarded, shop.messages, token).status == 200
        assert get(guarded, "/applications/%s/chats/1" % shop.token, token).status == 200


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.mark.parametrize("algorithm", ["HS256", "ES256", "EdDSA"])
def test_changed_anywhere(guarded, shop, algorithm):
    """One character changed, one missing, one more: at many places."""
    token = make_jwt(shop.keys[algorithm])
    changed = {token[:place] + ALPHABET[(ALPHABET.find(token[place]) + 1) % 64] + token[place + 1:] for place in range(0, len(token), 7)}
    # The last character has bits that say nothing: it may not differ in them either.
    changed |= {token[:-1] + character for character in ALPHABET if character != token[-1]}
    changed |= {token[:place] for place in range(0, len(token), 11) if place} | {token + "A", token + "=", token + ".", "." + token}
    changed |= {token[:place] + token[place + 1:] for place in range(0, len(token), 13)}
    assert statuses_of(guarded, shop.messages, changed) == {401}
    assert get(guarded, shop.messages, token).status == 200


def test_algorithm_is_the_keys(guarded, shop):
    """none, in any form; a public key as a secret; one key's kid with another's signature."""
    header, payload, signature = make_jwt(shop.secret).split(".")
    forged = []
    for algorithm in ("none", "None", "NONE", "nOnE", "", "HS384", "hs256", "RS256", None, 0, ["HS256"]):
        for kid in (shop.secret.kid, shop.keys["ES256"].kid):
            head = base64url(json.dumps({"alg": algorithm, "kid": kid}).encode())
            forged += ["%s.%s.%s" % (head, payload, end) for end in ("", signature, "AA")]
    for name in ("ES256", "EdDSA"):
        pem = shop.keys[name].public
        der = base64.b64decode("".join(pem.splitlines()[1:-1]))
        for secret in (pem.encode(), pem.strip().encode(), der, der[-32:], der[-65:], b""):
            for algorithm in ("HS256", name):
                head = base64url(json.dumps({"alg": algorithm, "kid": shop.keys[name].kid}).encode())
                text = ("%s.%s" % (head, payload)).encode()
                forged.append("%s.%s" % (text.decode(), base64url(hmac.digest(secret, text, hashlib.sha256))))
    for signer, named in (("HS256", "ES256"), ("ES256", "EdDSA"), ("EdDSA", "HS256"), ("EdDSA", "ES256")):
        forged.append(make_jwt(shop.keys[signer], {"kid": shop.keys[named].kid}))
        forged.append(make_jwt(shop.keys[signer], {"kid": shop.keys[named].kid, "alg": named}))
    # Signatures of the right length that are nothing, among them the zeros of CVE-2022-21449.
    for name in ("ES256", "EdDSA"):
        unsigned = make_jwt(shop.keys[name]).rpartition(".")[0]
        forged += [unsigned + "." + base64url(bytes) for bytes in (b"\0" * 64, b"\xff" * 64, b"\0" * 63 + b"\1", b"\0" * 32, b"")]
    assert statuses_of(guarded, shop.messages, forged) == {401}


def test_header_is_strict(guarded, shop):
    secret = shop.secret
    plain = {"alg": "HS256", "kid": secret.kid}
    for header, status in [
            ({"typ": "jwt"}, 200), ({"jku": "http://evil.example/keys", "x5u": "http://evil.example", "jwk": {"kty": "oct"}}, 200),
            ({"typ": "JWE"}, 401), ({"typ": 1}, 401), ({"crit": ["exp"]}, 401), ({"crit": []}, 401), ({"kid": None}, 401), ({"kid": 7}, 401),
            ({"kid": ""}, 401), ({"kid": "x" * 65}, 401), ({"kid": "../" + secret.kid}, 401), ({"kid": secret.kid + " "}, 401),
            ({"kid": "' OR true --"}, 401), ({"kid": "\u00e9"}, 401), ({"kid": secret.kid + "\0"}, 401)]:
        assert get(guarded, shop.messages, make_jwt(secret, header)).status == status, header
    for text in (json.dumps(plain)[:-1] + ',"alg":"none"}', json.dumps(plain)[:-1] + ',"kid":"x"}', json.dumps(plain) + "x", "[]", '"x"', "", "{}",
                 "null", json.dumps(plain)[:-1], json.dumps([plain]), "{" * 3000, b"\xff\xfe{}"):
        assert get(guarded, shop.messages, make_jwt(secret, text)).status == 401, text


now = int(time.time())


@pytest.mark.parametrize("changes, status", [
    ({"exp": now + 3600.5}, 200), ({"nbf": now - 10}, 200), ({"iat": now + 99}, 200), ({"aud": "pg_chat"}, 200),
    ({"aud": ["x", "pg_chat"]}, 200), ({"sub": "é" * 127}, 200), ({"chats": "all"}, 200), ({"chats": [2147483647, 1, 1]}, 200),
    ({"chats": list(range(1, 1001))}, 200), ({"scope": "email read"}, 200), ({"scope": "write"}, 200), ({"scope": None}, 200),
    ({"exp": now - 3600}, 401), ({"exp": None}, 401), ({"exp": str(now + 60)}, 401), ({"exp": True}, 401), ({"exp": 1e300}, 401), ({"exp": -1}, 401),
    ({"nbf": now + 3600}, 401), ({"nbf": "0"}, 401), ({"aud": "shop"}, 401), ({"aud": []}, 401), ({"aud": 7}, 401), ({"aud": [["pg_chat"]]}, 401),
    ({"sub": None}, 401), ({"sub": ""}, 401), ({"sub": 7}, 401), ({"sub": "x" * 256}, 401), ({"sub": "a\0b"}, 401),
    ({"chats": None}, 401), ({"chats": "1"}, 401), ({"chats": 1}, 401), ({"chats": ["1"]}, 401), ({"chats": [0]}, 401), ({"chats": [-1]}, 401),
    ({"chats": [1.0]}, 401), ({"chats": [2147483648]}, 401), ({"chats": list(range(1, 1002))}, 401), ({"chats": {"1": 1}}, 401),
    ({"scope": ["read"]}, 401), ({"chats": []}, 403), ({"chats": [2]}, 403), ({"scope": ""}, 403), ({"scope": "email"}, 403),
    ({"scope": "admin"}, 403), ({"scope": "READ"}, 403)])
def test_claims(guarded, shop, changes, status):
    assert get(guarded, shop.messages, make_jwt(shop.secret, **changes)).status == status


def test_claims_are_said_once(guarded, shop):
    claims = json.dumps(claims_of(chats=[2]))
    for text in (claims[:-1] + ',"chats":"all"}', claims[:-1] + ',"sub":"bob"}', claims + claims, "[%s]" % claims, "", "1"):
        assert get(guarded, shop.messages, make_jwt(shop.secret, claims=text)).status == 401


def test_leeway_is_small(guarded, shop):
    """Five seconds."""
    assert get(guarded, shop.messages, make_jwt(shop.secret, exp=int(time.time()) - 1)).status == 200
    assert get(guarded, shop.messages, make_jwt(shop.secret, nbf=int(time.time()) + 3)).status == 200
    assert get(guarded, shop.messages, make_jwt(shop.secret, nbf=int(time.time()) + 60)).status == 401
    assert get(guarded, shop.messages, make_jwt(shop.secret, exp=int(time.time()) - 6)).status == 401


def test_token_is_of_its_application(guarded, shop, other):
    """The same kid in another application is another key; and no token counts where there is no application."""
    token = make_jwt(shop.secret, chats="all", scope="write")
    assert get(guarded, other.messages, token).status == 401
    assert get(guarded, "/applications", token).status == 403
    assert get(guarded, "/applications/2147483647/chats", token).status == 401
    assert get(guarded, "/applications/nope/chats", token).status == 401


@pytest.mark.parametrize("spelling", ["%(id)s", "0%(id)s", "%%3%(id)s", "%(id)s%%20", "%(id)s.0", "+%(id)s", "%(token)s", "%%%(hex)x%(rest)s", "%(token)s%%20", "4294967297"])
def test_no_spelling_leads_to_another_application(guarded, cluster, shop, other, spelling):
    named = spelling % {"id": shop.id, "token": shop.token, "hex": ord(shop.token[0]), "rest": shop.token[1:]}
    for credential in make_key(cluster, "admin", other.id), make_jwt(other.secret, chats="all", scope="write"):
        for method, path in (("GET", ""), ("GET", "/chats"), ("GET", "/chats/1/messages"), ("GET", "/messages/search?query=x"), ("GET", "/stream"),
                             ("GET", "/cursors/ann"), ("POST", "/tickets"), ("DELETE", "/chats/2")):
            answer = guarded.request(method, "/applications/%s%s" % (named, path), headers=bearer(credential))
            assert answer.status in (401, 403) and b"shop" not in answer.body, (method, path, answer)


@pytest.mark.parametrize("spelling", ["1", "01", "%31", "+1", "%201", "1%20", "1.0", "0x1", "-1", "4294967297"])
def test_no_spelling_leads_to_another_chat(guarded, shop, spelling):
    token = make_jwt(shop.secret, chats=[2], scope="write")
    for path in "", "/messages", "/messages/1", "/messages/search?query=x", "/messages/changes", "/messages/stream", "/cursors", "/cursors/ann":
        assert get(guarded, "/applications/%s/chats/%s%s" % (shop.id, spelling, path), token).status == (403 if spelling == "1" else 404)


def test_keys_are_changed_without_a_gap(guarded, cluster, shop):
    old, new = Secret(cluster, shop.id, "'old'"), Secret(cluster, shop.id, "'new'")
    assert {get(guarded, shop.messages, make_jwt(key)).status for key in (old, new)} == {200}
    cluster.sql("SELECT chat.revoke_signing_key(%s, 'old')" % shop.id)
    token = make_jwt(old)
    wait_until(lambda: get(guarded, shop.messages, token).status == 401, "the end of a key", 3)
    assert get(guarded, shop.messages, make_jwt(new)).status == 200
    # Under the same name, another secret.
    again = Secret(cluster, shop.id, "'old'")
    wait_until(lambda: get(guarded, shop.messages, make_jwt(again)).status == 200, "the new key", 3)
    assert get(guarded, shop.messages, token).status == 401


def test_expiry_ends_a_remembered_token(guarded, shop):
    token = make_jwt(shop.secret, exp=int(time.time()) - 3)     # within the leeway, for two seconds
    assert get(guarded, shop.messages, token).status == 200
    wait_until(lambda: get(guarded, shop.messages, token).status == 401, "the end of a token", 5)


def test_keys_that_the_table_should_not_have(guarded, cluster, shop):
    """Material that is no key of its algorithm verifies nothing."""
    for kid, algorithm, material in [("short", "HS256", b"x" * 31), ("curve", "ES256", b"\x30\x59" + b"\0" * 89), ("empty", "EdDSA", b"")]:
        cluster.sql("INSERT INTO chat_internal.signing_keys VALUES (%s, '%s', '%s', '\\x%s')" % (shop.id, kid, algorithm, material.hex()))
        key = Secret.__new__(Secret)
        key.kid, key.secret, key.algorithm = kid, material.decode("latin-1"), algorithm
        assert get(guarded, shop.messages, make_jwt(key, {"alg": "HS256"})).status == 401


def test_user_is_the_sender(guarded, cluster, shop):
    token = make_jwt(shop.secret, sub="Änne \\ \"x\"", scope="write")
    headers = {"Content-Type": "application/json", **bearer(token)}
    answer = guarded.request("POST", shop.messages, '{"data":{"body":"hi","sender":"bob"}}', headers)
    assert (answer.status, answer.json) == (422, {"sender": ["is not the user that the credential is for"]})
    answer = guarded.request("POST", shop.messages, '{"data":{"body":"hi"}}', headers)
    assert answer.status == 201 and list(answer.json) == ["number", "body", "created_at", "sender"]
    assert answer.json["sender"] == "Änne \\ \"x\""
    assert get(guarded, "%s/%d" % (shop.messages, answer.json["number"]), token).json == answer.json
    same = json.dumps({"data": [{"body": "hi", "sender": "Änne \\ \"x\""}, {"body": "hi"}, {"body": "hi", "sender": "bob"}]})
    answer = guarded.request("POST", shop.messages, same, headers)
    assert [item["message"]["sender"] if item["status"] == 201 else item["status"] for item in answer.json] == [
        "Änne \\ \"x\"", "Änne \\ \"x\"", 422]
    key = guarded.request("POST", shop.messages, '{"data":{"body":"hi"}}', {**headers, **bearer(make_key(cluster, "write"))})
    assert key.status == 201 and "sender" not in key.json
    # What is no name for SQL is none here.
    blank = {**headers, **bearer(make_jwt(shop.secret, sub=" ", scope="write"))}
    answer = guarded.request("POST", shop.messages, '{"data":{"body":"hi"}}', blank)
    assert (answer.status, answer.json) == (422, {"sender": ["can't be blank"]})


def test_ticket(guarded, cluster, shop):
    path = "/applications/%s/tickets" % shop.id
    token = make_jwt(shop.secret, sub="ann", chats=[1, 2], scope="write")
    answer = guarded.request("POST", path, headers=bearer(token))
    assert answer.status == 201 and list(answer.json) == ["ticket", "expires_in"] and answer.json["expires_in"] == 30
    ticket = answer.json["ticket"]
    assert len(ticket) == 32
    digest = hashlib.sha256(ticket.encode()).hexdigest()
    content = json.loads(cluster.sql("SELECT chat.use_ticket('%s', '\\x%s')" % (shop.token, digest)))
    assert {name: content[name] for name in ("user", "scope", "chats", "all_chats", "application")} == \
        {"user": "ann", "scope": "write", "chats": [1, 2], "all_chats": False, "application": int(shop.id)}
    assert cluster.sql("SELECT chat.use_ticket('%s', '\\x%s') IS NULL" % (shop.token, digest)) == "t"
    key = guarded.request("POST", path, headers=bearer(make_key(cluster, "read", shop.id)))
    assert key.status == 201 and key.json["ticket"] != ticket
    assert guarded.request("GET", path, headers=bearer(token)).status == 405


def buy(chatd, shop, credential):
    return chatd.request("POST", "/applications/%s/tickets" % shop.id, headers=bearer(credential)).json["ticket"]


def test_ticket_is_good_for_one_request(guarded, cluster, shop, other):
    token = make_jwt(shop.secret)
    for name in shop.id, shop.token:
        path = "/applications/%s/chats/1/messages" % name
        ticket = buy(guarded, shop, token)
        assert [guarded.get(path + "?limit=5&ticket=" + ticket).status for _ in range(3)] == [200, 401, 401]
    # It does what the credential does, and no more; whatever comes of it, it is used.
    ticket = buy(guarded, shop, token)
    assert guarded.get("/applications/%s/chats/2/messages?ticket=%s" % (shop.id, ticket)).status == 403
    assert guarded.get(shop.messages + "?ticket=" + ticket).status == 401
    ticket = buy(guarded, shop, make_key(cluster, "admin"))
    assert guarded.request("POST", shop.messages + "?ticket=" + ticket, "data[body]=x").status == 401
    assert guarded.get("/applications?ticket=" + ticket).status == 403
    assert guarded.get(other.messages + "?ticket=" + ticket).status == 401
    assert guarded.get(shop.messages + "?ticket=" + ticket).status == 200
    for wrong in "0" * 32, "", "x", "0" * 31, ticket.upper(), ticket + "0":
        assert guarded.get(shop.messages + "?ticket=" + wrong).status == 401
    assert guarded.get("/applications/2147483647/chats?ticket=" + ticket).status == 401


def test_ticket_is_good_for_one_chatd(guarded, cluster, shop):
    """Of many that take it at the same time, by several chatd, one has it."""
    servers = [guarded, Chatd(cluster.conninfo(), "--require-keys").ready()]
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        for _ in range(10):
            path = shop.messages + "?ticket=" + buy(guarded, shop, make_jwt(shop.secret))
            statuses = sorted(threads.map(lambda number, at=path: servers[number % 2].get(at).status, range(8)))
            assert statuses == [200] + [401] * 7
    # A header decides, whatever the ticket is worth.
    path = shop.messages + "?ticket=" + buy(guarded, shop, make_jwt(shop.secret))
    assert get(guarded, path, "pgc_1_x").status == 401 and guarded.get(path).status == 200
    assert servers[1].stop() == 0


def test_ticket_ends_with_what_it_was_bought_with(guarded, cluster, shop):
    key, signing = make_key(cluster, "read", shop.id), Secret(cluster, shop.id)
    tickets = [buy(guarded, shop, key), buy(guarded, shop, make_jwt(signing))]
    cluster.sql("SELECT chat.revoke_key(%s), chat.revoke_signing_key(%s, '%s')" % (key.split("_")[1], shop.id, signing.kid))
    wait_until(lambda: get(guarded, shop.messages, key).status == 401, "the end of a key", 3)
    wait_until(lambda: get(guarded, shop.messages, make_jwt(signing)).status == 401, "the end of a signing key", 3)
    assert [guarded.get(shop.messages + "?ticket=" + ticket).status for ticket in tickets] == [401, 401]


def test_another_signing_key_of_the_name(guarded, cluster, shop):
    """What was signed with a key ends with it, though another one has its name at once."""
    old = Secret(cluster, shop.id, "'main'")
    ticket, events = buy(guarded, shop, make_jwt(old)), EventStream(guarded.port, shop.messages + "/stream", headers=bearer(make_jwt(old)))
    events.ready()
    cluster.sql("BEGIN; SELECT chat.revoke_signing_key(%s, 'main'); SELECT chat.create_signing_key(%s, 'main'); COMMIT" % (shop.id, shop.id))
    assert events.rest() == ([], "closed")
    wait_until(lambda: get(guarded, shop.messages, make_jwt(old)).status == 401, "the end of the signing key", 3)
    assert guarded.get(shop.messages + "?ticket=" + ticket).status == 401


def test_a_stream_of_many_chats_is_of_the_users(guarded, cluster, shop):
    """A user of some chats follows these and no others, whatever the request names."""
    jwt, path = make_jwt(shop.secret), "/applications/%s/stream" % shop.id
    assert get(guarded, path + "?chats=2", jwt).status == get(guarded, path + "?chats=1,2", jwt).status == 403
    for position in (None, "2:0.0", "1:0.0,2:0.0", "99:0.0"):
        with EventStream(guarded.port, path, position, headers=bearer(jwt)) as events:
            events.ready()
            assert {entry.split(":")[0] for entry in events.id.split(",")} <= {"0", "1"}
            cluster.sql("SELECT chat.create_message(%s, 2, 'of others'), chat.create_message(%s, 1, 'of the user')" % (shop.id, shop.id))
            while True:
                event = events.next()
                assert event.data["chat_number"] == 1
                if event.data["body"] == "of the user":
                    break


def test_tickets_that_are_none_hold_up_nothing(guarded, cluster, shop):
    """Anybody can try tickets of an application: what it creates does not wait behind them."""
    key = make_key(cluster, "write", shop.id)
    locker = cluster.session("BEGIN; LOCK TABLE chat_internal.tickets")
    try:
        with guarded.wire() as wire:
            wire.send(b"GET /applications/%s/chats?ticket=%s HTTP/1.1\r\nHost: x\r\n\r\n" % (shop.id.encode(), b"0" * 32))
            wait_until(lambda: cluster.sql("SELECT count(*) FROM pg_locks WHERE NOT granted") != "0", "the ticket to be looked up")
            assert guarded.request("POST", "/applications/%s/chats" % shop.id, headers=bearer(key)).status == 201
            locker.communicate()
            assert wire.answer().status == 401
    finally:
        locker.kill()


def test_a_user_names_no_number(guarded, cluster, shop):
    """The highest number would end the chat for all."""
    jwt = make_jwt(Secret(cluster, shop.id), scope="write")
    refused = {"number": ["cannot be named by a user"]}
    for number in (1, 2147483647):
        answer = post(guarded, shop.messages, {"body": "bye", "number": number}, jwt)
        assert (answer.status, answer.json) == (422, refused)
    answer = post(guarded, shop.messages, [{"body": "bye", "number": 2147483647}, {"body": "hello", "number": None}], jwt)
    assert [item.get("errors") for item in answer.json] == [refused, None]
    assert post(guarded, shop.messages, {"body": "x", "number": 2}, make_key(cluster, "write", shop.id)).status in (201, 422)


def test_ticket_needs_a_credential(chatd, shop):
    assert chatd.request("POST", "/applications/%s/tickets" % shop.token).status == 400
