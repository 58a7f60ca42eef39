"""Names as programs in a sandbox see them: the system's resolver and clients of their own, over UDP and TCP, good and hostile."""

import contextlib
import json
import threading
import time

import pytest

import netlab
import warren

ALL = "0.0.0.0/0"
A, NS, CNAME, NULL, PTR, MX, TXT, AAAA, SRV, HTTPS, AXFR, ANY, CAA = 1, 2, 5, 10, 12, 15, 16, 28, 33, 65, 252, 255, 257
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, REFUSED = 0, 1, 2, 3, 5
RESOLVER = "192.0.0.1"

# A client of the test's own, in the sandbox: asks each [name, type, server, transport] and prints what came.
CLIENT = r"""
import json, socket, struct, sys

def encode(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"

def question(name, kind, flags=0x0100):
    return struct.pack(">6H", 4711, flags, 1, 0, 0, 0) + encode(name) + struct.pack(">HH", kind, 1)

def skip(message, at):
    while message[at] and message[at] < 0xc0:
        at += 1 + message[at]
    return at + (2 if message[at] else 1)

def read(message, asked):
    number, flags, questions, answers = struct.unpack(">4H", message[:8])
    assert number == 4711 and flags & 0x8000, message
    at, found = 12, []
    if questions:
        assert message[12:len(asked)] == asked[12:], "another question"
        at = len(asked)
    for _ in range(answers):
        at = skip(message, at)
        kind, _, ttl, length = struct.unpack(">HHIH", message[at:at + 10])
        data = message[at + 10:at + 10 + length]
        at += 10 + length
        family = {1: socket.AF_INET, 28: socket.AF_INET6}.get(kind)
        found.append(socket.inet_ntop(family, data) if family else data.hex())
    return {"rcode": flags & 15, "truncated": bool(flags & 0x200), "answers": sorted(found)}

def ask(name, kind, server, transport, timeout=15):
    asked = bytes.fromhex(name[4:]) if name.startswith("hex:") else question(name, kind)
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM) as made:
        made.settimeout(timeout)
        try:
            made.connect((server, 53))  # a datagram from any other address would not be received
            if transport == "udp":
                made.send(asked)
                return read(made.recv(65535), asked)
            made.sendall(struct.pack(">H", len(asked)) + asked)
            stream = made.makefile("rb")
            length = stream.read(2)
            return read(stream.read(*struct.unpack(">H", length)), asked) if length else {"error": "closed"}
        except OSError as error:
            return {"error": type(error).__name__}

if __name__ == "__main__":
    for line in json.loads(sys.argv[1]):
        print(json.dumps(ask(*line)), flush=True)
"""


@pytest.fixture(scope="module")
def lab():
    with netlab.Lab() as made:
        made.names(**{
            "web.test": [netlab.WEB, netlab.WEB6], "other.test": netlab.OTHER, "a.wild.test": netlab.WEB, "alias.test": "web.test",
            "bait.test": "10.20.30.40", "meta.test": "169.254.169.254", "bait6.test": "fd12:3456::1",
            "mixed.test": ["192.168.77.1", netlab.WEB], "loop.test": "127.0.0.1",
        })
        yield made


@pytest.fixture(scope="module")
def running(lab):
    with lab.warren() as server:
        yield server


@pytest.fixture
def make(running):
    """make(network) -> a sandbox that ends with the test, with the client in it."""
    with contextlib.ExitStack() as stack:
        def new(network=None):
            sandbox = netlab.create(running, network)
            stack.callback(lambda: sandbox.alive() and sandbox.kill())
            sandbox.put("/tmp/client.py", CLIENT.encode())
            return sandbox

        yield new


@pytest.fixture(scope="module")
def shared(running):
    """Where everything is allowed; its tests only ask."""
    sandbox = netlab.create(running)
    sandbox.put("/tmp/client.py", CLIENT.encode())
    return sandbox


def ask(sandbox, *questions):
    """Each question is (name, type[, server[, transport]])."""
    whole = [[*question, *[RESOLVER, "udp"][len(question) - 2:]] for question in questions]
    output = sandbox.check(["/usr/bin/python3", "/tmp/client.py", json.dumps(whole)])
    answers = [json.loads(line) for line in output.splitlines()]
    return answers if len(answers) > 1 else answers[0]


