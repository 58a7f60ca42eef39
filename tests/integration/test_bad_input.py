"""Bad input and missing things: one clear sentence that names the thing and the remedy, an exit status of its own, nothing left behind."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

import warren

# src/base/error.c: 63 + the number of the code
INVALID, NOT_FOUND, EXISTS, DENIED, EXHAUSTED, PRECONDITION = 66, 68, 69, 70, 71, 72
NOBODY = 65534
ABSENT = "0" * 20

COMMANDS = {
    "unknown template": (["run", "-t", "no-such", "PROGRAM"], NOT_FOUND, ["no-such", "base", "template"]),
    "unknown template to create": (["create", "-t", "no-such"], NOT_FOUND, ["no-such", "template"]),
    "impossible template name": (["create", "-t", "../etc"], INVALID, ["template"]),
    "absent program": (["run", "/no/such/file.py"], NOT_FOUND, ["/no/such/file.py"]),
    "program that is a directory": (["run", "-l", "py", "/etc"], None, ["/etc"]),
    "unknown language": (["run", "/etc/passwd"], INVALID, ["/etc/passwd", "--lang"]),
    "language that does not exist": (["run", "-l", "cobol", "PROGRAM"], INVALID, ["cobol", "python"]),
    "memory below the limit": (["create", "--memory", "1K"], INVALID, ["--memory", "1K", "32"]),
    "memory above the limit": (["create", "--memory", "9999T"], INVALID, ["--memory", "9999T"]),
    "memory that is no size": (["create", "--memory", "lots"], INVALID, ["--memory", "lots", "512M"]),
    "negative memory": (["create", "--memory=-1M"], INVALID, ["--memory"]),
    "no CPU": (["create", "--cpu", "0"], INVALID, ["--cpu", "0.05"]),
    "too many processes": (["create", "--pids", "100000"], INVALID, ["--pids", "32768"]),
    "disk below the limit": (["create", "--disk", "1K"], INVALID, ["--disk", "8"]),
    "endless lifetime": (["create", "--timeout", "100000d"], INVALID, ["--timeout"]),
    "variable without a value": (["create", "-e", "NAME"], INVALID, ["NAME", "NAME=value"]),
    "absent sandbox to exec": (["exec", ABSENT, "true"], NOT_FOUND, [ABSENT]),
    "absent sandbox to kill": (["kill", ABSENT], NOT_FOUND, [ABSENT, "warren ps"]),
    "absent sandbox to log": (["logs", ABSENT], NOT_FOUND, [ABSENT]),
    "impossible id": (["exec", "../x", "true"], INVALID, ["../x", "warren ps"]),
    "absent source of a copy": (["cp", "/no/such", f"{ABSENT}:/x"], NOT_FOUND, ["/no/such"]),
    "unknown command": (["frobnicate"], INVALID, ["frobnicate", "warren help"]),
    "unknown option": (["create", "--frobnicate"], INVALID, ["--frobnicate", "--help"]),
    "option without its value": (["create", "--memory"], INVALID, ["--memory"]),
    "missing argument": (["exec"], INVALID, ["usage"]),
    "absent template to remove": (["template", "rm", "no-such"], NOT_FOUND, ["no-such"]),
    "templates where there is no directory": (["template", "ls", "--data-dir", "/no/such"], NOT_FOUND, ["/no/such", "make-base"]),
    "template to remove from nowhere": (["template", "rm", "x", "--data-dir", "/no/such"], NOT_FOUND, ["/no/such"]),
    "absent tree for a template": (["template", "make-base", "--quiet", "--name", "new", "--from", "/no/such"], NOT_FOUND, ["/no/such"]),
    "template from what is none": (["template", "make-base", "--quiet", "--name", "new", "--from", "/etc/passwd"], None, ["/etc/passwd"]),
    "relative socket": (["serve", "--socket", "here.sock"], INVALID, ["--socket", "absolute"]),
    "second server": (["serve", "--check"], EXISTS, ["another server", "--socket"]),
}


def one_sentence(result):
    """The error: exactly one line on standard error that starts with the program's name; nothing on standard output."""
    lines = [line for line in result.err.splitlines() if not line.startswith("time=")]
    assert len(lines) == 1 and lines[0].startswith("warren: "), result
    assert result.out == "", result
    return lines[0]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    path = tmp_path_factory.mktemp("program") / "hello.py"
    path.write_text("print('hello')\n")
    return path


