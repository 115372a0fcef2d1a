"""The cost of authentication and limits: keys, tokens of users and limits, beside none; and the effect that a
client at full speed has on another."""

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import subprocess
import time

from measuring import CHATS, POSTED, TOP, Line, RowsLine, Title, row
from processes import Chatd, wait_for

ENOUGH = 1000000        # requests per second: a limit that nobody reaches
ALLOWED = 1000          # one that a client at full speed does

LIMITS = [flag for name in ("key-requests", "key-messages", "address-requests", "address-messages")
          for flag in ("--" + name, str(ENOUGH))]


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_key(bench):
    return bench.postgres.sql("SELECT chat.create_key('bench', 'write', %s)" % bench.application)


def make_jwt(bench):
    kid, secret = bench.postgres.sql("SELECT kid, secret FROM chat.create_signing_key(%s)" % bench.application).split("|")
    claims = {"sub": "ann", "chats": "all", "scope": "read write", "exp": int(time.time()) + 86400}
    text = ".".join(base64url(json.dumps(part).encode()) for part in ({"alg": "HS256", "kid": kid}, claims))
    return text + "." + base64url(hmac.digest(secret.encode(), text.encode(), hashlib.sha256))


def is_ready(chatd):
    connection = http.client.HTTPConnection("127.0.0.1", chatd.port, timeout=10)
    connection.request("GET", "/readyz")
    with contextlib.closing(connection):
        return connection.getresponse().status == 200


@contextlib.contextmanager
def serving(bench, *flags):
    """The benchmark's chatd is another one meanwhile."""
    usual = bench.chatd
    with Chatd(TOP / "build/chatd", bench.postgres, *flags) as chatd:
        wait_for(lambda: is_ready(chatd), "chatd")
        bench.chatd = chatd
        try:
            yield chatd
        finally:
            bench.chatd = usual


def requests(method, flags, credential_of=lambda bench: None):
    tail, body = ("/*", None) if method == "GET" else ("", POSTED)

    def measure(bench):
        credential = credential_of(bench)
        with serving(bench, *flags) as chatd:
            return bench.sample(lambda: bench.run_wrk(chatd, 64, method, CHATS, tail, body, credential))
    return measure


def beside_a_client_at_full_speed(bench, rounds):
    """GETs over four connections by one key, alone and while another key sends all that it can over 64."""
    modest, greedy = make_key(bench), make_key(bench)
    alone, beside, allowed = [], [], []
    with serving(bench, "--require-keys", "--key-requests", str(ALLOWED)) as chatd:
        # Less than its limit, so that what is measured is not its own.
        paced = ["/usr/bin/python3", TOP / "tests/bench/paced.py", chatd.url, bench.token, modest, str(bench.seconds)]
        flood = ["wrk", "-t1", "-c64", "-d%ds" % (bench.seconds + 2), "-H", "Authorization: Bearer " + greedy,
                 "-s", TOP / "tests/bench/wrk.lua", chatd.url, "--", "GET", str(CHATS), bench.token, "/*"]
        for _ in range(rounds):
            alone.append(float(subprocess.check_output(paced)))
            with subprocess.Popen(flood, stdout=subprocess.PIPE, text=True) as other:
                beside.append(float(subprocess.check_output(paced)))
                allowed.append(json.loads(other.communicate()[0].splitlines()[-1])["requests"])
    title = Title("GET by one key, while another sends %d/s" % (max(allowed) / (bench.seconds + 2)), "alone")
    a, b = sorted(beside)[len(beside) // 2], sorted(alone)[len(alone) // 2]
    return [row(title, ": p99", "ms", a, b, a / b, "<=", 1.5)]


KEYS = ["--require-keys"]

LINES = [
    Line("get-key", "GET one message, with a key", requests("GET", KEYS, make_key), "without", requests("GET", []), 0.9),
    Line("get-jwt", "GET one message, with a JWT", requests("GET", KEYS, make_jwt), "without", requests("GET", []), 0.9),
    Line("get-limits", "GET one message, with a key and limits", requests("GET", KEYS + LIMITS, make_key),
         "without", requests("GET", []), 0.9),
    Line("post-key", "POST message, with a key", requests("POST", KEYS, make_key), "without", requests("POST", []), 0.9),
    Line("post-jwt", "POST message, with a JWT", requests("POST", KEYS, make_jwt), "without", requests("POST", []), 0.9),
    Line("post-limits", "POST message, with a key and limits", requests("POST", KEYS + LIMITS, make_key),
         "without", requests("POST", []), 0.9),
    RowsLine("share", beside_a_client_at_full_speed),
]
