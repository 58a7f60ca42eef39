"""Pauses, resumes and snapshots that cannot be: each is refused or fails with the reason, and the sandbox is as it was."""

import concurrent.futures
import pathlib
import re

import pytest
import saved
import warren
from gated import level, post

NOWHERE = "i" * 20  # no sandbox has this id
FILES_ONLY = '{"memory": false} resumes it from its files only'


def connect(sandbox, **body):
    return post(sandbox, "connect", {"timeout": 300, **body})


# ---- what is asked for at the wrong time ----


def test_pausing_what_is_paused(own, made):
    sandbox = made()
    kept = saved.Kept(sandbox)
    sandbox.pause(level="frozen")
    status, said = post(sandbox, "pause", {"level": "frozen"})
    assert status == 409 and "paused" in said
    sandbox.pause(level="hibernated")
    for wanted in ("hibernated", "frozen", None):
        status, said = post(sandbox, "pause", {"level": wanted} if wanted else {})
        assert status == 409 and "paused" in said
        assert level(sandbox) == "hibernated"
    sandbox.resume()
    kept.check()


@pytest.mark.parametrize("what, body", [("connect", {"timeout": 60}), ("resume", {"timeout": 60}), ("pause", {}), ("fork", {}),
                                        ("snapshots", {}), ("rollback", {"snapshotID": "x:default", "timeout": 60})])
def test_of_what_is_gone(own, made, what, body):
    gone = made()
    gone.pause()
    gone.kill()
    for one in (gone, warren.Sandbox(own, {"sandboxID": NOWHERE})):
        status, said = post(one, what, body)
        assert status == 404 and one.id in said
    assert not saved.saved(own)


def test_resuming_what_runs(made):
    sandbox = made()
    kept = saved.Kept(sandbox)
    status, said = post(sandbox, "resume", {"timeout": 60})
    assert status == 409 and "running" in said
    assert connect(sandbox)[0] == 200
    kept.check()


@pytest.mark.parametrize("where", ["before-dump", "after-dump"])
def test_while_it_is_being_paused(own, made, gate, where):
    sandbox = made()
    kept = saved.Kept(sandbox)
    gate.hold(where)
    first = saved.Later(own, "POST", f"/sandboxes/{sandbox.id}/pause", {})
    gate.reached()
    for what in ("fork", "snapshots"):
        status, said = post(sandbox, what)
        assert status == 409 and said
    second = saved.Later(own, "POST", f"/sandboxes/{sandbox.id}/pause", {})
    back = saved.Later(own, "POST", f"/sandboxes/{sandbox.id}/connect", {"timeout": 60})
    assert not (first.over() or second.over() or back.over())
    gate.let_go()
    assert first.end() == 204 and second.end() == 204 and back.end() == 201
    kept.check()
    assert not own.snapshots()


def test_a_pause_waits_for_a_snapshot(own, made, gate):
    sandbox = made()
    kept = saved.Kept(sandbox)
    gate.hold("before-dump")
    snapshot = saved.Later(own, "POST", f"/sandboxes/{sandbox.id}/snapshots", {})
    gate.reached()
    status, said = post(sandbox, "snapshots")
    assert status == 409 and sandbox.id in said
    pause = saved.Later(own, "POST", f"/sandboxes/{sandbox.id}/pause", {})
    assert not pause.over() and not snapshot.over()
    gate.let_go()
    assert snapshot.end() == 201 and pause.end() == 204
    copy = made(template=snapshot.answer["snapshotID"])
    sandbox.resume()
    kept.check(copy)
    kept.check(sandbox)


# In the middle of each: (what is asked for, where criu is, whether it is paused before).
MIDDLES = [("pause", {}, "before-dump", False), ("pause", {}, "after-dump", False), ("connect", {"timeout": 60}, "before-restore", True),
           ("connect", {"timeout": 60}, "after-restore", True), ("snapshots", {}, "before-dump", False),
           ("fork", {"count": 2}, "before-dump", False), ("fork", {"count": 2}, "before-restore", False)]


