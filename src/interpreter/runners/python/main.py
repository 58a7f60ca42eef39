"""Starts a Python context from nothing: `python3 -I main.py`, with the agent's socket as descriptor 3.

Where a zygote exists, contexts are forked from it, and this file is used only by those that have to be renewed
(warren_runner/renewal.py): `python3 -I main.py SOCKET REQUEST`, two descriptors.
"""

import os
import sys

SOCKET_FD = 3

# Isolated mode (-I) keeps the user's files and variables away from what is imported here, and with them
# this directory. It is removed again, so that user code sees the module path of a plain Python.
_here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, _here)
import warren_runner  # noqa: E402  (the path has to be set first)

sys.path.remove(_here)


def warm():
    try:
        warren_runner.warm()
    except ImportError as error:
        # The beginning of what stands here is all that the user sees.
        sys.exit(f"this template's Python lacks what contexts need ({error}); use a template that has it, such as base")


def main(arguments):
    if arguments:
        socket, request = map(int, arguments)
        warren_runner.take(request)
        warm()
        warren_runner.serve(socket, renewed=True)
    warm()
    warren_runner.serve(SOCKET_FD)


if __name__ == "__main__":
    main(sys.argv[1:])
