"""Policies, transforms, secrets and proxies of the network, as a user of the SDK meets them."""

import json
import socket
import struct
import threading

import e2b
import pytest

import netlab

NAMES = {"allow_out": ["web.test", "httpbin.test"], "deny_out": [e2b.ALL_TRAFFIC]}


def fetch(sandbox, url):
    """-> what the server was asked, or None when it was not reached."""
    try:
        return json.loads(sandbox.commands.run(f"curl -sS --connect-timeout 3 -m 10 {url}").stdout)
    except (e2b.CommandExitException, json.JSONDecodeError):
        return None


def test_internet_is_on_unless_said_otherwise(inside):
    def body():
        with e2b.Sandbox.create(timeout=120) as sandbox:
            assert fetch(sandbox, "http://web.test/x")["line"] == "GET /x HTTP/1.1"
            assert fetch(sandbox, f"http://{netlab.OTHER}/")
    inside(body)


def test_no_internet_access(inside):
    def body():
        with e2b.Sandbox.create(timeout=120, allow_internet_access=False) as sandbox:
            assert fetch(sandbox, "http://web.test/") is None
            assert fetch(sandbox, f"http://{netlab.WEB}/") is None
            with pytest.raises(e2b.CommandExitException):
                sandbox.commands.run("getent hosts web.test")
    inside(body)


def test_internet_off_with_an_exception(inside):
    def body():
        with e2b.Sandbox.create(timeout=120, allow_internet_access=False, network={"allow_out": [netlab.WEB]}) as sandbox:
            assert fetch(sandbox, f"http://{netlab.WEB}/")
            assert fetch(sandbox, f"http://{netlab.OTHER}/") is None
    inside(body)


def test_denied_addresses(inside):
    def body():
        with e2b.Sandbox.create(timeout=120, network={"deny_out": [f"{netlab.OTHER}/32"]}) as sandbox:
            assert fetch(sandbox, f"http://{netlab.WEB}/")
            assert fetch(sandbox, "http://other.test/") is None
    inside(body)


def test_allowed_names(inside):
    def body():
        with e2b.Sandbox.create(timeout=120, network=NAMES) as sandbox:
            assert fetch(sandbox, "http://web.test/")
            assert fetch(sandbox, "-k https://web.test/")
            assert fetch(sandbox, "http://other.test/") is None
            assert fetch(sandbox, f"http://{netlab.WEB}/") is None
            assert fetch(sandbox, "-H 'Host: other.test' http://web.test/") is None
    inside(body)


def test_live_update(inside):
    def body():
        with e2b.Sandbox.create(timeout=120) as sandbox:
            assert fetch(sandbox, "http://other.test/")
            sandbox.update_network({"deny_out": lambda context: [context.all_traffic], "allow_out": [netlab.WEB]})
            assert fetch(sandbox, "http://other.test/") is None
            assert fetch(sandbox, f"http://{netlab.WEB}/")
            sandbox.update_network({})
            assert fetch(sandbox, "http://other.test/")
    inside(body)


