"""Servers that tests run inside a sandbox."""

import pathlib
import socket

GUEST = pathlib.Path(__file__).with_name("guest")


def start(sandbox, program, port, address="0.0.0.0"):
    """Starts a program of guest/ and waits until it listens -> the command's handle."""
    sandbox.files.write(f"/tmp/{program}", (GUEST / program).read_text())
    handle = sandbox.commands.run(f"exec python3 /tmp/{program} {address} {port}", background=True, timeout=0)
    sandbox.commands.run(f"until ss -Htln sport = :{port} | grep -q LISTEN; do sleep 0.02; done")
    return handle


def closed_port():
    """A number that no server of the tests uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
