"""The console, in a real browser: two people in one chat, what operators see, and nothing that a message can do to it."""

import json
import os
import re
import shutil

import pytest

from browser import Browser
from conftest import wait_until
from credentials import bearer, make_key

ENTER, TAB, RIGHT, ESCAPE = "\ue007", "\ue004", "\ue014", "\ue00c"
ANN, BOB = "#sides .card:nth-child(1)", "#sides .card:nth-child(2)"
HOSTILE = ["<img src=x onerror=\"document.title='broken'\">", "<script>document.title='broken'</script>", "\"><b>bold</b>", "&lt;i&gt;",
           "javascript:document.title='broken'", "\u202egnp.exe", "{{7*7}}"]

# CI has one: there these tests fail without.
needs_browser = pytest.mark.skipif(not (os.environ.get("CI") or (shutil.which("chromedriver") and shutil.which("chromium"))), reason="there is no chromium")


@pytest.fixture
def open_browser():
    """Opens a browser; it is closed after the test, and its console must have had nothing to complain of."""
    opened = []

    def start(url, browser=None, **options):
        if browser is None:
            browser = Browser(**options)
            opened.append(browser)
        browser.go(url)
        browser.wait("document.getElementById('version').textContent", "the page")
        return browser

    yield start
    for browser in opened:
        complaints = [text for text in browser.complaints() if not re.search(" (401|404|503) ", text)]
        browser.close()
        assert not complaints


def lines(browser, side):
    """The texts of the messages that a side sees."""
    return browser.run("return [...document.querySelectorAll(arguments[0] + ' .messages .body')].map(found => found.textContent)", side)


def counts(browser, side):
    """What a side says of its connection."""
    return browser.text(side + " .counts").split("\n")


def send(browser, side, text):
    browser.type(side + " > form input", text)
    browser.press(ENTER)


def test_the_page_and_its_policy(chatd):
    page = chatd.get("/console")
    assert page.status == 200 and page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["x-content-type-options"] == "nosniff" and page.headers["referrer-policy"] == "no-referrer"
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'" and policy["connect-src"] == "'self'" and policy["frame-ancestors"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'" and policy["trusted-types"] == "'none'"
    assert "unsafe" not in page.headers["content-security-policy"]
    # It loads nothing, has no style of an element, and makes no markup of texts.
    text = page.body.decode()
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|<link|<img|<iframe| style=|innerHTML|insertAdjacentHTML|document\.write|eval\(", text)
    index = chatd.request("GET", "/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert index.body == page.body and index.headers["vary"] == "Accept" and index.headers["content-security-policy"]
    for accept in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}, {"Accept": "text/html;q=0, */*"}, {"Accept": "text/htmlx"}):
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
    browser.wait("document.querySelector('%s .badge').textContent == '1 unread'" % BOB, "the count of what is unread")
    # A message from psql appears to both.
    cluster.sql(browser.text("#psql").replace("Hello from psql", "from psql"))
    for side in (ANN, BOB):
        wait_until(lambda side=side: lines(browser, side) == ["Where is my order?", "from psql"], "the message from psql")
    # Bob's connection is cut; Ann goes on, edits and deletes; Bob misses nothing, and has nothing twice.
    browser.click(BOB + " [aria-pressed]")
    assert counts(browser, BOB) == ["cut off", "2 messages", "missed 0", "doubled 0"]
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
        wait_until(lambda side=side: counts(browser, side) == ["connected", "7 messages", "missed 0", "doubled 0"], "what was counted")
    # Reading takes the badge away, for good: the database has how far Bob has read.
    browser.click(BOB + " > form input")
    browser.wait("document.querySelector('%s .badge').hidden" % BOB, "nothing unread")
    # An edit that is not wanted any more.
    browser.click(ANN + " [aria-label='Edit message 1']")
    browser.press(ESCAPE)
    assert len(lines(browser, ANN)) == 7 and browser.run("return document.activeElement.textContent") == "Edit"
    # Search as you type, with what was found marked.
    browser.type("#query", "ORDER")
    browser.wait("document.querySelectorAll('#found mark').length == 1", "what was found")
    assert browser.text("#found mark") == "order" and browser.text("#found .number") == "#1"
    # What is written meanwhile is unread.
    send(browser, ANN, "Thanks.")
    browser.wait("document.querySelector('%s .badge').textContent == '1 unread'" % BOB, "the count of what is unread")
    # A reload keeps the chat; nothing there was only the page's.
    browser.go(chatd.url + "/console")
    for side in (ANN, BOB):
        wait_until(lambda side=side: counts(browser, side) == ["connected", "8 messages", "missed 0", "doubled 0"], "the chat again")
    browser.wait("document.querySelector('%s .badge').textContent == '1 unread'" % BOB, "the count of what is unread")
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


