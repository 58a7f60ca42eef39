"""The bytes of a sandbox's connections: whole and in both directions, with ends, resets and limits where they belong."""

import hashlib
import inspect
import socket
import struct
import threading
import time

import pytest

import netlab
import warren

MIB = 1 << 20
PORT = 7000  # of servers that any sandbox may reach
SILENT = "198.51.100.66"  # answers nothing at all
NOWHERE = "203.0.113.1"  # has no route from the host


@pytest.fixture(scope="module")
def lab():
    with netlab.Lab() as made:
        # Behind the gateway, which drops what comes for it.
        made.host.ip("route", "add", f"{SILENT}/32", "via", netlab.GATEWAY)
        made.world.ip("route", "add", "blackhole", f"{SILENT}/32")
        made.host.ip("route", "add", "unreachable", f"{NOWHERE}/32")
        yield made


@pytest.fixture(scope="module")
def server(lab):
    with lab.warren() as running:
        yield running


@pytest.fixture
def sandbox(server):
    made = netlab.create(server)
    yield made
    made.kill()


def reset(connection):
    """Closes with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def receive_all(connection):
    """-> (bytes, SHA-256) until the end."""
    digest, count = hashlib.sha256(), 0
    while True:
        data = connection.recv(1 << 18)
        if not data:
            return count, digest.hexdigest()
        digest.update(data)
        count += len(data)


def payload(size):
    block = hashlib.sha256(str(size).encode()).digest() * 2048
    return (block * (size // len(block) + 1))[:size]


CLIENT = "import hashlib, socket, struct, sys, time\n" + inspect.getsource(receive_all) + inspect.getsource(payload) + """
def connect(address, port, timeout=60):
    return socket.create_connection((address, port), timeout)
def outcome(f):
    try:
        return f()
    except ConnectionResetError:
        return "reset"
"""


def inside(sandbox, code, timeout=120):
    """What the code prints, with CLIENT before it."""
    result = sandbox.python(CLIENT + code, timeout=timeout)
    assert result.code == 0, result
    return result.out.strip()


def inside_later(sandbox, code):
    """The same on a thread -> function that waits for the output."""
    results = []
    thread = threading.Thread(target=lambda: results.append(inside(sandbox, code)))
    thread.start()

    def wait():
        thread.join(120)
        assert results, "it has failed, see the warnings"
        return results[0]
    return wait


def expect_event(server, sandbox, what, **wanted):
    """The only event with these members, once it is there."""
    found = warren.wait_for(lambda: netlab.decisions(server, sandbox, **wanted), 10, what)
    return found[0]


# ---- whole ----

@pytest.mark.parametrize("address", [netlab.WEB, netlab.WEB6])
def test_large_transfers_both_ways(lab, server, sandbox, address):
    size = 64 * MIB
    received = []

    def both(connection):
        sender = threading.Thread(target=lambda: (connection.sendall(payload(size)), connection.shutdown(socket.SHUT_WR)))
        sender.start()
        received.append(receive_all(connection))
        sender.join()
    listener = lab.listen(both, address)
    out = inside(sandbox, f"""
import threading
s = connect("{address}", {listener.port})
data = payload({size})
sender = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
sender.start()
print(*receive_all(s))
sender.join()
""")
    digest = hashlib.sha256(payload(size)).hexdigest()
    assert out == f"{size} {digest}"
    warren.wait_for(lambda: received, 30, "the server has read what the sandbox has sent")
    assert received == [(size, digest)] and not listener.errors
    closed = expect_event(server, sandbox, "the end is logged", kind="close", port=listener.port)
    assert (closed["bytesOut"], closed["bytesIn"], closed["detail"]) == (size, size, "done")
    assert closed["address"] == address


def test_small_messages_one_after_the_other(lab, sandbox):
    def echo(connection):
        while data := connection.recv(100):
            connection.sendall(data)
    listener = lab.listen(echo)
    assert inside(sandbox, f"""
s = connect("{netlab.WEB}", {listener.port})
for i in range(300):
    s.sendall(b"%d" % i)
    assert s.recv(100) == b"%d" % i
