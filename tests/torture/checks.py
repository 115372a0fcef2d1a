"""The checks after each round, however it went: see check()."""

import time

from clients import APPENDED, CHATS, EDITED, MESSAGES
from world import wait_until

# In seconds: repairs, catching up, and the start of a server must not take longer.
MINUTE = 60

WRONG_COUNTS = """
    SELECT 'chat' AS of, c.application_id, c.number FROM chat.chats AS c
    LEFT JOIN (SELECT application_id, chat_number, count(*) AS counted, max(number) AS highest
        FROM """ + MESSAGES + """ AS e GROUP BY 1, 2) AS m ON m.application_id = c.application_id AND m.chat_number = c.number
    WHERE c.messages_count <> coalesce(m.counted, 0) OR c.last_message_number < coalesce(m.highest, 0)
    UNION ALL
    SELECT 'application', a.id, NULL FROM chat.applications AS a
    LEFT JOIN chat.application_counters AS k ON k.application_id = a.id
    LEFT JOIN (SELECT application_id, count(*) AS counted, max(number) AS highest FROM chat.chats GROUP BY 1) AS c
        ON c.application_id = a.id
    WHERE k.chats_count IS DISTINCT FROM coalesce(c.counted, 0) OR k.last_chat_number < coalesce(c.highest, 0)"""

BUSY = """SELECT 1 FROM pg_stat_activity WHERE datname = 'chat' AND backend_type = 'client backend' AND pid <> pg_backend_pid()
    AND state <> 'idle'"""


def within(seconds, found, what, load):
    """Wait until found() is empty, in time; how long that took."""
    began = time.monotonic()
    try:
        wait_until(lambda: not found(), what, seconds, 0.1)
    except AssertionError:
        load.problem("after %d s %s: %s" % (seconds, what, str(found())[:500]))
    return time.monotonic() - began


def end_what_was_left(world, load):
    """Wait for transactions of clients that were cut off, and commit those that were prepared."""
    within(MINUTE, lambda: world.rows(BUSY), "sessions are still busy", load)
    for name in world.sql("SELECT gid FROM pg_prepared_xacts").split():
        world.sql("COMMIT PREPARED '%s'" % name)


def rows_there(world, load):
    """(chat, number) to body, of the round's application."""
    return {(row["chat_number"], row["number"]): row["body"] for row in world.rows(
        "SELECT chat_number, number, body FROM %s AS m WHERE application_id = %d" % (MESSAGES, load.application))}


def allowed(load, number, body):
    """Bodies that a message of EDITED may have at the end; None stands for no row."""
    change = load.changes.get(number)
    if change is None or change.outcome == "refused":
        return {body}
    return {change.body} if change.outcome == "done" else {change.body, body}


def check_messages(load, there):
    """Acknowledged messages are there once, refused ones are not, all others at most once."""
    changed = {change.body for change in load.changes.values()}
    for (chat, number), body in load.acknowledged.items():
        may_be = allowed(load, number, body) if chat == EDITED else {body}
        if there.get((chat, number)) not in may_be:
            load.problem("message %d of chat %d is %r instead of %r" % (number, chat, there.get((chat, number)), may_be))
    seen = {}
    for (chat, number), body in there.items():
        if body in load.refused:
            load.problem("%r was refused, and is there as number %d of chat %d" % (body, number, chat))
        if load.bodies.get(body) != chat:
            load.problem("nobody wrote %r to chat %d, and it is there as number %d" % (body, chat, number))
        if body in seen and body not in changed:
            load.problem("%r is there twice: as %d and %d of chat %d" % (body, seen[body], number, chat))
        seen[body] = number


