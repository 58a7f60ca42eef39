"""Runs inside a sandbox: a small web application as people build them. Its page fetches, listens to server-sent events and talks
over a WebSocket, and then reports what it has got. Standard library only."""

import base64
import hashlib
import http.server
import json
import sys
import time

WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PAGE = b"""<!doctype html><title>preview</title><script>
const got = {host: location.host, protocol: location.protocol};
function report() { if (got.data && got.events && got.echo) fetch('/report', {method: 'POST', body: JSON.stringify(got)}); }
fetch('/data').then(answer => answer.json()).then(data => { got.data = data; report(); });
const stream = new EventSource('/events');
const events = [];
stream.onmessage = event => { events.push(event.data);
  if (events.length === 3) { stream.close(); got.events = events; report(); } };
const socket = new WebSocket((location.protocol === 'https:' ? 'wss://' : 'ws://') + location.host + '/socket');
socket.onopen = () => socket.send('hello');
socket.onmessage = event => { got.echo = event.data; socket.close(); report(); };
</script>"""
REPORTS = []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, kind, body):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        REPORTS.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.answer("text/plain", b"thanks")

    def do_GET(self):
        name = self.path.partition("?")[0]
        {"/data": self.data, "/events": self.events, "/socket": self.socket, "/reports": self.reports}.get(name, self.page)()

    def page(self):
        self.answer("text/html", PAGE)

    def data(self):
        self.answer("application/json", json.dumps({"host": self.headers["Host"]}).encode())

    def reports(self):
        self.answer("application/json", json.dumps(REPORTS).encode())

    def events(self):
        """Without a length and never ending, each event written on its own, the next one only after a while."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            for number in range(1000):
                self.wfile.write(f"data: {number} {time.time()}\n\n".encode())
                time.sleep(1)
        except OSError:
            pass
        self.close_connection = True

    def socket(self):
        """One message back, as it came."""
        accept = base64.b64encode(hashlib.sha1(self.headers["Sec-WebSocket-Key"].encode() + WEBSOCKET_GUID).digest())
        self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        _, length = self.rfile.read(2)
        mask = self.rfile.read(4)
        text = bytes(byte ^ mask[at % 4] for at, byte in enumerate(self.rfile.read(length & 127)))
        self.wfile.write(bytes([0x81, len(text)]) + text)
        self.rfile.read(1)
        self.close_connection = True


server = http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Handler)
sys.stdout.write("ready\n")
sys.stdout.flush()
server.serve_forever()
