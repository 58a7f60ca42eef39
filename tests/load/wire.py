"""The client's side of HTTP, WebSocket and the Connect protocol on asyncio streams: small, and cheap enough for a thousand at once."""

import asyncio
import base64
import json
import struct

READ_SIZE = 64 * 1024
MAX_HEAD = 64 * 1024
# RFC 6455's example: guest.c answers with what belongs to this key.
WEBSOCKET_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
MASK = b"\x11\x22\x33\x44"


class Broken(Exception):
    """The peer did what it must not do."""


class Door:
    """Where clients connect: host and port, or the path of a Unix socket."""

    def __init__(self, host=None, port=None, path=None):
        self.host, self.port, self.path = host, port, path

    async def open(self):
        if self.path:
            return await asyncio.open_unix_connection(self.path, limit=MAX_HEAD)
        return await asyncio.open_connection(self.host, self.port, limit=MAX_HEAD)


class Body:
    """Takes framing away from what is read of one response."""

    def __init__(self, headers):
        self.chunked = headers.get("transfer-encoding") == "chunked"
        self.left = 0 if self.chunked else int(headers.get("content-length", 0))
        self.done = not self.chunked and self.left == 0
        self.rest = b""

    def feed(self, data):
        """-> payload"""
        if not self.chunked:
            self.left -= len(data)
            if self.left < 0:
                raise Broken("more bytes than Content-Length says")
            self.done = self.left == 0
            return data
        self.rest += data
        out = []
        while not self.done:
            line, found, behind = self.rest.partition(b"\r\n")
            if not found:
                break
            size = int(line, 16)
            if len(behind) < size + 2:
                break
            out.append(behind[:size])
            self.done = size == 0
            self.rest = behind[size + 2 :]
        return b"".join(out)


class Connection:
    """One connection; requests on it follow each other."""

    def __init__(self, door):
        self.door = door
        self.reader = self.writer = None

    async def __aenter__(self):
        self.reader, self.writer = await self.door.open()
        return self

    async def __aexit__(self, *_):
        self.writer.close()

    def send(self, method, target, headers, body=b""):
        lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in headers.items())]
        if body or method != "GET":
            lines.append(f"Content-Length: {len(body)}")
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    async def head(self):
        """-> status, headers in small letters"""
        text = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = text.split("\r\n")[:-2]
        fields = (line.partition(":") for line in lines)
        return int(first.split(" ")[1]), {name.lower(): value.strip() for name, _, value in fields}

    async def pieces(self, headers):
        """The payload as it comes."""
        body = Body(headers)
        while not body.done:
            data = await self.reader.read(READ_SIZE)
            if not data:
                raise Broken("the stream ended in the middle of a response")
            payload = body.feed(data)
            if payload:
                yield payload

    async def request(self, method, target, headers, body=b""):
        """-> status, body"""
        self.send(method, target, headers, body)
        status, received = await self.head()
        if status == 204:
            return status, b""
        return status, b"".join([piece async for piece in self.pieces(received)])


def envelope(message):
    payload = json.dumps(message).encode()
    return struct.pack(">BI", 0, len(payload)) + payload


async def output(connection, argv, headers):
    """Starts a process and yields the bytes of its standard output; ends with the stream."""
    connection.send("POST", "/process.Process/Start",
                    {**headers, "Content-Type": "application/connect+json", "Connect-Protocol-Version": "1"},
                    envelope({"process": {"cmd": argv[0], "args": argv[1:]}, "stdin": False}))
    status, received = await connection.head()
    if status != 200:
        raise Broken(f"Start is answered with {status}")
    rest = b""
    async for piece in connection.pieces(received):
        rest += piece
        while len(rest) >= 5:
            flags, size = struct.unpack_from(">BI", rest)
            if len(rest) < 5 + size:
                break
            message, rest = json.loads(rest[5 : 5 + size] or b"{}"), rest[5 + size :]
            if "error" in message:
                raise Broken(f"Start ended with {message['error']}")
            event = message.get("event", {})
            if "stdout" in event.get("data", {}):
                yield base64.b64decode(event["data"]["stdout"])
            if flags & 2:
                return


async def websocket(connection, headers):
    connection.send("GET", "/echo", {**headers, "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                                     "Sec-WebSocket-Key": WEBSOCKET_KEY})
    status, received = await connection.head()
    if status != 101 or received.get("sec-websocket-accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=":
        raise Broken(f"the upgrade is answered with {status} {received}")


async def websocket_echo(connection, payload):
    """Sends a text frame of at most 125 bytes and reads the one that comes back."""
    masked = bytes(byte ^ MASK[i % 4] for i, byte in enumerate(payload))
    connection.writer.write(bytes([0x81, 0x80 | len(payload)]) + MASK + masked)
    head = await connection.reader.readexactly(2)
    if head != bytes([0x81, len(payload)]):
        raise Broken(f"another frame came back: {head!r}")
    return await connection.reader.readexactly(len(payload))
