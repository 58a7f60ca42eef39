"""kill -9 in the middle of a pause, a resume, a snapshot, a fork: which state counts afterwards, and that it is whole.

criu is held at one point (saved.Gate), so that the moment is known. docs/internals/snapshot.md has the table, "Which one counts".
"""

import os
import pathlib
import re
import signal

import pytest
import saved
import warren
from gated import level

RESUME = {"timeout": 300}


def engines(own):
    return [pid for pid in own.host.engine_pids() if warren.proc_read(pid, "comm").strip() == "warren-engine"]


def kill_server(own):
    own.process.kill()


def kill_engine(own):
    """Its keeper starts another one."""
    saved.kill(engines(own))


def kill_both(own):
    """The keeper too, so that nobody starts another engine before the server does."""
    pids = engines(own)
    saved.kill([own.process.pid, *[saved.parent(pid) for pid in pids], *pids])


VICTIMS = {"server": kill_server, "engine": kill_engine, "both": kill_both}


def strike(own, gate, victim, jobs_too):
    """Kills in the middle of what is held, lets go, and starts what does not start by itself."""
    working = saved.jobs(own)
    assert working
    VICTIMS[victim](own)
    if jobs_too:
        # with what they have started: as if the host had killed everything for want of memory
        saved.kill([*working, *saved.children(working)])
    if victim == "engine":
        gate.let_go()
    else:
        own.process.wait(30)
        # the job goes on, without an engine
        assert jobs_too or set(saved.jobs(own)) & set(working)
        gate.let_go()
        own.host.wait_engine_gone()
        own.start()
    warren.wait_for(lambda: own.raw("GET", "/templates")[0] == 200, 60, "the engine answers")


def kill(own, victim):
    """While nothing goes on, and starts what does not start by itself."""
    before = engines(own)
    VICTIMS[victim](own)
    if victim == "engine":
        warren.wait_for(lambda: set(engines(own)) - set(before), 30, "there is another engine")
    if victim != "engine":
        own.process.wait(30)
        own.host.wait_engine_gone()
        own.start()
    warren.wait_for(lambda: own.raw("GET", "/templates")[0] == 200, 60, "the engine answers")


def settled(sandbox, *states):
    return warren.wait_for(lambda: level(sandbox) in states, 30, f"it is {' or '.join(states)}: {level(sandbox)}")


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("where", ["before-dump", "after-dump"])
def test_in_the_middle_of_a_pause(own, made, gate, victim, where):
    sandbox = made()
    kept = saved.Kept(sandbox)
    gate.hold(where)
    pause = saved.Later(own, "POST", f"/sandboxes/{sandbox.id}/pause", {})
    gate.reached()
    strike(own, gate, victim, False)
    assert pause.end() in ((204, 502, 503, 409) if victim == "engine" else (None, 502, 503))
    # the job finished, and what it wrote counts
    settled(sandbox, "hibernated")
    warren.wait_for(lambda: not own.host.members(sandbox.id) and saved.saved(own) == {sandbox.id}, 30,
                    "it is on the disk alone")
    sandbox.resume()
    kept.check()


