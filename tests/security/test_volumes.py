"""A volume is written by several sandboxes that trust each other with its files and with nothing else."""

import contextlib
import json
import threading

import interpreter
import pytest
from volumes import MIB, mounted, volume


@pytest.fixture(scope="module")
def shared(server):
    with volume(server) as made:
        yield made


@pytest.fixture(scope="module")
def pair(server, shared):
    """Two sandboxes with the same volume at /data."""
    with mounted(server, shared.mount("/data")) as one, mounted(server, shared.mount("/data")) as two:
        yield one, two


def test_setuid_files_have_no_effect(pair):
    one, two = pair
    one.check("cp /usr/bin/id /data/id; chown 0:0 /data/id; chmod 6755 /data/id", "root")
    assert "s" in two.check("stat -c %A /data/id")
    for sandbox in pair:
        assert "euid" not in sandbox.check("/data/id") and "root" not in sandbox.check("/data/id")


def test_file_capabilities_have_no_effect(pair):
    one, two = pair
    code = ("import os, struct; open('/data/cap', 'wb').write(open('/usr/bin/cat', 'rb').read()); os.chmod('/data/cap', 0o755)\n"
            "os.setxattr('/data/cap', 'security.capability', struct.pack('<5I', 0x02000001, 1 << 1, 0, 0, 0))")
    one.python(code, "root")  # as it may: in its own user namespace
    status = two.check("/data/cap /proc/self/status")
    assert "CapEff:\t0000000000000000" in status


@pytest.mark.parametrize("kind", ["b 7 0", "c 1 3", "c 5 1"])
def test_no_device_nodes(pair, user, kind):
    one, two = pair
    one.run(f"mknod /data/node {kind}", user)
    # the nodes of /dev cannot be had in another way either
    one.run("cp -a /dev/null /data/null; ln /dev/null /data/hard", user)
    for sandbox in pair:
        assert sandbox.run("for f in /data/node /data/null /data/hard; do test -b $f -o -c $f && : < $f && echo opened; done",
                           "root").out == ""
    one.run("rm -f /data/node /data/null /data/hard", "root")


BTRFS = """
import fcntl
calls = {"SUBVOL_CREATE": 0x5000940e, "SUBVOL_CREATE_V2": 0x50009418, "SNAP_CREATE_V2": 0x50009417, "SNAP_CREATE": 0x50009401,
         "SNAP_DESTROY": 0x5000940f, "QGROUP_LIMIT": 0x8030942b, "TREE_SEARCH": 0xd0009411, "INO_LOOKUP": 0xd0009412,
         "INO_LOOKUP_USER": 0xd000943e, "GET_SUBVOL_INFO": 0x81f8943c, "FS_INFO": 0x8400941f, "DEFRAG": 0x50009402}
with open("/data/own", "w") as file:
    import os
    for fd in (file.fileno(), os.open("/data", os.O_RDONLY)):
        for name, number in calls.items():
            for high in (0, 0xabcdef << 32):
                buffer = bytearray(4096)
                buffer[8:12] = b"evil"
                try:
                    fcntl.ioctl(fd, number | high if high == 0 else number, buffer)
                    print(name)
                except OSError:
                    pass
"""


def test_the_file_systems_own_calls_are_refused(pair, user):
    """A subvolume made inside would have no limit and could not be removed with the volume."""
    assert pair[0].python(BTRFS, user).out == ""


def test_the_size_cannot_be_got_round_by_sharing_blocks(server):
    """Blocks stay charged to the volume that they were written to, also when it is gone."""
    with volume(server, 32 * MIB) as kept:
        with volume(server, 32 * MIB) as gone:
            with mounted(server, gone.mount("/gone"), kept.mount("/kept")) as sandbox:
                sandbox.check("dd if=/dev/urandom of=/gone/f bs=1M count=24")
                assert sandbox.run("cp --reflink=always /gone/f /kept/f").code != 0
                assert sandbox.python("import os; a = os.open('/gone/f', os.O_RDONLY); "
                                      "b = os.open('/kept/g', os.O_RDWR | os.O_CREAT); print(os.copy_file_range(a, b, 4096))").code != 0
                # nor a forked interpreter
                answer = interpreter.execute(sandbox, "import os; a = os.open('/gone/f', os.O_RDONLY); "
                                             "b = os.open('/kept/h', os.O_RDWR | os.O_CREAT); os.copy_file_range(a, b, 4096)")
                assert answer.error is not None and "cross-device" in answer.error["value"]
                sandbox.check("cp /gone/f /kept/f")  # by bytes, which count
                assert sandbox.run("cp /gone/f /kept/g").code != 0
                assert sandbox.check("sync; du -sm /kept").split()[0] in {"24", "25", "26", "27", "28", "29", "30", "31", "32"}


def test_mounts_cannot_be_changed(pair, user):
    for command in ("mount -o remount,suid /data", "umount /data", "mount --bind /data /mnt", "mount -o remount,rw /data"):
        assert pair[0].run(command, user).code != 0
    assert "nosuid,nodev" in pair[0].check("grep ' /data ' /proc/mounts")


