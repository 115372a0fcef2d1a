"""Bad input of any kind gets a clear refusal in JSON, never a 500, and nothing internal."""

import pytest

from conftest import timeless

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def assert_refused(answer, status):
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert isinstance(answer.json, dict) and answer.json
    for secret in (b"SQL", b"SELECT", b"chat.", b"libpq", b".c:"):
        assert secret not in answer.body


def get(path):
    return b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("path", [
    b"/applications/%00", b"/applications/%zz", b"/applications/%", b"/applications/%4", b"/applications/%ff",
    b"/applications/\xff", b"/applications/%c0%af", b"/applications/%ed%a0%80", b"/%zz", b"/applications?query=%zz",
    b"/applications?x=%00", b"/applications?x=%ff", b"/applications?x=%", b"/applications/a b", b"/a#b",
    b"/applications/x\x01", b"applications", b"http://", b"http:///applications",
    b"http://a@x/applications", b"http://x?y", b"ftp://x/applications", b"http://x y/applications",
])
def test_path_that_cannot_be_decoded(chatd, path):
    answer, _ = chatd.talk(get(path))
    assert_refused(answer, 400)


@pytest.mark.parametrize("path", [b"/applications/x\0y", b"/applications?x=a\0b", b"/\0"])
def test_nul_in_a_path(chatd, path):
    """libmicrohttpd 1 closes the connection by itself."""
    answer, closed = chatd.talk(get(path))
    if answer:
        assert_refused(answer, 400)
    assert closed


@pytest.mark.parametrize("path", [
    "/applications/a%2fb", "/applications/..", "/applications//chats", "//applications", "/applications/../applications",
    "/./applications", "/applications/x/chats/%2e%2e", "/%61pplications", "/applications/x/chats/1%2fmessages",
])
def test_path_is_routed_as_it_was_sent(chatd, path):
    assert_refused(chatd.get(path), 404)


@pytest.mark.parametrize("number", [
    "0", "-1", "2147483648", "9223372036854775808", "1e3", "%2012", "+12", "%2B12", "12%20", "%EF%BC%91", "01", "0x1", "1.0",
    "9" * 100,
])
def test_number_in_a_path_that_names_nothing(chatd, chats, messages, number):
    chatd.post(messages, {"body": "x"})
    for path in (chats + "/" + number, "%s/%s/messages" % (chats, number), messages + "/" + number):
        assert_refused(chatd.get(path), 404)
    assert_refused(chatd.post("%s/%s/messages" % (chats, number), {"body": "x"}), 404)


@pytest.mark.parametrize("value", ["0", "-1", "1000000000", "1001", "ten", "", "1.5", "%2B1", "01", "99999999999999999999"])
def test_bad_limit(chatd, messages, value):
    for path in ("/applications", messages, messages + "/search"):
        answer = chatd.get("%s?limit=%s" % (path, value))
        assert_refused(answer, 400)
        assert "'limit'" in answer.json["error"]


@pytest.mark.parametrize("query", [
    "after=-1", "after=x", "after=2147483648", "before=0", "before=x", "before=-1", "last=0", "last=1001", "last=x",
    "limit=1&limit=2", "after=1&after=1", "after=0&after=1", "last=1&limit=1", "last=1&after=1", "last=1&before=5",
    "query=a&query=b",
])
def test_bad_parameters(chatd, messages, query):
    answer = chatd.get("%s?%s" % (messages, query))
    assert_refused(answer, 400)
    assert "'%s'" % query.split("=")[0] in answer.json["error"]


def test_unknown_parameters_are_ignored(chatd, messages):
    assert chatd.get(messages + "?x=1&x=2&&y&=z").status == 200


@pytest.mark.parametrize("text", [
    b"{", b"nope", b'{"data":{"body":"x"}} x', b'{"data":{"body":"x"}}{}', b'\xef\xbb{"data":{"body":"x"}}', b"\xef\xbb\xbf", b'\xef\xbb\xbf\xef\xbb\xbf{}',
    b'{"data":{"body":"x"}}\xef\xbb\xbf',
    b'{"data":{"body":"\xff"}}', b'{"data":{"body":"\xc0\xaf"}}', b'{"data":{"body":"\xed\xa0\x80"}}',
    b'{"data":{"body":"\\ud800"}}', b'{"data":{"body":"\\udc00\\ud800"}}', b'{"data":{"body":NaN}}',
    b'{"data":{"body":"x","number":NaN}}', b'{"data":{"body":"x","number":1e400}}', b'{"data":{"body":"x","number":01}}',
    b"[]", b"[{}]", b'"data"', b"1", b"null", b"true", b'{"data":[]}', b'{"data":"x"}', b'{"data":1}',
    b"[" * 100000, b'{"data":' * 50000, b'{"data":{"body":"x",}}', b"{'data':{}}", b'{"data":{"body":"a\nb"}}', b" ", b"\0",
])
def test_bad_json(chatd, messages, text):
    assert_refused(chatd.request("POST", messages, text, JSON), 400)
    assert chatd.get(messages).json == []


