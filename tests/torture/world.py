"""All servers of a deployment, real ones. A server ends with this process, however that ends."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
sys.path[:0] = [str(HERE.parent / "lib"), str(HERE.parent / "elasticsearch")]
import servers  # pylint: disable=wrong-import-position
from engine import Engine  # pylint: disable=wrong-import-position
from servers import wait_until  # pylint: disable=wrong-import-position

MORTAL = ("setpriv", "--pdeathsig", "KILL")

def process_status(pid):
    """The fields after a process's name in its stat: state, parent and so on."""
    return pathlib.Path("/proc/%s/stat" % pid).read_text(errors="replace").rpartition(")")[2].split()


class Disk:
    """The faults of full_disk.c, and the library that brings them."""

    DATA, WAL, FLUSH = range(3)

    def __init__(self, directory):
        self.library = directory / "full_disk.so"
        self.file = directory / "disk"
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-D_GNU_SOURCE", "-o", self.library, HERE / "full_disk.c", "-ldl"], check=True)
        self.file.write_bytes(b"000")
        if servers.AS_POSTGRES:
            shutil.chown(self.file, "postgres")
        self.environment = {"LD_PRELOAD": str(self.library), "FULL_DISK": str(self.file)}

    def set(self, fault, there):
        with self.file.open("r+b") as file:
            file.seek(fault)
            file.write(b"1" if there else b"0")


class Postgres(servers.Cluster):
    """A PostgreSQL, whose disk may fail if it has one of its own."""

    def __init__(self, pg_config, settings, disk=None):
        self.disk = disk
        super().__init__(pg_config, "chat", settings, initdb=["-N", "--wal-segsize=1"] if disk else [])

    def start(self):
        """Start it, once the processes of one that was killed are gone."""
        wait_until(self.try_to_start, "PostgreSQL to start: " + str(self.directory / "log"), 60, 0.1)

    def try_to_start(self):
        return subprocess.run(
            [*servers.AS_POSTGRES, self.bin / "pg_ctl", "-D", self.directory / "data", "-l", self.directory / "log", "-s", "-w", "start"],
            cwd="/", check=False, env={**servers.ENVIRONMENT, **(self.disk.environment if self.disk else {})},
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

    def socket(self):
        return self.directory / ".s.PGSQL.5432"

    def runs(self):
        """Whether its postmaster is there."""
        try:
            return process_status(self.postmaster())[0] not in "ZX"
        except (OSError, ValueError, IndexError):
            return False

    def recovers(self):
        """After a crash: it does so by itself, unless that has ended the postmaster. Whether it takes connections."""
        if not self.runs():
            self.start()
        return subprocess.run([self.bin / "pg_isready", "-q", "-h", self.directory], check=False).returncode == 0

    def processes(self, kind):
        """The ids of processes by what they show as their title."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if int(process_status(pid)[1]) == self.postmaster() and kind.encode() in pathlib.Path("/proc/%s/cmdline" % pid).read_bytes():
                    found.append(int(pid))
        return sorted(found)


class Standby(Postgres):
    """A standby of another, which it follows."""

    def __init__(self, primary):        # pylint: disable=super-init-not-called
        self.disk, self.bin, self.database = primary.disk, primary.bin, primary.database
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pg_chat."))
        self.environment = {**primary.environment, "PGHOST": str(self.directory)}
        if servers.AS_POSTGRES:
            shutil.chown(self.directory, "postgres", "postgres")
        self.run("pg_basebackup", "-D", self.directory / "data", "-h", primary.directory, "-U", "postgres", "-R", "-c", "fast")
        with (self.directory / "data/postgresql.auto.conf").open("a") as file:
            file.write("unix_socket_directories = '%s'\n" % self.directory)
        self.start()


class Proxy:
    """See proxy.py."""

    def __init__(self, target, seed=""):
        self.process = subprocess.Popen([*MORTAL, sys.executable, HERE / "proxy.py", str(target), str(seed)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1)
        self.port = int(self.process.stdout.readline())

    def __call__(self, *command):
        self.process.stdin.write(" ".join(map(str, command)) + "\n")
        assert self.process.stdout.readline() == "done\n"

    def stop(self):
        self.process.kill()
        self.process.wait()


class Redis:
    def __init__(self, directory):
        self.directory = directory / "redis"
        self.directory.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [*MORTAL, "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.directory, "--save", "1 1",
             "--unixsocket", self.directory / "socket", "--logfile", "log"], stdin=subprocess.DEVNULL)
        wait_until(lambda: self("PING") == "PONG", "Redis")

    def __call__(self, *command):
        return subprocess.run(["redis-cli", "-s", self.directory / "socket", *map(str, command)], check=False, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.strip()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def contents(self):
        """Key to value, of all keys that are pg_chat's."""
        keys = self("KEYS", "application:*").split()
        return dict(zip(keys, self("MGET", *keys).split("\n"))) if keys else {}


class World:
    """PostgreSQL with its mirror in Redis and its index in Elasticsearch, and chatd, as they are meant to be.

    settings: of postgresql.conf; flags: of chatd."""

    def __init__(self, pg_config, chatd, settings, flags=()):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
        self.chatd_command = (chatd, *flags)
        with contextlib.ExitStack() as stack:
            self.open = stack
            self.directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="torture.")))
            self.directory.chmod(0o755)
            self.redis = Redis(self.directory)
            stack.callback(lambda: self.redis.kill())       # pylint: disable=unnecessary-lambda
            self.engine = stack.enter_context(Engine())
            self.postgres = self.make_postgres(pg_config, {
                "shared_preload_libraries": "pg_chat",
                "pg_chat.redis_url": "redis://127.0.0.1:%d" % self.reached("redis", self.redis.port),
                "pg_chat.elasticsearch_url": "http://127.0.0.1:%d" % self.reached("engine", self.engine.port), **settings})
            stack.callback(lambda: self.postgres.remove())  # pylint: disable=unnecessary-lambda
            self.conninfo = self.find_database()
            self.chatd = self.start_chatd(0)
            stack.callback(lambda: self.chatd.stop())       # pylint: disable=unnecessary-lambda
            self.open = stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.open.close()

    def make_postgres(self, pg_config, settings):
        return Postgres(pg_config, settings)

    def reached(self, _name, port):
        """The port at which others reach a server."""
        return port

    def find_database(self):
        """The connection string of clients."""
        return "host=%s dbname=chat" % self.postgres.directory

    def sql(self, text):
        return self.postgres.sql(text)

    def rows(self, query):
        """The rows of a query, as a list of objects."""
        return json.loads(self.sql("SELECT coalesce(json_agg(r), '[]') FROM (%s) AS r" % query))

    def start_chatd(self, port):
        program, *flags = self.chatd_command
        return servers.Chatd(program, self.conninfo + " user=chat_api", "--port", str(port), *flags, prefix=MORTAL)

    def is_ready(self):
        try:
            with urllib.request.urlopen(self.chatd.url + "/readyz", timeout=10) as answer:
                return answer.status == 200
        except OSError:
            return False


