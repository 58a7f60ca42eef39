"""The answer does not depend on how a request is cut into reads: each request here is cut at every byte (over TCP; elsewhere at every
seventh), and sent byte by byte."""

import pytest

import raw

CHUNKED = b"5;x=\"y\"\r\nhello\r\nb\r\n, more of it\r\n0\r\nX-Trailer: a\r\n\r\n"

# name, first line, further lines, what follows the head, answers
REQUESTS = [
    ("without a body", "GET /plain?a=b HTTP/1.1", ["Accept: */*", "X-Empty:"], b"", 1),
    ("with a length", "POST /length HTTP/1.1", ["Content-Length: 11"], b"hello world", 1),
    ("in chunks", "POST /chunks HTTP/1.1", ["Transfer-Encoding: chunked"], CHUNKED, 1),
    ("two of them", "POST /first HTTP/1.1", ["Content-Length: 2"], None, 2),
    ("a refused one", "POST /refused HTTP/1.1", ["Content-Length: 2", "Transfer-Encoding: chunked"], b"0\r\n\r\n", 1),
    ("a refused body", "POST /body HTTP/1.1", ["Transfer-Encoding: chunked"], b"5\r\nhello\rX", 1),
    ("a folded field", "GET /folded HTTP/1.1", ["X-Fold: a", "\tb"], b"", 1),
    ("a bare LF", "GET /lf HTTP/1.1", ["X-One: a\nX-Two: b"], b"", 1),
]


def outcome(door, pieces, count):
    """Statuses and what the service got, or how the connection ended."""
    result = []
    with raw.Wire(door) as wire:
        for piece in pieces:
            if not wire.send(piece):
                break
            raw.settle()
        try:
            for _ in range(count):
                response = wire.response()
                request = raw.got(response) if response.get("x-raw") else None
                result.append((response.status, request and (request.first, request.fields, request.body)))
        except raw.Cut:
            result.append("cut")
    return result


@pytest.mark.parametrize("first, lines, behind, count", [case[1:] for case in REQUESTS], ids=[case[0] for case in REQUESTS])
def test_every_cut(door, first, lines, behind, count):
    head = door.head(first, *lines)
    data = head + (b"ab" + door.head("GET /second HTTP/1.1") if behind is None else behind)
    whole = outcome(door, [data], count)
    assert whole[0] == "cut" or whole[0][0] in (200, 400)
    step = 1 if door.name == "ingress" else 7
    for at in range(1, len(data), step):
        assert outcome(door, [data[:at], data[at:]], count) == whole, f"cut at {at}: {data[:at]!r} | {data[at:]!r}"


@pytest.mark.parametrize("first, lines, behind, count", [case[1:] for case in REQUESTS], ids=[case[0] for case in REQUESTS])
def test_byte_by_byte(plain, first, lines, behind, count):
    data = plain.head(first, *lines) + (b"ab" + plain.head("GET /second HTTP/1.1") if behind is None else behind)
    assert outcome(plain, [data[i : i + 1] for i in range(len(data))], count) == outcome(plain, [data], count)
