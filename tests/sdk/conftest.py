"""Fixtures of the suite that drives the official E2B packages against a real server. Start it with tests/sdk/run."""

import contextlib
import os
import pathlib
import sys
import uuid

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))

import names  # noqa: E402
import service  # noqa: E402
import warren  # noqa: E402

DOMAIN = "sbx.test"
# The SDK's threads keep the network namespace in which they were started: those tests have a run of their own,
# `tests/sdk/run egress`.
collect_ignore = [] if any("egress" in argument for argument in sys.argv[1:]) else ["egress"]


def pytest_collection_modifyitems(items):
    """One server at a time: the tests of limited/ and plain/ come first, whatever the order on the command line."""
    first = ["limited", "plain"]
    items.sort(key=lambda item: first.index(item.path.parent.name) if item.path.parent.name in first else len(first))


@pytest.fixture(scope="session", autouse=True)
def certificates(tmp_path_factory):
    """*.sbx.test is this machine, and its certificates are trusted, for this process and its children. From the beginning: the SDK
    reads the list of authorities once."""
    directory = tmp_path_factory.mktemp("certificates")
    with names.Names(DOMAIN) as made:
        made.trust(service.make_certificates(DOMAIN, directory))
        yield directory


@contextlib.contextmanager
def ended(running):
    """Whatever happens inside, the server ends; when nothing did, it leaves nothing on the host."""
    try:
        yield running
    except BaseException:
        running.shut_down()
        raise
    log = running.shut_down()
    left = {"control groups": running.host.cgroups(), "mounts": running.host.mounts()}
    assert not any(left.values()), f"left on the host: {left}\n{log}"


@pytest.fixture(scope="session")
def served(certificates):
    """The server in domain mode with TLS: what most tests use."""
    running = service.Service(DOMAIN, certificates)
    with ended(running.start()):
        team = f"neighbours-{uuid.uuid4().hex}"
        running.key = running.new_key("suite")
        running.new_team(team)
        running.other_key = running.new_key("suite", team=team)
        os.environ.update(running.settings(running.key))
        yield running
        for name in running.settings(running.key):
            os.environ.pop(name, None)


@pytest.fixture(scope="session")
def packages():
    """Where tests/sdk/setup put the official packages."""
    path = os.environ.get("WARREN_SDK_PACKAGES")
    assert path, "start the suite with tests/sdk/run"
    return pathlib.Path(path)


@pytest.fixture(scope="session", params=["sync", "async"])
def sdk(request, served):
    """The Python SDK, once synchronous and once asynchronous."""
    import flavour

    made = flavour.Sync() if request.param == "sync" else flavour.Async()
    yield made
    made.stop()


@pytest.fixture(scope="session", params=["sync", "async"])
def interpreter(request, served):
    """The Python SDK of the code interpreter, once synchronous and once asynchronous."""
    import flavour

    made = flavour.Interpreter() if request.param == "sync" else flavour.AsyncInterpreter()
    yield made
    made.stop()


def one_sandbox(package):
    made = package.Sandbox.create(timeout=600)
    yield made
    made.kill()


def maker(package):
    """Gives create(timeout=...), whose sandboxes end with the test."""
    with contextlib.ExitStack() as stack:
        def create(*arguments, **options):
            made = package.Sandbox.create(*arguments, **options)
            stack.callback(package.Sandbox.kill, made.sandbox_id, **{
                name: options[name] for name in ("api_key",) if name in options})
            return made

        yield create


@pytest.fixture(scope="module")
def box(interpreter):
    """A sandbox of the code interpreter that the tests of a file share."""
    yield from one_sandbox(interpreter)


@pytest.fixture
def fresh(interpreter):
    """Makes sandboxes of the code interpreter that end with the test."""
    yield from maker(interpreter)


@pytest.fixture(scope="module")
def sandbox(sdk):
    """One that the tests of a file share."""
    yield from one_sandbox(sdk)


@pytest.fixture
def make(sdk):
    """Makes sandboxes that end with the test: make(timeout=...)."""
    yield from maker(sdk)


@pytest.fixture
def folder(sandbox, request):
    """A directory of this test in the shared sandbox."""
    path = f"/home/user/{request.node.name.split('[')[0]}"
    sandbox.files.make_dir(path)
    return path


@pytest.fixture
def until():
    """until(condition, what): waits for something that must come."""
    return lambda condition, what="the condition", seconds=60: warren.wait_for(condition, seconds, what)
