"""Runs in a sandbox, as its root, by `python3 -IBS`: notes what the sandbox looks like, or makes it look so again.

Standard input: {"volumes": [path...], "baseline": what an earlier call gave, or null}. With a baseline the sandbox is cleaned and
compared. Standard output: {"baseline": {...}}, {"clean": true}, {"dirty": "what was found first"}, or {"cannot": "why this sandbox cannot
be compared"}.
"""
import ctypes
import fcntl
import json
import os
import pwd
import re
import signal
import stat
import sys
import time

INTERPRETERS = ("/.warren/runners/", "ipykernel")  # parts of their command lines: contexts are started anew by who calls this
NO_FILES = {"proc", "sysfs", "devpts", "mqueue"}  # file systems without anything that stays
OPEN = ("/tmp", "/var/tmp", "/dev/shm", "/run/user", "/run/lock")  # besides the home directory: what is added there is removed
MAX_OPEN_ENTRIES = 20000
KILL_TIMEOUT_S = 10
FLAGS = 0x80086601  # FS_IOC_GETFLAGS
LASTING_FLAGS = 0x208300FF  # those that users set; others tell of the layer of the overlay that an inode is in
libc = ctypes.CDLL(None, use_errno=True)


class Dirty(Exception):
    pass


class Cannot(Exception):
    pass


# ---- processes ----

def processes():
    """{pid: (start, command line)} of all that run, except PID 1 and this one."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) in (1, os.getpid()):
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
            with open(f"/proc/{name}/cmdline", encoding="utf-8", errors="replace") as file:
                command = file.read()
        except OSError:
            continue
        if fields[0] not in "ZX":
            found[name] = (fields[19], command)
    return found


def to_keep():
    return {pid: start for pid, (start, command) in processes().items() if not any(part in command for part in INTERPRETERS)}


def foreign(keep):
    return [int(pid) for pid, (start, _) in processes().items() if keep.get(pid) != start]


def kill_foreign(keep):
    """Of kill(-1) nobody escapes by forking; with processes that stay, it has to be one after the other."""
    end = time.monotonic() + KILL_TIMEOUT_S
    while left := foreign(keep):
        if time.monotonic() > end:
            raise Dirty(f"process {left[0]} does not end")
        for pid in left if keep else [-1]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.001)


# ---- what is neither process nor file ----

def mounts():
    """[mount point, options, type, source, options of the file system] of each, in their order."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        lines = [line.split() for line in file]
    return [[unescape(fields[4]), fields[5], *fields[fields.index("-") + 1:]] for fields in lines]


def mount_points():
    return {mount[0] for mount in mounts()}


def unescape(path):
    """Blanks and backslashes are octal in mountinfo."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)


def message_queues():
    """How many POSIX queues there are. They have no list here, but a maximum: what can still be made says what exists."""
    with open("/proc/sys/fs/mqueue/queues_max", encoding="ascii") as file:
        most = int(file.read())
    attributes = (ctypes.c_long * 8)(0, 1, 1, 0)
    made = []
    try:
        for number in range(most + 1):
            name = f"/warren-reset-{number}".encode()
            queue = libc.mq_open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600, ctypes.byref(attributes))
            if queue < 0:
                break
            os.close(queue)
            made.append(name)
    finally:
        for name in made:
            libc.mq_unlink(name)
    return most - len(made)


def other_facts():
    ipc = {}
    for kind in ("shm", "msg", "sem"):
        with open(f"/proc/sysvipc/{kind}", encoding="ascii") as file:
            ipc[kind] = sorted(line.split()[1] for line in file.readlines()[1:])
    return {"mounts": mounts(), "environment": dict(os.environ), "name of the host": os.uname().nodename,
            "shared memory, semaphores and queues of System V": ipc, "POSIX message queues": message_queues()}


# ---- files ----

def flags(path):
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        return int.from_bytes(fcntl.ioctl(fd, FLAGS, b"\0" * 8), "little") & LASTING_FLAGS
    except OSError:
        return None
    finally:
        os.close(fd)


def directory_facts(path, status):
    """What a directory has besides its entries. Its change time says nothing: entries come and go in it."""
    attributes = {name: os.getxattr(path, name, follow_symlinks=False).hex() for name in os.listxattr(path, follow_symlinks=False)}
    return [status.st_mode, status.st_uid, status.st_gid, attributes, flags(path)]


def born(path):
    """When the inode was made, in ns; 0 when the file system does not say."""
    answer = (ctypes.c_ubyte * 256)()
    if libc.statx(-100, path.encode(), 0x100, 0x800, answer) != 0:
        return 0
    data = bytes(answer)
    if not int.from_bytes(data[0:4], "little") & 0x800:
        return 0
    return int.from_bytes(data[80:88], "little") * 10**9 + int.from_bytes(data[88:92], "little")


def pristine_before(mount_point, kind):
    """What was born earlier on an overlay is not in its writable layer: nothing in this sandbox can have changed it."""
    return born(mount_point) if kind == "overlay" else 0


def is_pristine(path, before):
    """Although its change time is new: that is also so when the host links a file of a template once more, or once less."""
    return 0 < born(path) < before


def new_tick():
    """A moment of the file systems' clock that is later than every change before it, and not later than any after it."""
    def now():
        fd = os.memfd_create("tick")
        try:
            return os.fstat(fd).st_ctime_ns
        finally:
            os.close(fd)

    first = now()
    while (tick := now()) == first:
        time.sleep(0.0005)
    return tick


def open_directories():
    candidates = (*OPEN, pwd.getpwnam("user").pw_dir)
    return [path for path in candidates if os.path.isdir(path) and os.path.realpath(path) == path]


