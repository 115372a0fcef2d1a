"""Clients, each of which does one thing again and again until it is told to stop.

A client notes each answer on disk before it goes on. An outcome is one of three: done, as acknowledged; refused,
which promises that nothing was stored; unknown, because the answer was lost.
"""

import contextlib
import http.client
import itertools
import json
import os
import threading
import urllib.parse

from session import ANSWER_TIMEOUT, THEN, Lost, NotSent, Refused, Session, literal

# Chats of a round's application. Nobody but the functions writes to the first ones, so that their counts are exact at
# any moment; in the last two, rows are changed by plain SQL.
APPENDED = [1, 2, 3, 4]
NAMED = 5
EDITED = 6
DIRECT = 7
CHATS = [*APPENDED, NAMED, EDITED, DIRECT]

# Every way in which a message is edited or deleted. {body} is a literal.
KEY = "application_id = {application} AND chat_number = {chat} AND number = {number}"
EDITS = [
    "UPDATE chat.messages SET body = {body} WHERE " + KEY,
    "UPDATE chat.messages SET body = body || 'x' WHERE " + KEY + THEN + "UPDATE chat.messages SET body = {body} WHERE " + KEY,
]
DELETIONS = [
    "DELETE FROM chat.messages WHERE " + KEY,
    "UPDATE chat.messages SET body = 'soon deleted' WHERE " + KEY + THEN + "DELETE FROM chat.messages WHERE " + KEY,
]

# The rows that are messages, as all of the table are as long as a deletion leaves none.
MESSAGES = "chat.messages"

# Every way in which a chat is read on.
READS = [
    "SELECT number, body FROM chat.list_messages({application}, {chat}, after => {after}, \"limit\" => 1000)",
    "SELECT number, body FROM " + MESSAGES + " AS m WHERE application_id = {application} AND chat_number = {chat} AND number > {after} ORDER BY 1 LIMIT 50",
]

# Messages that a round writes at full rate, however long its fault lasts; then clients pause.
PLENTY = 10000


class Journal:
    """The answers that one client got, on disk before anything that follows from them."""

    def __init__(self, path):
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(self, *fields):
        os.write(self.file, (json.dumps(fields) + "\n").encode())
        os.fdatasync(self.file)

    def close(self):
        os.close(self.file)


class Client(threading.Thread):
    """Does one thing again and again. number tells clients of a kind apart."""

    def __init__(self, load, number=0):
        super().__init__(daemon=True)
        self.load = load
        self.world = load.world
        self.number = number
        self.kind = type(self).__name__
        self.journal = Journal(load.directory / ("%s-%d" % (self.kind, number)))
        self.serial = itertools.count(1)
        self.random = load.random(self.kind, number)
        self.connection = None

    def run(self):
        try:
            while not self.load.stopped.is_set():
                self.attempt()
                if len(self.load.acknowledged) > PLENTY:
                    self.load.stopped.wait(0.1)
            self.finish()
        except Exception as error:      # pylint: disable=broad-except
            self.load.problem("%s %d: %s: %s" % (self.kind, self.number, type(error).__name__, error))
        finally:
            self.disconnect()
            self.journal.close()

    def finish(self):
        pass

    def disconnect(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def pause(self):
        self.disconnect()
        self.load.stopped.wait(0.1)

    def new_body(self):
        return "r%d%s%d-%d %s" % (self.load.round, self.kind, self.number, next(self.serial),
                                  self.random.choice(["Grüße", "ελα", "plain", "o'clock", "100%", "日本語"]) * self.random.randrange(1, 5))

    def sql(self, text):
        self.connection = self.connection or Session(self.world)
        return self.connection.run(text)

    def store(self, chat, body, act):
        """Attempt to store a message by act(), which returns its number, and note the outcome."""
        self.load.attempted(chat, body)
        try:
            number = act()
        except NotSent:
            self.refused(chat, body)
            self.pause()
        except Refused:
            self.refused(chat, body)
            self.load.refusals += 1
        except Lost:
            self.journal.note("unknown", chat, body)
            self.pause()
        else:
            self.journal.note("stored", chat, number, body)
            self.load.stored(chat, number, body)
            return number
        return None

    def refused(self, chat, body):
        self.load.refused.add(body)
        self.journal.note("refused", chat, body)


class Rest(Client):
    """A client over HTTP; every other one through the proxy, which may cut it off."""

    CHATS = APPENDED

    def http(self, method, path, data=None):
        """The status and the answer's body."""
        if not self.connection:
            port = self.world.proxies["front"].port if self.number % 2 else self.world.chatd.port
            self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_TIMEOUT)
            try:
                self.connection.connect()
            except OSError as error:
                self.disconnect()
                raise NotSent() from error
        try:
            self.connection.request(method, path, json.dumps({"data": data}) if data is not None else None,
                                    {"Content-Type": "application/json"} if data is not None else {})
            answer = self.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Lost() from error
        if answer.headers.get("Connection") == "close":
            self.disconnect()
        if answer.status == 424:
            raise Lost()
        if answer.status in (408, 503):
            self.load.stopped.wait(0.1)
            raise Refused(answer.status)
        return answer.status, json.loads(text)

    def post(self, path, data):
        """Create something, and return it."""
        status, answer = self.http("POST", path, data)
        if status != 201:
            raise AssertionError("POST %s: %d %s" % (path, status, answer))
        return answer

    def messages(self, chat):
        return "/applications/%s/chats/%d/messages" % (self.load.token, chat)

    def attempt(self):
        chat, body = self.random.choice(self.CHATS), self.new_body()
        number = self.store(chat, body, lambda: self.post(self.messages(chat), {"body": body})["number"])
        if number and self.number == 0:
            self.search(chat, number, body)

    def search(self, chat, number, body):
        """An acknowledged message is found at once."""
        with contextlib.suppress(Lost, Refused):
            status, found = self.http("GET", self.messages(chat) + "/search?query=" + urllib.parse.quote(body.swapcase()))
            if not self.load.searches_may_lack and (status != 200 or [row["number"] for row in found] != [number]):
                self.load.problem("a search for %r in chat %d answers %d %s instead of %d" % (body, chat, status, found, number))


