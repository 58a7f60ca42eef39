"""Programs of a sandbox talk to real servers: once with everything allowed, once with a few names only."""

import base64
import hashlib
import json
import os
import shutil
import socket
import subprocess
import threading
import urllib.parse

import pytest

import netlab
import warren

NAMES = {"deny": "0.0.0.0/0", "allow": ["web.test", "*.git.test", "h2.test", "mutual.test", "socket.test", "reset.test", "slow.test"]}
POLICIES = {"open": None, "names": {"denyOut": [NAMES["deny"]], "allowOut": NAMES["allow"]}}
SOCKET_KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def http_head(connection):
    """Reads one request -> (request line, headers, rest of what was read)."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None, {}, b""
        data += more
    head, rest = data.split(b"\r\n\r\n", 1)
    line, *fields = head.decode("latin-1").split("\r\n")
    return line, {name.lower(): value.strip() for name, value in (field.split(":", 1) for field in fields)}, rest


def http_echo(connection):
    """HTTP/1.1 with keep-alive: tells what it was asked."""
    while True:
        line, headers, body = http_head(connection)
        if line is None:
            return
        wanted = int(headers.get("content-length", 0))
        while len(body) < wanted:
            body += connection.recv(65536)
        answer = json.dumps({"line": line, "headers": headers, "body": hashlib.sha256(body).hexdigest()}).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)


def web_socket_echo(connection):
    """RFC 6455: upgrades and sends frames back, unmasked."""
    _, headers, data = http_head(connection)
    accept = base64.b64encode(hashlib.sha1(headers["sec-websocket-key"].encode() + SOCKET_KEY).digest())
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
    stream = connection.makefile("rb")
    assert not data
    while True:
        head = stream.read(2)
        if len(head) < 2:
            return
        length = head[1] & 0x7f
        extended = stream.read({126: 2, 127: 8}.get(length, 0))
        length = int.from_bytes(extended, "big") if extended else length
        mask, payload = stream.read(4), stream.read(length)
        clear = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        connection.sendall(head[:1] + bytes([head[1] & 0x7f]) + extended + clear)


def git_backend(repositories):
    """git-http-backend(1) behind a minimal HTTP/1.0."""
    def serve(connection):
        line, headers, body = http_head(connection)
        method, target, _ = line.split(" ")
        if headers.get("expect") == "100-continue":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        while len(body) < int(headers.get("content-length", 0)):
            body += connection.recv(65536)
        if headers.get("transfer-encoding") == "chunked":
            raise OSError("the test's pushes are small and not chunked")
        parts = urllib.parse.urlsplit(target)
        done = subprocess.run(["git", "http-backend"], input=body, capture_output=True, check=True, env={
            **os.environ, "GIT_PROJECT_ROOT": str(repositories), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query, "REQUEST_METHOD": method, "CONTENT_TYPE": headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(body)), "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
            "GIT_PROTOCOL": headers.get("git-protocol", ""), "REMOTE_USER": "tester", "REMOTE_ADDR": "198.51.100.2"})
        fields, answer = done.stdout.split(b"\r\n\r\n", 1)
        status = next((field.split(b":", 1)[1].strip() for field in fields.split(b"\r\n") if field.startswith(b"Status:")), b"200 OK")
        connection.sendall(b"HTTP/1.0 " + status + b"\r\n" + fields + b"\r\n\r\n" + answer)
    return serve


@pytest.fixture(scope="module")
def lab():
    with netlab.Lab() as made:
        made.names(**{name: netlab.WEB for name in ("web.test", "h2.test", "mutual.test", "socket.test", "code.git.test")},
                   **{"six.test": netlab.WEB6, "elsewhere.test": netlab.OTHER})
        yield made


@pytest.fixture(scope="module")
def running(lab):
    with lab.warren() as made:
        yield made


@pytest.fixture(scope="module", params=list(POLICIES))
def box(lab, running, request):
    made = netlab.create(running, POLICIES[request.param])
    made.policy = request.param
    made.put("/tmp/authority.pem", lab.authority.certificate.read_bytes(), mode=0o644)
    yield made
    made.kill()


def curl(sandbox, *arguments, **options):
    return sandbox.run(["curl", "-sS", "-m", "20", "--cacert", "/tmp/authority.pem", *arguments], **options)


@pytest.fixture(scope="module")
def web(lab):
    """Plain HTTP and HTTPS at web.test."""
    return lab.listen(http_echo, port=80), lab.listen(http_echo, port=443, names=("web.test", netlab.WEB)), \
        lab.listen(http_echo, address=netlab.WEB6, port=80)


def test_http_by_name(box, web):
    answer = json.loads(curl(box, "http://web.test/path?q=1", "-d", "body").out)
    assert answer["line"] == "POST /path?q=1 HTTP/1.1" and answer["headers"]["host"] == "web.test"
    assert answer["body"] == hashlib.sha256(b"body").hexdigest()


def test_https_by_name_with_the_servers_own_certificate(box, web):
    answer = json.loads(curl(box, "https://web.test/").out)
    assert answer["headers"]["host"] == "web.test"


def test_many_requests_over_one_connection(box, web):
    done = curl(box, "-w", "%{num_connects} ", "-o", "/dev/null", "http://web.test/[1-20]")
    assert done.code == 0 and done.out.split() == ["1"] + ["0"] * 19, done


def test_addresses(box, web):
    """By address everything works with an open policy, and nothing where only names are allowed."""
    four, six = curl(box, f"http://{netlab.WEB}/"), curl(box, f"http://[{netlab.WEB6}]/")
    if box.policy == "open":
        assert "GET / HTTP/1.1" in four.out and "GET / HTTP/1.1" in six.out
    else:
        assert four.code != 0 and six.code != 0


def test_ipv6_by_name(running, web):
    with running.sandbox() as open_box:
        assert "GET / HTTP/1.1" in open_box.check("curl -sS -m 20 http://six.test/")


def test_http2(box, lab):
    program = shutil.which("nghttpd")
    assert program, "there is no nghttpd: install the package nghttp2-server"
    root = lab.directory / "h2"
    root.mkdir(exist_ok=True)
    (root / "index.html").write_text("second version")
    certificate, key = lab.authority.issue("h2.test")
    port = 443 if box.policy == "names" else 8443
    address = netlab.OTHER
    lab.names(**{"h2.test": address})
    server = lab.program(program, f"--address={address}", f"--htdocs={root}", str(port), str(key), str(certificate),
                         stdout=subprocess.DEVNULL)
    warren.wait_for(lambda: _connects(lab, address, port), 30, "nghttpd listens")
    urls = [f"https://h2.test:{port}/index.html"] * 8
    done = curl(box, "--http2", "--parallel", "-w", "\n%{http_version}\n", *urls)
    server.terminate()
    assert done.code == 0, done
    assert done.out.count("second version") == 8 and done.out.count("\n2\n") == 8


def _connects(lab, address, port):
    try:
        lab.host.call(lambda: socket.create_connection((address, port), 1).close())
        return True
    except OSError:
        return False


def test_tls_with_client_certificates(box, lab):
    port = 443 if box.policy == "names" else 9443
    address = netlab.OTHER
    lab.names(**{"mutual.test": address})
    server = lab.listen(http_echo, address=address, port=port, names=("mutual.test",), client_authority=lab.authority)
    certificate, key = lab.authority.issue("a.client", client=True)
    box.put("/tmp/client.pem", certificate.read_bytes(), mode=0o644)
    box.put("/tmp/client.key", key.read_bytes(), mode=0o644)
    without = curl(box, f"https://mutual.test:{port}/")
    with_it = curl(box, "--cert", "/tmp/client.pem", "--key", "/tmp/client.key", f"https://mutual.test:{port}/")
    server.close()
    assert without.code != 0 and not without.out
    assert json.loads(with_it.out)["headers"]["host"] == f"mutual.test{'' if port == 443 else f':{port}'}"


WEB_SOCKET_CLIENT = """
import os, socket
def chat(s):
    s.sendall(b"GET /chat HTTP/1.1\\r\\nHost: socket.test\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
              b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\nSec-WebSocket-Version: 13\\r\\n\\r\\n")
    f = s.makefile("rb")
    head = b""
    while not head.endswith(b"\\r\\n\\r\\n"):
        head += f.readline()
    assert head.startswith(b"HTTP/1.1 101"), head
    for size in (5, 70000, 1):
        data, mask = os.urandom(size), b"abcd"
        length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 127]) + size.to_bytes(8, "big")
        s.sendall(b"\\x82" + length + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))
        start = f.read(2)
        got = start[1] if start[1] < 126 else int.from_bytes(f.read(8), "big")
        assert f.read(got) == data
    print("echoed")
