"""What has to be true of sandboxes whatever is killed: each lane makes one sandbox after another and remembers what it was told.

An operation that was answered has happened. One whose answer was lost may have happened or not, but its sandbox is still there, with
its memory, running or paused; only an end that was asked for, or the end of the nest that it runs in, ends it.
"""

import http.client
import json
import random
import threading
import time

import warren

# Keeps a value in its memory alone, and says which and how often it has looked at it.
PROGRAM = """
import sys, time
value, count = sys.argv[1], 0
while True:
    count += 1
    with open("/tmp/new", "w") as file:
        file.write(f"{value} {count}")
    import os
    os.rename("/tmp/new", "/tmp/kept")
    time.sleep(0.01)
"""
LOST = (OSError, http.client.HTTPException)


class Violation(AssertionError):
    """An invariant that does not hold."""


def patiently(call, seconds=60):
    """What a patient client does: asks again when it is told to."""
    end = time.monotonic() + seconds
    while True:
        try:
            return call()
        except (*LOST, warren.ApiError) as error:
            if isinstance(error, warren.ApiError) and error.status not in (409, 502, 503) or time.monotonic() > end:
                raise
            time.sleep(0.05)


class Lane:
    """One sandbox and what is known of it. All calls are made by one thread at a time."""

    def __init__(self, world, name, seed):
        self.world = world
        self.name = name
        self.random = random.Random(seed)
        self.id = None
        self.value = None
        self.last = 0  # the count that was seen last
        self.paused = None  # True, False, or None when an answer was lost
        self.ending = False  # its end was asked for, and not confirmed
        self.nest_born = True  # it runs in a nest, and ends with it
        self.history = []

    def note(self, text):
        self.history.append(f"{time.monotonic() - self.world.began:.3f} {text}")

    def fail(self, text):
        raise Violation(f"lane {self.name}, sandbox {self.id}: {text}\n  " + "\n  ".join(self.history[-30:]))

    def forget(self):
        self.id = self.value = self.paused = None
        self.last, self.ending, self.nest_born = 0, False, True

    # ---- what the server says ----

    def request(self, method, path, body=None, expect=(200, 201, 204)):
        return self.whole(method, path, body, expect)[1]

    def whole(self, method, path, body=None, expect=(200, 201, 204)):
        """-> headers, value"""
        status, headers, value = self.world.server.whole(method, path, None if body is None else json.dumps(body), timeout=60)
        if status not in expect:
            raise warren.ApiError(status, value)
        return headers, value

    def handle(self):
        return warren.Sandbox(self.world.server, {"sandboxID": self.id})

    def read(self):
        """The value and the count, from the sandbox's files by its agent."""
        status, body = self.handle().http("GET", "/files?path=/tmp/kept&username=root", timeout=20)
        if status != 200:
            raise warren.ApiError(status, body)
        value, count = body.decode().split()
        return value, int(count)

    # ---- operations ----

    def create(self):
        value = f"{self.name}-{self.random.getrandbits(64):016x}"
        self.note(f"create {value}")
        made = self.request("POST", "/sandboxes", {"templateID": "base", "timeout": 3600, "metadata": {"value": value}})
        # From here on it is ours, whatever becomes of the program.
        self.id = made["sandboxID"]
        handle = self.handle()
        try:
            handle.start(["/usr/bin/python3", "-c", PROGRAM, value], user="root").started().close()
            warren.wait_for(lambda: handle.run("test -e /tmp/kept", user="root").code == 0, 20, "the program runs")
        except BaseException:
            self.ending = True  # half-made: nobody relies on it
            self.paused = None
            raise
        self.value, self.paused, self.last = value, False, 0
        self.note(f"created {self.id}")

    def pause(self):
        level = self.random.choice(["frozen", "hibernated", "hibernated"])
        self.note(f"pause {level}")
        self.paused = None
        headers, _ = self.whole("POST", f"/sandboxes/{self.id}/pause", {"level": level}, expect=(204, 409))
        self.paused = True
        # 409: it was so already, by a pause whose answer was lost; to which level, nobody has said.
        if headers["X-Warren-Pause-Level"] == "hibernated":
            self.nest_born = False
        self.note(f"paused: {headers['X-Warren-Pause-Level']} {headers['X-Warren-Pause-Reason'] or ''}")

    def resume(self):
        self.note("resume")
        self.paused = None
        self.request("POST", f"/sandboxes/{self.id}/connect", {"timeout": 3600})
        self.paused = False
        self.note("resumed")

    def kill(self):
        self.note("kill")
        self.ending = True
        self.request("DELETE", f"/sandboxes/{self.id}", expect=(204, 404))
        self.note("killed")
        self.forget()

    def branch(self):
        """A snapshot, a sandbox from it with the same memory, and the end of both."""
        self.note("snapshot")
        snapshot = self.request("POST", f"/sandboxes/{self.id}/snapshots", {})["snapshotID"]
        self.note(f"snapshot {snapshot}")
        made = self.request("POST", "/sandboxes", {"templateID": snapshot, "timeout": 60, "metadata": {"value": "branch"}})
        status, body = warren.Sandbox(self.world.server, made).http("GET", "/files?path=/tmp/kept&username=root", timeout=20)
        if status == 200 and body.decode().split()[0] != self.value:
            self.fail(f"a sandbox from its snapshot has {body!r}")
        self.request("DELETE", f"/sandboxes/{made['sandboxID']}", expect=(204, 404))
        self.world.server.remove_snapshot(snapshot)
        self.note("branch ended")

    def look(self):
        self.check_memory(*self.read())

    def check_memory(self, value, count):
        if value != self.value:
            self.fail(f"its memory has {value}, not {self.value}")
        if count < self.last:
            self.fail(f"it went back from {self.last} to {count}")
        self.last = count

    def step(self):
        """One random operation; an answer that does not come is no failure here."""
        try:
            if self.id is None:
                self.create()
            elif self.ending or self.paused is None:
                time.sleep(0.02)  # the check has to find out first
            elif self.paused:
                self.random.choice([self.resume, self.resume, self.resume, self.kill])()
            else:
                self.random.choice([self.pause, self.pause, self.pause, self.look, self.branch, self.kill])()
        except (*LOST, warren.ApiError, AssertionError) as error:
            if isinstance(error, Violation):
                raise
            self.note(f"no answer: {error!r:.200}")
            time.sleep(0.02)

    # ---- what has to be true when all is quiet ----

    def answered(self, call):
        try:
            return patiently(call)
        except (*LOST, warren.ApiError) as error:
            self.fail(f"{error!r:.300}")

    def ended_with_nest(self):
        """Whether it is gone, and may be."""
        return self.nest_born and self.world.nest_ended and self.id not in self.world.states()

    def check(self, states):
        """states: {id: what the list says} of the whole server."""
        if self.id is None:
            return
        found = states.get(self.id)
        if found is None:
            if self.ending or self.ended_with_nest():
                self.forget()
                return
            self.fail("it is lost")
        if self.ending or self.value is None:
            self.answered(lambda: self.request("DELETE", f"/sandboxes/{self.id}", expect=(204, 404)))
            self.forget()
            return
        if self.paused is not None and self.paused != (found == "paused"):
            self.fail(f"it was told to be {'paused' if self.paused else 'running'} and is {found}")
        told_to_run = self.paused is False

        def wake_and_read():
            # What became of a pause whose answer was lost may come out only now: a server asks its new engine in its own time.
            # So does the end of a nest.
            try:
                if not told_to_run:
                    self.request("POST", f"/sandboxes/{self.id}/connect", {"timeout": 3600})
                return self.read()
            except warren.ApiError:
                if self.ended_with_nest():
                    return None
                raise

        seen = self.answered(wake_and_read)
        if not seen:
            self.forget()
            return
        value, count = seen
        self.note("looked at by the check")
        self.paused = False
        self.check_memory(value, count)
        warren.wait_for(lambda: self.answered(self.read)[1] > count, 60, f"sandbox {self.id} goes on: {self.history[-10:]}")


