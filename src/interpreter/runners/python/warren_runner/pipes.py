"""The pipes 1 and 2, from their writing ends: what subprocesses and C code wrote comes before what the runner says next.

The agent reads the frames in the socket before it reads a pipe. So a frame that is sent while the pipes are empty is in
order with both what was and what will be written to them.
"""

import fcntl
import os
import stat
import termios
from time import monotonic, sleep  # user code may replace the attributes of the module

PATIENCE_SECONDS = 0.02
STEP_SECONDS = 0.0002
# A program in the background that writes all the time leaves no moment with an empty pipe: then order means nothing.
RESIGNED_SECONDS = 1


def identity(fd):
    """Which pipe it is; None for anything else. User code may put other files in its place."""
    try:
        status = os.fstat(fd)
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISFIFO(status.st_mode) else None


class Pipes:
    def __init__(self):
        self._pipes = ()
        self._unread = bytearray(4)
        self._resigned_until = 0.0

    def connect(self):
        self._pipes = tuple((fd, identity(fd)) for fd in (1, 2))

    def settle(self):
        """Waits until the agent has read them, for a moment at most: it does not while its client is slow."""
        for fd, pipe in self._pipes:
            if self._holds(fd, pipe):
                self._wait(fd, pipe)

    def _holds(self, fd, pipe):
        try:
            fcntl.ioctl(fd, termios.FIONREAD, self._unread)
        except OSError:
            return False
        return any(self._unread) and pipe is not None and identity(fd) == pipe

    def _wait(self, fd, pipe):
        now = monotonic()
        end = now + PATIENCE_SECONDS
        if now < self._resigned_until:
            return
        while self._holds(fd, pipe):
            if monotonic() > end:
                self._resigned_until = end + RESIGNED_SECONDS
                return
            sleep(STEP_SECONDS)
