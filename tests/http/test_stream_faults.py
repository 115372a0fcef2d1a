"""Clients that follow a chat by streams and by waiting requests have all of it, once and in order, whatever is killed meanwhile.

CHAT_STREAM_ROUNDS says how many faults there are, CHAT_STREAM_SEED which.
"""

import json
import os
import random
import signal
import threading
import time

import pytest

from conftest import Wire, wait_until
from event_stream import Ended, EventStream
from test_streams import application, live    # pylint: disable=unused-import

ROUNDS = int(os.environ.get("CHAT_STREAM_ROUNDS", "12"))
SEED = int(os.environ.get("CHAT_STREAM_SEED", random.randrange(1_000_000)))

CHATS = 3

# Creates, edits and deletes messages, by functions and directly, in transactions of which some are rolled back.
WRITE = """
    CREATE PROCEDURE write_some(application integer, transactions integer) LANGUAGE plpgsql AS $$
    DECLARE
        chat integer;
        highest integer;
        target integer;
        dice integer;
    BEGIN
        FOR i IN 1..transactions LOOP
            chat := 1 + floor(random() * %d);
            highest := (SELECT last_message_number FROM chat.chats WHERE application_id = application AND number = chat);
            FOR j IN 1..1 + floor(random() * 3) LOOP
                target := 1 + floor(random() * greatest(highest, 1));
                dice := floor(random() * 12);
                IF dice < 5 OR highest < 3 THEN
                    PERFORM chat.create_message(application, chat, 'message ' || random());
                ELSIF dice < 8 THEN
                    PERFORM chat.update_message(application, chat, m.number, 'edited ' || random()) FROM chat.messages AS m
                    WHERE m.application_id = application AND m.chat_number = chat AND m.number = target AND m.deleted_at IS NULL;
                ELSIF dice < 9 THEN
                    PERFORM chat.delete_message(application, chat, m.number) FROM chat.messages AS m
                    WHERE m.application_id = application AND m.chat_number = chat AND m.number = target;
                ELSIF dice < 10 THEN
                    DELETE FROM chat.messages AS m WHERE m.application_id = application AND m.chat_number = chat AND m.number = target;
                ELSIF dice < 11 THEN
                    UPDATE chat.messages AS m SET body = 'directly ' || random()
                    WHERE m.application_id = application AND m.chat_number = chat AND m.number = target AND m.deleted_at IS NULL;
                ELSE
                    INSERT INTO chat.messages (application_id, chat_number, number, body) VALUES (application, chat, target, 'again ' || random())
                    ON CONFLICT DO NOTHING;
                END IF;
            END LOOP;
            IF random() < 0.1 THEN
                ROLLBACK;
            ELSE
                COMMIT;
            END IF;
        END LOOP;
    END $$""" % CHATS


def parse(position):
    return tuple(map(int, position.split(".")))


class Copy:
    """What a client makes of the changes of a chat."""

    def __init__(self):
        self.position = (0, 0)
        self.messages = {}
        self.changes = 0

    def apply(self, position, event, message):
        number, revision = parse(position)
        # A message that was appended leads to its number, and a change, of which there is one for each revision, to its revision. A
        # message that came and went before it was read is not told of, and yet is behind the position of the next change.
        appended = number == message["number"] > self.position[0] and revision >= max(self.position[1], message.get("revision", 0))
        changed = revision == message.get("revision", 0) > self.position[1] and number >= max(self.position[0], message["number"])
        assert appended or changed, (position, self.position, message)
        if event == "deleted":
            self.messages.pop(message["number"], None)
        else:
            self.messages[message["number"]] = (message["body"], message.get("revision"))
        self.position = (number, revision)
        self.changes += 1


class Client(threading.Thread):
    """Follows chats until it is told to stop, as a client does to which faults are nothing new."""

    def __init__(self, port, path, chats, seed):
        super().__init__(daemon=True)
        self.port, self.path = port, path
        self.copies = {chat: Copy() for chat in chats}
        self.random = random.Random(seed)
        self.connections = 0
        self.error = None
        self.stopping = False

    def run(self):
        while not self.stopping and self.error is None:
            try:
                self.connections += 1
                self.follow()
            except (OSError, Ended, TimeoutError):
                time.sleep(0.01)
            except Exception as error:    # pylint: disable=broad-exception-caught
                self.error = error

    def follow(self):
        raise NotImplementedError

    def has(self, positions):
        if self.error:
            raise self.error
        return {chat: copy.position for chat, copy in self.copies.items()} == {chat: positions[chat] for chat in self.copies}


