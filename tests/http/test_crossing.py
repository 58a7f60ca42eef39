"""Sandboxes that try to answer for each other: kept connections, alternating clients, and every answer checked for whose it is."""

import concurrent.futures
import random

import pytest

import raw
from conftest import make_guest, way

OK = "HTTP/1.1 200 OK\r\n"
CLIENTS = 8
REQUESTS = 150
POISON = "poison of "


def poisoned(sandbox, rng):
    """Steps of a hostile answer: the right one, then bytes that would suit the next request, at once or a little later."""
    mine = f"{OK}Content-Length: {len(sandbox.id)}\r\n\r\n{sandbox.id}"
    text = POISON + sandbox.id
    extra = f"{OK}Content-Length: {len(text)}\r\n\r\n{text}"
    return rng.choice([
        [["send", mine + extra]],
        [["send", mine], ["sleep", rng.random() / 200], ["send", extra * 3]],
        [["send", mine], ["sleep", rng.random() / 200], ["send", extra], ["close"]],
        [["send", mine + extra[: rng.randrange(len(extra))]]],
        [["send", mine.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n") + extra]],
    ])


def alternate(seed, doors, hostile, peaceful):
    """One client connection that asks both sandboxes in turn; -> answers that were not the asked one's."""
    rng = random.Random(seed)
    wrong = []
    wire = raw.Wire(doors[peaceful.id])
    for _ in range(REQUESTS):
        sandbox = rng.choice([hostile, peaceful])
        wire.door = doors[sandbox.id]
        target = raw.target(*poisoned(hostile, rng)) if sandbox is hostile else "/mine"
        try:
            response = wire.request("GET", target)
        except raw.Cut:
            # Only a hostile service may cost its client the connection.
            if sandbox is peaceful:
                wrong.append("the peaceful sandbox's client was cut")
            wire.socket.close()
            wire = raw.Wire(wire.door)
            continue
        if sandbox is peaceful and (response.status != 200 or response.body != peaceful.id.encode()):
            wrong.append(f"for {peaceful.id}: {response!r}")
        if sandbox is hostile and peaceful.id.encode() in response.body:
            wrong.append(f"for {hostile.id}: {response!r}")
    wire.socket.close()
    return wrong


@pytest.mark.parametrize("name", ["local", "ingress"])
def test_answers_stay_with_their_sandbox(service, guest, other, name):
    doors = {sandbox.id: way(service, name, sandbox) for sandbox in (guest, other)}
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        jobs = [pool.submit(alternate, f"{name} {i}", doors, guest, other) for i in range(CLIENTS)]
        wrong = [text for job in jobs for text in job.result()]
    assert not wrong, f"{len(wrong)} wrong answers: {wrong[:5]}"


def test_smuggled_routes_reach_nobody(service, other):
    """A request hidden in another's body, addressed to the neighbour, stays a body."""
    # Its own sandbox: what a hostile service sends late may be taken for its own next answer.
    sandbox = make_guest(service)
    door = way(service, "ingress", sandbox)
    neighbour = way(service, "ingress", other)
    before = raw.seen(neighbour)
    hidden = neighbour.head("GET /hidden HTTP/1.1")
    for lines in (["Transfer-Encoding: chunked"], [f"Content-Length: {len(hidden)}"]):
        body = hidden if "Content" in lines[0] else b"%x\r\n%s\r\n0\r\n\r\n" % (len(hidden), hidden)
        with raw.Wire(door) as wire:
            wire.send(door.head("POST /outer HTTP/1.1", *lines) + body)
            assert raw.got(wire.response()).body == hidden
            assert not wire.data
    assert raw.seen(neighbour) == [*before, "GET /seen HTTP/1.1"]
    sandbox.kill()


def test_connections_of_a_killed_sandbox_are_not_reused(service, guest):
    """Kept connections go with their sandbox; its id answers with 502 and no bytes of anybody."""
    for _ in range(3):
        victim = make_guest(service)
        door = way(service, "ingress", victim)
        with raw.Wire(door) as wire:
            for _ in range(3):
                assert wire.request("GET", "/alive").body == victim.id.encode()
            victim.kill()
            response = wire.request("GET", "/gone")
            assert response.status == 502 and b"not found" in response.body, response
            wire.door = way(service, "ingress", guest)
            assert wire.request("GET", "/mine").body == guest.id.encode()
