"""What the tests of the Python package share.

The library is that of the program under test: WARREN=<build>/src/cli/warren, whose build directory has libwarren.so.
Integration tests run against a private Warren, or against another server that speaks E2B's protocol: set E2B_API_KEY and,
where they are needed, E2B_DOMAIN, E2B_API_URL and E2B_SANDBOX_URL, and call pytest with `--endpoint e2b`. Tests that look at
the server from the host's side are left out then.
"""

import asyncio
import importlib
import os
import pathlib
import signal
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SUPPORT = REPOSITORY / "tests/support"
PACKAGE = REPOSITORY / "bindings/python"


def import_support():
    """tests/support/warren.py has the name of the package under test: it goes on as `warren_host`."""
    sys.path.insert(0, str(SUPPORT))
    try:
        for name in ("pages", "service", "libwarren"):
            importlib.import_module(name)
        sys.modules["warren_host"] = sys.modules.pop("warren")
    finally:
        sys.path.remove(str(SUPPORT))


# A shell starts what runs in its background deaf to Ctrl-C, and programs inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
import_support()
import service as service_module  # noqa: E402
import warren_host  # noqa: E402

BUILD = pathlib.Path(warren_host.binary()).resolve().parents[2]
LIBRARY = BUILD / "src/libwarren/libwarren.so.0"
GIVEN = {name: value for name, value in os.environ.items() if name.startswith("E2B_")}
for name in [name for name in os.environ if name.startswith(("E2B_", "OTEL_")) or name in ("WARREN_SOCKET", "WARREN_STATE_DIR")]:
    del os.environ[name]
os.environ.setdefault("WARREN_LIBRARY", str(LIBRARY))
sys.path.insert(0, str(PACKAGE / "src"))

import warren  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--endpoint", choices=["warren", "e2b"], default="warren",
                     help="warren: a private server; e2b: what the variables E2B_* name")


@pytest.fixture(scope="session")
def service(request, tmp_path_factory):
    """The private server. It must end cleanly and leave nothing on the host."""
    if request.config.getoption("--endpoint") != "warren":
        pytest.skip("needs a Warren of its own")
    running = service_module.Service().start()
    yield running
    running.shut_down()
    left = {"control groups": running.host.cgroups(), "mounts": running.host.mounts()}
    assert not any(left.values()), f"left on the host: {left}"


@pytest.fixture(scope="session")
def endpoint(request, tmp_path_factory):
    """Sets the environment of this process for clients; gives it for other processes."""
    if request.config.getoption("--endpoint") == "e2b":
        assert "E2B_API_KEY" in GIVEN, "--endpoint e2b needs E2B_API_KEY"
        chosen = dict(GIVEN)
    else:
        chosen = {"WARREN_SOCKET": request.getfixturevalue("service").socket}
    chosen["WARREN_STATE_DIR"] = str(tmp_path_factory.mktemp("state"))
    os.environ.update(chosen)
    yield {**os.environ, **chosen}
    for name in chosen:
        del os.environ[name]


@pytest.fixture(scope="session")
def tcp_client(service):
    """A client that comes over TCP with a key."""
    settings = service.settings(service.new_key("python"))
    return warren.Client(settings["E2B_API_KEY"], api_url=settings["E2B_API_URL"], sandbox_url=settings["E2B_SANDBOX_URL"])


@pytest.fixture
def none_left(request, endpoint):
    """After the test no sandbox is alive. (Of a foreign server nobody knows what else runs there.)"""
    running = request.getfixturevalue("service") if request.config.getoption("--endpoint") == "warren" else None
    yield
    if running is not None:
        warren_host.wait_for(lambda: not running.list(), 30, "all sandboxes have ended")


@pytest.fixture
def run():
    """Runs a coroutine to its end, a minute at most."""
    return lambda coroutine: asyncio.run(asyncio.wait_for(coroutine, 60))
