"""The server of these tests: plain HTTP, two ports, no domain. It ends before the other tests begin, because a data directory has
one server at a time."""

import pytest

import service
from conftest import ended


@pytest.fixture(scope="package")
def plain():
    running = service.Service()
    with ended(running.start()):
        running.key = running.new_key("suite")
        yield running
