"""Raw bytes to and from a listener of Warren, and a strict reader of what comes back."""

import base64
import contextlib
import json
import socket
import ssl
import time

GUEST_PORT = 8000
TIMEOUT_S = 20


class Door:
    """One way in: a Unix socket, a TCP port, or TLS on one. `fields` route a request and prove who asks."""

    def __init__(self, name, address, fields=(), context=None, server_name=None, host="localhost"):
        self.name, self.address, self.fields, self.context, self.server_name, self.host = name, address, list(fields), context, server_name, host

    def __repr__(self):
        return self.name

    def to(self, fields):
        """The same with other fields."""
        return Door(self.name, self.address, fields, self.context, self.server_name, self.host)

    def open(self):
        family = socket.AF_UNIX if isinstance(self.address, str) else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.settimeout(TIMEOUT_S)
        while True:
            try:
                connection.connect(self.address)
                break
            except BlockingIOError:  # a Unix socket whose backlog is full does not wait
                time.sleep(0.001)
        if family == socket.AF_INET:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.context.wrap_socket(connection, server_hostname=self.server_name) if self.context else connection

    def head(self, first, *lines):
        """A head with Host and this door's fields."""
        return "\r\n".join([first, f"Host: {self.host}", *self.fields, *lines, "", ""]).encode("latin-1")


class Cut(Exception):
    """The stream ended, or was reset, in the middle of a response or without one."""


class Response:
    def __init__(self, status, fields, body, interim):
        self.status, self.fields, self.body, self.interim = status, fields, body, interim

    def get(self, name):
        """The value of a field; it must not be there twice."""
        values = [value for key, value in self.fields if key == name]
        assert len(values) < 2, f"{name} is there twice: {self.fields}"
        return values[0] if values else None

    def __repr__(self):
        return f"{self.status} {self.fields} {self.body[:200]!r}"


class Wire:
    """One connection of a client."""

    def __init__(self, door):
        self.door = door
        self.socket = door.open()
        self.data = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """False when the other side does not take it any more."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.socket.sendall(data)
            return True
        return False

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError) as error:
            raise Cut("reset") from error
        if not data:
            raise Cut("end")
        self.data += data

    def _until(self, mark):
        while mark not in self.data:
            self._more()
        return self._take(self.data.index(mark) + len(mark))

    def _take(self, count):
        while len(self.data) < count:
            self._more()
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def _chunks(self):
        body = b""
        while True:
            size = int(self._until(b"\r\n"), 16)
            body += self._take(size)
            assert self._take(2) == b"\r\n"
            if size == 0:
                return body

    def _rest(self):
        with contextlib.suppress(Cut):
            while True:
                self._more()
        return self._take(len(self.data))

    def response(self, method="GET"):
        """The next one, read by the letter: no framing is guessed."""
        interim = []
        while True:
            first, *lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")[:-2]
            assert first.startswith("HTTP/1.1 "), f"no response: {first!r}"
            status = int(first[9:12])
            if status >= 200 or status == 101:
                break
            interim.append(status)
        fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        response = Response(status, fields, b"", interim)
        length, coding = response.get("content-length"), response.get("transfer-encoding")
        assert length is None or coding is None, f"two framings: {fields}"
        if method == "HEAD" or status in (101, 204, 304):
            return response
        response.body = self._chunks() if coding == "chunked" else self._take(int(length)) if length is not None else self._rest()
        return response

    def ended(self):
        """Whether nothing but the end of the stream follows."""
        try:
            self._more()
        except Cut:
            return not self.data
        except TimeoutError:
            return False
        return False

    def request(self, method="GET", target="/", *lines, body=b""):
        length = [f"Content-Length: {len(body)}"] if body else []
        self.send(self.door.head(f"{method} {target} HTTP/1.1", *length, *lines) + body)
        return self.response(method)


def ask(door, data, method="GET"):
    """One connection for these bytes -> Response; Cut when there is none."""
    with Wire(door) as wire:
        wire.send(data)
        return wire.response(method)


def target(*steps):
    """What guest.py plays."""
    return "/play/" + base64.urlsafe_b64encode(json.dumps(steps).encode()).decode()


def seen(door):
    """The request lines that the guest has got."""
    with Wire(door) as wire:
        return json.loads(wire.request("GET", "/seen").body)


def start_guest(sandbox, program, marker=None):
    """guest.py in a sandbox; it runs as long as the sandbox."""
    sandbox.put("/tmp/guest.py", program)
    process = sandbox.start(["/usr/bin/python3", "/tmp/guest.py", str(GUEST_PORT), marker or sandbox.id], timeout=TIMEOUT_S)
    text = b""
    for name, data in process.events():
        text += data
        if b"ready" in text:
            break
    process.close()
    assert b"ready" in text, text


def settle(seconds=0.002):
    """Gives the server time to read what was sent, so that the next bytes come in a read of their own."""
    time.sleep(seconds)


class Got:
    """A request as guest.py got it."""

    def __init__(self, data):
        head, _, body = data.partition(b"\r\n\r\n")
        self.text = head.decode("latin-1")
        self.first, *lines = self.text.split("\r\n")
        self.fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        self.body = unchunked(body) if ("transfer-encoding", "chunked") in self.fields else body


def unchunked(body):
    out = b""
    while body:
        line, _, body = body.partition(b"\r\n")
        size = int(line, 16)
        out, body = out + body[:size], body[size + 2 :]
    return out


def got(response):
    """What the service got of the request that this answers."""
    assert response.status == 200 and response.get("x-raw"), response
    return Got(base64.b64decode(response.get("x-raw")))
