"""How many instructions a message takes: counted by valgrind, so the same on any machine and at any load.

A script runs twice in a session of its own, under valgrind, the second time with more transactions; the
difference, for each row that a transaction writes, leaves out the session's beginning and end. What the
project takes is set beside a bare INSERT of the same rows.

    instructions.py [--pg-config PG_CONFIG]    prints the table; status 1 if a ratio is above its limit by
                                               more than 5 %: for CI
"""

import argparse
import collections
import os
import re
import subprocess
import sys
import tempfile

from measuring import BODY, CHATS, Title, row, table_like_messages
from processes import Postgres, children, servers

SEEN = 100
FEW, MORE = 300, 1300
ROOM = 1.05

# beside: the script that its ratio is to; limit: of that ratio; None: there is none.
Script = collections.namedtuple("Script", "name text rows beside limit")


def one_chat(chats):
    return "\\set c random(1, %d)\n" % chats


def chat_each(chats):
    return "".join("\\set c%d random(1, %d)\n" % (i, chats) for i in range(100))


def array(element):
    return "ARRAY[%s]::integer[]" % ", ".join(map(element, range(100)))


CHAT_OF = ":c{}".format


def bare_insert(rows, chat_of):
    """A bare INSERT; the client brings what makes a number unique."""
    values = ", ".join("(1, %s, :n + %d, '%s')" % (chat_of(i), i, BODY) for i in range(rows))
    return "INSERT INTO bare (application_id, chat_number, number, body) VALUES %s;\n\\set n :n + %d\n" % (values, rows)


def create_message(application):
    return "SELECT chat.create_message(%s, :c, '%s');\n" % (application, BODY)


def create_messages(applications, chats, wait="true"):
    return ("SELECT count(number) FROM chat.create_messages(%s, %s, array_fill('%s'::text, ARRAY[100]), wait => %s);\n"
            % (applications, chats, BODY, wait))


IDS = "array_fill(1, ARRAY[100])"
EDIT = "\\set r random(1, 1000000000)\n"
TOKENS = "array_fill(:token::text, ARRAY[100])"
SCRIPTS = [
    Script("bare INSERT", one_chat(CHATS) + bare_insert(1, lambda i: ":c"), 1, None, None),
    Script("plpgsql function with a counter row", one_chat(CHATS) + "SELECT counted(1, :c, '%s');\n" % BODY,
           1, "bare INSERT", None),
    Script("create_message", one_chat(CHATS) + create_message("1"), 1, "bare INSERT", 1.3),
    Script("create_message, chats seen before", one_chat(SEEN) + create_message("1"), 1, "bare INSERT", 1.1),
    Script("create_message by token", one_chat(CHATS) + create_message(":token"), 1, "bare INSERT", 1.3),
    Script("create_chat", "SELECT chat.create_chat(1);\n", 1, "bare INSERT", None),
    Script("bare INSERT of 100", chat_each(CHATS) + bare_insert(100, CHAT_OF), 100, None, None),
    Script("create_messages, 100 chats", chat_each(CHATS) + create_messages(IDS, array(CHAT_OF)),
           100, "bare INSERT of 100", 1.6),
    Script("create_messages, 100 chats by token", chat_each(CHATS) + create_messages(TOKENS, array(CHAT_OF)),
           100, "bare INSERT of 100", 1.7),
    Script("create_messages, as chatd calls it", chat_each(CHATS) + create_messages(TOKENS, array(CHAT_OF), "false"),
           100, "bare INSERT of 100", 1.9),
    Script("create_messages, 100 to one chat", one_chat(CHATS) + create_messages(IDS, array(lambda i: ":c")),
           100, "bare INSERT of 100", 0.8),
    Script("bare UPDATE", one_chat(CHATS) + EDIT + "UPDATE bare SET body = '%s' || :r WHERE (application_id, chat_number, number)"
           " = (1, :c, 1) RETURNING number;\n" % BODY, 1, None, None),
    Script("update_message", one_chat(CHATS) + EDIT + "SELECT number FROM chat.update_message(1, :c, 1, '%s' || :r);\n" % BODY,
           1, "bare UPDATE", 2),
    Script("delete_message", one_chat(CHATS) + "SELECT chat.delete_message(1, :c, 1);\n", 1, "bare UPDATE", 2),
]

# The function that anybody could write, with the caller's rights.
COUNTED = table_like_messages("counted_messages") + """
    CREATE TABLE counters (application_id integer, number integer, last_number integer NOT NULL DEFAULT 0,
        messages_count integer NOT NULL DEFAULT 0, PRIMARY KEY (application_id, number)) WITH (fillfactor = 10);
    INSERT INTO counted_messages SELECT application_id, chat_number, number, body, created_at FROM chat.messages;
    CREATE FUNCTION counted(application integer, chat integer, body text) RETURNS integer LANGUAGE plpgsql AS $$
    DECLARE
        given integer;
    BEGIN
        UPDATE counters SET last_number = last_number + 1, messages_count = messages_count + 1
        WHERE application_id = application AND counters.number = chat RETURNING last_number INTO given;
        INSERT INTO counted_messages (application_id, chat_number, number, body)
        VALUES (application, chat, given, counted.body);
        RETURN given;
    END $$;
    INSERT INTO counters SELECT application_id, number, last_message_number, messages_count FROM chat.chats;
"""


