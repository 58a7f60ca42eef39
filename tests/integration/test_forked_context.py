"""Contexts that are forked from a template's zygote: what a fork has, what it has not, and what it leaves behind.
docs/internals/zygote.md"""

import contextlib
import os
import subprocess

import interpreter
import pytest
import warren

from test_checkpoint import SPARE_SLOTS, criu_binary, dump_of, health, restored  # noqa: F401  (a fixture)

PROGRAM = "/.warren/runners/python/"
# What Docker grants by default, less raw sockets (src/nest/privilege_table.c).
BOUNDING_SET = 0xA80405FB


def zygote_pid(server):
    """Host pid of the zygote, once no file is left in its memory."""

    def found():
        pids = [pid for pid in server.host.processes() if "zygote.py" in warren.proc_read(pid, "cmdline")]
        return next((pid for pid in pids if "/usr/" not in warren.proc_read(pid, "maps")), None)

    return warren.wait_for(found, 60, "a zygote is warmed")


def forked(sandbox, **fields):
    """A context that was forked -> its id. The first ones of a server may come before the zygote is ready."""
    code = "print('memfd:python' in open('/proc/self/maps').read())"

    def attempt():
        made = interpreter.new_context(sandbox, **fields)
        return made if interpreter.value(sandbox, code, context_id=made) == "True\n" else None

    return warren.wait_for(attempt, 60, "a context comes from the zygote")


@pytest.fixture
def context(sandbox):
    zygote_pid(sandbox.server)
    made = forked(sandbox)
    yield made
    interpreter.call(sandbox, "DELETE", f"/contexts/{made}")


def context_pid(sandbox, context):
    """Host pid."""
    inside = int(interpreter.value(sandbox, "import os; print(os.getpid())", context_id=context))
    return next(pid for pid in sandbox.pids() if warren.namespace_pid(pid) == inside)


def status(pid):
    return dict(line.split(":", 1) for line in warren.proc_read(pid, "status").splitlines())


def test_it_lives_in_the_sandbox(sandbox, context):
    pid, agent = context_pid(sandbox, context), sandbox.agent_pid()
    assert warren.namespaces(pid) == sandbox.namespaces()
    assert status(pid)["PPid"].strip() == str(agent), "a checkpoint writes the tree below PID 1"
    assert warren.proc_read(pid, "cgroup") == warren.proc_read(agent, "cgroup") != ""
    assert os.path.samestat(os.stat(f"/proc/{pid}/root"), os.stat(f"/proc/{agent}/root"))
    assert os.path.samestat(os.stat(f"/proc/{pid}/exe"), os.stat(f"/proc/{pid}/root/usr/bin/python3"))


def test_it_has_no_right_that_the_user_has_not(sandbox, context):
    found = status(context_pid(sandbox, context))
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(found[name], 16) == 0, name
    assert int(found["CapBnd"], 16) == BOUNDING_SET
    assert found["NoNewPrivs"].strip() == "0", "sudo would not work"
    root = int(warren.proc_read(sandbox.agent_pid(), "uid_map").split()[1])
    assert found["Uid"].split() == found["Gid"].split() == [str(root + 1000)] * 4


def test_it_has_the_descriptors_of_a_runner_and_no_other(sandbox, context):
    found = warren.descriptors(context_pid(sandbox, context))
    kinds = {number: target.split(":")[0] for number, target in found.items()}
    assert kinds == {0: "/dev/null", 1: "pipe", 2: "pipe", 3: "socket"}


def test_it_looks_like_a_python_that_was_started_plainly(sandbox, context):
    pid = context_pid(sandbox, context)
    assert warren.proc_read(pid, "cmdline") == f"python3\0-I\0{PROGRAM}main.py\0"
    shown = interpreter.value(sandbox, "import sys; print(sys.orig_argv, sys.dont_write_bytecode)", context_id=context)
    assert shown == f"['python3', '-I', '{PROGRAM}main.py'] False\n"


def test_it_has_no_children_of_its_own(sandbox):
    code = "import os\ntry:\n    print(os.waitpid(-1, os.WNOHANG))\nexcept ChildProcessError:\n    print('none')"
    for _ in range(10):  # one that the fork has not reaped would be seen in some
        made = forked(sandbox)
        assert interpreter.value(sandbox, code, context_id=made) == "none\n"
        interpreter.call(sandbox, "DELETE", f"/contexts/{made}")


