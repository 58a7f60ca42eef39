"""A runner without its agent: started in the template's files, driven in frames (src/interpreter/frame.h).

It runs as the sandbox's user in a mount namespace of its own, on a throw-away overlay of the template's layers.
"""

import contextlib
import json
import os
import pathlib
import select
import signal
import socket
import struct
import subprocess
import threading
import time

import warren

HEADER = struct.Struct("<IB3x")
RUNNERS = warren.REPOSITORY / "src/interpreter/runners"
USER = 1000
ENVIRONMENT = {"HOME": "/home/user", "USER": "user", "LANG": "C.UTF-8", "PATH": "/usr/local/bin:/usr/bin:/bin"}
# The mounts end with the namespace, that is with the last process in it.
ENTER = """
set -e
mount -t tmpfs none "$1"
mkdir "$1/u" "$1/w" "$1/root"
mount -t overlay -o "lowerdir=$2,upperdir=$1/u,workdir=$1/w" none "$1/root"
mkdir -p "$1/root/.warren/runners"
mount --bind "$3" "$1/root/.warren/runners"
mount --rbind /dev "$1/root/dev"
mount --rbind /proc "$1/root/proc"
mount -t tmpfs none "$1/root/tmp"
chmod 1777 "$1/root/tmp"
cd "$1/root"
eval "exec 3<&$5 $5<&-"
exec chroot --userspec "$4:$4" --groups= . /usr/bin/env -i LANG=C.UTF-8 HOME=/home/user PATH=/usr/local/bin:/usr/bin:/bin \\
    "${@:6}"
"""
PYTHON = ("python3", "-I", "-B", "/.warren/runners/python/main.py")


def layers(template=warren.TEMPLATE):
    """Directories of a template, topmost first."""
    data = pathlib.Path(warren.data_dir())
    manifest = json.loads((data / "templates" / f"{template}.json").read_text())
    return [str(data / "layers" / name) for name in manifest["layers"]]


class Cell:
    """What one cell told, in order: (kind, value) with "text" of the two streams merged as the agent merges it."""

    def __init__(self):
        self.count = None
        self.lines = []
        self.out = []
        self.err = []
        self.events = []

    def add(self, kind, payload):
        if kind == "C":
            self.count = json.loads(payload)["execution_count"]
        elif kind == "L":
            assert payload.isascii() and b"\n" not in payload
            self.lines.append(json.loads(payload))
            self.events.append(self.lines[-1]["type"])
        elif kind in "oe":
            assert 0 < len(payload) <= 65536
            (self.out if kind == "o" else self.err).append(payload.decode())
            self.events.append((kind, payload.decode()))
        else:
            raise AssertionError(f"frame {kind!r}: {payload!r}")

    @property
    def stdout(self):
        return "".join(self.out)

    @property
    def stderr(self):
        return "".join(self.err)

    @property
    def results(self):
        return [line for line in self.lines if line["type"] == "result"]

    @property
    def error(self):
        errors = [line for line in self.lines if line["type"] == "error"]
        assert len(errors) <= 1, errors
        return errors[0] if errors else None

    @property
    def text(self):
        return next((result.get("text") for result in self.results if result["is_main_result"]), None)


def _as_the_agent_does():
    """A suite in the background of a shell ignores SIGINT, and a JVM that inherits this never listens to it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Runner:
    """A context of a runner. run() executes a cell to its end."""

    def __init__(self, directory, cwd="/home/user", env=None, extra=(), command=PYTHON, template=warren.TEMPLATE):
        """`directory`: an empty one, to mount things on. `extra`: layers on top of the template's. `command` starts the runner."""
        self.pipes = {}
        self.captured = {1: b"", 2: b""}
        ours, theirs = socket.socketpair()
        self.socket = ours
        writers = [self._pipe(1), self._pipe(2)]
        command = ["unshare", "--mount", "--propagation", "private", "bash", "-c", ENTER, "enter", str(directory), ":".join([*map(str, extra), *layers(template)]),
                   str(RUNNERS), str(USER), str(theirs.fileno()), *command]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=writers[0], stderr=writers[1],
                                        pass_fds=[theirs.fileno()], start_new_session=True, preexec_fn=_as_the_agent_does)
        theirs.close()
        for fd in writers:
            os.close(fd)
        self.send("I", {"cwd": cwd, "env": {**ENVIRONMENT, **(env or {})}})
        self.expect_ready()

    def _pipe(self, number):
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        self.pipes[number] = reader
        return writer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)
        self.socket.close()
        for fd in self.pipes.values():
            os.close(fd)

    def send(self, kind, value):
        payload = json.dumps(value).encode()
        self.socket.sendall(HEADER.pack(len(payload), ord(kind)) + payload)

    def _read(self, size):
        data = bytearray()
        while len(data) < size:
            with contextlib.suppress(ConnectionResetError):  # it ended with frames unread
                if part := self.socket.recv(size - len(data)):
                    data += part
                    continue
            raise EOFError
        return bytes(data)

    def receive(self, timeout=30):
        """The next frame -> (kind, payload); EOFError when the runner is gone."""
        end = time.monotonic() + timeout
        while True:
            ready = select.select([self.socket, *self.pipes.values()], [], [], max(0, end - time.monotonic()))[0]
            assert ready, "the runner is silent"
            self.drain()
            if self.socket in ready:
                length, kind = HEADER.unpack(self._read(HEADER.size))
                return chr(kind), self._read(length)

    def drain(self):
        """Reads what subprocesses and C code wrote."""
        for number, fd in self.pipes.items():
            with contextlib.suppress(BlockingIOError):
                while part := os.read(fd, 65536):
                    self.captured[number] += part

    def expect_ready(self):
        try:
            kind, payload = self.receive()
        except EOFError:
            self.drain()
            raise AssertionError(f"the runner ended: {self.captured[2].decode()}") from None
        assert kind == "R", (kind, payload)
        self.pid = json.loads(payload)["pid"]

    def renew(self, env=None):
        """The sandbox goes on from an image: as the agent tells it, while no cell runs."""
        self.announce_renewal()
        self.send("N", {"env": env or {}})
        assert self.receive() == ("n", b"{}")

    def announce_renewal(self):
        os.killpg(self.pid, signal.SIGURG)

    def start(self, code, env=None, silent=False):
        self.send("X", {"code": code, "env": env or {}, "silent": silent})

    def finish(self, timeout=30, seen=None):
        """The rest of a cell that was started. `seen` is called with the Cell after each frame."""
        cell = Cell()
        while True:
            kind, payload = self.receive(timeout)
            if kind == "D":
                self.drain()
                return cell
            cell.add(kind, payload)
            if seen:
                seen(cell)

    def run(self, code, env=None, silent=False, timeout=30):
        self.start(code, env, silent)
        return self.finish(timeout)

    def interrupt(self):
        os.killpg(self.pid, signal.SIGINT)

    def interrupt_after(self, code, word, env=None):
        """Runs a cell and interrupts it when it has printed `word`."""
        sent = threading.Event()

        def look(cell):
            if word in cell.stdout and not sent.is_set():
                sent.set()
                time.sleep(0.05)  # it goes from print() into what is to be interrupted
                self.interrupt()

        self.start(code, env)
        return self.finish(seen=look)
