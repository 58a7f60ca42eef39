"""The way from a client into a service of a sandbox: by host name and by headers, plain and over TLS."""

import base64
import concurrent.futures
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import socket
import ssl
import struct
import threading
import time

import pytest

import service
import warren

GUEST = pathlib.Path(__file__).with_name("ingress_guest.py")
DOMAIN = "sbx.test"
TCP_CLOSE = 7  # of TCP_INFO
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
TOKEN_HEADER = "e2b-traffic-access-token"
MISSING = f"Sandbox is secured with traffic access token. Token header '{TOKEN_HEADER}' is missing"
INVALID = f"Sandbox is secured with traffic access token. Provided token in header '{TOKEN_HEADER}' is invalid"


@pytest.fixture(scope="module")
def served():
    with service.in_domain(DOMAIN) as running:
        yield running


def start_guest(sandbox, mark):
    sandbox.put("/tmp/guest.py", GUEST.read_bytes())
    process = sandbox.start(["/usr/bin/python3", "/tmp/guest.py", mark], timeout=600)
    assert next(data for name, data in process.events() if name == "out") == b"ready\n"
    sandbox.guest = process
    return sandbox


@pytest.fixture(scope="module")
def one(served):
    with served.sandbox(timeout=3600) as made:
        yield start_guest(made, "one")


@pytest.fixture(scope="module")
def two(served):
    with served.sandbox(timeout=3600) as made:
        yield start_guest(made, "two")


