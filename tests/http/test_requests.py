"""Requests that could be read in two ways are refused before anybody acts on them, and the rest is read as it is meant."""

import pytest

import raw

# What a smuggler hides behind a request; nobody must ever answer it.
HIDDEN = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked"
BODY = b"0\r\n\r\n"

# name, first line, further lines, what follows the head, status
REFUSED = [
    ("both framings", "POST / HTTP/1.1", ["Content-Length: 5", CHUNKED], BODY, 400),
    ("both framings, the other way round", "POST / HTTP/1.1", [CHUNKED, "Content-Length: 5"], BODY, 400),
    ("two lengths", "POST / HTTP/1.1", ["Content-Length: 5", "Content-Length: 6"], b"hello", 400),
    ("the same length twice", "POST / HTTP/1.1", ["Content-Length: 5", "content-length: 5"], b"hello", 400),
    ("a list of lengths", "POST / HTTP/1.1", ["Content-Length: 5, 5"], b"hello", 400),
    ("a length with a sign", "POST / HTTP/1.1", ["Content-Length: +5"], b"hello", 400),
    ("a negative length", "POST / HTTP/1.1", ["Content-Length: -1"], b"", 400),
    ("a hexadecimal length", "POST / HTTP/1.1", ["Content-Length: 0x5"], b"hello", 400),
    ("an empty length", "POST / HTTP/1.1", ["Content-Length:"], b"", 400),
    ("a length with a blank in it", "POST / HTTP/1.1", ["Content-Length: 1 0"], b"hello", 400),
    ("a length that no number holds", "POST / HTTP/1.1", ["Content-Length: 99999999999999999999"], b"", 413),
    ("two codings", "POST / HTTP/1.1", [CHUNKED, CHUNKED], BODY, 400),
    ("chunked twice", "POST / HTTP/1.1", ["Transfer-Encoding: chunked, chunked"], BODY, 400),
    ("an unknown coding", "POST / HTTP/1.1", ["Transfer-Encoding: xchunked"], BODY, 400),
    ("a coding behind chunked", "POST / HTTP/1.1", ["Transfer-Encoding: chunked, gzip"], BODY, 400),
    ("gzip before chunked", "POST / HTTP/1.1", ["Transfer-Encoding: gzip, chunked"], BODY, 501),
    ("identity", "POST / HTTP/1.1", ["Transfer-Encoding: identity"], BODY, 400),
    ("an empty coding", "POST / HTTP/1.1", ["Transfer-Encoding:"], BODY, 400),
    ("a coding with a control byte", "POST / HTTP/1.1", ["Transfer-Encoding: \x0bchunked"], BODY, 400),
    ("a coding in quotes", "POST / HTTP/1.1", ["Transfer-Encoding: \"chunked\""], BODY, 400),
    ("a coding in HTTP/1.0", "POST / HTTP/1.0", [CHUNKED], BODY, 400),
    ("a blank before the colon", "POST / HTTP/1.1", ["Content-Length : 5"], b"hello", 400),
    ("a blank in a name", "POST / HTTP/1.1", ["Content Length: 5"], b"hello", 400),
    ("a folded field", "POST / HTTP/1.1", ["X-Fold: a", " Content-Length: 5"], b"hello", 400),
    ("a folded field with a tab", "GET / HTTP/1.1", ["X-Fold: a", "\tb"], b"", 400),
    ("a bare LF after a field", "GET / HTTP/1.1", ["X-One: a\nX-Two: b"], b"", 400),
    ("a bare CR in a field", "GET / HTTP/1.1", ["X-One: a\rX-Two: b"], b"", 400),
    ("a bare LF after the request line", "GET / HTTP/1.1\nX-One: a", [], b"", 400),
    ("NUL in a value", "GET / HTTP/1.1", ["X-Nul: a\0b"], b"", 400),
    ("NUL in a name", "GET / HTTP/1.1", ["X-\0: a"], b"", 400),
    ("a control byte in a value", "GET / HTTP/1.1", ["X-Control: a\x01b"], b"", 400),
    ("a name without a colon", "GET / HTTP/1.1", ["X-Nothing"], b"", 400),
    ("an empty name", "GET / HTTP/1.1", [": a"], b"", 400),
    ("a name that is no token", "GET / HTTP/1.1", ["X(a): b"], b"", 400),
    ("a second Host", "GET / HTTP/1.1", ["Host: other.test"], b"", 400),
    ("a target with a blank", "GET /a b HTTP/1.1", [], b"", 400),
    ("two blanks in the request line", "GET  / HTTP/1.1", [], b"", 400),
    ("a tab in the request line", "GET\t/ HTTP/1.1", [], b"", 400),
    ("a fragment", "GET /a#b HTTP/1.1", [], b"", 400),
    ("a target with NUL", "GET /\0 HTTP/1.1", [], b"", 400),
    ("a target above ASCII", "GET /\xe9 HTTP/1.1", [], b"", 400),
    ("a relative target", "GET a HTTP/1.1", [], b"", 400),
    ("an asterisk with GET", "GET * HTTP/1.1", [], b"", 400),
    ("a URL with another host", "GET http://other.test/ HTTP/1.1", [], b"", 400),
    ("a URL with a user", "GET http://user@localhost/ HTTP/1.1", [], b"", 400),
    ("CONNECT", "CONNECT localhost:80 HTTP/1.1", [], b"", 501),
    ("a method that is no token", "G(T / HTTP/1.1", [], b"", 400),
    ("HTTP/2 as text", "GET / HTTP/2.0", [], b"", 505),
    ("HTTP/1.2", "GET / HTTP/1.2", [], b"", 505),
    ("HTTP/0.9", "GET /", [], b"", 400),
    ("a version in small letters", "GET / http/1.1", [], b"", 400),
    ("the preface of HTTP/2", "PRI * HTTP/2.0", [], b"", 400),
    ("an unknown expectation", "POST / HTTP/1.1", ["Expect: miracles", "Content-Length: 0"], b"", 417),
    ("more options in Connection than anybody needs", "GET / HTTP/1.1", ["Connection: " + ",".join(["x"] * 33)], b"", 400),
    ("a long method", f"{'A' * 17} / HTTP/1.1", [], b"", 501),
    ("a long target", f"GET /{'a' * 16384} HTTP/1.1", [], b"", 414),
    ("many fields", "GET / HTTP/1.1", [f"X-{i}: a" for i in range(101)], b"", 431),
    ("a long field", "GET / HTTP/1.1", ["X-Long: " + "a" * 65536], b"", 431),
    ("a head that never ends", "GET / HTTP/1.1", [f"X-{i}: {'a' * 4096}" for i in range(17)], b"", 431),
]


