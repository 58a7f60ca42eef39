"""Runs inside a sandbox: TCP services that do not speak HTTP, each on a port of its own. Standard library only."""

import hashlib
import socket
import struct
import sys
import threading
import time


def read_all(connection):
    parts = []
    while piece := connection.recv(65536):
        parts.append(piece)
    return b"".join(parts)


def echo(connection):
    while piece := connection.recv(65536):
        connection.sendall(piece)


def greet(connection):
    """The server speaks first, as those of mail and shells do."""
    connection.sendall(b"220 hello\r\n")
    echo(connection)


def digest(connection):
    """Answers behind the end of what the client says."""
    data = read_all(connection)
    connection.sendall(f"{len(data)} {hashlib.sha256(data).hexdigest()}\n".encode())


def flood(connection):
    connection.sendall(bytes(range(256)) * 4096 * 16)


def first_half(connection):
    """Ends its own stream first and still listens; what it heard is told on the next port."""
    connection.sendall(b"that is all")
    connection.shutdown(socket.SHUT_WR)
    HEARD.append(read_all(connection))


def heard(connection):
    connection.sendall(b"|".join(HEARD))


def reset(connection):
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


HEARD = []
SERVICES = {7001: echo, 7002: greet, 7003: digest, 7004: flood, 7005: first_half, 7006: heard, 7007: reset}


def serve(listener, service):
    def one(connection):
        with connection:
            try:
                service(connection)
            except OSError:
                pass

    while True:
        threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()


for port, service in SERVICES.items():
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    made.listen(64)
    threading.Thread(target=serve, args=(made, service), daemon=True).start()
sys.stdout.write("ready\n")
sys.stdout.flush()
while True:
    time.sleep(3600)
