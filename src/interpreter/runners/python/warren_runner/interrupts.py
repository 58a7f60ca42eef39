"""SIGINT: KeyboardInterrupt while a cell runs, nothing otherwise."""

import signal


class Interrupts:
    def __init__(self):
        self._armed = False

    def install(self):
        signal.signal(signal.SIGINT, self._handle)

    def arm(self):
        self._armed = True

    def disarm(self):
        self._armed = False

    def _handle(self, _number, _frame):
        if self._armed:
            raise KeyboardInterrupt
