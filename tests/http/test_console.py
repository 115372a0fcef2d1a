"""The console, in a real browser: two people in one chat, what operators see, and nothing that a message can do to it."""

import json
import re
import shutil

import pytest

from browser import Browser
from conftest import wait_until
from credentials import make_key

ENTER, TAB, RIGHT = "\ue007", "\ue004", "\ue014"
ANN, BOB = "#sides .card:nth-child(1)", "#sides .card:nth-child(2)"
HOSTILE = ["<img src=x onerror=\"document.title='broken'\">", "<script>document.title='broken'</script>", "\"><b>bold</b>", "&lt;i&gt;",
           "javascript:document.title='broken'", "\u202egnp.exe", "{{7*7}}"]

needs_browser = pytest.mark.skipif(not (shutil.which("chromedriver") and shutil.which("chromium")), reason="there is no chromium")


@pytest.fixture
def open_browser():
    """Opens a browser; it is closed after the test, and its console must have had nothing to complain of."""
    opened = []

    def start(url, **options):
        opened.append(Browser(**options))
        opened[-1].go(url)
        opened[-1].wait("document.getElementById('version').textContent", "the page")
        return opened[-1]

    yield start
    for browser in opened:
        complaints = [text for text in browser.complaints() if " 401 " not in text]
        browser.close()
        assert not complaints


def lines(browser, side):
    """The texts of the messages that a side sees."""
    return browser.run("return [...document.querySelectorAll(arguments[0] + ' .messages .body')].map(found => found.textContent)", side)


def send(browser, side, text):
    browser.type(side + " > form input", text)
    browser.press(ENTER)


