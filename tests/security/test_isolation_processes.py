"""What a sandbox sees of processes, and that its PID 1 stays out of its reach."""

import os

import pytest

import warren

PTRACE = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long] * 4
for request in (16, 0x4206):
    print(libc.ptrace(request, 1, 0, 0), ctypes.get_errno())
local = ctypes.create_string_buffer(16)
class iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]
mine = iovec(ctypes.addressof(local), 16)
theirs = iovec(0x400000, 16)
for call in (libc.process_vm_readv, libc.process_vm_writev):
    print(call(1, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0), ctypes.get_errno())
"""


def test_only_own_processes(sandbox, neighbour, user):
    """Numbers start at 1 and no process of the host or of a neighbour is among them."""
    neighbour.start("exec -a neighbours-secret sleep 100").started()
    out = sandbox.check("ls /proc | grep -E '^[0-9]+$'; cat /proc/[0-9]*/cmdline | tr '\\0' ' '", user)
    pids = [int(line) for line in out.splitlines() if line.isdigit()]
    assert pids[0] == 1 and len(pids) < 20, pids
    for foreign in ("neighbours-secret", "warren-engine", "pytest", "systemd"):
        assert foreign not in out


def test_foreign_pids_cannot_be_signalled(sandbox, user):
    """Neither by the host's numbers nor by the widest addresses that kill() has."""
    victims = [os.getpid(), sandbox.server.host.engine_pid(), *sandbox.server.host.nest_pids(), sandbox.agent_pid()]
    assert all(pid > 100 for pid in victims), "the sandbox itself may have such a pid"
    out = sandbox.check("\n".join(f"kill -0 {pid} 2>&1" for pid in victims) + "\ntrue", user)
    assert out.count("No such process") + out.count("not permitted") == len(victims), out


def test_kill_everything_reaches_only_itself(server, fresh, user):
    """kill(-1) and kill(0) as root: the neighbour, the nest and PID 1 go on."""
    mine, other = fresh(), fresh()
    sleeper = other.start("sleep 1000").started()
    nests = server.host.nest_pids()
    mine.run(["/usr/bin/python3", "-c", "import os, signal; os.kill(0, 9)"], user)
    mine.run(["/usr/bin/python3", "-c", "import os, signal; signal.signal(15, signal.SIG_IGN); os.kill(-1, 9)"], user)
    assert mine.check("echo alive") == "alive\n"
    assert other.check(f"kill -0 {sleeper.pid} && echo alive") == "alive\n"
    assert server.host.nest_pids() == nests
    sleeper.close()


def test_kill_pid_1_has_no_effect(fresh, user):
    made = fresh()
    for signal in (9, 15, 1, 2, 19, 11):
        made.run(f"kill -{signal} 1", user)
    assert made.check("echo alive") == "alive\n" and made.alive()


@pytest.mark.parametrize("name", ["mem", "environ", "maps", "stack", "syscall", "auxv", "pagemap", "io", "personality",
                                  "timers", "smaps", "clear_refs", "fd", "fdinfo", "map_files", "cwd", "root", "exe", "ns/net", "ns/mnt"])
def test_proc_of_pid_1_is_closed(sandbox, user, name):
    """Nothing that shows or opens the agent's memory, files or namespaces, even to root."""
    out = sandbox.python(f"""
import os
path = "/proc/1/{name}"
tries = [lambda: os.listdir(path) or None, lambda: os.readlink(path), lambda: open(path, "rb").read(64)]
for one in tries:
    try:
        value = one()
        if value:
            print("READ", value)
    except OSError as error:
        pass
try:
    os.stat(path + "/.")
    print("ENTERED", os.listdir(path + "/."))
except OSError:
    pass
""", user)
    assert out.code == 0 and out.out == "", out


def test_pid_1_cannot_be_written(sandbox, user):
    for name in ("mem", "clear_refs", "oom_score_adj", "attr/current", "loginuid", "coredump_filter", "comm", "timerslack_ns"):
        result = sandbox.run(f"echo 0 > /proc/1/{name}", user)
        assert result.code != 0, f"/proc/1/{name} was written"


def test_pid_1_cannot_be_traced(sandbox, user):
    lines = sandbox.python(PTRACE, user).out.splitlines()
    assert lines == ["-1 1"] * 4, lines


def test_pid_1_takes_no_debugging_after_sudo(sandbox):
    result = sandbox.run(["sudo", "-n", "/usr/bin/python3", "-c", PTRACE])
    assert result.out.splitlines() == ["-1 1"] * 4


def test_own_session(sandbox):
    """Agent and commands lead sessions of their own: no process group is shared with the nest or the engine."""
    agent = sandbox.agent_pid()
    assert os.getsid(agent) == agent
    for pid in sandbox.server.host.nest_pids():
        assert os.getsid(pid) != os.getsid(agent)
    out = sandbox.check("ps -o pid=,sid= -p $$").split()
    assert out[0] == out[1]


def test_agent_is_not_dumpable(sandbox):
    """From the host: its /proc files belong to somebody who is nobody inside."""
    agent = sandbox.agent_pid()
    base = int(warren.proc_read(agent, "uid_map").split()[1])
    assert not base <= os.stat(f"/proc/{agent}/environ").st_uid < base + warren.SLOT_IDS


def test_command_line_shows_nothing_of_the_nest(sandbox):
    assert sandbox.check("tr '\\0' ' ' < /proc/1/cmdline").strip() == "warren-agent"
    assert sandbox.check("cat /proc/1/comm").strip() == "warren-agent"
