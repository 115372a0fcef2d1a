"""paced.py URL TOKEN KEY SECONDS - GETs of one message over four connections, 100 a second in all; prints the 99th
percentile of how long they took, in milliseconds."""

import http.client
import random
import sys
import threading
import time
import urllib.parse

CONNECTIONS = 4
PER_SECOND = 100

url, token, key, seconds = sys.argv[1:]
taken = []


def send(number):
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=10)
    due = time.monotonic() + number / PER_SECOND
    end = due + float(seconds)
    while due < end:
        time.sleep(max(0, due - time.monotonic()))
        started = time.monotonic()
        connection.request("GET", "/applications/%s/chats/%d/messages/1" % (token, random.randint(1, 1000)),
                           headers={"Authorization": "Bearer " + key})
        response = connection.getresponse()
        response.read()
        if response.status != 200:
            raise SystemExit("status %d" % response.status)
        taken.append(time.monotonic() - started)
        due += CONNECTIONS / PER_SECOND


threads = [threading.Thread(target=send, args=(number,)) for number in range(CONNECTIONS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sorted(taken)[len(taken) * 99 // 100] * 1e3)
