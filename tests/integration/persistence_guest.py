"""What a pause has to keep, one program per case, run inside a sandbox: persistence_guest.py CASE

A case is a generator: what comes before the first `yield` makes the state, what comes after each `yield` checks it. After each part
the program says so in /tmp/cases/CASE.said and waits for the next file /tmp/cases/go.N.
"""

import asyncio
import ctypes
import fcntl
import multiprocessing
import os
import pathlib
import pty
import select
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time
import traceback
import urllib.request

HERE = pathlib.Path("/tmp/cases")
LIBC = ctypes.CDLL(None, use_errno=True)
CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def called(name, *arguments):
    """A function of the C library that must not fail -> its value."""
    value = getattr(LIBC, name)(*arguments)
    if value < 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
    return value


def soon(condition, what):
    end = time.monotonic() + 20
    while not (value := condition()):
        assert time.monotonic() < end, what
        time.sleep(0.01)
    return value


def scratch(name):
    return str(HERE / f"{name}.{os.getpid()}")


# ---- files ----

@case
def open_file():
    with open(scratch("file"), "w+b", buffering=0) as file:
        file.write(b"one")
        for number in range(1, 9):
            yield
            assert file.tell() == 2 + number
            file.write(b"+")
            assert os.pread(file.fileno(), 100, 0) == b"one" + b"+" * number