@pytest.mark.parametrize("victim", VICTIMS)
def test_in_the_middle_of_a_pause_with_its_job(own, made, gate, victim):
    sandbox = made()
    kept = saved.Kept(sandbox)
    gate.hold("before-dump")
    pause = saved.Later(own, "POST", f"/sandboxes/{sandbox.id}/pause", {})
    gate.reached()
    strike(own, gate, victim, True)
    pause.end()
    # what its record says, or what the server made of an error
    settled(sandbox, "frozen", "running")
    warren.wait_for(lambda: not saved.saved(own), 20, "nothing half-made is left")
    sandbox.resume()
    kept.check()


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("where", ["before-restore", "after-restore"])
def test_in_the_middle_of_a_resume(own, made, gate, victim, where):
    sandbox = made()
    kept = saved.Kept(sandbox)
    sandbox.pause()
    gate.hold(where)
    resume = saved.Later(own, "POST", f"/sandboxes/{sandbox.id}/connect", RESUME)
    gate.reached()
    strike(own, gate, victim, False)
    resume.end()
    settled(sandbox, "running")
    kept.check()
    warren.wait_for(lambda: not saved.saved(own), 20, "what it was resumed from is removed")
    sandbox.pause()
    sandbox.resume()
    kept.check()


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("where", ["before-restore", "after-restore"])
def test_in_the_middle_of_a_resume_with_its_job(own, made, gate, victim, where):
    sandbox = made()
    kept = saved.Kept(sandbox)
    sandbox.pause()
    gate.hold(where)
    resume = saved.Later(own, "POST", f"/sandboxes/{sandbox.id}/connect", RESUME)
    gate.reached()
    strike(own, gate, victim, True)
    resume.end()
    settled(sandbox, "hibernated")
    warren.wait_for(lambda: not own.host.members(sandbox.id), 20, "no half of it is left")
    assert saved.saved(own) == {sandbox.id}
    sandbox.resume()
    kept.check()


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("where", ["before-dump", "after-dump"])
@pytest.mark.parametrize("what", ["snapshots", "fork"])
def test_in_the_middle_of_a_snapshot(own, made, gate, victim, where, what):
    sandbox = made()
    kept = saved.Kept(sandbox)
    gate.hold(where)
    request = saved.Later(own, "POST", f"/sandboxes/{sandbox.id}/{what}", {})
    gate.reached()
    strike(own, gate, victim, where == "before-dump")
    assert request.end() != 201
    settled(sandbox, "running")
    kept.check()
    assert not own.snapshots() and len(own.all()) == 1
    warren.wait_for(lambda: not saved.saved(own), 20, "nothing half-made is left")
    snapshot = sandbox.snapshot()
    kept.check(made(template=snapshot))


@pytest.mark.parametrize("victim", VICTIMS)
def test_in_the_middle_of_making_copies(own, made, gate, victim):
    """The one that they are made of goes on, what they are made from goes; each copy is whole or not there."""
    sandbox = made()
    kept = saved.Kept(sandbox)
    gate.hold("before-restore")
    request = saved.Later(own, "POST", f"/sandboxes/{sandbox.id}/fork", {"count": 2})
    gate.reached()
    strike(own, gate, victim, False)
    request.end()
    settled(sandbox, "running")
    kept.check()
    warren.wait_for(lambda: not saved.saved(own), 20, "what they were made from is removed")
    copies = [warren.Sandbox(own, entry) for entry in own.all() if entry["sandboxID"] != sandbox.id]
    for copy in copies:
        kept.check(copy)
    whole = {sandbox.id, *[copy.id for copy in copies]}
    warren.wait_for(lambda: own.host.running() == whole, 30, "no half of a copy is left")


def test_an_engine_that_ends_while_criu_is_at_work(own, made):
    """Not before and not after its work: its code is in the sandbox's processes."""
    sandbox = made(memoryBytes=1 << 30)
    kept = saved.Kept(sandbox)
    sandbox.start(["python3", "-c", "import time; data = b'x' * (300 << 20); open('/tmp/grown', 'w'); "
                   "time.sleep(1000)"]).started().close()
    warren.wait_for(lambda: sandbox.run("test -e /tmp/grown").code == 0, 30, "its memory has grown")
    pause = saved.Later(own, "POST", f"/sandboxes/{sandbox.id}/pause", {})
    image = saved.directory(own, f".new-{sandbox.id}") / "image"
    while not (pause.over() or saved.written(image) > 1 << 20):
        pass
    kill_engine(own)
    pause.end()
    warren.wait_for(lambda: own.raw("GET", "/templates")[0] == 200, 60, "the engine answers")
    settled(sandbox, "hibernated")
    sandbox.resume()
    kept.check()


# ---- another build, the end, deadlines ----

TRACED = """
import ctypes, os, signal, time
child = os.fork()
if child == 0:
    ctypes.CDLL(None).ptrace(0, 0, 0, 0)  # PTRACE_TRACEME
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(1000)
os.waitpid(child, 0)
open("/tmp/traced", "w").close()
time.sleep(1000)
"""


def trace(sandbox):
    """From now on it cannot be dumped."""
    sandbox.start(["python3", "-c", TRACED]).started().close()
    warren.wait_for(lambda: sandbox.run("test -e /tmp/traced").code == 0, 20, "a process is traced")


