"""What a checkpoint does not keep, and what it keeps by a change of ours, as docs/internals/checkpoint.md has it."""

import json
import pathlib
import subprocess

import criu
import warren
from test_checkpoint import SPARE_SLOTS, criu_binary, dump_of, restored  # noqa: F401 (criu_binary is a fixture)

# Each writes one line per turn to a file of its own, which tells what it sees.
WATCHERS = '''
import ctypes, os, time

libc = ctypes.CDLL(None, use_errno=True)


def landlock():
    """A domain that may write to no file, whatever its rights."""
    out = open("/tmp/landlock", "a", buffering=1)
    rights = ctypes.c_uint64(1 << 1)
    ruleset = libc.syscall(444, ctypes.byref(rights), ctypes.sizeof(rights), 0)
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    if ruleset < 0 or libc.syscall(446, ruleset, 0) < 0:
        out.write(f"unavailable: {os.strerror(ctypes.get_errno())}\\n")
        return
    os.close(ruleset)
    while True:
        try:
            open("/tmp/file", "w").close()
            out.write("allowed\\n")
        except PermissionError:
            out.write("denied\\n")
        time.sleep(0.02)


def timer():
    """Periodic, expired and not read; read only where /tmp/go is."""
    fd = os.timerfd_create(time.CLOCK_MONOTONIC)
    os.timerfd_settime(fd, initial=0.01, interval=0.01)
    time.sleep(0.1)
    open("/tmp/timer", "w").write("expired\\n")
    while not os.path.exists("/tmp/go"):
        time.sleep(0.02)
    for _ in range(3):
        os.read(fd, 8)
    open("/tmp/timer", "w").write("goes on\\n")


open("/tmp/file", "w").close()
for watcher in (landlock, timer):
    if os.fork() == 0:
        watcher()
        os._exit(0)
os.wait()
time.sleep(600)
'''


def last(path):
    lines = path.read_text().splitlines() if path.exists() else []
    return lines[-1] if lines else None


def test_landlock_is_lost_and_timers_are_not(fresh, tmp_path, criu_binary):  # noqa: F811
    sandbox = fresh()
    sandbox.put("/tmp/watchers.py", WATCHERS.encode())
    sandbox.start("exec python3 /tmp/watchers.py")
    tmp = pathlib.Path(sandbox.server.data) / "volume" / "sandboxes" / sandbox.id / "u" / "tmp"
    for name in ("landlock", "timer"):
        warren.wait_for(lambda: last(tmp / name), 20, name)
    assert last(tmp / "landlock") == "denied" and last(tmp / "timer") == "expired"
    image, files, lower = dump_of(sandbox, tmp_path, criu_binary)
    with restored(image, files, lower, SPARE_SLOTS[0], tmp_path / "copy", criu_binary) as (_, netns, upper):
        url = f"http://127.0.0.1:{warren.AGENT_PORT}/files?path=/tmp/go&username=user"
        subprocess.run(["nsenter", f"--net={netns}", "curl", "-sS", "--fail", "-o", "/dev/null", "-X", "POST", "-H",
                        "Content-Type: application/octet-stream", "--data-binary", "go", url], check=True)
        warren.wait_for(lambda: last(upper / "tmp/timer") == "goes on", 30, "the timer goes on in the copy")
        warren.wait_for(lambda: last(upper / "tmp/landlock") == "allowed", 30, "the domain is gone in the copy")
    # The original keeps what it had.
    assert last(tmp / "landlock") == "denied" and last(tmp / "timer") == "expired"


def test_a_file_without_its_name_but_with_another_is_restored(fresh, tmp_path, criu_binary):  # noqa: F811
    sandbox = fresh()
    sandbox.start("echo one >/tmp/a; ln /tmp/a /tmp/b; exec 4>>/tmp/a; rm /tmp/a; "
                  "while [ ! -e /tmp/go ]; do sleep 0.02; done; echo two >&4; : >/tmp/done; sleep 600")
    tmp = pathlib.Path(sandbox.server.data) / "volume" / "sandboxes" / sandbox.id / "u" / "tmp"
    warren.wait_for(lambda: (tmp / "b").exists() and not (tmp / "a").exists(), 30, "the name is gone")
    image, files, lower = dump_of(sandbox, tmp_path, criu_binary)
    names = (image / "link-remaps").read_bytes().split(b"\0")
    assert len(names) == 2 and names[0].startswith(b"./tmp/link_remap.") and names[1] == b""
    assert (files / names[0].decode()).exists()
    with restored(image, files, lower, SPARE_SLOTS[0], tmp_path / "copy", criu_binary) as (_, netns, upper):
        assert not list((upper / "tmp").glob("link_remap.*")), "CRIU removes it when the file is open again"
        url = f"http://127.0.0.1:{warren.AGENT_PORT}/files?path=/tmp/go&username=user"
        subprocess.run(["nsenter", f"--net={netns}", "curl", "-sS", "--fail", "-o", "/dev/null", "-X", "POST", "-H",
                        "Content-Type: application/octet-stream", "--data-binary", "go", url], check=True)
        warren.wait_for(lambda: (upper / "tmp/done").exists(), 30, "the copy goes on")
        assert (upper / "tmp/b").read_text() == "one\ntwo\n"
    # A second dump while the first one's name is still there.
    criu.dump(sandbox.agent_pid(), tmp_path / "second", leave_running=True, criu=criu_binary)
    assert (tmp_path / "second" / "link-remaps").read_bytes() != b"\0".join(names)


