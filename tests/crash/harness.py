#!/usr/bin/env python3
"""Kills parts of a loaded Warren at random moments and looks whether anything was lost or left behind.

    tests/crash/harness.py [--points N] [--seed S] [--lanes N]

Each point kills one part with SIGKILL: the server, the engine, its keeper, a nest, or all at once; what has to be started again is.
After every few points everything stands still and is compared with what the clients were told (model.py). The seed decides what is
asked and killed and when; the machine decides how far each was by then, so that a seed repeats a run only roughly.
"""

import argparse
import contextlib
import os
import pathlib
import random
import signal
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import spare_data  # noqa: E402
import warren  # noqa: E402
from model import World  # noqa: E402

POINTS_PER_CHECK = 5
VICTIMS = {"server": 3, "engine": 4, "keeper": 1, "nest": 1, "all": 2}


def kill_all(pids):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def engines(server):
    return [pid for pid in server.host.engine_pids() if warren.proc_read(pid, "comm").strip() == "warren-engine"]


def keepers(server):
    """The engines' parents."""
    return [int(warren.proc_read(pid, "stat").rpartition(")")[2].split()[1]) for pid in engines(server)]


def nests(server):
    return [pid for pid in server.host.nest_pids() if warren.namespace_pid(pid) == 1]


def strike(world, victim):
    """Kills, and starts again what nobody else does."""
    server = world.server
    pids = {"server": lambda: [server.process.pid], "engine": lambda: engines(server),
            "keeper": lambda: keepers(server), "nest": lambda: nests(server)[:1],
            "all": lambda: [server.process.pid, *keepers(server), *engines(server), *nests(server)]}[victim]()
    if victim in ("nest", "all"):
        world.nest_ended = True
    kill_all(pids)
    if victim in ("server", "keeper", "all") and pids:
        server.process.wait(60)
    start_again(server)


def start_again(server):
    """As its unit does: it may have been killed, or have ended because its engine was killed too often in a minute."""
    if server.process.poll() is not None:
        server.host.wait_engine_gone()
        server.start()


def answers(server):
    start_again(server)
    return bool(engines(server)) and server.healthy()


def run(server, points, seed, lanes, say=lambda text: None):
    """Raises Violation."""
    chance = random.Random(seed)
    world = World(server, lanes, seed)
    try:
        for point in range(points):
            world.run()
            time.sleep(chance.uniform(0, 0.6))
            victim = chance.choices(list(VICTIMS), VICTIMS.values())[0]
            strike(world, victim)
            say(f"point {point + 1} of {points}: {victim}")
            if (point + 1) % POINTS_PER_CHECK == 0 or point + 1 == points:
                world.stand_still()
                warren.wait_for(lambda: answers(server), 60, "the server answers")
                world.check()
    finally:
        world.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=500)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "little"))
    parser.add_argument("--lanes", type=int, default=6)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with spare_data.borrowed() as data:
        server = warren.Server(data=data).start()
        try:
            run(server, options.points, options.seed, options.lanes, lambda text: print(text, flush=True))
        except BaseException as error:
            # What failed stays as it is, to be looked at.
            print(f"{server.full_log()}\nFAILED with seed {options.seed}, data in {data}: {type(error).__name__}: {error}", flush=True)
            os._exit(1)
        server.shut_down()
        left = {"control groups": server.host.cgroups(), "mounts": server.host.mounts(), "files": server.host.uppers()}
        if any(left.values()):
            print(f"left on the host: {left}")
            return 1
    print(f"{options.points} points, nothing lost, nothing left")
    return 0


if __name__ == "__main__":
    sys.exit(main())
