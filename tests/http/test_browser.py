"""A real browser's EventSource, on a page of another origin."""

import http.server
import json
import queue
import shutil
import signal
import subprocess
import threading

import pytest

from conftest import wait_until
from test_readme import example
from test_streams import application, create, live, path    # pylint: disable=unused-import

BROWSERS = ["chromium-headless-shell", "chromium"]
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)

# CI has one: there these tests fail without.
pytestmark = pytest.mark.skipif(BROWSER is None and not os.environ.get("CI"), reason="there is no Chromium")

# As frontend/README.md shows it, and what it is told goes to the page's own server.
PAGE = """<!DOCTYPE html><script>
// One after the other, since a browser sends requests over several connections.
let told = Promise.resolve();
const tell = what => told = told.then(() => fetch("/told", {method: "POST", body: JSON.stringify(what)}));
const follow = url => {
	const source = new EventSource(url);
	for (const name of ["ready", "message", "updated", "deleted", "reset", "gone", "unavailable"])
		source.addEventListener(name, event => tell([name, event.lastEventId, JSON.parse(event.data)]));
	source.onopen = () => tell(["open"]);
	source.onerror = () => tell(["error", source.readyState]);
};
SCRIPT
</script>"""


class Page:
    """A page in a browser, with a script; told has what it was told, in its order."""

    def __init__(self, directory):
        self.told = queue.Queue()
        self.script = ""
        page = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.respond(PAGE.replace("SCRIPT", page.script).encode())

            def do_POST(self):
                page.told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.respond(b"")

            def respond(self, body):
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = "http://127.0.0.1:%d" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.directory = directory
        self.browser = None

    def open(self, script):
        self.script = script
        self.browser = subprocess.Popen([BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                                         "--user-data-dir=%s" % self.directory, "--remote-debugging-port=0", self.origin],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def next(self, *names):
        """What it is told next, of these kinds."""
        while True:
            told = self.told.get(timeout=40)
            if told[0] in names:
                return told

    def close(self):
        if self.browser:
            self.browser.kill()
            self.browser.wait()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def page(tmp_path):
    page = Page(tmp_path / "profile")
    yield page
    page.close()


def test_event_source(start_chatd, live, application, path, page):
    """It is told each message once, though chatd is killed, stopped, and without a database meanwhile."""
    flags = ("--origins", page.origin, "--share-port")
    server = start_chatd(*flags, database=live.conninfo()).ready()
    page.open("follow('%s')" % (server.url + path + "/stream"))
    assert page.next("ready")[1:] == ["0.0", {"position": "0.0"}]
    last = 0

    def write_and_see(count):
        nonlocal last
        create(live, application, count)
        for _ in range(count):
            last += 1
            told = page.next("message", "updated", "deleted", "reset")
            assert (told[0], told[1], told[2]["number"]) == ("message", "%d.0" % last, last)

    write_and_see(3)
    for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        server.process.send_signal(how)
        server.process.wait()
        create(live, application, 2)
        assert page.next("error") == ["error", 0]
        server = start_chatd("--port", str(server.port), *flags, database=live.conninfo()).ready()
        assert page.next("ready")[1] == "%d.0" % last
        for _ in range(2):
            last += 1
            assert page.next("message", "reset")[1] == "%d.0" % last
        write_and_see(2)
    live.stop("immediate")
    wait_until(lambda: server.get("/readyz").status == 503, "chatd to notice")
    server.process.kill()
    server.process.wait()
    server = start_chatd("--port", str(server.port), *flags, database=live.conninfo())
    assert page.next("unavailable")[2] == {"error": "The database is not available."}
    live.start()
    write_and_see(2)


def test_a_ticket(start_chatd, live, application, path, page):
    """A credential that cannot stand in a URL buys a ticket; when it is revoked the stream ends, for good."""
    server = start_chatd("--origins", page.origin, "--require-keys", database=live.conninfo()).ready()
    key = live.sql("SELECT chat.create_key('browser', 'read', %d)" % application[0])
    page.open("""
        const application = "%s/applications/%s";
        fetch(application + "/tickets", {method: "POST", headers: {Authorization: "Bearer %s"}})
            .then(response => response.json()).then(answer => follow(application + "/chats/1/messages/stream?ticket=" + answer.ticket));
        """ % (server.url, application[1], key))
    assert page.next("ready", "error")[0] == "ready"
    create(live, application, 1)
    assert page.next("message", "error")[2]["number"] == 1
    live.sql("SELECT chat.revoke_key(%s)" % key.split("_")[1])
    assert page.next("message", "error") == ["error", 0]
    assert page.next("ready", "error") == ["error", 2]


def test_script_of_the_readme(start_chatd, live, application, path, page):
    """The example in frontend/README.md."""
    server = start_chatd("--origins", page.origin, database=live.conninfo()).ready()
    page.open("const url = '%s', token = '%s', show = message => tell(['show', message]);\n%s"
              "source.addEventListener('ready', () => tell(['ready']));" % (server.url, application[1], example("event-source")))
    page.next("ready")
    create(live, application, 1)
    live.sql("SELECT chat.update_message(%d, 1, 1, 'edited')" % application[0])
    live.sql("SELECT chat.delete_message(%d, 1, 1)" % application[0])
    bodies = [page.next("show")[1]["body"]]
    while bodies[-1]:
        bodies.append(page.next("show")[1]["body"])
    assert bodies in (["x", "edited", ""], ["x", ""], ["edited", ""], [""])