print("done")
""") == "done"


# ---- ends ----

def test_client_ends_first_and_reads_the_answer(lab, sandbox):
    def answer(connection):
        count, digest = receive_all(connection)
        connection.sendall(f"{count} {digest}".encode())
    listener = lab.listen(answer)
    assert inside(sandbox, f"""
s = connect("{netlab.WEB}", {listener.port})
s.sendall(payload(1000000))
s.shutdown(socket.SHUT_WR)
print(s.recv(1000).decode(), s.recv(1000))
""") == f"1000000 {hashlib.sha256(payload(1000000)).hexdigest()} b''"


def test_server_ends_first_and_reads_the_rest(lab, sandbox):
    received = []

    def greet(connection):
        connection.sendall(b"hello")
        connection.shutdown(socket.SHUT_WR)
        received.append(receive_all(connection))
    listener = lab.listen(greet)
    assert inside(sandbox, f"""
s = connect("{netlab.WEB}", {listener.port})
assert s.recv(100) == b"hello" and s.recv(100) == b""
s.sendall(payload(1000000))
s.close()
print("done")
""") == "done"
    warren.wait_for(lambda: received, 30, "the server has read the rest")
    assert received == [(1000000, hashlib.sha256(payload(1000000)).hexdigest())]


def test_reset_by_the_server_is_seen_inside(lab, server, sandbox):
    def cut(connection):
        connection.recv(1)
        reset(connection)
    listener = lab.listen(cut)
    assert inside(sandbox, f"""
s = connect("{netlab.WEB}", {listener.port})
s.sendall(b"x")
print(outcome(lambda: s.recv(100)))
""") == "reset"
    expect_event(server, sandbox, "the reset is logged", kind="close", port=listener.port)


def test_reset_by_the_client_is_seen_by_the_server(lab, sandbox):
    seen = []

    def read(connection):
        try:
            connection.sendall(b"hello")
            while connection.recv(1000):
                pass
            seen.append("end")
        except ConnectionResetError:
            seen.append("reset")
    listener = lab.listen(read)
    inside(sandbox, f"""
s = connect("{netlab.WEB}", {listener.port})
s.recv(5)
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
s.close()
""")
    warren.wait_for(lambda: seen, 30, "the server noticed")
    assert seen == ["reset"]


@pytest.mark.parametrize("address, why", [(netlab.WEB, "refused"), (NOWHERE, "no route"), (SILENT, "timed out")])
def test_connections_that_cannot_be_made_are_reset(server, sandbox, address, why):
    assert inside(sandbox, f"""
def go():
    s = connect("{address}", 9)
    return s.recv(1)
print(outcome(go))
""") == "reset"
    closed = expect_event(server, sandbox, "the reason is logged", kind="close", port=9)
    assert why in closed["detail"].lower()
    assert not server.request("GET", f"/sandboxes/{sandbox.id}/network")["connections"]


# ---- back-pressure ----

def test_a_reader_that_stops_stops_the_writer(lab, sandbox):
    size, sent = 96 * MIB, [0]
    data = payload(size)

    def send(connection):
        while sent[0] < size:
            sent[0] += connection.send(data[sent[0]:sent[0] + 65536])
    listener = lab.listen(send)
    result = inside_later(sandbox, f"""
import os
s = connect("{netlab.WEB}", {listener.port})
while not os.path.exists("/tmp/go"):
    time.sleep(0.05)
print(*receive_all(s))
""")
    last = -1
    while last != sent[0] or not sent[0]:
        last = sent[0]
        time.sleep(0.5)
    assert last < size / 2, "all of it is somewhere on the way"
    sandbox.check("touch /tmp/go")
    assert result() == f"{size} {hashlib.sha256(data).hexdigest()}"


# ---- limits ----

OPEN_MANY = """
import select
def open_many(count):
    made = []
    for _ in range(count):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("{address}", {port}))
        made.append(s)
    return made
def alive(sockets):
    "Those that have been greeted, once each was greeted or reset."
    good, left = [], list(sockets)
    while left:
        poller = select.poll()
        by_number = {{s.fileno(): s for s in left}}
        for s in left:
            poller.register(s, select.POLLIN)
        for number, _ in poller.poll(20000):
            s = by_number[number]
            left.remove(s)
            try:
                if s.recv(1):
                    good.append(s)
            except OSError:
                pass
    return good
