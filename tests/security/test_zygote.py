"""Contexts that were forked from the template's zygote, and the way to it: what they may do, and what nobody but PID 1 may ask for."""

import contextlib
import json
import os
import pathlib
import time

import pytest

import interpreter
import warren

# struct wr_context_request of src/nest/zygote_protocol.h, with the descriptors that belong to it.
REQUEST = """
import array, os, socket, struct
ADDRESS = "\\0warren-context"
def request(cwd=b"/", language=1):
    return struct.pack("<5I32I1024s", 0x57524331, language, 1000, 1000, 0, *[0] * 32, cwd)
def connect(timeout=20):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.settimeout(timeout)
    sock.connect(ADDRESS)
    return sock
"""

ASK = REQUEST + """
ours, theirs = socket.socketpair()
read_end, write_end = os.pipe()
sock = connect()
fds = array.array("i", [theirs.fileno(), write_end, write_end])
try:
    sock.sendmsg([request()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    print("answer", sock.recv(100))
except (BrokenPipeError, ConnectionResetError):
    print("answer", b"")
ours.settimeout(20)
theirs.close()
try:
    print("context", ours.recv(100))
except TimeoutError:
    print("context silent")
"""

BIND = REQUEST + """
import errno
try:
    socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).bind(ADDRESS)
    print("bound")
except OSError as error:
    print(errno.errorcode[error.errno])
"""

# Several processes that do nothing else than connect; how many connections were taken, and in how long.
FLOOD = REQUEST + """
import multiprocessing, time
def flood(count, end):
    while time.monotonic() < end:
        try:
            sock = connect(1)
            sock.recv(10)
        except OSError:
            pass
        with count.get_lock():
            count.value += 1
        sock.close()
count = multiprocessing.Value("i", 0)
start = time.monotonic()
workers = [multiprocessing.Process(target=flood, args=(count, start + 3)) for _ in range(8)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
print(count.value, time.monotonic() - start)
"""

STATUS = """
import json
fields = dict(line.rstrip("\\n").split(":\\t", 1) for line in open("/proc/self/status") if ":\\t" in line)
print(json.dumps(fields))
"""


@pytest.fixture(scope="module")
def warmed(server):
    """A zygote stands ready, so contexts are forks of it."""
    with server.sandbox():
        warren.wait_for(lambda: "a zygote is ready" in server.full_log(), 90, "the zygote is warmed")


@pytest.fixture(scope="module")
def box(server, warmed):
    """A sandbox with a forked context."""
    with server.sandbox() as made:
        assert interpreter.value(made, "print('memfd:python' in open('/proc/self/maps').read())") == "True\n", "the context is not a fork"
        yield made


def zygote_pids(server):
    """Host pids."""
    return [pid for pids in server.host.zygotes().values() for pid in pids]


def context_pid(box):
    """Host pid of the sandbox's context."""
    inside = int(interpreter.value(box, "import os\nprint(os.getpid())"))
    return next(pid for pid in box.pids() if warren.namespace_pid(pid) == inside)


def test_only_pid_1_is_served(box, user):
    """A complete and correct request of another process, root or not, is closed without an answer, and nothing is forked."""
    before = set(box.pids())
    out = box.python(ASK, user).out
    assert out == "answer b''\ncontext b''\n", out
    warren.wait_for(lambda: set(box.pids()) <= before, 30, "no further process")


def test_the_name_cannot_be_taken(box, user):
    """Nobody inside can play the nest to the agent (other socket types have names of their own, which it does not use)."""
    assert box.python(BIND, user).out == "EADDRINUSE\n"


def test_the_zygote_is_out_of_sight(server, box, user):
    """Neither a process nor a context sees it; its number means nothing inside."""
    zygotes = zygote_pids(server)
    assert zygotes
    out = box.check("cat /proc/[0-9]*/cmdline | tr '\\0' ' '", user)
    assert "zygote" not in out
    seen = interpreter.value(box, "import os\nprint([open(f'/proc/{p}/cmdline').read() for p in os.listdir('/proc') if p.isdigit()])")
    assert "zygote" not in seen
    hosts = "".join(f"kill -0 {pid} 2>/dev/null && echo reached\n" for pid in zygotes if pid > 1000)
    assert "reached" not in box.check(hosts + "true", user)


def test_the_way_to_the_zygote_is_closed(box):
    """The context has no descriptor besides its own: no socket of the nest, no control group, no directory."""
    code = """
import os, stat
for fd in sorted(map(int, os.listdir("/proc/self/fd"))):
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        continue
    link = os.readlink(f"/proc/self/fd/{fd}")
    print(fd, stat.S_IFMT(mode) == stat.S_IFDIR, link)
"""
    lines = [line.split(" ", 2) for line in interpreter.value(box, code).splitlines()]
    assert [line[0] for line in lines[:4]] == ["0", "1", "2", "3"], lines
    assert lines[0][2] == "/dev/null" and lines[1][2].startswith("pipe:") and lines[3][2].startswith("socket:"), lines
    assert all(line[1] == "False" for line in lines), lines
    assert not any("cgroup" in line[2] or "tasks" in line[2] or "pidfd" in line[2] for line in lines), lines