class Streaming(Client):
    """By a stream, of one chat or of all. Now and then it goes away itself, having taken the last bytes or not."""

    def __init__(self, port, path, chats, seed):
        super().__init__(port, path, chats, seed)
        # The last event's id.
        self.position = ",".join("%d:0.0" % chat for chat in chats) if len(chats) > 1 else "0.0"

    def follow(self):
        with EventStream(self.port, self.path, self.position, timeout=30) as stream:
            assert stream.status == 200 and stream.headers["content-type"] == "text/event-stream"
            patience = self.random.randrange(400)
            while not self.stopping and patience > 0:
                patience -= 1
                self.take(stream, stream.next())

    def take(self, stream, event):
        if event.name == "unavailable":
            return
        if event.name == "ready":
            assert self.position == event.id
        else:
            data = dict(event.data)
            chat = data.pop("chat_number", 1)
            position = dict(entry.split(":") for entry in event.id.split(","))[str(chat)] if ":" in event.id else event.id
            self.copies[chat].apply(position, {"message": "created"}.get(event.name, event.name), data)
        self.position = stream.id


class Polling(Client):
    """By requests that wait."""

    def follow(self):
        copy = self.copies[1]
        with Wire(self.port) as wire:
            wire.send(b"GET %s/changes?after=%d.%d&wait=5&limit=%d HTTP/1.1\r\nHost: x\r\n\r\n"
                      % (self.path.encode(), *copy.position, self.random.randrange(1, 40)))
            try:
                answer = wire.answer()
            except AssertionError as error:
                raise Ended from error      # it is cut off
        if answer is None or answer.status == 503:
            raise Ended
        assert answer.status == 200, answer
        for change in answer.json:
            copy.apply(change["position"], change["event"], change["message"])


@pytest.fixture
def world(live, application, start_chatd):
    """Two chatd on one port, and clients of all kinds."""
    live.sql(WRITE)
    servers = [start_chatd("--share-port", database=live.conninfo()).ready()]
    port = servers[0].port
    servers.append(start_chatd("--share-port", "--port", str(port), database=live.conninfo()).ready())
    path = "/applications/%s/chats/1/messages" % application[1]
    clients = [Streaming(port, path + "/stream", [1], SEED + n) for n in range(6)]
    clients += [Streaming(port, "/applications/%s/stream" % application[1], range(1, CHATS + 1), SEED + n) for n in range(2)]
    clients += [Polling(port, path, [1], SEED + n) for n in range(2)]
    for client in clients:
        client.start()
    yield servers, clients
    for client in clients:
        client.stopping = True
    live.sql("DROP PROCEDURE write_some(integer, integer)")


def test_faults(world, live, application, start_chatd):
    servers, clients = world
    chance = random.Random(SEED)
    print("seed", SEED)
    query = "FROM pg_stat_activity WHERE application_name = 'chatd' AND backend_type = 'client backend'"

    def sql(text):
        try:
            live.sql(text)
        except Exception:    # pylint: disable=broad-exception-caught
            pass                # the server went away under it

    def kill_chatd(how):
        place = chance.randrange(2)
        servers[place].process.send_signal(how)
        servers[place].process.wait()
        servers[place] = start_chatd("--share-port", "--port", str(servers[place].port), database=live.conninfo())

    def restart(mode):
        live.stop(mode)
        live.start()

    def kill_backend():
        pids = live.sql("SELECT pid " + query).split()
        os.kill(int(chance.choice(pids)), signal.SIGKILL)

    faults = [lambda: kill_chatd(signal.SIGKILL), lambda: kill_chatd(signal.SIGTERM), lambda: restart("immediate"), lambda: restart("fast"),
              kill_backend, lambda: sql("SELECT pg_terminate_backend(pid) " + query), lambda: None]

    for round_number in range(ROUNDS):
        fault = faults[round_number % len(faults)]
        writers = [threading.Thread(target=sql, args=("CALL write_some(%d, 150)" % application[0],)) for _ in range(2)]
        for writer in writers:
            writer.start()
        fault()
        for writer in writers:
            writer.join()
        wait_until(lambda: servers[0].get("/readyz").status == 200 if servers[0].process.poll() is None else True, "chatd", timeout=60)
        sql("CALL write_some(%d, 10)" % application[0])
        # So that the last change of each chat is one that is told of.
        live.sql("SELECT chat.create_message(%d, chat, 'last') FROM generate_series(1, %d) AS chat" % (application[0], CHATS))
        positions = {}

        def all_there():
            try:
                rows = live.sql("SELECT number, last_message_number, last_revision FROM chat.chats WHERE application_id = %d" % application[0])
            except Exception:    # pylint: disable=broad-exception-caught
                return False
            positions.update((chat, (number, revision)) for chat, number, revision in (map(int, row.split("|")) for row in rows.split("\n")))
            return all(client.has(positions) for client in clients)

        wait_until(all_there, "all clients in round %d of seed %d" % (round_number, SEED), timeout=60, every=0.05)
        truth = {chat: {} for chat in range(1, CHATS + 1)}
        for row in json.loads(live.sql("SELECT coalesce(json_agg(json_build_array(chat_number, number, body, revision)), '[]') FROM chat.messages"
                                       " WHERE application_id = %d AND deleted_at IS NULL" % application[0])):
            truth[row[0]][row[1]] = (row[2], row[3])
        for client in clients:
            for chat, copy in client.copies.items():
                assert copy.messages == truth[chat], (type(client).__name__, chat)
    assert all(client.connections > 1 for client in clients)