@case
def appended_file():
    fd = os.open(scratch("log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in range(1, 9):
        yield
        os.write(fd, b"x")
        assert os.fstat(fd).st_size == number


@case
def deleted_file():
    with open(scratch("deleted"), "w+b", buffering=0) as file:
        file.write(os.urandom(1 << 20))
        data = os.pread(file.fileno(), 1 << 21, 0)
        os.unlink(file.name)
        while True:
            yield
            assert os.fstat(file.fileno()).st_nlink == 0 and os.pread(file.fileno(), 1 << 21, 0) == data


@case
def deleted_large_file():
    """Larger than CRIU takes unasked, in an interrupted download for instance."""
    with open(scratch("large"), "w+b", buffering=0) as file:
        file.write(b"\xaa" * (8 << 20))
        os.unlink(file.name)
        while True:
            yield
            assert os.fstat(file.fileno()).st_size == 8 << 20


@case
def linked_and_deleted_file():
    with open(scratch("first"), "w+b", buffering=0) as file:
        file.write(b"linked")
        os.link(file.name, scratch("second"))
        os.unlink(file.name)
        while True:
            yield
            assert os.pread(file.fileno(), 10, 0) == b"linked"
            assert pathlib.Path(scratch("second")).read_bytes() == b"linked"


@case
def deleted_directory():
    path = scratch("gone")
    os.mkdir(path)
    os.chdir(path)
    os.rmdir(path)
    while True:
        yield
        assert os.readlink("/proc/self/cwd").endswith("(deleted)")


@case
def deleted_program():
    path = scratch("sleep")
    subprocess.run(["cp", "/bin/sleep", path], check=True)
    child = subprocess.Popen([path, "1000"])
    os.unlink(path)
    while True:
        yield
        assert child.poll() is None and "(deleted)" in os.readlink(f"/proc/{child.pid}/exe")


@case
def locks():
    path = scratch("lock")
    with open(path, "w") as whole, open(path + ".record", "w") as record:
        fcntl.flock(whole, fcntl.LOCK_EX)
        fcntl.lockf(record, fcntl.LOCK_EX)
        other = "import fcntl, sys; f = open(sys.argv[1], 'w'); getattr(fcntl, sys.argv[2])(f, fcntl.LOCK_EX | fcntl.LOCK_NB)"
        while True:
            yield
            for name, kind in ((path, "flock"), (path + ".record", "lockf")):
                done = subprocess.run([sys.executable, "-c", other, name, kind], capture_output=True, text=True, check=False)
                assert "BlockingIOError" in done.stderr, (kind, done)


@case
def fifo():
    path = scratch("fifo")
    os.mkfifo(path)
    fd = os.open(path, os.O_RDWR)
    os.write(fd, b"left in the fifo")
    yield
    assert os.read(fd, 100) == b"left in the fifo"
    while True:
        os.write(fd, b"again")
        yield
        assert os.read(fd, 100) == b"again"


@case
def files_of_proc():
    with open("/proc/self/status", encoding="ascii") as status, open("/dev/urandom", "rb") as random, open("/dev/null", "w") as null:
        while True:
            yield
            status.seek(0)
            assert "Name:" in status.read()
            assert random.read(8) and null.write("x") == 1


@case
def memory_files():
    fd = os.memfd_create("kept", os.MFD_ALLOW_SEALING)
    os.write(fd, b"in a memfd")
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
    with open("/dev/shm/kept", "wb") as file:
        file.write(b"in shm" * 10000)
    while True:
        yield
        assert os.pread(fd, 100, 0) == b"in a memfd"
        assert fcntl.fcntl(fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_WRITE
        assert pathlib.Path("/dev/shm/kept").read_bytes() == b"in shm" * 10000


@case
def inotify():
    path = scratch("watched")
    os.makedirs(f"{path}/deep")
    fd = called("inotify_init1", os.O_NONBLOCK)
    for name in (path, f"{path}/deep"):
        called("inotify_add_watch", fd, name.encode(), 0x100)  # IN_CREATE
    for number in range(9):
        yield
        for name in (path, f"{path}/deep"):
            pathlib.Path(f"{name}/{number}").touch()
            assert str(number).encode() in os.read(fd, 4096)


OTHER_WRITER = """
import sqlite3, sys
other = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
print(other.execute("SELECT count(*) FROM t").fetchone()[0], flush=True)
other.execute("BEGIN IMMEDIATE")
"""


@case
def sqlite_transaction():
    """A write transaction of a database in WAL mode that is under way."""
    path = scratch("db")
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE t (n INTEGER)")
    database.execute("INSERT INTO t VALUES (1)")
    while True:
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT INTO t SELECT max(n) + 1 FROM t")
        before = database.execute("SELECT count(*) FROM t").fetchone()
        yield
        assert database.execute("SELECT count(*) FROM t").fetchone() == before
        # Asked by another process: in this one the library would compare device numbers, which are new after a restore.
        done = subprocess.run([sys.executable, "-c", OTHER_WRITER, path], capture_output=True, text=True, check=False)
        assert done.stdout == f"{before[0] - 1}\n" and "locked" in done.stderr, ("not committed, and still open", done)
        database.execute("COMMIT")


# ---- pipes, sockets, terminals ----

@case
def full_pipe():
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    written = 0
    try:
        while True:
            written += os.write(writer, b"0123456789abcdef" * 256)
    except BlockingIOError:
        pass
    yield
    held = b""
    while len(held) < written:
        held += os.read(reader, 65536)
    assert held == b"0123456789abcdef" * (written // 16)
    while True:
        os.write(writer, b"again")
        yield
        assert os.read(reader, 100) == b"again"


@case
def unix_sockets():
    left, right = socket.socketpair()
    sender, receiver = socket.socketpair()
    inside, outside = os.pipe()
    left.send(b"in flight")
    socket.send_fds(sender, [b"with a descriptor"], [inside])
    os.close(inside)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"\0kept.{os.getpid()}")
    listener.listen()
    named = socket.socket(socket.AF_UNIX)
    named.bind(scratch("socket"))
    named.listen()
    yield
    assert right.recv(9) == b"in flight"
    _, fds, _, _ = socket.recv_fds(receiver, 100, 1)
    os.write(outside, b"through it")
    assert os.read(fds[0], 100) == b"through it"
    while True:
        for address, server in ((f"\0kept.{os.getpid()}", listener), (scratch("socket"), named)):
            client = socket.socket(socket.AF_UNIX)
            client.connect(address)
            peer, _ = server.accept()
            client.send(b"hello")
            assert peer.recv(10) == b"hello"
        yield


@case
def network_listeners():
    servers = []
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        server = socket.socket(family)
        server.bind((address, 0))
        server.listen()
        servers.append(server)
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("127.0.0.1", 0))
    while True:
        yield
        for server in servers:
            client = socket.create_connection(server.getsockname()[:2], 5)
            peer, _ = server.accept()
            client.send(b"hello")
            assert peer.recv(10) == b"hello"
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.sendto(b"hello", datagrams.getsockname())
        datagrams.settimeout(5)
        assert datagrams.recv(10) == b"hello"


@case
def established_connections_end():
    """They are not kept: both ends learn it."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    while True:
        client = socket.create_connection(server.getsockname(), 5)
        peer, _ = server.accept()
        yield
        for one in (client, peer):
            one.settimeout(5)
            try:
                assert one.recv(10) == b""
            except ConnectionError:
                pass
            one.close()


@case
def web_server():
    child = subprocess.Popen([sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "18765", "--directory", "/etc"],
                             stderr=subprocess.DEVNULL)

    def read():
        try:
            with urllib.request.urlopen("http://127.0.0.1:18765/hostname", timeout=5) as answer:
                return answer.read()
        except OSError:
            return None

    soon(read, "the server answers")
    while True:
        yield
        assert child.poll() is None and read() is not None


@case
def terminal():
    pid, master = pty.fork()
    if pid == 0:
        os.execv("/bin/bash", ["bash", "--norc", "-i"])

    def ask(command, answer):
        os.write(master, command)
        seen = b""
        end = time.monotonic() + 20
        while answer not in seen:
            assert time.monotonic() < end, seen
            if select.select([master], [], [], 1)[0]:
                seen += os.read(master, 4096)

    fcntl.ioctl(master, 0x5414, struct.pack("HHHH", 33, 77, 0, 0))  # TIOCSWINSZ
    ask(b"value=ke''pt; echo re''ady\n", b"ready\r\n")
    while True:
        yield
        ask(b"echo is-$value\n", b"is-kept\r\n")
        assert struct.unpack("HHHH", fcntl.ioctl(master, 0x5413, b"\0" * 8))[:2] == (33, 77)


@case
def followed_file():
    path = scratch("followed")
    pathlib.Path(path).write_text("first\n")
    child = subprocess.Popen(["tail", "-n", "+1", "-F", path], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"first\n"
    for number in range(9):
        yield
        with open(path, "a", encoding="ascii") as file:
            file.write(f"{number}\n")
        assert child.stdout.readline() == f"{number}\n".encode()


# ---- waiting and time ----

@case
def epoll_and_eventfd():
    poller, event = select.epoll(), os.eventfd(3, os.EFD_NONBLOCK)
    poller.register(event, select.EPOLLIN)
    yield
    assert poller.poll(1) == [(event, select.EPOLLIN)] and os.eventfd_read(event) == 3
    while True:
        assert poller.poll(0) == []
        os.eventfd_write(event, 5)
        yield
        assert poller.poll(1) == [(event, select.EPOLLIN)] and os.eventfd_read(event) == 5


@case
def interval_timer():
    count = [0]
    signal.signal(signal.SIGALRM, lambda *_: count.__setitem__(0, count[0] + 1))
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    while True:
        soon(lambda: count[0] > 0, "it rings")
        yield
        count[0] = 0
        soon(lambda: count[0] > 1, "it rings on")


def timerfd(first_s, interval_s):
    fd = called("timerfd_create", 1, os.O_NONBLOCK)

    def spec(seconds):
        return int(seconds), int(seconds % 1 * 1e9)

    called("timerfd_settime", fd, 0, struct.pack("llll", *spec(interval_s), *spec(first_s)), None)
    return fd


@case
def timer_descriptors():
    """The periodic one has expired and was not read: what CRIU forgets without our patch."""
    periodic, late = timerfd(0.01, 0.01), timerfd(0.5, 0)
    time.sleep(0.05)
    yield
    while True:
        for _ in range(2):
            soon(lambda: select.select([periodic], [], [], 0)[0], "the periodic one ticks")
            os.read(periodic, 8)
        soon(lambda: select.select([late], [], [], 0)[0], "the other one came")
        time.sleep(0.05)
        yield


@case
def monotonic_clock():
    last = time.monotonic(), time.time()
    while True:
        yield
        now = time.monotonic(), time.time()
        assert now[0] >= last[0] and now[1] > last[1] and abs(time.time() - last[1]) < 3600
        last = now


@case
def signals():
    """Blocked and pending."""
    for number in (signal.SIGUSR1, signal.SIGRTMIN):
        signal.pthread_sigmask(signal.SIG_BLOCK, [number])
        os.kill(os.getpid(), number)
    while True:
        yield
        assert signal.sigpending() == {signal.SIGUSR1, signal.SIGRTMIN}


# ---- processes and memory ----

@case
def threads():
    counts = [0] * 50

    def work(index):
        while True:
            counts[index] += 1
            time.sleep(0.05)

    for index in range(50):
        threading.Thread(target=work, args=(index,), daemon=True).start()
    while True:
        yield
        before = list(counts)
        soon(lambda: all(now > then for now, then in zip(counts, before)), "all threads go on")


@case
def children():
    """A stopped one stays stopped, a dead one dead, and a pidfd knows its process."""
    stopped = subprocess.Popen(["sleep", "1000"])
    os.kill(stopped.pid, signal.SIGSTOP)
    dead = os.fork()
    if dead == 0:
        os._exit(7)
    living = subprocess.Popen(["sleep", "1000"])
    pidfd = os.pidfd_open(living.pid)

    def state(pid):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]

    soon(lambda: (state(stopped.pid), state(dead)) == ("T", "Z"), "they are")
    while True:
        yield
        assert (state(stopped.pid), state(dead)) == ("T", "Z")
        assert select.select([pidfd], [], [], 0)[0] == [] and living.poll() is None
        signal.pidfd_send_signal(pidfd, 0)


@case
def shared_memory():
    """Between processes: anonymous, System V and POSIX."""
    import mmap
    from multiprocessing import shared_memory as posix

    anonymous = mmap.mmap(-1, 1 << 20)
    LIBC.shmat.restype = ctypes.c_void_p
    segment = called("shmget", 0, 1 << 16, 0o1600)
    attached = LIBC.shmat(segment, None, 0)
    shared = posix.SharedMemory(create=True, size=1 << 16)
    pid = os.fork()
    if pid == 0:
        value = 0
        while True:
            value += 1
            struct.pack_into("q", anonymous, 0, value)
            ctypes.c_int64.from_address(attached).value = value
            struct.pack_into("q", shared.buf, 0, value)
            time.sleep(0.01)
    while True:
        yield
        read = [lambda: struct.unpack_from("q", anonymous, 0)[0], lambda: ctypes.c_int64.from_address(attached).value,
                lambda: struct.unpack_from("q", shared.buf, 0)[0]]
        for one in read:
            before = one()
            soon(lambda: one() > before, "the other process writes")  # noqa: B023 (called at once)


@case
def large_memory():
    data = os.urandom(1 << 20) * 64
    digest = hash(data)
    LIBC.mlock(data, 4096)
    while True:
        yield
        assert hash(data) == digest and len(data) == 64 << 20


@case
def limits_and_names():
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (123, 200))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    LIBC.prctl(15, b"named", 0, 0, 0)  # PR_SET_NAME
    os.umask(0o027)
    group = os.getpgid(0)
    while True:
        yield
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (123, 200)
        assert pathlib.Path("/proc/self/comm").read_text() == "named\n"
        assert os.umask(0o027) == 0o027 and os.getpgid(0) == group
        assert os.getuid() == 1000 and os.getcwd()


@case
def numpy_threads():
    import numpy

    a = numpy.random.random((300, 300))
    product = a @ a
    while True:
        yield
        assert numpy.allclose(a @ a, product) and numpy.linalg.norm(product) > 0


def _square(value):
    return value * value


@case
def process_pool():
    with multiprocessing.Pool(2) as pool:
        while True:
            assert pool.map(_square, range(50)) == [n * n for n in range(50)]
            yield


@case
def asyncio_loop():
    ticks = [0]

    async def main():
        queue = asyncio.Queue()

        async def produce():
            while True:
                await asyncio.sleep(0.01)
                await queue.put(1)

        made = asyncio.create_task(produce())
        while not made.done():
            ticks[0] += await queue.get()

    threading.Thread(target=lambda: asyncio.run(main()), daemon=True).start()
    soon(lambda: ticks[0] > 0, "it runs")
    while True:
        yield
        before = ticks[0]
        soon(lambda: ticks[0] > before + 2, "the loop goes on")


def main(name):
    steps = CASES[name]()
    said = HERE / f"{name}.said"
    number = 0
    try:
        while True:
            next(steps)
            said.write_text(f"{number}\n")
            while not (HERE / f"go.{number}").exists():
                time.sleep(0.01)
            number += 1
    except BaseException:
        said.write_text(f"failed after {number} pauses\n{traceback.format_exc()}")
        raise


if __name__ == "__main__":
    if sys.argv[1:]:
        main(sys.argv[1])
    else:
        print("\n".join(CASES))
