"""The examples of the READMEs: each gives, in its order and in a database of its own, what is shown there.

An example is a block of code and, where one follows, the block with its answer; examples.sh reads them.
Tokens differ from run to run: a file's first token stands for the first that an answer shows, and so on.
Those that have a name are executed by whatever test asks for it, here or in another suite. No example is
left out: the last test fails for one that nothing executes.
"""

import collections
import itertools
import json
import os
import re
import signal
import socket
import subprocess

import pytest

from conftest import AS_POSTGRES, CHATD, ENVIRONMENT, PG_CONFIG, TOP, Chatd, parse_json, servers, wait_until

READER = TOP / "tests/examples.sh"
TOKEN = re.compile(r"\b[0-9a-f]{32}\b")
TIME = re.compile(r"\b\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d(?:\.\d+)?\+\d\d|T\d\d:\d\d:\d\d\.\d{6}Z)\b")

Block = collections.namedtuple("Block", "file line language name text")


def read_blocks():
    blocks = []
    for record in subprocess.check_output([READER], text=True).split("\f")[:-1]:
        head, _, text = record.partition("\n")
        file, line, language, name = head.split(" ")
        blocks.append(Block(file, int(line), language.strip("-"), name.strip("-"), text))
    return blocks


BLOCKS = read_blocks()


def pairs(code, *answers):
    """By file, pairs of an unnamed block of code and its answer, which is None where there is none."""
    found = {}
    for block, after in itertools.zip_longest(BLOCKS, BLOCKS[1:]):
        if block.language == code and not block.name:
            is_answer = after and after.file == block.file and after.language in answers and not after.name
            found.setdefault(block.file, []).append((block, after if is_answer else None))
    return found


def is_make(block):
    return all(re.match(r"([A-Z]+=\S+ )*make\b", line) for line in block.text.splitlines())


SQL = pairs("sql", "text")
REST = {file: [pair for pair in found if not is_make(pair[0])] for file, found in pairs("sh", "http", "json").items()}
REST = {file: found for file, found in REST.items() if any(answer for _, answer in found)}
MAKE = [block for block in BLOCKS if block.language == "sh" and not block.name and is_make(block)]
CONF = [block for block in BLOCKS if block.language == "conf" and not block.name]
LOG = [block for block in BLOCKS if block.language == "log" and not block.name]


