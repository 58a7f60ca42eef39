"""What a sandbox sees of file systems and devices."""

import pytest

DEVICES = {"null", "zero", "full", "random", "urandom", "tty"}


def mount_points(sandbox, user):
    return [line.split()[4] for line in sandbox.check("cat /proc/self/mountinfo", user).splitlines()]


def test_constant_mounts_only(sandbox, user):
    points = mount_points(sandbox, user)
    assert set(points) >= {"/", "/proc", "/dev/pts", "/dev/shm", "/run", "/proc/sys"}
    assert all(point in ("/", "/dev", "/.warren", "/proc", "/dev/pts", "/dev/shm", "/run") or point.startswith("/proc/") for point in points), points


def test_no_host_path_in_mountinfo(sandbox, server, user):
    text = sandbox.check("cat /proc/self/mountinfo /proc/self/mounts /proc/self/mountstats", user)
    for hidden in (server.data, server.run_dir, "volume", "layers", "/dev/loop", "btrfs", "cgroup", "sysfs"):
        assert hidden not in text, hidden


def test_all_mounts_but_root_are_nosuid(sandbox):
    for line in sandbox.check("cat /proc/self/mountinfo").splitlines():
        fields = line.split()
        if fields[4] != "/":
            assert "nosuid" in fields[5], line


def test_no_sysfs(sandbox, user):
    assert sandbox.check("ls -A /sys", user) == ""


def test_no_cgroup_tree(sandbox, user):
    """Every group is "/", and no hierarchy is mounted or can be."""
    for line in sandbox.check("cat /proc/self/cgroup /proc/1/cgroup", user).splitlines():
        assert line.split(":", 2)[2] == "/", line
    for kind in ("cgroup", "cgroup2"):
        assert sandbox.run(f"mkdir -p /tmp/cg && mount -t {kind} none /tmp/cg", user).code != 0


def test_devices_are_the_constant_list(sandbox, user):
    nodes = sandbox.check("find /dev -xdev \\( -type b -o -type c \\) -printf '%f\\n'", user).split()
    assert set(nodes) == DEVICES
    assert sandbox.check("find / -xdev -type b 2>/dev/null; true", user) == ""


def test_devices_work(sandbox, user):
    sandbox.check("echo x > /dev/null; head -c 16 /dev/zero | wc -c; head -c 16 /dev/urandom > /dev/null", user)
    assert sandbox.run("echo x > /dev/full", user).code != 0


@pytest.mark.parametrize("number", [(1, 1), (1, 2), (1, 11), (7, 0), (7, 237), (10, 229), (10, 200), (8, 0), (253, 0), (254, 0), (5, 1)])
def test_no_device_node_can_be_made(sandbox, user, number):
    kind = "c" if number[0] in (1, 5, 10) else "b"
    for place in ("/tmp", "/dev", "/run", "/dev/shm"):
        assert sandbox.run(f"mknod {place}/node {kind} {number[0]} {number[1]}", user).code != 0


def test_devices_stay(fresh):
    """Root cannot remove or replace what every program and the next start of a process needs."""
    made = fresh()
    for command in ("rm -f /dev/null", "mv /dev/null /dev/nill", "mv /dev /dev-moved", "echo x > /dev/new", "rm -rf /dev/shm", "rm -f /.warren/agent",
                    "echo x > /.warren/agent", "mv /.warren /elsewhere", "mv /proc /elsewhere", "ln -sf /dev/zero /dev/null"):
        assert made.run(command, "root").code != 0, command
    assert set(made.check("find /dev -xdev -type c -printf '%f\\n'", "root").split()) == DEVICES


def test_mount_commands_fail(sandbox, user):
    sandbox.check("mkdir -p /tmp/m", user)
    for command in ("mount -t tmpfs x /tmp/m", "mount --bind /proc /tmp/m", "mount -t proc x /tmp/m", "umount -l /proc/sys",
                    "umount /proc/keys", "mount -o remount,rw /proc/sys", "mount -t overlay x /tmp/m -o lowerdir=/etc",
                    "mount -t sysfs x /tmp/m", "mount -t devtmpfs x /tmp/m", "mount -t debugfs x /tmp/m"):
        assert sandbox.run(command, user).code not in (0, 127), command


def test_unshare_and_nsenter_fail(sandbox, user):
    for command in ("unshare -Ur true", "unshare -m true", "unshare -n true", "nsenter -t 1 -a true", "nsenter -t 1 -m true",
                    "nsenter --net=/proc/1/ns/net true", "chroot /proc/1/root true"):
        assert sandbox.run(command, user).code not in (0, 127), command


def test_chroot_escape_ends_in_own_root(sandbox):
    """The classic way out: a directory descriptor kept open across chroot, then "..", as root."""
    out = sandbox.python("""
import os
os.makedirs("/tmp/jail", exist_ok=True)
fd = os.open("/", os.O_RDONLY)
os.chroot("/tmp/jail")
os.fchdir(fd)
for _ in range(50):
    os.chdir("..")
os.chroot(".")
print(sorted(os.listdir("/")))
""", "root").out
    assert out.strip() == sandbox.python("import os; print(sorted(os.listdir('/')))", "root").out.strip()


def test_overlay_attributes_cannot_be_set(sandbox, user):
    """trusted.* is how the overlay finds redirected directories: whoever could set it could redirect into another layer."""
    out = sandbox.python("""
import os
os.makedirs("/tmp/attr", exist_ok=True)
for name in ("trusted.overlay.redirect", "trusted.overlay.opaque", "trusted.overlay.metacopy"):
    try:
        os.setxattr("/tmp/attr", name, b"/../..")
        print("SET", name)
    except OSError:
        pass
os.setxattr("/tmp/attr", "user.note", b"x")
""", user)
    assert out.code == 0 and out.out == "", out


def test_template_files_are_real(sandbox, user):
    """The negative tests above would also pass in an empty root."""
    assert "root:x:0:0" in sandbox.check("cat /etc/passwd", user)


def test_other_sandboxes_files_are_not_there(sandbox, neighbour):
    for place in ("/tmp", "/run", "/dev/shm", "/home/user"):
        neighbour.check(f"echo secret-of-the-neighbour > {place}/neighbours-file", "root")
    assert sandbox.check("find / -xdev -name 'neighbours-file' 2>/dev/null; find /run /dev/shm -name 'neighbours-file'", "root") == ""
