"""The crash harness with few points (all 500: harness.py), and power cuts."""

import os
import random
import time

import pytest

import harness
import powercut
import spare_data
import warren
from model import World

POINTS = 25
CUTS = 4


@pytest.fixture
def seed(request):
    """Of this run; printed, so that it can be repeated with WARREN_SEED."""
    value = int(os.environ.get("WARREN_SEED") or int.from_bytes(os.urandom(4), "little"))
    print(f"WARREN_SEED={value}")
    return value


def ended(server):
    server.shut_down()
    left = {"control groups": server.host.cgroups(), "mounts": server.host.mounts(), "files": server.host.uppers()}
    assert not any(left.values()), f"left on the host: {left}"


def test_nothing_is_lost_and_nothing_left(seed):
    with spare_data.borrowed() as data:
        server = warren.Server(data=data).start()
        try:
            harness.run(server, POINTS, seed, lanes=5)
        except BaseException:
            print(server.log())
            server.shut_down()
            raise
        ended(server)


def is_safe(lane):
    """Paused on the disk, and nothing under way."""
    return lane.id and lane.paused and not lane.ending and lane.handle().detail()["pause"]["level"] == "hibernated"


def test_power_cuts(seed):
    """What was paused to the disk before a cut goes on after it."""
    chance = random.Random(seed)
    with powercut.Disk() as disk:
        server = warren.Server(data=str(disk.data)).start()
        world = World(server, 4, seed)
        cuts = []
        try:
            for number in range(CUTS):
                world.run()
                time.sleep(chance.uniform(0.5, 2))
                # Half of the lanes stand still, paused; the others are in the middle of something.
                still = world.lanes[number % 2::2]
                world.stand_still()
                for lane in still:
                    if lane.id and lane.value and lane.paused is False and not lane.ending:
                        lane.request("POST", f"/sandboxes/{lane.id}/pause", {"level": "hibernated"})
                        lane.paused = True
                wanted = {lane.id: lane.value for lane in still if is_safe(lane)}
                for lane in still:
                    lane.held = lane.step
                    lane.step = lambda: time.sleep(0.02)
                world.run()
                time.sleep(chance.uniform(0.05, 0.5))
                older = cuts[-1][0] if cuts and number % 2 else None
                cuts.append((disk.cut(), wanted))
                if older:
                    cuts.append((disk.cut(database_of=older), {one: value for one, value in wanted.items() if one in cuts[-2][1]}))
                world.stand_still()
                for lane in still:
                    lane.step = lane.held
        finally:
            world.close()
            server.shut_down()
        assert any(wanted for _, wanted in cuts), "no sandbox was paused at any cut"
        for data, wanted in cuts:
            after = warren.Server(data=str(data)).start()
            try:
                for one, value in wanted.items():
                    sandbox = warren.Sandbox(after, {"sandboxID": one})
                    assert sandbox.detail()["state"] == "paused", one
                    sandbox.resume()
                    assert sandbox.check("cat /tmp/kept", user="root").split()[0] == value
            finally:
                after.shut_down()