def found(*addresses):
    return {"rcode": NOERROR, "truncated": False, "answers": sorted(addresses)}


def empty(rcode):
    return {"rcode": rcode, "truncated": False, "answers": []}


def logged(running, sandbox, **wanted):
    events = netlab.decisions(running, sandbox, kind="dns", **wanted)
    assert events, netlab.decisions(running, sandbox)
    return events[-1]


def test_the_resolvers_of_programs(running, make):
    sandbox = make()
    names = "import socket, sys; print(sorted({e[4][0] for e in socket.getaddrinfo(sys.argv[1], 80)}))"
    look_up = ["/usr/bin/python3", "-c", names]
    assert sandbox.check([*look_up, "web.test"]) == f"{sorted([netlab.WEB, netlab.WEB6])}\n"
    assert sandbox.check([*look_up, "alias.test"]) == f"{sorted([netlab.WEB, netlab.WEB6])}\n"
    assert netlab.WEB in sandbox.check("getent ahostsv4 WEB.test")
    assert sandbox.run("getent hosts nothing.test").code == 2
    node = "require('dns').resolve4('web.test', (error, found) => console.log(error || found.join()))"
    assert sandbox.check(["node", "-e", node]).strip() == netlab.WEB
    node = "require('dns').lookup('other.test', (error, found) => console.log(error || found))"
    assert sandbox.check(["node", "-e", node]).strip() == netlab.OTHER
    event = logged(running, sandbox, name="other.test", detail=f"A -> {netlab.OTHER}")
    assert event["verdict"] == "allow" and event["rule"] == "default" and event["address"] == netlab.OTHER, event
    assert logged(running, sandbox, name="nothing.test")["detail"].endswith("NXDOMAIN")
    assert "localhost" in sandbox.check("getent hosts 127.0.0.1")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("server", [
    RESOLVER, "8.8.8.8", "198.51.100.77", "10.20.30.40", "169.254.169.254", "fd00::1", "2001:4860::8888"])
def test_every_server_is_ours(shared, server, transport):
    assert ask(shared, ("web.test", A, server, transport), ("web.test", AAAA, server, transport)) == [
        found(netlab.WEB), found(netlab.WEB6)]
    assert ask(shared, ("no.test", A, server, transport)) == empty(NXDOMAIN)


def test_several_questions_on_one_connection(shared):
    program = CLIENT.split("if __name__")[0] + f"""
made = socket.create_connection(("{RESOLVER}", 53), 15)
asked = [question(name, kind) for name, kind in (("web.test", 1), ("no.test", 1), ("other.test", 1), ("web.test", 10))]
made.sendall(b"".join(struct.pack(">H", len(one)) + one for one in asked))
made.shutdown(socket.SHUT_WR)
stream = made.makefile("rb")
for one in asked:
    print(json.dumps(read(stream.read(*struct.unpack(">H", stream.read(2))), one)))
print(stream.read())
"""
    assert shared.python(program).out.splitlines() == [
        json.dumps(found(netlab.WEB)), json.dumps(empty(NXDOMAIN)), json.dumps(found(netlab.OTHER)), json.dumps(empty(REFUSED)), "b''"]


def test_forbidden_names_never_leave(running, make, lab):
    sandbox = make({"denyOut": [ALL], "allowOut": ["web.test", "*.wild.test"]})
    secret = "c2VjcmV0.leak.test"
    answers = ask(sandbox, ("web.test", A), ("a.wild.test", A), (secret, A), (secret, AAAA, RESOLVER, "tcp"), (secret, TXT),
                  ("web.test", TXT), ("10.100.51.198.in-addr.arpa", PTR))
    assert answers == [found(netlab.WEB), found(netlab.WEB), empty(REFUSED), empty(REFUSED), empty(REFUSED), empty(NOERROR), empty(REFUSED)]
    assert not [line for line in lab.questions() if "leak" in line or "TXT" in line or "PTR" in line]
    event = logged(running, sandbox, name=secret.lower(), detail="A -> REFUSED")
    assert event["verdict"] == "deny" and event["rule"] == f"denyOut[0] {ALL}", event
    assert logged(running, sandbox, name="a.wild.test")["rule"] == "allowOut[1] *.wild.test"
    assert logged(running, sandbox, name="web.test", detail="TXT -> no data")["verdict"] == "deny"
    assert sandbox.run("getent hosts other.test").code == 2


