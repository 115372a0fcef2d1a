"""The servers of the lines of the search: a cluster and a chatd of their own, which keep a real
Elasticsearch in sync.

Its messages are those of tests/data, again and again; some have a rare word more. Two applications are
large: "log", with 10,000 chats, and "rooms", with a chat for each size that is searched.
"""

import contextlib
import gzip
import pathlib
import subprocess

from elastic import engine
from measuring import BODY, CHATS, TOP, Bench
from processes import Chatd, Postgres, process_seconds, wait_for

# Seconds: for as many messages as it gets here, and more.
IN_SYNC_WITHIN = 900

RARE = "quokka"


def document(application, chat, number, checksum, grams):
    """The lines that have _bulk index a message, as in es_document.c; the version is any."""
    key = (application, chat, number)
    return (
        '{"index":{"_id":"%s.%s.%s","routing":"%s","version":1,"version_type":"external"}}\n'
        '{"scope":["%s","%s.%s"],"application":%s,"chat":%s,"number":%s,"checksum":%s,"grams":%s}\n' % (
            *key, application, application, application, chat, *key, checksum, grams))


class Searched(Bench):
    """A cluster whose messages are in Elasticsearch."""

    def __init__(self, bench):
        postgres = bench.stack.enter_context(Postgres(bench.postgres.pg_config))
        chatd = bench.stack.enter_context(Chatd(TOP / "build/chatd", postgres))
        super().__init__(postgres, chatd, None, bench.seconds, bench.rounds, bench.messages, bench.stack)
        self.million = min(1000000, bench.seconds * 250000)
        self.engine = bench.stack.enter_context(engine.Engine(heap="1g"))
        self.postgres.set("pg_chat.elasticsearch_url", self.engine.url)
        self.copy_log()
        self.log = self.create_application("log")
        self.postgres.sql("SELECT count(chat.create_chat(%s)) FROM generate_series(1, %d)" % (self.log, CHATS))
        self.log_each = 0
        self.rooms = None
        wait_for(lambda: self.current("bench"), "an index")
        self.index = self.current("bench")
        self.in_sync()

    def create_application(self, name):
        return self.postgres.sql("SELECT id FROM chat.create_application('%s')" % name)

    def copy_log(self):
        """The bodies of tests/data, as table log."""
        with gzip.open(TOP / "tests/data/ubuntu-irc.tsv.gz", "rt", encoding="utf-8", newline="\n") as file:
            bodies = [line.rstrip("\n").split("\t")[3].replace("\\", "\\\\") for line in file]
        self.postgres.sql("CREATE TABLE log (body text, i serial PRIMARY KEY)")
        subprocess.run([self.postgres.bin / "psql", "-Xq", "-c", "COPY log (body) FROM STDIN"], check=True,
                       input="\n".join(bodies) + "\n", env=self.postgres.environment, encoding="utf-8")
        self.log_length = len(bodies)

    def bodies(self, chats, each):
        """SQL for messages of chats in a row, so many for each: n, from 0 on, and body. Ten of them have
        the rare word."""
        count = chats * each
        return """
            SELECT n, l.body || CASE WHEN n %% %d = 0 THEN ' %s' ELSE '' END AS body
            FROM generate_series(0, %d) n JOIN log l ON l.i = n %% %d + 1 ORDER BY n""" % (
                count // 10, RARE.title(), count - 1, self.log_length)

    def insert(self, application, first_chat, chats, each):
        self.postgres.sql("""
            INSERT INTO chat.messages (application_id, chat_number, body)
            SELECT %s, %d + n / %d, body FROM (%s) m ORDER BY n""" % (
                application, first_chat, each, self.bodies(chats, each)))

    def current(self, database):
        """The index in Elasticsearch that is searched, or nothing."""
        return self.postgres.sql(
            "SELECT name FROM chat_internal.search_indexes WHERE state = 'current' AND uuid IS NOT NULL", database)

    def in_sync(self):
        """Wait until everything is found in Elasticsearch, and noted. Costs PostgreSQL two statements."""
        written = int(self.postgres.sql("SELECT sum(last_message_number) FROM chat.chats"))
        wait_for(lambda: self.found(self.index) == written, "Elasticsearch", IN_SYNC_WITHIN, every=0.1)
        wait_for(lambda: self.postgres.sql("SELECT messages_behind + queued FROM chat.search_status") == "0", "the worker",
                 every=0.1)

    def found(self, index):
        """How many documents searches find in an index; None if it is not there."""
        return self.engine.request("GET", "/%s/_count" % index)[1].get("count")

    def cpu_seconds(self):
        return self.postgres.cpu_seconds(), self.chatd.cpu_seconds(), process_seconds(self.engine.pid)[0]

    def log_part(self):
        """A round's part of the million, for each chat."""
        return max(self.million // self.rounds // CHATS, 1)

    def log_round(self, each):
        """Add a number of messages to each chat of the application log, at once."""
        self.insert(self.log, 1, CHATS, each)
        self.log_each += each

    def documents(self, above, each):
        """The documents that es_document.c makes of a round's messages, whose numbers in each chat are above this one."""
        rows = self.postgres.sql("""
            SELECT chat, number, chat_internal.search_checksum(%s, chat, number, body), to_json(chat.fold(body))
            FROM (SELECT 1 + n / %d AS chat, %d + n %% %d + 1 AS number, body FROM (%s) m ORDER BY n) k""" % (
                self.log, each, above, each, self.bodies(CHATS, each)))
        return [document(self.log, *line.split("|", 3)) for line in rows.split("\n")]

    @contextlib.contextmanager
    def steady(self, rate):
        """Meanwhile so many messages a second are created."""
        script = pathlib.Path(self.scratch, "steady")
        script.write_text("\\set c random(1, %d)\nSELECT chat.create_message(%s, :c, '%s');\n" % (
            CHATS, self.application, BODY))
        with subprocess.Popen([self.postgres.bin / "pgbench", "-n", "-M", "prepared", "-c", "8", "-R", str(rate),
                               "-T", "3600", "-f", script], env=self.postgres.environment,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as pgbench:
            try:
                yield
            finally:
                pgbench.terminate()

    def whole_log(self):
        """A million messages in the application log, in sync, and nothing else left of it."""
        self.engine.request("DELETE", "/plain")
        lacking = self.million // CHATS - self.log_each
        if lacking > 0:
            self.log_round(lacking)
            self.in_sync()
            self.postgres.sql("VACUUM ANALYZE")

    def whole_rooms(self):
        """The chats of all sizes, in sync: their sizes."""
        sizes = [1000, self.million // 10, self.million]
        if self.rooms is None:
            self.rooms = self.create_application("rooms")
            for room, size in enumerate(sizes, 1):
                self.postgres.sql("SELECT chat.create_chat(%s)" % self.rooms)
                self.insert(self.rooms, room, 1, size)
            self.in_sync()
            self.postgres.sql("VACUUM ANALYZE")
        return sizes


def searched(bench):
    """The servers of these lines, which begin with the first of them."""
    if bench.search is None:
        bench.search = Searched(bench)
    return bench.search


def thousands(number):
    return "{:,}".format(number)
