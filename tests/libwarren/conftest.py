"""What the tests of libwarren share: a real Warren that is reached by its Unix socket and over TCP with a key.

Against another server that speaks E2B's protocol: set E2B_API_KEY and, where they are needed, E2B_DOMAIN, E2B_API_URL and
E2B_SANDBOX_URL, and call pytest with `--endpoint e2b`. Tests that need a Warren of their own (to kill it, to look at it from the
host's side) are left out then.
"""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import libwarren  # noqa: E402
import warren  # noqa: E402
from service import Service  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--endpoint", choices=["warren", "e2b"], default="warren",
                     help="warren: a private server; e2b: what the variables E2B_* name")


@pytest.fixture(scope="session")
def service(request):
    """The private server. It must end cleanly and leave nothing on the host."""
    if request.config.getoption("--endpoint") != "warren":
        pytest.skip("needs a Warren of its own")
    running = Service().start()
    yield running
    running.shut_down()
    left = {"control groups": running.host.cgroups(), "mounts": running.host.mounts()}
    assert not any(left.values()), f"left on the host: {left}"


@pytest.fixture(scope="session")
def key(service):
    return service.new_key("libwarren")


@pytest.fixture(scope="session")
def tcp(service, key):
    """Environment for a client that comes over TCP."""
    return libwarren.environment(**service.settings(key))


@pytest.fixture(scope="session")
def endpoint(request):
    """Environment for a client: of the private server's Unix socket, or of the E2B-compatible server that was asked for."""
    if request.config.getoption("--endpoint") == "e2b":
        given = {name: value for name, value in os.environ.items() if name.startswith("E2B_")}
        assert "E2B_API_KEY" in given, "--endpoint e2b needs E2B_API_KEY"
        return libwarren.environment(**given)
    return libwarren.environment(WARREN_SOCKET=request.getfixturevalue("service").socket)


@pytest.fixture
def none_left(request):
    """After the test no sandbox is alive. (Of a foreign server nobody knows what else runs there.)"""
    yield
    if request.config.getoption("--endpoint") == "warren":
        running = request.getfixturevalue("service")
        warren.wait_for(lambda: not running.list(), 60, "all sandboxes have ended")
