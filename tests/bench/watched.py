"""The cost of being watched: POST while figures are scraped each second and the console is open, beside POST alone."""

import contextlib
import http.client
import threading

from measuring import CHATS, POSTED, Line

# What is asked for, and the seconds between: Prometheus, and the console as it shows what goes on.
ASKED = [("/metrics", 1), ("/console", 10), ("/metrics", 1), ("/status", 5), ("/applications?limit=20&before=2147483647", 5),
         ("/applications/{token}/chats?limit=20", 5)]


def ask(chatd, path, pause, ended):
    connection = http.client.HTTPConnection("127.0.0.1", chatd.port, timeout=30)
    with contextlib.closing(connection):
        while not ended.wait(pause):
            connection.request("GET", path)
            connection.getresponse().read()


@contextlib.contextmanager
def watching(bench):
    ended = threading.Event()
    threads = [threading.Thread(target=ask, args=(bench.chatd, path.replace("{token}", bench.token), pause, ended)) for path, pause in ASKED]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def post(bench):
    return bench.wrk(bench.chatd, 64, "POST", CHATS, "", POSTED)


def post_watched(bench):
    with watching(bench):
        return post(bench)


LINES = [Line("post-watched", "POST message, 64 connections, /metrics scraped each second and the console open", post_watched,
              "not watched", post, 0.97, often=3)]