def test_namespaces_are_those_of_pid_1(box):
    pid = context_pid(box)
    assert warren.namespaces(pid) == box.namespaces()


def test_groups_and_ids_are_those_of_the_sandbox(box):
    """Every control group of PID 1, and a host id of the sandbox's own slot."""
    pid, agent = context_pid(box), box.agent_pid()
    groups = [pathlib.Path(f"/proc/{one}/cgroup").read_text() for one in (pid, agent)]
    assert groups[0] == groups[1]
    uids = [int(line.split()[1]) for one in (pid, agent) for line in pathlib.Path(f"/proc/{one}/status").read_text().splitlines()
            if line.startswith("Uid:")]
    assert uids[0] == uids[1] + 1000
    assert (uids[1] - warren.SLOT_HOST_BASE) % warren.SLOT_IDS == 0


def test_privileges_are_those_of_a_process(box):
    """No capability, the same bounding set; one filter more."""
    context = json.loads(interpreter.value(box, STATUS))
    process = json.loads(box.python(STATUS).out)
    for field in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(context[field], 16) == 0, (field, context[field])
    for field in ("CapBnd", "NoNewPrivs", "Seccomp", "Uid", "Gid", "Groups", "SigIgn", "SigBlk"):
        assert context[field].split() == process[field].split(), (field, context[field], process[field])
    assert context["NoNewPrivs"] == "0"
    assert int(context["Seccomp_filters"]) == int(process["Seccomp_filters"]) + 1 == 2


def test_limits_are_those_of_a_process(box):
    code = "import resource\nprint([(n, resource.getrlimit(getattr(resource, n))) for n in sorted(dir(resource)) if n.startswith('RLIMIT_')])"
    assert interpreter.value(box, code) == box.python(code).out


def test_sudo_works(box):
    code = "import subprocess\nprint(subprocess.run(['sudo', '-n', 'id', '-u'], capture_output=True, text=True))"
    assert "stdout='0\\n'" in interpreter.value(box, code)


def test_namespaces_cannot_be_changed(box):
    """By the context and by root below it: what the zygote may, its forks may not."""
    code = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def error(*arguments):
    ctypes.set_errno(0)
    result = libc.syscall(*arguments)
    return errno.errorcode.get(ctypes.get_errno()) if result < 0 else result
own = os.open("/proc/self/ns/uts", os.O_RDONLY)
pidfd = os.pidfd_open(os.getpid())
print(error(308, own, 0), error(308, pidfd, 0x4000000), error(272, 0x10000000), error(272, 0x20000), error(435, 0, 0))
"""
    expected = "EPERM EPERM EPERM EPERM ENOSYS\n"
    assert interpreter.value(box, code) == expected
    root = f"import subprocess\nprint(subprocess.run(['sudo', '-n', 'python3', '-c', {code!r}], capture_output=True, text=True).stdout, end='')"
    assert interpreter.value(box, root) == expected


def test_a_flood_of_connections_harms_nobody(server, box, fresh):
    """The nest takes so many connections of one sandbox per second and no more; others are made and get contexts meanwhile."""
    flooder = fresh()
    process = flooder.start(["/usr/bin/python3", "-c", FLOOD])
    made = 0
    end = time.monotonic() + 2
    while time.monotonic() < end:
        with server.sandbox() as other:
            assert interpreter.value(other, "print('memfd:python' in open('/proc/self/maps').read())") == "True\n"
        made += 1
    assert made > 0
    assert interpreter.value(box, "print(6 * 7)") == "42\n"
    taken, seconds = map(float, process.finish().out.split())
    # Those that wait in the queue are not taken; connecting then fails or waits, which counts here as well, once per second each.
    assert taken <= 64 + 50 * seconds + 8 * (seconds + 1), (taken, seconds)
    assert interpreter.value(flooder, "print(1)") == "1\n"


def test_a_killed_zygote_is_replaced(server, box, fresh):
    """Its contexts live on; new ones are forks of another one, or start plainly until it is there."""
    value = interpreter.value(box, "kept = 'state'\nprint(kept)")
    ready = server.full_log().count("a zygote is ready")
    for pid in zygote_pids(server):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 9)
    assert interpreter.value(fresh(), "print(2 + 2)", timeout=60) == "4\n"
    assert interpreter.value(box, "print(kept)") == value
    warren.wait_for(lambda: server.full_log().count("a zygote is ready") > ready, 90, "another zygote")
    assert interpreter.value(fresh(), "print('memfd:python' in open('/proc/self/maps').read())") == "True\n"
    box.kill()
    warren.wait_for(lambda: not box.pids(), 30, "contexts of a dead zygote end with their sandbox")


def test_templates_say_what_they_have(server, warmed):
    entry = next(entry for entry in server.request("GET", "/templates") if warren.TEMPLATE in entry["names"])
    assert entry["zygote"] == "ready"
