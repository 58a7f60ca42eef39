"""Nothing of a restored sandbox executes one instruction before its limits, its host name and its record are in force."""

import ast
import time

import pytest
import saved
import spare_data
import warren

# At its limit of processes, trying to make more and looking for its host name all the time: this is what it does first, wherever it
# goes on. The clock is read before what it is for.
BUSY = r"""
import os, signal, socket, time
name, old_until, children, made = socket.gethostname(), 0.0, [], []
def fork():
    now = time.time()
    try:
        pid = os.fork()
    except OSError:
        return False
    while pid == 0:
        signal.pause()
    children.append(pid), made.append(now)
    return True
while fork():
    pass
while True:
    now = time.time()
    if socket.gethostname() != name:
        break
    if not old_until:
        print("full", flush=True)
    old_until = now
    fork()
for _ in range(100):
    fork()
for pid in children:
    os.kill(pid, signal.SIGKILL), os.waitpid(pid, 0)
with open("/root/first.new", "w") as file:
    print([old_until, made], file=file)
os.rename("/root/first.new", "/root/first")
time.sleep(1000)
"""


@pytest.fixture(scope="module")
def gate():
    with saved.Gate() as made:
        yield made


@pytest.fixture(scope="module")
def own(gate):
    with spare_data.borrowed() as data:
        running = warren.Server(data=data, arguments=["--criu", str(gate.path)]).start()
        yield running
        gate.let_go()
        running.shut_down()


@pytest.mark.parametrize("held", [True, False])
def test_nothing_runs_before_everything_is_in_force(own, gate, held):
    """`held`: for a while between the end of the restore and what the engine does then."""
    with own.sandbox(pids=48) as made:
        program = made.start(["/usr/bin/python3", "-c", BUSY], "root").started()
        assert next(data for kind, data in program.stream if kind != "start") == b"full\n"
        snapshot = made.snapshot()
        restored = time.time()
        if held:
            gate.hold("after-restore")
        later = saved.Later(own, "POST", "/sandboxes", {"templateID": snapshot, "timeout": 300})
        if held:
            gate.reached()
            time.sleep(0.2)
            gate.let_go()
        assert later.end() == 201, later.answer
        copy = warren.Sandbox(own, later.answer)
        found = own.host.volume() / "sandboxes" / copy.id / "u/root/first"  # there is room for no process that looks
        warren.wait_for(found.exists, 30, "it has seen its new host name")
        old_until, children = ast.literal_eval(found.read_text())
        copy.kill()
        own.remove_snapshot(snapshot)
    assert 0 < old_until < restored, "it ran under the old host name"
    assert len(children) > 16 and [at for at in children if at > restored] == [], "it had more processes than it may have"
