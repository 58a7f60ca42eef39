"""Services that answer against the rules: their clients get a clear answer or a cut, and nobody gets bytes that are not theirs."""

import pytest

import raw
import warren

OK = "HTTP/1.1 200 OK\r\n"
CHUNKED = OK + "Transfer-Encoding: chunked\r\n\r\n"
# What a service would like another request to be answered with.
POISON = OK + "Content-Length: 6\r\n\r\npoison"

# Heads that cannot be trusted: the client is told that the service is to blame.
BAD_HEADS = {
    "both framings": OK + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "two lengths": OK + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "the same length twice": OK + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": OK + "Content-Length: 5, 5\r\n\r\nhello",
    "a length with a sign": OK + "Content-Length: +5\r\n\r\nhello",
    "a length that no number holds": OK + "Content-Length: 99999999999999999999\r\n\r\nhello",
    "an unknown coding": OK + "Transfer-Encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "gzip and chunked": OK + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a coding in HTTP/1.0": "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a bare LF": "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
    "a bare CR in a field": OK + "X-One: a\rX-Two: b\r\nContent-Length: 0\r\n\r\n",
    "a folded field": OK + "X-One: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "a blank before the colon": OK + "Content-Length : 5\r\n\r\nhello",
    "NUL in a field": OK + "X-Nul: a\0b\r\nContent-Length: 0\r\n\r\n",
    "a control byte in the reason": "HTTP/1.1 200 O\x01K\r\nContent-Length: 0\r\n\r\n",
    "another version": "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "no version": "200 OK\r\n\r\n",
    "a status of two digits": "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "no HTTP": "SSH-2.0-OpenSSH_9.2\r\n",
    "an uninvited 101": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nhello",
    "nothing": "",
}


def play(door, *steps, method="GET", lines=(), body=b""):
    """One request that the guest answers with `steps` -> Response; Cut when the connection ends instead."""
    with raw.Wire(door) as wire:
        return wire.request(method, raw.target(*steps), *lines, body=body)


def unharmed(door):
    """The next client gets its own answer."""
    for _ in range(3):
        response = raw.ask(door, door.head("GET /next HTTP/1.1"))
        assert raw.got(response).first == "GET /next HTTP/1.1" and b"poison" not in response.body


@pytest.mark.parametrize("text", BAD_HEADS.values(), ids=BAD_HEADS.keys())
def test_bad_head(door, text):
    response = play(door, ["send", text + POISON] if text else ["sleep", 0], ["close"])
    assert response.status in (502, 503), response
    assert b"hello" not in response.body and b"poison" not in response.body
    unharmed(door)


@pytest.mark.parametrize("text", ["a" * 700, "a\r\nX-A: b"], ids=["a long field", "many fields"])
def test_huge_head(door, text):
    """More than 64 KiB, or more than 100 fields."""
    assert play(door, ["send", OK + "X-A: "], ["flood", text, 101], ["send", "\r\nContent-Length: 0\r\n\r\n"], ["close"]).status in (502, 503)
    unharmed(door)


def test_head_that_never_ends(plain, service):
    """The server takes no more of it than a head may have."""
    before = resident_kib(service)
    assert play(plain, ["send", OK], ["flood", "X-A: " + "b" * 1000 + "\r\n", 100000], ["close"]).status in (502, 503)
    assert resident_kib(service) < before + 8 * 1024
    unharmed(plain)


def resident_kib(service):
    for line in warren.proc_read(service.process.pid, "status").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("the server is gone")


def test_interim_flood(plain, service, other):
    """Interim answers without end end here, cost no memory, and the final one still arrives."""
    before = resident_kib(service)
    response = play(plain, ["flood", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100, 300], ["send", OK + "Content-Length: 5\r\n\r\nhello"])
    assert response.status == 200 and response.body == b"hello" and len(response.interim) <= 1
    assert resident_kib(service) < before + 8 * 1024


