"""Failovers under load: the primary is killed, its standby promoted, and the former primary becomes the standby.

With synchronous replication, what was acknowledged is there once, what was refused is not, numbers have no
gap, and who follows misses nothing. FAILOVERS says how many there are.
"""

import concurrent.futures
import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import threading

import pytest

from conftest import PG_CONFIG, Chatd, servers, wait_until
from event_stream import Ended, EventStream

FAILOVERS = int(os.environ.get("FAILOVERS", "3"))
CHATS = 3
WRITERS = 6         # half of them with keys
LONGEST = 60        # seconds that a request takes, with a commit that waits for a standby to come back
SETTINGS = {"fsync": "off", "max_connections": 60, "shared_preload_libraries": "pg_chat", "wal_log_hints": "on",
            "wal_keep_size": "256MB"}


class Node:
    """One of two servers."""

    def __init__(self, name, server):
        self.name, self.server = name, server
        self.data = server.directory / "data"

    def settle(self):
        """It has its own name and socket, whatever was copied from the other, and acknowledges what the other has confirmed."""
        with open(self.data / "postgresql.auto.conf", "a") as settings:
            settings.write("cluster_name = '%s'\nunix_socket_directories = '%s'\nsynchronous_standby_names = 'ANY 1 (a, b)'\n"
                           % (self.name, self.server.directory))

    def kill(self):
        """Kill all its processes, so that nothing of it can acknowledge anything afterwards."""
        postmaster = self.server.postmaster()
        os.kill(postmaster, signal.SIGSTOP)
        children = subprocess.run(["pgrep", "-P", str(postmaster)], stdout=subprocess.PIPE, text=True, check=False).stdout.split()
        for process in (*map(int, children), postmaster):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        wait_until(lambda: not any(os.path.exists("/proc/%s" % process) for process in children), "the end of the server's processes")
        (self.data / "postmaster.pid").unlink()

    def follow(self, other, rewind):
        """Become a standby of the other."""
        if rewind:
            other.server.sql("CHECKPOINT")
            self.server.run("pg_rewind", "-D", self.data, "--source-server", "host=%s user=postgres dbname=postgres" % other.server.directory, "-R")
        else:
            shutil.rmtree(self.data)
            self.server.copy(other.server)
        self.settle()
        self.server.start()


class Load:
    """Writers, and what they were told; readers, and what they saw."""

    def __init__(self, chatd, token):
        self.chatd, self.chats = chatd, "/applications/%s/chats" % token
        self.acknowledged, self.refused, self.unknown = {}, set(), set()
        self.seen = {}              # the numbers that each reader was told of
        self.stop = threading.Event()
        self.stop_reading = threading.Event()
        self.pool = concurrent.futures.ThreadPoolExecutor(WRITERS + CHATS + 1)
        self.tasks = [self.pool.submit(self.write, writer) for writer in range(WRITERS)]
        self.tasks += [self.pool.submit(self.look)]
        self.readers = [self.pool.submit(self.read, chat) for chat in range(1, CHATS + 1)]

    def check(self):
        """Fail as soon as one has failed."""
        for task in self.tasks + self.readers:
            if task.done():
                task.result()

    def write(self, writer):
        chat, keyed = writer % CHATS + 1, writer >= WRITERS // 2
        messages = "%s/%d/messages" % (self.chats, chat)
        for serial in range(1 << 30):
            if self.stop.is_set():
                return
            body = "%d.%d" % (writer, serial)
            answer = self.post(messages, body, keyed)
            while keyed and answer.status == 503:
                self.stop.wait(0.1)
                answer = self.post(messages, body, keyed)
            if answer.status == 201:
                self.acknowledged[body] = (chat, answer.json["number"])
                self.see(messages, answer, body)
            elif answer.status == 503:
                assert answer.headers["retry-after"]
                self.refused.add(body)
                self.stop.wait(0.1)
            else:
                assert answer.status == 424 and not keyed and "retry-after" not in answer.headers, answer
                self.unknown.add(body)

    def post(self, messages, body, keyed):
        return self.chatd.request("POST", messages, json.dumps({"data": {"body": body}}),
                                  {"Content-Type": "application/json", **({"Idempotency-Key": '"%s"' % body} if keyed else {})}, LONGEST)

    def see(self, messages, answer, body):
        """Who wrote sees it, or is told to come again."""
        found = self.chatd.request("GET", "%s/%d" % (messages, answer.json["number"]), headers={"Commit-LSN": answer.headers.get("commit-lsn", "0/0")}, timeout=LONGEST)
        assert found.status == 503 or (found.status == 200 and found.json["body"] == body), found

    def look(self):
        """What was there stays there, whoever answers."""
        messages = "%s/1/messages" % self.chats
        while not self.stop.is_set():
            for path in ("?limit=10", "/search?query=1&limit=5", "/changes?limit=5"):
                answer = self.chatd.request("GET", messages + path, timeout=LONGEST)
                assert answer.status in (200, 503), answer

    def read(self, chat):
        position, seen = "0.0", self.seen.setdefault(chat, [])
        while not self.stop_reading.is_set():
            with contextlib.suppress(Ended, OSError, http.client.HTTPException), \
                    EventStream(self.chatd.port, "%s/%d/messages/stream" % (self.chats, chat), position, timeout=1) as events:
                while not self.stop_reading.is_set():
                    try:
                        event = events.next()
                    except TimeoutError:
                        continue
                    assert event.name in ("message", "ready", "unavailable"), event
                    position = events.id
                    if event.name == "message":
                        seen.append((event.data["number"], event.data["body"]))

    def end(self, counts):
        """End when the readers have seen as many messages."""
        self.stop.set()
        for task in self.tasks:
            task.result(60)
        expected = counts()
        wait_until(lambda: self.check() or [len(self.seen[chat]) for chat in range(1, CHATS + 1)] >= expected, "the readers", 60)
        self.stop_reading.set()
        for reader in self.readers:
            reader.result(60)
        return expected


