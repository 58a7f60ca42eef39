"""What contexts of one zygote have in common is kept once on the disk, whatever is saved of them. docs/internals/snapshot.md"""

import contextlib
import json
import os
import re

import interpreter
import pytest
import warren
from test_forked_context import context_pid, forked, zygote_pid
from test_lifecycle import crash_engine, restarted  # noqa: F401
from volumes import mounted, volume

ROUNDS = 3


def contents(server):
    """Path of each content -> ids of those that need it."""
    directory = server.host.volume() / "memory"
    found = {path: set() for path in directory.iterdir() if re.fullmatch("[0-9a-f]{32}", path.name)}
    for path in directory.iterdir():
        name, _, owner = path.name.partition("-")
        if re.fullmatch("[0-9a-f]{32}", name) and owner:
            found.setdefault(directory / name, set()).add(owner)
    return found


def saved(server, name):
    """Its manifest, and the files of its image."""
    directory = server.host.volume() / "snapshots" / name
    manifest = json.loads((directory / "manifest.json").read_text())["manifest"]
    return manifest, {path.name: path for path in (directory / "image").iterdir()}


def content_of(server, name):
    manifest, _ = saved(server, name)
    (one,) = manifest["memoryFiles"]
    path = server.host.volume() / "memory" / one["hash"]
    assert path.stat().st_size == one["sizeBytes"]
    return path


def pages(path):
    data = path.read_bytes()
    return {data[at : at + 4096] for at in range(0, len(data), 4096)}


def mapped(pid, path):
    """The lines of its map that show that file."""
    wanted = path.stat().st_ino
    lines = [line.split(None, 5) for line in warren.proc_read(pid, "maps").splitlines()]
    return [line for line in lines if int(line[4]) == wanted]


def with_context(sandbox):
    """A forked context with a value in it -> its id."""
    zygote_pid(sandbox.server)
    made = forked(sandbox)
    interpreter.value(sandbox, "import numpy, pandas; value = pandas.Series(numpy.arange(10)).sum()", context_id=made)
    return made


def goes_on(sandbox, context):
    # linalg: code that may not have been used before the dump, out of the file.
    code = "print(value, int(round(numpy.linalg.det(numpy.eye(30) * 2) ** (1 / 30))), pandas.DataFrame({'a': [1, 2]}).a.sum())"
    return interpreter.value(sandbox, code, context_id=context) == "45 2 3\n"


def test_it_is_not_in_the_image(server, fresh):
    sandbox = fresh()
    made = with_context(sandbox)
    sandbox.pause()
    assert sandbox.detail()["pause"]["level"] == "hibernated"
    path = content_of(server, sandbox.id)
    assert path.stat().st_mode & 0o7777 == 0o555 and path.stat().st_uid == 0
    _, files = saved(server, sandbox.id)
    content = pages(path)
    image = set().union(*(pages(file) for name, file in files.items() if name.startswith("pages-")))
    assert len(content) > 10000 and len(content & image) < len(content) / 100
    # Constants, and objects that it has not written to.
    assert sum(file.stat().st_size for file in files.values()) < path.stat().st_size / 5
    sandbox.resume()
    assert goes_on(sandbox, made)


def test_two_that_are_paused_share_one_and_it_goes_with_the_last(server, fresh):
    boxes = [fresh(), fresh()]
    made = [with_context(box) for box in boxes]
    for box in boxes:
        box.pause()
    paths = {content_of(server, box.id) for box in boxes}
    assert len(paths) == 1, "contexts of one zygote"
    (path,) = paths
    assert {box.id for box in boxes} <= contents(server)[path]
    for box in boxes:
        box.resume()
    shown = [mapped(context_pid(box, one), path) for box, one in zip(boxes, made)]
    assert shown[0] and len(shown[0]) == len(shown[1])
    assert all(goes_on(box, one) for box, one in zip(boxes, made))
    boxes[0].kill()
    warren.wait_for(lambda: boxes[0].id not in contents(server).get(path, ()), 20, "the first one's mark is gone")
    assert path.exists(), "a sandbox that runs still has it mapped"
    boxes[1].pause()
    boxes[1].kill()
    warren.wait_for(lambda: path not in contents(server), 20, "nobody needs it")