class CountedPostgres(Postgres):
    """One whose sessions leave the count of their instructions when they end."""

    SETTINGS = dict(Postgres.SETTINGS, shared_preload_libraries="", autovacuum="off", fsync="off", jit="off",
                    max_logical_replication_workers="0")

    def __init__(self, pg_config):
        self.sessions = 0
        super().__init__(pg_config)

    def start(self):
        program = self.directory / "counted"
        program.write_text("#!/bin/sh\nexport TMPDIR=%s\nexec valgrind -q --tool=callgrind --trace-children=yes"
                           " --callgrind-out-file=%s/count.%%p %s/postgres \"$@\"\n" % (self.directory, self.directory, self.bin))
        program.chmod(0o755)
        super().start("-p", program)

    def stop(self, mode="fast"):
        """It writes its own count after it is said to have stopped."""
        pid = self.pid
        super().stop(mode)
        servers.wait_until(lambda: not os.path.exists("/proc/%d" % pid), "the end of the server", 60)

    def ended(self):
        """The counts that processes have left which have ended."""
        return set(self.directory.glob("count.*"))

    def session(self, script, transactions):
        """The instructions of a session that runs the script so many times."""
        before = self.ended()
        others = set(children(self.pid))
        self.sessions += 1
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
            file.write(script)
            file.flush()
            subprocess.run([self.bin / "pgbench", "-n", "-M", "prepared", "-t", str(transactions), "--random-seed=1",
                            "-D", "n=%d" % (self.sessions * 1000000), "-D", "token=" + self.token, "-f", file.name],
                           env=self.environment, check=True, stdout=subprocess.DEVNULL)
        servers.wait_until(lambda: set(children(self.pid)) <= others, "the end of a session", 60)
        return max(int(re.search(r"^(?:summary|totals): (\d+)", path.read_text(), re.M).group(1))
                   for path in self.ended() - before)

    def fill(self):
        """An application with its chats, a message in each, and the tables for the others."""
        self.token = self.sql("SELECT token FROM chat.create_application('counted')")
        self.sql("SELECT count(chat.create_chat(1)) FROM generate_series(1, %d)" % CHATS)
        self.sql("SELECT count(*) FROM generate_series(1, %d, 1000) low, chat.create_messages("
                 "array_fill(1, ARRAY[1000]), ARRAY(SELECT generate_series(low, low + 999)),"
                 " array_fill('%s'::text, ARRAY[1000]))" % (CHATS, BODY))
        self.sql(table_like_messages("bare"))
        self.sql("INSERT INTO bare SELECT application_id, chat_number, number, body, created_at FROM chat.messages")
        self.sql(COUNTED)
        self.sql("VACUUM ANALYZE")
        self.sql("CHECKPOINT")


def measure(pg_config, settings=()):
    """The instructions of each script for a row that it writes, by its name."""
    with CountedPostgres(pg_config) as postgres:
        postgres.fill()
        for setting in settings:
            postgres.set(*setting.split("="))
        return {script.name: (postgres.session(script.text, MORE // script.rows + 20)
                              - postgres.session(script.text, FEW // script.rows + 20))
                / (MORE // script.rows - FEW // script.rows) / script.rows
                for script in SCRIPTS}


def rows(bench, _rounds):
    """The same as rows of the benchmark, of the scripts that stand beside another."""
    counts = measure(bench.postgres.pg_config)
    return [row(Title(script.name + ", instructions", script.beside), "", "instructions", counts[script.name],
                counts[script.beside], counts[script.name] / counts[script.beside], "<=", script.limit)
            for script in SCRIPTS if script.beside]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pg-config", default="pg_config", help="of the PostgreSQL to measure with")
    parser.add_argument("settings", nargs="*", metavar="NAME=VALUE", help="of the cluster")
    chosen = parser.parse_args()
    counts = measure(chosen.pg_config, chosen.settings)
    missed = False
    print("%-40s %12s %7s %7s" % ("instructions of", "each row", "ratio", "limit"))
    for script in SCRIPTS:
        ratio = counts[script.name] / counts[script.beside] if script.beside else None
        above = script.limit is not None and ratio > script.limit * ROOM
        missed |= above
        print("%-40s %12.0f %7s %7s%s" % (
            script.name, counts[script.name], "" if ratio is None else "%.2f" % ratio,
            "" if script.limit is None else "%.2f" % script.limit, " MISSED" if above else ""))
    sys.exit(missed)


if __name__ == "__main__":
    main()
