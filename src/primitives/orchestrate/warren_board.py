"""Barriers, channels and leases for tasks that run at the same time in different sandboxes.

They live as files in the directory that the tasks share, WARREN_BOARD, and need a file system that all of them see at once: the
volume share. With the blackboard share files are handed over only before and after each task, so there is nothing to wait for:
Barrier, Channel and Lease raise NotShared then.

    from warren_board import Barrier, Channel, Lease

    Barrier("start", 3).wait(timeout=30)
    Channel("jobs").put({"n": 1})
    job = Channel("jobs").get(timeout=30)
    with Lease("report", ttl=10, timeout=30):
        ...

What a task leaves behind when it is killed heals: locks end with their process, leases with their time. A task that is killed
while it waits at a barrier is missed by the others, whose wait ends with their timeout.
"""

import contextlib
import fcntl
import json
import os
import re
import time
import uuid

__all__ = ["Barrier", "Channel", "Closed", "Lease", "Lost", "NotShared", "board"]

PAUSE_FIRST = 0.002
PAUSE_LONGEST = 0.05


class NotShared(RuntimeError):
    """The tasks do not see each other's files while they run."""


class Closed(RuntimeError):
    """The channel is closed, and empty for who receives."""


class Lost(RuntimeError):
    """The lease has passed to another."""


def board():
    """The directory that the tasks share."""
    path = os.environ.get("WARREN_BOARD")
    if not path:
        raise NotShared("this task shares nothing with others: the orchestrator was made without a share")
    return path


def _place(kind, name):
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", name) or name.startswith("."):
        raise ValueError(f"{name!r}: a name has 1 to 100 letters, digits, _, . and -")
    if os.environ.get("WARREN_BOARD_SHARED") != "1":
        raise NotShared("with the blackboard share files are handed over before and after a task: "
                        "use the volume share to wait for other tasks")
    path = os.path.join(board(), ".warren", f"{kind}-{name}")
    os.makedirs(path, exist_ok=True)
    return path


@contextlib.contextmanager
def _locked(path):
    with open(os.path.join(path, "lock"), "a", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _read(path, otherwise):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return otherwise


def _write(path, value):
    """At once for readers: never half a file."""
    temporary = f"{path}.{uuid.uuid4().hex}"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(value, file)
    os.replace(temporary, path)


def _wait(step, timeout, what):
    """Until step() returns something other than None; TimeoutError after `timeout` seconds (None: no bound)."""
    end = None if timeout is None else time.monotonic() + timeout
    pause = PAUSE_FIRST
    while True:
        value = step()
        if value is not None:
            return value
        if end is not None and time.monotonic() >= end:
            raise TimeoutError(f"{what}: nothing within {timeout} seconds")
        time.sleep(pause)
        pause = min(pause * 2, PAUSE_LONGEST)


class Barrier:
    """Lets `parties` tasks go on when all of them have come; then it starts again."""

    def __init__(self, name, parties):
        if parties < 1:
            raise ValueError("a barrier has at least one party")
        self.name, self.parties = name, parties
        self.path = _place("barrier", name)
        self.state = os.path.join(self.path, "state")

    def wait(self, timeout=None):
        """The number of this task: 0 for the last one to come."""
        with _locked(self.path):
            state = _read(self.state, {"round": 0, "arrived": 0})
            mine = state["round"]
            state["arrived"] += 1
            number = self.parties - state["arrived"]
            if number == 0:
                state = {"round": mine + 1, "arrived": 0}
            _write(self.state, state)
        try:
            _wait(lambda: True if _read(self.state, {"round": 0})["round"] != mine else None, timeout, f"barrier {self.name}")
        except TimeoutError:
            with _locked(self.path):
                state = _read(self.state, {"round": 0, "arrived": 0})
                if state["round"] == mine:
                    state["arrived"] -= 1
                    _write(self.state, state)
                    raise
        return number


class Channel:
    """A queue of JSON values that any task puts into and gets out of, each value once, in their order."""

    def __init__(self, name, capacity=1000):
        self.name, self.capacity = name, capacity
        self.path = _place("channel", name)
        self.state = os.path.join(self.path, "state")

    def _look(self):
        return _read(self.state, {"first": 0, "next": 0, "closed": False})

    def _file(self, number):
        return os.path.join(self.path, f"value-{number}")

    def put(self, value, timeout=None):
        """Waits while the channel is full. Closed: Closed."""
        def step():
            with _locked(self.path):
                state = self._look()
                if state["closed"]:
                    raise Closed(f"channel {self.name} is closed")
                if state["next"] - state["first"] >= self.capacity:
                    return None
                _write(self._file(state["next"]), value)
                state["next"] += 1
                _write(self.state, state)
                return True
        _wait(step, timeout, f"channel {self.name}")

    def get(self, timeout=None):
        """Waits for a value. Closed and empty: Closed."""
        def step():
            with _locked(self.path):
                state = self._look()
                if state["first"] == state["next"]:
                    if state["closed"]:
                        raise Closed(f"channel {self.name} is closed and empty")
                    return None
                path = self._file(state["first"])
                value = _read(path, None)
                state["first"] += 1
                _write(self.state, state)
                os.unlink(path)
                return (value,)
        return _wait(step, timeout, f"channel {self.name}")[0]

    def close(self):
        with _locked(self.path):
            state = self._look()
            state["closed"] = True
            _write(self.state, state)

    def __iter__(self):
        with contextlib.suppress(Closed):
            while True:
                yield self.get()


class Lease:
    """A name that one task at a time holds, for at most `ttl` seconds. All sandboxes of a server have one clock."""

    def __init__(self, name, ttl=30, timeout=None):
        self.name, self.ttl, self.timeout = name, ttl, timeout
        self.path = _place("lease", name)
        self.state = os.path.join(self.path, "state")
        self.token = None

    def take(self):
        """Its token: it grows with each lease of the name."""
        def step():
            with _locked(self.path):
                state = _read(self.state, {"token": 0, "held": False, "until": 0})
                if state["held"] and time.time() < state["until"]:
                    return None
                token = state["token"] + 1
                _write(self.state, {"token": token, "held": True, "until": time.time() + self.ttl})
                return token
        self.token = _wait(step, self.timeout, f"lease {self.name}")
        return self.token

    def _mine(self):
        state = _read(self.state, {"token": 0, "held": False})
        return state["held"] and state["token"] == self.token

    def renew(self):
        with _locked(self.path):
            if not self._mine():
                raise Lost(f"lease {self.name} has passed to another")
            _write(self.state, {"token": self.token, "held": True, "until": time.time() + self.ttl})

    def give(self):
        """One that has passed on is no error."""
        with _locked(self.path):
            if self._mine():
                _write(self.state, {"token": self.token, "held": False, "until": 0})
        self.token = None

    def __enter__(self):
        self.take()
        return self

    def __exit__(self, *error):
        self.give()