# Class, byte order and version, ABI, eight unused bytes, and a type, a machine and a version that code does not look like.
ELF_HEADER = re.compile(rb"\x7fELF\x02\x01\x01[\x00\x03]\x00{8}[\x02\x03]\x00..\x01\x00\x00\x00", re.S)


def another_build(directory):
    """The program with other parts for sandboxes: in each executable file that it contains one byte differs that means nothing."""
    data = bytearray(pathlib.Path(warren.binary()).read_bytes())
    parts = [match.start() for match in ELF_HEADER.finditer(data) if match.start()]
    assert parts, "it contains no executable file"
    for start in parts:
        data[start + 15] = 1
    made = directory / "warren"
    made.write_bytes(data)
    made.chmod(0o755)
    return made


def test_an_upgrade_and_back(own, made, again, tmp_path):
    old, new = warren.binary(), another_build(tmp_path)
    running, frozen, sleeping, late = made(), made(), made(), made()
    kept = {one.id: saved.Kept(one) for one in (running, frozen, sleeping, late)}
    snapshot = running.snapshot()
    frozen.pause(level="frozen")
    sleeping.pause()
    late.pause()
    layers = set(os.listdir(own.data + "/layers"))
    for program, asleep in ((new, sleeping), (old, late)):
        again(program=program)
        assert level(running) == "running" and level(frozen) == "frozen" and level(asleep) == "hibernated"
        kept[running.id].check()
        asleep.resume()
        kept[asleep.id].check()
        kept[running.id].check(made(template=snapshot))
        assert made().check("echo alive") == "alive\n"
        running.pause()
        running.resume()
        kept[running.id].check()
        frozen.resume()
        kept[frozen.id].check()
        frozen.pause(level="frozen")
    assert len(set(os.listdir(own.data + "/layers")) - layers) == 1, "the new program has a layer of its own"


def test_the_end_hibernates_what_can_be(own, made, again):
    again("--at-end", "hibernate", "--hibernate-after", "0")
    running, frozen, sleeping, stuck, busy = made(), made(), made(), made(), made()
    kept = {one.id: saved.Kept(one) for one in (running, frozen, sleeping, stuck, busy)}
    trace(stuck)
    os.kill(busy.agent_pid(), signal.SIGSTOP)  # no sign of life
    frozen.pause(level="frozen")
    sleeping.pause()
    own.terminate()
    own.host.wait_engine_gone()
    warren.wait_for(lambda: own.host.running() == {stuck.id}, 30, "only what cannot be hibernated runs")
    own.start()
    settled(running, "running")
    settled(busy, "running")
    os.kill(busy.agent_pid(), signal.SIGCONT)
    assert level(frozen) == "hibernated" and level(sleeping) == "hibernated"
    settled(stuck, "running")
    for one in (frozen, sleeping):
        one.resume()
    for one in kept.values():
        one.check()


def test_a_deadline_of_what_cannot_be_dumped(own, made):  # made: removes it
    answer = own.request("POST", "/v2/sandboxes", {"templateID": warren.TEMPLATE, "timeout": 300, "autoPause": True}, 201)
    sandbox = warren.Sandbox(own, answer)
    kept = saved.Kept(sandbox)
    trace(sandbox)
    for _ in range(2):
        own.request("POST", f"/sandboxes/{sandbox.id}/timeout", {"timeout": 0})
        settled(sandbox, "frozen")
        assert "trace" in sandbox.detail()["pause"]["reason"] and own.host.members(sandbox.id)
        sandbox.resume()
        kept.check()


@pytest.mark.parametrize("victim", VICTIMS)
def test_why_it_is_only_frozen_is_kept(own, made, victim):
    sandbox = made()
    kept = saved.Kept(sandbox)
    trace(sandbox)
    sandbox.pause()
    before = sandbox.detail()["pause"]
    assert before["level"] == "frozen" and "trace" in before["reason"]
    kill(own, victim)
    after = sandbox.detail()["pause"]
    assert (after["level"], after["reason"]) == ("frozen", before["reason"])
    sandbox.resume()
    kept.check()
    # and not longer than it is true
    sandbox.pause(level="frozen")
    kill(own, victim)
    assert level(sandbox) == "frozen" and "reason" not in sandbox.detail()["pause"]
    sandbox.resume()
    kept.check()
