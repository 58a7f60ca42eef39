"""A proxy between a client and a real server that breaks HTTP where a test wants it: it knows requests by method and path, and cuts,
stalls, slows down or answers in the server's place. HTTP/1.1 without pipelining."""

import collections
import contextlib
import re
import select
import socket
import struct
import threading
import time

Seen = collections.namedtuple("Seen", "method path")


class Rule:
    """What happens to the first `times` requests whose "METHOD /path" the pattern matches.

    action: "refuse"   reset before the server has seen anything
            "lose"     the server gets the whole request, the client no byte of the answer
            "cut head" reset within the answer's head;  "cut body" after its head and `after` more bytes
            "close body" as "cut body", with an orderly end of the stream
            "stall"    the server gets the request, the client nothing, until the proxy closes
            "slow"     each chunk of the answer comes `delay` seconds late
            "answer"   `status` with `headers`, the server gets nothing
    """

    def __init__(self, pattern, action, times=1, after=0, delay=0.05, status=503, headers=()):
        self.pattern = re.compile(pattern)
        self.action, self.times, self.after, self.delay = action, times, after, delay
        self.status, self.headers = status, headers
        self.used = 0


def reset(sock):
    """Closes with RST instead of FIN."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class FaultProxy:
    """Listens on a port of 127.0.0.1 and leads to another."""

    def __init__(self, upstream_port):
        self.upstream_port = upstream_port
        self.rules, self.seen = [], []
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closing.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(10)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def rule(self, *args, **kwargs):
        made = Rule(*args, **kwargs)
        with self.lock:
            self.rules.append(made)
        return made

    def clear(self):
        with self.lock:
            self.rules.clear()
            self.seen.clear()

    def _accept(self):
        while not self.closing.is_set():
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _rule_for(self, seen):
        with self.lock:
            self.seen.append(seen)
            for rule in self.rules:
                if rule.used < rule.times and rule.pattern.search(f"{seen.method} {seen.path}"):
                    rule.used += 1
                    return rule
        return None

    def _receive(self, sock):
        """Bytes, b"" at the end; gives up when the proxy closes."""
        while not self.closing.is_set():
            if select.select([sock], [], [], 0.2)[0]:
                return sock.recv(65536)
        return b""

    def _serve(self, client):
        server = None
        try:
            data = b""
            while True:
                while b"\r\n\r\n" not in data:
                    more = self._receive(client)
                    if not more:
                        return
                    data += more
                head, data = data.split(b"\r\n\r\n", 1)
                method, path, _ = head.split(b"\r\n")[0].decode().split(" ", 2)
                rule = self._rule_for(Seen(method, path))
                if rule and rule.action == "refuse":
                    reset(client)
                    return
                server = server or socket.create_connection(("127.0.0.1", self.upstream_port))
                if rule and rule.action == "answer":
                    self._request_body(client, None, head, data)
                    self._answer(client, rule)
                    data = b""
                    continue
                server.sendall(head + b"\r\n\r\n")
                self._request_body(client, server, head, data)
                data = self._response(client, server, rule)
                if data is None:
                    return
        except OSError:
            reset(client)
        finally:
            client.close()
            if server:
                server.close()

    def _request_body(self, client, server, head, data):
        """Passes the body on (`server` None: drops it); `data` is its beginning."""
        lower = head.lower()
        length = re.search(rb"\r\ncontent-length: *(\d+)", lower)
        chunked = b"\r\ntransfer-encoding: chunked" in lower
        left = int(length.group(1)) - len(data) if length else 0
        tail = data[-5:]
        if server:
            server.sendall(data)
        while left > 0 or (chunked and not tail.endswith(b"0\r\n\r\n")):
            more = self._receive(client)
            if not more:
                raise ConnectionResetError
            left -= len(more)
            tail = (tail + more)[-5:]
            if server:
                server.sendall(more)

    @staticmethod
    def _answer(client, rule):
        body = b'{"code": %d, "message": "injected"}' % rule.status
        extra = "".join(f"{name}: {value}\r\n" for name, value in rule.headers)
        client.sendall(f"HTTP/1.1 {rule.status} Injected\r\nContent-Type: application/json\r\n{extra}"
                       f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def _response(self, client, server, rule):
        """Until the client speaks again -> what it said; None: the connection is over."""
        sent, head_end = 0, None
        buffered = b""
        while not self.closing.is_set():
            ready = select.select([client, server], [], [], 0.2)[0]
            if client in ready:
                said = client.recv(65536)
                return said or None
            if server not in ready:
                continue
            data = server.recv(65536)
            if not data:
                return None
            if rule is None:
                client.sendall(data)
                continue
            if rule.action == "lose":
                reset(client)
                return None
            if rule.action == "stall":
                continue
            if rule.action == "slow":
                time.sleep(rule.delay)
                client.sendall(data)
                continue
            buffered += data
            if head_end is None and b"\r\n\r\n" in buffered:
                head_end = buffered.index(b"\r\n\r\n") + 4
            allowed = 12 if rule.action == "cut head" else None if head_end is None else head_end + rule.after
            if allowed is None:
                continue
            client.sendall(buffered[sent:allowed])
            sent = min(len(buffered), allowed)
            if len(buffered) >= allowed:
                time.sleep(0.02)  # so that what was sent is read before the reset takes it away
                if rule.action != "close body":
                    reset(client)
                return None
        return None
