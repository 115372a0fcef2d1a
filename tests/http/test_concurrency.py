"""Many clients at once: numbers without gaps, and each its own outcome."""

import concurrent.futures
import json
import threading

from conftest import Chatd, timeless


def in_parallel(count, work):
    """Run work(0) to work(count - 1) at the same moment, each in a thread; their results."""
    barrier = threading.Barrier(count)

    def start(index):
        barrier.wait()
        return work(index)

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(start, range(count)))


def test_race_for_a_name(chatd, new_name):
    for attempt in range(5):
        answers = in_parallel(8, lambda _: chatd.post("/applications", {"name": "%s %d" % (new_name, attempt)}))
        assert sorted(answer.status for answer in answers) == [201] + [422] * 7
        assert all(answer.json == {"name": ["has already been taken"]} for answer in answers if answer.status == 422)


def test_race_for_a_number(chatd, messages):
    answers = in_parallel(8, lambda n: chatd.post(messages, {"number": 7, "body": str(n)}))
    assert sorted(answer.status for answer in answers) == [201] + [422] * 7


def test_chats_of_many_writers(chatd, chats):
    numbers = in_parallel(16, lambda _: [chatd.post(chats).json["number"] for _ in range(10)])
    assert sorted(sum(numbers, [])) == list(range(1, 161))


def test_messages_of_many_writers(chatd, chats):
    """Numbers have no gap, none comes twice, and each writer's own come in its order."""
    for _ in range(4):
        chatd.post(chats)

    def write(writer):
        path = "%s/%d/messages" % (chats, writer % 4 + 1)
        return [chatd.post(path, {"body": "%d/%d" % (writer, n)}).json["number"] for n in range(50)]

    numbers = in_parallel(16, write)
    assert all(own == sorted(own) for own in numbers)
    for chat in range(4):
        assert sorted(sum(numbers[chat::4], [])) == list(range(1, 201))
        path = "%s/%d/messages" % (chats, chat + 1)
        stored = chatd.get(path + "?limit=1000").json
        assert [row["number"] for row in stored] == list(range(1, 201))
        bodies = {row["number"]: row["body"] for row in stored}
        for writer in range(chat, 16, 4):
            assert [bodies[number] for number in numbers[writer]] == ["%d/%d" % (writer, n) for n in range(50)]
        assert chatd.get("%s/%d" % (chats, chat + 1)).json["messages_count"] == 200


def test_one_bad_request_costs_no_other(chatd, chats, messages):
    """Good and bad messages that go into the same batches."""
    kinds = [
        (messages, {"body": "good"}, 201), (chats + "/9/messages", {"body": "no such chat"}, 404),
        (messages, {"body": "x" * 65537}, 422), (messages, {"body": "good"}, 201),
        ("/applications/nope/chats/1/messages", {"body": "no such application"}, 404),
        (messages, {"body": "good", "number": 1000000}, None), (messages, {"body": " "}, 422),
        (messages, {"body": "good"}, 201),
    ]

    def write(writer):
        path, data, status = kinds[writer % len(kinds)]
        return [chatd.post(path, data).status for _ in range(20)]

    results = in_parallel(16, write)
    for writer, statuses in enumerate(results):
        expected = kinds[writer % len(kinds)][2]
        if expected:
            assert statuses == [expected] * 20
    taken = results[5] + results[13]
    assert sorted(taken) == [201] + [422] * 39
    assert chatd.get(chats + "/1").json["messages_count"] == 6 * 20 + 1


def test_missing_things_cost_other_reads_nothing(chatd, messages):
    """Reads share a synchronisation point; those behind one that fails are sent again."""
    chatd.post(messages, {"body": "x"})
    good, bad = messages + "/1", messages.replace("/chats/1/", "/chats/9/") + "/1"
    with chatd.wire() as first, chatd.wire() as second:
        for wire, paths in ((first, [bad, good] * 50), (second, [good, bad] * 50)):
            wire.send(b"".join(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode() for path in paths))
        for _ in range(50):
            assert [first.answer().status, first.answer().status] == [404, 200]
            assert [second.answer().status, second.answer().status] == [200, 404]
    assert set(in_parallel(16, lambda n: chatd.get(good if n % 2 else bad).status)) == {200, 404}