# What a script would do that got into the page somehow: to run, to load, to tell somebody. Each returns whether it could.
ATTEMPTS = {
    "a script": "const made = document.createElement('script'); made.textContent = 'window.ran = 1'; document.body.append(made);",
    "an image with a handler": "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = 1\">');",
    "markup": "document.body.innerHTML += '<b>x</b>'; window.ran = 1;",
    "a handler": "const made = document.createElement('button'); made.setAttribute('onclick', 'window.ran = 1'); document.body.append(made); made.click();",
    "a timer of text": "setTimeout('window.ran = 1', 0);",
    "a script from elsewhere": "const made = document.createElement('script'); made.src = '/console'; made.onload = () => { window.ran = 1; }; document.body.append(made);",
    "an image from elsewhere": "const made = new Image(); made.onload = made.onerror = event => { window.ran = event.type == 'load' ? 1 : 0; }; made.src = 'data:image/gif;base64,R0lGODlhAQABAAAAACw=';",
    "a frame": "const made = document.createElement('iframe'); made.srcdoc = '<script>parent.ran = 1</script>'; document.body.append(made);",
    "a form": "const made = document.createElement('form'); made.action = '/nowhere'; document.body.append(made); made.submit();",
    "a base": "const made = document.createElement('base'); made.href = 'http://localhost:1/'; document.head.append(made); if (document.baseURI.includes('localhost:1')) window.ran = 1;",
    "another server": "fetch('http://localhost:1/').catch(error => { window.ran = 0; });",
}


@needs_browser
def test_what_got_into_the_page_could_do_nothing(chatd, open_browser):
    """Its policy holds for scripts that were injected all the same, and says which it refused."""
    browser = open_browser(chatd.url + "/")
    browser.run("window.refused = []; document.addEventListener('securitypolicyviolation', event => refused.push(event.effectiveDirective));")
    for name, attempt in ATTEMPTS.items():
        browser.run("window.ran = 0; window.refused = []; try { %s } catch (error) { refused.push(error.name); }" % attempt)
        browser.wait("window.refused.length > 0", "the refusal of " + name)
        assert browser.run("return window.ran") == 0 and browser.run("return location.pathname") == "/", name
    assert browser.complaints()


@needs_browser
def test_it_offers_to_try_things_out(start_chatd, cluster, open_browser):
    """On this machine, or by a flag: where others reach chatd, and where keys are required."""
    def offers(browser):
        return not browser.run("return document.getElementById('tab-try').hidden")

    browser = None
    for flags, offered in ((("--listen", "0.0.0.0", "--open"), False), (("--listen", "0.0.0.0", "--open", "--try-it"), True)):
        server = start_chatd(*flags).ready()
        assert server.get("/").json["try_it"] is offered
        browser = open_browser(server.url + "/#try", browser)
        assert offers(browser) is offered and browser.run("return document.getElementById('try').hidden") is not offered
        # There is nothing else to choose, by keyboard either.
        browser.run("document.getElementById('tab-see').focus()")
        browser.press(RIGHT)
        assert browser.run("return document.getElementById('try').hidden") is not offered
    assert start_chatd("--require-keys").ready().get("/").json["try_it"] is False
    server = start_chatd("--require-keys", "--try-it").ready()
    open_browser(server.url + "/", browser)
    assert not offers(browser)
    browser.type("#key", make_key(cluster, "admin"))
    browser.press(ENTER)
    browser.wait("document.getElementById('tab-try').hidden == false", "the offer")
    browser.click("#tab-try")
    browser.click("#begin")
    browser.wait("document.querySelectorAll('#sides .card').length == 2", "both sides")
    send(browser, ANN, "hello")
    wait_until(lambda: lines(browser, BOB) == ["hello"], "the message")


