"""Raw HTTP over loopback TCP: plain sockets with nothing between, and what programs in sandboxes need before they are measured."""
import base64
import json
import socket
import struct

AGENT_PORT = 49983
INTERPRETER_PORT = 49999
USER = "Basic " + base64.b64encode(b"user:").decode()


class Wire:
    """One kept connection."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""

    def close(self):
        self.socket.close()

    def until(self, mark):
        while (at := self.data.find(mark)) < 0:
            self._more()
        taken, self.data = self.data[: at + len(mark)], self.data[at + len(mark) :]
        return taken

    def take(self, count):
        while len(self.data) < count:
            self._more()
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def _more(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        self.data += data

    def request(self, method, target, fields, body=b"", done=None):
        """-> status, body. `done`: stop as soon as the body so far satisfies it; the connection is then used up."""
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        length = f"Content-Length: {len(body)}\r\n" if body or method != "GET" else ""
        self.socket.sendall(f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{head}{length}\r\n".encode() + body)
        answer = self.until(b"\r\n\r\n").decode("latin-1").lower()
        status = int(answer[9:12])
        if "transfer-encoding: chunked" in answer:
            return status, self._chunks(done)
        found = answer.find("content-length: ")
        return status, self.take(int(answer[found + 16 :].split("\r\n", 1)[0])) if found >= 0 else b""

    def _chunks(self, done):
        body = b""
        while True:
            size = int(self.until(b"\r\n"), 16)
            piece = self.take(size + 2)[:-2]
            body += piece
            if size == 0 or (done and done(body)):
                return body


class Sandbox:
    """One sandbox over TCP. The connections are the caller's, so that they are kept over many sandboxes."""

    def __init__(self, api, ingress, key, template):
        self.api, self.ingress, self.key = api, ingress, key
        status, body = api.request("POST", "/sandboxes", self._fields(), json.dumps({"templateID": template, "timeout": 3600}).encode())
        if status != 201:
            raise ConnectionError(f"create: {status} {body[:300]!r}")
        self._know(json.loads(body))

    @classmethod
    def known(cls, api, ingress, key, info):
        """One that was made already; `info` is the answer to that."""
        self = cls.__new__(cls)
        self.api, self.ingress, self.key = api, ingress, key
        self._know(info)
        return self

    def _know(self, info):
        self.id = info["sandboxID"]
        self.token = info.get("envdAccessToken")

    def _fields(self):
        return {"X-API-Key": self.key, "Content-Type": "application/json"}

    def routing(self, port):
        return {"E2b-Sandbox-Id": self.id, "E2b-Sandbox-Port": str(port)}

    def agent(self, **fields):
        return {**self.routing(AGENT_PORT), "Authorization": USER, **({"X-Access-Token": self.token} if self.token else {}), **fields}

    def start(self, cmd, args=(), done=None):
        """Runs a program -> the stream of its events as it came."""
        payload = json.dumps({"process": {"cmd": cmd, "args": list(args)}, "stdin": False}).encode()
        status, body = self.ingress.request(
            "POST", "/process.Process/Start", {**self.agent(), "Content-Type": "application/connect+json", "Connect-Protocol-Version": "1"},
            struct.pack(">BI", 0, len(payload)) + payload, done)
        if status != 200 or (not done and b'"end"' not in body):
            raise ConnectionError(f"{cmd}: {status} {body[:300]!r}")
        return body

    def put(self, path, data):
        status, body = self.ingress.request("POST", f"/files?path={path}&username=user",
                                            {**self.agent(), "Content-Type": "application/octet-stream"}, data)
        if status != 200:
            raise ConnectionError(f"upload of {path}: {status} {body[:300]!r}")

    def health(self):
        status, body = self.ingress.request("GET", "/health", self.agent())
        if status != 204:
            raise ConnectionError(f"health: {status} {body[:300]!r}")

    def _interpreter(self):
        token = {"X-Access-Token": self.token} if self.token else {}
        return {**self.routing(INTERPRETER_PORT), **token, "Content-Type": "application/json"}

    def new_context(self):
        """-> its id."""
        status, body = self.ingress.request("POST", "/contexts", self._interpreter(), b"{}")
        if status != 200:
            raise ConnectionError(f"context: {status} {body[:300]!r}")
        return json.loads(body)["id"]

    def run_code(self, code, context=None):
        """Runs a cell -> the messages as they came."""
        fields = {"code": code, **({"context_id": context} if context else {})}
        status, body = self.ingress.request("POST", "/execute", self._interpreter(), json.dumps(fields).encode())
        if status != 200 or b"end_of_execution" not in body:
            raise ConnectionError(f"cell: {status} {body[:300]!r}")
        return body

    def kill(self):
        status, body = self.api.request("DELETE", f"/sandboxes/{self.id}", self._fields())
        if status != 204:
            raise ConnectionError(f"kill: {status} {body[:300]!r}")