SEEN = """
import errno, os
lines = [line.split(None, 5) for line in open('/proc/self/maps') if line.split()[4] == '%d']
print(sorted({(line[5].strip(), line[1][1], line[1][3]) for line in lines}))
print(sorted(os.readlink(f'/proc/self/fd/{fd}').split(':')[0] for fd in range(4)), len(os.listdir('/proc/self/fd')))
start, end = (int(part, 16) for part in lines[0][0].split('-'))
try:
    print(os.open(f'/proc/self/map_files/{start:x}-{end:x}', os.O_RDONLY))
except OSError as error:
    print(errno.errorcode[error.errno])
import ctypes
libc = ctypes.CDLL(None)
assert libc.mprotect(ctypes.c_void_p(start), 4096, 3) == 0
ctypes.memset(start, 7, 16)
"""


def test_a_restored_one_can_do_nothing_with_the_file(server, fresh):
    sandbox = fresh()
    made = with_context(sandbox)
    sandbox.pause()
    path = content_of(server, sandbox.id)
    before = path.read_bytes()
    sandbox.resume()
    said = interpreter.value(sandbox, SEEN % path.stat().st_ino, context_id=made).splitlines()
    assert said == ["[('/', '-', 'p'), ('/', 'w', 'p')]", "['/dev/null', 'pipe', 'pipe', 'socket'] 5", "EPERM"]
    pid = context_pid(sandbox, made)
    inside = warren.namespace_pid(pid)
    (start, *_) = mapped(pid, path)
    name = "-".join(f"{int(part, 16):x}" for part in start[0].split("-"))
    # The user's own root, who may trace it.
    assert sandbox.run(f"cat /proc/{inside}/map_files/{name}", user="root").code != 0
    assert str(server.host.volume()) not in warren.proc_read(pid, "maps") + warren.proc_read(pid, "mountinfo")
    assert "/" not in {target for one in sandbox.pids() for target in warren.descriptors(one).values()}
    assert path.read_bytes() == before, "what it wrote is a page of its own"


FORGED = """
import fcntl, hashlib, mmap, os
fd = os.memfd_create('python', os.MFD_ALLOW_SEALING)
os.write(fd, os.urandom(1 << 20) * 4)
os.fchmod(fd, 0o555)
fcntl.fcntl(fd, 1033, 15)  # F_ADD_SEALS: all of them
forged = mmap.mmap(fd, 4 << 20, mmap.MAP_PRIVATE, mmap.PROT_READ)
os.close(fd)
print(hashlib.sha256(forged).hexdigest())
"""


def test_what_only_looks_like_it_is_in_the_image(server, fresh):
    """Who could bring memory of his own into the store could fill the volume, which has no quota there."""
    sandbox = fresh()
    made = with_context(sandbox)
    digest = interpreter.value(sandbox, FORGED, context_id=made)
    before = set(contents(server))
    sandbox.pause()
    genuine = content_of(server, sandbox.id)
    assert set(contents(server)) <= before | {genuine} and genuine.stat().st_size > 8 << 20
    sandbox.resume()
    assert interpreter.value(sandbox, "print(hashlib.sha256(forged).hexdigest())", context_id=made) == digest
    assert goes_on(sandbox, made)
    sandbox.pause()  # with what CRIU made of it
    assert content_of(server, sandbox.id) == genuine


GIVES = """
import fcntl, os, socket, threading
fd = os.memfd_create('python', os.MFD_ALLOW_SEALING)
os.write(fd, os.urandom(1 << 20) * 4)
os.fchmod(fd, 0o555)
fcntl.fcntl(fd, 1033, 15)
server = socket.socket(socket.AF_UNIX)
server.bind('/data/socket')
server.listen()
threading.Thread(target=lambda: socket.send_fds(server.accept()[0], [b'x'], [fd])).start()
"""