"""


def test_web_socket(box, lab):
    address = netlab.OTHER
    lab.names(**{"socket.test": address})
    server = lab.listen(web_socket_echo, address=address, port=80)
    done = box.python(WEB_SOCKET_CLIENT + 'chat(socket.create_connection(("socket.test", 80), 20))')
    server.close()
    assert done.out == "echoed\n", (done, server.errors)


def test_git_over_https(box, lab):
    repositories = lab.directory / f"git-{box.policy}"
    bare = repositories / "project.git"
    subprocess.run(["git", "init", "-q", "--bare", bare], check=True)
    subprocess.run(["git", "-C", bare, "config", "http.receivepack", "true"], check=True)
    lab.names(**{"code.git.test": netlab.OTHER})
    server = lab.listen(git_backend(repositories), address=netlab.OTHER, port=443, names=("code.git.test",))
    script = f"""set -e
cd "$(mktemp -d)"
export GIT_SSL_CAINFO=/tmp/authority.pem GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git init -q -b main work; cd work
head -c 300000 /dev/urandom > data; git add data; git commit -qm first
git -c http.postBuffer=4000000 push -q https://code.git.test/project.git main
git clone -q -b main https://code.git.test/project.git ../copy
cmp data ../copy/data && echo same"""
    done = box.run(script)
    server.close()
    assert done.out.endswith("same\n"), (done, server.errors)


@pytest.mark.parametrize("port", [22, 443, 80])
def test_servers_that_speak_first(running, lab, port):
    """Also on the ports where a name is waited for, when the address is allowed."""
    address = netlab.OTHER
    server = lab.listen(lambda connection: connection.sendall(b"SSH-2.0-test\r\n"), address=address, port=port)
    network = {"denyOut": ["0.0.0.0/0"], "allowOut": ["*.example.test", address]}
    made = netlab.create(running, network)
    done = made.python(f"import socket; s = socket.create_connection(({address!r}, {port}), 20); print(s.recv(100))")
    made.kill()
    server.close()
    assert "SSH-2.0-test" in done.out, done


def test_a_connection_that_is_reset_is_reset_inside(box, lab):
    """With the names' policy through the HTTP proxy, which answers 502 or closes; without it the reset itself."""
    def reset(connection):
        connection.recv(100)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    server = lab.listen(reset, address=netlab.OTHER, port=80)
    lab.names(**{"reset.test": netlab.OTHER})
    done = curl(box, "-w", "%{http_code}", "http://reset.test/")
    server.close()
    assert done.out.endswith("502") if box.policy == "names" else done.code == 56, done