def test_without_internet_no_name_is_resolved(running, make, lab):
    sandbox = make({"denyOut": [ALL]})
    before = len(lab.questions())
    assert ask(sandbox, ("web.test", A), ("x" * 60 + ".tunnel.test", A, "8.8.8.8", "tcp")) == [empty(REFUSED), empty(REFUSED)]
    assert len(lab.questions()) == before


@pytest.mark.parametrize("kind", [NULL, ANY, AXFR, 251, 41, 0, 99, 65280])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_record_types_that_are_refused(running, make, lab, kind, transport):
    sandbox = make()  # of its own: the log lists a bounded number of questions per second
    before = len(lab.questions())
    assert ask(sandbox, ("web.test", kind, RESOLVER, transport)) == empty(REFUSED)
    assert len(lab.questions()) == before
    event = logged(running, sandbox, name="web.test")
    assert event["verdict"] == "deny" and event["rule"] == "record type" and event["detail"].endswith("-> REFUSED"), event


def test_record_types_that_are_passed_on(shared):
    text, nothing, alias = ask(shared, ("text.test", TXT), ("web.test", MX), ("alias.test", CNAME))
    assert bytes.fromhex(text["answers"][0]) == b"\x09some text"
    assert nothing == empty(NOERROR)
    assert alias["rcode"] == NOERROR and len(alias["answers"]) == 1


def raw(name, kind=A, flags=0x0100, counts=(1, 0, 0, 0), tail=b""):
    head = b"".join(value.to_bytes(2, "big") for value in (4711, flags, *counts))
    return f"hex:{(head + name + kind.to_bytes(2, 'big') + bytes([0, 1]) + tail).hex()}"


HOSTILE = {
    "label of 64 bytes": raw(b"\x40" + b"a" * 64 + b"\4test\0"),
    "name of 256 bytes": raw((b"\x3f" + b"a" * 63) * 4 + b"\0"),
    "compressed name": raw(b"\3www\xc0\x0c"),
    "bytes that no name has": raw(b"\4a\0b.\4test\0"),
    "a name that is a line": raw(b"\4a\nb\x1b\4test\0"),
    "two questions": raw(b"\1a\4test\0", counts=(2, 0, 0, 0)),
    "an answer inside": raw(b"\1a\4test\0", counts=(1, 1, 0, 0), tail=bytes.fromhex("c00c00010001000000010004010203 04")),
    "bytes behind the end": raw(b"\1a\4test\0", tail=b"data to carry out"),
    "cut short": raw(b"\1a\4test\0")[:-2],
}


@pytest.mark.parametrize("what", HOSTILE)
def test_malformed_questions(running, shared, lab, what):
    before = len(lab.questions())
    assert ask(shared, (HOSTILE[what], 0), (HOSTILE[what], 0, "8.8.8.8", "tcp")) == [empty(FORMERR)] * 2
    assert len(lab.questions()) == before
    event = logged(running, shared, verdict="deny")
    assert event["rule"] == "malformed question" and event["detail"].endswith("FORMERR"), event
    assert ask(shared, ("web.test", A)) == found(netlab.WEB)


def test_an_update_is_no_question(shared):
    assert ask(shared, (raw(b"\4test\0", kind=6, flags=0x2800), 0)) == empty(4)


@pytest.mark.parametrize("name,kind,words", [
    ("bait.test", A, "10.0.0.0/8"), ("meta.test", A, "169.254"), ("bait6.test", AAAA, "fc00::/7"), ("loop.test", A, "127.0.0.0/8")])
def test_rebinding(running, make, name, kind, words):
    sandbox = make({"denyOut": [ALL], "allowOut": [name]})
    assert ask(sandbox, (name, kind), (name, kind, "1.1.1.1", "tcp")) == [empty(NOERROR)] * 2
    event = logged(running, sandbox, name=name)
    assert event["verdict"] == "deny" and event["rule"].startswith("blocked: ") and words in event["rule"], event


