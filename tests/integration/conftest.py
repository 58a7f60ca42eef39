import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from fixtures import fresh, neighbour, sandbox, server, user  # noqa: E402, F401
from gated import again, gate, made, own  # noqa: E402, F401
