"""The limit of disk space holds for root too and cannot be lifted from inside."""

import pytest

MIB = 1 << 20
LIMIT = 64 * MIB
SLACK = 8 * MIB

# Every ioctl by which somebody could change attributes, projects, quotas or subvolumes. Prints those that succeeded.
IOCTLS = """
import ctypes, fcntl, os
calls = {"FS_IOC_FSSETXATTR": 0x401c5820, "FS_IOC_SETFLAGS": 0x40086602, "FS_IOC_SETVERSION": 0x40087602,
         "FIFREEZE": 0xc0045877, "FITRIM": 0xc0185879, "FS_IOC_ADD_ENCRYPTION_KEY": 0xc0506617, "FS_IOC_RESVSP": 0x40305828,
         "BTRFS_QUOTA_CTL": 0xc0109428, "BTRFS_QGROUP_LIMIT": 0x8030942b, "BTRFS_QGROUP_ASSIGN": 0x40189429,
         "BTRFS_QGROUP_CREATE": 0x4010942a, "BTRFS_SUBVOL_CREATE": 0x5000940e, "BTRFS_SUBVOL_CREATE_V2": 0x50009418,
         "BTRFS_SNAP_CREATE_V2": 0x50009417, "BTRFS_SNAP_DESTROY": 0x5000940f, "BTRFS_SUBVOL_SETFLAGS": 0x4008941a,
         "BTRFS_RESIZE": 0x50009403, "BTRFS_TREE_SEARCH": 0xd0009411, "BTRFS_DEFAULT_SUBVOL": 0x40089413, "BTRFS_SYNC": 0x9408,
         "BTRFS_INO_LOOKUP": 0xd0009412, "BTRFS_FS_INFO": 0x8400941f, "XFS_IOC_FSSETXATTR": 0x401c5820}
for path in ("/", "/tmp", "/tmp/file"):
    open("/tmp/file", "a").close()
    fd = os.open(path, os.O_RDONLY)
    for name, number in calls.items():
        buffer = bytearray(4096)
        if name.endswith("FSSETXATTR"):
            buffer[12] = 77  # a project id
        try:
            fcntl.ioctl(fd, number, buffer)
            print(name, path)
        except OSError:
            pass
"""


def fill(sandbox, user, path="/var/tmp/fill", size=2 * LIMIT):
    """Writes as much as it can, up to `size` -> the bytes that were taken, and the error's number."""
    out = sandbox.python(f"""
import os
block = os.urandom(1 << 20)
written = 0
fd = os.open({path!r}, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
error = 0
try:
    while written < {size}:
        written += os.write(fd, block)
    os.fsync(fd)
except OSError as e:
    error = e.errno
print(written, error)
""", user, timeout=120).out
    written, error = (int(word) for word in out.split())
    return written, error


@pytest.fixture
def small(fresh):
    return fresh(diskBytes=LIMIT)


def test_limit_holds(small, user):
    written, error = fill(small, user)
    assert error in (28, 122), "neither ENOSPC nor EDQUOT"
    assert LIMIT - SLACK <= written <= LIMIT + SLACK
    metrics = small.metrics()
    assert metrics["diskTotal"] == LIMIT and metrics["diskUsed"] <= LIMIT + SLACK


def test_space_comes_back(small):
    fill(small, "user")
    small.check("rm /var/tmp/fill && sync", "user")
    written, error = fill(small, "user", size=LIMIT // 4)
    assert error == 0 and written == LIMIT // 4


def test_many_files_are_one_limit(small):
    """Also several files, directories, and another user's."""
    fill(small, "user", "/var/tmp/one", LIMIT // 2)
    fill(small, "root", "/opt/two", LIMIT // 4)
    written, error = fill(small, "user", "/home/user/three")
    assert error in (28, 122) and written <= LIMIT // 4 + SLACK


def test_empty_files_are_limited(fresh):
    """Inodes take space too: they end with an error, not with a full volume."""
    made = fresh(diskBytes=8 * MIB)
    out = made.python("""
import os
os.mkdir("/var/tmp/many")
os.chdir("/var/tmp/many")
count, error = 0, 0
try:
    for count in range(300000):
        os.close(os.open("f%060d" % count, os.O_CREAT | os.O_WRONLY))
except OSError as e:
    error = e.errno
print(count, error)
""", "user", timeout=120).out
    count, error = (int(word) for word in out.split())
    assert error in (28, 122), f"{count} files were made"


def test_attributes_do_not_lift_it(small, user):
    """chattr as user and as root, before and after files were written."""
    small.run("mkdir -p /var/tmp/d; chattr -R +C /var/tmp/d; chattr -p 77 /var/tmp/d; chattr +P /var/tmp/d; chattr -P /; lsattr -p /", user)
    written, error = fill(small, user, "/var/tmp/d/fill")
    assert error in (28, 122) and written <= LIMIT + SLACK


def test_ioctls_do_not_lift_it(small, user):
    out = small.python(IOCTLS, user)
    assert out.code == 0, out
    changed = [line for line in out.out.splitlines() if not line.startswith(("FS_IOC_SETFLAGS", "FS_IOC_FSSETXATTR"))]
    assert changed == []
    written, error = fill(small, user)
    assert error in (28, 122) and written <= LIMIT + SLACK


def test_sparse_and_preallocated(small, user):
    """A hole costs nothing, an allocation counts."""
    assert small.run("truncate -s 1T /var/tmp/hole && stat -c %b /var/tmp/hole", user).out.strip() == "0"
    assert small.run(f"fallocate -l {2 * LIMIT} /var/tmp/solid", user).code != 0


def test_copy_up_counts(small):
    """Changing a byte of a large file of the template copies it into the sandbox: that must be limited too."""
    out = small.python("""
import os
total, error = 0, 0
for directory, _, files in os.walk("/usr/lib"):
    for name in files:
        path = os.path.join(directory, name)
        if os.path.islink(path) or os.path.getsize(path) < 1 << 20:
            continue
        try:
            os.close(os.open(path, os.O_RDWR))
            total += os.path.getsize(path)
        except OSError as e:
            error = e.errno
            break
    if error:
        break
print(total, error)
""", "root", timeout=120).out
    total, error = (int(word) for word in out.split())
    assert error in (28, 122) and total <= LIMIT + SLACK


def test_memory_file_systems_are_limited(fresh):
    """/run and /dev/shm are memory: each has its own size, and both count as the sandbox's memory."""
    made = fresh(memoryBytes=512 * MIB)
    for path in ("/run/fill", "/dev/shm/fill"):
        written, error = fill(made, "root", path, 256 * MIB)
        assert error == 28 and written <= 128 * MIB, path
    assert made.metrics()["memUsed"] >= 100 * MIB


def test_neighbour_has_its_own_space(small, fresh):
    fill(small, "root")
    written, error = fill(fresh(diskBytes=LIMIT), "user", size=LIMIT // 2)
    assert error == 0 and written == LIMIT // 2
