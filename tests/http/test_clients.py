"""Real clients and gateways, with their defaults."""

import json
import shutil
import signal
import subprocess

import pytest

from conftest import Answer, wait_until
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
	for (let i = 0; i < 12; i++) {
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
    assert json.loads(answers) == {"201": 12}


@pytest.fixture
def nginx(chatd, tmp_path):
    """The address of an nginx that shows chatd under /chat/."""
    (tmp_path / "nginx.conf").write_text("""
        daemon off; pid %(dir)s/pid; error_log stderr; worker_processes 1;
        events {}
        http {
            access_log off;
            client_body_temp_path %(dir)s/body; proxy_temp_path %(dir)s/proxy; fastcgi_temp_path %(dir)s/fastcgi;
            uwsgi_temp_path %(dir)s/uwsgi; scgi_temp_path %(dir)s/scgi;
            server { listen unix:%(dir)s/socket; location /chat/ { proxy_pass %(url)s/; } }
        }""" % {"dir": tmp_path, "url": chatd.url})
    process = subprocess.Popen(["nginx", "-c", tmp_path / "nginx.conf"], stderr=subprocess.DEVNULL)
    wait_until((tmp_path / "socket").exists, "nginx")
    yield tmp_path / "socket"
    process.send_signal(signal.SIGTERM)
    process.wait()


@program("nginx")
def test_links_behind_a_prefix(chatd, messages, nginx):
    for number in range(3):
        chatd.post(messages, {"body": str(number)})
    url, seen = "http://x/chat%s?limit=1" % messages, []
    while url:
        answer = subprocess.check_output(["curl", "-si", "--unix-socket", nginx, url], text=True)
        head, _, body = answer.replace("\r", "").partition("\n\n")
        assert " 200 " in head.splitlines()[0]
        seen += [row["number"] for row in json.loads(body)]
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head.splitlines()[1:])}
        url = links(Answer(200, headers, body, None), url).get("next")
    assert seen == [1, 2, 3]
