"""No descriptor, key or memory of the host reaches a sandbox."""

import ctypes
import os
import re
import subprocess
import sys

import pytest

import warren

LIST = "import os; print(sorted((int(n), os.readlink('/proc/self/fd/' + n)) for n in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + n)))"


def test_commands_get_stdio_only(sandbox, user):
    """Three descriptors; what python opened for the listing is gone when it is printed."""
    listed = eval(sandbox.python(LIST, user).out)
    assert [number for number, _ in listed] == [0, 1, 2]
    assert listed[0][1] == "/dev/null" and all(target.startswith("pipe:") for _, target in listed[1:])


def test_terminal_commands_get_stdio_only(sandbox, user):
    listed = eval(sandbox.start(["/usr/bin/python3", "-c", LIST], user, pty=True).finish().out)
    assert [number for number, _ in listed] == [0, 1, 2] and len({target for _, target in listed}) == 1


def test_set_uid_programs_get_stdio_only(sandbox):
    result = sandbox.run(["sudo", "-n", "/usr/bin/python3", "-c", LIST])
    assert [number for number, _ in eval(result.out)] == [0, 1, 2]


def test_agent_holds_nothing_foreign(sandbox):
    """Seen from the host: only /dev/null, sockets and event descriptors. A directory would be a way out of the mount namespace."""
    held = warren.descriptors(sandbox.agent_pid())
    assert len(held) < 16
    for number, target in held.items():
        assert re.fullmatch(r"/dev/null|socket:\[\d+\]|anon_inode:\[(eventpoll|signalfd|timerfd|eventfd)\]|pipe:\[\d+\]", target), held


def test_agents_sockets_are_in_its_network(sandbox):
    """No socket of the host's network namespace and no Unix socket towards nest or engine."""
    agent = sandbox.agent_pid()
    inodes = {re.sub(r"\D", "", target) for target in warren.descriptors(agent).values() if target.startswith("socket:")}
    own = "".join(warren.proc_read(agent, f"net/{table}") for table in ("tcp", "tcp6"))
    for inode in inodes:
        assert re.search(rf"\b{inode}\b", own), f"socket {inode} is not a TCP socket of the sandbox"
    for pid in ("self", *sandbox.server.host.nest_pids()):
        for inode in inodes:
            assert not re.search(rf"\b{inode}\b", warren.proc_read(pid, "net/unix") + warren.proc_read(pid, "net/tcp"))


def test_agent_maps_no_foreign_file(sandbox):
    """Its memory is anonymous: no mapping of a file of the host or of the nest."""
    for line in warren.proc_read(sandbox.agent_pid(), "maps").splitlines():
        path = line.split(None, 5)[5] if len(line.split(None, 5)) > 5 else ""
        assert path == "" or path.startswith("["), line


def test_nest_holds_no_host_directory(server):
    """The nest could lend what it holds: namespaces, pidfds, sockets and memory, but no way into the host's directories."""
    for pid in server.host.nest_pids():
        for target in warren.descriptors(pid).values():
            assert target in ("/dev/null", "/null", "/") or re.match(r"socket:|pipe:|anon_inode:|net:\[|/memfd:|pidfd|/\S*tasks", target), target
        for number in warren.descriptors(pid):
            path = f"/proc/{pid}/fd/{number}"
            # Control groups of its sandboxes, for contexts: each is the root of a mount of its own, so ".." leads nowhere.
            assert not os.path.isdir(path) or (os.path.samefile(path, f"{path}/..") and os.path.exists(f"{path}/cgroup.procs"))


def test_agent_environment_is_empty(sandbox, server):
    """Nothing of the variables of whoever started the server."""
    for pid in (sandbox.agent_pid(), *server.host.nest_pids()):
        assert warren.proc_read(pid, "environ").strip("\0") == ""


def test_command_environment_has_nothing_of_the_host(sandbox, user):
    host = set(os.environ) - {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "PWD", "SHLVL", "_", "TERM", "OLDPWD"}
    names = {line.split("=")[0] for line in sandbox.check("env", user).splitlines()}
    assert not names & host


def keys_seen_as(uid):
    """/proc/keys as that uid sees it, which includes the keyrings that belong to it."""
    code = f"import os; os.setgroups([]); os.setresgid({uid}, {uid}, {uid}); os.setresuid({uid}, {uid}, {uid}); print(open('/proc/keys').read())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_session_keyring_is_its_own(sandbox, server):
    """The agent and the nest each joined a new, empty session keyring instead of keeping the one of whoever started the server."""
    base = int(warren.proc_read(sandbox.agent_pid(), "uid_map").split()[1])
    for uid in (base, warren.SLOT_HOST_BASE):
        rings = [line for line in keys_seen_as(uid).splitlines() if re.search(rf"\b{uid}\b.*keyring\s+_ses: empty", line)]
        assert rings, f"no session keyring of uid {uid}"


def test_host_keys_are_not_visible(sandbox, user):
    """A key in the host's session keyring, with permissions for everybody."""
    libc = ctypes.CDLL(None, use_errno=True)
    name = b"warren-test-secret"
    key = libc.syscall(248, b"user", name, b"secret", 6, -4)
    assert key > 0, ctypes.get_errno()
    try:
        libc.syscall(250, 5, key, 0x3f3f3f3f, 0, 0)
        assert sandbox.check("cat /proc/keys", user) == ""
        assert all(0 <= int(line.split(":")[0]) < 65534 for line in sandbox.check("cat /proc/key-users", user).splitlines())
        found = sandbox.python(f"""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(64)
print(libc.syscall(250, 11, {key}, buffer, 64, 0), libc.syscall(249, b"user", {name!r}, None, 0), buffer.value)
""", user)
        assert found.out.strip() == "-1 -1 b''"
    finally:
        libc.syscall(250, 3, key, 0, 0, 0)


@pytest.mark.parametrize("name", ["modules", "iomem", "ioports", "slabinfo", "vmallocinfo", "kpagecgroup"])
def test_addresses_of_the_kernel_are_hidden(sandbox, user, name):
    """Absent, empty, refused, or zeroed."""
    result = sandbox.run(f"cat /proc/{name}", user)
    assert not re.search(r"\b(ffff[0-9a-f]{12}|0x[0-9a-f]*[1-9a-f][0-9a-f]{7,})\b", result.out), result.out[:400]
