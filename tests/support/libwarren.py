"""The programs of tests/libwarren/, which use libwarren as an application does, and an environment for them."""

import contextlib
import os
import pathlib
import signal
import socket
import struct
import subprocess
import tempfile

import spare_data
import warren


def build_dir():
    """Of the program under test: <build>/src/cli/warren."""
    return pathlib.Path(warren.binary()).resolve().parents[2]


def program(name):
    path = build_dir() / "tests/libwarren" / name
    if not path.is_file():
        raise RuntimeError(f"there is no program {path}: build the tests")
    return str(path)


def environment(**variables):
    """The caller's without what would choose a server, and with `variables`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("E2B_", "WARREN_", "OTEL_"))}
    return {**kept, **variables}


def server_of(path):
    """The process that listens there."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        pid, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return pid


def end_server(path):
    """As a crash would: engine and volume stay, for the next one."""
    pid = server_of(path)
    os.kill(pid, signal.SIGTERM)
    warren.wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists(), 30, "the server has ended")


@contextlib.contextmanager
def private_warren():
    """A place for a Warren that a client starts on demand -> (path of its socket, data directory). Nothing is left of it."""
    with spare_data.borrowed() as data, tempfile.TemporaryDirectory(prefix="warren-demand-", dir="/run") as run_dir:
        path = f"{run_dir}/warren.sock"
        try:
            yield path, data
        finally:
            if os.path.exists(path):
                end_server(path)
            # One that has nothing to do ends its engine as well.
            subprocess.run([warren.binary(), "serve", "--private", "--socket", path, "--data-dir", data, "--idle-timeout", "200ms"],
                           stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=60)
            warren.wait_for(lambda: not warren.Host(data, run_dir).mounts(), 20, "nothing is mounted")
