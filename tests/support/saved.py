"""What is saved on a volume, seen and harmed from the host: directories, manifests, images, and a CRIU that can be held."""

import contextlib
import ctypes
import fcntl
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading

import warren

WRAPPER = """#!/bin/sh
# The engine's self-test has a pid namespace of its own, and is left alone.
[ "$(readlink /proc/self/ns/pid)" = "{namespace}" ] || exec {criu} "$@"
# "$1" is what criu is asked for; a file of the name before-$1 or after-$1 here holds it there.
hold() {{
    [ -e {directory}/$1 ] || return 0
    : >{directory}/$1.reached
    while [ -e {directory}/$1 ]; do sleep 0.01; done
    rm -f {directory}/$1.reached
}}
hold before-$1
# A restore ends with whoever asked for it.
end=
[ "$1" != restore ] || end="setpriv --pdeathsig KILL"
$end {criu} "$@"
status=$?
hold after-$1
exit $status
"""


def criu():
    """Path of the criu that a server uses by itself."""
    done = subprocess.run([warren.binary(), "criu", "check"], capture_output=True, text=True, timeout=120, check=True)
    return re.search(r"\((/\S+)\)$", done.stdout.strip()).group(1)


def written(image):
    """Bytes of memory in an image that is being made: it may move meanwhile."""
    size = 0
    for path in image.glob("pages-*.img"):
        with contextlib.suppress(FileNotFoundError):
            size += path.stat().st_size
    return size


class Gate:
    """A criu for the setting `criu` that stops where it is told to: gate.hold("before-dump") ... gate.let_go()."""

    def __enter__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="warren-gate-", dir="/run"))
        self.path = self.directory / "criu"
        self.path.write_text(WRAPPER.format(directory=self.directory, criu=criu(), namespace=os.readlink("/proc/self/ns/pid")))
        self.path.chmod(0o755)
        self.held = None
        return self

    def __exit__(self, *_):
        self.let_go()
        subprocess.run(["rm", "-rf", str(self.directory)], check=True)

    def hold(self, where):
        """where: (before | after)-(dump | restore)."""
        self.let_go()
        self.held = self.directory / where
        self.held.touch()

    def reached(self):
        warren.wait_for(self.directory.joinpath(f"{self.held.name}.reached").exists, 60, f"criu is held {self.held.name}")

    def let_go(self):
        if self.held:
            self.held.unlink(missing_ok=True)
            self.directory.joinpath(f"{self.held.name}.reached").unlink(missing_ok=True)
            self.held = None


class Later:
    """A request that is answered later: its thread, then .status and .answer, or .error when there is no answer."""

    def __init__(self, server, method, path, body=None):
        self.status = self.answer = self.error = None
        text = None if body is None else json.dumps(body)

        def work():
            try:
                self.status, self.answer = server.raw(method, path, text, timeout=120)
            except (OSError, ValueError, warren.http.client.HTTPException) as error:
                self.error = error

        self.thread = threading.Thread(target=work, daemon=True)
        self.thread.start()

    def over(self):
        return not self.thread.is_alive()

    def end(self):
        """Waits -> the status, None without an answer."""
        self.thread.join(120)
        assert self.over(), "a request is not answered"
        return self.status


def saved(server):
    """Everything in `snapshots/`, half-made and half-removed ones too."""
    path = server.host.volume() / "snapshots"
    return set(os.listdir(path)) if path.is_dir() else set()


START_SYNC = 0x80089418  # BTRFS_IOC_START_SYNC: wakes the thread that frees what was removed


def reclaim(path):
    """Asks for the space of removed sandboxes, which comes back soon."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(fd, START_SYNC, bytes(8))
    finally:
        os.close(fd)


def directory(server, name):
    return server.host.volume() / "snapshots" / name


def jobs(server):
    """Pids of what the engine, or one before it, has started to save or restore a sandbox."""
    found = []
    volume = f"{server.data}/volume/"
    for pid in warren.all_pids():
        if warren.proc_read(pid, "comm").startswith("wr-") and any(path.startswith(volume) for path in warren.descriptors(pid).values()):
            found.append(pid)
    return found


def children(pids):
    """Those of these processes, and theirs."""
    found, more = set(), set(pids)
    while more:
        found |= more
        more = {pid for pid in warren.all_pids() if parent(pid) in more} - found
    return found - set(pids)


def parent(pid):
    fields = warren.proc_read(pid, "stat").rpartition(")")[2].split()
    return int(fields[1]) if fields else 0


def kill(pids):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


# ---- the manifest ----


class _Hash(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


def checksum(data):
    """XXH3 of 128 bits, as src/engine/snapshot/hash.c writes it."""
    library = ctypes.CDLL("libxxhash.so.0")
    library.XXH128.restype, library.XXH128.argtypes = _Hash, [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]
    made = library.XXH128(data, len(data), 0)
    return f"{made.high:016x}{made.low:016x}"


def edit_manifest(server, name, change):
    """Calls change(dict) and writes the manifest anew, with its checksum."""
    path = directory(server, name) / "manifest.json"
    before = path.read_bytes()
    manifest = json.loads(before)
    change(manifest["manifest"])
    text = json.dumps(manifest["manifest"], separators=(",", ":"), ensure_ascii=False).encode()
    path.write_bytes(b'{"manifest":' + text + b',"hash":"' + checksum(text).encode() + b'"}\n')
    return before


def flip(path, at=None):
    """One bit of one byte, in the middle unless told."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if at is None else at] ^= 1
    path.write_bytes(data)


# ---- a program that has a state of its own ----

# Its files are in memory, too: a full disk does not matter to it.
COUNTER = "n=0; while :; do n=$((n + 1)); echo {value} $n >/dev/shm/kept.new; mv /dev/shm/kept.new /dev/shm/kept; sleep 0.02; done"


class Kept:
    """A program in a sandbox that keeps a value and a count in its memory alone."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.value = os.urandom(8).hex()
        sandbox.start(COUNTER.format(value=self.value)).started().close()
        warren.wait_for(lambda: sandbox.run("cat /dev/shm/kept").out, 20, "the program counts")
        self.count = self._read(sandbox)

    def _read(self, sandbox):
        value, count = sandbox.check("cat /dev/shm/kept").split()
        assert value == self.value
        return int(count)

    def check(self, copy=None):
        """It goes on, in its sandbox from where it was last seen, or in a copy of that."""
        sandbox = copy or self.sandbox
        before = self._read(sandbox)
        assert copy or before >= self.count, "an earlier state came back"
        warren.wait_for(lambda: self._read(sandbox) > before, 20, f"the program of {sandbox.id} goes on")
        if not copy:
            self.count = before
