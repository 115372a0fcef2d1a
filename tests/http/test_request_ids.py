"""The id of a request: in its response, in the logs of chatd and of PostgreSQL; and the access log as JSON."""

import json
import re
import subprocess

import pytest

from conftest import wait_until

MADE = re.compile(r"[0-9a-f]{16}")
LONGEST = "a" * 64


def send(chatd, path, *ids, method="GET", body=""):
    """The response to a request with any number of such headers."""
    head = "%s %s HTTP/1.1\r\nHost: x\r\n" % (method, path)
    head += "".join("X-Request-Id: %s\r\n" % name for name in ids)
    head += "Content-Length: %d\r\n" % len(body) if body else ""
    return chatd.talk((head + "\r\n" + body).encode())[0]


def server_log(cluster):
    return (cluster.directory / "log").read_text()


@pytest.mark.parametrize("sent", ["1", LONGEST, "7b8c1e1e-2f6f-4d3a-9b1b-0d1f6a3f9c11", "Root=1-67891233-abcdef012345678912345678", "a.b/c+d_e@f:g="])
def test_sane_ids_are_taken_over(chatd, sent):
    for path in ("/healthz", "/nothing", "/applications/x"):
        assert send(chatd, path, sent).headers["x-request-id"] == sent


@pytest.mark.parametrize("sent", [[], [""], ["a b"], [LONGEST + "a"], ["a\"b"], ["gr\u00fcn"], ["<b>"], ["one", "two"], ["one", "one"]])
def test_others_are_made(chatd, sent):
    first, second = (send(chatd, "/healthz", *sent) for _ in range(2))
    assert first.status == 200
    assert MADE.fullmatch(first.headers["x-request-id"]) and MADE.fullmatch(second.headers["x-request-id"])
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


def test_every_response_has_one(chatd, messages):
    assert send(chatd, messages, "one", method="POST", body="data[body]=x").status == 415
    for answer in (send(chatd, messages, "one", method="POST", body="x" * 10), send(chatd, "/", "one", method="OPTIONS"),
                   send(chatd, "/", "one", method="BREW"), send(chatd, "/", "one", method="DELETE")):
        assert answer.headers["x-request-id"] == "one", answer
    # What is refused before its headers are known to be right gets one that was made.
    answer, closed = chatd.talk(b"GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: one\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")
    assert closed and answer.status == 400 and MADE.fullmatch(answer.headers["x-request-id"])


@pytest.fixture
def failing(cluster, token):
    """An application whose chats cannot be created, which is told at the end of the statement, or of the transaction."""
    number = cluster.sql("SELECT id FROM chat.get_application('%s')" % token)

    def fail(deferred):
        cluster.sql("CREATE OR REPLACE FUNCTION public.fail_with_label() RETURNS trigger LANGUAGE plpgsql AS"
                    " $$BEGIN RAISE division_by_zero; END$$;"
                    " CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON chat.chats %s FOR EACH ROW"
                    " WHEN (NEW.application_id = %s) EXECUTE FUNCTION public.fail_with_label()"
                    % ("DEFERRABLE INITIALLY DEFERRED" if deferred else "", number))

    yield fail
    cluster.sql("DROP FUNCTION public.fail_with_label() CASCADE")


@pytest.mark.parametrize("deferred", [False, True])
def test_failed_statements_name_their_request(chatd, cluster, chats, failing, deferred):
    failing(deferred)
    name = "failed-%s-%s" % (deferred, chats[14:20])
    answer = send(chatd, chats, name, method="POST")
    assert answer.status == 422 and answer.headers["x-request-id"] == name
    log = server_log(cluster)
    at = log.index("X-Request-Id: " + name)
    assert "division_by_zero" in log[log.rindex("ERROR:", 0, at):at]
    assert deferred or "chat.create_chat_json" in log[at:]
    assert "in request %s" % name in chatd.log()


