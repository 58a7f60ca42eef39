"""What the kernel counts per user or for the whole host: one sandbox that takes all it can get must leave a neighbour's share."""

import pytest

import warren

HOLD = """
print("taken", count, flush=True)
import time
time.sleep(1000)
"""

GREED = {
    "pipes": """
import fcntl, os
keep, count = [], 0
try:
    for count in range(3000):
        keep.append(os.pipe())
        fcntl.fcntl(keep[-1][1], 1031, 1 << 20)
except OSError: pass
""",
    "inotify instances": """
import ctypes
libc = ctypes.CDLL(None)
count = 0
while count < 5000 and libc.inotify_init1(0) >= 0: count += 1
""",
    "inotify instances of many users": """
import ctypes, os
libc = ctypes.CDLL(None)
count = 0
for start in range(3000, 3300, 60):
    reader, writer = os.pipe()
    if os.fork() == 0:
        mine = 0
        for uid in range(start, start + 60):
            try:
                os.seteuid(0), os.seteuid(uid)
            except OSError: pass  # an ordinary user has one uid only
            while libc.inotify_init1(0) >= 0: mine += 1
        os.write(writer, b"%d" % mine)
        os.close(1)
        while True: libc.pause()
    count += int(os.read(reader, 16))
""",
    "inotify watches": """
import ctypes, os
libc = ctypes.CDLL(None)
os.makedirs("/dev/shm/w", exist_ok=True)
names = []
for i in range(4000):
    names.append(b"/dev/shm/w/%d" % i)
    os.close(os.open(names[-1], os.O_CREAT | os.O_WRONLY))
count, full = 0, False
for _ in range(120):
    fd = libc.inotify_init1(0)
    if fd < 0: break
    for name in names:
        if libc.inotify_add_watch(fd, name, 2) < 0:
            full = True
            break
        count += 1
    if full: break
""",
    "epoll watches": """
import os, select
count, keep = 0, []
pipes = [os.pipe() for _ in range(500)]
try:
    for _ in range(300):
        keep.append(select.epoll())
        for r, w in pipes:
            keep[-1].register(r)
            count += 1
except OSError: pass
""",
    "descriptors in flight": """
import os, socket
count, keep = 0, []
try:
    while count < 100000:
        keep.append(socket.socketpair())
        socket.send_fds(keep[-1][0], [b"x"], [0] * 250)
        count += 250
except OSError: pass
""",
    "terminals": """
import os
count, keep = 0, []
try:
    while count < 8000:
        keep.append(os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY))
        count += 1
except OSError: pass
""",
    "message queues": """
import ctypes
libc = ctypes.CDLL(None)
count = 0
while count < 5000 and libc.mq_open(b"/q%d" % count, 0o102, 0o600, None) >= 0: count += 1
""",
    "System V objects": """
import ctypes
libc = ctypes.CDLL(None)
count = 0
for i in range(5000):
    if libc.shmget(0, 4096, 0o1600) < 0 or libc.semget(0, 100, 0o1600) < 0 or libc.msgget(0, 0o1600) < 0: break
    count += 1
""",
    "timers": """
import ctypes
libc = ctypes.CDLL(None)
timer, count = ctypes.c_void_p(), 0
while count < 20000 and libc.timer_create(1, None, ctypes.byref(timer)) == 0: count += 1
""",
    "timers of many users": """
import ctypes, os
libc = ctypes.CDLL(None)
count = 0
for uid in range(3000, 3060):
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            os.setresuid(uid, uid, uid)
        except OSError: pass  # an ordinary user has one uid only
        timer, mine = ctypes.c_void_p(), 0
        while mine < 5000 and libc.timer_create(1, None, ctypes.byref(timer)) == 0: mine += 1
        os.write(writer, b"%d" % mine)
        os.close(1)
        while True: libc.pause()
    count += int(os.read(reader, 16))
""",
    "locked memory": """
import mmap, ctypes
libc = ctypes.CDLL(None)
count, keep = 0, []
while count < 200:
    keep.append(mmap.mmap(-1, 1 << 20))
    if libc.mlock(ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(keep[-1]))), ctypes.c_size_t(1 << 20)) < 0: break
    count += 1
""",
}

# What an ordinary program needs, and that it gets it.
MODEST = {
    "pipes": "import fcntl, os; r, w = os.pipe(); assert fcntl.fcntl(w, 1032) == 65536, fcntl.fcntl(w, 1032)",
    "inotify instances": "import ctypes; libc = ctypes.CDLL(None)\nfor _ in range(64): assert libc.inotify_init1(0) >= 0",
    "inotify instances of many users": "import ctypes; libc = ctypes.CDLL(None)\nfor _ in range(64): assert libc.inotify_init1(0) >= 0",
    "inotify watches": """import ctypes, os; libc = ctypes.CDLL(None); fd = libc.inotify_init1(0)
for i in range(1000):
    name = b"/dev/shm/m%d" % i
    os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
    assert libc.inotify_add_watch(fd, name, 2) >= 0""",
    "epoll watches": "import os, select; e = select.epoll()\nfor _ in range(1000): e.register(os.pipe()[0])",
    "descriptors in flight": "import socket\nfor _ in range(4): a, b = socket.socketpair(); socket.send_fds(a, [b'x'], [0] * 100)",
    "terminals": "import os\nfor _ in range(32): os.openpty()",
    "message queues": "import ctypes; assert ctypes.CDLL(None).mq_open(b'/mine', 0o102, 0o600, None) >= 0",
    "System V objects": "import ctypes; libc = ctypes.CDLL(None); assert libc.shmget(0, 4096, 0o1600) >= 0 and libc.semget(0, 10, 0o1600) >= 0",
    "timers": "import ctypes; libc = ctypes.CDLL(None); t = ctypes.c_void_p()\nfor _ in range(100): assert libc.timer_create(1, None, ctypes.byref(t)) == 0",
    "timers of many users": "import ctypes; libc = ctypes.CDLL(None); t = ctypes.c_void_p()\nfor _ in range(100): assert libc.timer_create(1, None, ctypes.byref(t)) == 0",
    "locked memory": "import mmap, ctypes; m = mmap.mmap(-1, 1 << 20); assert ctypes.CDLL(None).mlock(ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(m))), ctypes.c_size_t(1 << 20)) == 0",
}