class RestEdited(Rest):
    """Writes messages that others edit and delete."""

    CHATS = [EDITED]


class Named(Rest):
    """Names the numbers itself, and repeats what failed until it knows: the documented way to store once."""

    def __init__(self, load, number=0):
        super().__init__(load, number)
        self.next = 1
        self.body = None

    def attempt(self):
        self.body = self.body or self.new_body()
        self.load.attempted(NAMED, self.body)
        try:
            status, answer = self.http("POST", self.messages(NAMED), {"body": self.body, "number": self.next})
        except (Lost, Refused):
            self.pause()
            return
        if status not in (201, 422) or status == 422 and answer != {"number": ["has already been taken"]}:
            raise AssertionError("POST: %d %s" % (status, answer))
        self.journal.note("stored", NAMED, self.next, self.body)
        self.load.stored(NAMED, self.next, self.body)
        self.next += 1
        self.body = None


class Creator(Rest):
    """Creates chats."""

    def attempt(self):
        try:
            number = self.post("/applications/%s/chats" % self.load.token, {})["number"]
        except Refused:
            return
        except Lost as lost:
            self.load.unknown_chats += not isinstance(lost, NotSent)
            self.pause()
            return
        self.journal.note("chat", number)
        self.load.chats.append(number)
        self.load.stopped.wait(0.02)


class Sql(Client):
    """One message a statement, or several in a transaction, some of them rolled back."""

    def attempt(self):
        chat, body = self.random.choice(APPENDED), self.new_body()
        way = self.random.randrange(4)
        create = "SELECT chat.create_message(%d, %d, %s)" % (self.load.application, chat, literal(body))
        if way == 0:
            gone = literal(self.gone(chat))
            create = THEN.join([
                "BEGIN", "SAVEPOINT s", "DO $$BEGIN PERFORM chat.create_message(%d, %d, %s); END$$", "ROLLBACK TO s", "%s", "COMMIT"]) % (
                    self.load.application, chat, gone, create)
        elif way == 1:
            self.roll_back(chat)
        self.store(chat, body, lambda: int(self.sql(create)[0][0]))

    def gone(self, chat):
        """A body that must never be there."""
        body = self.new_body()
        self.load.attempted(chat, body)
        self.load.refused.add(body)
        return body

    def roll_back(self, chat):
        with contextlib.suppress(Lost, Refused):
            self.sql(THEN.join(["BEGIN", "DO $$BEGIN PERFORM chat.create_message(%d, %d, %s); END$$", "ROLLBACK"]) % (
                self.load.application, chat, literal(self.gone(chat))))
            return
        self.pause()


class Batch(Client):
    """Many messages a call, to several chats."""

    def attempt(self):
        items = [(self.random.choice(APPENDED), self.new_body()) for _ in range(20)]
        for chat, body in items:
            self.load.attempted(chat, body)
        try:
            rows = self.sql("SELECT number, sqlstate FROM chat.create_messages(array_fill(%d, ARRAY[20]), ARRAY[%s], ARRAY[%s]) ORDER BY item" % (
                self.load.application, ",".join(str(chat) for chat, _ in items), ",".join(literal(body) for _, body in items)))
        except Lost as lost:
            self.journal.note("unknown", items)
            if isinstance(lost, NotSent):
                self.load.refused.update(body for _, body in items)
            self.pause()
            return
        except Refused:
            self.load.refused.update(body for _, body in items)
            self.load.refusals += 1
            return
        self.journal.note("stored", items, rows)
        for (chat, body), (number, _) in zip(items, rows, strict=True):
            self.load.stored(chat, int(number), body)