def test_failed_batches_name_their_requests(start_chatd, cluster, messages, token):
    """One of them at the least; each that is tried by itself names itself."""
    number = cluster.sql("SELECT id FROM chat.get_application('%s')" % token)
    server = start_chatd("--writers", "1").ready()
    cluster.sql("CREATE OR REPLACE FUNCTION public.refuse_with_label() RETURNS trigger LANGUAGE plpgsql AS"
                " $$BEGIN IF NEW.body = 'bad' THEN RAISE division_by_zero; END IF; RETURN NEW; END$$;"
                " CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON chat.messages DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
                " WHEN (NEW.application_id = %s) EXECUTE FUNCTION public.refuse_with_label()" % number)
    try:
        lock = cluster.session("BEGIN; LOCK TABLE chat.messages")
        wires = [server.wire() for _ in range(5)]
        for index, wire in enumerate(wires):
            body = '{"data":{"body":"%s"}}' % ("bad" if index == 2 else "good")
            wire.send(("POST %s HTTP/1.1\r\nHost: x\r\nX-Request-Id: batch-%d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                       % (messages, index, len(body), body)).encode())
        lock.communicate()
        answers = [wire.answer() for wire in wires]
        assert [answer.status for answer in answers] == [201, 201, 422, 201, 201]
        assert [answer.headers["x-request-id"] for answer in answers] == ["batch-%d" % index for index in range(5)]
        wait_until(lambda: re.search(r"X-Request-Id: batch-2$", server_log(cluster), re.M), "the request that failed alone")
    finally:
        cluster.sql("DROP FUNCTION public.refuse_with_label() CASCADE")


def test_look_ups_of_credentials_name_their_request(start_chatd, cluster, token):
    server = start_chatd("--require-keys", "--statement-timeout", "1").ready()
    lock = cluster.session("BEGIN; LOCK TABLE chat.api_keys, chat_internal.tickets")
    try:
        for name, path, headers in (("of-a-key", "/applications", "Authorization: Bearer pgc_1_%s\r\n" % ("a" * 32)),
                                    ("of-a-ticket", "/applications/%s?ticket=%s" % (token, "0" * 32), "")):
            with server.wire() as wire:
                wire.send(("GET %s HTTP/1.1\r\nHost: x\r\nX-Request-Id: %s\r\n%s\r\n" % (path, name, headers)).encode())
                wait_until(lambda name=name: re.search(r"X-Request-Id: %s$" % name, server_log(cluster), re.M), "the line of " + name)
    finally:
        lock.communicate()


def test_exports_name_their_request(start_chatd, cluster, messages):
    """Each of their statements does."""
    server = start_chatd(database="host=%s dbname=%s user=postgres options='-c log_min_duration_statement=0'" % (cluster.directory, cluster.database)).ready()
    server.post(messages, {"body": "x"})
    assert send(server, messages.replace("/messages", "/export"), "exported").status == 200
    for statement in ("open_export", "measure_export", "rewind_export", "read_export"):
        wait_until(lambda statement=statement: re.search(r"execute %s: [^\n]*\n(?:\t[^\n]*\n)*[^\n]*DETAIL: [^\n]*'X-Request-Id: exported'" % statement,
                                                         server_log(cluster)), statement)


def test_only_labels_are_logged(cluster):
    """A parameter that looks like one and is not stays out of the log."""
    script = cluster.directory / "script"
    script.write_text("SELECT chat.fold('x');\nSELECT 1 / (random() * 0)::integer WHERE :label::text IS NOT NULL;\n")
    script.chmod(0o644)
    for label in ("X-Request-Id: a\tb", "X-Request-Id: " + "a" * 1001, "X-Request: z", "X-Request-Id: good-label"):
        with pytest.raises(subprocess.CalledProcessError):
            cluster.run("pgbench", "-h", cluster.directory, "-U", "postgres", "-n", "-t", "1", "-M", "extended",
                        "-D", "label=" + label, "-f", script, cluster.database)
    log = server_log(cluster)
    assert "CONTEXT:  X-Request-Id: good-label" in log
    assert "a\tb" not in log and "a" * 1001 not in log and "X-Request: z" not in log


def test_the_access_log_as_json(start_chatd, token):
    server = start_chatd("--access-log-json")
    send(server.ready(), "/applications/%s/chats?limit=5&x=%%22%c" % (token, 0xe9), "json-1")
    send(server, "/\u202e\"\\", "json-2")
    server.talk(b"BR\"EW / HTTP/1.1\r\n\r\n")

    def lines():
        return {line["id"]: line for line in map(json.loads, re.findall(r"^\{.*$", server.log(), re.M))}

    wait_until(lambda: {"json-1", "json-2"} <= lines().keys(), "the lines")
    line = lines()["json-1"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert 0 <= line.pop("seconds") < 20 and line.pop("pid") > 0 and line.pop("bytes") > 0
    assert line == {"id": "json-1", "method": "GET", "route": "/applications/{token}/chats", "status": 200,
                    "target": "/applications/%s.../chats?limit=5&x=%%22%%C3%%A9" % token[:6]}
    assert lines()["json-2"]["status"] == 404 and "route" not in lines()["json-2"]
    assert lines()["json-2"]["target"] == "/%E2%80%AE\"\\"
    assert token not in server.log() and "access:" not in server.log()


def test_the_access_log_names_requests(start_chatd):
    server = start_chatd("--access-log").ready()
    send(server, "/healthz", "text-1")
    wait_until(lambda: re.search(r" access: GET /healthz 200 15 \d+ms text-1$", server.log(), re.M), "the line")