def test_many_that_start_at_once_are_all_forked(fresh):
    sandbox = fresh()
    forked(sandbox)
    made = [interpreter.new_context(sandbox) for _ in range(90)]
    code = "print('memfd:python' in open('/proc/self/maps').read())"
    assert {interpreter.value(sandbox, code, context_id=one) for one in made} == {"True\n"}


def test_programs_that_it_starts_find_signals_as_usual(sandbox, context):
    found = status(context_pid(sandbox, context))
    assert int(found["SigBlk"], 16) == 0
    assert not int(found["SigIgn"], 16) & 1 << 16, "without SIGCHLD nobody learns an exit status"
    code = "import subprocess; print(subprocess.run('exit 7', shell=True).returncode)"
    assert interpreter.value(sandbox, code, context_id=context) == "7\n"


def test_limits_are_the_sandboxes_and_it_is_killed_before_the_agent(sandbox, context):
    def limits(pid):
        rows = warren.proc_read(pid, "limits").splitlines()
        return [row for row in rows if row.startswith(("Max open files", "Max locked memory", "Max core", "Max msgq"))]

    pid, agent = context_pid(sandbox, context), sandbox.agent_pid()
    assert limits(pid) == limits(agent) != []
    assert int(warren.proc_read(pid, "oom_score_adj")) > int(warren.proc_read(agent, "oom_score_adj"))


# Raw, because the C library would not make them.
CALLS = """
import ctypes, errno, os, platform
setns, clone3, unshare = {"x86_64": (308, 435, 272), "aarch64": (268, 435, 97)}[platform.machine()]
libc = ctypes.CDLL(None, use_errno=True)
fd = os.open("/proc/self/ns/pid", os.O_RDONLY)
for call in ((setns, fd, 0), (clone3, 0, 0), (unshare, 0x10000000)):
    assert libc.syscall(*call) == -1
    print(errno.errorcode[ctypes.get_errno()])
"""


def test_calls_that_only_the_zygote_may_make_are_refused(sandbox, context):
    assert interpreter.value(sandbox, CALLS, context_id=context).split() == ["EPERM", "ENOSYS", "EPERM"]


def test_what_it_shares_with_other_forks_cannot_be_written(sandbox, context):
    """Read-only memory is one file for all forks of a zygote. Who makes it writable gets pages of his own."""
    code = """
import ctypes
def first_page():
    lines = [line.split() for line in open('/proc/self/maps') if 'memfd:python' in line]
    return next(int(line[0].split('-')[0], 16) for line in lines if line[1] == 'r--p')
libc, page = ctypes.CDLL(None), first_page()
"""
    other = forked(sandbox)
    for one in (context, other):
        interpreter.value(sandbox, code, context_id=one)
    interpreter.value(sandbox, "assert libc.mprotect(ctypes.c_void_p(page), 4096, 3) == 0", context_id=context)
    interpreter.value(sandbox, "before = ctypes.string_at(page, 16); ctypes.memset(page, 7, 16)", context_id=context)
    same = "print(ctypes.string_at(page, 16).hex())"
    assert interpreter.value(sandbox, same, context_id=context) == "07" * 16 + "\n"
    assert interpreter.value(sandbox, same, context_id=other) != "07" * 16 + "\n"
    third = forked(sandbox)
    interpreter.value(sandbox, code, context_id=third)
    assert interpreter.value(sandbox, same, context_id=third) == interpreter.value(sandbox, same, context_id=other)