def example(name):
    """The text of the example with this name."""
    return subprocess.check_output([READER, name], text=True)


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL for these examples alone: they change its settings and create roles."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cluster = servers.Cluster(PG_CONFIG, "postgres_of_readme", {"fsync": "off"}, initdb=["-N"])
    cluster.port = port
    try:
        cluster.stop()
        (cluster.directory / "data/pg_hba.conf").write_text(
            "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        with open(cluster.directory / "data/postgresql.conf", "a") as conf:
            conf.write("shared_preload_libraries = 'pg_chat'\nport = %d\ninclude_if_exists = 'example.conf'\n" % port)
        auto = cluster.directory / "data/postgresql.auto.conf"
        auto.write_text(auto.read_text().replace("listen_addresses = ''", "listen_addresses = '127.0.0.1'"))
        cluster.examples_environment = {**ENVIRONMENT, "PGHOST": str(cluster.directory), "PGPORT": str(port)}
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


class Psql:
    """A psql that prints everything as a user sees it, errors too."""

    def __init__(self, server, database):
        self.process = subprocess.Popen(
            [*AS_POSTGRES, server.bin / "psql", "-X", "-U", "postgres", "-d", database], cwd="/",
            env=server.examples_environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def run(self, text):
        self.process.stdin.write(text + "\\echo end of example\n")
        self.process.stdin.flush()
        lines = list(iter(self.process.stdout.readline, "end of example\n"))
        assert "" not in lines, "psql has ended"
        return "".join(lines)


def answer_of(server, database, query):
    with Psql(server, database) as psql:
        return psql.run("\\pset format unaligned\n\\pset tuples_only\n" + query + "\n").splitlines()[-1]


@pytest.fixture
def shop(server):
    """An empty database of the name that the examples use."""
    with Psql(server, "postgres") as psql:
        psql.run("CREATE DATABASE shop TEMPLATE template0;")
    yield "shop"
    with Psql(server, "postgres") as psql:
        assert "ERROR" not in psql.run("DROP DATABASE shop WITH (FORCE);")
        psql.run("ALTER SYSTEM RESET ALL;\nALTER SYSTEM SET listen_addresses = '127.0.0.1';\n"
                 "ALTER SYSTEM SET unix_socket_directories = '%s';\nSELECT pg_reload_conf();" % server.directory)


@pytest.fixture
def filled_shop(server, shop):
    with Psql(server, shop) as psql:
        assert "ERROR" not in psql.run("CREATE EXTENSION pg_chat;\nALTER ROLE chat_api PASSWORD 'PASSWORD';\n"
                                       "SELECT chat.create_application('shop'), chat.create_chat(1);")
    return shop


def without_variables(text):
    """The output of psql, without values that differ from run to run, and the widths of columns."""
    text = TIME.sub("TIME", TOKEN.sub("TOKEN", text))
    return [re.sub("-+", "-", " ".join(line.split())) for line in text.strip().splitlines()]


@pytest.mark.parametrize("file", SQL)
def test_sql(server, shop, file):
    with Psql(server, shop) as psql:
        # A file that does not begin with it takes the extension, and a message, for granted.
        if "CREATE EXTENSION pg_chat" not in SQL[file][0][0].text:
            psql.run("CREATE EXTENSION pg_chat;\nSELECT chat.create_application('shop'), chat.create_chat(1), chat.create_message(1, 1, 'here');")
        for block, expected in SQL[file]:
            answer = psql.run(block.text)
            if expected:
                assert without_variables(answer) == without_variables(expected.text), block
            else:
                assert "ERROR" not in answer, block
            wait_until(lambda: answer_of(server, "postgres", "SELECT count(*) FROM pg_stat_activity"
                                         " WHERE backend_type LIKE 'pg_chat%index%';") == "0", "the build of an index")


def parse_answer(text):
    """The status, the other lines of the head, and the JSON of an answer."""
    head, _, body = text.replace("\r\n", "\n").partition("\n\n")
    status, *headers = head.splitlines()
    return int(status.split()[1]), headers, parse_json(body)


def parse_values(text):
    """JSON values that stand one behind the other."""
    values = []
    while text.strip():
        value, end = json.JSONDecoder().raw_decode(text.lstrip())
        values.append(value)
        text = text.lstrip()[end:]
    return values


def serve(server, *flags):
    return Chatd("host=%s port=%d dbname=shop user=chat_api" % (server.directory, server.port), *flags)


@pytest.fixture
def shop_chatd(server, shop):
    with Psql(server, shop) as psql:
        assert "ERROR" not in psql.run("CREATE EXTENSION pg_chat;")
    chatd = serve(server).ready()
    yield chatd
    assert chatd.stop() == 0


@pytest.mark.parametrize("file", REST)
def test_rest(shop_chatd, file):
    settings = ""               # URL=... and the like, for all that comes after
    tokens = {}                 # the file's and the real ones
    for block, expected in REST[file]:
        if expected is None:
            assert re.fullmatch(r"([A-Z]+=\S+\n)+", block.text), block
            settings += block.text
            continue
        script = (settings + block.text).replace("http://127.0.0.1:8080", "http://127.0.0.1:%d" % shop_chatd.port)
        script = TOKEN.sub(lambda found: tokens[found.group()], script)
        answer = subprocess.run(["bash", "-euc", script], env=ENVIRONMENT, check=True, text=True,
                                stdout=subprocess.PIPE).stdout
        tokens.update(zip(TOKEN.findall(expected.text), TOKEN.findall(answer), strict=True))
        shown = TOKEN.sub(lambda found: tokens[found.group()], expected.text)
        if expected.language == "json":
            assert parse_values(TIME.sub("TIME", answer)) == parse_values(TIME.sub("TIME", shown)), block
            continue
        status, headers, body = parse_answer(TIME.sub("TIME", shown))
        real_status, real_headers, real_body = parse_answer(TIME.sub("TIME", answer))
        assert (real_status, real_body) == (status, body), block
        assert set(headers) <= set(real_headers), block


def test_help_of_chatd():
    text = subprocess.check_output([CHATD, "--help"], text=True)
    assert example("chatd-help") == text


def starts(server, directory, script):
    """A script starts a chatd that logs in."""
    script = script.replace(":5432:", ":%d:" % server.port)
    (directory / "chatd").symlink_to(CHATD)
    environment = {**server.examples_environment, "CHATD_PORT": "0", "PATH": "%s:%s" % (directory, os.environ["PATH"])}
    with open(directory / "log", "w+") as log:
        process = subprocess.Popen(["bash", "-euc", script], cwd=directory, env=environment, stderr=log,
                                   stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            wait_until(lambda: " database: connected" in (directory / "log").read_text() or process.poll() is not None,
                       "chatd's connection")
            assert process.poll() is None, (directory / "log").read_text()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(15)


def test_login_of_chatd(server, filled_shop, tmp_path):
    """Over TCP, where PostgreSQL wants the password."""
    starts(server, tmp_path, example("chatd-login"))


def test_first_key(server, filled_shop):
    environment = {**server.examples_environment, "PGDATABASE": filled_shop, "PGUSER": "postgres", "PATH": "%s:%s" % (server.bin, os.environ["PATH"])}
    key = subprocess.check_output([*AS_POSTGRES, "bash", "-euc", example("first-key")], cwd="/", env=environment, text=True).strip()
    chatd = serve(server, "--require-keys").ready()
    assert chatd.get("/applications").status == 401
    assert chatd.request("GET", "/applications", headers={"Authorization": "Bearer " + key}).status == 200
    assert chatd.stop() == 0


def test_loops_of_chatd(server, filled_shop, tmp_path):
    starts(server, tmp_path, example("chatd-loops"))


def test_listening_of_chatd(server, filled_shop, tmp_path):
    starts(server, tmp_path, example("chatd-listen").replace(":8081", ":0"))


def test_start_of_worker(server, filled_shop):
    with Psql(server, filled_shop) as psql:
        assert without_variables(psql.run(example("start-worker")))[2] == "t"


@pytest.mark.parametrize("block", CONF, ids=lambda block: "%s:%d" % (block.file, block.line))
def test_conf(server, block):
    """PostgreSQL takes the settings, as the server runs or after a reload."""
    file = server.directory / "data/example.conf"
    file.write_text(block.text)
    names = [line.split("=")[0].strip() for line in block.text.splitlines()]
    try:
        with Psql(server, "postgres") as psql:
            psql.run("SELECT pg_reload_conf();")
            found = psql.run("\\pset format unaligned\n\\pset tuples_only\nSELECT name, coalesce(error, 'fine') FROM pg_file_settings"
                             " WHERE sourcefile LIKE '%example.conf' ORDER BY seqno;\n").splitlines()[-len(names):]
        assert found == ["%s|fine" % name for name in names]
    finally:
        file.unlink()


def shape(line):
    """A line of the log, without what differs from line to line."""
    line = re.sub(r"\b[0-9a-f]{16}$", "ID", re.sub(r"/applications/[0-9a-f]{6}\.\.\.", "/applications/TOKEN", line))
    return re.sub(r"\d+", "0", line)


@pytest.mark.parametrize("block", LOG, ids=lambda block: "%s:%d" % (block.file, block.line))
def test_log(server, filled_shop, block):
    chatd = serve(server, "--access-log").ready()
    chatd.get("/applications/" + "0123456789abcdef" * 2)
    chatd.process.send_signal(signal.SIGTERM)
    chatd.process.wait(15)
    real = {shape(line) for line in chatd.log().splitlines()}
    assert {shape(line) for line in block.text.splitlines()} <= real


@pytest.mark.parametrize("block", MAKE, ids=lambda block: "%s:%d" % (block.file, block.line))
def test_make(block):
    """The targets are there; test, of course, is being made."""
    makefile = (TOP / "Makefile").read_text()
    suites = re.search(r"^SUITES := (.*)", makefile, re.M).group(1).split()
    targets = {"test-" + suite for suite in suites}
    for line in re.findall(r"^([a-z][a-z0-9 -]*):(?!=)", makefile, re.M):
        targets.update(line.split())
    for line in block.text.splitlines():
        for command in line.split(" && "):
            words = re.sub(r"'[^']*'|\"[^\"]*\"", "", command).split()
            words = words[words.index("make") + 1:]
            assert {word for word in words if "=" not in word} <= targets, line


def test_no_example_is_left_out():
    executed = {*MAKE, *CONF, *LOG}
    for found in (SQL, REST):
        for blocks in found.values():
            executed.update(block for pair in blocks for block in pair if block)
    asked_for = set()
    for path in (TOP / "tests").rglob("*"):
        if path.suffix in (".py", ".pl", ".pm", ".sh"):
            asked_for.update(re.findall(r"""\b(?:run_)?example(?:s\.sh"?)?(?: |\(["']|\(\$\w+, ')([a-z][a-z-]+)""", path.read_text()))
    left_out = ["%s:%d %s" % (block.file, block.line, block.name) for block in BLOCKS if block.language and
                (block.name not in asked_for if block.name else block not in executed)]
    assert not left_out
    indented = [file for file in {block.file for block in BLOCKS} if re.search(r"^[ >]+```", (TOP / file).read_text(), re.M)]
    assert not indented, "examples that examples.sh cannot see"