# Twice the same: what is asked of the first set before the pause has to be answered by the second one behind it.
KEPT = '''
import fcntl, json, mmap, os, shutil, socket, sys, threading, time


def new(name, size=0):
    file = open("/tmp/" + name, "w+b")
    file.truncate(size)
    return file


def lock_files():
    """Whoever closes a descriptor of one of these loses his lock on it."""
    files = [new("plain"), new("shared", 32768), new("private", 32768), new("twice")]
    for file in files:
        fcntl.lockf(file, fcntl.LOCK_EX, 1, 120)
    fcntl.lockf(files[1], fcntl.LOCK_SH, 1, 123)
    fcntl.lockf(files[2], fcntl.LOCK_SH)
    fcntl.lockf(files[2], fcntl.LOCK_EX, 1, 7)
    maps = [mmap.mmap(files[1].fileno(), 32768), mmap.mmap(files[2].fileno(), 32768, flags=mmap.MAP_PRIVATE)]
    return files, maps, open("/tmp/twice", "rb")


def lock_the_program():
    shutil.copy("/bin/sleep", "/tmp/program")
    file = os.open("/tmp/program", os.O_RDONLY)
    os.set_inheritable(file, True)
    fcntl.lockf(file, fcntl.LOCK_SH)
    os.execv("/tmp/program", ["sleep", "600"])


def lock_by_other_means():
    file, other = new("flock", 4096), new("ofd", 4096)
    fcntl.flock(file, fcntl.LOCK_EX)
    fcntl.fcntl(other, 37, b"\\1\\0" + bytes(30))  # F_OFD_SETLK, F_WRLCK
    maps = mmap.mmap(file.fileno(), 4096), mmap.mmap(other.fileno(), 4096)
    time.sleep(600)


def locks():
    """(kind, mode, process, first, last); files have other numbers after a restore."""
    lines = [line.split() for line in open("/proc/locks")]
    return sorted([kind, mode, int(pid), first, last] for _, kind, _, mode, pid, _, first, last in lines)


def sockets():
    stream, receiver = socket.socketpair()
    packets, packet_receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pipe, other = os.pipe(), os.pipe()
    stream.send(b"x" * 5000)
    receiver.recv(100)
    stream.send(b"y" * 3000)
    socket.send_fds(stream, [b"one"], [pipe[0]])
    socket.send_fds(stream, [b"two" * 20000], other)
    stream.send(b"end")
    packets.send(b"first")
    socket.send_fds(packets, [b"z" * 5000], [pipe[0]])
    packets.send(b"last")
    os.close(pipe[0])  # open in the queues only
    return [stream, receiver, packets, packet_receiver, pipe[1], other[1]]


def received(sockets):
    _, receiver, _, packet_receiver, pipe, other = sockets
    got, first = [len(receiver.recv(7900)), len(packet_receiver.recv(9000))], []
    for source, size in [(receiver, 3)] + 2 * [(receiver, 60000)] + 2 * [(packet_receiver, 9000)]:
        data, fds, _, _ = socket.recv_fds(source, size, 4)
        got.append([len(data), data[-2:].decode(), len(fds)])
        first += fds[:1]
    os.write(pipe, b"p")
    os.write(other, b"o")
    return [*got, *[os.read(fd, 1).decode() for fd in first[:2]]]


def threads():
    """Pinned ones, one that is not, and last its own thread, from which they must not inherit."""
    ids = {}

    def body(name, cpus):
        if cpus:
            os.sched_setaffinity(0, cpus)
        ids[name] = threading.get_native_id()
        time.sleep(600)

    every = os.sched_getaffinity(0)
    for name, cpus in (("low", {min(every)}), ("high", {max(every)}), ("free", None)):
        threading.Thread(target=body, args=(name, cpus), daemon=True).start()
    while len(ids) < 3:
        time.sleep(0.01)
    os.sched_setaffinity(0, {max(every)})
    return ids | {"main": os.getpid()}


def cpus(ids):
    return {name: sorted(os.sched_getaffinity(tid)) for name, tid in ids.items()}


def say(name, value):
    with open("/tmp/new", "w") as out:
        json.dump(value, out)
    os.rename("/tmp/new", "/tmp/" + name)


for child in (lock_the_program, lock_by_other_means):
    if os.fork() == 0:
        child()
held, now, later = lock_files(), sockets(), sockets()
ids = threads()
while len(locks()) < 10:
    time.sleep(0.01)
say("before", [locks(), received(now), cpus(ids)])
while not os.path.exists("/tmp/go"):
    time.sleep(0.01)
say("after", [locks(), received(later), cpus(ids)])
time.sleep(600)
'''


def test_locks_of_files_descriptors_under_way_and_affinity_are_kept(fresh):
    sandbox = fresh()
    sandbox.put("/tmp/kept.py", KEPT.encode())
    sandbox.start("exec python3 /tmp/kept.py 2>/tmp/errors")
    tmp = pathlib.Path(sandbox.server.data) / "volume" / "sandboxes" / sandbox.id / "u" / "tmp"
    warren.wait_for((tmp / "before").exists, 20, "everything is set up")
    sandbox.pause()
    sandbox.resume()
    sandbox.check("touch /tmp/go")
    warren.wait_for((tmp / "after").exists, 20, "it has looked again")
    before, after = (json.loads((tmp / name).read_text()) for name in ("before", "after"))
    every = before[2]["free"]
    assert len(every) > 1, "needs a host with more than one CPU"
    assert before[1][:3] + before[1][5:] == [7900, 5, [3, "ne", 1], [5000, "zz", 1], [4, "st", 0], "p", "o"]
    # The kernel cuts a long one in two, of which the first has the descriptors.
    (long, _, long_fds), (end, _, end_fds) = before[1][3:5]
    assert (long + end, long_fds, end_fds) == (60003, 2, 0)
    assert before[2] == {"low": every[:1], "high": every[-1:], "free": every, "main": every[-1:]}
    assert after == before
