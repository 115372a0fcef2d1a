"""SIGHUP: the file of settings is read again, and what needs no restart takes effect, or nothing of it."""

import signal
import subprocess
import time

import pytest

from conftest import CHATD, ENVIRONMENT, Chatd, wait_until
from credentials import bearer, make_key
from event_stream import EventStream
from test_streams import application, create, live, path    # pylint: disable=unused-import

ORIGIN = {"Origin": "https://shop.example", "Sec-Fetch-Site": "cross-site"}


class File:
    """A file of settings, and the chatd that reads it."""

    def __init__(self, path):
        self.path = path
        self.server = None
        self.loops = 1

    def write(self, text):
        self.path.write_text(text)
        self.path.chmod(0o644)
        return self

    def reload(self, text, said="the settings were read again"):
        """Have it read; said is what each loop logs then."""
        before = self.server.log().count(said)
        self.write(text)
        self.server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.server.log().count(said) == before + self.loops, said)


@pytest.fixture
def file(cluster, start_chatd):
    """A file of settings, with a function that starts a chatd on it."""
    found = File(cluster.directory / "settings")

    def start(text, *flags, loops=1):
        found.loops = loops
        found.server = start_chatd("--settings", found.write(text).path, "--loops", str(loops), *flags).ready()
        return found.server

    found.start = start
    return found


def allowed(server):
    return server.request("GET", "/healthz", headers=ORIGIN).headers.get("access-control-allow-origin")


def test_the_file_is_read_at_the_start(file):
    server = file.start("# a comment\n\n  origins = https://shop.example \nmax-body=1024\naccess-log = 1\n")
    assert allowed(server) == "https://shop.example"
    assert server.post_json("/applications", "x" * 1025).status == 413
    wait_until(lambda: "access: POST /applications 413" in server.log(), "the line")


def test_flags_override_the_file(file):
    server = file.start("origins = https://shop.example\nkey-requests = 7", "--origins", "https://other.example")
    assert allowed(server) is None
    file.reload("origins = https://shop.example")
    assert allowed(server) is None


@pytest.mark.parametrize("loops", [1, 3])
def test_origins_hosts_and_logs(file, loops):
    server = file.start("", loops=loops)
    assert allowed(server) is None
    assert server.request("GET", "/applications", headers={"Host": "chat.example.org"}).status == 421
    file.reload("origins = https://shop.example\nhosts = chat.example.org\naccess-log-json = 1")
    for _ in range(3 * loops):
        assert allowed(server) == "https://shop.example"
        assert server.request("GET", "/applications", headers={"Host": "chat.example.org"}).status != 421
    wait_until(lambda: '"target":"/applications"' in server.log(), "the line")
    file.reload("")
    for _ in range(3 * loops):
        assert allowed(server) is None
    assert server.stop() == 0


def test_limits(file):
    server = file.start("address-requests = 1000000\ntrusted-proxies = 127.0.0.1")
    file.reload("address-requests = 1\ntrusted-proxies = 127.0.0.1")

    def statuses(count, address):
        return {server.request("GET", "/healthz", headers={"X-Forwarded-For": address}).status for _ in range(count)}

    assert statuses(10, "192.0.2.1") == {200} and 429 in statuses(10, "192.0.2.1")
    assert statuses(5, "192.0.2.2") == {200}
    # Without the proxy, all come from one address.
    file.reload("address-requests = 1")
    assert 429 in {server.request("GET", "/healthz", headers={"X-Forwarded-For": "192.0.2.%d" % number}).status for number in range(20)}
    file.reload("")
    assert statuses(50, "192.0.2.1") == {200}


def test_tokens_and_keys(file, cluster, token):
    server = file.start("", "--require-keys")
    key = make_key(cluster, "read")
    path = "/applications/" + token
    assert server.get(path).status == 401 and server.request("GET", path, headers=bearer(key)).status == 200
    file.reload("trust-tokens = read")
    assert server.get(path).status == 200
    # chatd looks again after a second by itself: what took less was SIGHUP's doing.
    for _ in range(50):
        key = make_key(cluster, "read")
        began = time.monotonic()
        assert server.request("GET", path, headers=bearer(key)).status == 200
        cluster.sql("SELECT chat.revoke_key(%s)" % key.split("_")[1])
        file.reload("trust-tokens = read\n#")
        assert server.request("GET", path, headers=bearer(key)).status == 401
        if time.monotonic() - began < 1:
            return
    raise AssertionError("no attempt took less than a second")


def test_connections_and_streams_stay(live, application, path):  # pylint: disable=redefined-outer-name
    """No client notices that the settings are read again."""
    found = File(live.directory / "settings")
    found.server = server = Chatd(live.conninfo(), "--settings", found.write("").path).ready()
    try:
        with server.wire() as wire, EventStream(server.port, path + "/stream") as events:
            request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
            assert wire.send(request).answer().status == 200
            events.ready()
            found.reload("origins = https://shop.example")
            assert allowed(server) == "https://shop.example"
            assert wire.send(request).answer().status == 200
            create(live, application, 1)
            assert events.next().name == "message"
    finally:
        assert server.stop() == 0


def test_others_need_a_restart(file):
    server = file.start("max-body = 2048")
    file.reload("max-body = 1024\nport = 1\nlisten = 192.0.2.1")
    assert server.post_json("/applications", "x" * 2000).status == 400
    assert server.get("/healthz").status == 200


@pytest.mark.parametrize("text, problem", [
    ("origins = shop", "--origins: shop is not an origin"),
    ("origins", "line 1: is not NAME = VALUE"),
    ("origins =\nkey-requests = x", "line 2: key-requests must be an integer from 0 to 1000000"),
    ("origin = x", "line 1: origin is no setting"),
    ("settings = x", "line 1: settings is no setting"),
    ("trust-tokens = admin", "--trust-tokens must be read or write"),
    ("trusted-proxies = 10.0.0.0/8, x", "--trusted-proxies: x is not an address"),
    ("#" * 65537, "is no file of settings"),
    ("hosts = a\0b", "is no file of settings"),
])
def test_a_wrong_file_changes_nothing(file, text, problem):
    server = file.start("origins = https://shop.example\nhosts = chat.example.org\ntrusted-proxies = 127.0.0.1")
    file.reload(text, said="the settings stay as they are: ")
    assert problem in server.log()
    assert allowed(server) == "https://shop.example"
    assert server.request("GET", "/applications", headers={"Host": "chat.example.org"}).status != 421
    # It does not start with such a file.
    started = subprocess.run([CHATD, "--settings", file.path], env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=15)
    assert started.returncode == 2 and problem in started.stderr


def test_a_file_that_is_gone(file):
    server = file.start("origins = https://shop.example")
    file.path.unlink()
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "the settings stay as they are: %s: cannot be read: No such file" % file.path in server.log(), "the line")
    assert allowed(server) == "https://shop.example"


def test_without_a_file(start_chatd):
    server = start_chatd().ready()
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "the settings were read again" in server.log(), "the line")
    assert server.get("/healthz").status == 200