def test_update_cuts_what_is_open(inside, lab):
    """A download that never ends is cut when its address is denied."""
    def drip(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            connection.sendall(b"x")
            threading.Event().wait(0.05)

    server = lab.listen(drip, address=netlab.OTHER, port=8090)

    def body():
        with e2b.Sandbox.create(timeout=120) as sandbox:
            handle = sandbox.commands.run(f"curl -sS http://{netlab.OTHER}:8090/", background=True)
            while not server.accepted:
                threading.Event().wait(0.02)
            sandbox.update_network({"deny_out": [netlab.OTHER]})
            with pytest.raises(e2b.CommandExitException):
                handle.wait()
    inside(body)


def test_header_injection(inside):
    """The rule of E2B's own test: a header that the sandbox neither has nor sees."""
    value = "e2b-transform-value-123"
    rules = {"httpbin.test": [{"transform": {"headers": {"X-Test-Token": value}}}]}

    def body():
        with e2b.Sandbox.create(timeout=120, network={**NAMES, "rules": rules}) as sandbox:
            answer = fetch(sandbox, "https://httpbin.test/headers")
            assert answer["headers"]["X-Test-Token"] == [value]
            assert "X-Test-Token" not in fetch(sandbox, "-k https://web.test/headers")["headers"]
            assert fetch(sandbox, "http://httpbin.test/headers")["headers"]["X-Test-Token"] == [value]
            for client in ("python3 -c 'import requests; print(requests.get(\"https://httpbin.test/\").text)'",
                           "python3 -c 'import urllib.request as u; print(u.urlopen(\"https://httpbin.test/\").read().decode())'",
                           "node -e 'fetch(\"https://httpbin.test/\").then(a => a.text()).then(console.log)'"):
                assert value in sandbox.commands.run(client).stdout, client
            assert sandbox.commands.run(f"grep -rlsF {value[:8]}'{value[8:]}' /etc /home /tmp /run /usr/local; env").stdout.count(value) == 0
    inside(body)


def test_secrets(inside):
    def body():
        secret = e2b.Secret.create("API_TOKEN", "s3cr3t-value-of-the-test")
        rules = {"httpbin.test": [{"transform": {"headers": {"Authorization": f"Bearer {e2b.Secret.fill('API_TOKEN')}"}}}]}
        try:
            with e2b.Sandbox.create(timeout=120, network={**NAMES, "rules": rules}) as sandbox:
                answer = fetch(sandbox, "-H 'Authorization: none' https://httpbin.test/")
                assert answer["headers"]["Authorization"] == ["Bearer s3cr3t-value-of-the-test"]
                e2b.Secret.update("API_TOKEN", "another")
                assert fetch(sandbox, "https://httpbin.test/")["headers"]["Authorization"] == ["Bearer another"]
                assert "s3cr3t" not in str(sandbox.get_info())
        finally:
            assert e2b.Secret.destroy("API_TOKEN")
        assert secret.name == "api_token"
    inside(body)


def socks5(connection):
    """RFC 1928 with a password (RFC 1929): connects to nobody, tells what was asked for."""
    stream = connection.makefile("rb")
    _, count = stream.read(2)
    assert 2 in stream.read(count)
    connection.sendall(b"\5\2")
    _, length = stream.read(2)
    user = stream.read(length)
    password = stream.read(stream.read(1)[0])
    connection.sendall(b"\1\0" if (user, password) == (b"someone", b"pass word") else b"\1\1")
    _, command, _, kind = stream.read(4)
    host = stream.read(stream.read(1)[0]).decode() if kind == 3 else socket.inet_ntoa(stream.read(4))
    port = struct.unpack(">H", stream.read(2))[0]
    connection.sendall(b"\5\0\0\1\0\0\0\0\0\0")
    while stream.readline() != b"\r\n":
        pass
    text = json.dumps({"command": command, "host": host, "port": port}).encode()
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text)


def test_egress_proxy(inside, lab):
    proxy = lab.listen(socks5, address=netlab.OTHER, port=1080)

    def body():
        way = {"address": f"other.test:{proxy.port}", "username": "someone", "password": "pass word"}
        with e2b.Sandbox.create(timeout=120, network={"egress_proxy": way}) as sandbox:
            assert fetch(sandbox, f"http://{netlab.WEB}:81/") == {"command": 1, "host": netlab.WEB, "port": 81}
            assert "pass word" not in str(sandbox.get_info().network)
        way["password"] = "wrong"
        with e2b.Sandbox.create(timeout=120, network={"egress_proxy": way}) as sandbox:
            assert fetch(sandbox, f"http://{netlab.WEB}/") is None, "it must not go out directly instead"
    inside(body)


def test_rules_survive_the_server(inside, outside):
    """The policy is the sandbox's, not the process's."""
    def create():
        return e2b.Sandbox.create(timeout=120, network=NAMES)

    sandbox = inside(create)
    assert inside(fetch, sandbox, "http://web.test/")
    outside.kill9()
    outside.start()
    assert inside(fetch, sandbox, "http://web.test/")
    assert inside(fetch, sandbox, "http://other.test/") is None


def test_javascript(node):
    out = node("""
const sandbox = await Sandbox.create({ timeoutMs: 120000, network: {
  allowOut: ['web.test', 'httpbin.test'], denyOut: ({ allTraffic }) => [allTraffic],
  rules: { 'httpbin.test': [{ transform: { headers: { 'X-Test-Token': 'from-js' } } }] },
} })
const get = async (url) => {
  try { return JSON.parse((await sandbox.commands.run(`curl -sS -m 10 ${url}`)).stdout) } catch { return null }
}
const injected = await get('https://httpbin.test/')
const allowed = await get('http://web.test/')
const denied = await get('http://other.test/')
await sandbox.updateNetwork({ denyOut: [ALL_TRAFFIC] })
const later = await get('http://web.test/')
await sandbox.kill()
console.log(JSON.stringify([injected.headers['X-Test-Token'], allowed !== null, denied, later]))
""")
    assert json.loads(out) == [["from-js"], True, None, None]
