"""The load of one round: its clients, and everything that they noted."""

import threading

from clients import (CHATS, EDITED, Batch, Counter, Creator, Deleter, Direct, Editor, Named, Reader, Rest, RestEdited, RestReader, Sql,
                     TwoPhase)


class Change:
    """A change of a message: to a body, or its deletion if that is None."""

    def __init__(self, body):
        self.body = body
        self.outcome = "unknown"


class Load:
    """A round's clients, its application, and all that they noted."""

    def __init__(self, world, round_number, rng):
        self.world = world
        self.round = round_number
        self.rng = rng
        self.directory = world.directory / "journal" / str(round_number)
        self.directory.mkdir(parents=True)
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        self.healed = threading.Event()
        self.searches_may_lack = False
        self.problems = []
        self.acknowledged = {}          # (chat, number) -> body
        self.bodies = {}                # body -> chat, all that were ever sent
        self.refused = set()
        self.refusals = 0               # by errors, of what should have been stored
        self.changes = {}               # number -> Change, in EDITED
        self.changeable = {"Editor": [], "Deleter": []}
        self.chats = list(CHATS)
        self.unknown_chats = 0
        self.read = []
        self.application, self.token = world.sql("SELECT id, token FROM chat.create_application('round %d')" % round_number).split("|")
        self.application = int(self.application)
        world.sql("SELECT chat.create_chat(%d) FROM generate_series(1, %d)" % (self.application, len(CHATS)))
        self.clients = [Rest(self, 0), Rest(self, 1), Rest(self, 2), Rest(self, 3), RestEdited(self, 4), Named(self, 1), Creator(self, 2),
                        Sql(self, 0), Sql(self, 1), Batch(self), TwoPhase(self), Direct(self), Editor(self), Deleter(self),
                        Reader(self, 0), Reader(self, 1), RestReader(self, 0), RestReader(self, 1), Counter(self)]

    def random(self, *names):
        return type(self.rng)("%s/%s/%s" % (self.rng.random(), self.round, names))

    def start(self):
        for client in self.clients:
            client.start()

    def stop(self):
        """Stop the clients that write; readers read on."""
        self.stopped.set()
        for client in self.clients:
            if not isinstance(client, Reader):
                client.join()

    def finish(self):
        """Once all is well again: let the readers come to the end."""
        self.healed.set()
        for client in self.clients:
            client.join(60)
            if client.is_alive():
                self.problem("%s %d does not come to an end" % (client.kind, client.number))

    def problem(self, text):
        with self.lock:
            self.problems.append(text)

    def attempted(self, chat, body):
        with self.lock:
            self.bodies[body] = chat

    def stored(self, chat, number, body):
        with self.lock:
            if self.acknowledged.setdefault((chat, number), body) != body:
                self.problems.append("number %d of chat %d was acknowledged twice: for %r and %r" % (
                    number, chat, self.acknowledged[chat, number], body))
            if chat == EDITED and number % 3:
                self.changeable["Editor" if number % 3 == 1 else "Deleter"].append(number)

    def next_to_change(self, kind):
        with self.lock:
            return self.changeable[kind].pop() if self.changeable[kind] else None

    def change(self, number, body):
        with self.lock:
            if body:
                self.bodies[body] = EDITED
            return self.changes.setdefault(number, Change(body))

    def may_be_deleted(self, number):
        change = self.changes.get(number)
        return change is not None and change.body is None and change.outcome != "refused"
