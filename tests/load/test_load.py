"""The load of `make load`, shorter and smaller: see load.py."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import load  # noqa: E402
from service import Service  # noqa: E402

SANDBOXES = 50
STREAMS = 250
SECONDS = 9


@pytest.fixture(scope="module")
def service():
    running = Service(arguments=load.UNLIMITED).start()
    yield running
    log = running.shut_down()
    assert "the engine did not confirm its end" not in log, log


def test_many_streams(service):
    """No error, no growth, no descriptor left, and clients that take one byte per second harm nobody."""
    report = load.measure(service, SANDBOXES, STREAMS, SECONDS)
    print("\n".join(load.lines(report)))
    assert not load.verdict(report, STREAMS)
