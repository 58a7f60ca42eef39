import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import probe  # noqa: E402
from fixtures import fresh, neighbour, sandbox, server, user  # noqa: E402, F401


@pytest.fixture(scope="session")
def prober(tmp_path_factory):
    """The static program that issues raw system calls."""
    return probe.build(tmp_path_factory.mktemp("probe"))


@pytest.fixture(scope="module")
def probed(sandbox, prober):  # noqa: F811
    """A sandbox that holds the prober."""
    sandbox.put(probe.PATH, prober, mode=0o755)
    return sandbox
