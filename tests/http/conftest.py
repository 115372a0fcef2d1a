"""A private PostgreSQL with the extension, a real chatd on it, and the means to talk to both.

PG_CONFIG chooses the PostgreSQL, CHATD the chatd. PostgreSQL refuses to run as root: if the tests
do, it runs as the user postgres.
"""

import collections
import http.client
import itertools
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
CHATD = pathlib.Path(os.environ.get("CHATD", TOP / "build/chatd")).resolve()
PG_CONFIG = os.environ.get("PG_CONFIG", "pg_config")
AS_POSTGRES = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups"] if os.getuid() == 0 else []

# Nothing of the caller's may lead to another database or change a setting.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "CHATD"))}


def wait_until(condition, what, timeout=20):
    """Wait until condition() is true and return its value; fail after a while."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "waited in vain for " + what
        select.select([], [], [], 0.01)


class Cluster:
    """A PostgreSQL server that listens on a socket in its own directory only."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="chatd."))
        self.bin = pathlib.Path(subprocess.check_output([PG_CONFIG, "--bindir"], text=True).strip())
        if AS_POSTGRES:
            shutil.chown(self.directory, "postgres", "postgres")
        self.run("initdb", "-D", self.directory / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8",
                 "--no-locale", "-N")
        (self.directory / "data/postgresql.auto.conf").write_text(
            "listen_addresses = ''\nunix_socket_directories = '%s'\nfsync = off\nmax_connections = 100\n"
            "pg_chat.direct_rows = %s\n" % (self.directory, os.environ.get("DIRECT_ROWS", "on")))
        self.start()
        self.sql("CREATE DATABASE chat", "postgres")
        self.sql("CREATE EXTENSION pg_chat")

    def run(self, program, *arguments):
        return subprocess.run([*AS_POSTGRES, self.bin / program, *arguments], cwd="/", check=True, env=ENVIRONMENT,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True).stdout

    def start(self):
        self.run("pg_ctl", "-D", self.directory / "data", "-l", self.directory / "log", "-s", "-w", "start")

    def stop(self, mode="fast"):
        self.run("pg_ctl", "-D", self.directory / "data", "-s", "-w", "-m", mode, "stop")

    def postmaster(self):
        return int((self.directory / "data/postmaster.pid").read_text().split()[0])

    def sql(self, text, database="chat"):
        return self.run("psql", "-h", self.directory, "-U", "postgres", "-d", database, "-XAtq",
                        "-v", "ON_ERROR_STOP=1", "-c", text).strip()

    def session(self, text):
        """A psql that executes text and stays until its standard input is closed."""
        session = subprocess.Popen(
            [*AS_POSTGRES, self.bin / "psql", "-h", self.directory, "-U", "postgres", "-d", "chat", "-XAtq"],
            cwd="/", env=ENVIRONMENT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        session.stdin.write(text + ";\n\\echo done\n")
        session.stdin.flush()
        while session.stdout.readline() not in ("done\n", ""):
            pass
        return session

    def conninfo(self):
        return "host=%s dbname=chat user=chat_api" % self.directory

    def remove(self):
        if (self.directory / "data/postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self.directory)


def wait_for_attempt(cluster):
    """Wait until a chatd has tried to create messages, or tried again those that it holds."""
    began = cluster.sql("SELECT clock_timestamp()")
    wait_until(lambda: cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'chatd' AND state = 'idle'"
                                   " AND query LIKE '%%chat.create_messages%%' AND query_start > '%s'" % began) != "0",
               "an attempt to create messages")


Answer = collections.namedtuple("Answer", "status headers body json")


def parse_json(body):
    try:
        return json.loads(body)
    except ValueError:
        return None


class Wire:
    """A connection on which any bytes can be sent."""

    def __init__(self, port, timeout=15):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
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


class Chatd:
    """A chatd of one's own."""

    def __init__(self, database, *flags, cwd=None):
        self.log_file = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([CHATD, "--port", "0", "--database", database, *flags], env=ENVIRONMENT,
                                        stdin=subprocess.DEVNULL, stderr=self.log_file, cwd=cwd)
        wait_until(lambda: " listening on " in self.log() or self.process.poll() is not None, "chatd")
        assert self.process.poll() is None, self.log()
        self.port = int(self.log().split(" listening on ")[1].split("port ")[1].split()[0])

    def log(self):
        self.log_file.flush()
        return os.pread(self.log_file.fileno(), 1 << 20, 0).decode()

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

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            text = response.read()
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

    def stop(self):
        """End it as a service manager does; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(15)
        finally:
            self.process.kill()
            self.process.wait()
        self.log_file.close()
        return status


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
    """Starts a chatd with flags of one's own; it is stopped after the test."""
    started = []

    def start(*flags, database=None):
        started.append(Chatd(database or cluster.conninfo(), *flags))
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
    """The token of a new application."""
    answer = chatd.post("/applications", {"name": new_name})
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
