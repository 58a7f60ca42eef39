"""Limits of a sandbox that its interpreter could be a way around, and what those may do who have no token."""

import contextlib

import pytest

import interpreter
import warren

PIDS = 64

FILL = """
import os, time
try:
    while True:
        if os.fork() == 0:
            time.sleep(1000)
            os._exit(0)
except OSError:
    print("full", flush=True)
time.sleep(1000)
"""


@pytest.fixture(scope="module")
def warmed(server):
    """A zygote stands ready, so contexts are forks of it."""
    with server.sandbox():
        warren.wait_for(lambda: "a zygote is ready" in server.full_log(), 90, "the zygote is warmed")


def test_contexts_count_as_processes(server, warmed, fresh):
    """A fork of the zygote is born elsewhere and moved into the sandbox's groups, which the kernel never refuses."""
    box = fresh(pids=PIDS)
    box.start(["/usr/bin/python3", "-c", FILL]).started()
    warren.wait_for(lambda: len(box.pids()) >= PIDS - 1, 20, "the sandbox is full")
    for _ in range(16):
        interpreter.call(box, "POST", "/contexts", {"language": "python"})
    # Those on their way to their end are counted for a moment.
    warren.wait_for(lambda: len(box.pids()) <= PIDS, 20, "no context beyond the limit stays")


def test_slow_requests_without_a_token_keep_nobody_out(server, fresh):
    """What a request announces is set aside for it; a request for a context, which nobody has to show a token for, announces little."""
    box = fresh()
    with contextlib.ExitStack() as open_ones:
        for size in (8 << 20, 16 << 10) * 16:
            connection = open_ones.enter_context(contextlib.closing(warren.UnixConnection(server.socket, 10)))
            connection.putrequest("POST", "/contexts")
            for name, value in box._headers(interpreter.PORT, {"Content-Type": "application/json", "Content-Length": str(size)}).items():
                connection.putheader(name, value)
            connection.endheaders(b"{")
        assert interpreter.value(box, "print(6 * 7)") == "42\n"
