"""Sessions in psql, and the three ways in which a request can fail."""

import contextlib
import os
import select
import subprocess

# Between statements that psql sends together: without BEGIN, they are one transaction.
THEN = " \\; "

ANSWER_TIMEOUT = 30
MARK = "\x01"


class Lost(Exception):
    """The connection ended, or there was none: the request may be done or not."""


class NotSent(Lost):
    """There was no connection: nothing is done."""


class Refused(Exception):
    """An error as the answer: nothing is done."""


class Session:
    """A psql through the proxy. It is asked nothing before it is connected."""

    def __init__(self, world):
        self.process = subprocess.Popen(world.psql(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.received = b""
        try:
            self.ask("")
        except Lost as lost:
            self.close()
            raise NotSent() from lost

    def ask(self, text):
        """The lines that psql prints, and the SQLSTATE of the last query."""
        try:
            self.process.stdin.write(("%s\n\\echo %s :SQLSTATE\n" % (text, MARK)).encode())
            self.process.stdin.flush()
        except OSError as error:
            raise Lost() from error
        while MARK.encode() not in self.received.rpartition(b"\n")[0]:
            if not select.select([self.process.stdout], [], [], ANSWER_TIMEOUT)[0]:
                raise Lost("no answer")
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise Lost()
            self.received += data
        answer, _, self.received = self.received.partition(MARK.encode())
        state, _, self.received = self.received.partition(b"\n")
        return answer.decode().splitlines(), state.decode().strip()

    def run(self, text):
        """Run statements, all or none; the rows of all of them."""
        lines, state = self.ask(text + ";")
        if state == "00000":
            return [line.split("|", 1) for line in lines]
        if state.startswith("08"):
            raise Lost(state)
        with contextlib.suppress(Lost):
            self.ask("ROLLBACK;")
        raise Refused(state)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()


def literal(text):
    return "'%s'" % text.replace("'", "''")
