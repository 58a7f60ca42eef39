"""Ports of a sandbox from outside: HTTP, WebSocket, tokens; and what is said about the network of a sandbox."""

import asyncio
import json
import ssl
import threading

import e2b
import httpx
import pytest
import websockets

import guests
from raw import http

HTTP_PORT, WS_PORT = 8000, 8100


class WebSocket:
    """A client on one thread: the library's own synchronous one reads and writes one TLS session from two threads, and with Python
    3.11 the request was lost on the way into the socket now and then."""

    def __init__(self, address):
        self.address = address
        self.runner = asyncio.Runner()

    async def connect(self):
        return await websockets.connect(self.address, open_timeout=60, max_size=None)

    def __enter__(self):
        self.connection = self.runner.run(self.connect())
        return self

    def __exit__(self, *_):
        self.runner.run(self.connection.close())
        self.runner.close()

    def send(self, data):
        self.runner.run(self.connection.send(data))

    def recv(self, seconds):
        return self.runner.run(asyncio.wait_for(self.connection.recv(), seconds))


@pytest.fixture(scope="module")
def web(sandbox):
    """The shared sandbox with an HTTP server -> its address."""
    handle = guests.start(sandbox, "http_echo.py", HTTP_PORT)
    yield f"https://{sandbox.get_host(HTTP_PORT)}"
    handle.kill()


@pytest.fixture(scope="module")
def socket_address(sandbox):
    handle = guests.start(sandbox, "ws_echo.py", WS_PORT)
    yield f"wss://{sandbox.get_host(WS_PORT)}"
    handle.kill()


def headers_of(answer):
    return dict(answer.json()["headers"])


def test_http(web, sandbox):
    answer = http.get(f"{web}/some/path?query=1&q=%20")
    assert answer.status_code == 200
    assert answer.json()["path"] == "/some/path?query=1&q=%20"
    assert headers_of(answer)["host"] == sandbox.get_host(HTTP_PORT)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_methods_and_bodies(web, method):
    answer = http.request(method, web, content=b"a body" if method != "GET" else None, headers={"X-Mine": "1"})
    assert answer.json()["method"] == method
    assert answer.json()["body"] == ("a body" if method != "GET" else "")
    assert headers_of(answer)["x-mine"] == "1"


def test_a_body_without_a_length(web):
    assert http.post(web, content=iter([b"one ", b"two"])).json()["body"] == "one two"


def test_an_answer_arrives_piece_by_piece(web, sandbox):
    sandbox.files.remove("/tmp/drip")
    with http.stream("GET", f"{web}/drip") as answer:
        parts = answer.iter_raw()
        assert next(parts) == b"first"
        sandbox.files.write("/tmp/drip", "")
        assert b"".join(parts) == b"second"


def test_standard_file_server(sandbox, folder):
    sandbox.files.write(f"{folder}/index.html", "<h1>hello</h1>")
    handle = sandbox.commands.run("exec python3 -m http.server 8200", background=True, cwd=folder, timeout=0)
    sandbox.commands.run("until ss -Htln sport = :8200 | grep -q LISTEN; do sleep 0.02; done")
    assert http.get(f"https://{sandbox.get_host(8200)}").text == "<h1>hello</h1>"
    handle.kill()


def test_websocket(socket_address, sandbox):
    with WebSocket(socket_address) as client:
        client.send("hello")
        assert client.recv(20) == f"{sandbox.get_host(WS_PORT)} hello"
        data = bytes(range(256)) * 1000
        client.send(data)
        assert client.recv(20) == data


def test_websocket_breaks_when_the_sandbox_is_killed(make):
    sandbox = make(timeout=60)
    guests.start(sandbox, "ws_echo.py", WS_PORT)
    with WebSocket(f"wss://{sandbox.get_host(WS_PORT)}") as client:
        client.send("x")
        client.recv(20)
        threading.Timer(0.2, sandbox.kill).start()
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            client.recv(20)


def test_two_ports_at_once(web, socket_address, sandbox):
    with WebSocket(socket_address) as client:
        client.send("between")
        assert http.get(web).status_code == 200
        assert client.recv(20).endswith("between")


def test_many_requests_over_one_connection(web):
    with httpx.Client() as client:
        for number in range(50):
            assert client.get(f"{web}/{number}").json()["path"] == f"/{number}"


def test_many_connections_at_once(web):
    async def all_of_them():
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=50), timeout=60) as client:
            return await asyncio.gather(*[client.get(f"{web}/{number}") for number in range(50)])

    assert [json.loads(one.text)["path"] for one in asyncio.run(all_of_them())] == [f"/{number}" for number in range(50)]


