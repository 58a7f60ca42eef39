"""Pause, resume, auto-pause, auto-resume, snapshots and forks through the official SDKs."""

import time
import uuid

import e2b
import pytest

from test_sandboxes import all_pages, lifetime, mark

BOOT_ID = "/proc/sys/kernel/random/boot_id"
# Counts in its memory alone: what it writes is only how far it is.
COUNTER = """exec python3 -u -c '
import os, time
count = 0
while True:
    count += 1
    open("/tmp/count.new", "w").write(str(count))
    os.rename("/tmp/count.new", "/tmp/count")
    time.sleep(0.02)
'"""


def state_of(sandbox):
    return sandbox.get_info().state


def count_of(sandbox):
    return int(sandbox.commands.run("cat /tmp/count").stdout or 0)


def counting(sandbox, until):
    """Starts a program that counts -> its pid."""
    handle = sandbox.commands.run(COUNTER, background=True, timeout=0)
    until(lambda: sandbox.commands.run("cat /tmp/count 2>/dev/null || true").stdout, "the program counts")
    return handle.pid


def paused(sandbox):
    assert sandbox.pause() is True
    return sandbox


# ---- pause and resume ----

def test_programs_go_on_where_they_were(make, until):
    sandbox = make(timeout=120)
    pid = counting(sandbox, until)
    sandbox.files.write("/home/user/note", "kept")
    paused(sandbox)
    assert sandbox.is_running() is False
    assert state_of(sandbox) == e2b.SandboxState.PAUSED
    sandbox.connect(timeout=120)
    assert sandbox.is_running() and state_of(sandbox) == e2b.SandboxState.RUNNING
    before = count_of(sandbox)
    assert before > 0
    until(lambda: count_of(sandbox) > before, "it counts on")
    assert pid in [one.pid for one in sandbox.commands.list()]
    assert sandbox.files.read("/home/user/note") == "kept"


def test_pause_twice_says_so(make, sdk):
    sandbox = paused(make(timeout=120))
    assert sandbox.pause() is False
    assert sdk.Sandbox.pause(sandbox.sandbox_id) is False


def test_pause_of_nothing(sdk):
    with pytest.raises(e2b.SandboxNotFoundException):
        sdk.Sandbox.pause("nonexistingsandbox00")


def test_pause_by_id_and_connect_by_id(make, sdk):
    sandbox = make(timeout=120, metadata={"owner": "me"}, envs={"COLOUR": "green"})
    assert sdk.Sandbox.pause(sandbox.sandbox_id) is True
    again = sdk.Sandbox.connect(sandbox.sandbox_id, timeout=90)
    assert again.commands.run("echo $COLOUR").stdout == "green\n"
    info = again.get_info()
    assert info.metadata == {"owner": "me"}
    assert lifetime(info) >= 80


def test_a_handle_from_before_works_after(make):
    """The token and the addresses stay."""
    sandbox = paused(make(timeout=120))
    sandbox.connect(timeout=120)
    assert sandbox.commands.run("echo hi").stdout == "hi\n"


def test_the_boot_is_the_same_with_memory_and_another_without(make):
    sandbox = make(timeout=120)
    first = sandbox.files.read(BOOT_ID)
    paused(sandbox).connect(timeout=120)
    assert sandbox.files.read(BOOT_ID) == first
    sandbox.files.write("/home/user/note", "kept")
    assert sandbox.pause(keep_memory=False) is True
    sandbox.connect(timeout=120)
    assert sandbox.files.read(BOOT_ID) != first
    assert sandbox.files.read("/home/user/note") == "kept"
    assert sandbox.commands.run("whoami; pwd").stdout == "user\n/home/user\n"


def test_without_memory_no_program_lives_on(make, until):
    sandbox = make(timeout=120, envs={"COLOUR": "green"})
    counting(sandbox, until)
    assert sandbox.pause(keep_memory=False) is True
    sandbox.connect(timeout=120)
    assert sandbox.commands.list() == []
    before = count_of(sandbox)
    time.sleep(0.2)
    assert count_of(sandbox) == before
    assert sandbox.commands.run("echo $COLOUR").stdout == "green\n"


def test_three_rounds(make, until):
    sandbox = make(timeout=120)
    pid = counting(sandbox, until)
    last = 0
    for _ in range(3):
        paused(sandbox).connect(timeout=120)
        until(lambda: count_of(sandbox) > last, "it counts on")
        last = count_of(sandbox)
    assert pid in [one.pid for one in sandbox.commands.list()]


def test_a_server_inside_answers_after_it(make, until):
    sandbox = make(timeout=120)
    sandbox.commands.run("echo hello > index.html; exec python3 -m http.server 8000", background=True, timeout=0)
    read = "curl -sf http://localhost:8000/index.html"
    until(lambda: sandbox.commands.run(f"{read} || true").stdout == "hello\n", "it answers")
    paused(sandbox).connect(timeout=120)
    assert sandbox.commands.run(read).stdout == "hello\n"