"""


def hold(connection):
    """Greets, and stays until the client leaves."""
    connection.sendall(b"!")
    connection.recv(1)


def test_connection_limit(lab):
    listener = lab.listen(hold)
    code = OPEN_MANY.format(address=netlab.WEB, port=listener.port)
    with lab.warren("--egress-connections", "20") as server:
        first, other = netlab.create(server), netlab.create(server)
        assert inside(first, code + """
good = alive(open_many(300))
for s in good[:5]:
    s.close()
again = []
while len(again) < 5:
    again += alive(open_many(5 - len(again)))
print(len(good), len(again))
""") == "20 5"
        refused = netlab.decisions(server, first, kind="deny")
        assert refused and all(event["rule"] == "connection limit" for event in refused)
        assert len(refused) < 100, "a flood does not fill the log"
        assert inside(other, code + "print(len(alive(open_many(20))))") == "20"


def test_a_flood_harms_nobody(lab, server):
    listener = lab.listen(hold)
    code = OPEN_MANY.format(address=netlab.WEB, port=listener.port)
    flooder, neighbour = netlab.create(server), netlab.create(server)
    flood = flooder.start(["/usr/bin/python3", "-c", CLIENT + code + """
print("begin", flush=True)
total = 0
while total < 50000:
    made = open_many(500)
    total += len(made)
    time.sleep(0.02)
    for s in made:
        s.close()
print(total)
"""])
    events = flood.events()
    assert any(kind == "out" for kind, _ in events)
    for _ in range(20):
        assert inside(neighbour, code + "print(len(alive(open_many(5))))") == "5"
        assert server.healthy()
    refused = warren.wait_for(lambda: netlab.decisions(server, flooder, kind="deny"), 20, "something of the flood was refused")
    assert {event["rule"] for event in refused} <= {"connection limit", "connection rate"}
    flooder.kill()
    assert inside(neighbour, code + "print(len(alive(open_many(5))))") == "5"
    neighbour.kill()


def test_bandwidth_limit(lab, server, sandbox):
    size, parallel = 8 * MIB, 2
    listener = lab.listen(lambda connection: connection.sendall(payload(size)))
    code = f"""
import threading
def load():
    s = connect("{netlab.WEB}", {listener.port})
    assert receive_all(s)[0] == {size}
begin = time.monotonic()
threads = [threading.Thread(target=load) for _ in range({parallel})]
for t in threads: t.start()
for t in threads: t.join()
print(time.monotonic() - begin)
"""
    free = min(float(inside(sandbox, code)) for _ in range(3))  # whoever is in the way of one is not in that of all
    with lab.warren("--egress-bandwidth", "4M") as limited_server:
        limited = float(inside(netlab.create(limited_server), code))
    assert limited > 5 * free
    # All connections together, and not much less than what is allowed either.
    rate = parallel * size / limited
    assert 1 * MIB < rate < 6 * MIB


# ---- changes ----

def test_an_update_cuts_what_is_no_longer_allowed(lab, server, sandbox):
    def echo(connection):
        while data := connection.recv(100):
            connection.sendall(data)
    kept, cut = lab.listen(echo, netlab.WEB), lab.listen(echo, netlab.OTHER)
    result = inside_later(sandbox, f"""
kept, cut = connect("{netlab.WEB}", {kept.port}), connect("{netlab.OTHER}", {cut.port})
for s in kept, cut:
    s.sendall(b"x")
    assert s.recv(1) == b"x"
