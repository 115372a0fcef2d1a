"""Real clients and gateways, with their defaults."""

import json
import shutil
import socket
import subprocess

import pytest

from conftest import TOP, Answer, parse_json, wait_until
from test_paging import links

GO = """package main
import ("bytes"; "fmt"; "io"; "net/http"; "os")
func main() {
	response, err := http.Post(os.Args[1], "application/json", bytes.NewReader(bytes.Repeat([]byte("x"), 64 << 20)))
	if err != nil { fmt.Println(err); return }
	body, err := io.ReadAll(response.Body)
	fmt.Println(response.StatusCode, string(body), err)
}
"""

NODE_BODY = """
const request = require("http").request(process.argv[1], {method: "POST", headers: {"Content-Type": "application/json"}}, response => {
	response.resume().on("end", () => console.log(response.statusCode));
});
request.on("error", error => console.log(error.message));
request.end(Buffer.alloc(64 << 20, "x"));
"""

# Pauses around the idle timeout: a request must not cross the end of its connection.
NODE_AGENT = """
const http = require("http"), agent = new http.Agent({keepAlive: true, maxSockets: 1});
const pause = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));
const post = () => new Promise(resolve => {
	const request = http.request(process.argv[1], {agent, method: "POST"}, response => response.resume().on("end", () => resolve(response.statusCode)));
	request.on("error", error => resolve(error.code)).end();
});
(async () => {
	const seen = {};
	for (let i = 0; i < 6; i++) {
		const answer = await post();
		seen[answer] = (seen[answer] || 0) + 1;
		await pause(1900 + 100 * i);
	}
	console.log(JSON.stringify(seen));
})();
"""


def program(name):
    return pytest.mark.skipif(shutil.which(name) is None, reason="there is no " + name)


@program("node")
def test_node_reads_that_its_body_is_too_large(chatd, messages):
    for _ in range(3):
        assert subprocess.check_output(["node", "-e", NODE_BODY, chatd.url + messages], text=True).strip() == "413"


@program("go")
def test_go_reads_that_its_body_is_too_large(chatd, messages, tmp_path):
    (tmp_path / "post.go").write_text(GO)
    subprocess.run(["go", "build", "-o", tmp_path / "post", tmp_path / "post.go"], check=True, cwd=tmp_path)
    for _ in range(3):
        answer = subprocess.check_output([tmp_path / "post", chatd.url + messages], text=True)
        assert answer.startswith("413 {") and answer.endswith("<nil>\n")


@program("node")
def test_node_keeps_connections(start_chatd, chats):
    server = start_chatd("--idle-timeout", "2").ready()
    answers = subprocess.check_output(["node", "-e", NODE_AGENT, server.url + chats], text=True)
    assert json.loads(answers) == {"201": 6}


# Apache HttpClient is run from its source, with the jars that tests/run.sh fetched where there is Maven.
apache_client = pytest.mark.skipif(not (shutil.which("mvn") and shutil.which("javac")), reason="there is no Maven, or no JDK")