@pytest.mark.parametrize("what, body, where, paused", MIDDLES)
def test_a_kill_in_the_middle(own, made, gate, what, body, where, paused):
    sandbox = made()
    spaces = set(sandbox.namespaces().values())
    if paused:
        sandbox.pause()
    gate.hold(where)
    request = saved.Later(own, "POST", f"/sandboxes/{sandbox.id}/{what}", body)
    gate.reached()
    kill = saved.Later(own, "DELETE", f"/sandboxes/{sandbox.id}")
    warren.wait_for(lambda: not sandbox.alive(), 20, "it is not listed any more")
    gate.let_go()
    assert kill.end() == 204
    status = request.end()
    # What is being made of it is somebody else's, and is finished.
    assert status in ((201,) if what in ("fork", "snapshots") else (404, 409)), request.answer
    if what == "fork":
        for one in request.answer:
            copy = warren.Sandbox(own, one["sandbox"])
            assert copy.check("echo alive") == "alive\n"
            copy.kill()
    if what == "snapshots":
        assert made(template=request.answer["snapshotID"]).check("echo alive") == "alive\n"
        return
    own.host.assert_gone(sandbox.id, inodes=spaces)
    warren.wait_for(lambda: not saved.saved(own), 20, "nothing saved is left")
    assert own.all() == [] and own.snapshots() == []


def test_many_at_the_same_time(made):
    sandbox = made()
    kept = saved.Kept(sandbox)
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        assert {status for status, _ in pool.map(lambda _: post(sandbox, "pause"), range(5))} <= {204, 409}
        assert level(sandbox) == "hibernated"
        statuses = [status for status, _ in pool.map(lambda _: connect(sandbox), range(5))]
        assert set(statuses) <= {200, 201} and 201 in statuses
        kept.check()
        # and both at once: whatever the order, each is answered, and nothing is lost
        mixed = list(pool.map(lambda number: post(sandbox, "pause") if number % 2 else connect(sandbox), range(8)))
        assert {status for status, _ in mixed} <= {200, 201, 204, 409}, mixed
    connect(sandbox)
    kept.check()


def test_one_after_another(made):
    sandbox = made()
    kept = saved.Kept(sandbox)
    for number in range(10):
        sandbox.pause(level=("hibernated", "frozen")[number % 2])
        sandbox.resume()
    kept.check()


# ---- what is damaged ----


def image_file(own, name, pattern):
    return sorted((saved.directory(own, name) / "image").glob(pattern))[0]


def cut(path):
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size - 1)


HARMS = {"flipped": saved.flip, "cut": cut, "removed": pathlib.Path.unlink}


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("pattern", ["pages-*.img", "core-*.img"])
def test_a_damaged_image(own, made, harm, pattern):
    sandbox = made()
    saved.Kept(sandbox)
    sandbox.check("echo kept >~/file; sync")
    sandbox.pause()
    path = image_file(own, sandbox.id, pattern)
    HARMS[harm](path)
    for _ in range(2):
        status, said = connect(sandbox)
        assert status == 500 and path.name in said and "damaged" in said and FILES_ONLY in said
        assert level(sandbox) == "hibernated"
    assert not own.host.members(sandbox.id)
    assert connect(sandbox, memory=False)[0] == 201
    assert sandbox.check("cat ~/file; pgrep -fc '[k]ept.new' || true").split() == ["kept", "0"]


def test_damage_is_found_in_every_file(own, made):
    sandbox = made()
    kept = saved.Kept(sandbox)
    sandbox.pause()
    files = sorted((saved.directory(own, sandbox.id) / "image").iterdir())
    assert len(files) > 10
    for path in files:
        if not path.stat().st_size:
            continue
        saved.flip(path)
        status, said = connect(sandbox)
        assert status == 500 and path.name in said, said
        saved.flip(path)
    sandbox.resume()
    kept.check()


