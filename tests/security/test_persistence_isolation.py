"""A sandbox that was resumed from disk, and one that was made from a snapshot, are confined as a fresh one is: what the other files of
this directory assert is asserted of both, and all that can be compared with a fresh one is compared."""

import contextlib
import importlib
import inspect
import os
import pathlib
import re
import tempfile

import pytest

import warren

# Whose tests run again here: those with a sandbox that others share.
AGAIN = ("test_capabilities", "test_isolation_descriptors", "test_isolation_mounts", "test_isolation_network", "test_isolation_processes",
         "test_ids", "test_proc", "test_sudo", "test_syscalls")
STATUS = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters")


def resumed(server, stack):
    made = stack.enter_context(server.sandbox())
    made.pause()
    made.resume()
    return made


def forked(server, stack):
    original = stack.enter_context(server.sandbox())
    snapshot = original.snapshot()
    stack.callback(server.remove_snapshot, snapshot)
    return stack.enter_context(server.sandbox(template=snapshot))


@pytest.fixture(scope="module", params=[resumed, forked], ids=lambda make: make.__name__)
def sandbox(server, request):
    """Takes the place of the fresh one in every test of this file."""
    with contextlib.ExitStack() as stack:
        yield request.param(server, stack)


for name, test in ((name, test) for module in AGAIN for name, test in vars(importlib.import_module(module)).items()):
    if name.startswith("test_") and inspect.isfunction(test) and {"sandbox", "probed", "answers"} & set(inspect.signature(test).parameters):
        assert name not in globals(), name
        globals()[name] = test
answers = importlib.import_module("test_syscalls").answers

# Its session keyring is one of host root's, new and empty; the filter keeps every way to it closed (test_refused).
del globals()["test_session_keyring_is_its_own"]


@pytest.fixture(scope="module")
def model(server):
    """A fresh one to compare with."""
    with server.sandbox() as made:
        yield made


def limits(server, sandbox):
    """{file: text} of all limits of its control groups."""
    kinds = re.compile(r"(memory\.(max|high|low|min|swap\.max|(memsw\.)?limit_in_bytes|swappiness)|cpu\.(max|weight|shares|cfs_\w+_us)|pids\.max)$")
    return {f"{root.parts[3:4]}{path.name}": path.read_text() for root in server.host.cgroup_roots() for path in (root / sandbox.id).iterdir()
            if kinds.match(path.name)}


def test_limits_are_back(server, sandbox, model):
    assert limits(server, sandbox) == limits(server, model) and len(limits(server, model)) > 2


def seen(pid):
    """What the host knows of the rights of a process."""
    found = {line.split(":")[0]: line.split(":")[1].split() for line in warren.proc_read(pid, "status").splitlines()
             if line.startswith(STATUS)}
    base = int(warren.proc_read(pid, "uid_map").split()[1])
    for name in ("Uid", "Gid", "Groups"):
        found[name] = [int(one) - base for one in found[name]]
    found |= {name: warren.proc_read(pid, name) for name in ("limits", "oom_score_adj", "setgroups", "coredump_filter")}
    found["scheduling"] = os.sched_getscheduler(pid), os.getpriority(os.PRIO_PROCESS, pid), os.sched_getaffinity(pid)
    return found


def test_processes_have_the_same_rights(sandbox, model):
    """The agent, and a program that ran before."""
    for one in (sandbox, model):
        one.start("sleep 1000").started()
    for ours, theirs in zip(sandbox.pids(), model.pids()):
        assert seen(ours) == seen(theirs)


def mounts(sandbox):
    """Each with its flags and what it is of, without numbers and ids."""
    lines = [line.split() for line in sandbox.check("cat /proc/self/mountinfo").splitlines()]
    return sorted((line[4], line[3], line[5], line[7], re.sub(r"[ug]id=\d+|uuid=on,", "", line[-1])) for line in lines)


def test_mounts_are_the_same(sandbox, model):
    assert mounts(sandbox) == mounts(model)


LOOK = """
import glob
for pattern in ("user/*", "net/ipv4/*", "net/core/*", "net/ipv6/conf/*/*", "kernel/msg*", "kernel/shm*", "kernel/sem*", "fs/mqueue/*"):
    for path in sorted(glob.glob("/proc/sys/" + pattern)):
        try:
            print(path, open(path).read())
        except OSError as error:
            print(path, error.errno)
"""
NETWORK = "ip -o addr; ip route show table all; ip -6 route show table all; ip rule; ip -6 rule; ss -Hlnt; ss -Hlnu; cat /proc/net/protocols | wc -l"


def test_settings_and_network_are_the_same(sandbox, model, user):
    for look in (lambda one: one.python(LOOK, user).out, lambda one: sorted(one.check(NETWORK, user).splitlines())):
        assert look(sandbox) == look(model)


def test_project_ids_are_not_the_hosts(sandbox):
    """The map of a namespace that has none may be written by anybody in it, as far as the parent's reaches."""
    for pid in sandbox.pids():
        assert warren.proc_read(pid, "projid_map").split() == ["0", "4294967294", "1"]


