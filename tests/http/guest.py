"""A service that does what it is told, run inside sandboxes: tests say byte by byte how it answers.

usage: guest.py PORT MARKER

GET /play/<base64url of JSON> performs the steps of a list, one after the other:
  ["send", TEXT] ["flood", TEXT, COUNT] ["sleep", SECONDS] ["body"] reads the request's body  ["half"] shuts its side
  ["close"] ["reset"]; without one of the last three the next request on the connection follows.
GET /seen answers with a JSON list of the request lines so far. Everything else is answered with the marker as body and with the whole
request, as it came, in the field X-Raw (base64). TEXT is latin-1.
"""

import base64
import json
import socket
import struct
import sys
import threading
import time

MAX_HEAD = 128 * 1024
seen = []


class Stream:
    def __init__(self, connection):
        self.connection = connection
        self.data = b""

    def more(self):
        data = self.connection.recv(65536)
        if not data:
            raise EOFError
        self.data += data

    def until(self, mark):
        while mark not in self.data:
            if len(self.data) > MAX_HEAD:
                raise EOFError
            self.more()
        return self.take(self.data.index(mark) + len(mark))

    def take(self, count):
        while len(self.data) < count:
            self.more()
        taken, self.data = self.data[:count], self.data[count:]
        return taken


def read_body(stream, head):
    """-> the body with its framing"""
    lines = [line.lower() for line in head.split(b"\r\n")]
    if b"transfer-encoding: chunked" in lines:
        raw = b""
        while True:
            line = stream.until(b"\r\n")
            size = int(line, 16)
            raw += line + stream.take(size + 2)
            if size == 0:
                return raw
    for line in lines:
        if line.startswith(b"content-length:"):
            return stream.take(int(line.split(b":")[1]))
    return b""


def play(steps, stream, head):
    connection = stream.connection
    for step, *arguments in steps:
        if step == "send":
            connection.sendall(arguments[0].encode("latin-1"))
        elif step == "flood":
            for _ in range(arguments[1]):
                connection.sendall(arguments[0].encode("latin-1"))
        elif step == "sleep":
            time.sleep(arguments[0])
        elif step == "body":
            read_body(stream, head)
        elif step == "half":
            connection.shutdown(socket.SHUT_WR)
        elif step == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise EOFError
        elif step == "close":
            raise EOFError
        else:
            raise ValueError(step)


def answer(stream, marker):
    head = stream.until(b"\r\n\r\n")
    seen.append(head.split(b"\r\n")[0].decode("latin-1"))
    target = head.split(b" ")[1]
    if target.startswith(b"/play/"):
        play(json.loads(base64.urlsafe_b64decode(target[6:])), stream, head)
        return
    raw = head + read_body(stream, head)
    body = json.dumps(seen[:-1]).encode() if target == b"/seen" else marker
    fields = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Raw: %s\r\n\r\n" % (len(body), base64.b64encode(raw))
    stream.connection.sendall(fields + (b"" if head.startswith(b"HEAD ") else body))


def serve(connection, marker):
    stream = Stream(connection)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        try:
            while True:
                answer(stream, marker)
        except (EOFError, OSError):
            pass


def main():
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=512)
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, sys.argv[2].encode()), daemon=True).start()


if __name__ == "__main__":
    main()
