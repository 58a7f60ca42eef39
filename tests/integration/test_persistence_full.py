"""Full disks in the middle of a pause or a snapshot: the sandbox goes on, the reason is told, and room is all that is needed."""

import datetime
import os
import pathlib

import pytest
import saved
import spare_data
import warren
from gated import level, post

MIB = 1 << 20


@pytest.fixture(scope="module")
def own():
    """A server of this file's own, on a small volume."""
    with spare_data.borrowed() as data:
        image = pathlib.Path(data, "volume.img")
        image.unlink(missing_ok=True)
        running = warren.Server(data=data, arguments=["--volume-size", "1G"]).start()
        yield running
        running.shut_down()
        assert not running.host.cgroups() and not running.host.mounts()
        image.unlink()  # the next one who borrows it wants a larger one


def available(own):
    space = os.statvfs(own.host.volume())
    return space.f_bavail * space.f_frsize


def fill(own, made, room, empty=900 * MIB):
    """A sandbox whose files leave `room` bytes of the volume, more or less."""
    volume = own.host.volume()
    # what earlier tests had may be on its way back
    warren.wait_for(lambda: saved.reclaim(volume) or available(own) > empty, 90, "the volume is empty")
    filler = made(diskBytes=4 << 30, memoryBytes=64 * MIB)

    def enough():
        left = available(own) - room
        if left > 8 * MIB:
            # in one piece there may be none
            filler.run(f"fallocate -l {min(left, 32 * MIB)} $(mktemp ~/filler.XXXXXX); sync -f ~")
        elif left < -32 * MIB:
            filler.run("rm -f $(ls ~/filler.* | tail -1); sync -f ~")
            saved.reclaim(volume)
        return -32 * MIB <= available(own) - room <= 8 * MIB

    warren.wait_for(enough, 30, "the volume is full")
    return filler


@pytest.mark.parametrize("room, said", [(220 * MIB, "no space is left on the disk"), (40 * MIB, "the volume is full")])
@pytest.mark.parametrize("what", ["pause", "snapshots"])
def test_a_full_disk(own, made, what, room, said):
    sandbox = made(memoryBytes=768 * MIB)
    kept = saved.Kept(sandbox)
    sandbox.start(["python3", "-c", f"import time; data = b'x' * (300 << 20); "
                   "open('/tmp/grown', 'w').close(); time.sleep(1000)"]).started().close()
    warren.wait_for(lambda: sandbox.run("test -e /tmp/grown").code == 0, 20, "its memory has grown")
    filler = fill(own, made, room)
    status, answer = post(sandbox, what)
    assert status == 507, answer
    assert said in answer
    assert level(sandbox) == "running" and not own.snapshots()
    warren.wait_for(lambda: not saved.saved(own), 20, "nothing half-made is left")
    kept.check()
    filler.kill()
    warren.wait_for(lambda: post(sandbox, what)[0] in (201, 204), 60, "there is room again")
    if what == "pause":
        sandbox.resume()
    kept.check()


def test_a_deadline_on_a_full_disk(own, made):
    """It goes on beyond its deadline, and is paused when there is room."""
    sandbox = made(v2=True, autoPause=True)
    kept = saved.Kept(sandbox)
    filler = fill(own, made, 40 * MIB)
    own.request("POST", f"/sandboxes/{sandbox.id}/timeout", {"timeout": 1})
    ends = datetime.datetime.fromisoformat(sandbox.detail()["endAt"])
    warren.wait_for(lambda: datetime.datetime.now(datetime.timezone.utc) > ends, 20, "its time is over")
    status, said = post(sandbox, "pause")
    assert status == 507 and "the volume is full" in said
    assert level(sandbox) == "running"
    kept.check()
    filler.kill()
    warren.wait_for(lambda: level(sandbox) == "hibernated", 20, "it is paused")
    sandbox.resume()
    kept.check()


FORKS = """
import os, time
data = b'x' * (40 << 20)
for _ in range(8):
    if os.fork() == 0:
        time.sleep(1000)
open("/tmp/grown", "w").close()
time.sleep(1000)
"""