def test_slow_servers_do_not_stop_others(box, lab, web):
    release = threading.Event()

    def slow(connection):
        http_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        for _ in range(10):
            if release.wait(0.05):
                break
            connection.sendall(b".")
        connection.sendall(b"")

    server = lab.listen(slow, address=netlab.OTHER, port=80)
    lab.names(**{"slow.test": netlab.OTHER})
    waiting = [box.start(["curl", "-sS", "-m", "20", "http://slow.test/"]) for _ in range(20)]
    assert "GET / HTTP/1.1" in curl(box, "http://web.test/").out
    results = [one.finish() for one in waiting]
    release.set()
    server.close()
    assert all(one.out == "." * 10 for one in results), results


def test_everything_is_in_the_log(running, box, web):
    curl(box, "https://web.test/")
    opened = netlab.decisions(running, box, kind="open", name="web.test", port=443)
    assert opened, netlab.decisions(running, box)
    number = opened[-1]["connection"]
    closed = warren.wait_for(lambda: netlab.decisions(running, box, kind="close", connection=number), 30, "the end is logged")[0]
    assert closed["bytesIn"] > 500 and closed["bytesOut"] > 300 and closed["durationMs"] >= 0
    assert closed["address"] == netlab.WEB
    assert opened[-1]["rule"].startswith("default" if box.policy == "open" else "allowOut[0] web.test")