def test_of_several_addresses_the_closed_ones_are_left_out(shared):
    assert ask(shared, ("mixed.test", A)) == found(netlab.WEB)


def test_reverse_names_of_closed_ranges(shared, lab):
    before = len(lab.questions())
    assert ask(shared, ("40.30.20.10.in-addr.arpa", PTR), ("10.in-addr.arpa", NS), ("1.0.0.127.in-addr.arpa", PTR)) == [
        empty(NXDOMAIN)] * 3
    assert len(lab.questions()) == before
    assert bytes.fromhex(ask(shared, ("10.100.51.198.in-addr.arpa", PTR))["answers"][0]) == b"\3web\4test\0"


def test_names_of_the_hosts_network_are_not_asked_for(shared, lab):
    before = len(lab.questions())
    assert ask(shared, ("metadata.google.internal", A)) == empty(NXDOMAIN)
    assert len(lab.questions()) == before


def test_a_change_of_policy_counts_at_once(running, make):
    sandbox = make()
    assert ask(sandbox, ("web.test", A)) == found(netlab.WEB)
    running.request("PUT", f"/sandboxes/{sandbox.id}/network", {"denyOut": [ALL], "allowOut": ["other.test"]})
    assert ask(sandbox, ("web.test", A), ("other.test", A)) == [empty(REFUSED), found(netlab.OTHER)]
    running.request("PUT", f"/sandboxes/{sandbox.id}/network", {})
    assert ask(sandbox, ("web.test", A)) == found(netlab.WEB)


FLOOD = """
import os, socket
made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
made.setblocking(False)
head = bytes.fromhex("126701000001000000000000")
sent, answered = 0, 0
print("go", flush=True)
while not os.path.exists("/tmp/enough") or sent < 40000:
    for _ in range(200):
        sent += 1
        label = b"n%07d" % sent
        try:
            made.sendto(head + b"\\x08" + label + b"\\4test\\0\\0\\1\\0\\1", ("192.0.0.1", 53))
        except BlockingIOError:
            pass
    try:
        while True:
            made.recv(2048)
            answered += 1
    except BlockingIOError:
        pass
print(sent, answered)
"""


def test_a_flood_does_not_hurt_a_neighbour(running, make):
    loud, quiet = make(), make()
    ask(quiet, ("web.test", A))
    results = []
    flood = threading.Thread(target=lambda: results.append(loud.run(["/usr/bin/python3", "-c", FLOOD], timeout=120)))
    flood.start()
    end = time.monotonic() + 4
    rounds = 0
    while rounds < 3 or time.monotonic() < end:
        assert ask(quiet, ("web.test", A), (f"fresh{rounds}.test", A)) == [found(netlab.WEB), empty(NXDOMAIN)]
        rounds += 1
    assert flood.is_alive()
    loud.check("touch /tmp/enough")
    flood.join(120)
    assert results and results[0].code == 0, results
    sent, answered = map(int, results[0].out.split()[1:])
    assert sent > 20000 and 0 < answered < sent / 2, (sent, answered)
    assert logged(running, loud, rule="question rate")["verdict"] == "deny"
    assert not netlab.decisions(running, quiet, rule="question rate")
    # What has flooded works again, too.
    warren.wait_for(lambda: ask(loud, ("web.test", A)) == found(netlab.WEB), 20, "the budget comes back")


def test_a_resolver_that_is_down(running, make, lab):
    sandbox, neighbour = make(), make()
    ask(sandbox, ("web.test", A))
    lab.stop_resolver()
    try:
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(ask(sandbox, ("later.test", A))))
        waiting.start()
        # Group names, refusals and other sandboxes' do not wait for it.
        assert ask(neighbour, ("web.test", NULL), ("x.internal", A)) == [empty(REFUSED), empty(NXDOMAIN)]
        waiting.join(30)
        assert answers == [empty(SERVFAIL)]
        assert logged(running, sandbox, name="later.test")["detail"].startswith("A -> SERVFAIL")
        assert sandbox.run("getent hosts late.test").code == 2
    finally:
        lab.names(**{"later.test": netlab.OTHER})
    warren.wait_for(lambda: ask(sandbox, ("later.test", A)) == found(netlab.OTHER), 30, "the resolver is asked again")
