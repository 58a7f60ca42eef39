"""What is asked for at the wrong time: each answer names the sandbox, the reason, and what helps, and the sandbox is as it was."""

import contextlib

import pytest
import saved
import warren

ACTIONS = {
    "pause": ("POST", "pause", {}),
    "freeze": ("POST", "pause", {"level": "frozen"}),
    "resume": ("POST", "resume", {"timeout": 60}),
    "connect": ("POST", "connect", {"timeout": 60}),
    "fork": ("POST", "fork", {}),
    "snapshot": ("POST", "snapshots", {}),
    "rollback": ("POST", "rollback", {"snapshotID": "{snapshot}", "timeout": 60}),
    "timeout": ("POST", "timeout", {"timeout": 60}),
    "refresh": ("POST", "refreshes", {"duration": 60}),
    "network": ("PUT", "network", {"allowOut": ["192.0.2.1"]}),
    "port": ("GET", "ports/80", None),
    "get": ("GET", "", None),
    "metrics": ("GET", "metrics", None),
    "kill": ("DELETE", "", None),
}
# What goes on: (the request, where criu is held meanwhile, whether it is paused before).
MIDDLES = {
    "pausing": ("pause", "before-dump", False),
    "paused, not told yet": ("pause", "after-dump", False),
    "resuming": ("connect", "before-restore", True),
    "rolling back": ("rollback", "before-restore", False),
    "rolling back from the disk": ("rollback", "before-restore", True),
    "taking a snapshot": ("snapshot", "before-dump", False),
    "forking": ("fork", "before-dump", False),
}
PAUSED = "sandbox {id} is paused; resume it first"
PAUSING = "sandbox {id} is being paused; resume it first, which waits for the pause"
RESUMING = "sandbox {id} is being resumed; try again in a moment"
ROLLING = "sandbox {id} is being rolled back; try again in a moment"
SAVING = "sandbox {id} is being written to a snapshot; try again in a moment"
RUNS = "sandbox {id} is running already"
KILLED = "sandbox {id} is being killed"
GONE = 'Sandbox "{id}" doesn\'t exist or you don\'t have access to it'


def only_running(text):
    """Refused with that by all that needs one that runs, and by what needs one with which nothing goes on."""
    return {"refresh": (404, text), **{name: (409, text) for name in ("timeout", "network", "port", "fork")}}


def busy(text):
    return {**only_running(text), "snapshot": (409, text), "rollback": (409, text)}


def saving(text):
    return {"resume": (409, RUNS), **{name: (409, text) for name in ("fork", "snapshot", "rollback")}}


def paused(level):
    return {**only_running(PAUSED), "freeze": (409, f"sandbox {{id}} is paused already ({level})")}


# What is not named here is done, or waits until it can be done.
REFUSED = {
    "running": {"resume": (409, RUNS)},
    "frozen": paused("frozen"),
    "hibernated": {**paused("hibernated"), "pause": (409, "sandbox {id} is paused already (hibernated)"),
                   "snapshot": (409, "sandbox {id} is hibernated; resume it first")},
    "pausing": busy(PAUSING),
    "paused, not told yet": busy(PAUSING),
    "resuming": busy(RESUMING),
    "rolling back": busy(ROLLING),
    "rolling back from the disk": busy(ROLLING),
    "taking a snapshot": saving(SAVING),
    "forking": saving(SAVING),
}


def ask(own, sandbox, name, snapshot):
    method, what, body = ACTIONS[name]
    if body:
        body = {key: value.format(snapshot=snapshot) if isinstance(value, str) else value for key, value in body.items()}
    return saved.Later(own, method, f"/sandboxes/{sandbox.id}/{what}".rstrip("/"), body)


def check(request, status, text, sandbox):
    assert request.end() == status, request.answer
    assert request.answer["message"] == text.format(id=sandbox.id)


@contextlib.contextmanager
def held(own, made, gate, state):
    """-> (a sandbox in that state, a snapshot of it, what was asked for to have it there or None)"""
    sandbox = made()
    snapshot = sandbox.snapshot()
    request = None
    if state in ("frozen", "hibernated"):
        sandbox.pause(level=state)
    if state in MIDDLES:
        name, where, paused_before = MIDDLES[state]
        if paused_before:
            sandbox.pause()
        gate.hold(where)
        request = ask(own, sandbox, name, snapshot)
        gate.reached()
    yield sandbox, snapshot, request
    gate.let_go()


@pytest.mark.parametrize("state", REFUSED)
def test_what_is_refused(own, made, gate, state):
    with held(own, made, gate, state) as (sandbox, snapshot, request):
        kept = sandbox.detail()["state"]
        for name, (status, text) in REFUSED[state].items():
            check(ask(own, sandbox, name, snapshot), status, text, sandbox)
        assert sandbox.detail()["state"] == kept and not (request and request.over())
    if request:
        assert request.end() in (200, 201, 204), request.answer
    if sandbox.detail()["state"] == "paused":
        sandbox.resume()
    assert sandbox.check("echo alive") == "alive\n"


@pytest.mark.parametrize("state", [*MIDDLES])
def test_what_waits(own, made, gate, state):
    """A pause joins another one, and has its turn after everything else."""
    with held(own, made, gate, state) as (sandbox, snapshot, request):
        pause = ask(own, sandbox, "freeze", snapshot)
        sandbox.detail()
        assert not pause.over()
    assert request.end() in (200, 201, 204), request.answer
    assert pause.end() == 204, pause.answer
    back = ask(own, sandbox, "connect", snapshot)
    assert back.end() == 201 and sandbox.check("echo alive") == "alive\n"


@pytest.mark.parametrize("state", ["pausing", "resuming", "rolling back", "rolling back from the disk"])
def test_what_is_being_killed(own, made, gate, state):
    with held(own, made, gate, state) as (sandbox, snapshot, request):
        kill = ask(own, sandbox, "kill", snapshot)
        warren.wait_for(lambda: not sandbox.alive(), 20, "it is not listed any more")
        # Of a pause 409 would say that it is paused.
        check(request, *((404, GONE) if state.startswith("paus") else (409, KILLED)), sandbox)
        for name in ACTIONS:
            status, text = (409, KILLED) if name in ("connect", "network") else (404, GONE)
            check(ask(own, sandbox, name, snapshot), status, text, sandbox)
        assert not kill.over()
    assert kill.end() == 204
    for name in ACTIONS:
        check(ask(own, sandbox, name, snapshot), 404, GONE, sandbox)
