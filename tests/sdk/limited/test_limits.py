"""What the SDK says about limits of the server, and that a restart of the server is none for it."""

import json
import threading
import uuid

import e2b
import pytest

import warren


@pytest.fixture
def box(settings):
    made = e2b.Sandbox.create(timeout=120, metadata={"kept": "yes"}, **settings)
    yield made
    made.kill()


def test_too_many_sandboxes(settings, box):
    with e2b.Sandbox.create(timeout=120, **settings):
        with pytest.raises(e2b.RateLimitException, match=r"maximum number of concurrent E2B sandboxes \(2\)"):
            e2b.Sandbox.create(timeout=120, retries=0, **settings)
    with e2b.Sandbox.create(timeout=120, **settings) as another:
        assert another.is_running()


def too_often(limited):
    """Asks for what there is not, which counts, until it is too often -> the answer to that. To make and kill sandboxes can
    be too slow."""
    body = json.dumps({"templateID": "no-such-template"})
    for _ in range(1000):
        status, headers, text = limited.plain_api("POST", "/sandboxes", limited.key, body,
                                                  {"Content-Type": "application/json"})
        if status == 429:
            return headers, json.loads(text)
        assert status == 404, text
    raise AssertionError("there is no limit")


def test_too_many_creations(limited, settings):
    """Without further attempts the SDK reports it; with them (its default) it waits as long as the server says."""
    over = threading.Event()

    def go_on():
        while not over.wait(0.02):
            too_often(limited)

    others = threading.Thread(target=go_on)
    others.start()
    try:
        with pytest.raises(e2b.RateLimitException):
            for _ in range(50):
                e2b.Sandbox.create(timeout=120, retries=0, **settings).kill()
    finally:
        over.set()
        others.join()
    with e2b.Sandbox.create(timeout=120, **settings) as made:
        assert made.is_running()


def test_too_many_creations_on_the_wire(limited):
    headers, body = too_often(limited)
    assert int(headers["Retry-After"]) >= 1 and body["code"] == 429


def test_longest_lifetime(settings, box):
    with pytest.raises(e2b.SandboxException, match="400.*Timeout cannot be greater than 1 hours"):
        e2b.Sandbox.create(timeout=3601, **settings)
    with pytest.raises(e2b.SandboxException, match="400.*Timeout cannot be greater than 1 hours"):
        box.set_timeout(3601)


def test_unknown_fields_are_ignored_when_told_so(limited):
    body = json.dumps({"templateID": "base", "frobnicate": uuid.uuid4().hex})

    def create():
        return limited.plain_api("POST", "/sandboxes", limited.key, body, {"Content-Type": "application/json"})

    status, _, text = warren.wait_for(lambda: next((one for one in [create()] if one[0] != 429), None), 20, "a creation is allowed")
    assert status == 201, text
    limited.plain_api("DELETE", f"/sandboxes/{json.loads(text)['sandboxID']}", limited.key)


@pytest.mark.parametrize("stop", ["terminate", "kill9"])
def test_sandboxes_survive_the_server(limited, settings, box, stop):
    box.files.write("kept", "through it all")
    handle = box.commands.run("sleep 600", background=True)
    before = box.get_info()
    getattr(limited, stop)()
    with pytest.raises(Exception):
        box.get_info(request_timeout=2, retries=0)
    limited.start()
    after = box.get_info()
    assert (after.metadata, after.started_at, after.end_at) == (before.metadata, before.started_at, before.end_at)
    assert box.files.read("kept") == "through it all"
    assert handle.pid in [one.pid for one in box.commands.list()]
    assert box.commands.run("echo still").stdout == "still\n"
    box.set_timeout(1)
    warren.wait_for(lambda: not box.is_running(), 20, "the deadline holds after the restart")
