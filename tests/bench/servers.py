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


def wait_for(condition, what):
    """Poll until the condition holds; after the deadline it is an error."""
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError("waited %d s for %s" % (DEADLINE, what))
        time.sleep(0.02)


def process_seconds(pid):
    """CPU seconds of a process and its reaped children, and its parent's id."""
    with open("/proc/%s/stat" % pid, encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS, int(fields[1])


def tree_seconds(pid):
    """CPU seconds of a process, its children, and those of them that have ended."""
    total, _ = process_seconds(pid)
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                seconds, parent = process_seconds(entry)
                if parent == pid:
                    total += seconds
    return total


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
        self.bin = pathlib.Path(subprocess.check_output([pg_config, "--bindir"], text=True).strip())

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
                [self.bin / "postgres", "-D", data, "-k", self.directory, *settings],
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