class World:
    """A server, its lanes, and a thread for each."""

    def __init__(self, server, lanes, seed):
        self.server = server
        self.began = time.monotonic()
        self.nest_ended = False
        self.lanes = [Lane(self, str(number), f"{seed}/{number}") for number in range(lanes)]
        self.violations = []
        self._running = threading.Event()
        self._idle = [threading.Event() for _ in self.lanes]
        self._end = False
        self._threads = [threading.Thread(target=self._work, args=pair, daemon=True) for pair in zip(self.lanes, self._idle)]
        for thread in self._threads:
            thread.start()

    def _work(self, lane, idle):
        while not self._end:
            if not self._running.is_set():
                idle.set()
                self._running.wait(0.1)
                continue
            idle.clear()
            try:
                lane.step()
            except Violation as error:
                self.violations.append(error)
                self._running.clear()

    def run(self):
        for idle in self._idle:
            idle.clear()
        self._running.set()

    def stand_still(self):
        """Returns when no operation is under way."""
        self._running.clear()
        for idle in self._idle:
            if not idle.wait(120):
                raise Violation("an operation does not end")
        if self.violations:
            raise self.violations[0]

    def close(self):
        self._end = True
        self._running.clear()
        for thread in self._threads:
            thread.join(120)

    def states(self):
        found, token = {}, ""
        while True:
            connection = warren.UnixConnection(self.server.socket)
            connection.request("GET", f"/v2/sandboxes?limit=100{'&nextToken=' + token if token else ''}")
            response = connection.getresponse()
            for entry in json.loads(response.read()):
                found[entry["sandboxID"]] = entry["state"]
            token = response.headers.get("X-Next-Token") or ""
            connection.close()
            if not token:
                return found

    def check(self):
        """Everything that must hold, after stand_still() and with every process alive."""
        states = self.states()
        known = {lane.id for lane in self.lanes}
        for lane in self.lanes:
            lane.check(states)
        # A create whose answer was lost: nobody's, but a whole sandbox.
        for one in set(states) - known:
            patiently(lambda one=one: self.server.request("DELETE", f"/sandboxes/{one}", expect=(204, 404)))
        for entry in self.server.snapshots():
            patiently(lambda entry=entry: self.server.remove_snapshot(entry["snapshotID"]))
        self.nest_ended = False
        self.check_host()

    def check_host(self):
        """No process, directory or half-made snapshot that belongs to nobody."""
        host = self.server.host

        def orphans():
            mine = {lane.id for lane in self.lanes}
            states = self.states()
            saved = set()
            directory = host.volume() / "snapshots"
            if directory.is_dir():
                saved = {path.name for path in directory.iterdir()}
            paused = {one for one, state in states.items() if state == "paused"}
            return {kind: value for kind, value in {
                "listed": set(states) - mine,
                "processes": host.running() - set(states),
                "saved": saved - paused,
            }.items() if value}

        end = time.monotonic() + 60
        while left := orphans():
            if time.monotonic() > end:
                raise Violation(f"belongs to nobody: {left}")
            time.sleep(0.1)