@pytest.mark.parametrize("first, lines, behind, status", [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refused(any_door, plain, first, lines, behind, status):
    """The status, then the end: what came behind is nobody's request."""
    before = raw.seen(plain)
    with raw.Wire(any_door) as wire:
        wire.send(any_door.head(first, *lines) + behind + HIDDEN)
        response = wire.response()
        assert response.status == status, response
        assert wire.ended(), f"something follows: {wire.data[:200]!r}"
    assert raw.seen(plain) == [*before, "GET /seen HTTP/1.1"], "the service got a request"


@pytest.mark.parametrize("mark", [b"\n", b"\r\n", b"\r", b" "], ids=["LF", "CR LF", "CR", "blank"])
def test_nothing_before_the_request_line(any_door, mark):
    assert raw.ask(any_door, mark + any_door.head("GET / HTTP/1.1")).status == 400


def test_no_host(any_door):
    assert raw.ask(any_door, "\r\n".join(["GET / HTTP/1.1", *any_door.fields, "", ""]).encode()).status == 400


# Bodies that break their framing after the request was passed on; the service must not take them for whole.
BROKEN_BODIES = [
    ("a size that is no number", b"x\r\n"),
    ("a size with a prefix", b"0x5\r\nhello\r\n0\r\n\r\n"),
    ("a size with a sign", b"+5\r\nhello\r\n0\r\n\r\n"),
    ("a size with a blank", b"5 \r\nhello\r\n0\r\n\r\n"),
    ("a size that no number holds", b"ffffffffffffffff5\r\nhello\r\n0\r\n\r\n"),
    ("an empty size", b"\r\nhello\r\n0\r\n\r\n"),
    ("a bare LF after the size", b"5\nhello\r\n0\r\n\r\n"),
    ("a bare LF after the data", b"5\r\nhello\n0\r\n\r\n"),
    ("more data than the size says", b"5\r\nhello world\r\n0\r\n\r\n"),
    ("a control byte in an extension", b"5;a\x01\r\nhello\r\n0\r\n\r\n"),
    ("a bare LF in an extension", b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    ("a bare CR in an extension", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    ("an extension that never ends", b"5;" + b"a" * 100 + b"\r\nhello\r\n0\r\n\r\n"),
    ("a folded trailer", b"5\r\nhello\r\n0\r\nX-T: a\r\n b\r\n\r\n"),
    ("a trailer without a colon", b"5\r\nhello\r\n0\r\nX-T\r\n\r\n"),
    ("a bare LF after a trailer", b"5\r\nhello\r\n0\r\nX-T: a\n\r\n"),
    ("trailers that never end", b"5\r\nhello\r\n0\r\n" + b"X-T: aaaaaaaaaaaaaaaaaaaa\r\n" * 500 + b"\r\n"),
]


@pytest.mark.parametrize("body", [case[1] for case in BROKEN_BODIES], ids=[case[0] for case in BROKEN_BODIES])
def test_broken_body(door, body):
    """400 or a cut, never an answer of the service, and nothing of it stays for the next client."""
    with raw.Wire(door) as wire:
        wire.send(door.head("POST /broken HTTP/1.1", CHUNKED) + body + HIDDEN)
        try:
            assert wire.response().status == 400
            assert wire.ended()
        except raw.Cut:
            assert not wire.data
    with raw.Wire(door) as wire:
        assert wire.request("GET", "/after").get("x-raw"), "the next client is served"


def test_chunk_extensions_and_trailers_end_here(door):
    """They are accepted and do not reach the service: what arrives late changes nothing."""
    body = b"5;a=b;c=\"d\"\r\nhello\r\n6;x\r\n world\r\n0;last\r\nX-Trailer: a\r\nContent-Length: 3\r\nE2b-Sandbox-Id: other\r\n\r\n"
    with raw.Wire(door) as wire:
        wire.send(door.head("POST /whole HTTP/1.1", CHUNKED, "Trailer: X-Trailer") + body)
        request = raw.got(wire.response())
        assert request.body == b"hello world" and "trailer" not in request.text.lower(), request.text
        assert wire.request("GET", "/again").status == 200


def test_pipelined_requests_are_answered_in_order(door):
    count = 50
    with raw.Wire(door) as wire:
        heads = [door.head(f"POST /{i} HTTP/1.1", f"Content-Length: {i}") + b"x" * i for i in range(count)]
        wire.send(b"".join(heads))
        for i in range(count):
            request = raw.got(wire.response())
            assert request.first == f"POST /{i} HTTP/1.1" and request.body == b"x" * i


def test_pipeline_ends_where_it_is_refused(door):
    with raw.Wire(door) as wire:
        wire.send(door.head("GET /first HTTP/1.1") + door.head("GET /second HTTP/1.1", "Content-Length: x") + door.head("GET /third HTTP/1.1"))
        assert raw.got(wire.response()).first == "GET /first HTTP/1.1"
        assert wire.response().status == 400
        assert wire.ended()


def test_what_follows_connection_close_is_not_read(door, plain):
    with raw.Wire(door) as wire:
        wire.send(door.head("GET /last HTTP/1.1", "Connection: close") + door.head("GET /behind-close HTTP/1.1"))
        assert wire.response().status == 200
        assert wire.ended()
    assert not any("behind-close" in line for line in raw.seen(plain))


def test_expect_continue(door):
    with raw.Wire(door) as wire:
        wire.send(door.head("POST /expected HTTP/1.1", "Expect: 100-continue", "Content-Length: 5"))
        assert wire._until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        wire.send(b"hello")
        request = raw.got(wire.response())
        assert request.body == b"hello" and "\r\nexpect:" not in request.text.lower()


def test_expect_is_no_way_around_a_refusal(any_door):
    """No 100 for a request that is refused by its head."""
    with raw.Wire(any_door) as wire:
        wire.send(any_door.head("POST / HTTP/1.1", "Expect: 100-continue", "Content-Length: 5", CHUNKED))
        response = wire.response()
        assert response.status == 400 and not response.interim
        assert wire.ended()


def test_http_1_0(door):
    """No chunks and no persistence for it, unless it asks."""
    steps = ["send", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]
    with raw.Wire(door) as wire:
        wire.send(door.head(f"GET {raw.target(steps)} HTTP/1.0"))
        response = wire.response()
        assert response.body == b"hello" and response.get("transfer-encoding") is None
    with raw.Wire(door) as wire:
        for _ in range(2):
            wire.send(door.head("GET /kept HTTP/1.0", "Connection: keep-alive"))
            assert raw.got(wire.response()).first == "GET /kept HTTP/1.1"


def test_absolute_form(door):
    """The URL must name the host that the field names; the service gets the target as it was sent."""
    request = raw.got(raw.ask(door, door.head(f"GET http://{door.host}/path?query HTTP/1.1")))
    assert request.first.split(" ")[1].endswith("/path?query")


def test_hop_by_hop_fields_end_here(door):
    lines = ["Connection: X-Secret, keep-alive", "X-Secret: a", "Keep-Alive: timeout=5", "Proxy-Connection: x", "TE: trailers", "X-Kept: b"]
    request = raw.got(raw.ask(door, door.head("GET / HTTP/1.1", *lines)))
    for name in ("x-secret", "keep-alive:", "proxy-connection", "te:", "e2b-sandbox"):
        assert f"\r\n{name}" not in request.text.lower(), request.text
    assert "X-Kept: b" in request.text


def test_connection_cannot_take_framing_away(door):
    """A sender that names Host or Content-Length in Connection must not make the two sides disagree."""
    lines = ["Connection: Content-Length, Host", "Content-Length: 5"]
    request = raw.got(raw.ask(door, door.head("POST / HTTP/1.1", *lines) + b"hello"))
    assert request.body == b"hello" and f"\r\nHost: {door.host}" in request.text


def test_two_routes_in_one_request(plain, other):
    """Whoever checked a request may have looked at the first; the second must not win."""
    for field in (f"E2b-Sandbox-Id: {other.id}", "E2b-Sandbox-Port: 49983"):
        response = raw.ask(plain, plain.head("GET / HTTP/1.1", field))
        assert response.status == 400, response


def test_upgrade_with_a_body_stays_http(door):
    """Bytes behind an upgrade that the service does not take are the next request, or the end; never a tunnel."""
    with raw.Wire(door) as wire:
        head = door.head("POST /no HTTP/1.1", "Connection: Upgrade", "Upgrade: websocket", "Content-Length: 5")
        wire.send(head + b"hello" + door.head("GET /next HTTP/1.1"))
        assert raw.got(wire.response()).body == b"hello"
        assert raw.got(wire.response()).first == "GET /next HTTP/1.1"


def test_upgrade_without_connection_is_a_field(door):
    steps = ["send", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"], ["sleep", 5]
    with raw.Wire(door) as wire:
        response = wire.request("GET", raw.target(*steps), "Upgrade: websocket")
        assert 500 <= response.status < 600, response


def test_upgrade_at_the_control_api(control):
    with raw.Wire(control) as wire:
        assert wire.request("GET", "/health", "Connection: Upgrade", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__").status in (200, 204)
        assert wire.request("GET", "/health").status in (200, 204)


def test_switched_connection_is_a_tunnel(door):
    """After 101 everything belongs to the service, also what looks like a request."""
    switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n"
    steps = ["send", switch], ["sleep", 0.1], ["send", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"], ["half"], ["sleep", 0.5]
    with raw.Wire(door) as wire:
        response = wire.request("GET", raw.target(*steps), "Connection: Upgrade", "Upgrade: echo")
        assert response.status == 101
        wire.send(door.head("GET /in-the-tunnel HTTP/1.1"))
        rest = wire._rest()
        assert rest == b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", rest
    assert not any("in-the-tunnel" in line for line in raw.seen(door))
