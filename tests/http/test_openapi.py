"""The description of the API: it has each route and method, and Schemathesis finds nothing else than it says."""

import json
import os
import re
import subprocess

import pytest

from conftest import TOP, wait_until
from credentials import bearer, make_key

LIBRARY = TOP / "build/schemathesis"
HAS_PIP = subprocess.run(["/usr/bin/python3", "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
          "response_schema_conformance", "unsupported_method"]
METHODS = ("get", "post", "put", "patch", "delete")
PROBLEM = {"Accept": "application/problem+json"}


@pytest.fixture(scope="module")
def description(chatd):
    answer = chatd.get("/openapi.json")
    assert answer.status == 200 and answer.headers["content-type"] == "application/json; charset=utf-8"
    return answer.json


def operations(description):
    return {(method.upper(), path): operation for path, item in description["paths"].items()
            for method, operation in item.items() if method in METHODS}


def resolve(description, node):
    """What a reference stands for."""
    while "$ref" in node:
        parts = node["$ref"].split("/")[1:]
        node = description
        for part in parts:
            node = node[part]
    return node


def references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_it_has_each_route_and_method(chatd, description):
    found = set()
    for pattern in chatd.get("/").json["paths"]:
        allowed = chatd.request("OPTIONS", re.sub(r"\{\w+\}", "1", pattern)).headers["allow"].split(", ")
        found.update((method, pattern) for method in allowed if method not in ("HEAD", "OPTIONS"))
    assert found == set(operations(description))


def test_it_holds_together(description):
    assert description["openapi"] == "3.1.0" and re.fullmatch(r"\d+\.\d+", description["info"]["version"])
    used = set()
    for reference in references(description):
        resolve(description, reference)
        used.add(reference["$ref"])
    for kind, members in description["components"].items():
        if kind != "securitySchemes":
            assert {"#/components/%s/%s" % (kind, name) for name in members} <= used, kind
    found = operations(description)
    assert len({operation["operationId"] for operation in found.values()}) == len(found)
    for (method, path), operation in found.items():
        parameters = [resolve(description, parameter) for parameter in operation["parameters"]]
        assert {parameter["name"] for parameter in parameters if parameter["in"] == "path"} == set(re.findall(r"\{(\w+)\}", path)), path
        assert {"400", "503"} <= operation["responses"].keys() and operation["summary"], path


def test_scopes_are_those_of_the_table(description):
    table = (TOP / "frontend/access/README.md").read_text()
    for (method, path), operation in operations(description).items():
        scope = re.search(r"^\| %s \| `%s` \| (\w+) \|" % (method, re.escape(path)), table, re.M).group(1)
        assert operation.get("x-scope", "none") == scope and ("401" in operation["responses"]) == (scope != "none"), path


def read_by(chatd, method, path, name):
    """Does the handler read a parameter of the query? If so, it refuses what cannot be one, or is given twice, and names it; and takes one by itself."""
    target = re.sub(r"\{\w+\}", "1", path)
    body = json.dumps({"data": [{"chat_number": 1, "body": "x"}]}) if method == "POST" else None

    def refused(query):
        answer = chatd.request(method, target + "?" + query, body, {"Content-Type": "application/json"} if body else {})
        return answer.status == 400 and "'%s'" % name in answer.json.get("error", "") and answer.json["error"]

    # Without what is sought, nothing else is looked at; lists have the parameter, and nothing to seek.
    if name == "query":
        return bool(refused(""))
    required = "query=x&" if path.endswith("/search") else ""
    return bool(refused(required + "%s=%%21&%s=%%21" % (name, name))) and not any(
        re.search("is (not )?for ", refused(required + name + value) or "") for value in ("=1", "=1.1", "=true"))


def test_parameters_of_queries(chatd, description):
    """The document has those that handlers read, and no others."""
    sources = "".join(source.read_text() for source in (TOP / "frontend/api").glob("*.c"))
    names = {name for found in re.findall(r'query_flag\(request, "(\w+)"|strcmp\(name\.bytes, "(\w+)"\)|\{"(\w+)", (?:&|after\}|[01],)', sources) for name in found if name}
    assert {"last_event_id", "chats", "cursors", "after", "before", "limit", "last", "sender", "query", "deleted", "atomic", "wait"} <= names
    for (method, path), operation in operations(description).items():
        parameters = [resolve(description, parameter) for parameter in operation["parameters"]]
        documented = {parameter["name"] for parameter in parameters if parameter["in"] == "query"}
        assert {name for name in names | documented if read_by(chatd, method, path, name)} == documented, (method, path)


def test_fields_of_bodies(description):
    """The document has the fields that the table of routes has."""
    source = (TOP / "frontend/api/routes.c").read_text()
    lists = {name: re.findall(r'"(\w+)"', fields) for name, fields in re.findall(r"\*const (\w+_fields)\[\] = \{(.*?)NULL", source, re.S)}
    routes = {pattern: set(lists[fields]) for pattern, fields in re.findall(r'\{\.pattern = "([^"]+)"[^{}]*?\.fields = (\w+)', re.sub(r"(?<=\w)\}(?=[/\"])|\{(?=\w)", "", source))}
    assert len(routes) == 9

    def members(schema):
        schema = resolve(description, schema)
        found = set(schema.get("properties", ()))
        for part in schema.get("allOf", []) + schema.get("oneOf", []) + ([schema["items"]] if "items" in schema else []):
            found |= members(part)
        return found

    for (method, path), operation in operations(description).items():
        fields = routes.get(re.sub(r"[{}]", "", path), set()) if method in ("POST", "PUT", "PATCH") else set()
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" in content:
            assert members(resolve(description, content["application/json"]["schema"])["properties"]["data"]) == fields, (method, path)
        else:
            assert not fields or (method, path.rsplit("/", 1)[1]) == ("POST", "tickets"), (method, path)
        if "application/x-www-form-urlencoded" in content:
            form = members(content["application/x-www-form-urlencoded"]["schema"])
            assert form <= {"data[%s]" % field for field in fields} and {"data[number]", "data[back]"} & form == {
                "data[%s]" % field for field in fields & {"number", "back"}}, (method, path)


def test_no_object_is_left_open(description):
    """Each schema says what its objects have; but for metadata, which is a client's."""
    def bare(node, path):
        if isinstance(node, dict):
            if node.get("type") == "object" and not {"properties", "additionalProperties"} & node.keys():
                yield path
            for name, value in node.items():
                yield from bare(value, path + "/" + name)
        elif isinstance(node, list):
            for at, value in enumerate(node):
                yield from bare(value, "%s/%d" % (path, at))

    assert [path for path in bare(description, "") if not path.startswith("/paths//openapi.json/") and not path.endswith("/metadata")] == []


def test_tickets_are_credentials(description):
    """Of each GET below an application, and of nothing else."""
    assert description["components"]["securitySchemes"]["ticket"] == {"type": "apiKey", "in": "query", "name": "ticket", "description":
        description["components"]["securitySchemes"]["ticket"]["description"]}
    for (method, path), operation in operations(description).items():
        assert ({"ticket": []} in operation["security"]) is (method == "GET" and "{token}" in path), (method, path)


def test_the_status_is_as_described(chatd, cluster, description):
    """Each part of it has what its schema requires, and nothing else."""
    make_key(cluster, "read")
    status = wait_until(lambda: (found := chatd.get("/status").json)["keys"] and found, "the key")
    schemas = description["components"]["schemas"]
    assert set(status["worker"]) == set(schemas["ServerStatus"]["properties"]["worker"]["required"])
    for part, name in (("jobs", "ServerJob"), ("keys", "ServerKey")):
        assert status[part] and all(set(row) == set(schemas[name]["required"]) for row in status[part]), part


def test_errors_as_problems(chatd, messages, new_name):
    for answer, status, title, detail in (
            (chatd.request("GET", "/nothing", headers=PROBLEM), 404, "Not Found", "There is nothing at this path."),
            (chatd.request("GET", messages + "/999", headers={"Accept": "text/plain, Application/Problem+JSON;q=0.5"}), 404, "Not Found", "Message not found"),
            (chatd.request("PUT", "/healthz", headers=PROBLEM), 405, "Method Not Allowed", "The method is not allowed here."),
            (chatd.request("POST", messages, "{", {"Content-Type": "application/json", **PROBLEM}), 400, "Bad Request", "The body is not valid JSON: line 1, column 1.")):
        assert answer.status == status and answer.headers["content-type"] == "application/problem+json", answer
        assert answer.json == {"type": "about:blank", "title": title, "status": status, "detail": detail}
    answer = chatd.request("POST", messages, json.dumps({"data": {"body": "", "number": 0}}), {"Content-Type": "application/json", **PROBLEM})
    assert answer.json == {"type": "about:blank", "title": "Unprocessable Content", "status": 422,
                           "errors": {"body": ["can't be blank"], "number": ["must be greater than 0"]}}
    # Weights: what is refused, by 0, is not sent.
    for accept, wanted in (("application/problem+json;q=0", False), ("application/problem+json ; q=0.000, application/json", False),
                           ("application/problem+json;q=0.001", True), ("text/html;q=0,application/problem+json;charset=utf-8;Q=1", True),
                           ("application/problem+jsonx", False), ("xapplication/problem+json", False), ("application/*", False), (",;q=0,", False), ("", False)):
        answer = chatd.request("GET", "/nothing", headers={"Accept": accept})
        assert (answer.headers["content-type"] == "application/problem+json") is wanted, accept
    # What succeeds, and HEAD, are as ever; so is an error for those who do not ask.
    assert chatd.request("GET", messages, headers=PROBLEM).headers["content-type"].startswith("application/json")
    assert chatd.request("HEAD", "/nothing", headers=PROBLEM).body == b""
    assert chatd.request("GET", "/nothing", headers={"Accept": "*/*"}).json == {"error": "There is nothing at this path."}


def explore(server, token, directory, *options, phases="coverage,fuzzing"):
    """Have Schemathesis try all operations, on the application of a token; but for streams, which do not end."""
    # CI has it: there these tests fail without.
    if not HAS_PIP and not os.environ.get("CI"):
        pytest.skip("there is no pip")
    config = directory / "schemathesis.toml"
    config.write_text('[parameters]\n"path.token" = "%s"\n"path.chat" = 1\n"query.wait" = 0\n' % token)
    done = subprocess.run(["/usr/bin/python3", "-m", "schemathesis.cli", "--config-file", config, "run", server.url + "/openapi.json",
                           "--checks", ",".join(CHECKS), "--max-examples", "5", "--seed", "1", "--phases", phases,
                           "--exclude-path-regex", "/stream$", "--request-timeout", "20",
                           "--suppress-health-check", "all", "--no-color", *options], cwd=directory, capture_output=True, text=True, check=False, timeout=900,
                          env={"PYTHONPATH": str(LIBRARY), "PATH": os.environ["PATH"], "HOME": str(directory), "LANG": "C.UTF-8"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^  Tested: (\d+)$", done.stdout, re.M)


@pytest.fixture
def filled(chatd, token):
    chatd.post("/applications/%s/chats" % token)
    chatd.post("/applications/%s/chats/1/messages" % token, {"body": "hello"})
    return token


def test_schemathesis(chatd, filled, tmp_path):
    explore(chatd, filled, tmp_path)


def test_schemathesis_with_keys(start_chatd, cluster, filled, tmp_path):
    server = start_chatd("--require-keys").ready()
    explore(server, filled, tmp_path, phases="fuzzing")
    explore(server, filled, tmp_path, "--header", "Authorization: " + bearer(make_key(cluster, "admin"))["Authorization"], phases="fuzzing")


def test_schemathesis_with_problems(chatd, filled, tmp_path):
    explore(chatd, filled, tmp_path, "--header", "Accept: application/problem+json", phases="fuzzing")
