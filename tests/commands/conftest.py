"""A clone of one's own, in a path with a space and a comma, and its commands.

It has what make has built, PG_CONFIG's private PostgreSQL and chatd, but nothing that make would build from.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/lib"))
from servers import wait_until  # pylint: disable=wrong-import-position

CHATD = pathlib.Path(os.environ.get("CHATD", TOP / "build/chatd"))


def private_postgres():
    """The PostgreSQL that docker/private_postgres.sh made, of which PG_CONFIG is."""
    pg_config = pathlib.Path(os.environ["PG_CONFIG"])
    return next(folder for folder in pg_config.parents if (folder / "made_of").exists())


@pytest.fixture(scope="session")
def clone(tmp_path_factory):
    top = tmp_path_factory.mktemp("run") / "a clone, here"
    (top / "build").mkdir(parents=True)
    for folder in ("docker", "frontend"):
        shutil.copytree(TOP / folder, top / folder)
    shutil.copytree(private_postgres(), top / "build/postgres", symlinks=True)
    shutil.copy(CHATD, top / "build/chatd")
    return top


class Run:
    """The servers of "make run", with settings, in the background."""

    def __init__(self, clone, log, **settings):
        self.log = log
        with log.open("w") as output:
            self.process = subprocess.Popen([clone / "frontend/run.sh"], env={**os.environ, **settings}, cwd=clone,
                                            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)

    def said(self):
        return self.log.read_text()

    def ready(self):
        wait_until(lambda: "Data and logs" in self.said() or self.process.poll() is not None, "the welcome", timeout=120)
        assert self.process.poll() is None, self.said()
        return self

    def status(self):
        """The exit status, once it has ended by itself."""
        return self.process.wait(120)

    def stop(self):
        """As Ctrl-C does, which reaches it alone."""
        self.process.send_signal(signal.SIGINT)
        return self.status()


@pytest.fixture
def run(clone, tmp_path):
    """Starts a run on a free port, unless its settings say otherwise."""
    started = []

    def start(data=None, **settings):
        settings = {"PORT": "0", "DATA": str(data or tmp_path / "data"), **settings}
        started.append(Run(clone, tmp_path / ("log.%d" % len(started)), **settings))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.stop()
