"""Runs inside a sandbox: HTTP on several addresses, a WebSocket echo, endless streams. Standard library only."""

import base64
import hashlib
import http.server
import json
import socket
import struct
import sys
import threading
import time

WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, body, status=200):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def start_chunks(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def do_GET(self):
        path, _, query = self.path.partition("?")
        getattr(self, "get_" + path.strip("/").replace("/", "_"), self.get_)(query)

    def get_(self, query):
        self.answer(f"{self.server.label} {self.path}".encode())

    def get_head(self, query):
        fields = [[name, value] for name, value in self.headers.items()]
        self.answer(json.dumps({"target": self.path, "fields": fields}).encode())

    def get_drip(self, query):
        """A line at once, then silence until the other side goes; what became of it is told by /drips."""
        self.start_chunks()
        self.chunk(b"first\n")
        DRIPS["open"] += 1
        try:
            self.connection.settimeout(60)
            if self.connection.recv(1) == b"":
                DRIPS["ended"] += 1
        except OSError:
            DRIPS["ended"] += 1
        self.close_connection = True

    def get_mute(self, query):
        """No answer at all."""
        DRIPS["open"] += 1
        if self.connection.recv(1) == b"":
            DRIPS["ended"] += 1
        self.close_connection = True

    def get_drips(self, query):
        self.answer(json.dumps(DRIPS).encode())

    def get_flood(self, query):
        """As many bytes as are asked for."""
        left = int(query)
        self.send_response(200)
        self.send_header("Content-Length", str(left))
        self.end_headers()
        while left > 0:
            piece = min(left, 1 << 16)
            self.wfile.write(b"x" * piece)
            left -= piece

    def get_ws(self, query):
        key = self.headers["Sec-WebSocket-Key"].encode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key + WEBSOCKET_GUID).digest()).decode())
        self.end_headers()
        self.close_connection = True
        while True:
            head = self.rfile.read(2)
            if len(head) < 2:
                return
            length = head[1] & 127
            if length == 126:
                length = struct.unpack(">H", self.rfile.read(2))[0]
            elif length == 127:
                length = struct.unpack(">Q", self.rfile.read(8))[0]
            mask = self.rfile.read(4)
            data = self.rfile.read(length)
            data = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
            short = bytes([length]) if length < 126 else struct.pack(">BH", 126, length)
            self.wfile.write(head[:1] + short + data)
            if head[0] & 15 == 8:
                return

    def do_POST(self):
        """Echoes the body while it arrives."""
        self.start_chunks()
        while True:
            size = int(self.rfile.readline(), 16)
            data = self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                break
            self.chunk(data)
        self.wfile.write(b"0\r\n\r\n")

    def do_PUT(self):
        left, digest = int(self.headers["Content-Length"]), hashlib.sha256()
        while left > 0:
            data = self.rfile.read(min(left, 1 << 16))
            digest.update(data)
            left -= len(data)
        self.answer(digest.hexdigest().encode())


DRIPS = {"open": 0, "ended": 0}


def serve(address, port, label):
    class Server(http.server.ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        request_queue_size = 1024
        daemon_threads = True

        def server_bind(self):
            if self.address_family == socket.AF_INET6:
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, label == "only6")
            super().server_bind()

    server = Server((address, port), Handler)
    server.label = label
    threading.Thread(target=server.serve_forever, daemon=True).start()


def main():
    mark = sys.argv[1]
    serve("0.0.0.0", 8000, mark)
    serve("127.0.0.1", 8001, mark)
    serve("::1", 8002, "only6")
    serve("::", 8003, mark)
    serve("localhost", 8004, mark)
    serve("::", 8005, "only6")
    print("ready", flush=True)
    time.sleep(3600)


if __name__ == "__main__":
    main()