def check_numbers(world, load, there):
    """Numbers are 1 to n without a hole, except for deleted messages."""
    chats = {row["number"]: row for row in world.rows("SELECT * FROM chat.chats WHERE application_id = %d" % load.application)}
    for chat in CHATS:
        numbers = {number for of, number in there if of == chat}
        highest = chats[chat]["last_message_number"]
        holes = [number for number in range(1, highest + 1) if number not in numbers and not (chat == EDITED and load.may_be_deleted(number))]
        if holes or max(numbers, default=0) > highest:
            load.problem("chat %d has the highest number %d, %d rows, and holes at %s" % (chat, highest, len(numbers), holes[:5]))
        if chat in APPENDED and not chats[chat]["messages_count"] == highest == len(numbers):
            load.problem("chat %d: count %d, highest number %d, rows %d" % (chat, chats[chat]["messages_count"], highest, len(numbers)))
    if sorted(chats) != list(range(1, len(chats) + 1)) or len(set(load.chats)) != len(load.chats) or not set(load.chats) <= set(chats) \
            or len(chats) > len(load.chats) + load.unknown_chats:
        load.problem("chats are %s, acknowledged %s, unknown %d" % (sorted(chats), sorted(load.chats), load.unknown_chats))


def check_readers(load, there):
    """They saw all there is, and nothing that is not."""
    for chat, seen in load.read:
        rows = {number: body for (of, number), body in there.items() if of == chat}
        lacks = [number for number in rows if number not in seen]
        other = [number for number, body in seen.items() if number not in load.changes and rows.get(number) != body]
        if lacks or other:
            load.problem("a reader of chat %d has not seen %s, and has seen otherwise %s" % (chat, lacks[:5], other[:5]))


def wrong_keys(world):
    """Keys whose values in Redis differ from the tables."""
    wanted = {row["key"]: row["value"] for row in world.rows(
        "SELECT 'application:' || token || ':number' AS key, last_chat_number::text AS value FROM chat.applications AS a"
        " JOIN chat.application_counters AS c ON c.application_id = a.id WHERE last_chat_number > 0 UNION ALL"
        " SELECT 'application:' || token || ':chat:' || number || ':number', last_message_number::text FROM chat.applications AS a"
        " JOIN chat.chats AS c ON c.application_id = a.id WHERE last_message_number > 0")}
    there = world.redis.contents()
    return sorted((key, there.get(key), wanted.get(key)) for key in there.keys() | wanted.keys()
                  if there.get(key) != wanted.get(key) and (there.get(key), wanted.get(key)) != ("0", None))


def index_is_wrong(world):
    """Differences between the index and the tables, or the status of an index that is behind."""
    status = world.rows("SELECT * FROM chat.search_status")
    if len(status) != 1 or not status[0]["usable"] or status[0]["messages_behind"] or status[0]["queued"]:
        return [status, world.rows("SELECT job, last_error FROM chat.worker_status WHERE last_error_at > last_run_at")]
    return world.rows("SELECT * FROM chat.verify_search()")


def check_log(world, load, position):
    """No process has crashed by itself. Returns where the log ends now."""
    with (world.postgres.directory / "log").open("rb") as file:
        file.seek(position)
        for line in file.read().decode(errors="replace").splitlines():
            if any(word in line for word in ("signal 11", "signal 4", "signal 8", "signal 7", "TRAP:", "stuck spinlock", "XX000", "XX001",
                                             "invalid page", "could not find tuple")):
                load.problem("PostgreSQL's log: " + line)
        return file.tell()


def check(world, load):
    """Check everything; how long Redis and Elasticsearch took, in seconds."""
    within(MINUTE, lambda: not (world.postgres.recovers() and world.is_ready()), "PostgreSQL or chatd is not ready", load)
    end_what_was_left(world, load)
    load.finish()
    there = rows_there(world, load)
    check_messages(load, there)
    check_numbers(world, load, there)
    check_readers(load, there)
    within(MINUTE, lambda: world.rows(WRONG_COUNTS), "counts are wrong", load)
    return (within(MINUTE, lambda: wrong_keys(world), "keys in Redis are wrong", load),
            within(MINUTE, lambda: index_is_wrong(world), "the index is wrong", load))