# Bodies that are not as long as they say: (answer, what the client may get)
CUT_BODIES = {
    "a length that is not reached": OK + "Content-Length: 10\r\n\r\nhello",
    "chunks without an end": CHUNKED + "5\r\nhello\r\n",
    "a chunk that is not reached": CHUNKED + "a\r\nhello",
    "a bad chunk size": CHUNKED + "5\r\nhello\r\nxyz\r\n",
    "a chunk longer than its size": CHUNKED + "5\r\nhello, world\r\n0\r\n\r\n",
    "a bad trailer": CHUNKED + "5\r\nhello\r\n0\r\nbad trailer\r\n\r\n",
    "a chunk line without end": CHUNKED + "5\r\nhello\r\n5;" + "a" * 1000 + "\r\nhello\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("text", CUT_BODIES.values(), ids=CUT_BODIES.keys())
def test_cut_body(door, text):
    """It must not look complete."""
    with pytest.raises(raw.Cut):
        play(door, ["send", text], ["close"])
    unharmed(door)


# What comes behind an answer is nobody's.
EXTRA = {
    "a second answer": OK + "Content-Length: 5\r\n\r\nhello" + POISON,
    "more than the length": OK + "Content-Length: 5\r\n\r\nhello, poison",
    "more than the chunks": CHUNKED + "5\r\nhello\r\n0\r\n\r\n" + POISON,
    "a trailer and more": CHUNKED + "5\r\nhello\r\n0\r\nContent-Length: 100\r\n\r\n" + POISON,
}


@pytest.mark.parametrize("text", EXTRA.values(), ids=EXTRA.keys())
def test_extra_bytes(door, text):
    """The next request on the same connection of the client has its own answer."""
    with raw.Wire(door) as wire:
        for _ in range(5):
            response = wire.request("GET", raw.target(["send", text]))
            assert response.status == 200 and response.body == b"hello", response
            assert raw.got(wire.request("GET", "/mine")).first == "GET /mine HTTP/1.1"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_body_where_none_may_be(door, status):
    with raw.Wire(door) as wire:
        for _ in range(3):
            response = wire.request("GET", raw.target(["send", f"HTTP/1.1 {status}\r\n\r\n{POISON}"]))
            assert response.status == int(status[:3]) and response.body == b""
            assert raw.got(wire.request("GET", "/mine")).first == "GET /mine HTTP/1.1"


def test_body_in_the_answer_to_head(door):
    with raw.Wire(door) as wire:
        for _ in range(3):
            response = wire.request("HEAD", raw.target(["send", OK + "Content-Length: 6\r\n\r\npoison"]))
            assert response.status == 200 and response.get("content-length") == "6"
            assert raw.got(wire.request("GET", "/mine")).first == "GET /mine HTTP/1.1"


def test_answer_until_the_end(door):
    response = play(door, ["send", OK + "\r\nhello"], ["sleep", 0.05], ["send", ", world"], ["close"])
    assert response.body == b"hello, world"
    unharmed(door)


def test_answer_until_a_reset(door):
    """A stream that is reset did not end."""
    with pytest.raises(raw.Cut):
        play(door, ["send", CHUNKED + "5\r\nhello\r\n"], ["sleep", 0.05], ["reset"])
    unharmed(door)


def test_trailers_and_hop_by_hop_fields_end_here(door):
    text = OK + "Connection: X-Secret\r\nX-Secret: a\r\nKeep-Alive: timeout=1\r\nTrailer: X-T\r\nX-Kept: b\r\n"
    response = play(door, ["send", text + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: late\r\n\r\n"])
    names = {name for name, _ in response.fields}
    assert response.body == b"hello" and "x-kept" in names
    assert not names & {"x-secret", "keep-alive", "trailer", "x-t"}, names


def test_early_answer(door):
    """A service may answer before it has read the request; the rest of that request is not the next one."""
    body = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000
    response = play(door, ["send", OK + "Content-Length: 5\r\n\r\nearly"], ["sleep", 0.2], ["close"], method="POST", body=body)
    assert response.body == b"early"
    assert not any("smuggled" in line for line in raw.seen(door))
    unharmed(door)


def test_early_answer_without_an_end_of_the_request(door):
    """The answer comes although the client goes on sending; its connection is not used for another request."""
    with raw.Wire(door) as wire:
        steps = [["send", OK + "Content-Length: 5\r\n\r\nearly"], ["sleep", 0.2], ["close"]]
        wire.send(door.head(f"POST {raw.target(*steps)} HTTP/1.1", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n")
        assert wire.response().body == b"early"
        wire.send(b"0\r\n\r\n" + door.head("GET /next HTTP/1.1"))
        try:
            assert raw.got(wire.response()).first == "GET /next HTTP/1.1"
        except raw.Cut:
            assert not wire.data
    unharmed(door)


def test_closed_while_the_request_is_sent(door):
    """A service that goes away leaves a clear answer or a cut, and no half request for another connection."""
    with raw.Wire(door) as wire:
        wire.send(door.head(f"POST {raw.target(['close'])} HTTP/1.1", f"Content-Length: {1 << 24}"))
        for _ in range(256):
            if not wire.send(b"x" * 65536):
                break
        try:
            assert wire.response().status in (502, 503)
        except raw.Cut:
            pass
    unharmed(door)


def test_long_answer_to_a_client_that_leaves(plain):
    """The upstream connection of an answer that nobody waits for is not used again."""
    steps = ["send", OK + "Content-Length: 100000\r\n\r\n"], ["sleep", 0.01], ["send", POISON * 100]
    for _ in range(20):
        with raw.Wire(plain) as wire:
            wire.send(plain.head(f"GET {raw.target(*steps)} HTTP/1.1"))
            raw.settle(0.01)
        unharmed(plain)
