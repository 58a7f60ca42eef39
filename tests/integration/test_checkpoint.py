"""Sandboxes can be written to disk and brought back, as docs/internals/checkpoint.md promises."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess

import pytest

import criu
import overlay
import warren

# Slots from the far end: the engine takes the lowest that is free.
SPARE_SLOTS = (warren.SLOT_COUNT - 1, warren.SLOT_COUNT - 2)
# One byte per tick: the size of the file is the state that has to go on.
TICK = "exec 3>>/tmp/ticks; while :; do printf . >&3; sleep 0.02; done"


@pytest.fixture(scope="session")
def criu_binary():
    return criu.binary()


def layers(data, pid):
    """Directories of the sandbox's overlay, topmost first."""
    root = pathlib.Path(data) / "layers"
    template = json.loads((pathlib.Path(data) / "templates" / f"{warren.TEMPLATE}.json").read_text())
    program = pathlib.Path(f"/proc/{pid}/root/.warren/agent").read_bytes()
    devices = [path for path in root.glob(".warren-*") if (path / ".warren/agent").read_bytes() == program]
    return [devices[0], *[root / name for name in template["layers"]]]


@contextlib.contextmanager
def restored(image, files, lower, slot, directory, binary):
    """A copy of a dumped sandbox in a slot of its own -> (pid, path of its network namespace, its upper directory)."""
    base = warren.SLOT_HOST_BASE + slot * warren.SLOT_IDS
    directory.mkdir()
    criu.copy_for_slot(image, directory / "image", base)
    subprocess.run(["cp", "-a", files, directory / "u"], check=True)
    (directory / "w").mkdir()
    (directory / "root").mkdir()
    holder = subprocess.Popen(["unshare", "-n", "sh", "-c", "ip link set lo up && echo up && exec sleep 300"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    pid = None
    try:
        assert holder.stdout.readline() == b"up\n"
        netns = f"/proc/{holder.pid}/ns/net"
        with overlay.mounted(lower, directory, base, directory / "root"):
            pid = criu.restore(directory / "image", directory / "work", directory / "root", netns, criu=binary)
        yield pid, netns, directory / "u"
    finally:
        if pid:
            os.kill(pid, signal.SIGKILL)
            warren.wait_for(lambda: not os.path.exists(f"/proc/{pid}/ns/mnt"), 30, "the copy is gone")
        holder.kill()
        holder.wait()
        holder.stdout.close()


def health(netns):
    done = subprocess.run(["nsenter", f"--net={netns}", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "5",
                           f"http://127.0.0.1:{warren.AGENT_PORT}/health"], capture_output=True, text=True, check=False)
    return done.stdout


def grows(path):
    before = path.stat().st_size
    warren.wait_for(lambda: path.stat().st_size > before, 30, f"{path} grows")
    return before


def dump_of(sandbox, tmp_path, binary):
    """Dumps a ticking sandbox that goes on -> (image, copy of its upper directory, layers)."""
    sandbox.start(TICK)
    pid = sandbox.agent_pid()
    data = sandbox.server.data
    upper = pathlib.Path(data) / "volume" / "sandboxes" / sandbox.id / "u"
    ticks = upper / "tmp/ticks"
    warren.wait_for(ticks.exists, 30, "the sandbox ticks")
    tmp_path.chmod(0o700)
    criu.dump(pid, tmp_path / "image", leave_running=True, criu=binary)
    subprocess.run(["cp", "-a", upper, tmp_path / "files"], check=True)
    grows(ticks)
    assert sandbox.check("echo still here") == "still here\n"
    return tmp_path / "image", tmp_path / "files", layers(data, pid)


def test_two_copies_run_beside_the_original(fresh, tmp_path, criu_binary):
    image, files, lower = dump_of(fresh(), tmp_path, criu_binary)
    at_dump = (files / "tmp/ticks").stat().st_size
    assert at_dump > 0
    with contextlib.ExitStack() as stack:
        for slot in SPARE_SLOTS:
            pid, netns, upper = stack.enter_context(
                restored(image, files, lower, slot, tmp_path / str(slot), criu_binary))
            first = pathlib.Path(f"/proc/{pid}/uid_map").read_text().split()
            assert first == ["0", str(warren.SLOT_HOST_BASE + slot * warren.SLOT_IDS), str(warren.SLOT_IDS)]
            assert health(netns) == "204"
            assert grows(upper / "tmp/ticks") >= at_dump
            assert os.readlink(f"/proc/{pid}/exe") == "/.warren/agent"


# A shell on a terminal and a Python, each with a value that is in its memory only, until /tmp/go appears.
SHELL = """value=$RANDOM.$RANDOM; echo $value >/tmp/shell.before; while [ ! -e /tmp/go ]; do sleep 0.02; done
tty >/tmp/shell.tty; echo $value >/tmp/shell.after"""
PYTHON = """exec python3 -c "
import os, random, time
value = [random.random() for _ in range(100000)]
open('/tmp/python.before', 'w').write(f'{sum(value)}\\n')
while not os.path.exists('/tmp/go'):
    time.sleep(0.02)
open('/tmp/python.after', 'w').write(f'{sum(value)}\\n')
" """


def test_a_shell_and_a_python_go_on_with_what_they_had(fresh, tmp_path, criu_binary):
    sandbox = fresh()
    sandbox.start(SHELL, pty=True)
    sandbox.start(PYTHON)
    tmp = pathlib.Path(sandbox.server.data) / "volume" / "sandboxes" / sandbox.id / "u" / "tmp"
    for name in ("shell", "python"):
        warren.wait_for(lambda: (tmp / f"{name}.before").exists() and (tmp / f"{name}.before").stat().st_size, 20, name)
    image, files, lower = dump_of(sandbox, tmp_path, criu_binary)
    with restored(image, files, lower, SPARE_SLOTS[0], tmp_path / "copy", criu_binary) as (_, netns, upper):
        assert not (upper / "tmp/python.after").exists()
        url = f"http://127.0.0.1:{warren.AGENT_PORT}/files?path=/tmp/go&username=user"
        subprocess.run(["nsenter", f"--net={netns}", "curl", "-sS", "--fail", "-o", "/dev/null", "-X", "POST", "-H",
                        "Content-Type: application/octet-stream", "--data-binary", "go", url], check=True)
        for name in ("shell", "python"):
            before, after = upper / f"tmp/{name}.before", upper / f"tmp/{name}.after"
            warren.wait_for(lambda: after.exists() and after.stat().st_size, 20, f"{name} goes on in the copy")
            assert after.read_text() == before.read_text() != ""
        assert (upper / "tmp/shell.tty").read_text().startswith("/dev/pts/")
    assert not (tmp / "shell.after").exists(), "the original waits on: it never saw the file"


def test_a_restored_agent_is_confined_as_before(fresh, tmp_path, criu_binary):
    sandbox = fresh()
    image, files, lower = dump_of(sandbox, tmp_path, criu_binary)
    original = pathlib.Path(f"/proc/{sandbox.agent_pid()}/status").read_text()
    with restored(image, files, lower, SPARE_SLOTS[0], tmp_path / "copy", criu_binary) as (pid, _, _):
        copy = pathlib.Path(f"/proc/{pid}/status").read_text()
        for name in ("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb", "Seccomp", "NoNewPrivs"):
            wanted = [line for line in original.splitlines() if line.startswith(name + ":")]
            assert wanted and wanted[0] in copy.splitlines()
        # With every capability that root of the sandbox could ever have, its PID 1 stays out of reach.
        look = subprocess.run(["nsenter", "-t", str(pid), "-U", "-m", "-p", "cat", "/proc/1/environ"],
                              capture_output=True, text=True, check=False)
        assert look.returncode != 0 and "Permission denied" in look.stderr


def test_an_image_without_the_sandbox_files_is_refused(fresh, tmp_path, criu_binary):
    image, _, lower = dump_of(fresh(), tmp_path, criu_binary)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(criu.CriuError):
        with restored(image, tmp_path / "nothing", lower, SPARE_SLOTS[0], tmp_path / "copy", criu_binary):
            pass


def test_a_dump_of_no_process_names_the_reason(tmp_path, criu_binary):
    with pytest.raises(criu.CriuError, match="cannot open"):
        criu.dump(2**22 + 1, tmp_path / "image", criu=criu_binary)
