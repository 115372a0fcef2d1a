"""A connection that can be cut, held up, and made to lie: stands between a client and a server.

    proxy.py TARGET SEED

listens on a free port of 127.0.0.1, which is the first line that it prints. TARGET is a port of 127.0.0.1 or the path
of a socket. Each line of its standard input is a command, answered by a line when it is done:

    target TARGET   new connections go there
    pass            what it does unless told otherwise
    cut             resets all connections
    hold            lets nothing through, either way, until the next pass; what came meanwhile follows
    refuse          resets each new connection
    lie             changes what the server answers, at random

It ends with its standard input.
"""

import asyncio
import contextlib
import random
import re
import sys

CHUNK = 65536
LIE_EVERY = 4

# Patterns of a careless reader of answers.
LIES = [
    (re.compile(rb'"errors":true'), rb'"errors":null'),
    (re.compile(rb'"status":[45]\d\d'), b'"status":200'),
    (re.compile(rb'"timed_out":false'), b'"timed_out":true '),
    (re.compile(rb'\d(?=[,}\]])'), b"7"),
    (re.compile(rb'\$\d'), b"$9"),
    (re.compile(rb'\d(?=\r\n)'), b"3"),
    (re.compile(rb'[{\[]'), b"\0"),
    (re.compile(rb'true'), b"null"),
    (re.compile(rb'HTTP/1.1 200'), b"HTTP/1.1 503"),
    (re.compile(rb'\n'), b"\r"),
]


class Proxy:
    def __init__(self, target, seed):
        self.target = target
        self.random = random.Random(seed)
        self.mode = "pass"
        self.open = asyncio.Event()
        self.open.set()
        self.writers = set()

    async def connect(self):
        if self.target.startswith("/"):
            return await asyncio.open_unix_connection(self.target)
        return await asyncio.open_connection("127.0.0.1", int(self.target))

    async def serve(self, reader, writer):
        """One connection."""
        if self.mode == "refuse":
            writer.transport.abort()
            return
        try:
            server_reader, server_writer = await self.connect()
        except OSError:
            writer.transport.abort()
            return
        self.writers |= {writer, server_writer}
        try:
            await asyncio.gather(self.copy(reader, server_writer), self.copy(server_reader, writer, lies=True))
        finally:
            self.writers -= {writer, server_writer}

    async def copy(self, reader, writer, lies=False):
        """One direction of it; its end ends the other side's reading."""
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                await self.open.wait()
                if lies and self.mode == "lie" and self.random.randrange(LIE_EVERY) == 0:
                    data = self.lie(data)
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.close()

    def lie(self, data):
        pattern, instead = self.random.choice(LIES)
        places = list(pattern.finditer(data))
        if places:
            place = self.random.choice(places)
            return data[:place.start()] + instead + data[place.end():]
        place = self.random.randrange(len(data))
        return data[:place] + bytes([self.random.randrange(256)]) + data[place + 1:]

    def command(self, word, *arguments):
        if word == "target":
            self.target = arguments[0]
        elif word == "cut":
            for writer in self.writers:
                writer.transport.abort()
        else:
            self.mode = word
            if word == "hold":
                self.open.clear()
            else:
                self.open.set()


async def main(target, seed):
    proxy = Proxy(target, seed)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, limit=CHUNK)
    print(server.sockets[0].getsockname()[1], flush=True)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        proxy.command(*line.decode().split())
        print("done", flush=True)


asyncio.run(main(sys.argv[1], sys.argv[2]))
