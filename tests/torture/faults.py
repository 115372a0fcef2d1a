"""Faults: each function causes one in a world under load, and undoes only what nothing else would undo.

The servers must recover by themselves. FAULTS has them all, and how often each is drawn.
"""

import contextlib
import os
import signal
import subprocess
import time

from world import Disk, Standby, wait_until
from worst_settings import VALUES, set_all

# Seconds that something lasts.
SHORT, LONG = 0.3, 1.2


def send(pid, number):
    """A signal, to a process that may have ended, or none."""
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


class Means:
    """Building blocks of faults, with the world, the round's load, and a source of randomness."""

    def __init__(self, world, load, rng):
        self.world = world
        self.load = load
        self.rng = rng

    def for_a_while(self, seconds=None):
        """Let it last."""
        end = time.monotonic() + (seconds or self.rng.uniform(SHORT, LONG))
        wait_until(lambda: time.monotonic() > end, "a while")

    def recovered(self):
        """Wait for PostgreSQL to be back, after a fault before this one."""
        wait_until(self.world.postgres.recovers, "PostgreSQL to recover", 60)

    def some_of(self, kind):
        processes = self.world.postgres.processes(kind)
        return self.rng.choice(processes) if processes else None

    def kill(self, kind):
        """And wait for the postmaster to know of it, unless that is suspended."""
        pid = self.some_of(kind)
        send(pid, signal.SIGKILL)
        with contextlib.suppress(AssertionError):
            wait_until(lambda: not os.path.exists("/proc/%s" % pid), "a killed process to be gone", 5)

    @contextlib.contextmanager
    def suspended(self, *pids):
        """Processes that stand still."""
        for pid in pids:
            send(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                send(pid, signal.SIGCONT)

    def suspend(self, *pids):
        with self.suspended(*pids):
            self.for_a_while()

    def disk_full(self, *faults):
        """Until somebody has been refused by it."""
        before = self.load.refusals
        for fault in faults:
            self.world.postgres.disk.set(fault, True)
        end = time.monotonic() + 5
        wait_until(lambda: self.load.refusals > before or not self.world.postgres.runs() or time.monotonic() > end, "a refusal")
        self.for_a_while(SHORT)
        for fault in faults:
            self.world.postgres.disk.set(fault, False)
        self.recovered()

    def cut(self, *proxies):
        for _ in range(self.rng.randrange(1, 8)):
            for proxy in proxies:
                proxy("cut")
            self.for_a_while(0.05)

    def statements(self, *texts):
        """Each may fail: the clients have locks, too."""
        for text in texts:
            with contextlib.suppress(subprocess.CalledProcessError):
                self.world.sql(text)

    def hold(self, text):
        """A transaction that does this and then is idle for a while."""
        self.recovered()
        session = self.world.postgres.session("BEGIN; " + text)
        self.for_a_while()
        session.communicate()

    def index(self):
        self.recovered()
        return self.world.sql("SELECT index FROM chat.search_status WHERE state = 'current'")

    def lie(self, proxy):
        proxy("lie")
        self.for_a_while(2 * LONG)
        proxy("pass")
        proxy("cut")

    def unreachable(self, proxy):
        proxy(self.rng.choice(["hold", "refuse"]))
        proxy("cut")
        self.for_a_while()
        proxy("pass")


class Faults(Means):
    """Each function is one."""

    # PostgreSQL's processes

    def kill_postmaster(self):
        self.recovered()
        os.kill(self.world.postgres.postmaster(), signal.SIGKILL)
        self.world.postgres.start()

    def kill_backend(self):
        self.kill("postgres chat")

    def kill_backend_of_chatd(self):
        self.kill("chat_api")

    def kill_worker(self):
        self.kill("pg_chat worker")

    def kill_launcher(self):
        self.kill("pg_chat launcher")

    def kill_auxiliary(self):
        self.kill(self.rng.choice(["checkpointer", "walwriter", "background writer", "autovacuum launcher"]))

    def crash_twice(self):
        """Killed while it recovers."""
        self.recovered()
        os.kill(self.world.postgres.postmaster(), signal.SIGKILL)
        self.world.postgres.start()
        self.kill("postgres chat")
        self.for_a_while(SHORT)
        with contextlib.suppress(OSError, ValueError, IndexError):
            os.kill(self.world.postgres.postmaster(), signal.SIGKILL)
        self.world.postgres.start()

    def terminate_all(self):
        self.recovered()
        self.world.postgres.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = 'chat'", "postgres")

    def cancel_all(self):
        self.recovered()
        for _ in range(5):
            self.world.postgres.sql("SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE datname = 'chat'", "postgres")

    def restart_immediate(self):
        self.recovered()
        self.world.postgres.stop("immediate")
        self.world.postgres.start()

    def restart_fast(self):
        self.recovered()
        self.world.postgres.stop("fast")
        self.world.postgres.start()

    def suspend_postmaster(self):
        self.recovered()
        self.suspend(self.world.postgres.postmaster())

    def suspend_backends(self):
        self.suspend(*(self.some_of(kind) for kind in ("postgres chat", "chat_api", "chat_api")))

    def suspend_worker(self):
        self.suspend(self.some_of("pg_chat worker"))

    def suspend_wal_writer(self):
        self.suspend(self.some_of("walwriter"), self.some_of("checkpointer"))

    # The disk

    def disk_full_for_data(self):
        self.disk_full(Disk.DATA)

    def disk_full_for_wal(self):
        self.disk_full(Disk.WAL)

    def disk_full_for_both(self):
        self.disk_full(Disk.DATA, Disk.WAL)

    def disk_does_not_flush(self):
        self.disk_full(Disk.FLUSH)

    # chatd

    def kill_chatd(self):
        self.world.chatd.process.kill()
        self.world.chatd.process.wait()
        self.world.restart_chatd()

    def stop_chatd(self):
        status = self.world.chatd.stop()
        if status != 0:
            self.load.problem("chatd ended with status %d" % status)
        self.world.restart_chatd()

    def suspend_chatd(self):
        self.suspend(self.world.chatd.process.pid)

    # Connections

    def cut_database(self):
        self.cut(self.world.proxies["database"])

    def cut_clients(self):
        self.cut(self.world.proxies["front"])

    def cut_all(self):
        self.cut(*self.world.proxies.values())

    def database_unreachable(self):
        """Requests are lost on their way, or their answers."""
        self.world.proxies["database"]("hold")
        self.for_a_while()
        if self.rng.randrange(2):
            self.world.proxies["database"]("cut")
        self.world.proxies["database"]("refuse")
        self.for_a_while(SHORT)
        self.world.proxies["database"]("pass")
        self.world.proxies["database"]("cut")

    # A standby takes over

    def promote(self):
        """Of a standby that confirms each commit, so that what was acknowledged is there."""
        self.recovered()
        standby = Standby(self.world.postgres)
        self.world.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.world.sql("SELECT pg_reload_conf()")
        wait_until(lambda: self.world.sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'") == "1",
                   "replication", 60)
        self.world.sql("CHECKPOINT")    # by then, the checkpointer has told all others of the setting
        self.for_a_while()
        for pid in [self.world.postgres.postmaster(), *self.world.postgres.processes("")]:
            send(pid, signal.SIGKILL)
        self.world.promote(standby)

    # Locks, and statements that change tables beneath those that write

    def lock_tables(self):
        self.hold("LOCK TABLE chat.messages IN ACCESS EXCLUSIVE MODE")

    def lock_chats(self):
        self.hold("SELECT count(*) FROM (SELECT FROM chat.chats FOR UPDATE) AS c")

    def idle_snapshot(self):
        self.hold("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM chat.messages")

    def rewrite_tables(self):
        self.statements("VACUUM FULL chat.messages", "CLUSTER chat.chats USING chats_pkey", "REINDEX TABLE chat.messages")

    def alter_tables(self):
        """Which also changes how rows are written, there and back."""
        for _ in range(3):
            self.statements("ALTER TABLE chat.messages ADD COLUMN extra text DEFAULT 'x'", "ALTER TABLE chat.messages DROP COLUMN extra")
        self.statements("CREATE INDEX extra ON chat.messages (created_at)", "DROP INDEX chat.extra")

    def other_way_of_writing(self):
        """From now on by statements, or directly again."""
        self.recovered()
        self.world.postgres.sql("ALTER SYSTEM SET pg_chat.direct_rows = %s" % self.world.postgres.sql(
            "SELECT NOT current_setting('pg_chat.direct_rows')::boolean", "postgres"), "postgres")
        self.world.postgres.sql("SELECT pg_reload_conf()", "postgres")

    def worst_settings(self):
        """Of all sessions in the database, the worker's, too."""
        self.recovered()
        set_all(self.world.postgres, "DATABASE chat", self.rng.choice(list(VALUES)))
        self.terminate_all()
        self.for_a_while(2 * LONG)
        self.world.postgres.sql("ALTER DATABASE chat RESET ALL", "postgres")
        self.terminate_all()

    # Redis

    def redis_killed(self):
        self.world.redis.kill()
        self.for_a_while()
        self.world.redis.start()

    def redis_flushed(self):
        self.world.redis("FLUSHALL")

    def redis_changed(self):
        """Wrong values, and no values. Not of what was deleted: keys of others are not pg_chat's to repair."""
        for key in [key for key in self.world.redis.contents() if self.load.token in key][:5]:
            self.world.redis("SET", key, self.rng.choice(["7", "-1", "x", "99999999999999999999", ""]))
        self.world.redis("DEL", "application:%s:number" % self.load.token)
        self.world.redis("LPUSH", "application:%s:chat:1:number" % self.load.token, "no", "string")

    def redis_hangs(self):
        self.suspend(self.world.redis.process.pid)

    def redis_full(self):
        self.world.redis("CONFIG", "SET", "maxmemory", "1")
        self.for_a_while()
        self.world.redis("CONFIG", "SET", "maxmemory", "0")

    def redis_lies(self):
        self.lie(self.world.proxies["redis"])

    def redis_unreachable(self):
        self.unreachable(self.world.proxies["redis"])

    # Elasticsearch

    def engine_killed(self):
        self.world.engine.kill9()
        self.for_a_while()
        try:
            self.world.engine.start()
        except RuntimeError:        # not in time, as on a machine that has much else to do
            self.world.engine.kill9()
            self.world.engine.start()

    def engine_lost_the_index(self):
        self.world.engine.request("DELETE", "/" + self.index())

    def engine_lost_documents(self):
        """A third of them, which it had confirmed."""
        self.world.engine.request("POST", "/%s/_delete_by_query?conflicts=proceed" % self.index(),
                                  {"query": {"range": {"number": {"lte": 50}}}})

    def engine_hangs(self):
        self.suspend(self.world.engine.pid)

    def engine_lies(self):
        self.load.searches_may_lack = True
        self.lie(self.world.proxies["engine"])

    def engine_unreachable(self):
        self.unreachable(self.world.proxies["engine"])


FAULTS = [name for name in vars(Faults) if not name.startswith("_")]

# Drawn less often, as they take long: Elasticsearch starts in seven seconds.
RARE = ("engine_killed",)
