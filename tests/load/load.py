"""Load a chat log into a running chatd over REST, and check that it came back as it went in.

    load.py FILE URL [import]

FILE has a message a line, "day<TAB>time<TAB>sender<TAB>body", UTF-8, plain or gzip. Every day is a chat. Messages are
posted one by one, with their senders, and get the time at which they are; or they are imported, up to 1,000 at a time,
with their own times, which needs GRANT EXECUTE ON FUNCTION chat.import_messages.

One thread drives all connections. What is said on one of them is a dialogue: a generator that
yields requests and is sent the responses, so that it reads from top to bottom. A chat has one writer at a
time, hence its messages get the file's order.
"""

import collections
import gzip
import json
import os
import re
import selectors
import socket
import sys
import time
import urllib.parse
import uuid

CONNECTIONS = 64
PAGE = 1000
IMPORTED_CHARACTERS = 50000     # in a request, at most, unless it is a single message: a body may have 512 kB
TIMEOUT = 60
SHOWN_DIFFERENCES = 10

Request = collections.namedtuple("Request", "method path body", defaults=(None,))
Response = collections.namedtuple("Response", "status headers body")

# As the API has it. created_at: by the log.
Message = collections.namedtuple("Message", "number body created_at sender")


class LoadError(Exception):
    """Loading cannot go on; the message says why."""


class Connection:
    """A keep-alive connection to chatd that carries one dialogue after the other."""

    def __init__(self, address):
        self.host = "%s:%d" % address
        try:
            self.socket = socket.create_connection(address, TIMEOUT)
        except OSError as error:
            raise LoadError("cannot reach chatd at %s: %s" % (self.host, error)) from error
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.dialogue = None

    def fileno(self):
        return self.socket.fileno()

    def begin(self, dialogue):
        self.dialogue = dialogue
        self._send(next(dialogue))

    def advance(self):
        """Read what has come; on a whole response go on with the dialogue. False at its end."""
        data = self.socket.recv(1 << 20)
        if not data:
            raise LoadError("chatd closed a connection before it had answered")
        self.received += data
        response = self._parse()
        if response is None:
            return True
        try:
            self._send(self.dialogue.send(response))
        except StopIteration:
            return False
        return True

    def _send(self, request):
        body = b"" if request.body is None else json.dumps(request.body, ensure_ascii=False).encode()
        head = "%s %s HTTP/1.1\r\nHost: %s\r\n" % (request.method, request.path, self.host)
        if request.method == "POST":
            head += "Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
        self.socket.sendall(head.encode() + b"\r\n" + body)

    def _parse(self):
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return None
        headers = self.received[:end].decode("latin-1")
        length = re.search(r"\r\ncontent-length: *(\d+)", headers, re.IGNORECASE)
        if length is None:
            raise LoadError("an answer has no Content-Length")
        total = end + 4 + int(length.group(1))
        if len(self.received) < total:
            return None
        body = self.received[end + 4:total]
        self.received = self.received[total:]
        return Response(int(headers[9:12]), headers, json.loads(body) if body else None)


def converse(address, dialogues, progress=lambda: None):
    """Hold all dialogues, each on one of a few connections, calling progress now and then."""
    dialogues = iter(dialogues)
    with selectors.DefaultSelector() as selector:
        for _, dialogue in zip(range(CONNECTIONS), dialogues):
            connection = Connection(address)
            selector.register(connection, selectors.EVENT_READ)
            connection.begin(dialogue)
        while selector.get_map():
            ready = selector.select(TIMEOUT)
            if not ready:
                raise LoadError("chatd has not answered for %d s" % TIMEOUT)
            for key, _ in ready:
                connection = key.fileobj
                if not connection.advance():
                    dialogue = next(dialogues, None)
                    if dialogue is None:
                        selector.unregister(connection)
                        connection.socket.close()
                    else:
                        connection.begin(dialogue)
            progress()


def expect(status, response):
    """The response's body, if it has the status."""
    if response.status != status:
        raise LoadError("chatd answered %d instead of %d: %s" % (
            response.status, status, json.dumps(response.body)))
    return response.body


class Progress:
    """A line on stderr: rewritten on a terminal, otherwise a new one every few seconds."""

    def __init__(self, what, total):
        self.what, self.total, self.done = what, total, 0
        self.start = self.shown = time.monotonic()
        self.terminal = sys.stderr.isatty()

    def seconds(self):
        return time.monotonic() - self.start

    def show(self):
        if time.monotonic() - self.shown >= (0.2 if self.terminal else 5):
            self._print()

    def finish(self):
        self._print()
        if self.terminal:
            print(file=sys.stderr)

    def _print(self):
        self.shown = time.monotonic()
        print("%s%s %d of %d messages, %d/s" % (
            "\r" if self.terminal else "", self.what, self.done, self.total,
            self.done / max(self.seconds(), 0.001)),
            end="" if self.terminal else "\n", file=sys.stderr, flush=True)


def read_log(path):
    """The messages of each chat, in the file's order. The time of a message is a minute; those of a minute are told
    apart by their numbers, as microseconds."""
    opener = gzip.open if path.endswith(".gz") else open
    chats = {}
    with opener(path, "rb") as file:
        for number, line in enumerate(file.read().split(b"\n"), 1):
            if not line:
                continue
            fields = line.decode("utf-8").split("\t", 3)
            if len(fields) != 4:
                raise LoadError("%s, line %d: not four fields" % (path, number))
            chat = chats.setdefault(fields[0], [])
            seconds = len(chat) % 1000000
            chat.append(Message(len(chat) + 1, fields[3], "%sT%s:00.%06dZ" % (fields[0], fields[1], seconds), fields[2]))
    if not chats:
        raise LoadError("%s holds no message" % path)
    return list(chats.values())


