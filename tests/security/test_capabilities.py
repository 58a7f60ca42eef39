"""Capabilities are the constant list, inside the sandbox's own user namespace, and cannot be had back."""

CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE = 0, 1, 3, 4, 5, 6, 7, 8, 10
SYS_CHROOT, MKNOD, AUDIT_WRITE, SETFCAP = 18, 27, 29, 31
KEPT = {CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, SYS_CHROOT, MKNOD, AUDIT_WRITE, SETFCAP}
DAC_READ_SEARCH, NET_ADMIN, NET_RAW, SYS_MODULE, SYS_RAWIO, SYS_PTRACE, SYS_ADMIN, SYS_BOOT, SYS_RESOURCE, SYS_TIME = (
    2, 12, 13, 16, 17, 19, 21, 22, 24, 25)
MASK = sum(1 << cap for cap in KEPT)


def sets(sandbox, user, command="grep ^Cap /proc/self/status"):
    return {line.split(":")[0]: int(line.split()[1], 16) for line in sandbox.check(command, user).splitlines()}


def test_root_has_the_constant_list(sandbox):
    found = sets(sandbox, "root")
    assert found["CapEff"] == found["CapPrm"] == found["CapBnd"] == MASK
    assert found["CapInh"] == found["CapAmb"] == 0


def test_user_has_none(sandbox):
    found = sets(sandbox, "user")
    assert found["CapEff"] == found["CapPrm"] == found["CapInh"] == found["CapAmb"] == 0 and found["CapBnd"] == MASK


def test_agent_has_the_constant_list(sandbox, user):
    found = sets(sandbox, user, "grep ^Cap /proc/1/status")
    assert found["CapEff"] == found["CapBnd"] == MASK


def test_sudo_gives_the_same_list(sandbox):
    assert sets(sandbox, "user", "sudo -n grep ^Cap /proc/self/status")["CapEff"] == MASK


def test_dangerous_ones_are_missing():
    assert not KEPT & {DAC_READ_SEARCH, NET_ADMIN, NET_RAW, SYS_MODULE, SYS_RAWIO, SYS_PTRACE, SYS_ADMIN, SYS_BOOT, SYS_RESOURCE, SYS_TIME}


def test_file_capabilities_do_not_add_any(fresh):
    """Root may give a file any capability; the kernel takes those of the bounding set only."""
    made = fresh()
    made.check("cp /usr/bin/grep /usr/local/bin/strong && cp /usr/bin/grep /usr/local/bin/fair && chmod 755 /usr/local/bin/*", "root")
    result = made.python("""
import os, struct
def give(path, mask):
    os.setxattr(path, "security.capability", struct.pack("<5I", 0x02000001, mask & 0xffffffff, 0, mask >> 32, 0))
give("/usr/local/bin/strong", 0xffffffffff)
give("/usr/local/bin/fair", 1 << 7)
""", "root")
    assert result.code == 0, result
    strong = made.run("/usr/local/bin/strong ^Cap /proc/self/status", "user")
    if strong.code == 0:
        assert int(strong.out.split("CapEff:\t")[1].split()[0], 16) & ~MASK == 0
    else:
        assert "not permitted" in strong.err
    assert sets(made, "user", "/usr/local/bin/fair ^Cap /proc/self/status")["CapEff"] == 1 << 7


def test_capset_cannot_raise(sandbox, user):
    out = sandbox.python("""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
header = (ctypes.c_uint32 * 2)(0x20080522, 0)
data = (ctypes.c_uint32 * 6)(*[0xffffffff] * 6)
print(libc.syscall(126, header, data), ctypes.get_errno())
for cap in (12, 21):
    print(libc.prctl(47, 2, cap, 0, 0))
""", user)
    assert out.out.splitlines() == ["-1 1", "-1", "-1"]


def test_priorities_cannot_be_raised(sandbox, user):
    """No CAP_SYS_NICE: neither niceness below zero nor a real-time class."""
    assert sandbox.run("nice -n -5 true 2>&1; test $(nice -n -5 nice 2>/dev/null) -ge 0", user).code == 0
    assert sandbox.run("chrt -f 10 true", user).code != 0


def test_oom_score_cannot_be_lowered(sandbox, user):
    """Whoever could would have others killed first."""
    assert sandbox.run("echo -1000 > /proc/self/oom_score_adj", user).code != 0