@pytest.mark.parametrize("name", COMMANDS)
def test_command(server, program, name):
    arguments, status, words = COMMANDS[name]
    before = server.list()
    result = server.cli(*[str(program) if word == "PROGRAM" else word for word in arguments])
    sentence = one_sentence(result)
    assert INVALID - 2 <= result.code <= 79 and status in (None, result.code), result
    for word in words:
        assert word in sentence, f"{word!r} is not in {sentence!r}"
    assert server.list() == before


def test_good_command(server, program):
    """The nearest accepted input, so that the refusals above mean something."""
    result = server.cli("run", "-t", "base", "--memory", "64M", "--cpu", "0.5", "--pids", "64", "--disk", "64M", "-e", "A=b", str(program))
    assert result == (0, "hello\n", "")


def test_status_of_the_program_is_kept(server, tmp_path):
    script = tmp_path / "exit.sh"
    for text, status in (("exit 3", 3), ("exit 66", 66), ("kill -9 $$", 137), ("kill -TERM $$", 143)):
        script.write_text(text)
        assert server.cli("run", str(script)).code == status


def test_unreadable_file(server, tmp_path):
    """For whom root is nobody: a file of mode 000 is read through another user's rights only in tests, so a directory stands in."""
    target = tmp_path / "directory.py"
    target.mkdir()
    result = server.cli("run", str(target))
    assert str(target) in one_sentence(result) and result.code >= INVALID


def test_sandboxes_are_gone_after_failures(server, tmp_path):
    """A program that cannot start, one that is killed, one that times out: the sandbox of `run` is gone."""
    script = tmp_path / "x.sh"
    script.write_text("sleep 100")
    before = server.list()
    assert server.cli("run", "--timeout", "1s", str(script)).code == 124
    assert server.cli("run", "--user", "no-such-user", str(script)).code >= 63
    warren.wait_for(lambda: server.list() == before, what="no sandbox is left")


def test_no_space_in_the_sandbox(server, tmp_path):
    big = tmp_path / "big"
    with open(big, "wb") as file:
        file.write(os.urandom(24 << 20))
    script = tmp_path / "x.sh"
    script.write_text("true")
    before = server.list()
    result = server.cli("run", "--disk", "8M", "--file", f"{big}:/home/user/big", str(script))
    sentence = one_sentence(result)
    assert result.code == EXHAUSTED and re.search("space|disk|quota", sentence, re.I), result
    warren.wait_for(lambda: server.list() == before, what="no sandbox is left")


# ---- the HTTP interface ----

BODIES = {
    "no JSON": ("{", 400), "not an object": ("[]", 400), "no template": ("{}", 400), "unknown field": ('{"templateID":"base","frob":1}', 400),
    "wrong type": ('{"templateID":1}', 400), "unknown template": ('{"templateID":"no-such"}', 404), "path as template": ('{"templateID":"../x"}', 400),
    "zero timeout": ('{"templateID":"base","timeout":0}', 400), "negative timeout": ('{"templateID":"base","timeout":-1}', 400),
    "huge timeout": ('{"templateID":"base","timeout":99999999999}', 400), "bad limit": ('{"templateID":"base","limits":{"memoryBytes":1}}', 400),
    "unknown limit": ('{"templateID":"base","limits":{"frob":1}}', 400), "fractional pids": ('{"templateID":"base","limits":{"pids":1.5}}', 400),
    "NUL in a variable": ('{"templateID":"base","envVars":{"A":"x\\u0000y"}}', 400), "name of a variable": ('{"templateID":"base","envVars":{"A=B":"x"}}', 400),
    "number as variable": ('{"templateID":"base","envVars":{"A":1}}', 400), "doubled key": ('{"templateID":"base","templateID":"base"}', 400),
    "deep nesting": ('{"templateID":"base","metadata":' + "[" * 5000 + "]" * 5000 + "}", 400),
}


