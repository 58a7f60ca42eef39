"""An HTTP server that answers with what it was asked, as JSON; runs in a sandbox: http_echo.py ADDRESS PORT."""

import http.server
import json
import socket
import sys
import time


class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data = b""
        while (size := int(self.rfile.readline(), 16)):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def answer(self):
        if self.path == "/drip":
            return self.drip()
        reply = {"method": self.command, "path": self.path, "headers": [[name.lower(), value] for name, value in self.headers.items()],
                 "body": self.body().decode(errors="replace")}
        data = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        return None

    def drip(self):
        """One chunk, and the second only when a file says so: a test that the first arrives before the second is written."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"5\r\nfirst\r\n")
        self.wfile.flush()
        while True:
            try:
                open("/tmp/drip").close()
                break
            except OSError:
                time.sleep(0.02)
        self.wfile.write(b"6\r\nsecond\r\n0\r\n\r\n")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    address_family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET


Server((sys.argv[1], int(sys.argv[2])), Echo).serve_forever()
