"""The cost of authentication and limits: keys, tokens of users and limits, beside none; and the effect that a
client at full speed has on another."""

import base64
import collections
import contextlib
import hashlib
import hmac
import http.client
import json
import operator
import statistics
import subprocess
import time

from measuring import CHATS, POSTED, TOP, Line, RowsLine, Title, row
from processes import Chatd, wait_for

ENOUGH = 1000000        # requests per second: a limit that nobody reaches
ALLOWED = 200           # a limit that a client at full speed reaches

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


def status_of(chatd, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", chatd.port, timeout=10)
    connection.request("GET", path, headers=headers)
    with contextlib.closing(connection):
        return connection.getresponse().status


@contextlib.contextmanager
def serving(bench, *flags):
    """The benchmark's chatd is another one meanwhile."""
    usual = bench.chatd
    with Chatd(TOP / "build/chatd", bench.postgres, *flags) as chatd:
        wait_for(lambda: status_of(chatd, "/readyz") == 200, "chatd")
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
    """GETs over four connections by one key: alone, while another key sends all that it can over 64, and while it spends
    the ten seconds' worth that it may send at once."""
    modest, greedy = make_key(bench), make_key(bench)
    figures = collections.defaultdict(list)
    with serving(bench, "--require-keys", "--key-requests", str(ALLOWED)) as chatd:
        # Less than its limit, so that what is measured is not its own.
        paced = ["/usr/bin/python3", TOP / "tests/bench/paced.py", chatd.url, bench.token, modest, str(bench.seconds)]
        flood = ["wrk", "-t1", "-c64", "-d600s", "-H", "Authorization: Bearer " + greedy,
                 "-s", TOP / "tests/bench/wrk.lua", chatd.url, "--", "GET", str(CHATS), bench.token, "/*"]
        for _ in range(rounds):
            figures["alone"].append(float(subprocess.check_output(paced)))
            with subprocess.Popen(flood, stdout=subprocess.DEVNULL) as other:
                figures["burst"].append(float(subprocess.check_output(paced)))
                wait_for(lambda: status_of(chatd, "/applications/" + bench.token, Authorization="Bearer " + greedy) == 429, "refusals")
                figures["beside"].append(float(subprocess.check_output(paced)))
                other.kill()
    title = Title("GET by one key, while another sends all it can", "alone")
    alone, beside, burst = (statistics.median(figures[name]) for name in ("alone", "beside", "burst"))
    return [row(title, ": p99", "ms", beside, alone, statistics.median(map(operator.truediv, figures["beside"], figures["alone"])), "<=", 1.5),
            row(title, ": p99 with its burst", "ms", burst, alone, statistics.median(map(operator.truediv, figures["burst"], figures["alone"])),
                None, None)]


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