HOSTILE = r"""
import ctypes, os, sys, time
host = sys.argv[1]
# An open file that lost its name but has another one, one without any, and a removed working directory.
os.makedirs("/tmp/a/b")
kept = open("/tmp/a/b/file", "w+")
kept.write("kept"), kept.flush()
os.link("/tmp/a/b/file", "/tmp/other"), os.unlink("/tmp/a/b/file")
ghost = open("/tmp/ghost", "w+")
ghost.write("ghost"), ghost.flush(), os.unlink("/tmp/ghost")
os.makedirs("/tmp/gone/deep"), os.chdir("/tmp/gone/deep")
# What tar is to pack and unpack on its way.
os.makedirs("/run/t"), os.makedirs("/dev/shm/t")
for top in ("/run/t/", "/dev/shm/t/"):
    for name in ("--checkpoint=1", "--checkpoint-action=exec=touch x", "-rf", "a\nb", "\xff" * 60, ".wh.x", "x" * 255):
        open(top + name, "w").write(name)
    os.symlink(host, top + "link"), os.symlink("../../../../../.." + host, top + "up")
    os.symlink("/etc/passwd", top + "zz"), os.mkfifo(top + "fifo")
    os.makedirs(top + "d/" + "/".join(["deep"] * 60))
    big = open(top + "sparse", "w"); big.truncate(1 << 40); big.write("x")
    os.link(top + "-rf", top + "d/hard"), os.chmod(top + "-rf", 0o6777)
libc = ctypes.CDLL(None)
libc.prctl(15, b") R 1 1\n\nNSp", 0, 0, 0)
print("ready", flush=True)
end = os.stat("/").st_ctime_ns
while True:
    time.sleep(0.05)
    kept.seek(0), ghost.seek(0)
    open("/tmp/reads", "w").write(kept.read() + ghost.read())
"""
LISTED = r"""
import os
for top in ("/run/t", "/dev/shm/t"):
    for directory, names, files in os.walk(os.fsencode(top)):
        for name in sorted(names + files):
            info = os.lstat(os.path.join(directory, name))
            print(directory, name, oct(info.st_mode), info.st_uid, info.st_size, info.st_nlink)
"""


@pytest.mark.parametrize("way", ["pause", "snapshot"])
def test_hostile_files_stay_inside(server, fresh, tmp_path, way):
    """CRIU, tar and the copying of files run as the host's root on what a sandbox has named and linked."""
    tmp_path.chmod(0o777)
    made = fresh()
    program = made.start(["/usr/bin/python3", "-c", HOSTILE, str(tmp_path)], "root").started()
    said = next(data for kind, data in program.stream if kind != "start")
    assert said == b"ready\n", program.finish()
    before = made.python(LISTED, "root").out
    assert before.count("\n") == 148
    if way == "pause":
        made.pause()
        made.resume()
    else:
        snapshot = made.snapshot()
        try:
            made = fresh(template=snapshot)
        finally:
            server.remove_snapshot(snapshot)
    made.check("rm -f /tmp/reads", "root")
    warren.wait_for(lambda: made.run("cat /tmp/reads").out == "keptghost", 20, "the program goes on")
    assert made.python(LISTED, "root").out == before
    assert list(tmp_path.iterdir()) == [] and not [name for name in os.listdir("/") if "link_remap" in name]


PLACES = r"""
import os, sys, time
how, host = sys.argv[1:]
os.makedirs("/tmp/a/b/c")
file = open("/tmp/a/b/file", "w+")
file.write("kept"), file.flush()
if how in ("linked", "replaced"):
    os.link("/tmp/a/b/file", "/tmp/other")
if how == "directory":
    os.chdir("/tmp/a/b/c")
os.unlink("/tmp/a/b/file"), os.rmdir("/tmp/a/b/c")
if how == "replaced":
    os.symlink(host, "/tmp/a/b/file")
else:
    os.rmdir("/tmp/a/b"), os.symlink(host, "/tmp/a/b")
print("ready", flush=True)
while True:
    time.sleep(0.05)
    file.seek(0)
    open("/tmp/reads", "w").write(file.read())
"""


@pytest.fixture(params=["absent", "closed", "open"])
def host_place(request):
    """Path of a directory of the host, or of none, that stays as it is. /tmp is covered while CRIU restores."""
    with tempfile.TemporaryDirectory(prefix="warren-links-", dir="/var/tmp") as top:
        os.chmod(top, 0o755)
        place = pathlib.Path(top, "place")
        if request.param != "absent":
            place.mkdir()
            place.chmod(0o777 if request.param == "open" else 0o755)
        before = os.stat(place if place.exists() else top)
        yield place
        after = os.stat(place if place.exists() else top)
        assert (after.st_mtime_ns, after.st_ctime_ns, after.st_nlink) == (before.st_mtime_ns, before.st_ctime_ns, before.st_nlink)


@pytest.mark.parametrize("how", ["linked", "ghost", "directory", "replaced"])
def test_links_lead_criu_nowhere(fresh, host_place, how):
    """CRIU gives an open file that lost its name a new one where the old one was: that place may be a link by now. What is on the other
    side of it, on the host, makes no difference and stays as it is."""
    made = fresh()
    program = made.start(["/usr/bin/python3", "-c", PLACES, how, str(host_place)], "root").started()
    assert next(data for kind, data in program.stream if kind != "start") == b"ready\n"
    made.pause()
    detail = made.detail()
    assert detail["pause"]["level"] == "hibernated", detail
    made.resume()
    made.check("rm -f /tmp/reads", "root")
    warren.wait_for(lambda: made.run("cat /tmp/reads").out == "kept", 20, "the program goes on")
    assert made.check("find / -xdev -name '*link_remap*' -o -xdev -name '*.ghost'", "root") == ""
