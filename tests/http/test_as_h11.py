"""What reaches a service is what h11 reads in what the client has sent, and the other way round: differential.py's comparison,
through a whole server."""

import base64
import pathlib
import random

import pytest

import raw
import warren

pytest.importorskip("h11", reason="python3-h11 is not installed (tools/install-deps test)")

import differential  # noqa: E402
import second_parser  # noqa: E402
from grammar import Maker  # noqa: E402

COUNT = 1000
# guest.py gets its answers in the target of a request, which has a limit.
MAX_TARGET = 16000
ECHO = pathlib.Path(warren.binary()).parents[2] / "tests/http/h1_echo"
HOP_BY_HOP = {b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"te", b"trailer",
              b"transfer-encoding", b"upgrade"}
ROUTING = {b"expect", b"e2b-sandbox-id", b"e2b-sandbox-port"}
FRAMING = {b"content-length", b"transfer-encoding", b"connection", b"upgrade"}
# With these in Host a request is routed by its fields.
ROUTED_HOSTS = {b"localhost", b"[::1]:80"}


def streams(door, rng):
    """What clients send: requests that are routed to the guest, some of them damaged."""
    maker = Maker(rng, host=b"localhost")
    routing = "".join(f"\r\n{field}" for field in door.fields).encode()
    for _ in range(COUNT):
        requests = []
        for _ in range(rng.choice([1, 1, 2, 3])):
            request = maker.request()
            line, _, rest = request.partition(b"\r\n")
            requests.append(line + routing + b"\r\n" + rest)
        data = b"".join(requests)
        yield maker.mutated(data) if rng.random() < 0.3 else data


def talk(door, data, messages):
    """Sends all of it -> the answers to the messages; an unfinished one has none, a refusal may be a cut."""
    responses = []
    with raw.Wire(door) as wire:
        wire.send(data)
        for message in messages:
            if message["outcome"] == "more":
                return responses
            try:
                responses.append(wire.response(message.get("method", b"").decode("latin-1")))
            except raw.Cut:
                assert message["outcome"] == "refused" and not wire.data, (data, wire.data)
                return responses
            # The server may also end a connection whose client waits for a 100 that does not come.
            if responses[-1].get("connection") == "close" or message["outcome"] == "refused" or not message["keep_alive"]:
                assert wire.ended(), (data, wire.data)
                return responses
    return responses


def passed_on(message, own=frozenset()):
    """The fields that belong to the other side."""
    named = {name.strip().lower() for key, value in message["fields"] if key.lower() == b"connection" for name in value.split(b",")}
    dropped = HOP_BY_HOP | (named - {b"host", b"content-length"}) | {b"content-length"} | own
    return [(name.lower(), value) for name, value in message["fields"] if name.lower() not in dropped]


def routed(door, message):
    """Whether no byte of what routes it was damaged."""
    def values(wanted):
        return [value for name, value in message["fields"] if name.lower() == wanted]

    wanted = (field.encode().split(b": ") for field in door.fields)
    return all(values(name.lower()) == [value] for name, value in wanted) and values(b"host") in [[host] for host in ROUTED_HOSTS]


def check(door, message, response):
    """The service got this message and nothing else -> 1; 0 when it was for nobody."""
    if not response.get("x-raw"):
        assert not routed(door, message) and response.status in (400, 404, 502), response
        return 0
    arrived = second_parser.read("q", base64.b64decode(response.get("x-raw")))
    assert len(arrived) == 1 and arrived[0]["outcome"] == "complete", arrived
    for key in ("method", "target", "body"):
        assert arrived[0][key] == message[key], f"{key}: {arrived[0][key]!r} of {message[key]!r}"
    assert [field for field in arrived[0]["fields"] if field[0] not in FRAMING] == passed_on(message, ROUTING)
    return 1


def test_same_through_the_server(plain):
    rng = random.Random(9110)
    cases = [("q", 1 << 20, data) for data in streams(plain, rng)]
    assert ECHO.is_file(), f"{ECHO} is missing: build the tests"
    arrived = refused = 0
    for (_, _, data), read in zip(cases, differential.run_echo(ECHO, cases)):
        messages = read["messages"]
        responses = talk(plain, data, messages)
        for message, response in zip(messages, responses):
            if message["outcome"] == "complete":
                arrived += check(plain, message, response)
            else:
                assert response.status >= 400 and not response.get("x-raw"), (data, response)
                refused += 1
    assert arrived > COUNT / 4 and refused > COUNT / 10, f"{arrived} requests arrived, {refused} were refused"


def relay(door, kind, data):
    """A request that the guest answers with these bytes, then with the end -> Response, None when it was cut or too long to ask."""
    method, target = "HEAD" if kind == "h" else "GET", raw.target(["send", data.decode("latin-1")], ["close"])
    if len(target) > MAX_TARGET:
        return None, False
    with raw.Wire(door) as wire:
        wire.send(door.head(f"{method} {target} HTTP/1.1"))
        try:
            return wire.response(method), True
        except raw.Cut:
            return None, True


def check_answer(message, response):
    """What the client gets for the first final answer of a service."""
    if message["outcome"] == "more" and "fields" not in message or message.get("status") == 101 or (
            message["outcome"] == "refused" and "fields" not in message):
        assert response and response.status in (502, 503), response
        return "told"
    if message["outcome"] != "complete":
        assert response is None, response
        return "cut"
    assert response and response.status == message["status"] and response.body == message["body"], response
    names = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.fields]
    assert [field for field in names if field[0] not in FRAMING] == passed_on(message)
    return "passed on"


def test_same_answers_through_the_server(plain):
    rng = random.Random(9112)
    maker = Maker(rng)
    cases = [(kind, 1 << 20, maker.stream("r")) for kind in (rng.choice("rrh") for _ in range(COUNT))]
    outcomes = {"told": 0, "cut": 0, "passed on": 0}
    for (kind, _, data), read in zip(cases, differential.run_echo(ECHO, cases)):
        final = [message for message in read["messages"] if not 100 <= message.get("status", 0) < 200 or message["status"] == 101]
        response, asked = relay(plain, kind, data)
        if asked:
            try:
                outcomes[check_answer(final[0] if final else {"outcome": "more"}, response)] += 1
            except AssertionError as error:
                raise AssertionError(f"{kind} {data!r}: {error}") from error
    assert min(outcomes.values()) > COUNT / 100, outcomes
