"""Clients that never finish: their number must not stop the others, and what they hold is given back."""

import contextlib
import os
import resource
import time

import pytest

import raw
import warren

# More than one listener of the server takes.
CROWD = 4500


@pytest.fixture(autouse=True)
def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 3 * CROWD), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def descriptors(service):
    return len(os.listdir(f"/proc/{service.process.pid}/fd"))


def unfinished(door):
    """Requests that end too early, in turn: in the first line, in a field, in a body with a length, in a chunk."""
    head = door.head("GET /never HTTP/1.1")
    return [head[:5], head[:-2], door.head("POST /never HTTP/1.1", "Content-Length: 100") + b"x",
            door.head("POST /never HTTP/1.1", "Transfer-Encoding: chunked") + b"ff\r\nx"]


@pytest.fixture
def crowd(service, request):
    """crowd(door, data list, count): connections that have sent that and stay."""
    with contextlib.ExitStack() as stack:
        def make(door, beginnings, count):
            wires = [stack.enter_context(raw.Wire(door)) for _ in range(count)]
            for i, wire in enumerate(wires):
                wire.send(beginnings[i % len(beginnings)])
            return wires

        yield make


def test_half_open_heads_stop_nobody(service, plain, control, crowd):
    """Slow-loris: heads that grow by one byte now and then, on both ports, while others are served as always. Where there is no room
    for one more connection, the one that has waited longest makes it."""
    before = descriptors(service)
    for door in (plain, control):
        wires = crowd(door, unfinished(door)[:2], CROWD)
        for _ in range(3):
            for wire in wires:
                wire.send(b"x")
            for _ in range(20):
                assert raw.ask(door, door.head("GET /health HTTP/1.1")).status in (200, 204)
        for wire in wires:
            wire.socket.close()
    warren.wait_for(lambda: descriptors(service) <= before + 8, 20, "the connections are given back")


def test_unfinished_handshakes_stop_nobody(service, guest, crowd):
    """The same in front of TLS: nothing, half a record, and what is no TLS at all."""
    from conftest import way

    door = way(service, "tls", guest)
    naked = raw.Door("TLS port without TLS", door.address)
    before = descriptors(service)
    record = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"r" * 20
    wires = crowd(naked, [b"", record[:3], record, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"], CROWD)
    for _ in range(20):
        assert raw.ask(door, door.head("GET /beside HTTP/1.1")).body == guest.id.encode()
    for wire in wires:
        wire.socket.close()
    warren.wait_for(lambda: descriptors(service) <= before + 8, 20, "the connections are given back")


def test_unfinished_bodies_stop_nobody(service, plain, guest, other, crowd):
    """Bodies that do not go on hold a connection of their own sandbox, up to its limit; another sandbox is not concerned."""
    from conftest import way

    wires = crowd(plain, unfinished(plain)[2:], 400)
    neighbour = way(service, "ingress", other)
    for _ in range(20):
        assert raw.ask(neighbour, neighbour.head("GET /beside HTTP/1.1")).body == other.id.encode()
    for wire in wires:
        wire.socket.close()
    warren.wait_for(lambda: raw.ask(plain, plain.head("GET /again HTTP/1.1")).status == 200, 20, "the sandbox itself is served again")


def test_a_reader_that_stops_stops_nobody(plain, crowd):
    """Answers that nobody takes wait where they come from."""
    steps = ["send", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"], ["flood", "10000\r\n" + "x" * 65536 + "\r\n", 1000]
    crowd(plain, [plain.head(f"GET {raw.target(*steps)} HTTP/1.1")], 20)
    for _ in range(50):
        assert raw.ask(plain, plain.head("GET /beside HTTP/1.1")).status == 200


def test_a_late_head_is_answered(plain):
    """What comes slowly but comes is served."""
    data = plain.head("GET /late HTTP/1.1")
    with raw.Wire(plain) as wire:
        for i in range(0, len(data), 10):
            wire.send(data[i : i + 10])
            time.sleep(0.05)
        assert raw.got(wire.response()).first == "GET /late HTTP/1.1"