@needs_browser
def test_operators_see_what_is_wrong(chatd, cluster, open_browser, messages):
    browser = open_browser(chatd.url + "/#see")
    browser.wait("document.querySelectorAll('#problems pre').length > 0", "the problems")
    for problem, remedy in json.loads(cluster.sql("SELECT json_agg(json_build_array(problem, remedy)) FROM chat.problems()")):
        assert problem in browser.text("#problems") and remedy in browser.text("#problems")
    assert "SELECT chat.start_worker();" in browser.text("#problems") and "ALTER SYSTEM SET fsync = on" in browser.text("#problems")
    assert "reconcile" in browser.text("#jobs")
    assert "PostgreSQL answers all searches" in browser.text("#indexes") and "Redis is not used" in browser.text("#redis")
    assert browser.text("#worker") == "There is none."
    browser.wait("document.querySelectorAll('#tiles polyline').length == 8", "the plots")
    for _ in range(50):
        chatd.post(messages, {"body": "x"})
    wait_until(lambda: re.search(r"Messages a second\n(?!0\n)\d", browser.text("#tiles") + "\n"), "the rate")
    # The chats of an application, with their counts as they are now.
    name = chatd.get(messages.split("/chats")[0]).json["name"]
    wait_until(lambda: name in browser.text("#applications"), "the application")
    browser.click("[aria-label='Chats of %s']" % name)
    wait_until(lambda: browser.text("#chats tbody").split()[:2] == ["1", "50"], "the chat")
    chatd.post(messages, {"body": "x"})
    wait_until(lambda: browser.text("#chats tbody").split()[:2] == ["1", "51"], "the new count")
    # A key that is used is seen to be.
    key = cluster.sql("SELECT chat.create_key('to be used', 'read')")
    wait_until(lambda: re.search(r"to be used\s+read\s+never\s+valid", browser.text("#keys")), "the key")
    assert chatd.request("GET", "/applications", headers=bearer(key)).status == 200
    wait_until(lambda: re.search(r"to be used\s+read\s+\d+ s ago\s+valid", browser.text("#keys")), "its use", timeout=60)


@needs_browser
def test_messages_are_counted_whoever_stores_them(chatd, cluster, open_browser, messages):
    """One by one, many at once, and from psql; no rate is below 0, though counters begin anew."""
    browser = open_browser(chatd.url + "/#see")
    browser.wait("document.querySelectorAll('#tiles polyline').length == 8", "the plots")
    token, chat = messages.split("/")[2:5:2]

    def rate():
        return re.search(r"Messages a second\n(-?[\d,.]+)", browser.text("#tiles"))[1]

    for store in (lambda: cluster.sql("SELECT count(chat.create_message('%s', %s, 'x')) FROM generate_series(1, 1000)" % (token, chat)),
                  lambda: chatd.post_json(messages, json.dumps({"data": [{"body": "x"}] * 1000}))):
        wait_until(lambda: rate() == "0", "no rate", timeout=30)
        store()
        wait_until(lambda: rate() != "0", "the rate", timeout=30)
    browser.run("""window.rates = [];
        for (const [before, now] of [[5, 3], [0, 1]]) {
            const samplesOfCount = count => [{name: 'chatd_requests_total', labels: {}, value: count}];
            rates.push(rate('chatd_requests_total')(samplesOfCount(now), samplesOfCount(before), 1));
        }""")
    assert browser.run("return window.rates") == [0, 1]
    cluster.sql("SELECT pg_stat_reset()")
    for _ in range(20):
        assert not rate().startswith("-")