def test_private_ports_need_the_token(make):
    sandbox = make(timeout=60, network={"allow_public_traffic": False})
    guests.start(sandbox, "http_echo.py", HTTP_PORT)
    url = f"https://{sandbox.get_host(HTTP_PORT)}"
    assert sandbox.traffic_access_token
    missing = http.get(url)
    assert missing.status_code == 403
    assert missing.json()["message"] == (
        "Sandbox is secured with traffic access token. Token header 'e2b-traffic-access-token' is missing")
    wrong = http.get(url, headers={"e2b-traffic-access-token": "0" * 64})
    assert wrong.status_code == 403
    assert wrong.json()["message"] == (
        "Sandbox is secured with traffic access token. Provided token in header 'e2b-traffic-access-token' is invalid")
    right = http.get(url, headers={"e2b-traffic-access-token": sandbox.traffic_access_token})
    assert right.status_code == 200
    assert sandbox.commands.run("echo the agent needs none").exit_code == 0


def test_public_sandboxes_have_no_traffic_token(sandbox):
    assert sandbox.traffic_access_token is None


def test_host_header_can_be_masked(make):
    sandbox = make(timeout=60, network={"mask_request_host": "localhost:${PORT}"})
    guests.start(sandbox, "http_echo.py", HTTP_PORT)
    headers = headers_of(http.get(f"https://{sandbox.get_host(HTTP_PORT)}"))
    assert headers["host"] == f"localhost:{HTTP_PORT}"
    assert headers["x-forwarded-host"] == sandbox.get_host(HTTP_PORT)


@pytest.mark.parametrize("where", ["control API", "agent"])
def test_pages_of_a_browser_may_ask(served, sandbox, where):
    """A preflight carries no key and no token."""
    url = f"{served.api_url}/sandboxes" if where == "control API" else f"https://{sandbox.get_host(49983)}/process.Process/List"
    asked = {"Origin": "https://example.com", "Access-Control-Request-Method": "POST",
             "Access-Control-Request-Headers": "x-api-key, x-access-token, connect-protocol-version"}
    answer = http.options(url, headers=asked)
    allowed = {name.strip().lower() for name in answer.headers["access-control-allow-headers"].split(",")}
    assert answer.status_code in (200, 204)
    assert answer.headers["access-control-allow-origin"] in ("*", "https://example.com")
    assert "POST" in answer.headers["access-control-allow-methods"] or answer.headers["access-control-allow-methods"] == "*"
    assert "*" in allowed or {"x-api-key", "x-access-token", "connect-protocol-version"} <= allowed
    refused = http.post(url, headers={"Origin": "https://example.com"}, json={})
    assert refused.status_code == 401 and refused.headers["access-control-allow-origin"] in ("*", "https://example.com")


def test_the_certificate_is_checked(web):
    with pytest.raises(httpx.ConnectError):
        httpx.get(web, timeout=60, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


def test_internet_access_is_shown(make):
    """What it does is tested in egress/, where no packet leaves the machine."""
    assert make(timeout=60, allow_internet_access=False).get_info().allow_internet_access is False


def test_network_settings_are_kept(make):
    sandbox = make(timeout=60, network={"deny_out": ["0.0.0.0/0"], "allow_out": ["1.1.1.1", "10.1.0.0/16", "*.example.com"]})
    network = sandbox.get_info().network
    assert sorted(network["allow_out"]) == ["*.example.com", "1.1.1.1", "10.1.0.0/16"] and network["deny_out"] == ["0.0.0.0/0"]
    sandbox.update_network({"allow_out": ["8.8.8.8"]})
    network = sandbox.get_info().network
    assert network["allow_out"] == ["8.8.8.8"] and not network.get("deny_out")


@pytest.mark.parametrize("network,message", [
    ({"deny_out": ["example.com"]}, "invalid denied CIDR example.com"),
    ({"deny_out": ["999.1.1.1"]}, "invalid denied CIDR 999.1.1.1"),
    ({"allow_out": ["example.com"]}, "ALL_TRAFFIC"),
    ({"allow_out": ["not an address"]}, "invalid allowed address not an address"),
    ({"mask_request_host": "not a host"}, "mask request host is not valid"),
])
def test_wrong_network_settings_are_refused(sdk, sandbox, network, message):
    with pytest.raises(e2b.SandboxException, match=f"400.*{message}"):
        sdk.Sandbox.create(network=network)
    if "mask_request_host" not in network:
        with pytest.raises(e2b.SandboxException, match=f"400.*{message}"):
            sandbox.update_network(network)
