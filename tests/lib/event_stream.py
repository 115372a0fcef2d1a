"""A reader of Server-Sent Events, as WHATWG has them, on a socket of its own."""

import collections
import json
import select
import socket
import time

# id: the last event's, as it is after this one.
Event = collections.namedtuple("Event", "name id data")


class Ended(Exception):
    """The stream has ended; the connection was reset, if so."""


class EventStream:
    """Opens a stream and reads it. status and headers are those of the response; retry what it asked for, in ms."""

    def __init__(self, port, path, last_event_id=None, headers=None, timeout=20, address="127.0.0.1", target=None):
        self.timeout = timeout
        self.socket = target or socket.create_connection(("127.0.0.1", port), timeout, (address, 0))
        self.socket.settimeout(timeout)
        self.received = b""
        self.id, self.retry, self.comments = last_event_id, None, 0
        lines = ["GET %s HTTP/1.1" % path, "Host: x"] + ["%s: %s" % header for header in (headers or {}).items()]
        if last_event_id is not None:
            lines.append("Last-Event-ID: %s" % last_event_id)
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = self.until(b"\r\n\r\n").decode().split("\r\n")
        self.status = int(head[0].split()[1])
        self.headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:])}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def fileno(self):
        return self.socket.fileno()

    def receive(self):
        """Take what arrives next."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError as error:
            raise Ended("reset") from error
        if not data:
            raise Ended("closed")
        self.received += data

    def until(self, end):
        """What comes before these bytes."""
        deadline = time.monotonic() + self.timeout
        while end not in self.received:
            if not select.select([self.socket], [], [], max(0, deadline - time.monotonic()))[0]:
                raise TimeoutError("no more than %r" % self.received[-200:])
            self.receive()
        text, _, self.received = self.received.partition(end)
        return text

    def block(self, text):
        """The event of the lines before an empty one; None if there is none."""
        name, data = "message", []
        for line in text.split("\n"):
            field, _, value = line.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if field == "":
                self.comments += 1
            elif field == "id":
                self.id = value
            elif field == "event":
                name = value
            elif field == "data":
                data.append(value)
            elif field == "retry":
                self.retry = int(value)
        return Event(name, self.id, json.loads("\n".join(data))) if data else None

    def next(self):
        """The next event. Raises Ended at the end, and TimeoutError if none comes."""
        while True:
            event = self.block(self.until(b"\n\n").decode())
            if event:
                return event

    def take(self, count):
        return [self.next() for _ in range(count)]

    def ready(self):
        """The event that a stream begins with."""
        event = self.next()
        assert event.name == "ready", event
        return event

    def rest(self):
        """All events up to the end of the stream, and how that ended."""
        events = []
        while True:
            try:
                events.append(self.next())
            except Ended as end:
                return events, str(end)

    def is_silent(self):
        """Is there nothing to read now?"""
        return not self.received and not select.select([self.socket], [], [], 0)[0]
