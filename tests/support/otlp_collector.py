"""A collector of OTLP over HTTP that keeps what it gets, and that can be told to behave badly."""

import http.server
import pathlib
import socket
import ssl
import struct
import threading

ABRUPTLY = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset


class Request:
    def __init__(self, path, headers, body, status):
        self.path, self.headers, self.body, self.status = path, headers, body, status


class Collector:
    """`behave(path)` says what the next request gets: a status, (status, {field: value}), "hang" or "reset"."""

    def __init__(self, behave=lambda path: 200, certificate=None):
        self.behave, self.requests, self.released = behave, [], threading.Event()
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                collector.answer(self)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass  # connections that are reset, by either side

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            self.url = f"https://localhost:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})

    def answer(self, handler):
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        told = self.behave(handler.path)
        status, fields = told if isinstance(told, tuple) else (told, {})
        self.requests.append(Request(handler.path, dict(handler.headers), body, status))
        if status == "hang":
            self.released.wait()
            handler.close_connection = True
        elif status == "reset":
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPTLY)
            handler.connection.close()
            handler.close_connection = True
        else:
            handler.send_response(status)
            for name, value in fields.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", "2")
            handler.send_header("Content-Type", "application/json")
            handler.end_headers()
            handler.wfile.write(b"{}")

    def of(self, path):
        return [request for request in self.requests if request.path == path]

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def program_of_package(name):
    """Of a Debian package that tools/install-deps has unpacked, or installed."""
    unpacked = pathlib.Path("/var/cache/warren/packages") / name / "usr/bin" / name
    return str(unpacked) if unpacked.exists() else name
