"""Upload and download of a large file through the ingress, with curl as the client."""
import contextlib
import os
import pathlib
import subprocess
import tempfile

import wire
from control import Failed

SIZE = 1 << 30
BLOCK = 1 << 20
PATH = "/home/user/large"


def _curl(control, sandbox, *words):
    """-> seconds"""
    fields = [part for name, value in sandbox.agent().items() for part in ("-H", f"{name}: {value}")]
    command = ["curl", "-sS", "--noproxy", "*", "--fail", "-o", "/dev/null", "-w", "%{time_total} %{size_upload} %{size_download}", *fields, *words,
               f"http://127.0.0.1:{control.ingress_port}/files?path={PATH}&username=user"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"curl: {done.stderr.strip()}")
    seconds, up, down = done.stdout.split()
    if max(int(up), int(down)) < SIZE:
        raise Failed(f"curl moved {done.stdout}")
    return float(seconds)


def measure(control, template, rounds):
    """-> {"upload": [bytes per second], "download": [...]}; the file lies in memory on this side, and in the page cache on the other."""
    result = {"upload": [], "download": []}
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="warren-bench.", dir="/dev/shm")))
        block = os.urandom(BLOCK)
        with open(directory / "large", "wb") as file:
            for _ in range(SIZE // BLOCK):
                file.write(block)
        api, ingress = wire.Wire(control.api_port), wire.Wire(control.ingress_port)
        for _ in range(rounds):
            sandbox = wire.Sandbox(api, ingress, control.key, template)
            try:
                upload = ["-X", "POST", "-T", directory / "large", "-H", "Expect:", "-H", "Content-Type: application/octet-stream"]
                result["upload"].append(SIZE / _curl(control, sandbox, *upload))
                result["download"].append(SIZE / _curl(control, sandbox))
            finally:
                sandbox.kill()
    return result
