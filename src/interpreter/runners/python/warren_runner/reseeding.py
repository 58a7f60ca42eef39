"""The sandbox goes on from an image, perhaps beside others from the same one: what it makes up from now on is its own.

SIGURG says so in the middle of a cell; its default is that nothing happens, so it harms no process that has no handler.
The frame that follows is handled between two cells, and does what the signal could not.
"""

import contextlib
import signal

from . import process


class Renewal:
    def __init__(self):
        self._done = False

    def install(self):
        signal.signal(signal.SIGURG, self._handle)
        # C code that waits for the kernel goes on waiting.
        signal.siginterrupt(signal.SIGURG, False)

    def forget(self):
        """A cell begins: only what comes during it counts for the frame after it."""
        self._done = False

    def _handle(self, _number, _frame):
        with contextlib.suppress(Exception):
            self._done = process.renew()

    def settle(self, variables):
        """RENEW. A seed that the cell has set after the signal stays."""
        if not self._done:
            process.renew()
        self._done = False
        process.add_environment(variables)