class Way:
    """A listener."""

    def __init__(self, served, tls):
        self.served, self.tls = served, tls
        self.port = served.tls_port if tls else served.ingress_port

    def host(self, sandbox, port, more=""):
        return f"{port}-{sandbox.id}{more}.{self.served.domain}"

    def socket(self, name="x.sbx.test", timeout=20):
        plain = socket.create_connection(("127.0.0.1", self.port), timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self.tls:
            return plain
        context = ssl.create_default_context(cafile=self.served.certificate)
        context.set_alpn_protocols(["h2", "http/1.1"])
        wrapped = context.wrap_socket(plain, server_hostname=name, suppress_ragged_eofs=False)
        assert wrapped.selected_alpn_protocol() == "http/1.1"
        return wrapped

    def connection(self, timeout=20):
        made = http.client.HTTPConnection("unused", timeout=timeout)
        made.sock = self.socket(timeout=timeout)
        return made

    def ask(self, host, path="/", headers=None, method="GET", body=None, timeout=20):
        """-> (status, headers, body)"""
        with contextlib.closing(self.connection(timeout)) as made:
            made.request(method, path, body, {"Host": host, **(headers or {})})
            response = made.getresponse()
            return response.status, response.headers, response.read()

    def get(self, sandbox, port, path="/", **options):
        return self.ask(self.host(sandbox, port), path, **options)

    def send(self, sandbox, port, start_line, *fields):
        """A raw request -> its socket."""
        made = self.socket()
        lines = [f"{start_line} HTTP/1.1", f"Host: {self.host(sandbox, port)}", *fields]
        made.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return made


@pytest.fixture(params=["plain", "tls"])
def way(request, served):
    return Way(served, request.param == "tls")


@pytest.fixture
def plain(served):
    return Way(served, False)


# ---- routing ----


@pytest.mark.parametrize("port", [8000, 8001, 8002, 8003, 8004, 8005])
def test_every_address_that_a_service_listens_on(way, one, port):
    for _ in range(3):
        status, _, body = way.get(one, port, "/a?b=c")
        assert (status, body.split()[1]) == (200, b"/a?b=c"), body


def test_more_parts_of_the_label_are_ignored(way, one):
    for more in ["-00000000", "-unknown", "-a-b-c"]:
        assert way.ask(way.host(one, 8000, more))[0] == 200


def test_any_domain_routes(plain, one):
    for host in [f"8000-{one.id}.localhost", f"8000-{one.id}.example.com:1", f"8000-{one.id}.x"]:
        assert plain.ask(host)[2] == b"one /", host


@pytest.mark.parametrize("host, text", [
    ("nodot", b"Invalid host"),
    ("nodash.example", b"Invalid host"),
    ("x-abc.example", b"Invalid sandbox port"),
    ("-abc.example", b"Invalid sandbox port"),
    ("0-abc.example", b"Invalid sandbox port"),
    ("65536-abc.example", b"Invalid sandbox port"),
    ("80-ABC.example", b"Invalid sandbox ID"),
    ("80-.example", b"Invalid sandbox ID"),
    ("localhost", b"Invalid host"),
    ("127.0.0.1:1", b"Invalid host"),
])
def test_bad_hosts(way, host, text):
    status, headers, body = way.ask(host)
    assert (status, body) == (400, text)
    assert headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("host", ["localhost", "localhost:99", "127.0.0.1:99", "[::1]:99", f"sandbox.{DOMAIN}",
                                  f"sandbox.{DOMAIN}:99"])
def test_headers_route_where_the_host_does_not(way, one, host):
    headers = {"E2b-Sandbox-Id": one.id, "E2b-Sandbox-Port": "8000"}
    assert way.ask(host, headers=headers)[2] == b"one /"
    for name in headers:
        rest = {key: value for key, value in headers.items() if key != name}
        status, _, body = way.ask(host, headers=rest)
        assert (status, body) == (400, b"missing header")


def test_the_host_counts_more_than_headers(way, one, two):
    headers = {"E2b-Sandbox-Id": two.id, "E2b-Sandbox-Port": "8001"}
    assert way.get(one, 8000, headers=headers)[2] == b"one /"
    status, _, body = way.ask("example.com", headers=headers)
    assert (status, body) == (400, b"Invalid host")


def test_api_of_the_domain_is_the_control_api(served):
    way = Way(served, True)
    assert way.ask(f"api.{served.domain}", "/health")[0] == 200
    assert way.ask(f"api.{served.domain}", "/sandboxes")[0] == 401
    # The plain ingress has no control API, whatever the host.
    assert Way(served, False).ask(f"api.{served.domain}", "/health")[0] == 400


# ---- answers of the ingress itself ----


def test_unknown_sandbox(way):
    host = f"8000-{'x' * 20}.{DOMAIN}"
    status, headers, body = way.ask(host)
    assert status == 502 and headers["Content-Type"] == "application/json; charset=utf-8"
    assert json.loads(body) == {"sandboxId": "x" * 20, "message": "The sandbox was not found", "code": 502}
    status, headers, body = way.ask(host, headers={"User-Agent": BROWSER})
    page = body.decode()
    assert status == 502 and headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.startswith("<html") and page.endswith("</html>")
    assert "Sandbox Not Found" in page and "x" * 20 in page


def test_closed_port(way, one):
    status, headers, body = way.get(one, 3210)
    assert status == 502 and headers["Content-Type"] == "application/json; charset=utf-8"
    expected = {"sandboxId": one.id, "message": "The sandbox is running but port is not open", "port": 3210, "code": 502}
    assert json.loads(body) == expected
    page = way.get(one, 3210, headers={"User-Agent": BROWSER})[2].decode()
    assert page.startswith("<html") and page.endswith("</html>")
    assert "no service running on port" in page and one.id in page and "3210" in page


@pytest.mark.parametrize("fields", [
    {"Accept": "application/json"},
    {"Accept": "application/json, text/html;q=0.9"},
    {"Accept": "text/html;q=0.5, application/json"},
    {"X-Requested-With": "XMLHttpRequest"},
    {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Accept": "*/*"},
])
def test_scripts_in_a_browser_get_json(plain, fields):
    status, headers, _ = plain.ask("1-x.y", headers={"User-Agent": BROWSER, **fields})
    assert status == 502 and headers["Content-Type"].startswith("application/json")


def test_navigation_gets_a_page(plain):
    fields = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert plain.ask("1-x.y", headers={"User-Agent": BROWSER, **fields})[2].startswith(b"<html")


def test_a_service_that_starts_late_is_waited_for(plain, one):
    process = one.start(["/bin/sh", "-c", "sleep 0.4; exec python3 -m http.server -b 127.0.0.1 8700"])
    assert plain.get(one, 8700)[0] == 200
    process.close()


@pytest.mark.parametrize("path", ["init", "freeze", "unfreeze", "collapse", "fsfreeze", "fsthaw", "upgrade"])
def test_reserved_routes(way, one, path):
    for method in ["GET", "POST"]:
        status, _, body = way.ask(way.host(one, warren.AGENT_PORT), f"/{path}?x=1", method=method)
        assert status == 404
        assert json.loads(body) == {"message": "This endpoint is reserved for the E2B control plane and is not reachable through "
                                               "the sandbox URL", "path": f"/{path}", "code": 404}
    assert way.get(one, 8000, f"/{path}")[0] == 200


# ---- traffic token and Host ----


def make(served, body):
    key = getattr(served, "ingress_key", None) or served.new_key("ingress")
    served.ingress_key = key
    wanted = json.dumps({"templateID": "base", "timeout": 600, "secure": True, **body})
    status, _, text = served.plain_api("POST", "/sandboxes", key, wanted, {"Content-Type": "application/json"})
    assert status == 201, text
    info = json.loads(text)
    return warren.Sandbox(served, info), info


@pytest.fixture(scope="module")
def private(served):
    sandbox, info = make(served, {"network": {"allowPublicTraffic": False}})
    sandbox.token = info["trafficAccessToken"]
    start_guest(sandbox, "private")
    yield sandbox
    sandbox.kill()


def test_private_ports_need_the_token(way, private):
    for headers, message in [({}, MISSING), ({TOKEN_HEADER: "0" * 64}, INVALID), ({TOKEN_HEADER: private.token[:-1]}, INVALID),
                             ({TOKEN_HEADER: private.token + "0"}, INVALID)]:
        status, _, body = way.get(private, 8000, headers=headers)
        assert status == 403
        assert json.loads(body) == {"sandboxId": private.id, "message": message, "code": 403}
    page = way.get(private, 8000, headers={"User-Agent": BROWSER})[2].decode()
    assert page.startswith("<html") and page.endswith("</html>") and "Missing Traffic Access Token" in page
    page = way.get(private, 8000, headers={"User-Agent": BROWSER, TOKEN_HEADER: "x"})[2].decode()
    assert "Invalid Traffic Access Token" in page


def test_the_token_opens_and_is_not_passed_on(way, private):
    headers = {TOKEN_HEADER: private.token}
    assert way.get(private, 8000, headers=headers)[2] == b"private /"
    fields = json.loads(way.get(private, 8000, "/head", headers=headers)[2])["fields"]
    assert not [name for name, _ in fields if name.lower() == TOKEN_HEADER]
    status, _, body = way.get(private, 3210, headers=headers)
    assert status == 502 and json.loads(body)["message"] == "The sandbox is running but port is not open"


def test_the_agent_needs_no_traffic_token(way, private):
    assert way.get(private, warren.AGENT_PORT, "/health")[0] == 204


def test_host_is_the_clients(way, one):
    host = way.host(one, 8000)
    seen = json.loads(way.ask(host, "/head", headers={"E2b-Sandbox-Id": one.id, "X-Hop": "1", "Connection": "X-Hop"})[2])
    names = {name.lower(): value for name, value in seen["fields"]}
    assert names["host"] == host
    assert not {"e2b-sandbox-id", "x-hop", "connection"} & set(names)


def test_masked_host(way, served):
    sandbox, _ = make(served, {"network": {"maskRequestHost": "localhost:${PORT}"}})
    start_guest(sandbox, "masked")
    host = way.host(sandbox, 8000)
    seen = json.loads(way.ask(host, "/head", headers={"X-Forwarded-Host": "mine"})[2])["fields"]
    assert [value for name, value in seen if name.lower() == "host"] == ["localhost:8000"]
    assert [value for name, value in seen if name.lower() == "x-forwarded-host"] == [host]
    assert way.get(sandbox, warren.AGENT_PORT, "/health")[0] == 204
    sandbox.kill()


def test_absolute_target_becomes_a_path(plain, one):
    host = plain.host(one, 8000)
    with plain.socket() as made:
        made.sendall(f"GET http://{host}/head?x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        text = made.makefile("rb").read()
    assert b'"target": "/head?x"' in text


# ---- streams ----


def until(made, end):
    data = b""
    while not data.endswith(end):
        piece = made.recv(65536)
        assert piece, data
        data += piece
    return data


def test_streams_both_ways_without_waiting(way, one):
    made = way.send(one, 8000, "POST /echo", "Transfer-Encoding: chunked")
    for i in range(5):
        text = b"piece %d\n" % i
        made.sendall(b"%x\r\n%s\r\n" % (len(text), text))
        until(made, text + b"\r\n")
    made.sendall(b"0\r\n\r\n")
    until(made, b"0\r\n\r\n")
    made.close()


def test_large_bodies(way, one):
    data = os.urandom(1 << 20) * 24
    status, _, body = way.ask(way.host(one, 8000), "/", method="PUT", body=data, timeout=120)
    assert (status, body) == (200, hashlib.sha256(data).hexdigest().encode())
    assert len(way.get(one, 8000, f"/flood?{64 << 20}", timeout=120)[2]) == 64 << 20


def drips(way, sandbox):
    return json.loads(way.get(sandbox, 8000, "/drips")[2])


@pytest.mark.parametrize("path", ["/drip", "/mute"])
def test_a_client_that_leaves_ends_the_upstream(way, one, path):
    before = drips(way, one)
    made = way.send(one, 8000, f"GET {path}")
    if path == "/drip":
        until(made, b"first\n\r\n")
    warren.wait_for(lambda: drips(way, one)["open"] == before["open"] + 1, 30, "the service has the request")
    assert drips(way, one)["ended"] == before["ended"]
    made.close()
    warren.wait_for(lambda: drips(way, one)["ended"] == before["ended"] + 1, 30, "the service hears of the end")


def mask(data, opcode=1):
    head = struct.pack(">BB", 0x80 | opcode, 0x80 | len(data)) if len(data) < 126 else \
        struct.pack(">BBH", 0x80 | opcode, 0x80 | 126, len(data))
    return head + b"abcd" + bytes(byte ^ b"abcd"[i % 4] for i, byte in enumerate(data))


def websocket(way, sandbox):
    made = way.send(sandbox, 8000, "GET /ws", "Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                    f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}")
    head = until(made, b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ") and b"sec-websocket-accept: " in head.lower()
    return made


def test_websocket(way, one):
    with websocket(way, one) as made:
        for text in [b"hello", b"x" * 125, b"y" * 60000]:
            made.sendall(mask(text))
            until(made, text)
        made.sendall(mask(b"", 8))
        assert made.recv(100) == b"\x88\x00"
        assert made.recv(100) == b""


def test_hundreds_of_websockets_in_one_sandbox(way, one):
    with contextlib.ExitStack() as stack:
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            all_of_them = [stack.enter_context(made) for made in pool.map(lambda _: websocket(way, one), range(300))]
        for number, made in enumerate(all_of_them):
            made.sendall(mask(b"number %d" % number))
        for number, made in enumerate(all_of_them):
            until(made, b"number %d" % number)
        assert way.get(one, 8000)[0] == 200


def test_a_slow_reader_harms_nobody(way, one, two):
    slow = way.send(one, 8000, f"GET /flood?{256 << 20}")
    stop = threading.Event()

    def read_slowly():
        while not stop.is_set():
            slow.recv(1)
            time.sleep(0.02)

    reader = threading.Thread(target=read_slowly)
    reader.start()
    try:
        for sandbox in [one, two] * 20:
            assert way.get(sandbox, 8000)[0] == 200
        assert len(way.get(one, 8000, f"/flood?{8 << 20}")[2]) == 8 << 20
    finally:
        stop.set()
        reader.join()
        slow.close()


def test_one_client_connection_alternates_between_sandboxes(way, one, two):
    with contextlib.closing(way.connection()) as made:
        for round_number in range(20):
            for sandbox, mark in [(one, "one"), (two, "two")]:
                made.request("GET", f"/{round_number}", headers={"Host": way.host(sandbox, 8000)})
                assert made.getresponse().read() == f"{mark} /{round_number}".encode()


# ---- the end of a sandbox ----


def end_of(made):
    """How the other side ends a stream: "reset", "clean", or "cut", which is TLS without its last word."""
    end = "clean"
    try:
        while made.recv(65536):
            pass
    except OSError:
        end = "cut"
    return "reset" if made.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_CLOSE else end


def open_streams(way, sandbox):
    agent = way.send(sandbox, warren.AGENT_PORT, "POST /process.Process/Start", f"Authorization: {warren.basic('user')}",
                     "Content-Type: application/connect+json", "Connect-Protocol-Version: 1",
                     f"Content-Length: {len(SLEEP)}", f"X-Access-Token: {sandbox.info.get('envdAccessToken', '')}")
    agent.sendall(SLEEP)
    service_stream = way.send(sandbox, 8000, "GET /drip")
    until(service_stream, b"first\n\r\n")
    while b"pid" not in agent.recv(65536):
        pass
    return {"agent": agent, "service": service_stream, "websocket": websocket(way, sandbox)}


SLEEP = warren.envelope({"process": {"cmd": "/bin/sleep", "args": ["1000"]}})


@pytest.mark.parametrize("how", ["delete", "pid 1"])
def test_killed_during_a_stream(way, served, how):
    with served.sandbox() as sandbox:
        start_guest(sandbox, "x")
        streams = open_streams(way, sandbox)
        if how == "delete":
            sandbox.kill()
        else:
            os.kill(sandbox.agent_pid(), 9)
        ends = {name: end_of(made) for name, made in streams.items()}
        # A tunnel whose service dies before the sandbox is known to be dead ends as the service ends it.
        expected = {"agent": "reset", "service": "reset", "websocket": "reset" if how == "delete" else ends["websocket"]}
        assert ends == expected
        assert way.get(sandbox, warren.AGENT_PORT, "/health")[0] == 502
        # A service whose process is just ending may have taken the connection: that is 503, and over at once.
        statuses = [way.get(sandbox, 8000)[0]]
        while statuses[-1] == 503 and len(statuses) < 600:
            time.sleep(0.05)
            statuses.append(way.get(sandbox, 8000)[0])
        assert statuses[-1] == 502, statuses
        warren.wait_for(lambda: b"The sandbox was not found" in way.get(sandbox, 8000)[2], 30, "it is gone")


# ---- TLS ----


def test_plain_http_on_the_tls_port_is_closed(served):
    with socket.create_connection(("127.0.0.1", served.tls_port), 20) as made:
        made.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert b"HTTP" not in made.recv(100)


def test_versions_and_protocols(served):
    def shake(version=None, alpn=None):
        context = ssl.create_default_context(cafile=served.certificate)
        if version:
            context.minimum_version = context.maximum_version = version
        if alpn:
            context.set_alpn_protocols(alpn)
        with socket.create_connection(("127.0.0.1", served.tls_port), 20) as plain, \
                context.wrap_socket(plain, server_hostname="1-a.sbx.test") as made:
            made.sendall(b"GET / HTTP/1.1\r\nHost: 1-a.sbx.test\r\n\r\n")
            assert made.recv(100).startswith(b"HTTP/1.1 502")
            return made.version(), made.selected_alpn_protocol()

    assert shake(ssl.TLSVersion.TLSv1_2) == ("TLSv1.2", None)
    assert shake(ssl.TLSVersion.TLSv1_3, ["http/1.1"]) == ("TLSv1.3", "http/1.1")
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        shake(alpn=["h2"])


def test_session_is_resumed(served):
    context = ssl.create_default_context(cafile=served.certificate)
    session, reused = None, []
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", served.tls_port), 20) as plain, \
                context.wrap_socket(plain, server_hostname="x.sbx.test", session=session) as made:
            made.sendall(b"GET / HTTP/1.1\r\nHost: 1-a.sbx.test\r\n\r\n")
            made.recv(100)
            session = made.session
            reused.append(made.session_reused)
    assert reused == [False, True, True]


def test_a_complete_response_ends_with_close_notify(served, one):
    way = Way(served, True)
    made = way.send(one, 8000, f"GET /flood?{3 << 20}", "Connection: close")
    body = b""
    while piece := made.recv(65536):
        body += piece
    assert len(body.partition(b"\r\n\r\n")[2]) == 3 << 20
