"""The server of these tests: few sandboxes, few creations per second, unknown fields allowed. It ends before the other tests begin, because a data directory
has one server at a time."""

import pytest

import service
from conftest import ended


@pytest.fixture(scope="package")
def limited():
    running = service.Service(arguments=["--max-sandboxes", "2", "--rate-creates", "5", "--timeout-max", "1h", "--lenient"])
    with ended(running.start()):
        running.key = running.new_key("suite")
        yield running


@pytest.fixture
def settings(limited):
    """How the SDK finds it, as options of its calls."""
    return {"api_key": limited.key, "api_url": limited.api_url, "sandbox_url": limited.ingress_url}