def start_apache(url, body, *pauses):
    """Apache HttpClient posts body, after each pause again."""
    return subprocess.Popen(["java", "-cp", "%s/*" % (TOP / "build/apache"), TOP / "tests/http/apache/Post.java", url, json.dumps({"data": body}),
                             *map(str, pauses)], text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def answers(client):
    """The status or exception of each request."""
    return [line.split()[0] for line in client.communicate(timeout=120)[0].splitlines()]


@apache_client
def test_apache_repeats_what_was_refused(start_chatd, cluster, messages):
    """It waits as Retry-After says, and stores once."""
    cluster.sql("ALTER ROLE chat_api SET default_transaction_read_only = on")
    try:
        server = start_chatd("--access-log").ready()
        client = start_apache(server.url + messages, {"body": "once"})
        wait_until(lambda: " 503 " in server.log().rpartition("POST")[2], "a refusal")
    finally:
        cluster.sql("ALTER ROLE chat_api RESET default_transaction_read_only")
    assert answers(client) == ["201"]
    assert len(server.get(messages).json) == 1


@apache_client
def test_apache_keeps_connections(start_chatd, chats):
    server = start_chatd("--idle-timeout", "2").ready()
    assert answers(start_apache(server.url + chats, {}, *range(1900, 2300, 100))) == ["201"] * 5


@apache_client
def test_apache_reads_that_its_body_is_too_large(chatd, messages):
    assert answers(start_apache(chatd.url + messages, {"body": "x" * 120000}, *[0] * 5)) == ["422"] * 6


NGINX = """
daemon off; pid {dir}/pid; error_log stderr; worker_processes 1;
events {{}}
http {{
    access_log off; client_max_body_size 1m;
    client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
    upstream chatd {{ server 127.0.0.1:{port}; keepalive 4; }}
    server {{ listen unix:{dir}/socket; location /chat/ {{ proxy_pass http://chatd/; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}
}}
"""

HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 40s
frontend clients
    bind unix@{dir}/socket
    default_backend chatd
backend chatd
    http-request replace-path /chat(/.*) \\1
    option httpchk GET /readyz
    server chatd 127.0.0.1:{port} check inter 100ms rise 1 fall 1
"""

GATEWAYS = {"nginx": (NGINX, ["nginx", "-c"]), "haproxy": (HAPROXY, ["haproxy", "-db", "-f"])}


def listens(path):
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


@pytest.fixture
def start_gateway(tmp_path, request):
    """Starts a gateway that shows a chatd under /chat/; returns a function that asks it by curl."""
    configuration, command = GATEWAYS[request.param]
    started = []

    def start(server):
        (tmp_path / "conf").write_text(configuration.format(dir=tmp_path, port=server.port))
        started.append(subprocess.Popen([*command, tmp_path / "conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        wait_until(lambda: listens(tmp_path / "socket"), request.param)
        return lambda path, *options: parse_curl(
            subprocess.check_output(["curl", "-si", "--unix-socket", tmp_path / "socket", "http://x/chat" + path, *options], text=True))

    yield start
    for process in started:
        process.terminate()
        process.wait()


def parse_curl(text):
    head, _, body = text.replace("\r", "").partition("\n\n")
    while head.split()[1] == "100":
        head, _, body = body.partition("\n\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head.splitlines()[1:])}
    return Answer(int(head.split()[1]), headers, body, parse_json(body))


gateways = pytest.mark.parametrize("start_gateway", [pytest.param(name, marks=program(name)) for name in GATEWAYS], indirect=True)


@gateways
def test_links_behind_a_prefix(chatd, messages, start_gateway):
    ask = start_gateway(chatd)
    for number in range(3):
        chatd.post(messages, {"body": str(number)})
    base, seen = "http://x/chat", []
    url = base + messages + "?limit=1"
    while url:
        answer = ask(url[len(base):])
        assert answer.status == 200
        seen += [row["number"] for row in answer.json]
        url = links(answer, url).get("next")
    assert seen == [1, 2, 3]


@gateways
def test_posts_through_a_gateway(chatd, messages, start_gateway, tmp_path):
    """Its connections are kept; what is refused is refused with chatd's words."""
    ask = start_gateway(chatd)
    for number in range(1, 20):
        answer = ask(messages, "-d", "data[body]=%d" % number)
        assert (answer.status, answer.json["number"]) == (201, number)
    (tmp_path / "large").write_text("x" * 700000)
    answer = ask(messages, "-H", "Content-Type: application/json", "--data-binary", "@%s" % (tmp_path / "large"))
    assert answer.status == 413 and list(answer.json) == ["error"]
    assert ask(messages, "-d", "data[body]=").json == {"body": ["can't be blank"]}


@pytest.mark.parametrize("start_gateway", [pytest.param("haproxy", marks=program("haproxy"))], indirect=True)
def test_a_gateway_that_looks_at_readyz(start_chatd, start_gateway, tmp_path):
    """Where the database is away it sends no clients."""
    ask = start_gateway(start_chatd(database="host=%s dbname=chat" % tmp_path))
    wait_until(lambda: ask("/healthz").status == 503, "the gateway to notice")
