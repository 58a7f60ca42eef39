"""The soak of soak.py, shorter and smaller."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import load  # noqa: E402
import soak  # noqa: E402
import spare_data  # noqa: E402
import warren  # noqa: E402

SANDBOXES = 20
SECONDS = 15


def test_pausing_and_resuming_at_random():
    with spare_data.borrowed() as data:
        server = warren.Server(data=data, arguments=load.UNLIMITED).start()
        try:
            wrong = soak.run(server, SANDBOXES, SECONDS, 4, print)
        finally:
            server.shut_down()
        assert not wrong
        assert not server.host.cgroups() and not server.host.mounts()
