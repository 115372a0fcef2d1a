"""Where chatd listens: several addresses, IPv6 with IPv4, sockets of Unix, sockets of the service manager."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from conftest import CHATD, ENVIRONMENT, wait_until


class LocalConnection(http.client.HTTPConnection):
    """HTTP over a socket of Unix."""

    def __init__(self, path):
        super().__init__("localhost", timeout=15)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(15)
        self.sock.connect(self.path)


def get(connection, path="/healthz"):
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read()


def ports(server):
    return [(address, int(port)) for address, port in re.findall(r" listening on (\S+) port (\d+)", server.log())]


def test_several_addresses(start_chatd, tmp_path):
    server = start_chatd("--listen", "127.0.0.1,127.0.0.2:0,[::1]:0,%s/socket" % tmp_path)
    assert [address for address, _ in ports(server)] == ["127.0.0.1", "127.0.0.2", "::1"]
    for address, port in ports(server):
        assert get(http.client.HTTPConnection(address, port, timeout=15))[0] == 200
    assert get(LocalConnection(tmp_path / "socket"))[0] == 200
    assert server.stop() == 0
    assert not (tmp_path / "socket").exists()


def test_any_address_is_both_kinds(start_chatd):
    server = start_chatd("--listen", "::", "--open")
    for address in "127.0.0.1", "::1":
        assert get(http.client.HTTPConnection(address, server.port, timeout=15))[0] == 200


@pytest.mark.parametrize("loops", ["1", "3"])
def test_socket_of_unix(start_chatd, tmp_path, loops):
    """In one loop and in several. One that a dead chatd left is taken over, a living one's is not."""
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    server = start_chatd("--listen", "127.0.0.1,%s" % path, "--loops", loops).ready()
    for _ in range(10):
        connection = LocalConnection(path)
        assert get(connection)[0] == 200
        assert get(connection, "/applications?limit=1")[0] in (200, 503)
    second = subprocess.run([CHATD, "--listen", path], env=ENVIRONMENT, capture_output=True, text=True, timeout=10, check=False)
    assert second.returncode == 1 and "cannot listen on %s: Address already in use" % path in second.stderr
    assert get(LocalConnection(path))[0] == 200
    assert server.stop() == 0 and not path.exists()


def test_file_is_not_taken_for_a_socket(tmp_path):
    (tmp_path / "file").write_text("mine")
    ended = subprocess.run([CHATD, "--listen", tmp_path / "file"], env=ENVIRONMENT, capture_output=True, text=True, timeout=10, check=False)
    assert ended.returncode == 1 and (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("address", ["127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "[::1", "::1]", "[127.0.0.1", "[::1]x", "[::1]:-1",
                                     "1.2.3", "", "127.0.0.1,,::1", "a", "/" + "x" * 120, ",".join(["127.0.0.1"] * 17)])
def test_wrong_addresses_are_refused(address):
    ended = subprocess.run([CHATD, "--port", "0", "--listen=" + address], env=ENVIRONMENT, capture_output=True, text=True, timeout=10, check=False)
    assert ended.returncode == 1 and "--listen takes addresses" in ended.stderr


# A service manager in a few lines: sockets from descriptor 3 on, and a socket to be told.
MANAGER = """
import os, socket, sys
count = int(sys.argv[1])
for number in range(count):
    os.set_inheritable(3 + number, True)
os.environ["LISTEN_PID"], os.environ["LISTEN_FDS"] = str(os.getpid()), str(count)
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.mark.parametrize("loops", ["1", "2"])
def test_sockets_of_the_service_manager(cluster, tmp_path, loops):
    ours, told = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    local = socket.socket(socket.AF_UNIX)
    local.bind(str(tmp_path / "socket"))
    local.listen()
    told.bind(str(tmp_path / "notify"))
    told.settimeout(15)

    def place():
        copies = [os.dup(listening.fileno()) for listening in (ours, local)]
        copies = [os.dup2(copy, 10 + number) for number, copy in enumerate(copies)]
        for number in range(2):
            os.dup2(10 + number, 3 + number)

    with open(tmp_path / "log", "w+", encoding="utf-8") as log:
        process = subprocess.Popen([sys.executable, "-c", MANAGER, "2", str(CHATD), "--loops", loops, "--database", cluster.conninfo()],
                                   env={**ENVIRONMENT, "NOTIFY_SOCKET": str(tmp_path / "notify")}, stdin=subprocess.DEVNULL, stderr=log,
                                   preexec_fn=place, close_fds=False)
        try:
            assert told.recv(100) == b"READY=1"
            for _ in range(4):
                assert get(http.client.HTTPConnection("127.0.0.1", ours.getsockname()[1], timeout=15))[0] == 200
                assert get(LocalConnection(tmp_path / "socket"))[0] == 200
            process.send_signal(signal.SIGTERM)
            assert told.recv(100) == b"STOPPING=1"
            assert process.wait(15) == 0
            assert "listening on %s" % (tmp_path / "socket") in (tmp_path / "log").read_text()
        finally:
            process.kill()
            process.wait()
            for each in ours, told, local:
                each.close()
    # It is the manager's to take away.
    assert (tmp_path / "socket").exists()


def test_sockets_of_the_service_manager_are_looked_at(cluster):
    """One that others can reach is not served without a word."""
    with socket.create_server(("0.0.0.0", 0)) as ours:
        ended = subprocess.run([sys.executable, "-c", MANAGER, "1", str(CHATD), "--database", cluster.conninfo()], env=ENVIRONMENT,
                               stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False,
                               preexec_fn=lambda: os.dup2(os.dup2(ours.fileno(), 10), 3), close_fds=False)
    assert ended.returncode == 2 and "others can reach 0.0.0.0 port" in ended.stderr


def test_full_house_waits(start_chatd):
    """Beyond the limit connections wait until one ends, on each address."""
    server = start_chatd("--listen", "127.0.0.1,127.0.0.2:0", "--max-connections", "8")
    first = [socket.create_connection(("127.0.0.1", server.port), 15, ("127.0.0.%d" % (10 + number), 0)) for number in range(8)]
    for each in first:
        each.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " in each.recv(4096)
    waiting = [socket.create_connection(target, 15) for target in ports(server)]
    for each in waiting:
        each.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        each.setblocking(False)
    for each in waiting:
        with pytest.raises(BlockingIOError):
            each.recv(1)
        each.settimeout(15)
    for each in first[:4]:
        each.close()
    assert all(b" 200 " in each.recv(4096) for each in waiting)
    for each in first[4:] + waiting:
        each.close()
    wait_until(lambda: server.get("/healthz").status == 200, "room")
