"""What of /proc is hidden, and that nothing of /proc/sys that matters can be written."""

import pytest

import warren

# Readable by everybody on the host, therefore covered; and root's, who is a stranger here, so that no cover is needed.
MASKED_FILES = ["keys", "kallsyms", "interrupts", "diskstats"]
CLOSED_FILES = ["kcore", "kmsg", "timer_list", "sched_debug", "kpagecount", "kpageflags", "kpagecgroup", "sysrq-trigger", "vmallocinfo",
                "slabinfo", "pagetypeinfo"]
MASKED_DIRECTORIES = ["acpi", "scsi", "pressure", "dynamic_debug"]
SETTINGS = {
    "kernel/core_pattern": "|/tmp/x", "kernel/hostname": "x", "kernel/domainname": "x", "kernel/modprobe": "/tmp/x", "kernel/panic": "1",
    "kernel/sysrq": "1", "kernel/pid_max": "400", "kernel/threads-max": "100", "kernel/randomize_va_space": "0", "kernel/dmesg_restrict": "0",
    "kernel/kptr_restrict": "0", "kernel/perf_event_paranoid": "-1", "kernel/yama/ptrace_scope": "0", "kernel/shmmax": "1", "kernel/msgmax": "1",
    "kernel/unprivileged_bpf_disabled": "0", "kernel/ns_last_pid": "1", "vm/overcommit_memory": "1", "vm/drop_caches": "3",
    "vm/mmap_min_addr": "0", "vm/max_map_count": "100", "vm/panic_on_oom": "1", "fs/file-max": "10", "fs/suid_dumpable": "2",
    "fs/protected_hardlinks": "0", "fs/inotify/max_user_instances": "1", "fs/pipe-max-size": "4096", "fs/mqueue/queues_max": "1",
    "fs/binfmt_misc/register": ":x:M::x::/bin/sh:", "net/ipv4/ip_forward": "1", "net/ipv4/ip_unprivileged_port_start": "1",
    "net/ipv4/ping_group_range": "0 1", "net/ipv4/ip_local_port_range": "1 2", "net/core/somaxconn": "1", "user/max_user_namespaces": "1000",
    "user/max_inotify_instances": "100000", "user/max_mnt_namespaces": "1000",
}


@pytest.mark.parametrize("name", MASKED_FILES + CLOSED_FILES)
def test_nothing_can_be_read(sandbox, user, name):
    result = sandbox.run(f"head -c 64 /proc/{name} | wc -c", user)
    assert result.out.strip() == "0", name


@pytest.mark.parametrize("name", MASKED_DIRECTORIES)
def test_masked_directory(sandbox, user, name):
    assert sandbox.run(f"ls -A /proc/{name}", user).out == ""


@pytest.mark.parametrize("name", MASKED_FILES)
def test_masked_file_takes_no_writing_to_the_real_one(sandbox, user, name):
    """The cover is an empty read-only file, which cannot be moved away."""
    if sandbox.run(f"test -e /proc/{name}", user).code == 0:
        assert sandbox.check(f"stat -c '%F' /proc/{name}", user) == "regular empty file\n"
    for command in (f"echo x > /proc/{name}", f"rm -f /proc/{name}", f"mv /proc/{name} /proc/x", f"umount /proc/{name}"):
        assert sandbox.run(command, user).code != 0


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_cannot_be_written(sandbox, user, name):
    before = warren.pathlib.Path(f"/proc/sys/{name}")
    old = before.read_bytes() if before.is_file() and before.stat().st_mode & 0o400 else None
    result = sandbox.run(f"printf %s {SETTINGS[name]!r} > /proc/sys/{name}", user)
    assert result.code != 0, f"/proc/sys/{name} was written"
    if old is not None and name not in ("kernel/ns_last_pid",):
        assert before.read_bytes() == old


def test_proc_sys_is_a_read_only_mount(sandbox, user):
    lines = [line.split() for line in sandbox.check("cat /proc/self/mountinfo", user).splitlines()]
    [flags] = [fields[5] for fields in lines if fields[4] == "/proc/sys"]
    assert "ro" in flags.split(",")


def test_nothing_below_proc_sys_is_writable(sandbox, user):
    """All of it, by trying to open for writing without writing."""
    out = sandbox.python("""
import os
for directory, _, files in os.walk("/proc/sys"):
    for name in files:
        path = os.path.join(directory, name)
        try:
            os.close(os.open(path, os.O_WRONLY))
            print(path)
        except OSError:
            pass
""", user)
    assert out.code == 0 and out.out == "", out.out[:500]


def test_no_foreign_file_of_proc_is_writable(sandbox, user):
    """Outside the processes' own directories, only masks (/dev/null) take writes."""
    out = sandbox.python("""
import os, stat
for directory, subdirectories, files in os.walk("/proc"):
    if directory == "/proc":
        subdirectories[:] = [name for name in subdirectories if not name.isdigit() and name not in ("self", "thread-self", "sys", "net")]
    for name in files:
        path = os.path.join(directory, name)
        if os.path.islink(path):
            continue
        try:
            fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            continue
        if not stat.S_ISCHR(os.fstat(fd).st_mode):
            print(path)
        os.close(fd)
""", user)
    assert out.code == 0 and out.out == "", out


def test_kernel_log_is_closed(sandbox, user):
    assert sandbox.run("dmesg", user).code != 0
    assert sandbox.run("cat /dev/kmsg", user).code != 0


def test_core_dumps_are_off(sandbox):
    """core_pattern of the host may be a program that runs as real root with the dump as its input."""
    assert sandbox.check("ulimit -c; ulimit -Hc").split() == ["0", "0"]
    assert sandbox.run("ulimit -c 1000", "root").code != 0