open("/tmp/ready", "w").close()
print(outcome(lambda: cut.recv(1)))
kept.sendall(b"y")
print(kept.recv(1))
print(outcome(lambda: connect("{netlab.OTHER}", {cut.port}).recv(1)))
""")
    warren.wait_for(lambda: sandbox.run("test -e /tmp/ready").code == 0, 20, "both are open")
    server.request("PUT", f"/sandboxes/{sandbox.id}/network", {"denyOut": [f"{netlab.OTHER}/32"]}, 204)
    assert result().splitlines() == ["reset", "b'y'", "reset"], netlab.decisions(server, sandbox)
    denied = netlab.decisions(server, sandbox, kind="deny", port=cut.port)
    assert [event["detail"] for event in denied] == ["policy changed", ""]
    assert all(event["rule"].startswith("denyOut[0]") for event in denied)
    assert denied[0]["bytesOut"] == denied[0]["bytesIn"] == 1


def test_an_update_opens(lab, server):
    listener = lab.listen(hold)
    sandbox = netlab.create(server, allow_internet_access=False)
    code = f"print(outcome(lambda: connect('{netlab.WEB}', {listener.port}).recv(1)))"
    assert inside(sandbox, code) == "reset"
    server.request("PUT", f"/sandboxes/{sandbox.id}/network", {"allow_internet_access": True}, 204)
    assert inside(sandbox, code) == "b'!'"
    sandbox.kill()


# ---- names ----

def test_server_speaks_first_on_a_port_where_names_are_looked_for(lab, server):
    """The client says nothing: after a while the address decides, which is allowed."""
    lab.names(**{"web.test": netlab.WEB})
    listener = lab.listen(hold, port=443)
    sandbox = netlab.create(server, {"denyOut": ["0.0.0.0/0"], "allowOut": ["web.test", f"{netlab.WEB}/32"]})
    assert inside(sandbox, f"print(outcome(lambda: connect('{netlab.WEB}', 443).recv(1)))") == "b'!'"
    server.request("PUT", f"/sandboxes/{sandbox.id}/network", {"denyOut": ["0.0.0.0/0"], "allowOut": ["web.test"]}, 204)
    assert inside(sandbox, f"print(outcome(lambda: connect('{netlab.WEB}', 443).recv(1)))") == "reset"
    sandbox.kill()
    listener.close()


def test_a_name_is_found_however_the_hello_is_cut(lab, server):
    lab.names(**{"web.test": netlab.WEB})
    listener = lab.listen(lambda connection: connection.sendall(connection.recv(5)), port=443, names=("web.test",))
    sandbox = netlab.create(server, {"denyOut": ["0.0.0.0/0"], "allowOut": ["web.test"]})
    assert inside(sandbox, f"""
import ssl
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
def talk(name, piece):
    plain = connect("{netlab.WEB}", 443)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=name)
    def send():
        data = outgoing.read()
        for at in range(0, len(data), piece):
            plain.sendall(data[at:at + piece])
    def step(f):
        while True:
            try:
                value = f()
                send()
                return value
            except ssl.SSLWantReadError:
                send()
                data = plain.recv(65536)
                if not data:
                    raise ConnectionResetError
                incoming.write(data)
    step(tls.do_handshake)
    step(lambda: tls.write(b"hello"))
    return step(lambda: tls.read(5))
for piece in (1, 100, 65536):
    print(outcome(lambda: talk("web.test", piece)))
print(outcome(lambda: talk("other.test", 1)), outcome(lambda: talk(None, 65536)))
""").splitlines() == ["b'hello'"] * 3 + ["reset reset"]
    sandbox.kill()
    listener.close()


# ---- the server goes away ----

def test_egress_works_again_after_the_server_was_killed(lab):
    listener = lab.listen(hold)
    data = lab.data()
    code = f"print(outcome(lambda: connect('{netlab.WEB}', {listener.port}).recv(1)))"
    with lab.warren(data=data) as server:
        denying = netlab.create(server, {"denyOut": [f"{netlab.WEB}/32"]})
        sandbox = netlab.create(server)
        assert inside(sandbox, code) == "b'!'"
        for sudden in (server.kill9, server.terminate):
            # One that is made while no server is there waits for the next one.
            sandbox.check("rm -f /tmp/begun")
            process = sandbox.start(["/usr/bin/python3", "-c", CLIENT + f"""
while connect('{netlab.WEB}', {listener.port}).recv(1): time.sleep(0.05)
"""])
            next(process.events())
            sudden()
            server.start()
            assert inside(sandbox, code) == "b'!'"
            assert inside(denying, code) == "reset"
            assert len(netlab.decisions(server, denying, kind="deny")) == 1
