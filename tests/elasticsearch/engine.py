"""A real Elasticsearch or OpenSearch server for tests and measurements in Python.

    with Engine(settings={"thread_pool.write.queue_size": 1}) as engine:
        status, answer = engine.request("GET", "/_cat/indices?format=json")

It listens on a free port, has its data in a temporary directory, and ends with its context; or with
this process, however that ends. Which engine is the environment's CHAT_ENGINE, unless the caller says;
elasticsearch-7 without both.
"""

import http.client
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

RUN = pathlib.Path(__file__).resolve().parent / "run.sh"

# run.sh's status where Java or Maven is missing.
SKIPPED = 77

# Seconds: a start takes five, on a machine that does nothing else.
DEADLINE = 90


def chosen(engine=None):
    return engine or os.environ.get("CHAT_ENGINE", "elasticsearch-7")


def available(engine=None):
    """Whether this machine can run the engine, which is fetched and built first if need be. Says why
    not; CI must be able to."""
    build = subprocess.run([RUN, chosen(engine), "build"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if build.returncode == 0:
        return True
    if build.returncode != SKIPPED or os.environ.get("CI"):
        raise RuntimeError("no engine: " + build.stdout)
    print("SKIPPED is what needs a real Elasticsearch. " + build.stdout, file=sys.stderr)
    return False


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def poll(condition):
    """Wait until condition() is true; whether it became so before the deadline."""
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            return False
        select.select([], [], [], 0.1)
    return True


class Engine:
    def __init__(self, engine=None, settings=None, heap="512m"):
        self.engine = chosen(engine)
        self.settings = settings or {}
        self.heap = heap
        self.port = free_port()
        self.process = None
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="engine."))
        self.log = self.directory / "log"
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill9()
        shutil.rmtree(self.directory)

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.port

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [RUN, self.engine, "start", self.directory, str(self.port),
                 *("%s=%s" % setting for setting in self.settings.items())],
                env={**os.environ, "HEAP": self.heap}, stdin=subprocess.PIPE, stdout=log, stderr=log)
        if not poll(lambda: self.process.poll() is not None or self.serves()) or self.process.poll() is not None:
            raise RuntimeError("%s did not start:\n%s" % (self.engine, self.log.read_text()))

    def serves(self):
        """Whether every index is there to be read and written."""
        try:
            status, health = self.request("GET", "/_cluster/health?wait_for_status=yellow&timeout=1s")
        except (OSError, http.client.HTTPException):
            return False
        return status == 200 and not health["timed_out"]

    def request(self, method, path, body=None):
        """The status and the body, decoded if it is JSON. The body sent is bytes, for _bulk, or data to encode."""
        headers = {"Content-Type": "application/x-ndjson" if isinstance(body, bytes) else "application/json"}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            connection.request(method, path, body, headers if body is not None else {})
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        try:
            return response.status, json.loads(answer)
        except ValueError:
            return response.status, answer

    def refresh(self, index):
        """Make what was written visible to searches."""
        status, answer = self.request("POST", "/%s/_refresh" % index)
        if status != 200:
            raise RuntimeError("refresh of %s: %d %s" % (index, status, answer))

    def pause(self):
        """Hang: accept connections and never answer."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        """Stop it as its owner would."""
        self.process.terminate()
        self.resume()
        self.end()

    def kill9(self):
        if self.process:
            self.process.kill()
            self.end()

    def end(self):
        self.process.wait(DEADLINE)
        self.process.stdin.close()
        self.process = None

    def restart(self):
        """Start it again, with the same data on the same port; stops it if it runs."""
        if self.process:
            self.stop()
        self.start()