def test_variables_of_the_interpreter(fresh):
    sandbox = fresh(timeout=120)
    sandbox.run_code("import numpy\nx = list(range(1000)); a = numpy.arange(10.0)")
    other = sandbox.create_code_context()
    sandbox.run_code("y = 'in another context'", context=other)
    paused(sandbox).connect(timeout=120)
    assert sandbox.run_code("len(x), float(a.sum())").text == "(1000, 45.0)"
    assert sandbox.run_code("y", context=other).text == "in another context"


def test_paused_ones_are_listed_as_such(make, sdk):
    label = mark()
    running, sleeping = make(timeout=120, metadata=label), paused(make(timeout=120, metadata=label))

    def ids(*states):
        return {one.sandbox_id for one in all_pages(sdk.Sandbox.list(e2b.SandboxQuery(metadata=label, state=list(states))))}

    assert ids(e2b.SandboxState.RUNNING) == {running.sandbox_id}
    assert ids(e2b.SandboxState.PAUSED) == {sleeping.sandbox_id}
    assert ids(e2b.SandboxState.RUNNING, e2b.SandboxState.PAUSED) == {running.sandbox_id, sleeping.sandbox_id}


def test_kill_of_a_paused_one(make, sdk):
    sandbox = paused(make(timeout=120))
    assert sandbox.kill() is True
    assert sandbox.kill() is False
    with pytest.raises(e2b.SandboxNotFoundException):
        sdk.Sandbox.connect(sandbox.sandbox_id)


def test_time_does_not_pass_while_paused(make):
    sandbox = paused(make(timeout=4))
    time.sleep(4.5)
    assert state_of(sandbox) == e2b.SandboxState.PAUSED
    assert sandbox.connect(timeout=60).is_running()


# ---- at the deadline, and on traffic ----

def test_pause_at_the_timeout(make, until):
    sandbox = make(timeout=120, lifecycle={"on_timeout": "pause"})
    assert sandbox.get_info().lifecycle == {"on_timeout": "pause", "auto_resume": False}
    sandbox.files.write("note", "kept")
    sandbox.set_timeout(1)
    until(lambda: state_of(sandbox) == e2b.SandboxState.PAUSED, "it is paused")
    assert sandbox.is_running() is False
    assert sandbox.connect(timeout=60).files.read("note") == "kept"


def test_pause_at_the_timeout_without_memory(make, until):
    sandbox = make(timeout=120, lifecycle={"on_timeout": {"action": "pause", "keep_memory": False}})
    first = sandbox.files.read(BOOT_ID)
    sandbox.set_timeout(1)
    until(lambda: state_of(sandbox) == e2b.SandboxState.PAUSED, "it is paused")
    assert sandbox.connect(timeout=60).files.read(BOOT_ID) != first


def test_requests_wake_it(make, until):
    sandbox = make(timeout=120, lifecycle={"on_timeout": "pause", "auto_resume": True})
    sandbox.files.write("note", "kept")
    sandbox.set_timeout(1)
    until(lambda: state_of(sandbox) == e2b.SandboxState.PAUSED, "it is paused")
    assert sandbox.files.read("note") == "kept"
    info = sandbox.get_info()
    assert info.state == e2b.SandboxState.RUNNING
    assert lifetime(info) == pytest.approx(300, abs=20)


def test_requests_do_not_wake_others(make):
    sandbox = paused(make(timeout=120))
    with pytest.raises(e2b.TimeoutException):
        sandbox.commands.run("true")
    assert state_of(sandbox) == e2b.SandboxState.PAUSED


# ---- snapshots ----

def removed(sdk, snapshot_id):
    assert sdk.Sandbox.delete_snapshot(snapshot_id) is True
    assert sdk.Sandbox.delete_snapshot(snapshot_id) is False


def test_snapshot_and_sandboxes_from_it(make, sdk, until):
    sandbox = make(timeout=120)
    counting(sandbox, until)
    sandbox.files.write("/home/user/note", "before")
    snapshot = sandbox.create_snapshot()
    assert snapshot.snapshot_id.endswith(":default") and snapshot.names == []
    sandbox.files.write("/home/user/note", "after")
    assert sandbox.is_running()
    for _ in range(2):
        copy = make(snapshot.snapshot_id, timeout=120)
        assert copy.sandbox_id != sandbox.sandbox_id
        assert copy.files.read("/home/user/note") == "before"
        before = count_of(copy)
        until(lambda: count_of(copy) > before, "the copy counts on")
        assert copy.commands.run("echo $E2B_SANDBOX_ID; hostname").stdout.split() == [copy.sandbox_id] * 2
        assert copy.get_info().template_id == snapshot.snapshot_id.split(":")[0]
    assert sandbox.files.read("/home/user/note") == "after"
    removed(sdk, snapshot.snapshot_id)
    with pytest.raises(e2b.SandboxException, match="404"):
        sdk.Sandbox.create(snapshot.snapshot_id)


