"""Loads a server: sandboxes with many streams each through the ingress. Prints what happened; exit status 1 when it went wrong.

usage: load.py [--sandboxes N] [--streams N] [--seconds N]
"""

import argparse
import asyncio
import contextlib
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

from service import Service  # noqa: E402
from swarm import Swarm  # noqa: E402
from wire import Door  # noqa: E402
import warren  # noqa: E402

PROBES = 8
SLOW_CLIENTS = 8
# Without and with slow clients in turn, so that the first and the last third of a run hold the same.
PHASES = (False, True) * 3
SAMPLE_S = 0.5
# A run is bad when the server's memory grows by more than this between its first and its last third.
MAX_GROWTH_RATIO = 1.10
MAX_GROWTH_KIB = 4096
# The server's own limits are not what is tried here.
UNLIMITED = ("--rate-requests", "0", "--rate-creates", "0", "--max-sandboxes", "0")
# Percentiles of other requests may be this many times as long while there are slow clients: the machine is shared, and starving
# looks like more.
MAX_SLOWDOWN = {0.5: 4.0, 0.95: 8.0}


def guest_program():
    """guest.c, compiled -> its bytes"""
    with tempfile.TemporaryDirectory() as directory:
        target = pathlib.Path(directory) / "guest"
        subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-D_GNU_SOURCE", "-o", target, HERE / "guest.c"], check=True)
        return target.read_bytes()


def resident_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def percentile(values, q):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def make_streams(swarm, count):
    """Two fifths processes, two fifths WebSockets, one fifth downloads, evenly over the sandboxes -> tasks"""
    kinds = (swarm.process, swarm.socket, swarm.process, swarm.socket, swarm.download)
    tasks = []
    for number in range(count):
        guest = swarm.guests[number % len(swarm.guests)]
        tasks.append(swarm.start(kinds[number // len(swarm.guests) % len(kinds)](guest, number)))
    for number in range(PROBES):
        swarm.start(swarm.probe(swarm.guests[number % len(swarm.guests)], number))
    return tasks


async def watch(swarm, pid, seconds):
    """One phase after the other -> resident memory of the server, as sampled."""
    memory = []
    for slow in PHASES:
        clients = [swarm.start(swarm.trickle(swarm.guests[i % len(swarm.guests)], i % 2 == 0)) for i in range(SLOW_CLIENTS)] if slow else []
        swarm.slow = slow
        end = time.monotonic() + seconds / len(PHASES)
        while time.monotonic() < end and not swarm.errors:
            await asyncio.sleep(SAMPLE_S)
            memory.append(resident_kib(pid))
        await swarm.stop(clients)
    return memory


async def until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        await asyncio.sleep(0.1)
    return condition()


async def run(swarm, pid, sandboxes, streams, seconds):
    """-> report"""
    # The first sandbox makes what the server keeps for good.
    await swarm.make_all(1)
    await swarm.kill_all()
    await asyncio.sleep(1)
    before = descriptors(pid)
    started = time.monotonic()
    await swarm.make_all(sandboxes)
    made = time.monotonic() - started
    tasks = make_streams(swarm, streams)
    await until(lambda: bool(swarm.errors), min(5, seconds / 4))
    memory = await watch(swarm, pid, seconds)
    alive = sum(not task.done() for task in tasks)
    during = descriptors(pid)
    await swarm.stop()
    await swarm.kill_all()
    await until(lambda: descriptors(pid) <= before, 60)
    third = max(1, len(memory) // 3)
    return {
        "sandboxes": sandboxes, "creation_s": made, "streams": alive, "errors": swarm.errors, "counts": swarm.counts,
        "memory_first_kib": statistics.mean(memory[:third]), "memory_last_kib": statistics.mean(memory[-third:]),
        "descriptors": (before, during, descriptors(pid)),
        "probe_ms": {slow: {q: 1000 * percentile(values, q) for q in (0.5, 0.95, 0.99)} for slow, values in swarm.samples.items() if values},
    }


def verdict(report, streams):
    """What went wrong, as sentences."""
    wrong = [*report["errors"][:10]]
    if report["streams"] < streams:
        wrong.append(f"{report['streams']} of {streams} streams were still alive at the end")
    for what, count in report["counts"].items():
        if count == 0:
            wrong.append(f"there were no {what}")
    first, last = report["memory_first_kib"], report["memory_last_kib"]
    if last > first * MAX_GROWTH_RATIO + MAX_GROWTH_KIB:
        wrong.append(f"the server grew from {first:.0f} to {last:.0f} KiB")
    before, during, after = report["descriptors"]
    if after > before:
        wrong.append(f"the server had {before} descriptors before, {during} under load and {after} after it")
    without, with_slow = report["probe_ms"].get(False), report["probe_ms"].get(True)
    if not without or not with_slow:
        return [*wrong, "no probe was answered in one of the phases"]
    for q, limit in MAX_SLOWDOWN.items():
        if with_slow[q] > limit * without[q]:
            wrong.append(f"slow clients slow others down: p{q * 100:.0f} is {without[q]:.1f} ms without and {with_slow[q]:.1f} ms beside them")
    return wrong


def lines(report):
    before, during, after = report["descriptors"]
    yield f"{report['sandboxes']} sandboxes made in {report['creation_s']:.1f} s; {report['streams']} streams alive at the end"
    yield ", ".join(f"{count} {what}" for what, count in report["counts"].items()) + f", {len(report['errors'])} errors"
    yield f"server: resident {report['memory_first_kib']:.0f} KiB in the first third, {report['memory_last_kib']:.0f} in the last"
    yield f"server: {before} descriptors before, {during} under load, {after} after"
    for slow, values in sorted(report["probe_ms"].items()):
        name = "beside clients of 1 byte/s" if slow else "without slow clients"
        yield f"GET /hello {name}: " + ", ".join(f"p{q * 100:.0f} {ms:.1f} ms" for q, ms in values.items())


def measure(service, sandboxes, streams, seconds):
    """Loads a running service.Service -> report"""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    swarm = Swarm(Door("127.0.0.1", service.api_port), Door("127.0.0.1", service.ingress_port), service.new_key("load"), guest_program())
    return asyncio.run(run(swarm, service.process.pid, sandboxes, streams, seconds))


@contextlib.contextmanager
def own_data():
    """A data directory with hard links to the templates of the usual one, since a data directory has one engine."""
    source = pathlib.Path(warren.data_dir())
    target = tempfile.mkdtemp(prefix=f"{source.name}-load.", dir=source.parent)
    os.environ["WARREN_TEST_DATA"] = target
    try:
        subprocess.run(["cp", "-al", source / "layers", source / "templates", target], check=True)
        yield
    finally:
        subprocess.run(["rm", "-rf", "--one-file-system", target], check=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sandboxes", type=int, default=200)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=60)
    args = parser.parse_args()
    with own_data():
        service = Service(arguments=UNLIMITED).start()
        try:
            report = measure(service, args.sandboxes, args.streams, args.seconds)
        finally:
            service.shut_down()
    print("\n".join(lines(report)))
    wrong = verdict(report, args.streams)
    print("\n".join(f"FAILED: {one}" for one in wrong) or "passed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
