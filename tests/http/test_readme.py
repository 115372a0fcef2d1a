"""The examples of README.md: each gives, in its order and in a database of its own, what is shown there.

An example is a block of code and, where one follows, the block with its answer. Tokens differ from
run to run: the README's first token stands for the first that an answer shows, and so on.
"""

import re
import subprocess

from conftest import AS_POSTGRES, CHATD, ENVIRONMENT, TOP, parse_json

README = TOP / "README.md"
TOKEN = re.compile(r"\b[0-9a-f]{32}\b")
TIME = re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+\d\d\b")


def examples(title, code, answer):
    """Pairs of code and answer of a section; the answer is None where there is none."""
    section = re.search(r"^## %s\n(.*?)(?=^## )" % title, README.read_text(), re.M | re.S).group(1)
    pairs = re.findall(r"^```%s\n(.*?)^```\n(?:```%s\n(.*?)^```\n)?" % (code, answer), section, re.M | re.S)
    assert pairs
    return [(text, expected or None) for text, expected in pairs]


def database(cluster, name):
    cluster.sql("CREATE DATABASE " + name)
    return ["-h", cluster.directory, "-U", "postgres", "-d", name]


def without_variables(text):
    """What psql printed, without what differs from run to run and how wide its columns are."""
    text = TIME.sub("TIME", TOKEN.sub("TOKEN", text))
    return [re.sub("-+", "-", " ".join(line.split())) for line in text.strip().splitlines()]


def test_from_psql(cluster):
    pairs = examples("From psql", "sql", "text")
    script = "".join(text + "\\echo end of example\n" for text, _ in pairs)
    output = subprocess.run(
        [*AS_POSTGRES, cluster.bin / "psql", "-X", *database(cluster, "readme_psql")], input=script, text=True,
        cwd="/", env=ENVIRONMENT, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
    answers = output.split("end of example\n")
    assert answers.pop() == ""
    for (text, expected), answer in zip(pairs, answers, strict=True):
        assert without_variables(answer) == without_variables(expected), text


def parse_answer(text):
    """The status, the other lines of the head, and the JSON of an answer."""
    head, _, body = text.replace("\r\n", "\n").partition("\n\n")
    status, *headers = head.splitlines()
    return int(status.split()[1]), headers, parse_json(body)


def test_over_rest(cluster, start_chatd):
    cluster.run("psql", "-Xq", *database(cluster, "readme_rest"), "-c", "CREATE EXTENSION pg_chat")
    server = start_chatd(database="host=%s dbname=readme_rest user=chat_api" % cluster.directory).ready()
    settings = ""               # URL=... and the like, for all that comes after
    tokens = {}                 # the README's and the real ones
    for text, expected in examples("Over REST", "sh", "http"):
        if expected is None:
            settings += text
            continue
        script = (settings + text).replace("http://127.0.0.1:8080", "http://127.0.0.1:%d" % server.port)
        script = TOKEN.sub(lambda found: tokens[found.group()], script)
        answer = subprocess.run(["bash", "-c", script], env=ENVIRONMENT, check=True, text=True,
                                stdout=subprocess.PIPE).stdout
        tokens.update(zip(TOKEN.findall(expected), TOKEN.findall(answer), strict=True))
        expected = TOKEN.sub(lambda found: tokens[found.group()], expected)

        status, headers, json = parse_answer(expected)
        real_status, real_headers, real_json = parse_answer(answer)
        assert (real_status, real_json) == (status, json), text
        assert set(headers) <= set(real_headers), text


def test_help_of_chatd():
    assert "```text\n%s```\n" % subprocess.check_output([CHATD, "--help"], text=True) in README.read_text()
