"""A private PostgreSQL with the extension, a real chatd on it, and the means to talk to both.

PG_CONFIG chooses the PostgreSQL, CHATD the chatd.
"""

import collections
import http.client
import itertools
import json
import os
import pathlib
import re
import socket
import sys
import urllib.parse

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
CHATD = pathlib.Path(os.environ.get("CHATD", TOP / "build/chatd")).resolve()
SANITIZED = CHATD.exists() and b"__asan" in CHATD.read_bytes()
PG_CONFIG = os.environ.get("PG_CONFIG", "pg_config")

sys.path.insert(0, str(TOP / "tests/lib"))
import servers  # pylint: disable=wrong-import-position
from servers import AS_POSTGRES, ENVIRONMENT, wait_until  # pylint: disable=wrong-import-position,unused-import


def wait_for_attempt(cluster, function="create_messages"):
    """Wait until a chatd has tried to create something, or tried again what waits for a lock."""
    began = cluster.sql("SELECT clock_timestamp()")
    wait_until(lambda: cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'chatd' AND state = 'idle'"
                                   " AND query LIKE '%%chat.%s%%' AND query_start > '%s'" % (function, began)) != "0",
               "an attempt")


Answer = collections.namedtuple("Answer", "status headers body json")


def parse_json(body):
    try:
        return json.loads(body)
    except ValueError:
        return None


CREATED_AT = re.compile(rb',"created_at":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"')


def timeless(answer):
    """An answer without the times, which differ from run to run, that all objects of the API end with."""
    body, found = CREATED_AT.subn(b"", answer.body)
    assert found > 0, answer
    return answer._replace(body=body, json=parse_json(body))


class Wire:
    """A connection on which any bytes can be sent."""

    def __init__(self, port, timeout=15, address="127.0.0.1"):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout, (address, 0))
        self.received = b""

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass            # refused before all was sent: the answer tells
        return self

    def _receive(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.received += data
        return data

    def answer(self, head=False):
        """The next answer; None if the connection was closed without one."""
        while b"\r\n\r\n" not in self.received:
            if not self._receive():
                return None
        start, _, self.received = self.received.partition(b"\r\n\r\n")
        lines = start.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
        status = int(lines[0].split()[1])
        length = 0 if head or status < 200 else int(headers.get("content-length", 0))
        while len(self.received) < length:
            assert self._receive(), "the answer is cut off"
        body, self.received = self.received[:length], self.received[length:]
        return Answer(status, headers, body, parse_json(body))

    def is_closed(self):
        """Has the other side closed, with nothing more to read?"""
        return not self.received and not self._receive()


class Chatd(servers.Chatd):
    """A chatd of one's own, and requests to it."""

    def __init__(self, database, *flags, **options):
        super().__init__(CHATD, database, *flags, **options)

    def ready(self):
        wait_until(lambda: self.get("/readyz").status == 200, "a ready chatd")
        return self

    def wire(self, **options):
        return Wire(self.port, **options)

    def talk(self, data):
        """Send bytes on a new connection; the answer (or None), and whether the connection was closed."""
        with self.wire() as wire:
            answer = wire.send(data).answer()
            return answer, "close" in (answer.headers.get("connection", "") if answer else "close")

    def request(self, method, path, body=None, headers=None, timeout=15):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            # A stream of events goes on for minutes.
            text = b"" if response.getheader("Content-Type") == "text/event-stream" else response.read()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()},
                          text, parse_json(text))
        finally:
            connection.close()

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, data=None, form=False):
        """POST {"data": data} as JSON, or as a form; nothing if data is None."""
        if data is None:
            return self.request("POST", path)
        if form:
            return self.request("POST", path, urllib.parse.urlencode({"data[%s]" % name: value for name, value in data.items()}),
                                {"Content-Type": "application/x-www-form-urlencoded"})
        return self.post_json(path, json.dumps({"data": data}))

    def post_json(self, path, text):
        return self.request("POST", path, text, {"Content-Type": "application/json"})


class Cluster(servers.Cluster):
    """A PostgreSQL of one's own, which need not survive a crash of the machine."""

    def __init__(self):
        super().__init__(PG_CONFIG, "chat", {"fsync": "off", "max_connections": 100,
                                            "pg_chat.direct_rows": os.environ.get("DIRECT_ROWS", "on")}, initdb=["-N"])


@pytest.fixture(scope="session")
def cluster():
    server = Cluster()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def chatd(cluster):
    """The chatd that most tests share, with default settings."""
    server = Chatd(cluster.conninfo()).ready()
    yield server
    assert server.stop() == 0


@pytest.fixture
def start_chatd(cluster):
    """Starts a chatd with flags of one's own, perhaps by another command; it is stopped after the test."""
    started = []

    def start(*flags, database=None, prefix=()):
        started.append(Chatd(database or cluster.conninfo(), *flags, prefix=prefix))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.stop()


serial = itertools.count(1)


@pytest.fixture
def new_name():
    return "application %d of %d" % (next(serial), os.getpid())


@pytest.fixture
def token(chatd, new_name):
    """The token of a new application. A test before may have ended chatd's sessions."""
    answer = chatd.ready().post("/applications", {"name": new_name})
    assert answer.status == 201, answer
    return answer.json["token"]


@pytest.fixture
def chats(token):
    """The path of a new application's chats."""
    return "/applications/%s/chats" % token


@pytest.fixture
def messages(chatd, chats):
    """The path of the messages of a new chat."""
    assert chatd.post(chats).json["number"] == 1
    return chats + "/1/messages"
