"""A private PostgreSQL with the extension, and a chatd, for tests and measurements in Python.

PostgreSQL refuses to run as root: root runs it as the user postgres.
"""

import os
import pathlib
import select
import shutil
import signal
import subprocess
import tempfile
import time

AS_POSTGRES = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups"] if os.getuid() == 0 else []

# Nothing of the caller's may lead to another database or change a setting.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "CHATD"))}


def wait_until(condition, what, timeout=20, every=0.01):
    """Wait until condition() is true and return its value; fail after a while."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "waited in vain for " + what
        select.select([], [], [], every)


class Cluster:
    """A PostgreSQL server that listens on a socket in its own directory only, with the extension in a
    database of its own. settings: of postgresql.conf; initdb: more of its options; parent: where the
    directory is made."""

    def __init__(self, pg_config, database, settings, initdb=(), parent=None):
        self.database = database
        self.bin = pathlib.Path(subprocess.check_output([pg_config, "--bindir"], text=True).strip())
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pg_chat.", dir=parent))
        self.environment = {**ENVIRONMENT, "PGHOST": str(self.directory), "PGUSER": "postgres", "PGDATABASE": database}
        if AS_POSTGRES:
            shutil.chown(self.directory, "postgres", "postgres")
        self.run("initdb", "-D", self.directory / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", *initdb)
        settings = {"listen_addresses": "", "unix_socket_directories": self.directory, **settings}
        (self.directory / "data/postgresql.auto.conf").write_text(
            "".join("%s = '%s'\n" % setting for setting in settings.items()))
        self.start()
        self.sql("CREATE DATABASE " + database, "postgres")
        self.sql("CREATE EXTENSION pg_chat")

    def run(self, program, *arguments):
        return subprocess.run([*AS_POSTGRES, self.bin / program, *arguments], cwd="/", check=True, env=ENVIRONMENT,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True).stdout

    def start(self, *options):
        """options: further ones of pg_ctl."""
        log = self.directory / "log"
        try:
            self.run("pg_ctl", "-D", self.directory / "data", "-l", log, "-s", "-w", *options, "start")
        except subprocess.CalledProcessError as error:
            raise RuntimeError("PostgreSQL did not start: " + "".join(log.read_text().splitlines(True)[-20:])) from error

    def stop(self, mode="fast"):
        self.run("pg_ctl", "-D", self.directory / "data", "-s", "-w", "-m", mode, "stop")

    def postmaster(self):
        return int((self.directory / "data/postmaster.pid").read_text().split()[0])

    def sql(self, text, database=None):
        """Run SQL; the result as text, fields separated by |."""
        return self.run("psql", "-h", self.directory, "-U", "postgres", "-d", database or self.database, "-XAtq",
                        "-v", "ON_ERROR_STOP=1", "-c", text).strip()

    def session(self, text):
        """A psql that executes text and stays until its standard input is closed."""
        session = subprocess.Popen([*AS_POSTGRES, self.bin / "psql", "-XAtq"], cwd="/", env=self.environment, text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        session.stdin.write(text + ";\n\\echo done\n")
        session.stdin.flush()
        while session.stdout.readline() not in ("done\n", ""):
            pass
        return session

    def conninfo(self):
        return "host=%s dbname=%s user=chat_api" % (self.directory, self.database)

    def copy(self, primary):
        """Be a standby of another server, by a base backup."""
        self.run("pg_basebackup", "-D", self.directory / "data", "-h", primary.directory, "-U", "postgres", "-R", "-c", "fast")
        with open(self.directory / "data/postgresql.auto.conf", "a") as settings:
            settings.write("unix_socket_directories = '%s'\n" % self.directory)

    def promote(self):
        self.run("pg_ctl", "-D", self.directory / "data", "-s", "-w", "promote")

    def remove(self):
        if (self.directory / "data/postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self.directory)


class Standby(Cluster):
    """A standby of a server."""

    def __init__(self, primary, parent=None):    # pylint: disable=super-init-not-called
        self.database, self.bin = primary.database, primary.bin
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pg_chat.", dir=parent))
        self.environment = {**primary.environment, "PGHOST": str(self.directory)}
        if AS_POSTGRES:
            shutil.chown(self.directory, "postgres", "postgres")
        self.copy(primary)
        self.start()


class Chatd:
    """A chatd on a free port. prefix: a command to start it by."""

    def __init__(self, program, database, *flags, cwd=None, prefix=()):
        self.log_file = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([*prefix, program, "--port", "0", "--database", database, *flags],
                                        env=ENVIRONMENT, stdin=subprocess.DEVNULL, stderr=self.log_file, cwd=cwd)
        wait_until(lambda: " listening on " in self.log() or self.process.poll() is not None, "chatd")
        assert self.process.poll() is None, self.log()
        self.port = int(self.log().split(" listening on ")[1].split("port ")[1].split()[0])
        self.url = "http://127.0.0.1:%d" % self.port

    def log(self):
        self.log_file.flush()
        return os.pread(self.log_file.fileno(), 1 << 20, 0).decode(errors="replace")

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
