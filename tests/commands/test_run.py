"""make run, where the path is not straight: DATA, the port, the environment, the end."""

import os
import re
import signal
import socket
import stat
import subprocess
import threading

import pytest


def address(run):
    return re.search(r"(?m)^(http://\S+)  <- open it", run.said()).group(1)


def sql(run, text):
    """By the command that the welcome shows."""
    command = re.search(r"or from SQL: (.*)", run.said()).group(1)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return subprocess.run(["bash", "-c", "PATH=%s:$PATH; %s -XAtc '%s'" % (
        os.path.dirname(os.environ["PG_CONFIG"]), command, text)], env=environment, check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()


def test_welcome(run, clone, tmp_path):
    """The commands that it suggests work, in a path that a shell and libpq would divide, behind a proxy."""
    proxy = {"http_proxy": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9"}
    data = tmp_path / "some data, ours'\\"
    first = run(data, **proxy).ready()
    shown = re.search(r"Try:\n\n(.*?)\n\n", first.said(), re.S).group(1)
    answers = subprocess.run(["bash", "-euc", shown], env={**os.environ, **proxy}, check=True, text=True, stdout=subprocess.PIPE).stdout
    assert '"body":"hello"' in answers
    assert sql(first, "SELECT body FROM chat.messages") == "hello"
    assert "database: connected" not in first.said()
    assert first.stop() == 0

    second = run(data).ready()
    # The address comes first, and is that of the console.
    assert second.said().split()[0] == address(second)
    assert "<title>pg_chat</title>" in subprocess.run(["curl", "-s", "--noproxy", "*", "-H", "Accept: text/html", address(second)], check=True, text=True,
                                                      stdout=subprocess.PIPE).stdout
    assert sql(second, "SELECT body FROM chat.messages") == "hello"
    assert second.stop() == 0
    assert not list((clone / "build").glob("run*"))


def test_path_that_is_too_long_for_a_socket(run, tmp_path):
    data = tmp_path.joinpath(*["é" * 40] * 3)
    assert sql(run(data).ready(), "SELECT count(*) FROM chat.applications") == "0"


def test_data_of_someone_else_is_left_as_it_is(run, tmp_path):
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    (data / "letter").write_text("dear")
    refused = run(data)
    assert refused.status() == 1 and "something else in it: letter" in refused.said()
    assert stat.S_IMODE(data.stat().st_mode) == 0o755
    assert os.listdir(data) == ["letter"]

    refused = run(data / "letter")
    assert refused.status() == 1 and "is no directory" in refused.said()
    refused = run("/usr")
    assert refused.status() == 1 and "belongs to root" in refused.said()


def test_data_in_use(run):
    first = run().ready()
    second = run()
    assert second.status() == 1 and "Another" in second.said()
    assert sql(first, "SELECT 1") == "1"


@pytest.mark.parametrize("silent", (True, False), ids=("silent", "answers"))
def test_port_that_is_taken(run, silent):
    """By a server that says nothing, or by one that answers as chatd does: neither is welcomed."""
    def answer(listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        if not silent:
            threading.Thread(target=answer, args=(listener,), daemon=True).start()
        port = str(listener.getsockname()[1])
        refused = run(PORT=port)
        assert refused.status() == 1
        assert "Is port %s taken?" % port in refused.said()
        assert "open it in a browser" not in refused.said()
        listener.shutdown(socket.SHUT_RDWR)


def test_end_that_fails_says_why(run, tmp_path):
    """PostgreSQL cannot write its last checkpoint, as on a full disk."""
    server = run().ready()
    os.chmod(tmp_path / "data/postgres/global/pg_control", 0)
    assert server.stop() == 1
    assert "PANIC" in server.said() and "PostgreSQL has not ended well; its log is" in server.said()
    os.chmod(tmp_path / "data/postgres/global/pg_control", 0o600)


def test_death_of_a_server_ends_the_other(run, tmp_path):
    server = run().ready()
    os.kill(int((tmp_path / "data/postgres/postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    assert server.status() == 1 and "PostgreSQL has ended by itself; its log is" in server.said()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", int(address(server).rpartition(":")[2])))