def test_it_does_not_see_the_zygote(sandbox, context):
    zygote = zygote_pid(sandbox.server)
    code = "import os; print(*[name for name in os.listdir('/proc') if name.isdigit()])"
    seen = interpreter.value(sandbox, code, context_id=context).split()
    assert set(seen) <= {str(warren.namespace_pid(pid)) for pid in sandbox.pids()}
    inside, outside = sandbox.namespaces(), warren.namespaces(zygote)
    assert not [kind for kind in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup") if inside[kind] == outside[kind]]


@pytest.mark.parametrize("cwd", ["/root", "/tmp"])
def test_it_starts_in_the_directory_that_was_asked_for(sandbox, cwd):
    """Also where the user could not go."""
    zygote_pid(sandbox.server)
    made = forked(sandbox, cwd=cwd)
    assert interpreter.value(sandbox, "import os; print(os.getcwd(), os.getuid())", context_id=made) == f"{cwd} 1000\n"
    interpreter.call(sandbox, "DELETE", f"/contexts/{made}")


RANDOM = """
import os, random, secrets, ssl, tempfile, uuid
import numpy
print(os.urandom(8).hex(), random.random(), secrets.token_hex(8), ssl.RAND_bytes(8).hex(), uuid.uuid1(), uuid.uuid4(),
      next(tempfile._get_candidate_names()), numpy.random.random(), numpy.random.default_rng().random(),
      numpy.random.RandomState().random_sample(), numpy.random.standard_normal())
"""


def test_no_two_forks_have_the_same_randomness(fresh):
    sandboxes = [fresh() for _ in range(4)]
    zygote_pid(sandboxes[0].server)
    rows = [interpreter.value(box, RANDOM, context_id=forked(box)).split() for box in sandboxes for _ in range(2)]
    assert {len(row) for row in rows} == {11}
    for column in zip(*rows):
        assert len(set(column)) == len(rows), column


def test_numpy_still_takes_a_seed(sandbox, context):
    """The state that a fork was given is one that numpy itself could have."""
    code = """
import numpy
some = len(set(numpy.random.random(1000)))
numpy.random.seed(1)
print(some, numpy.random.random())
"""
    assert interpreter.value(sandbox, code, context_id=context) == "1000 0.417022004702574\n"


def memory_kib(pid, kind):
    lines = warren.proc_read(pid, "smaps_rollup").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(kind))


def test_it_shares_nearly_all_of_its_memory(sandbox, context):
    pid = context_pid(sandbox, context)
    assert 0 < memory_kib(pid, "Private") < memory_kib(pid, "Rss:") / 8


def test_forks_leave_nothing_in_the_zygote(fresh):
    box = fresh()
    pid = zygote_pid(box.server)
    forked(box)
    memory, descriptors = memory_kib(pid, "Rss:"), warren.descriptors(pid)
    for _ in range(40):
        interpreter.call(box, "DELETE", f"/contexts/{forked(box)}")
    assert zygote_pid(box.server) == pid
    warren.wait_for(lambda: warren.descriptors(pid) == descriptors, 30, "its descriptors are as before")
    assert memory_kib(pid, "Rss:") - memory < 512
    assert status(pid)["Threads"].strip() == "1"

    def children():
        return [child for child in warren.all_pids() if status(child).get("PPid", "").strip() == str(pid)]

    warren.wait_for(lambda: not children(), 30, "it has no child")


def test_a_sandbox_with_forked_contexts_ends_at_once(server, fresh):
    box = fresh()
    zygote_pid(server)
    made = forked(box)
    interpreter.value(box, "import subprocess; child = subprocess.Popen(['sleep', '1000'])", context_id=made)
    inodes = set(box.namespaces().values())
    box.kill()
    server.host.assert_gone(box.id, inodes=inodes)


# A value that is in memory only until /tmp/go appears.
WAITING = """
import os, random, threading, time
import matplotlib.pyplot as plt
import numpy, pandas
value = [random.random() for _ in range(1000)]
def wait():
    while not os.path.exists('/tmp/go'):
        time.sleep(0.02)
    with open('/tmp/new', 'w') as file:
        print(sum(value), pandas.Series(numpy.arange(10)).sum(), file=file)
    os.rename('/tmp/new', '/tmp/after')
threading.Thread(target=wait, daemon=True).start()
plt.plot([1, 2])
plt.close('all')
print(sum(value), 45)
"""


def write_go(netns):
    """By the copy's agent: what is written below an overlay's feet may stay unseen."""
    url = f"http://127.0.0.1:{warren.AGENT_PORT}/files?path=/tmp/go&username=user"
    subprocess.run(["nsenter", f"--net={netns}", "curl", "-sS", "--fail", "-o", "/dev/null", "-X", "POST", "-H",
                    "Content-Type: application/octet-stream", "--data-binary", "go", url], check=True)


def test_a_forked_context_can_be_dumped_and_goes_on_in_copies(fresh, tmp_path, criu_binary):  # noqa: F811
    box = fresh()
    zygote_pid(box.server)
    made = forked(box)
    before = interpreter.value(box, WAITING, context_id=made)
    image, files, lower = dump_of(box, tmp_path, criu_binary)
    with contextlib.ExitStack() as stack:
        for slot in SPARE_SLOTS:
            _, netns, upper = stack.enter_context(
                restored(image, files, lower, slot, tmp_path / str(slot), criu_binary))
            assert health(netns) == "204"
            write_go(netns)
            after = upper / "tmp/after"
            warren.wait_for(after.exists, 20, "the context goes on in the copy")
            assert after.read_text() == before
    assert interpreter.value(box, "print(sum(value), 45)", context_id=made) == before