def test_an_image_that_is_more_than_it_may_be(own, made):
    """Memory that forks share is written once for each."""
    sandbox = made(memoryBytes=128 * MIB, diskBytes=64 * MIB)
    kept = saved.Kept(sandbox)
    sandbox.start(["python3", "-c", FORKS]).started().close()
    warren.wait_for(lambda: sandbox.run("test -e /tmp/grown").code == 0, 20, "it has forked")
    status, said = post(sandbox, "pause")
    assert (status, "disk may hold" in said) == (507, True), said
    assert level(sandbox) == "running"
    warren.wait_for(lambda: not saved.saved(own), 20, "nothing half-made is left")
    kept.check()
    sandbox.check("pkill python3")
    warren.wait_for(lambda: sandbox.run("pgrep python3").code == 1, 20, "they are gone")
    sandbox.pause()
    sandbox.resume()
    kept.check()


def test_a_chain_of_forks_holds_what_one_sandbox_may(own, made):  # noqa: F811
    """Each is forked from the one before and writes until it is refused; what has no room for a copy is told so, and lives on."""
    limit, extra = 64 * MIB, 16 * MIB
    last = made(diskBytes=limit)
    kept = saved.Kept(last)
    simple = own.host.has_simple_quotas()
    forks = 0
    while forks < 10:
        last.run(f"cat /dev/zero >~/filler{forks}; sync -f ~")
        assert last.run("echo more >~/more").code or not simple, "it is full"
        assert last.metrics()["diskUsed"] <= limit + extra
        status, answer = own.raw("POST", f"/sandboxes/{last.id}/fork", '{"timeout": 300}', 120)
        if status != 201:
            break
        last = made(of=answer[0]["sandbox"])
        forks += 1
    if simple:
        assert status == 507 and "disk limit of 64 MiB" in answer["message"], answer
        assert forks > 0 and last.metrics()["diskUsed"] > limit
    kept.check(last)
    last.pause()
    last.resume()
    kept.check(last)


@pytest.mark.parametrize("memory", [True, False])
def test_what_is_full_to_the_last_byte_comes_back(own, made, memory):  # noqa: F811
    """Its own limit is reached; the volume has room. Its work directory and its record need some of it."""
    sandbox = made(diskBytes=64 * MIB)
    kept = saved.Kept(sandbox)
    sandbox.run("cat /dev/zero >~/filler; for i in $(seq 300); do echo $i >~/small$i; done; sync -f ~")
    for _ in range(3):
        sandbox.pause(memory=memory)
        sandbox.resume()
        assert sandbox.metrics()["diskUsed"] <= 65 * MIB
        sandbox.run("cat /dev/zero >>~/more; sync -f ~")
    if memory:
        kept.check()
    sandbox.check("rm ~/filler; echo new >~/new")


def test_creating_on_a_full_disk(own, made):  # noqa: F811
    """Also where what was prepared before it was full is used: the answer says what is full, and that more room helps."""
    sandbox = made()
    snapshot = sandbox.snapshot()
    filler = fill(own, made, 40 * MIB, empty=800 * MIB)
    filler.run("cat /dev/zero >~/rest 2>/dev/null; sync -f ~")
    refused = {warren.TEMPLATE: 0, snapshot: 0}
    for template in [warren.TEMPLATE, snapshot] * 8:
        status, answer = own.raw("POST", "/sandboxes", warren.json.dumps({"timeout": 60, "templateID": template}), 60)
        # An empty one may find room: it has no data, what was prepared before may be enough, and what was removed comes back late.
        if status == 201:
            made(of=answer)
            continue
        assert status == 507 and "MiB free): remove sandboxes or enlarge it" in answer["message"], answer
        refused[template] += 1
    assert refused[snapshot], refused
    # whoever makes room must be able to
    own.remove_snapshot(snapshot)
    assert not own.snapshots()
    filler.kill()
    warren.wait_for(lambda: saved.reclaim(own.host.volume()) or available(own) > 200 * MIB, 90, "there is room again")
    assert made().check("echo alive") == "alive\n"
    sandbox.pause()
    sandbox.resume()
