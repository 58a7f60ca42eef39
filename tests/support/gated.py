"""A server of a test file's own, whose criu can be held (saved.Gate), and the sandboxes that are made there."""

import json

import pytest
import saved
import spare_data
import warren


@pytest.fixture(scope="module")
def gate():
    with saved.Gate() as made:
        yield made


@pytest.fixture(scope="module")
def own(gate, request):
    """With the file's SERVER_ARGUMENTS, if it has any."""
    more = getattr(request.module, "SERVER_ARGUMENTS", [])
    with spare_data.borrowed() as data:
        running = warren.Server(data=data, arguments=["--criu", str(gate.path), *more]).start()
        yield running
        gate.let_go()
        running.shut_down()
        assert not running.host.cgroups() and not running.host.mounts() and not running.host.uppers()


@pytest.fixture
def made(own, gate):
    """Makes sandboxes; at the end of the test nothing is left of these, of others, or of what was saved."""
    sandboxes = []

    def make(v2=False, of=None, **options):
        if of:  # the server has made it already
            sandboxes.append(warren.Sandbox(own, of))
        elif v2:
            body = {"templateID": warren.TEMPLATE, "timeout": 300, **options}
            sandboxes.append(warren.Sandbox(own, own.request("POST", "/v2/sandboxes", body, 201)))
        else:
            sandboxes.append(own.create(**options))
        return sandboxes[-1]

    yield make
    gate.let_go()
    for entry in own.snapshots():
        own.remove_snapshot(entry["snapshotID"])
    for entry in own.all():
        own.request("DELETE", f"/sandboxes/{entry['sandboxID']}", expect=(204, 404))
    own.host.assert_gone(*[one.id for one in sandboxes])
    warren.wait_for(lambda: not saved.saved(own), 20, "nothing saved is left")


@pytest.fixture
def again(own, monkeypatch):
    """Starts the server again, by another program or with other settings until the end of the test."""
    def start(*arguments, program=None):
        own.terminate()
        own.host.wait_engine_gone()
        if program:
            monkeypatch.setenv("WARREN_BINARY", str(program))
        else:
            monkeypatch.delenv("WARREN_BINARY", raising=False)
        own.start(*arguments)

    given = warren.binary()
    yield start
    start(program=given)


def post(sandbox, what, body=None):
    """-> (status, message or answer)"""
    status, answer = sandbox.server.raw("POST", f"/sandboxes/{sandbox.id}/{what}", json.dumps(body or {}), 120)
    return status, answer.get("message", answer) if isinstance(answer, dict) else answer


def level(sandbox):
    detail = sandbox.detail()
    return detail["pause"]["level"] if detail["state"] == "paused" else detail["state"]