def test_a_damaged_manifest(own, made):
    """Also after the next start: what cannot be read is not lost."""
    sandbox, snapshot_of = made(), made()
    kept = saved.Kept(sandbox)
    copied = saved.Kept(snapshot_of)
    sandbox.check("echo kept >~/file; sync")
    snapshot = snapshot_of.snapshot()
    sandbox.pause()
    paths = [saved.directory(own, name) / "manifest.json" for name in saved.saved(own)]
    for path in paths:
        saved.flip(path)

    def refused():
        status, said = connect(sandbox)
        assert status == 500 and sandbox.id in said and "manifest is damaged" in said and FILES_ONLY in said
        with pytest.raises(warren.ApiError, match="manifest is damaged"):
            own.create(template=snapshot)
        assert level(sandbox) == "hibernated" and [one["snapshotID"] for one in own.snapshots()] == [snapshot]

    refused()
    own.kill9()
    own.start()
    refused()
    for path in paths:
        saved.flip(path)
    sandbox.resume()
    kept.check()
    copied.check(made(template=snapshot))
    sandbox.pause()
    saved.flip(saved.directory(own, sandbox.id) / "manifest.json")
    own.kill9()
    own.start()
    assert connect(sandbox, memory=False)[0] == 201
    assert sandbox.check("cat ~/file; pgrep -fc '[k]ept.new' || true").split() == ["kept", "0"]
    sandbox.pause()
    sandbox.resume()
    assert sandbox.check("cat ~/file") == "kept\n"


def test_a_damaged_sandbox_can_be_killed(own, made):
    sandbox = made()
    sandbox.pause()
    saved.flip(saved.directory(own, sandbox.id) / "manifest.json")
    sandbox.kill()
    own.host.assert_gone(sandbox.id)


def test_a_damaged_snapshot(own, made):
    sandbox = made()
    kept = saved.Kept(sandbox)
    good = sandbox.snapshot()
    before = saved.saved(own)
    bad = sandbox.snapshot()
    (name,) = saved.saved(own) - before
    path = image_file(own, name, "pages-*.img")
    saved.flip(path)
    with pytest.raises(warren.ApiError) as refused:
        own.create(template=bad)
    assert refused.value.status == 500 and path.name in refused.value.message and "damaged" in refused.value.message
    assert len(own.all()) == 1, "nothing half-made is listed"
    kept.check(made(template=good))
    kept.check(sandbox)


# ---- another host ----


def newer(manifest):
    manifest["host"]["kernel"] = "99.1.0"


def foreign(manifest):
    manifest["host"]["machine"] = "riscv64"


def stronger(manifest):
    words = [*manifest["host"]["features"].split(), "avx10"]
    manifest["host"]["features"] = " ".join(sorted(set(words)))


def later_format(manifest):
    manifest["format"] += 1


@pytest.mark.parametrize("change, said", [(newer, "Linux 99.1.0, newer than"), (foreign, "saved on riscv64"),
                                          (stronger, "a processor with avx10, which this one lacks")])
def test_memory_of_another_host(own, made, change, said):
    sandbox = made()
    kept = saved.Kept(sandbox)
    sandbox.check("echo kept >~/file; sync")
    snapshot = sandbox.snapshot()
    (copy,) = saved.saved(own)
    sandbox.pause()
    cgroups = own.host.cgroups()
    before = saved.edit_manifest(own, sandbox.id, change)
    status, answer = connect(sandbox)
    assert status == 400 and said in answer and FILES_ONLY in answer, (status, answer)
    assert level(sandbox) == "hibernated" and own.host.cgroups() == cgroups
    saved.edit_manifest(own, copy, change)
    with pytest.raises(warren.ApiError, match=re.escape(said)):
        own.create(template=snapshot)
    # here it fits again
    (saved.directory(own, sandbox.id) / "manifest.json").write_bytes(before)
    sandbox.resume()
    kept.check()
    sandbox.pause()
    saved.edit_manifest(own, sandbox.id, change)
    assert connect(sandbox, memory=False)[0] == 201
    assert sandbox.check("cat ~/file") == "kept\n"