@pytest.mark.parametrize("name", BODIES)
def test_create_body(server, name):
    body, status = BODIES[name]
    before = server.list()
    answer, value = server.raw("POST", "/sandboxes", body)
    assert answer == status and value["message"] and value["code"] == status, value
    assert server.list() == before


def test_huge_body(server):
    connection = warren.UnixConnection(server.socket)
    try:
        connection.request("POST", "/sandboxes", '{"templateID":"base","metadata":{"a":"' + "x" * (4 << 20) + '"}}')
    except BrokenPipeError:
        pass  # it need not read what it refuses
    assert connection.getresponse().status in (400, 413)
    connection.close()
    assert server.healthy()


@pytest.mark.parametrize("path", ["/sandboxes/x", f"/sandboxes/{ABSENT}", "/sandboxes/..%2f..%2fetc", "/sandboxes/" + "a" * 5000, "/nothing"])
def test_paths(server, path):
    status, _ = server.raw("GET", path)
    assert status in (400, 404, 414)


# ---- what the host lacks ----


@pytest.fixture
def bare():
    """A server that is not started, with a data directory of its own."""
    with tempfile.TemporaryDirectory(prefix="warren-bare-", dir="/var/tmp") as data:
        made = warren.Server(data, arguments=["--volume-size", "512M"])
        yield made
        warren.wait_for(lambda: not made.host.loop_devices(), what="no loop device is left")
        left = {"mounts": made.host.mounts(), "groups": made.host.cgroups(), "engines": made.host.engine_pids()}
        assert not any(left.values()), left
        made.own_run_dir.cleanup()


def refused(server, status, *words, **options):
    """Starts the server, which has to give up by itself -> its sentence."""
    done = subprocess.run(server.command("--idle-timeout", "1s"), stdin=subprocess.DEVNULL, capture_output=True, timeout=60, text=True, **options)
    sentence = one_sentence(warren.Result(done.returncode, done.stdout, done.stderr))
    assert done.returncode == status, sentence
    for word in words:
        assert word in sentence, f"{word!r} is not in {sentence!r}"
    assert not os.path.exists(server.socket) or server.healthy()


def in_mount_namespace(command):
    """A wrapper that changes what is mounted for the server only."""
    return ["unshare", "-m", "--propagation", "private", "sh", "-ec", f'{command}; exec "$@"', "sh"]


def test_start_with_everything(bare):
    """The same server without anything missing works; the refusals below mean something."""
    done = subprocess.run(bare.command("--idle-timeout", "200ms"), stdin=subprocess.DEVNULL, capture_output=True, timeout=60, text=True)
    assert done.returncode == 0, done


def test_without_root(bare):
    program = pathlib.Path(bare.data, "warren")
    shutil.copy(warren.binary(), program)
    program.chmod(0o755)
    os.chmod(bare.data, 0o755)
    command = [str(program), *bare.command()[1:]]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, text=True, user=NOBODY, group=NOBODY, extra_groups=[])
    sentence = one_sentence(warren.Result(done.returncode, done.stdout, done.stderr))
    assert done.returncode == DENIED and "root" in sentence and "sudo" in sentence


