"""Connections into a sandbox that are not HTTP: over TLS by server name, and by `warren forward`."""

import concurrent.futures
import contextlib
import hashlib
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import time

import pytest

import service
import warren

GUEST = pathlib.Path(__file__).with_name("raw_guest.py")
WEB = pathlib.Path(__file__).with_name("ingress_guest.py")
DOMAIN = "sbx.test"
RAW = "warren-tcp"
ECHO, GREET, DIGEST, FLOOD, FIRST_HALF, HEARD, RESET = range(7001, 7008)
FLOOD_BYTES = bytes(range(256)) * 4096 * 16


@pytest.fixture(scope="module")
def served():
    with service.in_domain(DOMAIN) as running:
        running.key = running.new_key("raw")
        yield running


def start_guest(sandbox, program=GUEST, *arguments):
    sandbox.put("/tmp/guest.py", program.read_bytes())
    sandbox.guest = sandbox.start(["/usr/bin/python3", "/tmp/guest.py", *arguments], timeout=600)
    assert next(data for name, data in sandbox.guest.events() if name == "out") == b"ready\n"
    return sandbox


def make(served, **body):
    wanted = json.dumps({"templateID": "base", "timeout": 600, "secure": True, **body})
    status, _, text = served.plain_api("POST", "/sandboxes", served.key, wanted, {"Content-Type": "application/json"})
    assert status == 201, text
    return warren.Sandbox(served, json.loads(text))


@pytest.fixture(scope="module")
def one(served):
    made = start_guest(make(served))
    yield made
    made.kill()


@pytest.fixture(scope="module")
def private(served):
    made = start_guest(make(served, network={"allowPublicTraffic": False}))
    yield made
    made.kill()


def name_of(sandbox, port):
    return f"{port}-{sandbox.id}.{DOMAIN}"


def connect(served, name, protocols=(RAW,), timeout=20):
    plain = socket.create_connection(("127.0.0.1", served.tls_port), timeout)
    context = ssl.create_default_context(cafile=served.certificate)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    # What ends without close_notify is an error.
    return context.wrap_socket(plain, server_hostname=name, suppress_ragged_eofs=False)


def read_all(connection):
    parts = []
    while piece := connection.recv(65536):
        parts.append(piece)
    return b"".join(parts)


def read_exactly(connection, count):
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        assert piece, f"the stream ended after {data!r}"
        data += piece
    return data


# ---- over TLS ----


@pytest.mark.parametrize("protocols", [(RAW,), ("http/1.1", RAW), ("postgresql",), ()])
def test_bytes_pass_as_they_are(served, one, protocols):
    with connect(served, name_of(one, ECHO), protocols) as made:
        assert made.selected_alpn_protocol() == (RAW if RAW in protocols else protocols[0] if protocols else None)
        for text in [b"\x00\x01\xff binary", b"GET nothing\r\n", bytes(200000)]:
            made.sendall(text)
            assert read_exactly(made, len(text)) == text


def test_every_byte_in_order_and_an_end_of_the_stream(served, one):
    with connect(served, name_of(one, FLOOD)) as made:
        assert read_all(made) == FLOOD_BYTES


@pytest.mark.parametrize("protocols", [(RAW,), ()])
def test_the_end_of_the_clients_stream_is_passed_on(served, one, protocols):
    data = os.urandom(3 << 20)
    with connect(served, name_of(one, DIGEST), protocols) as made:
        made.sendall(data)
        # Python's unwrap() waits for the peer's close_notify: the end of TCP's stream tells the same here.
        socket.socket.shutdown(made, socket.SHUT_WR)
        assert read_all(made) == f"{len(data)} {hashlib.sha256(data).hexdigest()}\n".encode()


def test_a_server_that_speaks_first_is_heard(served, one):
    """Without a protocol's name and without a word from the client."""
    with connect(served, name_of(one, GREET), ()) as made:
        assert read_exactly(made, 11) == b"220 hello\r\n"
        made.sendall(b"EHLO x\r\n")
        assert read_exactly(made, 8) == b"EHLO x\r\n"


