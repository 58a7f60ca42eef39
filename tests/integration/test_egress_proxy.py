"""Connections of a sandbox through a proxy of its creator's choice: what the proxy hears, and what the sandbox gets."""

import base64
import struct

import pytest

import netlab

CLIENT = """
import socket, sys
try:
    s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 30)
    s.sendall(sys.argv[3].encode())
    print(s.makefile().read())
except ConnectionResetError:
    print("reset")
"""


@pytest.fixture(scope="module")
def lab():
    with netlab.Lab() as made:
        made.names(**{"web.test": netlab.WEB, "inside.test": "10.20.30.40"})
        yield made


@pytest.fixture(scope="module")
def server(lab):
    with lab.warren() as running:
        yield running


def through(server, proxy, address, port, text="x", **network):
    """-> (what the sandbox reads, its events)."""
    sandbox = netlab.create(server, {"egressProxy": proxy, **network})
    try:
        result = sandbox.run(["/usr/bin/python3", "-c", CLIENT, address, str(port), text])
        assert result.code == 0, result
        return result.out.strip(), netlab.decisions(server, sandbox)
    finally:
        sandbox.kill()


def exactly(connection, count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        assert more
        data += more
    return data


def socks_server(heard, reply=0, password=True):
    """RFC 1928 and 1929. It speaks before the client does, in the same segment as its answer."""
    def serve(connection):
        _, count = exactly(connection, 2)
        methods = exactly(connection, count)
        if password:
            assert 2 in methods
            connection.sendall(b"\x05\x02")
            _, length = exactly(connection, 2)
            name = exactly(connection, length)
            heard.append((name, exactly(connection, exactly(connection, 1)[0])))
            connection.sendall(b"\x01\x00")
        else:
            connection.sendall(b"\x05\x00")
        kind = exactly(connection, 4)[3]
        target = exactly(connection, {1: 4, 4: 16}.get(kind) or exactly(connection, 1)[0])
        heard.append((kind, target, struct.unpack(">H", exactly(connection, 2))[0]))
        connection.sendall(bytes([5, reply, 0, 1]) + bytes(6) + (b"" if reply else b"first "))
        if not reply:
            connection.sendall(connection.recv(1000))
    return serve


def connect_server(heard, status="200 OK"):
    def serve(connection):
        data = b""
        while b"\r\n\r\n" not in data:
            data += exactly(connection, 1)
        heard.append(data.decode().split("\r\n"))
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 3\r\n\r\nfirst ".encode())
        connection.sendall(connection.recv(1000))
    return serve


def test_socks_with_a_password_and_an_address(lab, server):
    heard = []
    listener = lab.listen(socks_server(heard))
    proxy = {"address": f"{netlab.WEB}:{listener.port}", "username": "bob", "password": "secret"}
    out, events = through(server, proxy, "203.0.113.7", 7000)
    assert out == "first x"
    assert heard == [(b"bob", b"secret"), (1, bytes([203, 0, 113, 7]), 7000)]
    assert [event["address"] for event in events if event["kind"] == "open"] == ["203.0.113.7"]


def test_socks_hears_the_name_when_the_name_has_decided(lab, server):
    heard = []
    listener = lab.listen(socks_server(heard, password=False))
    proxy = {"address": f"{netlab.WEB}:{listener.port}"}
    request = "GET / HTTP/1.1\r\nHost: web.test\r\nConnection: close\r\n\r\n"
    through(server, proxy, "web.test", 80, request, denyOut=["0.0.0.0/0"], allowOut=["web.test"])
    assert heard == [(3, b"web.test", 80)]


def test_http_connect(lab, server):
    heard = []
    listener = lab.listen(connect_server(heard))
    proxy = {"address": f"http://{netlab.WEB}:{listener.port}", "username": "bob", "password": "secret"}
    out, _ = through(server, proxy, "203.0.113.7", 7000)
    assert out == "first x"
    credentials = base64.b64encode(b"bob:secret").decode()
    assert heard == [["CONNECT 203.0.113.7:7000 HTTP/1.1", "Host: 203.0.113.7:7000",
                      f"Proxy-Authorization: Basic {credentials}", "", ""]]


def test_a_proxy_that_refuses(lab, server):
    for handler, scheme, why in ((socks_server([], reply=5, password=False), "", "connection refused"),
                                 (connect_server([], "403 Forbidden"), "http://", "status 403")):
        listener = lab.listen(handler)
        out, events = through(server, {"address": f"{scheme}{netlab.WEB}:{listener.port}"}, "203.0.113.7", 7000)
        assert out == "reset"
        assert [why in event["detail"] for event in events if event["kind"] == "close"] == [True], events


def test_a_proxy_is_no_way_inside(lab, server):
    """Neither is it there itself, nor are the closed ranges open behind it."""
    heard = []
    inner = lab.listen(socks_server(heard), "10.20.30.40")
    for host in ("10.20.30.40", "inside.test"):
        out, events = through(server, {"address": f"{host}:{inner.port}"}, "203.0.113.7", 7000)
        assert out == "reset"
        assert any("private (10.0.0.0/8)" in event["rule"] for event in events if event["kind"] == "deny"), events
    outer = lab.listen(socks_server(heard, password=False))
    out, _ = through(server, {"address": f"{netlab.WEB}:{outer.port}"}, "169.254.169.254", 80)
    assert out == "reset"
    assert not heard and inner.accepted == 0
