"""The processes the benchmark measures, and what they cost: a private durable PostgreSQL, chatd,
libmicrohttpd alone. Each ends with its context, and leaves nothing behind."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import servers  # pylint: disable=wrong-import-position

TOP = pathlib.Path(__file__).resolve().parents[2]
TICKS = os.sysconf("SC_CLK_TCK")
DEADLINE = 60


def wait_for(condition, what, timeout=DEADLINE, every=0.02):
    """Poll until the condition holds; after the deadline it is an error."""
    servers.wait_until(condition, what, timeout, every)


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


@contextlib.contextmanager
def reachable(pg_config):
    """The pg_config of a PostgreSQL, or, if that is in the clone, which the user postgres may not enter, of a copy."""
    tree = pathlib.Path(pg_config).absolute().parent
    if TOP not in tree.parents:
        yield pg_config
        return
    with tempfile.TemporaryDirectory(prefix="pg_chat-bench.") as directory:
        os.chmod(directory, 0o755)
        shutil.copytree(tree, directory + "/postgres", symlinks=True)
        yield directory + "/postgres/pg_config"


class Postgres(servers.Cluster):
    """A cluster with the database bench. Durable as by default; room for the WAL of a whole run, so that
    no checkpoint falls on one side by chance."""

    SETTINGS = {
        "shared_preload_libraries": "pg_chat",
        "shared_buffers": "256MB",
        "max_wal_size": "8GB",
        "checkpoint_timeout": "1h",
    }

    def __init__(self, pg_config):
        # /tmp may be memory, where fsync costs nothing.
        super().__init__(pg_config, "bench", self.SETTINGS, initdb=["--data-checksums"], parent="/var/tmp")
        self.pg_config = pg_config

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self.remove()

    def set(self, name, value):
        """Change a setting of the cluster."""
        self.sql("ALTER SYSTEM SET %s = '%s'" % (name, value))
        self.sql("SELECT pg_reload_conf()")

    def reset(self, name):
        self.sql("ALTER SYSTEM RESET %s" % name)
        self.sql("SELECT pg_reload_conf()")

    @property
    def pid(self):
        return self.postmaster()

    def cpu_seconds(self):
        return tree_seconds(self.pid)


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
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(DEADLINE)

    def _listens(self):
        if self.process.poll() is not None:
            raise RuntimeError("%s ended with status %d" % (self.command[0], self.process.returncode))
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def cpu_seconds(self):
        return tree_seconds(self.process.pid)


class Chatd(servers.Chatd):
    """chatd, for a cluster."""

    def __init__(self, program, postgres, *flags):
        super().__init__(program, postgres.conninfo(), *flags)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def pid(self):
        return self.process.pid

    def cpu_seconds(self):
        return tree_seconds(self.pid)