TAKES = """
import hashlib, mmap, os, socket
with socket.socket(socket.AF_UNIX) as client:
    client.connect('/data/socket')
    (fd,) = socket.recv_fds(client, 1, 1)[1]
forged = mmap.mmap(fd, 4 << 20, mmap.MAP_PRIVATE, mmap.PROT_READ)
print(os.fstat(fd).st_uid)
os.close(fd)
print(hashlib.sha256(forged).hexdigest())
"""


def test_what_another_sandbox_has_given_is_in_the_image(server):
    """Its owner is an id of another sandbox, as that of the zygote's memory is one that this sandbox does not have."""
    with volume(server) as shared, mounted(server, shared.mount("/data")) as one, mounted(server, shared.mount("/data")) as two:
        made = with_context(two)
        interpreter.value(one, GIVES)
        owner, digest = interpreter.value(two, TAKES, context_id=made).splitlines()
        assert owner == "65534", "of nobody in this sandbox"
        two.pause()
        assert content_of(server, two.id).stat().st_size > 8 << 20
        two.resume()
        assert interpreter.value(two, "print(hashlib.sha256(forged).hexdigest())", context_id=made) == digest + "\n"


def test_rounds_and_copies(server, fresh):
    sandbox = fresh()
    made = with_context(sandbox)
    paths = set()
    for _ in range(ROUNDS):
        sandbox.pause()
        assert sandbox.detail()["pause"]["level"] == "hibernated", sandbox.detail()["pause"]
        paths.add(content_of(server, sandbox.id))
        sandbox.resume()
        assert goes_on(sandbox, made)
    snapshot = sandbox.snapshot()
    try:
        with contextlib.ExitStack() as stack:
            copies = [stack.enter_context(server.sandbox(template=snapshot)) for _ in range(2)]
            assert all(goes_on(copy, made) for copy in copies)
            server.remove_snapshot(snapshot)
            sandbox.kill()
            # What is left of it is needed by the copies, which can be saved again.
            copies[0].pause()
            paths.add(content_of(server, copies[0].id))
            copies[0].resume()
            assert all(goes_on(copy, made) for copy in copies)
    finally:
        with contextlib.suppress(warren.ApiError):
            server.remove_snapshot(snapshot)
    (path,) = paths
    warren.wait_for(lambda: path not in contents(server), 20, "nobody needs it")


def test_a_damaged_one_is_refused(server, fresh):
    sandbox = fresh()
    with_context(sandbox)
    sandbox.put("/home/user/note", b"kept")
    sandbox.pause()
    path = content_of(server, sandbox.id)
    with open(path, "r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(warren.ApiError, match="memory.*is not what was written"):
        sandbox.resume()
    assert sandbox.detail()["state"] == "paused"
    sandbox.resume(memory=False)
    assert sandbox.check("cat /home/user/note") == "kept"
    # Whoever is saved next gets a whole one, of the same zygote.
    other = fresh()
    made = with_context(other)
    other.pause()
    assert content_of(server, other.id) == path
    other.resume()
    assert goes_on(other, made)


def test_engine_and_server_end_and_the_page_cache_is_cold(restarted):  # noqa: F811
    with restarted.sandbox(timeout=600) as sandbox, restarted.sandbox(timeout=600) as runs:
        made, other = with_context(sandbox), with_context(runs)
        runs.pause()
        runs.resume()
        sandbox.pause()
        path = content_of(restarted, sandbox.id)
        crash_engine(restarted)
        assert path.exists()
        runs.pause()  # was restored by an engine that is no more
        assert content_of(restarted, runs.id) == path
        restarted.kill9()
        restarted.start()
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        sandbox.resume()
        assert goes_on(sandbox, made)
        runs.resume()
        assert goes_on(runs, other)
        assert mapped(context_pid(runs, other), path)