def test_the_page_and_its_policy(chatd):
    page = chatd.get("/console")
    assert page.status == 200 and page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["x-content-type-options"] == "nosniff" and page.headers["referrer-policy"] == "no-referrer"
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'" and policy["connect-src"] == "'self'" and policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in page.headers["content-security-policy"]
    # It loads nothing, has no style of an element, and makes no markup of texts.
    text = page.body.decode()
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|<link|<img|<iframe| style=|innerHTML|insertAdjacentHTML|document\.write|eval\(", text)
    index = chatd.request("GET", "/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert index.body == page.body and index.headers["vary"] == "Accept" and index.headers["content-security-policy"]
    for accept in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        assert chatd.request("GET", "/", headers=accept).json["name"] == "chatd"


@needs_browser
def test_two_people_in_one_chat(chatd, cluster, open_browser):
    browser = open_browser(chatd.url + "/")
    browser.click("#begin")
    browser.wait("document.querySelectorAll('#sides .card').length == 2", "both sides")
    # What Ann writes, Bob sees, with its number and the milliseconds.
    send(browser, ANN, "Where is my order?")
    wait_until(lambda: lines(browser, BOB) == ["Where is my order?"], "the message")
    assert browser.text(BOB + " .number") == "#1" and re.fullmatch(r"\d+ ms", browser.text(BOB + " .delay"))
    assert browser.text(BOB + " .badge") == "1 unread"
    # A message from psql appears to both.
    cluster.sql(browser.text("#psql").replace("Hello from psql", "from psql"))
    for side in (ANN, BOB):
        wait_until(lambda side=side: lines(browser, side) == ["Where is my order?", "from psql"], "the message from psql")
    # Bob's connection is cut; Ann goes on, edits and deletes; Bob misses nothing, and has nothing twice.
    browser.click(BOB + " [aria-pressed]")
    assert "cut off" in browser.text(BOB)
    for number in range(5):
        send(browser, ANN, "while you were away %d" % number)
        wait_until(lambda number=number: len(lines(browser, ANN)) == 3 + number, "Ann's message")
    browser.click(ANN + " [aria-label='Edit message 1']")
    browser.type(ANN + " [aria-label='New text of message 1']", " Please!")
    browser.press(ENTER)
    browser.click(ANN + " [aria-label='Delete message 4']")
    wait_until(lambda: lines(browser, ANN)[0] == "Where is my order? Please!" and lines(browser, ANN)[3] == "deleted", "the changes")
    assert len(lines(browser, BOB)) == 2
    browser.click(BOB + " [aria-pressed]")
    wait_until(lambda: lines(browser, BOB) == lines(browser, ANN), "what Bob has missed")
    for side in (ANN, BOB):
        assert "connected, 7 messages, missed 0, doubled 0" in browser.text(side)
    # Reading takes the badge away.
    browser.click(BOB + " > form input")
    assert browser.run("return document.querySelector(arguments[0]).hidden", BOB + " .badge")
    # Search as you type, with what was found marked.
    browser.type("#query", "ORDER")
    browser.wait("document.querySelectorAll('#found mark').length == 1", "what was found")
    assert browser.text("#found mark") == "order" and browser.text("#found .number") == "#1"
    # A reload keeps the chat.
    browser.go(chatd.url + "/console")
    wait_until(lambda: len(lines(browser, ANN)) == 7, "the chat again")
    assert browser.run("return document.querySelector('#notice').hidden")


@needs_browser
def test_no_message_does_anything_to_the_page(chatd, cluster, open_browser):
    browser = open_browser(chatd.url + "/")
    browser.click("#begin")
    browser.wait("document.querySelectorAll('#sides .card').length == 2", "both sides")
    before = browser.run("return document.querySelectorAll('img, b, i, script').length")
    for text in HOSTILE:
        cluster.sql(browser.text("#psql").replace("'Hello from psql'", "'%s', sender => '%s'" % (2 * (text.replace("'", "''"),))))
    wait_until(lambda: lines(browser, ANN) == HOSTILE, "all of them, as they are")
    browser.type("#query", "document")
    browser.wait("document.querySelectorAll('#found mark').length >= 3", "what was found")
    cluster.sql("SELECT chat.create_application('%s')" % (HOSTILE[0].replace("'", "''")))
    browser.click("#tab-see")
    wait_until(lambda: HOSTILE[0] in browser.text("#applications"), "the application")
    assert browser.run("return document.querySelectorAll('img, b, i, script').length") == before
    assert browser.run("return document.title") == "pg_chat"


@needs_browser
def test_operators_see_what_is_wrong(chatd, cluster, open_browser, messages):
    browser = open_browser(chatd.url + "/#see")
    browser.wait("document.querySelectorAll('#problems pre').length > 0", "the problems")
    for problem, remedy in json.loads(cluster.sql("SELECT json_agg(json_build_array(problem, remedy)) FROM chat.problems()")):
        assert problem in browser.text("#problems") and remedy in browser.text("#problems")
    assert "SELECT chat.start_worker();" in browser.text("#problems") and "ALTER SYSTEM SET fsync = on" in browser.text("#problems")
    assert "reconcile" in browser.text("#jobs")
    browser.wait("document.querySelectorAll('#tiles polyline').length == 6", "the plots")
    for _ in range(50):
        chatd.post(messages, {"body": "x"})
    wait_until(lambda: re.search(r"Messages a second\n(?!0\n)\d", browser.text("#tiles") + "\n"), "the rate")


@needs_browser
def test_with_keys(start_chatd, cluster, open_browser):
    server = start_chatd("--require-keys").ready()
    assert server.get("/status").status == 401
    browser = open_browser(server.url + "/")
    browser.wait("!document.getElementById('key-form').hidden && document.getElementById('tab-try').hidden", "the form")
    key = make_key(cluster, "admin")
    browser.type("#key", key)
    browser.press(ENTER)
    browser.wait("document.querySelectorAll('#keys tbody tr').length > 0", "the keys")
    assert "test" in browser.text("#keys") and "valid" in browser.text("#keys") and "reconcile" in browser.text("#jobs")
    assert key not in browser.text("body")


@needs_browser
@pytest.mark.parametrize("dark", [False, True])
def test_it_can_be_read_and_reached(chatd, open_browser, dark):
    """On a phone, by keyboard, in the dark; each control has a name, each text enough contrast."""
    browser = open_browser(chatd.url + "/", dark=dark, width=360, height=700)
    reached = []
    while "begin" not in reached and len(reached) < 5:
        browser.press(TAB)
        reached.append(browser.run("return document.activeElement.id"))
    assert reached[-1] == "begin"
    browser.press(ENTER)
    browser.wait("document.activeElement.placeholder == 'Write as Ann'", "the chat, with the focus in it")
    send(browser, ANN, "a" * 300)
    wait_until(lambda: len(lines(browser, BOB)) == 1, "the message")
    for face in ("try", "see"):
        browser.wait("document.querySelector('#%s').hidden == false" % face, "the face")
        assert browser.run("return document.documentElement.scrollWidth") <= 360
        assert browser.run("""return [...document.querySelectorAll('button, input')].filter(found => found.offsetParent
            && !(found.textContent || found.labels?.length || found.getAttribute('aria-label'))).length""") == 0
        poor = browser.run("""
            const light = text => { const [r, g, b] = text.match(/[0-9.]+/g).slice(0, 3).map(part => (part /= 255) <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
                return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
            const behind = found => { for (; found; found = found.parentElement) { const color = getComputedStyle(found).backgroundColor;
                if (!/, 0\\)$/.test(color)) return color; } return 'rgb(255, 255, 255)'; };
            return [...document.querySelectorAll('body *')].filter(found => found.offsetParent && [...found.childNodes].some(node => node.nodeType == 3 && node.data.trim()))
                .filter(found => { const [a, b] = [light(getComputedStyle(found).color), light(behind(found))];
                    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5; }).map(found => found.outerHTML.slice(0, 100));""")
        assert poor == []
        browser.run("document.getElementById('tab-try').focus()")
        browser.press(RIGHT)