def test_loops_share_a_port(cluster, chats, messages):
    """Several processes answer on one port; numbers are as exact as with one."""
    server = Chatd(cluster.conninfo(), "--loops", "3").ready()
    try:
        def write(_):
            statuses = []
            for _ in range(20):
                # A loop that is not connected yet says so.
                answer = server.post(messages, {"body": "x"})
                statuses.append(answer.status)
            return statuses

        statuses = sum(in_parallel(8, write), [])
        stored = server.get(messages + "?limit=1000").json
        assert set(statuses) <= {201, 503} and statuses.count(201) == len(stored)
        assert [row["number"] for row in stored] == list(range(1, len(stored) + 1))
        assert server.log().count("database: connected") > 5
    finally:
        assert server.stop() == 0


def test_answers_are_whole_on_shared_connections(chatd, messages):
    """Pipelined writes of several connections: each answer belongs to its request."""
    def write(writer):
        with chatd.wire() as wire:
            texts = [json.dumps({"data": {"body": "%d-%d" % (writer, n)}}).encode() for n in range(30)]
            wire.send(b"".join(
                b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                % (messages.encode(), len(text), text) for text in texts))
            return [wire.answer().json["body"] for _ in texts]

    assert in_parallel(8, write) == [["%d-%d" % (writer, n) for n in range(30)] for writer in range(8)]


def test_reads_of_many_kinds(chatd, chats):
    """Reads that go to the database together: each has its own answer, whatever the others ask for."""
    for chat in range(3):
        chatd.post(chats)
        for n in range(chat * 10):
            chatd.post("%s/%d/messages" % (chats, chat + 1), {"body": "%d/%d" % (chat + 1, n + 1)})

    def message(chat, number):
        return {"number": number, "body": "%d/%d" % (chat, number)}

    def shown(chat, number):
        answer = (200, message(chat, number)) if number <= chat * 10 - 10 else (404, {"error": "Message not found"})
        return "%s/%d/messages/%d" % (chats, chat, number), answer

    def listed(chat, after, limit):
        answer = (200, [message(chat, n) for n in range(after + 1, min(after + limit, chat * 10 - 10) + 1)])
        return "%s/%d/messages?after=%d&limit=%d" % (chats, chat, after, limit), answer

    missing = (404, {"error": "Chat not found"})
    kinds = [shown(2, 7), shown(2, 11), listed(3, 5, 10), listed(1, 0, 5), ("%s/9/messages" % chats, missing),
             shown(3, 20), shown(9, 1)[:1] + ((404, {"error": "Message not found"}),), listed(3, 15, 10),
             ("%s/3/messages?before=5&limit=2" % chats, (200, [message(3, 3), message(3, 4)])),
             ("/applications/none/chats/1/messages/1", (404, {"error": "Message not found"})),
             ("/applications/none/chats/1/messages", missing), ("%s/2" % chats, (200, {"number": 2, "messages_count": 10}))]

    def read(reader):
        for n in range(20):
            path, expected = kinds[(reader + n) % len(kinds)]
            answer = chatd.get(path)
            answer = timeless(answer) if answer.status == 200 and answer.json else answer
            assert (answer.status, answer.json) == expected, path
        return True

    assert all(in_parallel(32, read))


def test_reads_that_fail_together(start_chatd, cluster, chats, messages):
    """A batch of reads that fails is read again one by one, and then each for itself."""
    server = start_chatd("--statement-timeout", "1", "--readers", "1").ready()
    server.post(messages, {"body": "x"})
    locker = cluster.session("BEGIN; LOCK TABLE chat.messages")
    try:
        answers = in_parallel(4, lambda _: server.get(messages + "/1"))
        assert [answer.status for answer in answers] == [503] * 4
        assert server.get(chats).status == 200
    finally:
        locker.communicate("ROLLBACK;\n")
    assert timeless(server.get(messages + "/1")).json == {"number": 1, "body": "x"}
