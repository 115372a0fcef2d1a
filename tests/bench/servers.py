"""The processes the benchmark measures, and what they cost: a private durable PostgreSQL, chatd,
libmicrohttpd alone. Each ends with its context, and leaves nothing behind."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

TICKS = os.sysconf("SC_CLK_TCK")
DEADLINE = 60

# Root may not run PostgreSQL; Debian's package brings this user.
AS_SERVER = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}


def wait_for(condition, what, deadline=DEADLINE, every=0.02):
    """Poll until the condition holds; after the deadline it is an error."""
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError("waited %d s for %s" % (deadline, what))
        time.sleep(every)


def process_seconds(pid):
    """CPU seconds of a process and its reaped children, and its parent's id."""
    with open("/proc/%s/stat" % pid, encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS, int(fields[1])


def children(pid):
    """The ids of a process's children."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                if process_seconds(entry)[1] == pid:
                    yield int(entry)


def tree_seconds(pid):
    """CPU seconds of a process, its children, and those of them that have ended."""
    total, _ = process_seconds(pid)
    for child in children(pid):
        with contextlib.suppress(OSError):
            total += process_seconds(child)[0]
    return total


def anonymous_kilobytes(pid):
    """Memory that is the process's own: neither shared nor a file's."""
    status = pathlib.Path("/proc/%d/status" % pid).read_text(encoding="ascii", errors="replace")
    return int(status.partition("RssAnon:")[2].split()[0])


def run_on(cpus, pid):
    """Have a process and its children, with all their threads, run on these CPUs."""
    for process in (pid, *children(pid)):
        with contextlib.suppress(OSError):
            for thread in os.listdir("/proc/%d/task" % process):
                with contextlib.suppress(OSError):
                    os.sched_setaffinity(int(thread), cpus)


@contextlib.contextmanager
def apart(pid, others):
    """One process has a half of the CPUs, the others and this one have the other half. Where there is one
    CPU, they share it."""
    cpus = os.sched_getaffinity(0)
    half = set(sorted(cpus)[:len(cpus) // 2]) or cpus
    try:
        run_on(cpus - half or cpus, pid)
        for other in (*others, os.getpid()):
            run_on(half, other)
        yield
    finally:
        for process in (pid, *others, os.getpid()):
            run_on(cpus, process)


def stop(process, how):
    process.send_signal(how)
    process.wait(DEADLINE)


class Postgres:
    """A cluster in a directory of its own, with the database bench and the extension. Durable as by
    default; room for the WAL of a whole run, so that no checkpoint falls on one side by chance."""

    SETTINGS = {
        "listen_addresses": "",
        "shared_preload_libraries": "pg_chat",
        "shared_buffers": "256MB",
        "max_wal_size": "8GB",
        "checkpoint_timeout": "1h",
    }

    def __init__(self, pg_config):
        self.pg_config = pg_config
        self.bin = pathlib.Path(subprocess.check_output([pg_config, "--bindir"], text=True).strip())

    def command(self, program):
        """How to run the server."""
        return program

    def __enter__(self):
        # /tmp may be memory, where fsync costs nothing.
        self.directory = tempfile.mkdtemp(prefix="pg_chat-bench.", dir="/var/tmp")
        if AS_SERVER:
            shutil.chown(self.directory, AS_SERVER["user"], AS_SERVER["group"])
        self.environment = {
            "PATH": "%s:/usr/bin:/bin" % self.bin, "LANG": "C.UTF-8",
            "PGHOST": self.directory, "PGUSER": "postgres", "PGDATABASE": "bench"}
        data = self.directory + "/data"
        subprocess.run([self.bin / "initdb", "-D", data, "-U", "postgres", "--encoding=UTF8",
                        "--locale=C", "--auth=trust", "--data-checksums"],
                       check=True, stdout=subprocess.DEVNULL, cwd="/", **AS_SERVER)
        settings = ["-c%s=%s" % setting for setting in self.SETTINGS.items()]
        with open(self.directory + "/log", "wb") as log:
            self.process = subprocess.Popen(
                self.command([self.bin / "postgres", "-D", data, "-k", self.directory, *settings]),
                stderr=log, cwd="/", start_new_session=True, **AS_SERVER)
        wait_for(lambda: subprocess.run([self.bin / "pg_isready", "-q"], env=self.environment).returncode == 0,
                 "PostgreSQL")
        self.sql("CREATE DATABASE bench", database="postgres")
        self.sql("CREATE EXTENSION pg_chat; ALTER ROLE chat_api LOGIN")
        return self

    def __exit__(self, *_):
        stop(self.process, signal.SIGINT)
        shutil.rmtree(self.directory)

    def sql(self, text, database="bench"):
        """Run SQL; the result as text, fields separated by |."""
        return subprocess.run([self.bin / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", text],
                              env=self.environment, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def set(self, name, value):
        """Change a setting of the cluster."""
        self.sql("ALTER SYSTEM SET %s = '%s'" % (name, value))
        self.sql("SELECT pg_reload_conf()")

    def reset(self, name):
        self.sql("ALTER SYSTEM RESET %s" % name)
        self.sql("SELECT pg_reload_conf()")

    def cpu_seconds(self):
        return tree_seconds(self.process.pid)


class HttpServer:
    """A server on a free port of 127.0.0.1. command(port) is its command line."""

    def __init__(self, command):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.command = command(self.port)
        self.url = "http://127.0.0.1:%d" % self.port

    def __enter__(self):
        self.process = subprocess.Popen(self.command, start_new_session=True)
        wait_for(self._listens, self.command[0])
        return self

    def __exit__(self, *_):
        stop(self.process, signal.SIGTERM)

    def _listens(self):
        if self.process.poll() is not None:
            raise RuntimeError("%s ended with status %d" % (self.command[0], self.process.returncode))
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def cpu_seconds(self):
        return tree_seconds(self.process.pid)


class Chatd(HttpServer):
    """chatd, for the database bench of a cluster."""

    def __init__(self, program, postgres):
        super().__init__(lambda port: [
            program, "--port", str(port), "--database", "host=%s dbname=bench user=chat_api" % postgres.directory])
