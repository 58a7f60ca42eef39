"""Pausing, snapshots and forks from the command line: what people see, and that nothing is lost on the way."""

import contextlib
import json
import os
import pty
import re
import select
import subprocess

import pytest
import warren

TOOK = r"(\d+ ms|\d+\.\d s)"
NOWHERE = "i" * 20  # no sandbox has this id


def cell(server, sandbox, code):
    """In the default interpreter of the sandbox, whose variables the next cell finds."""
    done = subprocess.run([warren.binary(), "repl", sandbox], env=server.environment(), input=code, capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done
    return done.stdout


def good(server, *arguments):
    done = server.cli(*arguments, timeout=120)
    assert done.code == 0, done
    return done.out


def row(server, sandbox):
    """Its line of `warren ps`, by column."""
    lines = good(server, "ps").splitlines()
    columns = lines[0].split()
    found = [re.split(r"\s{2,}", line) for line in lines[1:] if line.startswith(sandbox)]
    assert len(found) == 1, lines
    return dict(zip(columns, found[0]))


# ---- pause, resume, ps ----


def test_a_pause_says_its_level_and_variables_survive(server, fresh):
    sandbox = fresh()
    cell(server, sandbox.id, "x = 20\n")
    assert re.fullmatch(rf"{sandbox.id}  hibernated  {TOOK}\n", good(server, "pause", sandbox.id))
    seen = row(server, sandbox.id)
    assert (seen["STATE"], seen["LEVEL"], seen["LEFT"]) == ("paused", "hibernated", "-")
    assert re.fullmatch(r"\d+ s", seen["SINCE"])
    assert re.fullmatch(rf"{sandbox.id}  running  {TOOK}\n", good(server, "resume", sandbox.id, "--timeout", "10m"))
    seen = row(server, sandbox.id)
    assert seen["STATE"] == "running" and seen["LEFT"] in ("9 min", "10 min")
    assert cell(server, sandbox.id, "x + 1\n") == "21\n"


@pytest.mark.parametrize("level", ["frozen", "hibernated"])
def test_levels(server, fresh, level):
    sandbox = fresh()
    (told,) = json.loads(good(server, "pause", "--level", level, "--json", sandbox.id))
    assert (told["sandboxID"], told["level"]) == (sandbox.id, level) and told["durationMs"] > 0 and "reason" not in told
    assert row(server, sandbox.id)["LEVEL"] == level
    (told,) = json.loads(good(server, "resume", "--json", sandbox.id))
    assert (told["sandboxID"], told["state"]) == (sandbox.id, "running")
    sandbox.check("true")


def test_one_that_is_paused_is_told_as_it_is_and_goes_deeper_on_request(server, fresh):
    sandbox = fresh()
    good(server, "pause", "--level", "frozen", sandbox.id)
    assert " hibernated " in good(server, "pause", sandbox.id)
    for level in ("frozen", "hibernated"):
        assert " hibernated " in good(server, "pause", "--level", level, sandbox.id)


def test_files_only(server, fresh):
    sandbox = fresh()
    sandbox.check("echo kept > ~/file; (sleep 1000 >/dev/null 2>&1 &)")
    boot = sandbox.check("cat /proc/sys/kernel/random/boot_id")
    good(server, "pause", "--files-only", sandbox.id)
    good(server, "resume", sandbox.id)
    assert sandbox.check("cat ~/file; pgrep -c sleep || true") == "kept\n0\n"
    assert sandbox.check("cat /proc/sys/kernel/random/boot_id") != boot
    refused = server.cli("pause", "--files-only", "--level", "frozen", sandbox.id)
    assert refused.code == 66 and "leave --level out" in refused.err


def test_several_of_which_one_is_not_there(server, fresh):
    one, two = fresh(), fresh()
    done = server.cli("pause", one.id, NOWHERE, two.id, timeout=120)
    assert done.code == 1
    assert [line.split()[0] for line in done.out.splitlines()] == [one.id, two.id]
    assert done.err == f"warren: there is no sandbox {NOWHERE}; `warren ps` lists those that there are\n"
    assert len(good(server, "resume", one.id, two.id).splitlines()) == 2


@pytest.mark.parametrize("command", [("pause",), ("resume",), ("fork",), ("rollback", "somewhere:default"), ("snapshot", "create"),
                                     ("snapshot", "tree"), ("exec", "true")])
def test_what_is_not_there_is_named(server, command):
    arguments = {"rollback": ("rollback", NOWHERE, *command[1:]), "exec": ("exec", NOWHERE, *command[1:])}
    done = server.cli(*arguments.get(command[0], (*command, NOWHERE)))
    assert done.code == 68, done
    assert NOWHERE in done.err and done.out == ""


@pytest.mark.parametrize("arguments, said", [
    (("pause",), "an argument is missing"), (("pause", "../x"), "is not a sandbox id"), (("pause", "--level", "deep", NOWHERE), "level"),
    (("resume",), "an argument is missing"), (("fork", NOWHERE, "-n", "101"), "100"), (("fork", NOWHERE, "-n", "0"), "1"),
    (("rollback", NOWHERE), "an argument is missing"), (("rollback", NOWHERE, "a b"), "is not the id or the name of a snapshot"),
    (("snapshot", "make"), "not one of"), (("snapshot", "create"), "too few"), (("snapshot", "rm", "a?b"), "is not the id"),
    (("snapshot", "create"), "usage: warren snapshot create ID"), (("snapshot", "create", NOWHERE, NOWHERE), "too many"),
    (("snapshot", "create", NOWHERE, "--sandbox", NOWHERE), "--sandbox is for another action"),
    (("snapshot", "tree", NOWHERE, "--name", "x"), "usage: warren snapshot tree ID"), (("snapshot", "ls", "--files-only"), "--files-only"),
    (("snapshot", "list", "--sandbox", "abc"), '"abc" is not a sandbox id'), (("resume", ""), '"" is not a sandbox id'),
    (("hibernate",), "--all"), (("hibernate", NOWHERE), "`warren pause ID`"), (("hibernate", "--all", NOWHERE), "no id"), (("kill", "--paused", NOWHERE), "--all"),
])
def test_wrong_arguments(server, arguments, said):
    done = server.cli(*arguments)
    assert done.code == 66 and said in done.err, done


def test_a_rollback_says_what_is_missing(server, fresh):
    sandbox = fresh()
    for snapshot in ("nothing", "nothing:v1", NOWHERE):
        done = server.cli("rollback", sandbox.id, snapshot)
        assert (done.code, done.out) == (68, "")
        assert done.err == (f"warren: there is no snapshot {snapshot}; `warren snapshot list --sandbox {sandbox.id}` lists those of "
                            "the sandbox\n")
    done = server.cli("rollback", NOWHERE, "nothing")
    assert done.err == f"warren: there is no sandbox {NOWHERE}; `warren ps` lists those that there are\n"


SLOW = {"pause": ("before-dump", ["pause", "{id}"], "pausing {id}"),
        "fork": ("before-dump", ["fork", "{id}"], "forking {id}"),
        "snapshot": ("before-dump", ["snapshot", "create", "{id}"], "making a snapshot of {id}"),
        "rollback": ("before-restore", ["rollback", "{id}", "{snapshot}"], "rolling back {id}"),
        "resume": ("before-restore", ["resume", "{id}"], "resuming {id}"),
        "hibernate": ("before-dump", ["hibernate", "--all"], "hibernating: 0 of 1")}


@pytest.mark.parametrize("what", SLOW)
def test_what_takes_long_shows_that_on_a_terminal_only(own, made, gate, what):
    """The line is gone at the end; whoever reads a pipe sees the outcome and nothing else."""
    where, arguments, said = SLOW[what]
    sandbox = made()
    names = {"id": sandbox.id, "snapshot": sandbox.snapshot()}
    command = [warren.binary(), *(one.format(**names) for one in arguments)]
    if what == "resume":
        sandbox.pause()
    gate.hold(where)
    leader, terminal = pty.openpty()
    seen = b""
    with subprocess.Popen(command, env=own.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=terminal) as process:
        os.close(terminal)
        gate.reached()
        while said.format(**names) not in seen.decode():
            assert select.select([leader], [], [], 30)[0], seen
            seen += os.read(leader, 4096)
        gate.let_go()
        out = process.stdout.read()
        with contextlib.suppress(OSError):  # EIO: nobody has the terminal open any more
            while piece := os.read(leader, 4096):
                seen += piece
    os.close(leader)
    assert process.returncode == 0 and out and seen.endswith(b"\r\x1b[K"), (out, seen)
    assert b"\x1b" not in out and said.format(**names).encode() not in out


# ---- commands that go into a sandbox ----


def test_exec_cp_and_repl_resume_it_first(server, fresh, tmp_path):
    sandbox = fresh()
    cell(server, sandbox.id, "y = 6\n")
    good(server, "pause", sandbox.id)
    done = server.cli("exec", sandbox.id, "--", "echo", "here", timeout=120)
    assert (done.code, done.out) == (0, "here\n")
    assert done.err == f"warren: sandbox {sandbox.id} was paused, and goes on\n"
    (tmp_path / "file").write_text("content")
    good(server, "pause", sandbox.id)
    good(server, "cp", str(tmp_path / "file"), f"{sandbox.id}:file")
    good(server, "pause", sandbox.id)
    assert cell(server, sandbox.id, "print(y * 7, open('file').read())\n") == "42 content\n"


def test_a_program_of_run_is_not_lost_by_a_pause(server, tmp_path):
    program = tmp_path / "program.py"
    program.write_text("import pathlib, time\nlist(map(print, ['begun']))\npathlib.Path('begun').touch()\nx = [3, 4]\n"
                       "while not pathlib.Path('go').exists(): time.sleep(0.05)\npathlib.Path('sum').write_text(str(sum(x)))\n")
    before = {entry["sandboxID"] for entry in server.all()}
    running = subprocess.Popen([warren.binary(), "run", str(program)], env=server.environment(), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        (made,) = warren.wait_for(lambda: {entry["sandboxID"] for entry in server.all()} - before, 30, "a sandbox")
        sandbox = warren.Sandbox(server, {"sandboxID": made})
        warren.wait_for(lambda: sandbox.run("test -e begun").code == 0, 30, "the program runs")
        good(server, "pause", made)
        _, told = running.communicate(timeout=60)
        assert running.returncode == 72 and f"sandbox {made} was paused meanwhile" in told
        good(server, "resume", made)
        sandbox.check("touch go")
        warren.wait_for(lambda: sandbox.run("cat sum").out == "7", 30, "the program goes on")
    finally:
        running.kill()
        running.wait()
        for entry in server.all():
            if entry["sandboxID"] not in before:
                server.request("DELETE", f"/sandboxes/{entry['sandboxID']}", expect=(204, 404))


# ---- snapshots, forks ----


@pytest.fixture
def snapshots(server):
    """Removes those that the test has made."""
    before = {entry["snapshotID"] for entry in server.snapshots()}
    yield
    for entry in server.snapshots():
        if entry["snapshotID"] not in before:
            server.remove_snapshot(entry["snapshotID"])


def test_snapshots_make_sandboxes_and_bring_one_back(server, fresh, snapshots):
    sandbox = fresh()
    cell(server, sandbox.id, "x = 1\n")
    named = good(server, "snapshot", "create", sandbox.id, "--name", "before:v1").strip()
    assert named.endswith("before:v1")
    cell(server, sandbox.id, "x = 2\n")
    second = good(server, "snapshot", "create", sandbox.id).strip()

    header, *lines = good(server, "snapshot", "list", "--sandbox", sandbox.id).splitlines()
    assert header.split() == ["SNAPSHOT", "SANDBOX", "TEMPLATE", "KIND", "SIZE", "AGE"]
    assert {line.split()[0] for line in lines} == {named, second}
    assert all(line.split()[1:4] == [sandbox.id, "base", "memory"] for line in lines)
    assert [one["snapshotID"] for one in json.loads(good(server, "snapshot", "list", "--name", "before", "--json"))] == [named]

    made = good(server, "create", "--template", named).strip()
    try:
        assert cell(server, made, "x\n") == "1\n"
        tree = good(server, "snapshot", "tree", sandbox.id).splitlines()
        # What goes on from a snapshot stands below it, and so does the sandbox that it was made of.
        assert re.fullmatch(rf"snapshot {named}  \S+  \S+", tree[0])
        assert any(re.fullmatch(rf"[|`]- sandbox {made}  running  \S+", line) for line in tree), tree
        assert any(re.fullmatch(rf"[| ]  `- sandbox {sandbox.id}  running  \S+  \*", line) for line in tree), tree
        nodes = json.loads(good(server, "snapshot", "tree", named, "--json"))["nodes"]
        assert {node["id"] for node in nodes} >= {sandbox.id, named, second, made}
    finally:
        good(server, "kill", made)

    assert good(server, "rollback", sandbox.id, named).startswith(f"{sandbox.id}  {named}  ")
    assert cell(server, sandbox.id, "x\n") == "1\n"
    good(server, "rollback", sandbox.id, second)
    assert cell(server, sandbox.id, "x\n") == "2\n"


def test_snapshots_are_removed_one_by_one(server, fresh, snapshots):
    sandbox = fresh()
    made = [good(server, "snapshot", "create", "--files-only", sandbox.id).strip() for _ in range(2)]
    assert {line.split()[3] for line in good(server, "snapshot", "ls", "--sandbox", sandbox.id).splitlines()[1:]} == {"files"}
    done = server.cli("snapshot", "rm", made[0], "nothing:default", made[1])
    assert (done.code, done.out.split()) == (1, made)
    assert "there is no snapshot nothing:default" in done.err
    assert json.loads(good(server, "snapshot", "list", "--sandbox", sandbox.id, "--json")) == []


def test_forks_go_on_from_where_it_is(server, fresh):
    sandbox = fresh()
    cell(server, sandbox.id, "import random\nx = 5\nrandom.random()\n")
    forks = good(server, "fork", sandbox.id, "-n", "3", "--timeout", "5m").split()
    try:
        assert len(set(forks) | {sandbox.id}) == 4
        assert [cell(server, one, "x\n") for one in (*forks, sandbox.id)] == ["5\n"] * 4
        assert len({cell(server, one, "random.random()\n") for one in (*forks, sandbox.id)}) == 4
    finally:
        good(server, "kill", *forks)


# ---- everything at once ----


def test_all_are_hibernated(server, fresh):
    ran, frozen, hibernated = fresh(timeout=1000), fresh(), fresh()
    cell(server, ran.id, "z = 8\n")
    good(server, "pause", "--level", "frozen", frozen.id)
    good(server, "pause", hibernated.id)
    assert good(server, "hibernate", "--all") == "2 hibernated\n"
    assert {entry["pause"]["level"] for entry in server.all("paused")} == {"hibernated"} and server.list() == []
    assert json.loads(good(server, "hibernate", "--all", "--json")) == {"done": 0, "failed": 0, "failures": []}

    # Whoever has paused a sandbox wants it back.
    assert good(server, "kill", "--all") == ""
    good(server, "resume", ran.id)
    assert cell(server, ran.id, "z\n") == "8\n"
    assert good(server, "kill", "--all").split() == [ran.id]
    assert set(good(server, "kill", "--all", "--paused").split()) == {frozen.id, hibernated.id}


TRACED = """
import ctypes, os, signal, time
child = os.fork()
if child == 0:
    ctypes.CDLL(None).ptrace(0, 0, 0, 0)  # PTRACE_TRACEME
    os.kill(os.getpid(), signal.SIGSTOP)
os.waitpid(child, 0)
print("traced", flush=True)
time.sleep(1000)
"""


def test_one_that_cannot_be_hibernated_is_named(server, fresh):
    traced, other = fresh(), fresh()
    events = traced.start(["python3", "-c", TRACED]).events()
    assert next(data for kind, data in events if kind == "out") == b"traced\n"
    for hibernated in (1, 0):
        done = server.cli("hibernate", "--all", timeout=120)
        assert (done.code, done.out) == (1, f"{hibernated} hibernated\n"), done
        assert re.fullmatch(rf"warren: sandbox {traced.id} was not hibernated: .*trace.*\n", done.err)
    assert (row(server, traced.id)["LEVEL"], row(server, other.id)["LEVEL"]) == ("frozen", "hibernated")
    done = server.cli("hibernate", "--all", "--json")
    told = json.loads(done.out)
    assert done.code == 1 and [one["sandboxID"] for one in told["failures"]] == [traced.id] and "trace" in told["failures"][0]["reason"]
    good(server, "resume", traced.id)


def test_the_unit_names_what_there_is():
    text = (warren.REPOSITORY / "deploy/systemd/warren-hibernate.service").read_text()
    (command,) = re.findall(r"^Exec\w+=-?/usr/local/bin/warren (.*)$", text, re.M)
    done = subprocess.run([warren.binary(), *command.split(), "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "\nExecStop=/usr/local/bin/warren" in text
    # So it stops before the server does and the network goes.
    assert "\nAfter=warren.service network.target\n" in text and "\nRemainAfterExit=yes\n" in text
