"""A real browser: chromium, driven by chromedriver over the WebDriver protocol."""

import base64
import json
import pathlib
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request

from conftest import wait_until

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def start_driver(directory):
    """chromedriver, and its port: a free one that it chooses for IPv6, and gives up if IPv4 has it in use."""
    said = []
    for _ in range(10):
        driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  env={"HOME": str(directory), "PATH": "/usr/bin:/bin", "TMPDIR": str(directory)})
        for line in driver.stdout:
            said.append(line)
            if "started successfully on port" in line:
                return driver, line.split()[-1].rstrip(".")
        driver.wait()
    raise AssertionError(said)


class Browser:
    """One window. dark, width and height are what pages see of the person."""

    def __init__(self, dark=False, width=1200, height=1000):
        # chromium makes a socket in there, whose path must not be long.
        self.directory = directory = pathlib.Path(tempfile.mkdtemp())
        self.process, port = start_driver(directory)
        self.url = "http://127.0.0.1:%s/session" % port
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                     "--user-data-dir=%s" % (directory / "profile"), "--window-size=%d,%d" % (width, height), "--hide-scrollbars"]
        capabilities = {"browserName": "chrome", "goog:chromeOptions": {"args": arguments, "binary": shutil.which("chromium")},
                        "goog:loggingPrefs": {"browser": "ALL"}}
        self.url += "/" + self.send("POST", "", {"capabilities": {"alwaysMatch": capabilities}})["sessionId"]
        self.command("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})
        self.command("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})

    def send(self, method, path, data=None):
        request = urllib.request.Request(self.url + path, None if data is None else json.dumps(data).encode(), {"Content-Type": "application/json"},
                                         method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(json.load(error)["value"]["message"]) from None

    def command(self, name, parameters):
        """A command of the DevTools protocol."""
        return self.send("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def go(self, url):
        self.send("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        return self.send("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def find(self, selector):
        return self.send("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self.send("POST", "/element/%s/click" % self.find(selector), {})

    def type(self, selector, text):
        self.send("POST", "/element/%s/value" % self.find(selector), {"text": text})

    def press(self, key):
        """A key, wherever the focus is."""
        self.send("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]}]})

    def text(self, selector):
        return self.run("return [...document.querySelectorAll(arguments[0])].map(found => found.innerText).join('\\n')", selector)

    def wait(self, script, what):
        return wait_until(lambda: self.run("return " + script), what, timeout=30, every=0.05)

    def complaints(self):
        """What the page's console has, such as violations of its policy, since the last call."""
        return [entry["message"] for entry in self.send("POST", "/se/log", {"type": "browser"}) if entry["level"] in ("SEVERE", "WARNING")]

    def picture(self, path):
        path.write_bytes(base64.b64decode(self.send("GET", "/screenshot")))

    def close(self):
        try:
            self.send("DELETE", "")
        finally:
            self.process.terminate()
            self.process.wait()
            shutil.rmtree(self.directory, ignore_errors=True)
