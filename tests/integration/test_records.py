"""What the server records: logs and metrics, with real sandboxes and across kill -9."""

import json

import pytest

import warren
from test_lifecycle import restarted  # noqa: F401

MIB = 1 << 20


def messages(server, path, key="logs"):
    return [entry["message"] for entry in server.request("GET", path)[key]]


@pytest.fixture(params=[False, True], ids=["open", "secured"])
def talkative(server, request):
    """A secured sandbox wants its token from the server too."""
    made = server.request("POST", "/sandboxes", {"templateID": warren.TEMPLATE, "timeout": 300, "secure": request.param})
    assert ("envdAccessToken" in made) == request.param
    yield warren.Sandbox(server, made)
    server.request("DELETE", f"/sandboxes/{made['sandboxID']}", expect=(204, 404))


def test_output_is_in_the_log(server, talkative):
    talkative.check("printf 'one\\n\"two\"\\n'; printf 'bad\\0\\n' >&2")
    path = f"/v2/sandboxes/{talkative.id}/logs"
    seen = warren.wait_for(lambda: (lines := messages(server, path + "?direction=forward")) and len(lines) == 4 and lines,
                           what="the output is in the log")
    assert seen[0] == "Sandbox created" and sorted(seen[1:]) == ['"two"', "bad\ufffd", "one"]
    assert messages(server, path + "?level=warn") == ["bad\ufffd"]
    assert messages(server, path + "?search=tw") == ['"two"']
    old = server.request("GET", f"/sandboxes/{talkative.id}/logs")
    assert sorted(json.loads(entry["line"])["message"] for entry in old["logs"]) == sorted(seen)
    assert {json.loads(entry["line"])["level"] for entry in old["logs"]} == {"info", "warn"}
    server.request("DELETE", f"/sandboxes/{talkative.id}")
    assert messages(server, path) == ["Sandbox killed", "Sandbox created"]


def test_metrics_tell_used_memory_from_cache(server, fresh):
    sandbox = fresh()
    sandbox.check("dd if=/dev/zero of=/home/user/data bs=1M count=32 status=none conv=fsync")
    before = sandbox.metrics()
    assert before["memCache"] >= 24 * MIB and before["diskUsed"] >= 32 * MIB
    sandbox.check("dd if=/dev/zero of=/dev/shm/data bs=1M count=32 status=none")
    after = sandbox.metrics()
    assert after["memUsed"] - before["memUsed"] >= 30 * MIB, "shared memory is used, not cache"
    assert after["memPeak"] >= after["memUsed"]


def samples(server, sandbox):
    return server.request("GET", f"/sandboxes/{sandbox.id}/metrics")


def test_records_survive_a_kill_of_the_server(restarted):  # noqa: F811
    server = restarted
    with server.sandbox() as sandbox:
        before = warren.wait_for(lambda: samples(server, sandbox), what="the first sample")
        server.kill9()
        server.start()
        assert samples(server, sandbox)[: len(before)] == before
        warren.wait_for(lambda: len(samples(server, sandbox)) > len(before), what="the samples go on")
        assert messages(server, f"/v2/sandboxes/{sandbox.id}/logs")[-1] == "Sandbox created"
        latest = server.request("GET", f"/sandboxes/metrics?sandbox_ids={sandbox.id}")["sandboxes"]
        assert latest[sandbox.id]["timestampUnix"] >= before[0]["timestampUnix"]