@pytest.mark.parametrize("text,form,name", [
    ('{"number":500}', "number=500", "data"), ('{"body":"x"}', "body=x", "data"), ('{"x":{}}', "x[data]=y", "data"),
    ('{"data":{"body":"x"},"number":500}', "data[body]=x&number=500", "number' outside of 'data'"),
    ('{"Number":500,"data":{"body":"x"}}', "Number=500&data[body]=x", "number' outside of 'data'"),
    ('{"Data":{"body":"x"}}', "Data[body]=x", "Data"), ('{"data":{"body":"x"},"DATA":{}}', "data[body]=x&DATA[body]=y", "DATA"),
    ('{"data":{"Number":500,"body":"x"}}', "data[Number]=500&data[body]=x", "Number"), ('{"data":{"BODY":"x"}}', "data[BODY]=x", "BODY"),
])
def test_fields_that_are_elsewhere(chatd, chats, messages, text, form, name):
    """Above or beside "data", or in another letter case: nothing is created without them."""
    for path in (chats, messages) if name != "BODY" else (messages,):
        for answer in (chatd.post_json(path, text), chatd.request("POST", path, form, FORM)):
            assert_refused(answer, 400)
            assert name in answer.json["error"]
    assert chatd.get(messages).json == [] and len(chatd.get(chats).json) == 1


@pytest.mark.parametrize("text,form", [
    ("{}", ""), ('{"data":{}}', "data[]="), ('{"data":null}', "&&"), ('{"data":{"x":1,"Name":2},"y":3}', "data[x]=1&data[Name]=2&y=3")])
def test_bodies_without_fields(chatd, chats, text, form):
    """Other members are ignored."""
    assert chatd.post_json(chats, text).status == 201
    assert chatd.request("POST", chats, form, FORM).status == 201


def test_a_form_with_a_list(chatd, messages):
    """It is no other field, as which it would be ignored."""
    for form in ("data[body]=x&data[number][]=5", "data[number][x]=5&data[body]=x", "data[body]=x&data[number][%s]=5" % ("y" * 99)):
        answer = chatd.request("POST", messages, form, FORM)
        assert answer.status == 422 and answer.json == {"number": ["is not a number"]}
    answer = chatd.request("POST", messages, "data[body][]=x&data[body][]=y", FORM)
    assert answer.status == 422 and list(answer.json) == ["body"]
    assert chatd.get(messages).json == []


def test_a_byte_order_mark(chatd, messages):
    for size in (1, 2, 1000):
        text = b'\xef\xbb\xbf{"data":{"body":"x"}}'
        with chatd.wire() as wire:
            wire.send(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                      % (messages.encode(), len(text)))
            for start in range(0, len(text), size):
                wire.send(text[start:start + size])
            assert wire.answer().status == 201


@pytest.mark.parametrize("coding,status", [("gzip", 415), ("identity, gzip", 415), ("identity", 201)])
def test_content_encoding(chatd, messages, coding, status):
    answer = chatd.request("POST", messages, b'{"data":{"body":"x"}}', {**JSON, "Content-Encoding": coding})
    assert answer.status == status
    assert (answer.headers.get("accept-encoding") == "identity") == (status == 415)
    assert status == 201 or "Content-Encoding" in answer.json["error"]


@pytest.mark.parametrize("text,key", [('{"data":{"body":"x","body":"y"}}', "body"), ('{"data":{},"data":{}}', "data")])
def test_duplicate_keys(chatd, messages, text, key):
    answer = chatd.post_json(messages, text)
    assert_refused(answer, 400)
    assert key in answer.json["error"]


@pytest.mark.parametrize("value", ["1", "true", "[]", "{}", '["x"]'])
def test_text_of_another_type(chatd, messages, value):
    for path, field in (("/applications", "name"), (messages, "body")):
        answer = chatd.post_json(path, '{"data":{"%s":%s}}' % (field, value))
        assert (answer.status, answer.json) == (422, {field: ["must be a string"]})