def test_a_manifest_of_a_later_version(own, made):
    sandbox = made()
    sandbox.pause()
    before = saved.edit_manifest(own, sandbox.id, later_format)
    status, said = connect(sandbox)
    assert status == 500 and "format" in said
    (saved.directory(own, sandbox.id) / "manifest.json").write_bytes(before)
    sandbox.resume()


# ---- no criu; limits ----


def test_without_criu(own, made, again):
    sandbox, sleeping = made(), made()
    kept, slept = saved.Kept(sandbox), saved.Kept(sleeping)
    sleeping.pause()
    again("--criu", "/nonexistent")
    # before it is known and after
    for _ in range(2):
        sandbox.pause()
        detail = sandbox.detail()["pause"]
        assert detail["level"] == "frozen" and "/nonexistent" in detail["reason"], detail
        sandbox.resume()
        kept.check()
        warren.wait_for(lambda: "sandboxes cannot be written to disk here" in own.full_log(), 20, "the self-test has failed")
    status, said = post(sandbox, "snapshots")
    assert status == 400 and "/nonexistent" in said
    status, said = post(sandbox, "fork")
    assert status == 400 and "/nonexistent" in said
    status, said = connect(sleeping)
    assert status == 400 and "/nonexistent" in said and level(sleeping) == "hibernated"
    snapshot = sandbox.snapshot(memory=False)
    assert made(template=snapshot).check("echo alive") == "alive\n"
    sandbox.pause(memory=False)
    assert level(sandbox) == "hibernated"
    sandbox.resume()
    assert sandbox.check("pgrep -fc '[k]ept.new' || true") == "0\n"
    doctor = own.cli("doctor", env={"WARREN_CRIU": "/nonexistent"})
    assert re.search(r"^warn +checkpoints: .*/nonexistent", doctor.out, re.M), doctor
    again()
    sleeping.resume()
    slept.check()


def test_limits(own, made, again):
    again("--max-sandboxes", "2", "--max-snapshots", "1")
    first, second = made(), made()
    first.pause()
    third = made()
    status, said = connect(first)
    assert status == 429 and "2" in said
    assert level(first) == "hibernated"
    status, said = post(third, "fork")
    assert status in (201, 429)
    assert len(own.list()) == 2, "no fork beyond the limit"
    second.kill()
    assert connect(first)[0] == 201
    snapshot = first.snapshot()
    status, said = post(third, "snapshots")
    assert status == 429 and "remove one" in said
    kept = len(saved.saved(own))
    assert kept == 1 and [one["snapshotID"] for one in own.snapshots()] == [snapshot]


def test_limits_of_what_is_stored(own, made, again):
    again("--max-paused", "1", "--max-stored", "256M")
    first, second = made(), made()
    late = made(v2=True, autoPause=True)
    kept = saved.Kept(second)
    first.pause()
    status, said = post(second, "pause")
    assert status == 429 and "max-paused" in said and level(second) == "running"
    status, answer = own.raw("POST", "/v2/sandboxes", '{"templateID": "base", "autoPause": true}')
    assert status == 429 and "max-paused" in answer["message"]
    # its time is over: it is kept whatever the limit says
    own.request("POST", f"/sandboxes/{late.id}/timeout", {"timeout": 0})
    warren.wait_for(lambda: level(late) == "hibernated", 20, "it is paused")
    again("--max-stored", "1M")
    for what in ("pause", "snapshots"):
        status, said = post(second, what)
        assert status == 507 and "max-stored" in said and level(second) == "running"
    kept.check()
    first.kill()
    late.kill()
    second.pause()
    second.resume()
    kept.check()
