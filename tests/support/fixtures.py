"""Fixtures of the suites that need a running Warren. Each conftest.py imports this module."""

import contextlib

import pytest

import warren


@pytest.fixture(scope="session")
def server():
    """One private server for the whole session. It must end cleanly and leave nothing on the host."""
    running = warren.Server().start()
    yield running
    log = running.shut_down()
    assert "the engine did not confirm its end" not in log, log
    warren.wait_for(lambda: not running.host.loop_devices(), 20, "the loop device is detached")
    left = {"control groups": running.host.cgroups(), "mounts": running.host.mounts()}
    assert not any(left.values()), f"left on the host: {left}"


@pytest.fixture(scope="module")
def sandbox(server):
    """A sandbox that the tests of one file share; they look and do no harm."""
    with server.sandbox() as made:
        yield made


@pytest.fixture(scope="module")
def neighbour(server):
    """Another one, which has to be unaffected."""
    with server.sandbox() as made:
        yield made


@pytest.fixture
def fresh(server):
    """Makes sandboxes that end with the test: fresh(memoryBytes=...)."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(server.sandbox(**options))


@pytest.fixture(params=["user", "root"])
def user(request):
    """Everything is tried as both."""
    return request.param