@needs_browser
def test_what_is_not_known_is_not_well(start_chatd, cluster, open_browser):
    """Nothing stays on the page from when the database answered; and a key is asked for only where one is refused."""
    server = start_chatd().ready()
    browser = open_browser(server.url + "/#see")
    browser.wait("document.querySelectorAll('#problems pre').length > 0", "the problems")
    cluster.sql("ALTER FUNCTION chat.status_json() RENAME TO no_status")
    try:
        wait_until(lambda: "It is not known" in browser.text("#problems"), "that it is not known", timeout=60)
        assert browser.run("return document.querySelectorAll('#problems pre').length") == 0
    finally:
        cluster.sql("ALTER FUNCTION chat.no_status() RENAME TO status_json")
    browser.wait("document.querySelectorAll('#problems pre').length > 0", "the problems again")
    server = start_chatd(database="host=%s dbname=nowhere" % cluster.directory)
    wait_until(lambda: server.get("/healthz").status == 200, "chatd")
    assert server.get("/applications").status == 503
    browser = open_browser(server.url + "/", browser)
    assert browser.run("return document.getElementById('key-form').hidden") and not browser.run("return document.getElementById('tab-try').hidden")


@needs_browser
def test_what_is_shown_of_how_much(chatd, cluster, open_browser, new_name):
    """Of many applications and chats the page shows some, and says so; one that is deleted is shown no more."""
    application = cluster.sql("SELECT id FROM chat.create_application('%s')" % new_name)
    cluster.sql("SELECT count(chat.create_chat(%s)) FROM generate_series(1, 25)" % application)
    browser = open_browser(chatd.url + "/#see")
    wait_until(lambda: browser.text("#chats-title") == "Chats of %s (20 of 25)" % new_name, "the chats")
    wait_until(lambda: re.fullmatch(r"Newest applications \(\d+ of [\d,]+\)", browser.text("#applications-title")), "the applications")
    cluster.sql("SELECT chat.delete_application(%s)" % application)
    wait_until(lambda: new_name not in browser.text("#see"), "another application")
    wait_until(lambda: browser.run("return document.getElementById('notice').hidden"), "nothing to complain of")


@needs_browser
def test_the_focus_stays(chatd, cluster, open_browser):
    """After Save it is at Edit, after Delete where one writes; a chat is begun once."""
    begun = "SELECT count(*) FROM chat.applications WHERE name LIKE 'Try it %'"
    before = int(cluster.sql(begun))
    browser = open_browser(chatd.url + "/")
    browser.run("const begin = document.getElementById('begin'); begin.click(); begin.click();")
    browser.wait("document.querySelectorAll('#sides .card').length >= 2", "both sides")
    send(browser, ANN, "one")
    wait_until(lambda: lines(browser, ANN) == ["one"], "the message")
    browser.click(ANN + " [aria-label='Edit message 1']")
    browser.type(ANN + " [aria-label='New text of message 1']", " two")
    browser.press(ENTER)
    wait_until(lambda: lines(browser, ANN) == ["one two"], "the change")
    assert browser.run("return document.activeElement.getAttribute('aria-label')") == "Edit message 1"
    browser.press(TAB)
    browser.press(ENTER)
    wait_until(lambda: lines(browser, ANN) == ["deleted"], "the change")
    assert browser.run("return document.activeElement.getAttribute('aria-label')") == "Message from Ann"
    assert browser.run("return document.querySelectorAll('#sides .card').length") == 2 and int(cluster.sql(begun)) == before + 1


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
        # As a screen reader has it: each region, list and table has a name of its own, and what is named is there.
        nameless = browser.run("""
            const nameOf = found => found.getAttribute('aria-label') ?? (found.getAttribute('aria-labelledby') ?? '').split(' ')
                .map(id => document.getElementById(id)?.textContent ?? '').join(' ');
            return [...document.querySelectorAll('[role=region], [role=log], [role=tabpanel], [role=tablist], section, ol, ul, table')]
                .filter(found => found.offsetParent && !nameOf(found).trim()).map(found => found.outerHTML.slice(0, 100));""")
        assert nameless == []
        assert browser.run("""return [...document.querySelectorAll('[aria-labelledby], [aria-controls]')]
            .filter(found => !document.getElementById(found.getAttribute('aria-labelledby') ?? found.getAttribute('aria-controls'))).length""") == 0
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