def test_named_snapshots(make, sdk):
    sandbox = make(timeout=120)
    name = f"snap-{uuid.uuid4().hex[:12]}"
    sandbox.files.write("note", "one")
    first = sandbox.create_snapshot(name=name)
    assert first.snapshot_id.endswith(f"/{name}:default") and first.names == [first.snapshot_id.split(":")[0]]
    sandbox.files.write("note", "two")
    second = sandbox.create_snapshot(name=name)
    assert second.snapshot_id == first.snapshot_id
    tagged = sandbox.create_snapshot(name=f"{name}:v2")
    assert tagged.snapshot_id.endswith(f"/{name}:v2")
    assert make(name, timeout=60).files.read("note") == "two"
    assert make(f"{name}:v2", timeout=60).files.read("note") == "two"
    listed = {one.snapshot_id for one in all_pages(sandbox.list_snapshots())}
    assert tagged.snapshot_id in listed or second.snapshot_id in listed
    assert sdk.Sandbox.delete_snapshot(second.snapshot_id) is True
    with pytest.raises(e2b.SandboxException, match="400"):
        sandbox.create_snapshot(name="No Such: Name!")


def test_snapshots_are_listed_page_by_page(make, sdk):
    sandbox = make(timeout=120)
    made = [sandbox.create_snapshot().snapshot_id for _ in range(3)]
    pages = sandbox.list_snapshots(limit=2)
    found = []
    while pages.has_next:
        page = pages.next_items()
        assert len(page) <= 2
        found += [one.snapshot_id for one in page]
    assert sorted(found) == sorted(made)
    for one in made:
        removed(sdk, one)


def test_a_snapshot_outlives_its_sandbox(make, sdk):
    sandbox = make(timeout=120)
    sandbox.files.write("note", "kept")
    snapshot = sandbox.create_snapshot()
    sandbox.kill()
    assert make(snapshot.snapshot_id, timeout=60).files.read("note") == "kept"
    removed(sdk, snapshot.snapshot_id)


def test_snapshot_of_nothing(sdk):
    with pytest.raises(e2b.SandboxNotFoundException):
        sdk.Sandbox.create_snapshot("nonexistingsandbox00")


# ---- forks ----

def test_forks_go_their_own_ways(make, sdk, until):
    sandbox = make(timeout=120, metadata={"owner": "me"})
    counting(sandbox, until)
    sandbox.files.write("note", "common")
    forks = sandbox.fork(count=2, timeout=120)
    try:
        assert len({sandbox.sandbox_id, *[one.sandbox_id for one in forks]}) == 3
        for number, one in enumerate(forks):
            assert one.files.read("note") == "common"
            one.files.write("note", f"fork {number}")
            before = count_of(one)
            until(lambda: count_of(one) > before, "the fork counts on")
        assert [one.files.read("note") for one in forks] == ["fork 0", "fork 1"]
        assert sandbox.files.read("note") == "common"
        assert forks[0].get_info().metadata == {"owner": "me"}
    finally:
        for one in forks:
            sdk.Sandbox.kill(one.sandbox_id)


def test_forks_do_not_share_randomness(fresh, interpreter):
    sandbox = fresh(timeout=120)
    sandbox.run_code("import random, numpy, uuid, ssl, os; random.seed(1); numpy.random.seed(1)")
    draw = "(random.random(), numpy.random.random(), str(uuid.uuid4()), ssl.RAND_bytes(8), os.urandom(8))"
    forks = sandbox.fork(count=2, timeout=120)
    try:
        drawn = [eval(one.run_code(draw).text) for one in [sandbox, *forks]]  # noqa: S307 (our own literals)
        for values in zip(*drawn):
            assert len(set(values)) == 3, values
        ids = [one.commands.run("cat /etc/machine-id").stdout for one in [sandbox, *forks]]
        assert len(set(ids)) == 3 and all(len(one.strip()) == 32 for one in ids)
    finally:
        for one in forks:
            interpreter.Sandbox.kill(one.sandbox_id)


def test_fork_of_nothing_and_of_a_paused_one(make, sdk):
    with pytest.raises(e2b.SandboxNotFoundException):
        sdk.Sandbox.fork("nonexistingsandbox00")
    sandbox = paused(make(timeout=120))
    with pytest.raises(e2b.SandboxException, match="409"):
        sandbox.fork()