def test_nul_in_a_text(chatd, messages):
    for path, field in (("/applications", "name"), (messages, "body")):
        fault = {field: ["can't contain a null byte"]}
        assert chatd.post_json(path, '{"data":{"%s":"a\\u0000b"}}' % field).json == fault
        assert chatd.request("POST", path, "data[%s]=a%%00b" % field, FORM).json == fault


@pytest.mark.parametrize("form", [b"data[body]=%zz", b"data[body]=%", b"data[body]=%ff", b"data[body]=\xff", b"data[%ff]=x"])
def test_bad_forms(chatd, messages, form):
    assert_refused(chatd.request("POST", messages, form, FORM), 400)


def test_duplicate_form_field(chatd, messages):
    answer = chatd.request("POST", messages, "data[body]=x&data[body]=y", FORM)
    assert answer.status == 422 and list(answer.json) == ["body"]


def test_encoded_form(chatd, messages):
    answer = timeless(chatd.request("POST", messages, "x=1&data%5Bbody%5D=a+%2B%26+b&data[other]=1", FORM))
    assert (answer.status, answer.json) == (201, {"number": 1, "body": "a +& b"})


@pytest.mark.parametrize("content_type", [
    None, "text/plain", "application/xml", "application/jsonx", "application/json; charset=latin-1",
    "application/json; charset=utf-16", "multipart/form-data; boundary=x", "", ";",
])
def test_content_type_that_is_not_understood(chatd, messages, content_type):
    headers = {} if content_type is None else {"Content-Type": content_type}
    assert_refused(chatd.request("POST", messages, b'{"data":{"body":"x"}}', headers), 415)


@pytest.mark.parametrize("content_type", [
    "application/json; charset=utf-8", "APPLICATION/JSON;charset=UTF-8", 'application/json; charset="utf-8"', "application/json;",
])
def test_spellings_of_the_content_type(chatd, messages, content_type):
    answer = chatd.request("POST", messages, b'{"data":{"body":"x"}}', {"Content-Type": content_type})
    assert answer.status == 201


def test_empty_body_needs_no_content_type(chatd, chats, messages):
    assert chatd.request("POST", chats).status == 201
    assert chatd.request("POST", chats, b"", {"Content-Type": "text/plain"}).status == 201
    assert chatd.request("POST", messages).json == {"body": ["can't be blank"]}


@pytest.mark.parametrize("method,path,allow", [
    ("PUT", "/applications", "GET, HEAD, POST, OPTIONS"), ("DELETE", "/applications/x", "GET, HEAD, OPTIONS"),
    ("PATCH", "/applications/x/chats/1", "GET, HEAD, DELETE, OPTIONS"), ("POST", "/healthz", "GET, HEAD, OPTIONS"),
    ("POST", "/applications/x/chats/1/messages/search", "GET, HEAD, OPTIONS"), ("TRACE", "/applications", "GET, HEAD, POST, OPTIONS"),
])
def test_method_that_is_not_served(chatd, method, path, allow):
    answer = chatd.request(method, path)
    assert_refused(answer, 405)
    assert answer.headers["allow"] == allow


@pytest.mark.parametrize("method", ["BREW", "get", "PROPFIND", "G" * 1000])
def test_unknown_method(chatd, method):
    assert_refused(chatd.request(method, "/applications"), 501)


def test_options(chatd):
    answer = chatd.request("OPTIONS", "/applications")
    assert (answer.status, answer.body, answer.headers["allow"]) == (204, b"", "GET, HEAD, POST, OPTIONS")
    assert chatd.request("OPTIONS", "*").status == 204
    assert chatd.request("OPTIONS", "/nope").status == 404


def test_head_is_get_without_a_body(chatd, chats, messages):
    chatd.post(messages, {"body": "x"})
    for path in ("/healthz", "/readyz", "/nope", chats, chats + "/1", chats + "/9", messages, messages + "/1",
                 messages + "/search?query=x", messages + "/search", "/applications", chats.rsplit("/", 1)[0]):
        got = chatd.get(path)
        with chatd.wire() as wire:
            # A second request on the connection shows that nothing followed the first answer.
            wire.send(b"HEAD %s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode())
            head = wire.answer(head=True)
            wire.send(get(b"/healthz"))
            assert wire.answer().json == {"status": "ok"}
        assert head.status == got.status
        assert {**head.headers, "date": "", "x-request-id": ""} == {**got.headers, "date": "", "x-request-id": ""}