def test_a_reset_of_the_service_is_no_clean_end(served, one):
    with connect(served, name_of(one, RESET)) as made:
        made.sendall(b"x")
        with pytest.raises(OSError):
            read_all(made)


def test_a_closed_port_is_no_clean_end(served, one):
    with connect(served, name_of(one, 7999)) as made, pytest.raises(OSError):
        read_all(made)


def test_a_port_that_opens_late_is_waited_for(served, one):
    late = one.start("sleep 0.4; echo late | timeout 20 python3 -c '"
                     "import socket; s = socket.create_server((\"127.0.0.1\", 7100)); c, _ = s.accept(); c.sendall(b\"late\")'")
    with connect(served, name_of(one, 7100)) as made:
        assert read_all(made) == b"late"
    late.close()


def test_http_stays_http(served):
    """Whatever the client says about protocols: with a request line it is HTTP, with its checks and fields."""
    made = start_guest(make(served), WEB, "web")
    try:
        for protocols in [("http/1.1",), ("h2", "http/1.1"), ()]:
            with connect(served, name_of(made, 8000), protocols) as connection:
                connection.sendall(f"GET /head HTTP/1.1\r\nHost: {name_of(made, 8000)}\r\nConnection: close\r\n"
                                   f"E2b-Sandbox-Port: 1\r\n\r\n".encode())
                answer = read_all(connection)
                assert answer.startswith(b"HTTP/1.1 200") and b"e2b-sandbox-port" not in answer.lower(), answer
        # In pieces, as a slow sender would.
        with connect(served, name_of(made, 8000), ()) as connection:
            for piece in [b"GE", b"T /head HT", f"TP/1.1\r\nHost: {name_of(made, 8000)}\r\nConnection: close\r\n\r\n".encode()]:
                connection.sendall(piece)
                time.sleep(0.05)
            assert read_all(connection).startswith(b"HTTP/1.1 200")
    finally:
        made.kill()


def test_private_ports_are_never_raw(served, private):
    with pytest.raises(ssl.SSLError):
        connect(served, name_of(private, ECHO), (RAW,))
    with connect(served, name_of(private, ECHO), ()) as made:
        made.sendall(b"\x01\x02\r\n\r\n")
        assert read_all(made).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("port", [warren.AGENT_PORT, 49999])
def test_ports_of_the_agent_are_never_raw(served, one, port):
    with pytest.raises(ssl.SSLError):
        connect(served, name_of(one, port), (RAW,))
    with connect(served, name_of(one, port), ()) as made:
        made.sendall(b"hello\r\n\r\n")
        assert read_all(made).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("name", [f"7001-{'x' * 20}.{DOMAIN}", f"api.{DOMAIN}", f"x.{DOMAIN}"])
def test_other_names_are_never_raw(served, name):
    with pytest.raises(ssl.SSLError):
        connect(served, name, (RAW,))
    with pytest.raises(ssl.SSLError):
        connect(served, name, ("postgresql",))


def test_the_end_of_the_sandbox_is_a_cut(served):
    made = start_guest(make(served))
    with connect(served, name_of(made, GREET)) as connection:
        read_exactly(connection, 11)
        made.kill()
        with pytest.raises(OSError):
            read_all(connection)


def test_many_at_once(served, one):
    data = os.urandom(200000)

    def ask(_):
        with connect(served, name_of(one, DIGEST)) as made:
            made.sendall(data)
            socket.socket.shutdown(made, socket.SHUT_WR)
            return read_all(made)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(64)))
    assert set(answers) == {f"{len(data)} {hashlib.sha256(data).hexdigest()}\n".encode()}