def test_without_root_towards_a_server(server):
    """A client that may not use the socket is told so."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        os.chmod(directory, 0o755)
        program = shutil.copy(warren.binary(), directory)
        done = subprocess.run([program, "ps", "--socket", server.socket], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, text=True,
                              user=NOBODY, group=NOBODY, extra_groups=[])
    sentence = one_sentence(warren.Result(done.returncode, done.stdout, done.stderr))
    assert done.returncode == DENIED and server.socket in sentence and "root" in sentence


def test_without_cgroups(bare):
    bare.wrapper = in_mount_namespace("umount -R /sys/fs/cgroup")
    refused(bare, PRECONDITION, "cgroup")


def test_without_proc(bare):
    bare.wrapper = in_mount_namespace("umount -l /proc")
    refused(bare, PRECONDITION)


def test_without_rights_in_a_container(bare):
    """Uid 0 of a user namespace: no real root."""
    bare.wrapper = ["unshare", "-Ur"]
    done = subprocess.run(bare.command(), stdin=subprocess.DEVNULL, capture_output=True, timeout=60, text=True)
    one_sentence(warren.Result(done.returncode, done.stdout, done.stderr))
    assert done.returncode in (DENIED, PRECONDITION), done


def test_full_disk(bare):
    bare.wrapper = in_mount_namespace(f"mount -t tmpfs -o size=1m none {bare.data}")
    done = subprocess.run(bare.command(), stdin=subprocess.DEVNULL, capture_output=True, timeout=60, text=True)
    sentence = one_sentence(warren.Result(done.returncode, done.stdout, done.stderr))
    assert done.returncode in (EXHAUSTED, PRECONDITION), sentence


def test_volume_without_quotas(bare):
    """A file system that cannot limit directories is refused, and not left mounted."""
    bare.arguments = ["--volume-path", "/proc"]
    refused(bare, PRECONDITION, "/proc", "btrfs")


def test_socket_directory_of_others(bare):
    os.chmod(bare.run_dir, 0o777)
    refused(bare, PRECONDITION, bare.run_dir, "chmod")


def test_data_directory_that_is_a_file(bare):
    bare.data = "/etc/passwd"
    done = subprocess.run(bare.command(), stdin=subprocess.DEVNULL, capture_output=True, timeout=60, text=True)
    assert "/etc/passwd" in one_sentence(warren.Result(done.returncode, done.stdout, done.stderr)) and done.returncode >= 63
    bare.data = str(bare.host.data)


def test_data_directory_in_use(server):
    other = warren.Server(server.data)
    refused(other, PRECONDITION, server.data, "--data-dir")
    other.own_run_dir.cleanup()


# ---- templates ----


def test_template_without_a_shell(server, tmp_path):
    """Refused when it is made, because nothing could be run in it."""
    root = tmp_path / "root"
    for name in ("bin", "etc"):
        (root / name).mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n")
    before = server.cli("template", "ls").out, sorted(os.listdir(pathlib.Path(server.data) / "layers"))
    result = server.cli("template", "make-base", "--quiet", "--name", "no-shell", "--from", str(root))
    sentence = one_sentence(result)
    assert result.code == PRECONDITION and "/bin/sh" in sentence and str(root) in sentence
    assert (server.cli("template", "ls").out, sorted(os.listdir(pathlib.Path(server.data) / "layers"))) == before


def test_sandbox_that_lost_its_shell(server):
    """Programs still run; those that need the shell say what is missing, with the statuses that shells use."""
    with server.sandbox() as made:
        made.check("mv /usr/bin/bash /usr/bin/sh /usr/bin/dash /root", "root")
        assert server.cli("exec", made.id, "/usr/bin/id", "-u") == (0, "1000\n", "")
        result = server.cli("exec", made.id, "/bin/bash", "-c", "true")
        assert result.code == 127 and "/bin/bash: command not found" in result.err
        assert made.run("true").code == 127


def test_damaged_manifest(server):
    path = pathlib.Path(server.data) / "templates" / f"damaged-{os.getpid()}.json"
    path.write_text('{"format": 1, "name": ')
    try:
        result = server.cli("create", "-t", path.stem)
        assert path.stem in one_sentence(result) and result.code >= 63
    finally:
        path.unlink()


def test_missing_layer(server):
    name = f"hollow-{os.getpid()}"
    path = pathlib.Path(server.data) / "templates" / f"{name}.json"
    good = (pathlib.Path(server.data) / "templates" / "base.json").read_text()
    path.write_text(re.sub(r"[0-9a-f]{64}", "0" * 64, good).replace('"base"', f'"{name}"'))
    try:
        result = server.cli("create", "-t", name)
        assert name in one_sentence(result) and result.code >= 63
    finally:
        path.unlink()
    assert server.cli("create", "-t", name).code == NOT_FOUND