def above(paths):
    """All directories on the way to them."""
    found = set()
    for path in paths:
        while path != "/":
            path = os.path.dirname(path)
            found.add(path)
    return found


def note_open(top, noted):
    """What is in an open directory: {path: facts}."""
    waiting, points = [top], mount_points()
    while waiting:
        path = waiting.pop()
        status = os.lstat(path)
        noted[path] = [directory_facts(path, status), status.st_mtime_ns]
        for entry in os.scandir(path):
            if entry.path in points:
                continue
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                waiting.append(entry.path)
            else:
                noted[entry.path] = [status.st_mode, status.st_ctime_ns]
            if len(noted) + len(waiting) > MAX_OPEN_ENTRIES:
                raise Cannot(f"more than {MAX_OPEN_ENTRIES} files in {top}")


def remove(entry):
    if not entry.is_dir(follow_symlinks=False):
        os.unlink(entry.path)
        return
    for path, directories, files in os.walk(entry.path, topdown=False):
        for name in files:
            os.unlink(os.path.join(path, name))
        for name in directories:
            inner = os.path.join(path, name)
            (os.unlink if os.path.islink(inner) else os.rmdir)(inner)
    os.rmdir(entry.path)


def clean_open(top, noted):
    """Removes what was added. What was there must be as it was."""
    waiting, seen = [top], set()
    kinds = {mount[0]: mount[2] for mount in mounts()}  # what is mounted below is another file system: not looked at here
    place = max((point for point in kinds if point == top or top.startswith(point.rstrip("/") + "/")), key=len)
    before = pristine_before(place, kinds[place])
    while waiting:
        path = waiting.pop()
        facts, modified = noted[path]
        if directory_facts(path, os.lstat(path)) != facts:
            raise Dirty(f"{path} has other attributes")
        seen.add(path)
        for entry in list(os.scandir(path)):
            if entry.path in kinds:
                continue
            if entry.path not in noted:
                remove(entry)
            elif entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            else:
                status = entry.stat(follow_symlinks=False)
                if [status.st_mode, status.st_ctime_ns] != noted[entry.path] and not is_pristine(entry.path, before):
                    raise Dirty(f"{entry.path} was changed")
                seen.add(entry.path)
        os.utime(path, ns=(modified, modified))
    below = top + "/"
    for path in noted:
        if path not in seen and (path == top or path.startswith(below)):
            raise Dirty(f"{path} was removed")


def note_above(paths):
    return {path: [directory_facts(path, os.lstat(path)), sorted(os.listdir(path))] for path in above(paths)}


def check_above(noted):
    for path, (facts, names) in noted.items():
        if directory_facts(path, os.lstat(path)) != facts:
            raise Dirty(f"{path} has other attributes")
        if sorted(os.listdir(path)) != names:
            raise Dirty(f"entries were added to or removed from {path}")


def check_rest(baseline, volumes):
    """Nothing outside of the open directories has changed since the baseline.

    In an overlay every change below a directory first copies the directory itself into the writable layer, as an inode that is made
    then. So below one whose change time is before the writable layer's birth nothing has ever changed, and nothing is looked at.
    """
    exempt, points = set(baseline["tops"]), mount_points()
    for mount in mounts():
        point, options, kind = mount[0], mount[1].split(","), mount[2]
        if "ro" in options or kind in NO_FILES or point in exempt or any(point == path or point.startswith(path + "/") for path in volumes):
            continue
        before = pristine_before(point, kind)
        if os.lstat(point).st_ctime_ns >= baseline["tick"] and point not in baseline["above"]:
            raise Dirty(f"{point} was changed")
        waiting = [point] if os.path.isdir(point) else []
        while waiting:
            for entry in os.scandir(waiting.pop()):
                if entry.path in exempt or entry.path in points:
                    continue  # not by st_dev: in an overlay, files have that of their layer
                status = entry.stat(follow_symlinks=False)
                if status.st_ctime_ns >= baseline["tick"] and entry.path not in baseline["above"] and not is_pristine(entry.path, before):
                    raise Dirty(f"{entry.path} was changed")
                if stat.S_ISDIR(status.st_mode) and status.st_ctime_ns >= before:
                    waiting.append(entry.path)


# ---- both ----

def take(keep):
    tops = open_directories()
    noted = {}
    for top in tops:
        note_open(top, noted)
    facts = other_facts()
    noted_above = note_above(tops)
    return {"keep": keep, "facts": facts, "tops": tops, "open": noted, "above": noted_above, "tick": new_tick()}


def reset(baseline, volumes):
    kill_foreign(baseline["keep"])
    facts = other_facts()
    for name, was in baseline["facts"].items():
        if facts[name] != was:
            raise Dirty(f"{name}: not as before")
    for top in baseline["tops"]:
        clean_open(top, baseline["open"])
    if open_directories() != baseline["tops"]:
        raise Dirty("other directories are open to all")
    check_above(baseline["above"])
    check_rest(baseline, volumes)
    if left := foreign(baseline["keep"]):
        raise Dirty(f"process {left[0]} has come back")


def main():
    request = json.load(sys.stdin)
    try:
        if request["baseline"] is None:
            answer = {"baseline": take(to_keep())}
        else:
            reset(request["baseline"], request["volumes"])
            answer = {"clean": True}
    except Dirty as error:
        answer = {"dirty": str(error)}
    except Cannot as error:
        answer = {"cannot": str(error)}
    except (OSError, ValueError, KeyError, AttributeError, RecursionError) as error:
        kind = "cannot" if request["baseline"] is None else "dirty"
        answer = {kind: f"{type(error).__name__}: {error}"}
    json.dump(answer, sys.stdout)


main()
