"""Users inside are nobody on the host, and no two sandboxes share one."""

import os
import pathlib
import stat

import warren


def maps(sandbox, name):
    text = warren.proc_read(sandbox.agent_pid(), name)
    return [tuple(int(word) for word in line.split()) for line in text.splitlines()]


def test_distinct_host_ranges(server):
    """Every sandbox: one range of 65,536 ids, of the reserved area, shared with nobody; also when slots were given back before."""
    made = [server.create() for _ in range(6)]
    try:
        for one in made[:3]:
            one.kill()
        made = made[3:] + [server.create() for _ in range(6)]
        bases = []
        for one in made:
            for name in ("uid_map", "gid_map"):
                [(inside, base, count)] = maps(one, name)
                assert inside == 0 and count == warren.SLOT_IDS
                assert base >= warren.SLOT_HOST_BASE and (base - warren.SLOT_HOST_BASE) % warren.SLOT_IDS == 0
                assert base < warren.SLOT_HOST_BASE + warren.SLOT_COUNT * warren.SLOT_IDS
            assert maps(one, "uid_map") == maps(one, "gid_map")
            bases.append(base)
        # the nests' own id too: the kernel keeps counters per user, which a sandbox could exhaust for them
        assert len({*bases, warren.SLOT_HOST_BASE}) == len(bases) + 1
    finally:
        for one in made:
            if one.alive():
                one.kill()


def test_processes_have_unprivileged_host_ids(sandbox):
    process = {name: sandbox.start("sleep 100", name).started() for name in ("user", "root")}
    [(_, base, _)] = maps(sandbox, "uid_map")
    try:
        for pid in sandbox.pids():
            status = warren.proc_read(pid, "status")
            for field in ("Uid", "Gid", "Groups"):
                values = next(line for line in status.splitlines() if line.startswith(field + ":")).split()[1:]
                assert all(base <= int(value) < base + warren.SLOT_IDS for value in values), status
    finally:
        for one in process.values():
            one.close()


def test_ids_inside(sandbox):
    assert sandbox.check("id -u", "user") == "1000\n" and sandbox.check("id -u", "root") == "0\n"
    assert sandbox.check("cat /proc/self/uid_map").split()[0] == "0"


def test_host_files_appear_as_nobody(sandbox):
    """Real root owns nothing that the sandbox could change: /proc/1 files and /proc/sys are nobody's."""
    assert sandbox.check("stat -c %u /proc/sys/kernel/hostname").strip() == "65534"


def test_map_cannot_be_changed(sandbox, user):
    for name in ("uid_map", "gid_map", "setgroups", "projid_map"):
        assert sandbox.run(f"echo '0 0 4294967295' > /proc/self/{name}", user).code != 0


def test_ids_outside_the_range_are_refused(sandbox):
    out = sandbox.python("""
import os
for uid in (65536, 70000, 1342177280, 4294967294):
    try:
        os.setresuid(uid, uid, uid)
        print("BECAME", uid)
    except OSError:
        pass
    try:
        open("/tmp/f", "w").close()
        os.chown("/tmp/f", uid, uid)
        print("GAVE TO", uid)
    except OSError:
        pass
""", "root")
    assert out.code == 0 and out.out == "", out


def test_set_uid_file_is_harmless_on_the_host(server, fresh):
    """A set-uid root file of a sandbox is one of real root on the volume: only root may go there, and it lies on nosuid,nodev."""
    made = fresh()
    made.check("cp /usr/bin/id /usr/local/bin/mine && chmod 4755 /usr/local/bin/mine", "root")
    upper = server.host.volume() / "sandboxes" / made.id
    [path] = list(upper.rglob("usr/local/bin/mine"))
    assert path.stat().st_mode & stat.S_ISUID
    parents = [parent for parent in path.parents if parent.is_relative_to(server.host.volume())]
    closed = [parent for parent in parents if stat.S_IMODE(parent.stat().st_mode) == 0o700 and parent.stat().st_uid == 0]
    assert closed, [oct(parent.stat().st_mode) for parent in parents]
    flags = os.statvfs(path).f_flag
    assert flags & os.ST_NOSUID and flags & os.ST_NODEV
    # as an ordinary user of the host
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            os.execv(path, ["mine"])
        except PermissionError:
            os._exit(0)
        except OSError:
            os._exit(2)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_set_uid_works_inside(fresh):
    """The reason why the mount inside is not nosuid."""
    made = fresh()
    made.check("cp /usr/bin/id /usr/local/bin/mine && chmod 4755 /usr/local/bin/mine", "root")
    assert "euid=0(root)" in made.check("/usr/local/bin/mine", "user")


def test_data_directory_is_roots(server):
    """Others can pass through it, because the server has to reach its own part, and enter nothing in it."""
    data = pathlib.Path(server.data)
    assert data.stat().st_uid == 0 and stat.S_IMODE(data.stat().st_mode) == 0o711
    for entry in data.iterdir():
        info = entry.lstat()
        assert not stat.S_IMODE(info.st_mode) & 0o077, entry
        assert entry.name == "server" or info.st_uid == 0, entry
    status = warren.proc_read(server.process.pid, "status")
    assert f"\nUid:\t{(data / 'server').stat().st_uid}\t" in status


def test_server_is_not_root(server):
    """What parses requests has no privileges; the engine is another process."""
    status = warren.proc_read(server.process.pid, "status")
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    assert "0" not in fields["Uid"].split() and "0" not in fields["Gid"].split()
    for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(fields[name], 16) == 0
    assert fields["NoNewPrivs"].strip() == "1"
    assert server.host.engine_pid() != server.process.pid


def test_socket_is_private(server):
    info = os.stat(server.socket)
    assert stat.S_ISSOCK(info.st_mode) and stat.S_IMODE(info.st_mode) == 0o600