# The kernel applies the engine's own limits to all sandboxes together. The engine lifts them, for which it needs this capability.
NEEDS_SYS_RESOURCE = {"message queues", "timers of many users"}
CAP_SYS_RESOURCE = 24


def has_sys_resource(pid):
    [line] = [line for line in warren.proc_read(pid, "status").splitlines() if line.startswith("CapEff")]
    return bool(int(line.split()[1], 16) >> CAP_SYS_RESOURCE & 1)


@pytest.mark.parametrize("name", NEEDS_SYS_RESOURCE)
def test_shared_limits_are_lifted_or_reported(server, name):
    """Where the host does not let the engine lift them, it says so."""
    engine = server.host.engine_pid()
    field = {"message queues": "Max msgqueue size", "timers of many users": "Max pending signals"}[name]
    [line] = [line for line in warren.proc_read(engine, "limits").splitlines() if line.startswith(field)]
    if has_sys_resource(engine):
        assert line.split()[3:5] == ["unlimited", "unlimited"]
    else:
        assert "the engine lacks CAP_SYS_RESOURCE" in server.full_log()


@pytest.mark.parametrize("name", GREED)
def test_neighbour_keeps_its_share(server, fresh, name):
    """While root and user of one sandbox hold all they can get, a neighbour's user and root get what programs usually need. Two greedy
    sandboxes, because a limit per sandbox may be below half of the host's."""
    if name in NEEDS_SYS_RESOURCE and not has_sys_resource(server.host.engine_pid()):
        assert "the engine lacks CAP_SYS_RESOURCE" in server.full_log()
        return
    greedy = [fresh(), fresh()]
    held = []
    try:
        for sandbox in greedy:
            for user in ("user", "root"):
                process = sandbox.start(["/usr/bin/python3", "-c", GREED[name] + HOLD], user, timeout=60).started()
                held.append(process)
                taken = next(data for kind, data in process.stream if kind == "out")
                assert int(taken.split()[1]) > 0 or user == "root", taken  # what its own user left
        other = fresh()
        for user in ("user", "root"):
            result = other.python(MODEST[name], user)
            assert result.code == 0, f"{name} as {user}, while others held {taken!r}: {result.err}"
    finally:
        for process in held:
            process.close()


@pytest.mark.parametrize("name, need", [("inotify instances", "128"), ("inotify watches", "8192"), ("terminals", "64")])
def test_host_keeps_its_share(fresh, name, need):
    """What is counted for the whole host is bounded per sandbox, so that 30 greedy ones cannot use it up."""
    sandbox = fresh()
    process = sandbox.start(["/usr/bin/python3", "-c", GREED[name] + HOLD], "root", timeout=60).started()
    taken = int(next(data for kind, data in process.stream if kind == "out").split()[1])
    process.close()
    limit = {"inotify instances": "fs/inotify/max_user_instances", "inotify watches": "fs/inotify/max_user_watches", "terminals": "kernel/pty/max"}[name]
    host = int(open(f"/proc/sys/{limit}").read())
    assert int(need) <= taken + 1 and taken * 8 <= host, f"{taken} of the host's {host} {name}"


def test_pids_of_a_sandbox_are_limited(fresh):
    made = fresh(pids=32)
    out = made.python("""
import os, time
count = 0
try:
    for count in range(100):
        if os.fork() == 0:
            os.close(0), os.close(1), os.close(2)
            time.sleep(1000)
except OSError as e:
    print(count, e.errno)
""").out
    count, error = (int(word) for word in out.split())
    assert error == 11 and 16 <= count < 32 and made.metrics()["pids"] <= 32


def test_open_files_are_limited(fresh, user):
    made = fresh(openFiles=256)
    out = made.python("""
import os
keep = []
try:
    while True: keep.append(os.open("/dev/null", os.O_RDONLY))
except OSError as e: print(len(keep), e.errno)
""", user).out
    count, error = (int(word) for word in out.split())
    assert error == 24 and count <= 256
    assert made.run("ulimit -n 100000", user).code != 0


def test_nested_user_namespaces_are_off(sandbox, user):
    assert sandbox.check("cat /proc/sys/user/max_user_namespaces", user).strip() == "0"


def test_process_limits(fresh):
    """What every process starts with, from the host's view of the agent and from inside."""
    made = fresh(openFiles=1000)
    text = made.check("cat /proc/self/limits")
    soft = {line[:26].strip(): line[26:].split()[:2] for line in text.splitlines()[1:]}
    assert soft["Max open files"] == ["1000", "1000"] and soft["Max core file size"] == ["0", "0"]
    for name, most in (("Max locked memory", 64 << 20), ("Max pending signals", 4096), ("Max msgqueue size", 819200)):
        assert all(int(value) <= most for value in soft[name]), (name, soft[name])
    for user in ("user", "root"):
        for letter in "nlqi":
            assert made.run(f"ulimit -{letter} unlimited", user).code != 0, letter


def test_programs_are_killed_before_the_agent(sandbox, user):
    """Short memory hits what the sandbox started, not its PID 1."""
    assert int(sandbox.check("sleep 0.1; cat /proc/self/oom_score_adj", user)) > int(sandbox.check("cat /proc/1/oom_score_adj", user))
