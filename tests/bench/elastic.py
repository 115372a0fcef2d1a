"""Elasticsearch without the project: the engine, and a plain client that sends prepared requests.

The client costs the machine next to nothing, so that what it measures is Elasticsearch.
"""

import json
import pathlib
import socket
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "elasticsearch"))
import engine  # pylint: disable=wrong-import-position

CONNECTIONS = 4
DOCUMENTS = 2000

# Settings that an index has without having been created with them.
GIVEN = ("uuid", "creation_date", "provided_name", "version", "routing", "replication")


def request(method, path, body):
    """The bytes of a request. body: bytes."""
    kind = "application/x-ndjson" if "_bulk" in path else "application/json"
    return b"%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (
        method.encode(), path.encode(), kind.encode(), len(body), body)


class Connection:
    """One that is kept alive."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def _more(self):
        received = self.socket.recv(1 << 20)
        if not received:
            raise RuntimeError("Elasticsearch closed the connection")
        return received

    def exchange(self, message):
        """Send a request; the answer's body, which must be of status 200."""
        self.socket.sendall(message)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._more()
        head, _, body = answer.partition(b"\r\n\r\n")
        fields = head.lower().split(b"\r\n")
        lengths = [int(field.partition(b":")[2]) for field in fields if field.startswith(b"content-length:")]
        if b" 200 " not in fields[0] or not lengths:
            raise RuntimeError("Elasticsearch answered %r" % answer[:500])
        parts, lacking = [body], lengths[0] - len(body)
        while lacking > 0:
            parts.append(self._more())
            lacking -= len(parts[-1])
        return b"".join(parts)


def bulk_requests(index, documents):
    """Requests to _bulk with documents, each the text of its two lines."""
    path = "/%s/_bulk?filter_path=items.*._id,items.*.status,items.*.error.type,items.*.error.reason" % index
    return [request("POST", path, "".join(documents[first:first + DOCUMENTS]).encode())
            for first in range(0, len(documents), DOCUMENTS)]


def send(port, requests):
    """Send requests by several connections at once."""
    waiting = iter(requests)
    lock = threading.Lock()
    errors = []

    def work():
        try:
            with Connection(port) as connection:
                while True:
                    with lock:
                        message = next(waiting, None)
                    if message is None:
                        return
                    connection.exchange(message)
        except (OSError, RuntimeError) as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def create_like(server, index, model):
    """Create an index that is like another one."""
    described = server.request("GET", "/%s" % model)[1][model]
    settings = {name: value for name, value in described["settings"]["index"].items() if name not in GIVEN}
    status, answer = server.request("PUT", "/%s" % index,
                                    {"settings": {"index": settings}, "mappings": described["mappings"]})
    if status != 200:
        raise RuntimeError("no index: %s" % json.dumps(answer))
