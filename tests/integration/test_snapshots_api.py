"""Snapshots, forks and rollback: what is in the copies, what is on the disk, and what survives the server's end."""

import os
import urllib.parse
import uuid

import pytest
import warren
from test_lifecycle import crash_engine, restarted  # noqa: F401

# Counts on in a file; its process is as much part of a snapshot as the file is.
COUNTER = "exec python3 -u -c 'import time, os\nn = 0\nwhile True:\n n += 1\n open(\"/tmp/n.new\", \"w\").write(str(n)); os.rename(\"/tmp/n.new\", \"/tmp/n\"); time.sleep(0.02)'"


def on_disk(server):
    """The engine's ids of what it has saved."""
    path = server.host.volume() / "snapshots"
    return {name for name in os.listdir(path) if not name.startswith(".")} if path.is_dir() else set()


def counting(sandbox):
    sandbox.start(COUNTER).close()
    warren.wait_for(lambda: sandbox.run("cat /tmp/n").out.strip(), 20, "the program counts")


def goes_on(sandbox):
    """Its program counts on by itself."""
    before = int(sandbox.check("cat /tmp/n") or 0)
    warren.wait_for(lambda: int(sandbox.run("cat /tmp/n").out or 0) > before, 20, "the program goes on")
    return before


def remove(server, snapshot, expect=204):
    server.request("DELETE", f"/templates/{urllib.parse.quote(snapshot, safe='')}", expect=expect)


@pytest.fixture
def snapshots(server):
    """Takes snapshots that end with the test: snapshots(sandbox, name=...)."""
    made = []

    def take(sandbox, **options):
        made.append(sandbox.snapshot(**options))
        return made[-1]

    yield take
    for one in made:
        remove(server, one, (204, 404))


def tree(server, name):
    return {one["id"]: one for one in server.request("GET", f"/snapshots/{urllib.parse.quote(name, safe='')}/tree")["nodes"]}


def test_a_snapshot_has_the_files_of_its_moment(server, fresh, snapshots):
    sandbox = fresh(env={"COLOR": "red"})
    sandbox.put("/home/user/note", b"before")
    snapshot = snapshots(sandbox, memory=False)
    sandbox.put("/home/user/note", b"after")
    copy = fresh(template=snapshot, env={"SIZE": "2"})
    assert copy.check("cat /home/user/note; echo; echo $COLOR $SIZE $E2B_SANDBOX_ID").split() == ["before", "red", "2", copy.id]
    assert copy.info["templateID"] == snapshot.split(":")[0]
    assert sandbox.check("cat /home/user/note") == "after"
    copy.put("/home/user/note", b"copy")
    assert fresh(template=snapshot).check("cat /home/user/note") == "before"
    seen = tree(server, snapshot)
    assert seen[copy.id]["parent"] == seen[sandbox.id]["parent"] == snapshot and "parent" not in seen[snapshot]


def test_the_data_of_a_name_is_that_of_its_last_snapshot(server, fresh, snapshots):
    sandbox, name = fresh(), f"n-{uuid.uuid4().hex[:12]}"
    before = on_disk(server)
    first = snapshots(sandbox, name=name, memory=False)
    sandbox.put("/home/user/note", b"second")
    assert snapshots(sandbox, name=name, memory=False) == first
    warren.wait_for(lambda: len(on_disk(server) - before) == 1, 20, "the data of the first is removed")
    tagged = snapshots(sandbox, name=f"{name}:v2", memory=False)
    assert len(on_disk(server) - before) == 2
    assert fresh(template=name).check("cat /home/user/note") == "second"
    remove(server, first)
    remove(server, first, 404)
    remove(server, tagged)
    assert on_disk(server) == before


def test_programs_of_a_snapshot_go_on_in_a_copy(server, fresh, snapshots):
    sandbox = fresh()
    counting(sandbox)
    snapshot = snapshots(sandbox)
    at = goes_on(sandbox)
    sandbox.kill()
    copy = fresh(template=snapshot)
    assert goes_on(copy) <= at
    assert copy.check("echo $E2B_SANDBOX_ID").strip() == copy.id
    listed, = [one for one in server.snapshots() if one["snapshotID"] == snapshot]
    assert listed["memory"] and listed["bytes"] > 0 and listed["sandboxID"] == sandbox.id


def test_forks_are_others(server, fresh):
    sandbox = fresh(env={"COLOR": "red"})
    counting(sandbox)
    before = on_disk(server)
    forks = [warren.Sandbox(server, one["sandbox"]) for one in
             server.request("POST", f"/sandboxes/{sandbox.id}/fork", {"count": 3, "timeout": 120}, 201)]
    try:
        assert len({sandbox.id, *(one.id for one in forks)}) == 4
        warren.wait_for(lambda: on_disk(server) == before, 20, "what they were made from is removed")
        everybody = [sandbox, *forks]
        for one in everybody:
            goes_on(one)
            assert one.check("echo $E2B_SANDBOX_ID $COLOR").split() == [one.id, "red"]
        assert len({one.check("cat /etc/machine-id") for one in everybody}) == 4
        assert len({one.check("python3 -c 'import uuid; print(uuid.uuid4())'") for one in everybody}) == 4
        assert {one.info["templateID"] for one in everybody} == {sandbox.info["templateID"]}
    finally:
        for one in forks:
            one.kill()


def test_back_to_a_snapshot(server, fresh, snapshots):
    sandbox = fresh()
    sandbox.put("/home/user/note", b"before")
    counting(sandbox)
    snapshot = snapshots(sandbox)
    later = snapshots(sandbox, memory=False)
    sandbox.put("/home/user/note", b"after")
    sandbox.check("pkill -f time.sleep", user="root")
    for paused in (False, True):
        if paused:
            sandbox.pause()
        server.request("POST", f"/sandboxes/{sandbox.id}/rollback", {"snapshotID": snapshot, "timeout": 300}, 200)
        assert sandbox.check("cat /home/user/note") == "before"
        goes_on(sandbox)
        sandbox.put("/home/user/note", b"again")
    seen = tree(server, sandbox.id)
    assert seen[sandbox.id]["parent"] == snapshot and seen[later]["parent"] == snapshot
    # what it stands on may go
    remove(server, snapshot)
    sandbox.pause()
    sandbox.resume()
    assert sandbox.check("cat /home/user/note") == "again"


def test_a_sandbox_that_is_busy_or_paused(server, fresh, snapshots):
    sandbox = fresh()
    snapshot = snapshots(sandbox, memory=False)
    sandbox.pause(memory=False)
    for path, body in (("fork", {}), ("snapshots", {})):
        status, answer = server.raw("POST", f"/sandboxes/{sandbox.id}/{path}", warren.json.dumps(body))
        assert status == 409, answer
    server.request("POST", f"/sandboxes/{sandbox.id}/rollback", {"snapshotID": snapshot, "timeout": 300}, 200)
    assert sandbox.check("echo alive").strip() == "alive"


def test_snapshots_survive_the_server(restarted):  # noqa: F811
    with restarted.sandbox() as sandbox:
        sandbox.put("/home/user/note", b"kept")
        snapshot = sandbox.snapshot(memory=False)
        saved = on_disk(restarted)
        restarted.kill9()
        restarted.start()
        assert [one["snapshotID"] for one in restarted.snapshots()] == [snapshot]
        crash_engine(restarted)
        with restarted.sandbox(template=snapshot) as copy:
            assert copy.check("cat /home/user/note") == "kept"
        assert on_disk(restarted) == saved
    remove(restarted, snapshot)
    assert not on_disk(restarted)