def test_dot_dot_ends_at_the_sandboxes_own_root(pair):
    one, _ = pair
    assert one.check("cd /data && ls -d ../../../../etc/passwd && stat -c %i .. && stat -c %i /").split()[1:] == \
        one.check("stat -c %i / /").split()
    one.check("mkdir -p /data/deep/er; cd /data/deep/er && mv /data/deep/er /data/moved && ls .. > /dev/null")


def test_links_lead_into_the_readers_own_files(pair):
    """A link in a volume is resolved by whoever follows it: in another sandbox it names that sandbox's own file."""
    one, two = pair
    one.check("echo secret of one > /var/tmp/secret; ln -sf /var/tmp/secret /data/link; ln -sf ../../../../../../var/tmp/secret /data/up")
    for name in ("link", "up"):
        assert two.run(f"cat /data/{name}").code != 0
        assert "secret" not in two.run(f"cat /data/{name}").out


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../../../etc/passwd", "/proc/self/environ", "/proc/1/root/etc/passwd"])
def test_links_do_not_lead_out_of_the_content(pair, shared, target):
    one, _ = pair
    one.check(f"ln -sfn {target} /data/escape; ln -sfn / /data/top")
    for path in ("escape", "top/etc/passwd", "top/proc/self/environ", "../../etc/passwd", "top/../../etc/passwd"):
        status, data = shared.content("GET", "file", path)
        assert status in (400, 404) and b"root:" not in data, (path, status, data[:200])
    assert shared.stat("escape")["target"] == target
    status, data = shared.content("PATCH", "path", "escape", json.dumps({"mode": 0o777}))
    assert status in (400, 404), (status, data)
    # a write replaces the link
    status, data = shared.content("PUT", "file", "escape", b"mine", force="true")
    assert status == 201 and one.check("cat /data/escape") == "mine"
    assert shared.content("DELETE", "path", "top")[0] == 204


FLIP = """
import os
os.makedirs("/data/race/real", exist_ok=True)
open("/data/race/real/passwd", "w").write("harmless")
os.chdir("/data/race")
targets = ["/etc", "../../../../../../etc", "real", "/proc/self/root/etc"]
number = 0
while True:
    number += 1
    for path in ("new", "flip"):
        try:
            os.rmdir(path)
        except OSError:
            pass
    try:
        os.symlink(targets[number % len(targets)], "new")
    except FileExistsError:
        pass
    os.replace("new", "flip")
    if number % 5 == 0:
        os.unlink("flip")
        os.mkdir("flip")
"""


def test_links_that_are_flipped_meanwhile(pair, shared):
    """Whatever happens between looking and opening: no file of the content's own sandbox is read or written."""
    one, two = pair
    with contextlib.ExitStack() as stack:
        for sandbox in (one, two):
            process = sandbox.start(["/usr/bin/python3", "-c", FLIP]).started()
            stack.callback(process.close)
        seen = set()

        def attack(method, what, path, body=None, **query):
            for _ in range(150):
                status, data = shared.content(method, what, path, body, **query)
                seen.add((method, what, status))
                assert b"root:" not in data and b"daemon" not in data, (method, what, path, data[:200])

        threads = [threading.Thread(target=attack, args=arguments, kwargs=query) for arguments, query in (
            (("GET", "file", "race/flip/passwd"), {}), (("GET", "dir", "race/flip"), {"depth": 3}),
            (("PUT", "file", "race/flip/planted", b"x"), {"force": "true"}), (("DELETE", "path", "race/flip/planted"), {}))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ("GET", "file", 200) in seen or ("GET", "file", 404) in seen
        assert all(status < 500 for _, _, status in seen), seen
    # its own /etc still has what it had, and nothing more
    with mounted(shared.server, shared.mount("/volume")) as fresh:
        assert fresh.check("ls /etc").count("planted") == 0


def test_what_is_no_file_does_not_stop_the_content(pair, shared):
    one, _ = pair
    one.check("rm -rf /data/fifo; mkfifo /data/fifo")
    assert shared.content("GET", "file", "fifo", timeout=20)[0] == 400
    lease = one.start(["/usr/bin/python3", "-c", "import fcntl, os, time\nfd = os.open('/data/leased', os.O_RDWR | os.O_CREAT)\n"
                       "fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK); print('ready', flush=True); time.sleep(60)"]).started()
    assert next(data for name, data in lease.stream if name == "out") == b"ready\n"
    try:
        assert shared.content("GET", "file", "leased", timeout=20)[0] in (200, 409)
        assert shared.content("PUT", "file", "leased", b"x", timeout=20, force="true")[0] == 201
        assert shared.content("GET", "path", "/", timeout=20)[0] == 200
    finally:
        lease.close()


def test_the_agents_routes_are_not_for_clients(pair, shared):
    one, _ = pair
    for path in ("/volumecontent/path?path=/", "/volumecontent/file?path=/f", "//volumecontent/path?path=/", "/%76olumecontent/path?path=/"):
        status, _ = one.http("GET", path)
        assert status in (400, 401, 403, 404), (path, status)


def test_one_cannot_see_the_others_volume(server, pair):
    one, _ = pair
    with volume(server) as other, mounted(server, other.mount("/data")) as third:
        third.check("echo x > /data/f")
        out = one.run("find / -xdev -name record.json -path '*volumes*' 2>/dev/null; ls /data/..", "root").out
        assert other.id not in out