class TwoPhase(Client):
    """Prepares transactions, and commits them in a second step, which a crash may separate from the first."""

    def attempt(self):
        chat, body = self.random.choice(APPENDED), self.new_body()
        name = "%s/%d" % (body.split()[0], chat)
        self.load.attempted(chat, body)
        try:
            number = int(self.sql(THEN.join(["BEGIN", "SELECT chat.create_message(%d, %d, %s)", "PREPARE TRANSACTION '%s'"]) % (
                self.load.application, chat, literal(body), name))[0][0])
            self.journal.note("prepared", name)
            self.sql("COMMIT PREPARED '%s'" % name)
        except (Lost, Refused):
            self.settle(name)
            return
        self.journal.note("stored", chat, number, body)
        self.load.stored(chat, number, body)
        self.load.stopped.wait(0.05)

    def settle(self, name):
        """It holds the chat's lock until someone ends it."""
        while True:
            self.pause()
            try:
                if self.sql("SELECT count(*) FROM pg_prepared_xacts WHERE gid = '%s'" % name)[0][0] != "0":
                    self.sql("COMMIT PREPARED '%s'" % name)
                return
            except (Lost, Refused):
                pass


class Direct(Client):
    """Inserts rows by plain SQL."""

    def attempt(self):
        body = self.new_body()
        insert = "INSERT INTO chat.messages (application_id, chat_number, body) VALUES (%d, %d, %s) RETURNING number" % (
            self.load.application, DIRECT, literal(body))
        self.store(DIRECT, body, lambda: int(self.sql(insert)[0][0]))
        self.load.stopped.wait(0.01)


class Changer(Client):
    """Changes messages that were acknowledged, each once, and only those that are its own."""

    WAYS = ()

    def attempt(self):
        number = self.load.next_to_change(self.kind)
        if number is None:
            self.load.stopped.wait(0.05)
            return
        body = self.new_body()
        change = self.load.change(number, None if self.WAYS is DELETIONS else body)
        way = self.random.choice(self.WAYS)
        try:
            self.sql(way.format(application=self.load.application, chat=EDITED, number=number, body=literal(body)))
        except NotSent:
            change.outcome = "refused"
            self.pause()
        except Refused:
            change.outcome = "refused"
        except Lost:
            self.pause()
        else:
            change.outcome = "done"
        self.journal.note(change.outcome, number, change.body)


class Editor(Changer):
    WAYS = EDITS


class Deleter(Changer):
    WAYS = DELETIONS


class Reader(Client):
    """Reads a chat on from the last number that it saw, and must miss nothing."""

    def __init__(self, load, number=0):
        super().__init__(load, number)
        self.chat = [EDITED, *APPENDED][number % 5]
        self.seen = {}
        self.last = 0

    def page(self):
        return [(int(number), body) for number, body in self.sql(READS[self.number % len(READS)].format(
            application=self.load.application, chat=self.chat, after=self.last))]

    def attempt(self):
        try:
            page = self.page()
        except (Lost, Refused):
            self.pause()
            return False
        for number, body in page:
            missed = [missed for missed in range(self.last + 1, number) if self.chat != EDITED or not self.load.may_be_deleted(missed)]
            if missed:
                self.load.problem("%s %d: between %d and %d of chat %d it missed %s" % (
                    self.kind, self.number, self.last, number, self.chat, missed[:5]))
            self.seen[number] = body
            self.last = number
        self.load.stopped.wait(0.02)
        return not page

    def finish(self):
        """Read to the end, once all is well again."""
        self.load.healed.wait()
        while not self.attempt():
            pass
        self.load.read.append((self.chat, self.seen))


class RestReader(Reader, Rest):
    """The same over REST."""

    def page(self):
        status, rows = self.http("GET", self.messages(self.chat) + "?limit=1000&after=%d" % self.last)
        if status != 200:
            raise AssertionError("GET: %d %s" % (status, rows))
        return [(row["number"], row["body"]) for row in rows]


class Counter(Client):
    """Sees counts and rows in one snapshot: they are equal at any moment, where only the functions write."""

    def attempt(self):
        try:
            rows = self.sql("SELECT number, messages_count, last_message_number, (SELECT count(*) FROM chat.messages AS m"
                            " WHERE m.application_id = c.application_id AND m.chat_number = c.number) FROM chat.chats AS c"
                            " WHERE application_id = %d AND number IN (%s)" % (self.load.application, ",".join(map(str, APPENDED))))
        except (Lost, Refused):
            self.pause()
            return
        for number, rest in rows:
            if len(set(rest.split("|"))) > 1:
                self.load.problem("chat %s has count, highest number, rows: %s" % (number, rest))
        self.load.stopped.wait(0.1)