def test_openssl_s_client(served, one):
    """What the guide shows."""
    process = subprocess.Popen(["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{served.tls_port}", "-servername",
                                name_of(one, GREET), "-CAfile", served.certificate, "-verify_return_error", "-alpn", RAW],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout.readline() == b"220 hello\r\n"
        process.stdin.write(b"abc\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"abc\n"
    finally:
        process.kill()
        process.communicate()


# ---- one that is paused ----


def state(sandbox):
    return sandbox.detail()["state"]


@pytest.fixture
def waking(served):
    """Traffic resumes it."""
    made = start_guest(make(served, autoResume={"enabled": True}))
    yield made
    made.kill()


@pytest.fixture
def staying(served):
    """Nothing does but a resume."""
    made = start_guest(make(served))
    yield made
    made.kill()


@pytest.mark.parametrize("protocols", [(RAW,), ("postgresql",), ()])
@pytest.mark.parametrize("level", ["frozen", "hibernated"])
def test_a_raw_connection_wakes_it(served, waking, level, protocols):
    waking.pause(level=level)
    with connect(served, name_of(waking, ECHO), protocols) as made:
        made.sendall(b"\x00awake")
        assert read_exactly(made, 6) == b"\x00awake"
    assert state(waking) == "running"


def test_many_raw_connections_wake_it_once(served, waking):
    waking.pause()

    def ask(number):
        with connect(served, name_of(waking, DIGEST)) as made:
            made.sendall(b"x" * number)
            socket.socket.shutdown(made, socket.SHUT_WR)
            return read_all(made).split()[0]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [b"%d" % number for number in range(8)]
    reasons = [event["eventData"] for event in served.request("GET", f"/events/sandboxes/{waking.id}") if "resumed" in event["type"]]
    assert len(reasons) == 1, reasons


def test_who_leaves_while_it_wakes_harms_nobody(served, waking):
    waking.pause()
    for _ in range(4):
        connect(served, name_of(waking, GREET)).close()
    with connect(served, name_of(waking, GREET)) as made:
        assert read_exactly(made, 11) == b"220 hello\r\n"


LATE = ("import socket; made = socket.create_server(('127.0.0.1', 7100)); peer, _ = made.accept(); peer.recv(9); "
        "peer.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 4\\r\\n\\r\\nlate')")


@pytest.mark.parametrize("way", ["raw", "route", "http"])
def test_a_pause_while_the_port_is_waited_for_is_ended(served, waking, way):
    """The port opens only after that: whoever came before the pause is not told that there is no sandbox."""
    with contextlib.ExitStack() as stack:
        if way == "route":
            made = stack.enter_context(ask_port(served, f"/sandboxes/{waking.id}/ports/7100", served.key))
        else:
            made = stack.enter_context(connect(served, name_of(waking, 7100), (RAW,) if way == "raw" else ("http/1.1",)))
        if way == "http":
            made.sendall(f"GET / HTTP/1.1\r\nHost: {name_of(waking, 7100)}\r\nConnection: close\r\n\r\n".encode())
        waking.pause(level="frozen")
        waking.start(["/usr/bin/python3", "-c", LATE], timeout=60).started().close()
        if way == "route":
            assert head_of(made).startswith(b"HTTP/1.1 101 ")
        if way != "http":
            made.sendall(b"hello")
        answer = read_all(made)
        assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"late"), answer
    assert state(waking) == "running"


def test_what_does_not_wake_has_no_raw_ports(served, staying):
    staying.pause()
    with pytest.raises(ssl.SSLError):
        connect(served, name_of(staying, ECHO))
    assert state(staying) == "paused"
    staying.resume()
    with connect(served, name_of(staying, GREET)) as made:
        assert read_exactly(made, 11) == b"220 hello\r\n"


# ---- the route of the control API ----


def ask_port(served, path, key, fields=("Connection: Upgrade", "Upgrade: tcp")):
    made = socket.create_connection(("127.0.0.1", served.api_port), 20)
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", f"X-API-Key: {key}", *fields]
    made.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    return made


def head_of(connection):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += read_exactly(connection, 1)
    return head


def test_the_route_switches_to_the_port(served, one):
    with ask_port(served, f"/sandboxes/{one.id}/ports/{GREET}", served.key) as made:
        head = head_of(made)
        assert head.startswith(b"HTTP/1.1 101 ") and b"\r\nUpgrade: tcp\r\n" in head
        assert read_exactly(made, 11) == b"220 hello\r\n"
        made.sendall(b"abc")
        made.shutdown(socket.SHUT_WR)
        assert read_all(made) == b"abc"


def test_bytes_behind_the_request_reach_the_port(served, one):
    with ask_port(served, f"/sandboxes/{one.id}/ports/{ECHO}", served.key) as made:
        made.sendall(b"at once")
        head_of(made)
        assert read_exactly(made, 7) == b"at once"


@pytest.mark.parametrize("port, fields, status, text", [
    ("7001", (), 400, "Upgrade: tcp"),
    ("7001", ("Connection: Upgrade", "Upgrade: websocket"), 400, "Upgrade: tcp"),
    ("0", None, 400, "from 1 to 65535"),
    ("70000", None, 400, "from 1 to 65535"),
    ("x", None, 400, "from 1 to 65535"),
    ("49983", None, 403, "agent"),
    ("49999", None, 403, "interpreter"),
    ("7999", None, 502, "nothing listens on port 7999"),
])
def test_the_route_says_what_is_wrong(served, one, port, fields, status, text):
    arguments = () if fields is None else (fields,)
    with ask_port(served, f"/sandboxes/{one.id}/ports/{port}", served.key, *arguments) as made:
        answer = head_of(made)
        assert answer.split()[1] == str(status).encode()
        assert text in json.loads(made.recv(4096))["message"]


def test_the_route_is_for_the_owner(served, one):
    path = f"/sandboxes/{one.id}/ports/{ECHO}"
    with ask_port(served, path, "e2b_" + "0" * 40) as made:
        assert head_of(made).split()[1] == b"401"
    served.new_team("strangers")
    with ask_port(served, path, served.new_key("stranger", "strangers")) as made:
        assert head_of(made).split()[1] == b"404"
    with ask_port(served, f"/sandboxes/{'x' * 20}/ports/{ECHO}", served.key) as made:
        assert head_of(made).split()[1] == b"404"


def test_the_route_over_tls(served, one):
    """api.<domain>: the same through TLS and its socket pair, half-close included."""
    with connect(served, f"api.{DOMAIN}", ("http/1.1",)) as made:
        made.sendall(f"GET /sandboxes/{one.id}/ports/{DIGEST} HTTP/1.1\r\nHost: api.{DOMAIN}:{served.tls_port}\r\n"
                     f"X-API-Key: {served.key}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n".encode())
        assert head_of(made).startswith(b"HTTP/1.1 101 ")
        made.sendall(b"abc")
        socket.socket.shutdown(made, socket.SHUT_WR)
        assert read_all(made) == f"3 {hashlib.sha256(b'abc').hexdigest()}\n".encode()


def test_the_route_wakes_it(served, waking):
    waking.pause()
    with ask_port(served, f"/sandboxes/{waking.id}/ports/{GREET}", served.key) as made:
        assert head_of(made).startswith(b"HTTP/1.1 101 ")
        assert read_exactly(made, 11) == b"220 hello\r\n"
    assert state(waking) == "running"


def test_the_route_says_that_it_is_paused(served, staying):
    staying.pause()
    with ask_port(served, f"/sandboxes/{staying.id}/ports/{GREET}", served.key) as made:
        assert head_of(made).split()[1] == b"409"
        assert json.loads(made.recv(4096))["message"] == f"sandbox {staying.id} is paused; resume it first"
    assert state(staying) == "paused"


# ---- warren forward ----


@contextlib.contextmanager
def forward(served, *arguments):
    """-> (process, (address, port))"""
    process = subprocess.Popen([warren.binary(), "forward", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=served.environment(), text=True)
    try:
        line = process.stdout.readline()
        match = re.match(r"(?:\[(.*)\]|(.*)):(\d+) -> ", line)
        where = (match[1] or match[2], int(match[3])) if match else line
        yield process, where
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


def test_forward_makes_a_local_port(served, one):
    with forward(served, one.id, f"{ECHO}:0") as (process, where):
        assert where[0] == "127.0.0.1"
        for _ in range(3):
            with socket.create_connection(where, 20) as made:
                made.sendall(b"hello")
                made.shutdown(socket.SHUT_WR)
                assert read_all(made) == b"hello"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def test_forward_takes_several_connections_at_once(served, private):
    """In a sandbox with private ports: the operator has the right to them."""
    with forward(served, private.id, f"{DIGEST}:0") as (_, where):
        data = os.urandom(1 << 20)

        def ask(_):
            with socket.create_connection(where, 20) as made:
                made.sendall(data)
                made.shutdown(socket.SHUT_WR)
                return read_all(made)

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = set(pool.map(ask, range(24)))
        assert answers == {f"{len(data)} {hashlib.sha256(data).hexdigest()}\n".encode()}


def test_forward_wakes_what_traffic_wakes(served, waking):
    with forward(served, waking.id, f"{ECHO}:0") as (_, where):
        for level in ("frozen", "hibernated"):
            waking.pause(level=level)
            with socket.create_connection(where, 20) as made:
                made.sendall(b"awake")
                assert read_exactly(made, 5) == b"awake"
            assert state(waking) == "running"


def test_forward_lasts_longer_than_a_pause(served, staying):
    with forward(served, staying.id, f"{ECHO}:0") as (process, where):
        staying.pause()
        # Perhaps before it is known to be connected.
        with pytest.raises(ConnectionResetError), socket.create_connection(where, 20) as made:
            read_all(made)
        staying.resume()
        with socket.create_connection(where, 20) as made:
            made.sendall(b"again")
            assert read_exactly(made, 5) == b"again"
        process.send_signal(signal.SIGINT)
        assert f"sandbox {staying.id} is paused; resume it first" in process.communicate(timeout=20)[1]
        assert process.returncode == 0


def test_forward_of_a_closed_port_goes_on(served, one):
    with forward(served, one.id, "7998:0") as (process, where):
        with socket.create_connection(where, 20) as made, pytest.raises(ConnectionResetError):
            read_all(made)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert "nothing listens on port 7998" in process.communicate(timeout=20)[1]
        assert process.returncode == 0


def test_forward_says_where_in_json(served, one):
    process = subprocess.Popen([warren.binary(), "forward", "--json", "--address", "::1", one.id, f"{ECHO}:0"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=served.environment(), text=True)
    try:
        said = json.loads(process.stdout.readline())
        assert (said["address"], said["sandboxID"], said["sandboxPort"]) == ("::1", one.id, ECHO)
        with socket.create_connection(("::1", said["port"]), 20) as made:
            made.sendall(b"six")
            assert read_exactly(made, 3) == b"six"
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_forward_ends_with_its_sandbox(served):
    made = start_guest(make(served))
    with forward(served, made.id, f"{GREET}:0") as (process, where):
        with socket.create_connection(where, 20) as connection:
            read_exactly(connection, 11)
            made.kill()
            with pytest.raises(ConnectionResetError):
                read_all(connection)
        error = process.communicate(timeout=30)[1]
        assert f"sandbox {made.id} is gone" in error and process.returncode == 68


@pytest.mark.parametrize("arguments, status, text", [
    (("x" * 20, "80:0"), 68, "there is no sandbox"),
    (("nonsense!", "80:0"), 66, "not a sandbox id"),
    (("x" * 20, "0"), 66, "PORT:LOCAL"),
    (("x" * 20, "80:70000"), 66, "PORT:LOCAL"),
    (("x" * 20, "http"), 66, "PORT:LOCAL"),
])
def test_forward_says_what_is_wrong(served, arguments, status, text):
    done = served.cli("forward", *arguments)
    assert done.code == status and text in done.err, done


def test_forward_needs_a_free_port_and_an_address(served, one):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = served.cli("forward", one.id, f"{ECHO}:{taken.getsockname()[1]}")
        assert done.code == 69 and "another program listens" in done.err and "PORT:0" in done.err, done
    done = served.cli("forward", "--address", "example.com", one.id, f"{ECHO}:0")
    assert done.code == 66 and "not an address" in done.err, done