def create_all(name, chats, created):
    """Dialogue: an application and its chats, in order. Puts the application's path into created."""
    body = expect(201, (yield Request("POST", "/applications", {"data": {"name": name}})))
    path = "/applications/" + body["token"]
    created.append(path)
    for number in range(1, len(chats) + 1):
        body = expect(201, (yield Request("POST", path + "/chats")))
        if body["number"] != number:
            raise LoadError("chat %d was given the number %d" % (number, body["number"]))


def post_messages(path, messages, progress):
    """Dialogue: one chat's messages, in order."""
    for message in messages:
        answer = expect(201, (yield Request("POST", path + "/messages", {"data": {"body": message.body, "sender": message.sender}})))
        if (answer["number"], answer["body"]) != (message.number, message.body):
            raise LoadError("message %d was answered with %r" % (message.number, answer))
        progress.done += 1


def import_messages(path, messages, progress):
    """Dialogue: the same, many at a time."""
    first = 0
    while first < len(messages):
        end = first + 1
        size = len(messages[first].body)
        while end < min(len(messages), first + PAGE) and size + len(messages[end].body) <= IMPORTED_CHARACTERS:
            size += len(messages[end].body)
            end += 1
        answer = expect(200, (yield Request("POST", path + "/import", {"data": [message._asdict() for message in messages[first:end]]})))
        if answer != {"created": end - first, "replayed": 0, "refused": []}:
            raise LoadError("an import was answered with %r" % answer)
        progress.done += end - first
        first = end


def next_page(page, response):
    """Path and query of the link with rel next, which is relative to the page, or None."""
    for target, rel in re.findall(r'<([^>]*)>\s*;\s*rel="?(\w+)', response.headers):
        if rel == "next":
            parts = urllib.parse.urlsplit(urllib.parse.urljoin(page, target))
            return parts.path + "?" + parts.query
    return None


def compare_messages(chat_path, sent, imported, progress, differences):
    """Dialogue: read one chat back, page by page, and note what is not as it was sent."""
    def note(text, *values):
        differences.append("chat %s: %s" % (chat_path.rpartition("/")[2], text % values))

    counted = expect(200, (yield Request("GET", chat_path)))["messages_count"]
    if counted != len(sent):
        note("%d messages counted, %d sent", counted, len(sent))
    found = []
    page = "%s/messages?limit=%d" % (chat_path, PAGE)
    while page is not None:
        response = yield Request("GET", page)
        messages = expect(200, response)
        found += messages
        progress.done += len(messages)
        page = next_page(page, response)
    if len(found) != len(sent):
        note("%d messages read, %d sent", len(found), len(sent))
    for message, wanted in zip(found, sent):
        if not imported:
            wanted = wanted._replace(created_at=message["created_at"])
        if message != wanted._asdict():
            note("message %d reads %r, sent %r", wanted.number, message, wanted)


def compare_application(path, chats, differences):
    """Dialogue: the application's own count."""
    counted = expect(200, (yield Request("GET", path)))["chats_count"]
    if counted != chats:
        differences.append("%d chats counted, %d created" % (counted, chats))


def load(path, url, imported):
    """Load and check; print the summary. Returns the exit status."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise LoadError("URL must be http://host:port, not " + url)
    address = (parts.hostname, parts.port or 80)
    chats = read_log(path)
    total = sum(map(len, chats))
    name = "%s %s" % (os.path.basename(path), uuid.uuid4())

    created = []
    converse(address, [create_all(name, chats, created)])
    # Longest first: a long chat that starts last would keep one connection busy alone at the end.
    work = sorted(((len(messages), "%s/chats/%d" % (created[0], number), messages)
                   for number, messages in enumerate(chats, 1)), reverse=True)

    posting = Progress("imported" if imported else "posted", total)
    send = import_messages if imported else post_messages
    converse(address, (send(chat, messages, posting) for _, chat, messages in work), posting.show)
    seconds = posting.seconds()
    posting.finish()

    reading = Progress("read back", total)
    differences = []
    converse(address, [compare_application(created[0], len(chats), differences)])
    converse(address, (compare_messages(chat, messages, imported, reading, differences)
                       for _, chat, messages in work), reading.show)
    reading.finish()

    print("application \"%s\": %d messages in %d chats, %.1f s, %d messages/s" % (
        name, total, len(chats), seconds, total / seconds))
    for difference in differences[:SHOWN_DIFFERENCES]:
        print("DIFFERENT: " + difference)
    print("check: " + ("%d differences" % len(differences) if differences else
                       "numbers, counts, senders and bodies read back equal what was sent"))
    return 1 if differences else 0


def main():
    if len(sys.argv) not in (3, 4) or sys.argv[3:] not in ([], ["import"]):
        sys.exit(__doc__)
    try:
        sys.exit(load(sys.argv[1], sys.argv[2], bool(sys.argv[3:])))
    except (LoadError, OSError, UnicodeDecodeError) as error:
        sys.exit("load.py: %s" % error)


main()