class FaultyWorld(World):
    """The same with a disk that may fail, and proxies that may:

        clients -> front -> chatd -> database -> PostgreSQL -> redis  -> Redis
                            clients -> database                engine -> Elasticsearch

    Whatever becomes of a server, clients reach what serves in its place at the same address. seed: of what the
    proxies do at random."""

    def __init__(self, pg_config, chatd, settings, flags, seed):
        self.seed = seed
        self.proxies = {}
        super().__init__(pg_config, chatd, settings, flags)
        self.reached("front", self.chatd.port)

    def make_postgres(self, pg_config, settings):
        return Postgres(pg_config, settings, Disk(self.directory))

    def reached(self, name, port):
        proxy = self.proxies[name] = Proxy(port, self.seed)
        self.open.callback(proxy.stop)
        return proxy.port

    def find_database(self):
        return "host=127.0.0.1 port=%d dbname=chat connect_timeout=10" % self.reached("database", self.postgres.socket())

    def psql(self):
        """A command that reads statements from its standard input, and reaches the database as clients do."""
        return [self.postgres.bin / "psql", "-XAtq", "-d", self.conninfo + " user=postgres"]

    def restart_chatd(self):
        """Start it again at its port, once that is free of the one that was killed."""
        port = self.chatd.port

        def try_to_start():
            with contextlib.suppress(AssertionError):
                self.chatd = self.start_chatd(port)
                return True
            return False
        wait_until(try_to_start, "chatd to start")

    def promote(self, standby):
        """Have it take the place of the primary, which is gone."""
        standby.run("pg_ctl", "-D", standby.directory / "data", "-s", "-w", "promote")
        self.proxies["database"]("target", standby.socket())
        gone, self.postgres = self.postgres, standby
        shutil.rmtree(gone.directory)
