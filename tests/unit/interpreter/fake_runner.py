"""A runner for tests of the agent's side: a cell is Python with `send(kind, payload)`, which may send anything."""

import json
import os
import signal
import socket
import struct
import sys

agent = socket.socket(fileno=3)


def send(kind, payload=b"{}"):
    agent.sendall(struct.pack("<IB3x", len(payload), ord(kind)) + payload)


def receive():
    head = agent.recv(8, socket.MSG_WAITALL)
    if len(head) < 8:
        sys.exit(0)
    length, kind = struct.unpack("<IB3x", head)
    return chr(kind), json.loads(agent.recv(length, socket.MSG_WAITALL) if length else b"{}")


signals = 0  # SIGURG that came


def on_urgent(*_):
    global signals
    signals += 1


def main():
    count = 0
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGURG, on_urgent)
    while True:
        kind, message = receive()
        if kind in "IA":
            os.environ.clear()
            os.environ.update(message["env"])
            if "STARTS_WITH" in os.environ and kind == "I":
                exec(os.environ["STARTS_WITH"])
            send("R", json.dumps({"pid": os.getpid()}).encode())
            continue
        if kind == "N":
            os.environ.update(message["env"])
            if "MUTE" not in os.environ:
                send("n")
            continue
        try:
            if not message["silent"]:
                count += 1
                send("C", json.dumps({"execution_count": count}).encode())
            exec(message["code"], globals())
        except KeyboardInterrupt:
            send("e", b"interrupted")
        send("D")


main()
