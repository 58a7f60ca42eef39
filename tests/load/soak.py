#!/usr/bin/env python3
"""Many sandboxes that pause and resume at random: nothing is lost, and no memory grows.

    tests/load/soak.py [--sandboxes N] [--minutes M] [--workers N]

Each sandbox has a program with a value in its memory alone. A worker takes a random one, pauses it to the disk or in memory, or
resumes it and compares the value. Prints a line every ten seconds; exit status 1 when something was lost or grew.
"""

import argparse
import collections
import pathlib
import random
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import spare_data  # noqa: E402
import warren  # noqa: E402
from load import MAX_GROWTH_KIB, MAX_GROWTH_RATIO, UNLIMITED, descriptors, resident_kib  # noqa: E402

# A shell that counts in memory: 1 MB instead of Python's 10.
PROGRAM = 'value=$1; n=0; while :; do n=$((n+1)); echo "$value $n" >/tmp/new; mv /tmp/new /tmp/kept; sleep 0.2; done'
LEVELS = ("hibernated", "hibernated", "frozen")


class One:
    def __init__(self, server, number):
        self.lock = threading.Lock()
        self.value = f"value-{number}-{random.getrandbits(32):08x}"
        self.paused = False
        self.count = 0
        self.sandbox = warren.Sandbox(server, server.request("POST", "/sandboxes", {"templateID": "base", "timeout": 86000}))
        self.sandbox.start(["/bin/bash", "-c", PROGRAM, "count", self.value], user="root").started().close()

    def turn(self, counts):
        """Pauses or resumes it."""
        if not self.paused:
            level = random.choice(LEVELS)
            self.sandbox.pause(level=level)
            counts[level] += 1
        else:
            self.sandbox.resume(timeout=86000)
            self.look()
            counts["resumed"] += 1
        self.paused = not self.paused

    def look(self):
        status, body = self.sandbox.http("GET", "/files?path=/tmp/kept&username=root")
        if status == 404:
            return  # paused before its first line
        value, count = body.decode().split()
        assert value == self.value and int(count) >= self.count, (self.sandbox.id, self.value, self.count, body)
        self.count = int(count)


def work(sandboxes, counts, errors, end):
    while time.monotonic() < end and not errors:
        one = random.choice(sandboxes)
        if not one.lock.acquire(blocking=False):
            continue
        try:
            one.turn(counts)
        except Exception as error:  # every kind of it is a failure of the soak
            errors.append(f"{one.sandbox.id}: {error!r}")
        finally:
            one.lock.release()


def memory(server):
    """Resident KiB of server and engine."""
    engine = [pid for pid in server.host.engine_pids() if warren.proc_read(pid, "comm").strip() == "warren-engine"]
    return {"server": resident_kib(server.process.pid), "engine": resident_kib(engine[0])}, descriptors(server.process.pid), descriptors(engine[0])


def run(server, count, seconds, workers, say=lambda text: None):
    """-> what went wrong, as sentences."""
    sandboxes = [One(server, number) for number in range(count)]
    counts, errors = collections.Counter(), []
    end = time.monotonic() + seconds
    threads = [threading.Thread(target=work, args=(sandboxes, counts, errors, end)) for _ in range(workers)]
    for thread in threads:
        thread.start()
    # The first tenth brings everything to its size.
    samples = []
    next_line = time.monotonic() + 10
    while any(thread.is_alive() for thread in threads):
        time.sleep(min(1, seconds / 30))
        if time.monotonic() > end - seconds * 0.9:
            samples.append(memory(server)[0])
        if time.monotonic() > next_line:
            next_line += 10
            say(f"{dict(counts)} {memory(server)}")
    for thread in threads:
        thread.join()
    for one in sandboxes:
        if not errors:
            if one.paused:
                one.turn(counts)
            one.look()
    wrong = list(errors)
    third = max(1, len(samples) // 3)
    for name in ("server", "engine"):
        first = sum(sample[name] for sample in samples[:third]) / third
        last = sum(sample[name] for sample in samples[-third:]) / third
        say(f"{name}: resident {first:.0f} KiB in the first third, {last:.0f} in the last")
        if last > first * MAX_GROWTH_RATIO + MAX_GROWTH_KIB:
            wrong.append(f"the {name} grew from {first:.0f} to {last:.0f} KiB")
    say(f"{dict(counts)}")
    for level in {*LEVELS, "resumed"}:
        if counts[level] == 0:
            wrong.append(f"there was no {level}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sandboxes", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--workers", type=int, default=4)
    options = parser.parse_args()
    with spare_data.borrowed() as data:
        server = warren.Server(data=data, arguments=UNLIMITED).start()
        try:
            wrong = run(server, options.sandboxes, options.minutes * 60, options.workers, lambda text: print(text, flush=True))
        finally:
            server.shut_down()
        if left := {name: value for name, value in (("control groups", server.host.cgroups()), ("mounts", server.host.mounts())) if value}:
            wrong.append(f"left on the host: {left}")
    print("\n".join(wrong) if wrong else "nothing lost, nothing grew")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