@pytest.fixture
def nodes():
    first = Node("a", servers.Cluster(PG_CONFIG, "chat", SETTINGS, initdb=["-N"]))
    second = Node("b", servers.Standby(first.server))
    for node in (second, first):
        node.settle()
        node.server.stop()
        node.server.start()
    yield [first, second]
    for node in (first, second):
        node.server.remove()


@pytest.mark.timeout(120 + 60 * FAILOVERS)
def test_failovers(nodes):
    hosts = "host=%s dbname=chat user=chat_api" % ",".join(str(node.server.directory) for node in nodes)
    chatd = Chatd(hosts + " target_session_attrs=read-write", "--database-read", hosts).ready()
    token = chatd.post("/applications", {"name": "shop"}).json["token"]
    for _ in range(CHATS):
        assert chatd.post("/applications/%s/chats" % token).status == 201
    load = Load(chatd, token)
    primary, standby = nodes
    for failover in range(FAILOVERS):
        before = len(load.acknowledged)
        assert primary.server.sql("SHOW synchronous_standby_names") != ""
        wait_until(lambda: load.check() or len(load.acknowledged) > before + 100, "writes", 60)    # pylint: disable=cell-var-from-loop
        primary.kill()
        standby.server.promote()
        primary, standby = standby, primary
        standby.follow(primary, rewind=failover % 2 == 0)
        wait_until(lambda: load.check() or chatd.get("/readyz").json == {"status": "ready", "standby": "ready"}, "chatd", 60)
    before = len(load.acknowledged)
    wait_until(lambda: load.check() or len(load.acknowledged) > before + 100, "writes", 60)
    counts = load.end(lambda: [int(count) for count in primary.server.sql(
        "SELECT string_agg(messages_count::text, ' ' ORDER BY number) FROM chat.chats").split()])

    there = [row.split("|") for row in primary.server.sql("SELECT chat_number, number, body FROM chat.messages ORDER BY 1, 2").splitlines()]
    places = {}
    for chat, number, body in there:
        places.setdefault(body, []).append((int(chat), int(number)))
    assert [body for body, found in places.items() if len(found) > 1] == [], "none is there twice"
    assert [body for body, place in load.acknowledged.items() if places.get(body) != [place]] == [], "what was acknowledged is there"
    assert [body for body in load.refused if body in places] == [], "what was refused is not"
    assert places.keys() <= load.acknowledged.keys() | load.unknown
    for chat in range(1, CHATS + 1):
        rows = [(int(row[1]), row[2]) for row in there if row[0] == str(chat)]
        assert [number for number, _ in rows] == list(range(1, counts[chat - 1] + 1)), "no number is left out"
        assert load.seen[chat] == rows, "the reader saw all, once, in order"
    # The worker looks after the counts where it is now.
    wait_until(lambda: primary.server.sql("SELECT hint IS NULL FROM chat.worker_status LIMIT 1") == "t", "the worker")
    print("%d failovers: %d acknowledged, %d refused, %d unknown" % (FAILOVERS, len(load.acknowledged), len(load.refused), len(load.unknown)))
    assert chatd.stop() == 0
