"""A server for tests of the command line alone: one control API, and behind it an interpreter that says what a cell tells it to.

A cell is a JSON list: each object is sent as a message of the stream, a number is a pause in seconds, "hang" waits until the client
goes away, "cut" ends the answer without its end, a list [status, text] answers with an error. A cell that is no JSON prints its own
source. So tests decide about every byte that the command line gets, without a sandbox.
"""

import contextlib
import json
import os
import select
import socket
import socketserver
import tempfile
import threading
from http.server import BaseHTTPRequestHandler

ID = "fakefakefakefake0001"
TOKEN = "access-token-of-the-fake"
SOCKET = "server.sock"


def script_of(code):
    """What a cell asks for; a text that is no list is printed."""
    with contextlib.suppress(ValueError):
        value = json.loads(code)
        if isinstance(value, list):
            return value
    return [{"type": "stdout", "text": code + "\n"}]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = False  # not for Unix sockets

    def log_message(self, *_):
        pass

    def address_string(self):
        return "unix"

    def answer(self, status, text, kind="application/json"):
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def body(self):
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")

    def do_GET(self):
        if self.headers.get("E2b-Sandbox-Id"):
            self.answer(200, json.dumps([{"id": "c0", "language": "python", "cwd": "/home/user"}]))
        elif self.server.fake.alive:
            self.answer(200, json.dumps({"sandboxID": ID}))
        else:
            self.answer(404, json.dumps({"code": 404, "message": "no such sandbox"}))

    def do_DELETE(self):
        self.server.fake.seen.append(("DELETE", self.path))
        self.answer(204, "")

    def do_POST(self):
        body = self.body()
        if self.headers.get("E2b-Sandbox-Id"):
            self.interpreter(body)
            return
        self.server.fake.seen.append(("POST", self.path))
        self.answer(201 if self.path == "/sandboxes" else 200, json.dumps({"sandboxID": ID, "envdAccessToken": TOKEN}))

    def interpreter(self, body):
        fake = self.server.fake
        if self.headers["E2b-Sandbox-Port"] != "49999" or self.headers["X-Access-Token"] != TOKEN:
            self.answer(401, '{"code":401,"message":"the request does not carry what it should"}')
        elif self.path == "/execute":
            fake.cells.append(body)
            self.execute(script_of(body["code"]))
        elif self.path == "/contexts":
            fake.seen.append(("POST", self.path, body))
            self.answer(200, json.dumps({"id": "made-1", "language": body["language"], "cwd": "/home/user"}))
        else:
            fake.seen.append(("POST", self.path))
            self.answer(200, "null")

    def execute(self, script):
        if script and isinstance(script[0], list):
            self.answer(script[0][0], script[0][1], "text/plain")
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.server.fake.count += 1
        self.message({"type": "number_of_executions", "execution_count": self.server.fake.count})
        for step in script:
            if step == "cut":
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            if step == "hang":
                select.select([self.connection], [], [], 60)
                self.server.fake.interrupted += 1
                self.close_connection = True
                return
            if isinstance(step, (int, float)):
                threading.Event().wait(step)
            else:
                self.message(step)
        self.message({"type": "end_of_execution"})
        self.wfile.write(b"0\r\n\r\n")

    def message(self, message):
        line = message.encode() if isinstance(message, str) else json.dumps(message).encode() + b"\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.wfile.flush()


class Listener(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A client that goes away is part of the tests."""


class FakeInterpreter:
    """Context manager; `environment` is what `warren` needs to find it."""

    def __enter__(self):
        self.cells, self.seen, self.count, self.interrupted, self.alive = [], [], 0, 0, True
        self.directory = tempfile.TemporaryDirectory(prefix="warren-fake-")
        path = os.path.join(self.directory.name, SOCKET)
        self.listener = Listener(path, Handler)
        self.listener.fake = self
        threading.Thread(target=self.listener.serve_forever, daemon=True).start()
        self.environment = {**os.environ, "WARREN_SOCKET": path, "WARREN_CONFIG": "/dev/null"}
        return self

    def __exit__(self, *_):
        self.listener.shutdown()
        self.listener.server_close()
        self.directory.cleanup()
